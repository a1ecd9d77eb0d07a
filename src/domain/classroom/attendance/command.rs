//! What is asked of an attendance, and what a decision about it reads.

use chrono::{DateTime, Utc};

use super::CameraSight;
use crate::domain::classroom::check::{Answer, Ruling};
use crate::domain::classroom::lesson::Lesson;
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::span::Span;
use crate::domain::entropy::Entropy;
use crate::domain::face::finding::{Finding, Grounds};
use crate::domain::id::{AccountId, CheckId, ParticipantId, RoundId};

/// What somebody, the room or time asks of an attendance.
#[derive(Clone, Debug)]
pub enum Command<'a> {
    /// The learner was let in with a device; a later device takes over.
    Enter {
        /// Random name of the device.
        device: &'a str,
    },
    /// The room sees the learner's media.
    LinkUp {
        /// The stay.
        stay: ParticipantId,
    },
    /// The room lost a stay of the learner; an older stay than the present one is ignored.
    LinkDown {
        /// The stay; none means whichever is present.
        stay: Option<ParticipantId>,
        /// On purpose.
        left: bool,
    },
    /// The server saw life in this window;
    /// [`Attendance::observe`](super::Attendance::observe) the same window afterwards.
    Alive(Span),
    /// The learner answers a prompt.
    Answer {
        /// Who, as signed in.
        by: AccountId,
        /// Which check.
        check: CheckId,
        /// The nonce of the prompt's present try.
        nonce: &'a str,
        /// What.
        answer: &'a Answer,
        /// The question of that check, when it has one.
        question: Option<&'a Question>,
    },
    /// Staff asks now; without a question it is a presence check.
    AskNow {
        /// Who.
        by: AccountId,
        /// What.
        question: Option<&'a Question>,
        /// The round that it belongs to, when the whole class is asked.
        round: Option<RoundId>,
    },
    /// The eyes came to a finding, on their look of this nonce; one of an earlier look is nothing.
    Found {
        /// Which check.
        check: CheckId,
        /// The nonce of the look.
        nonce: &'a str,
        /// What.
        finding: Finding,
        /// What it rests on.
        grounds: &'a Grounds,
    },
    /// The eyes have no time for a check that they were to look at.
    EyesBusy {
        /// Which check.
        check: CheckId,
    },
    /// The server sees what the camera sends.
    Camera(CameraSight),
    /// The learner says no to the open prompt.
    Refuse {
        /// Who, as signed in.
        by: AccountId,
        /// Which check.
        check: CheckId,
    },
    /// Staff puts the learner on the route without a camera.
    Exempt {
        /// Who.
        by: AccountId,
    },
    /// A reviewer decides about the outcome of a check, also after the attendance is closed.
    Rule {
        /// Who.
        by: AccountId,
        /// Which check.
        check: CheckId,
        /// What.
        ruling: Ruling,
    },
    /// A deadline may be reached: does one step.
    Due,
    /// The database was away, so that answers could not be taken.
    DatabaseReturned {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The server starts after it was away.
    Recover,
}

/// What a decision reads besides the attendance.
pub struct Context<'a> {
    /// The present.
    pub now: DateTime<Utc>,
    /// Chance, for ids.
    pub entropy: &'a dyn Entropy,
    /// The lesson.
    pub lesson: &'a Lesson,
    /// Questions to draw from; may be empty.
    pub bank: &'a [Question],
    /// Moments the person earned in other lessons.
    pub elsewhere: &'a [Span],
    /// Seconds the person earned today in other lessons.
    pub earned_today_s: u32,
    /// Measured round trip of the learner's connection, milliseconds; 0 when unknown.
    pub round_trip_ms: u32,
}
