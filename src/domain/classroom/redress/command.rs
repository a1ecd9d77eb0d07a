//! What is asked about withheld time and credit.

use chrono::{DateTime, Utc};

use crate::domain::classroom::credit::Stretch;
use crate::domain::id::{AccountId, AdjustmentId, AppealId};

/// Somebody of the staff who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decider {
    /// Who.
    pub account: AccountId,
    /// Taught the lesson, or asked for the check that is appealed against.
    pub has_a_hand: bool,
}

/// What somebody, or time, wants.
#[derive(Clone, Debug)]
pub enum RedressCommand<'a> {
    /// The learner appeals.
    Appeal {
        /// Who, as signed in.
        by: AccountId,
        /// A withheld stretch of the present statement.
        stretch: Stretch,
        /// Why.
        text: &'a str,
        /// When the attendance closed, if it did.
        closed_at: Option<DateTime<Utc>>,
    },
    /// The learner takes an appeal back.
    Withdraw {
        /// Who, as signed in.
        by: AccountId,
        /// Which.
        appeal: AppealId,
    },
    /// Staff decides about an appeal.
    Decide {
        /// Who.
        by: Decider,
        /// Which.
        appeal: AppealId,
        /// The learner is right.
        upheld: bool,
        /// Why.
        reason: &'a str,
        /// Overturning outcomes of checks restores the stretch; otherwise an adjustment must.
        by_checks: bool,
    },
    /// Staff proposes an adjustment.
    Propose {
        /// Who.
        by: Decider,
        /// Seconds; negative takes.
        seconds: i64,
        /// Why.
        reason: &'a str,
    },
    /// A second person says yes or no to an adjustment.
    Second {
        /// Who.
        by: Decider,
        /// Which.
        adjustment: AdjustmentId,
        /// Yes.
        approved: bool,
    },
    /// A deadline may be reached.
    Due,
}
