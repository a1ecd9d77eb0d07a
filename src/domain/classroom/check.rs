//! One check of one learner: its kind, its cause, its prompt and its outcome.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::quiz::QuestionDraw;
use super::span::Span;
use crate::domain::face::finding::Finding;
use crate::domain::id::{AccountId, CheckId, RoundId};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A tap that says "I am here".
    Presence,
    /// A question of the bank.
    Question,
    /// A look at the learner's own camera; silent until it does not pass.
    Face,
    /// A look that also asks for a small act: exactly one [`Gesture`] per try.
    Action,
}

impl CheckKind {
    /// True when a pass shows who is there.
    pub fn shows_identity(self) -> bool {
        match self {
            CheckKind::Face | CheckKind::Action => true,
            CheckKind::Presence | CheckKind::Question => false,
        }
    }
}

/// The act that one try of an action check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gesture {
    /// The head to the learner's left.
    TurnLeft,
    /// The head to the learner's right.
    TurnRight,
    /// The mouth open.
    OpenMouth,
}

/// Why it is asked now. Only [`Cause::Scheduled`] and [`Cause::Closing`] come from the raw draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// The drawn schedule.
    Scheduled {
        /// Number of the raw check.
        ordinal: u32,
        /// When it was drawn to fall, on the counted milliseconds.
        due_clock_ms: u64,
    },
    /// Nothing was asked in the last share of the lesson yet.
    Closing,
    /// The check before was failed.
    Ladder {
        /// Failures in a row so far.
        failures: u32,
    },
    /// The check before was interrupted, or an absence was long.
    Return,
    /// The learner came in, where only a face makes a first anchor.
    SignIn,
    /// A question was passed where only a face shows who passed it.
    Identity,
    /// The camera shows something again.
    Uncovered,
    /// Another device took the place.
    Takeover,
    /// The lesson is over and its last stretch is open.
    SignOut,
    /// A member of staff asked, by name.
    Staff {
        /// Who.
        by: AccountId,
    },
}

/// How a check ended; a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Present, and right where something was asked.
    Passed,
    /// Present, and wrong.
    #[serde(rename = "wrong")]
    PassedWrong,
    /// Answered wrong under a policy that asks for a right answer.
    FailedWrong,
    /// Passed for now; a person looks at the pictures.
    PassedLowAssurance,
    /// Somebody else.
    FailedMismatch,
    /// Nobody in the picture, or no picture.
    FailedNoFace,
    /// More than one face.
    FailedManyFaces,
    /// The act asked for was not seen.
    FailedLiveness,
    /// The camera was covered or in the dark.
    FailedCovered,
    /// The learner said no to it.
    Refused,
    /// The learner went on the route without a camera while it was open.
    Exempt,
    /// Nobody answered in time.
    Missed,
    /// The server saw the transport go while the prompt was open.
    Interrupted,
    /// A break fell into the prompt, or the lesson was cancelled: it counts for nothing.
    Void,
}

impl Outcome {
    /// True when it shows that somebody was there.
    pub fn is_pass(self) -> bool {
        self.verdict() == Some(true)
    }

    /// True when it withholds the stretch back to the last pass.
    pub fn is_failure(self) -> bool {
        self.verdict() == Some(false)
    }

    /// True when it says anything about the learner at all.
    pub fn is_verdict(self) -> bool {
        self.verdict().is_some()
    }

    fn verdict(self) -> Option<bool> {
        match self {
            Outcome::Passed | Outcome::PassedWrong | Outcome::PassedLowAssurance => Some(true),
            Outcome::FailedWrong
            | Outcome::FailedMismatch
            | Outcome::FailedNoFace
            | Outcome::FailedManyFaces
            | Outcome::FailedLiveness
            | Outcome::FailedCovered
            | Outcome::Missed
            | Outcome::Refused => Some(false),
            Outcome::Interrupted | Outcome::Exempt | Outcome::Void => None,
        }
    }
}

/// A person's decision about an outcome; it stands beside the outcome, never over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The outcome was right.
    Upheld,
    /// A failure counts as a pass, a pass as a failure.
    Overturned,
}

/// One check from asking to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its id.
    pub id: CheckId,
    /// Counts all checks of the attendance from 0; names its nonce and its draws.
    pub number: u32,
    /// What is asked.
    #[serde(rename = "asks")]
    pub kind: CheckKind,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When the prompt opened.
    pub asked_at: DateTime<Utc>,
    /// What the learner's clock of counted time showed then.
    pub clock_ms: u64,
    /// The last moment to answer.
    pub deadline: DateTime<Utc>,
    /// Measured round trip granted beyond the deadline, bounded by the policy.
    pub allowance_ms: u32,
    /// SHA-256 of the first nonce.
    pub nonce_hash: String,
    /// Tries that the prompt gives.
    pub attempts: u32,
    /// The question as this learner sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionDraw>,
    /// The learner does not know of it: no prompt was shown yet, or none was needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// The last finding of the present stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Finding>,
    /// The round that it belongs to, when the whole class is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// What a person decided about its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// Tries used.
    #[serde(default)]
    pub used: u32,
    /// The last answer that counted.
    #[serde(default)]
    pub answered_at: Option<DateTime<Utc>>,
    /// How it ended, and when that was decided.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// The end of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: DateTime<Utc>,
}

impl Check {
    /// When the server stops waiting: the deadline and the allowance.
    pub fn closes_at(&self) -> DateTime<Utc> {
        self.deadline + chrono::TimeDelta::milliseconds(i64::from(self.allowance_ms))
    }

    /// The time in which it could be answered.
    pub fn window(&self) -> Span {
        Span::new(self.asked_at, self.closes_at())
    }

    /// Tries left.
    pub fn attempts_left(&self) -> u32 {
        self.attempts.saturating_sub(self.used)
    }

    /// True until it has an outcome.
    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Its outcome, once it has one.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended.map(|ended| ended.outcome)
    }
}

/// What a learner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// "I am here."
    Present,
    /// Keys of the options chosen.
    Keys(Vec<String>),
    /// What was written.
    Text(String),
}

/// What a learner answered, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// The options chosen, by their places in the bank.
    Places(Vec<u8>),
    /// What was written.
    Text(String),
}
