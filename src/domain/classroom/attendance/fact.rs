//! What happens to one learner in one lesson, as the ledger keeps it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::terms::{CameraSight, Terms};
use crate::domain::classroom::check::{Cause, Check, Gesture, Given, Outcome, Ruling};
use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::classroom::span::Span;
use crate::domain::face::finding::{Finding, Grounds};
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, ParticipantId};

/// A fact with the attendance it belongs to, as the lesson's stream of the ledger holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedFact {
    /// Whose.
    pub attendance: AttendanceId,
    /// What.
    #[serde(flatten)]
    pub fact: AttendanceFact,
}

/// A fact of an attendance; times are the server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AttendanceFact {
    /// The first: everything that decides its checks is fixed from here on.
    AttendanceOpened {
        /// Its id.
        id: AttendanceId,
        /// Of which lesson.
        lesson: LessonId,
        /// Whose.
        account: AccountId,
        /// SHA-256 of the seed.
        commitment: String,
        /// The figures.
        policy: Box<ClassroomPolicy>,
        /// When.
        at: DateTime<Utc>,
        /// The lesson's planned end then.
        planned_end: DateTime<Utc>,
        /// What is asked of this learner otherwise than of others.
        #[serde(default)]
        terms: Terms,
        /// The rule of its credit.
        #[serde(default = "super::first_rule")]
        rule_version: u32,
    },
    /// The learner was let in with a device.
    Entered {
        /// Random name of the device, made by its browser.
        device: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A later device took the place of an earlier one.
    TakenOver {
        /// The device that lost its place.
        from_device: String,
        /// The device that has it.
        to_device: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// First life after an authenticated entry: the first anchor.
    SignedIn {
        /// When.
        at: DateTime<Utc>,
    },
    /// Media is up.
    LinkUp {
        /// The stay.
        stay: ParticipantId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Media is gone, seen by the server.
    LinkDown {
        /// True when the learner left on purpose.
        left: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// The server saw life all this time.
    Alive(Span),
    /// A prompt opened.
    CheckAsked(Box<Check>),
    /// A silent check did not pass: its prompt opened.
    CheckPrompted {
        /// Which check.
        check: CheckId,
        /// The last moment now.
        deadline: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A look at the camera came to a finding.
    CheckFound {
        /// Which check.
        check: CheckId,
        /// The try, from 0; [`SILENT_TRY`](crate::domain::classroom::schedule::SILENT_TRY) while
        /// silent.
        attempt: u32,
        /// The act that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gesture: Option<Gesture>,
        /// What was found.
        finding: Finding,
        /// What that rests on.
        #[serde(flatten)]
        grounds: Grounds,
        /// When.
        at: DateTime<Utc>,
    },
    /// What the camera sends became another thing.
    CameraSeen {
        /// What.
        sight: CameraSight,
        /// When.
        at: DateTime<Utc>,
    },
    /// From here on the learner is on the route without a camera.
    Exempted {
        /// Who said so.
        by: AccountId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A person decided about the outcome of a check.
    CheckRuled {
        /// Which check.
        check: CheckId,
        /// What.
        ruling: Ruling,
        /// Who.
        by: AccountId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A further result after the attendance was closed; earlier ones stay.
    Recomputed {
        /// When.
        at: DateTime<Utc>,
        /// Rule of the figures below.
        rule_version: u32,
        /// Result.
        credited_s: u64,
        /// Result.
        withheld_s: u64,
    },
    /// The learner answered in time.
    CheckAnswered {
        /// Which check.
        check: CheckId,
        /// Tries used with this one.
        attempt: u32,
        /// Right or wrong, where something was asked.
        right: Option<bool>,
        /// What was answered, where something was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given: Option<Given>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The learner answered after the prompt had closed; it changes nothing.
    AnsweredLate {
        /// Which check.
        check: CheckId,
        /// How late.
        late_by_ms: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// A check ended.
    CheckEnded {
        /// Which.
        check: CheckId,
        /// How.
        outcome: Outcome,
        /// When.
        at: DateTime<Utc>,
    },
    /// A further check is due, outside the drawn schedule.
    CheckOwed {
        /// Not before.
        not_before: DateTime<Utc>,
        /// Why.
        #[serde(flatten)]
        cause: Cause,
    },
    /// The lesson pauses for this learner until a pass.
    Paused {
        /// When.
        at: DateTime<Utc>,
    },
    /// An absence grew so long that time counts only after a new check.
    LongAbsence {
        /// Since when.
        since: DateTime<Utc>,
        /// It began during a check: the stretch before it has no closing anchor.
        during_check: bool,
        /// When it was noted.
        at: DateTime<Utc>,
    },
    /// A human should look at this attendance.
    ReviewAsked {
        /// Why.
        reason: ReviewReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// The server was away and is back.
    ServerReturned {
        /// When.
        at: DateTime<Utc>,
    },
    /// The lesson is over; the last check is still open.
    Closing {
        /// When the lesson ended.
        at: DateTime<Utc>,
    },
    /// Nothing more can happen; the seed is revealed.
    AttendanceClosed {
        /// When.
        at: DateTime<Utc>,
        /// The seed in hexadecimal.
        seed: String,
        /// Rule of the figures below.
        rule_version: u32,
        /// Result.
        credited_s: u64,
        /// Result.
        withheld_s: u64,
    },
}

/// Why a human should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    /// Too many failed checks in a row.
    Failures,
    /// Connections lost during checks more often than chance explains.
    Interruptions,
    /// A check passed only for now.
    LowAssurance,
    /// The last check could not be made: nobody looked.
    NotLooked,
}
