//! The cloud classroom in use: lessons, who attends them, checks, and what the board shows.
//!
//! What comes in: staff and learners by HTTP, the room's own facts ([`on_room_fact`]), and time
//! ([`run_due`], from the shell's deadline loop). What goes out: the ledger stream of each lesson,
//! and announcements.

mod act;
mod attendances;
mod closing;
mod deadlines;
mod demo;
mod lessons;
mod presence;
mod proof;
mod questions;
mod seats;
pub mod view;

pub use crate::store::lesson::Scope;
pub use attendances::{Answered, Heard, Heartbeat, answer, attendance, heartbeat, mine};
pub use closing::{close_rooms, put_out};
pub use deadlines::{recover, run_due};
pub use demo::seed_demo;
pub use lessons::{
    Calendar, LEARNERS_MAX, LessonTopics, NewLesson, PlanChange, board, cancel, change, check_now,
    create, end, get, learners, list, pause, question_now, resume, run_by, set_learners, start,
};
pub use presence::on_room_fact;
pub use proof::{Disproved, verify_draws};
pub use questions::{NewQuestion, add_question, list_questions};
pub use seats::{LessonRules, Seat, SeatRole, floor, join, seat_of, ticket};

use crate::domain::id::LessonId;

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
