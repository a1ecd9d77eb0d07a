//! The cloud classroom in use: lessons, who attends them, checks, and what the board shows.
//!
//! What comes in: staff and learners by HTTP, what the room sees ([`take_in`]), and time
//! ([`run_due`], from the shell's deadline loop). What goes out: the ledger stream of each lesson,
//! and announcements.

mod act;
mod attendances;
pub(super) mod case;
mod chat;
mod closing;
mod deadlines;
mod demo;
pub mod hours;
mod interaction;
mod lessons;
mod looking;
mod presence;
mod proof;
mod question_file;
mod questions;
pub mod redress;
pub mod reviews;
mod round_view;
mod rounds;
mod seats;
mod sighting;
mod study;
pub mod view;

pub use crate::store::lesson::Scope;
pub(super) use attendances::view as attendance_view;
pub use attendances::{Answered, Heard, Heartbeat, answer, attendance, heartbeat, mine};
pub use chat::{MessageView, export as export_chat, messages, say};
pub use closing::{close_rooms, put_out};
pub use deadlines::{caught_up, recover, run_due};
pub use demo::seed_demo;
pub use interaction::{floor, set_interaction};
pub use lessons::{
    Calendar, LEARNERS_MAX, LessonTopics, NewLesson, PlanChange, board, cancel, change, check_now,
    create, end, get, learners, list, pause, resume, run_by, set_learners, start,
};
pub use looking::{Said, Sitting, camera, found, guide, not_looked, prune_pictures, sit, watched};
pub use presence::take_in;
pub use proof::{Disproved, verify_draws};
pub use question_file::{Complaint, FILE_BYTES_MAX};
pub use questions::{
    NewQuestion, QuestionFile, QuestionImport, add_question, import_questions, list_questions,
};
pub use round_view::{LearnerRound, StaffRound};
pub use rounds::{Pushed, close_poll, poll_now, question_now, rounds, shown_rounds, vote};
pub use seats::{LessonRules, Seat, SeatRole, is_in_the_audience, join, seat_of, ticket};
pub use sighting::{Leaving, Present, Seen, Sighting};
pub(super) use study::{
    NewStudy, Shown, hear as hear_player, live_on, open_study, own_spans, sign_out,
};

use chrono::{DateTime, Utc};

use crate::domain::id::LessonId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::Context;

/// Kind of the ledger streams that tell about lessons; the subject is the lesson.
pub const LESSON_STREAM_KIND: &str = "lesson";

/// Name of a lesson's media room.
pub fn room_name(lesson: LessonId) -> String {
    format!("lesson-{lesson}")
}

/// The lesson of a media room, if it has one.
pub fn lesson_of_room(room: &str) -> Option<LessonId> {
    room.strip_prefix("lesson-")?.parse().ok()
}

/// The present, for a decision. A decision must know of everything that was seen before it, so
/// while sightings wait there is none: refuses with `lesson.catching_up`.
pub(super) fn present(context: &Context) -> Result<DateTime<Utc>, Refusal> {
    if context.behind.is_set() {
        return Err(Refusal::new(
            RefusalKind::Unavailable,
            "lesson.catching_up",
            "服务器正在补记课堂情况，请稍后再试。",
            "The server is still writing down what happened in class. Try again soon.",
        ));
    }
    Ok(context.now())
}
