//! What happened about withheld time and credit.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::classroom::credit::Stretch;
use crate::domain::id::{AccountId, AdjustmentId, AppealId};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RedressFact {
    /// The learner appealed.
    AppealFiled {
        /// Which.
        appeal: AppealId,
        /// Against what.
        stretch: Stretch,
        /// SHA-256 of the learner's words.
        text_sha256: String,
        /// To be decided by then.
        due_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The learner took it back.
    AppealWithdrawn {
        /// Which.
        appeal: AppealId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its time passed without a decision.
    AppealEscalated {
        /// Which.
        appeal: AppealId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody decided.
    AppealDecided {
        /// Which.
        appeal: AppealId,
        /// Who.
        by: AccountId,
        /// The learner was right.
        upheld: bool,
        /// SHA-256 of the reason.
        reason_sha256: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody proposed an adjustment, which changes nothing yet.
    AdjustmentProposed {
        /// Which.
        adjustment: AdjustmentId,
        /// Of which appeal.
        appeal: Option<AppealId>,
        /// Seconds.
        seconds: i64,
        /// SHA-256 of the reason.
        reason_sha256: String,
        /// Who.
        by: AccountId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A second person said yes or no.
    AdjustmentDecided {
        /// Which.
        adjustment: AdjustmentId,
        /// Who.
        by: AccountId,
        /// Yes.
        approved: bool,
        /// When.
        at: DateTime<Utc>,
    },
}

/// A fact with the words whose digest it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// For the ledger.
    pub fact: RedressFact,
    /// For the state alone.
    pub words: String,
}
