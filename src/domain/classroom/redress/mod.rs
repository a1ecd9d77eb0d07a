//! What a learner can do about time that was withheld, and what people may do about credit: appeals
//! that somebody without a hand in the matter decides in a stated time, and adjustments that need
//! two people.
//!
//! The machine's decision stays beside the person's. The ledger has digests of what people wrote;
//! the words themselves stand in the state and can be deleted.

mod command;
mod fact;
mod refusals;
mod workdays;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::credit::{Stretch, Verdict};
use super::policy::PolicyFigures;
use super::span::Span;
use crate::domain::entropy::Entropy;
use crate::domain::fact::hex;
use crate::domain::id::{AccountId, AdjustmentId, AppealId, AttendanceId};
use crate::domain::refusal::{Refusal, RefusalKind};
pub use command::{Decider, RedressCommand};
pub use fact::{Happened, RedressFact};
use refusals::*;
pub use workdays::after_workdays;

/// Appeals of one attendance at most.
pub const APPEALS_MAX: usize = 20;
/// Adjustments of one attendance at most.
pub const ADJUSTMENTS_MAX: usize = 20;
/// Longest text of an appeal, characters.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// Longest reason of a decision or adjustment, characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The most that one adjustment adds or takes, seconds.
pub const ADJUSTMENT_S_MAX: i64 = 8 * 3_600;

/// Appeals and adjustments of one attendance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redress {
    attendance: AttendanceId,
    learner: AccountId,
    appeals: Vec<Appeal>,
    adjustments: Vec<Adjustment>,
}

/// A learner's word against a withheld stretch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    /// Its id.
    pub id: AppealId,
    /// Against what.
    pub stretch: Stretch,
    /// In the learner's own words.
    pub text: String,
    /// When.
    pub filed_at: DateTime<Utc>,
    /// It is to be decided by then.
    pub due_at: DateTime<Utc>,
    /// Nobody had by then: the office above was told.
    pub escalated_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub end: Option<AppealEnd>,
}

/// How an appeal ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum AppealEnd {
    /// The learner took it back.
    Withdrawn {
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody decided.
    Decided {
        /// Who.
        by: AccountId,
        /// The learner was right.
        upheld: bool,
        /// Told to the learner.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// Seconds that people add to what the rules credit, or take from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// Its id.
    pub id: AdjustmentId,
    /// Of which appeal it came.
    pub appeal: Option<AppealId>,
    /// Seconds; negative takes.
    pub seconds: i64,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub by: AccountId,
    /// When.
    pub at: DateTime<Utc>,
    /// What the second person said.
    pub decision: Option<SecondWord>,
}

/// A second person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondWord {
    /// Who.
    pub by: AccountId,
    /// Agreed or not.
    pub approved: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl Redress {
    /// Of an attendance about which nobody said anything.
    pub fn none(attendance: AttendanceId, learner: AccountId) -> Self {
        Self {
            attendance,
            learner,
            appeals: Vec::new(),
            adjustments: Vec::new(),
        }
    }

    /// Of which attendance.
    pub fn attendance(&self) -> AttendanceId {
        self.attendance
    }

    /// All appeals, in the order filed.
    pub fn appeals(&self) -> &[Appeal] {
        &self.appeals
    }

    /// All adjustments, in the order proposed.
    pub fn adjustments(&self) -> &[Adjustment] {
        &self.adjustments
    }

    /// Appeals that nobody decided yet.
    pub fn open_appeals(&self) -> impl Iterator<Item = &Appeal> {
        self.appeals.iter().filter(|appeal| appeal.end.is_none())
    }

    /// Adjustments that wait for a second person.
    pub fn waiting_adjustments(&self) -> impl Iterator<Item = &Adjustment> {
        let waits = |adjustment: &&Adjustment| adjustment.decision.is_none();
        self.adjustments.iter().filter(waits)
    }

    /// Seconds that two people added or took.
    pub fn adjusted_s(&self) -> i64 {
        let agreed = self.adjustments.iter().filter(|adjustment| {
            let word = adjustment.decision;
            word.is_some_and(|word| word.approved)
        });
        agreed.map(|adjustment| adjustment.seconds).sum()
    }

    /// When [`RedressCommand::Due`] is to be looked at.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let open = self.open_appeals();
        let waiting = open.filter(|appeal| appeal.escalated_at.is_none());
        waiting.map(|appeal| appeal.due_at).min()
    }

    /// Decides a command. Refuses with `appeal.not_withheld`, `appeal.late`, `appeal.already`,
    /// `appeal.text`, `appeal.too_many`, `appeal.unknown`, `appeal.ended`, `appeal.own`,
    /// `appeal.reason`, `adjustment.seconds`, `adjustment.reason`, `adjustment.too_many`,
    /// `adjustment.unknown`, `adjustment.ended` or `adjustment.same_person`.
    pub fn decide(
        &self,
        command: &RedressCommand<'_>,
        figures: &PolicyFigures,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> Result<Vec<Happened>, Refusal> {
        match command {
            RedressCommand::Appeal {
                by,
                stretch,
                text,
                closed_at,
            } => {
                if *by != self.learner {
                    return Err(unknown_appeal());
                }
                let closed_at = closed_at.unwrap_or(now);
                self.appeal(stretch, text, closed_at, (figures, now), entropy)
            }
            RedressCommand::Withdraw { by, appeal } => {
                if *by != self.learner {
                    return Err(unknown_appeal());
                }
                let appeal = self.open(*appeal)?.id;
                let fact = RedressFact::AppealWithdrawn { appeal, at: now };
                Ok(vec![without_words(fact)])
            }
            RedressCommand::Decide {
                by,
                appeal,
                upheld,
                reason,
                by_checks,
            } => {
                let restore = *upheld && !by_checks;
                self.rule(by, *appeal, *upheld, reason, restore, (now, entropy))
            }
            RedressCommand::Propose {
                by,
                seconds,
                reason,
            } => {
                self.not_own(by)?;
                let reason = words(reason, REASON_CHARS_MAX, "adjustment.reason")?;
                let id = AdjustmentId::new(now, entropy);
                Ok(vec![self.proposed(id, None, *seconds, reason, by, now)?])
            }
            RedressCommand::Second {
                by,
                adjustment,
                approved,
            } => self.second(by, *adjustment, *approved, now),
            RedressCommand::Due => Ok(self.due(now)),
        }
    }

    fn appeal(
        &self,
        stretch: &Stretch,
        text: &str,
        closed_at: DateTime<Utc>,
        (figures, now): (&PolicyFigures, DateTime<Utc>),
        entropy: &dyn Entropy,
    ) -> Result<Vec<Happened>, Refusal> {
        if stretch.verdict != Verdict::Withheld {
            return Err(not_withheld());
        }
        if now > closed_at + TimeDelta::hours(figures.appeal_window_h.into()) {
            return Err(late(figures.appeal_window_h));
        }
        let same = |appeal: &Appeal| {
            let withdrawn = matches!(appeal.end, Some(AppealEnd::Withdrawn { .. }));
            !withdrawn && overlaps(&appeal.stretch.span, &stretch.span)
        };
        if self.appeals.iter().any(same) {
            return Err(already());
        }
        if self.appeals.len() >= APPEALS_MAX {
            return Err(too_many("appeal.too_many"));
        }
        let text = words(text, TEXT_CHARS_MAX, "appeal.text")?;
        let fact = RedressFact::AppealFiled {
            appeal: AppealId::new(now, entropy),
            stretch: *stretch,
            text_sha256: digest(&text),
            due_at: after_workdays(now, figures.appeal_due_days),
            at: now,
        };
        Ok(vec![Happened { fact, words: text }])
    }

    fn rule(
        &self,
        by: &Decider,
        appeal: AppealId,
        upheld: bool,
        reason: &str,
        restore: bool,
        (now, entropy): (DateTime<Utc>, &dyn Entropy),
    ) -> Result<Vec<Happened>, Refusal> {
        let known = self.open(appeal)?;
        self.not_own(by)?;
        let reason = words(reason, REASON_CHARS_MAX, "appeal.reason")?;
        let fact = RedressFact::AppealDecided {
            appeal,
            by: by.account,
            upheld,
            reason_sha256: digest(&reason),
            at: now,
        };
        let mut happened = vec![Happened {
            fact,
            words: reason.clone(),
        }];
        if restore {
            let seconds = i64::try_from(known.stretch.seconds).unwrap_or(ADJUSTMENT_S_MAX);
            let seconds = seconds.clamp(1, ADJUSTMENT_S_MAX);
            let id = AdjustmentId::new(now, entropy);
            happened.push(self.proposed(id, Some(appeal), seconds, reason, by, now)?);
        }
        Ok(happened)
    }

    fn proposed(
        &self,
        adjustment: AdjustmentId,
        appeal: Option<AppealId>,
        seconds: i64,
        reason: String,
        by: &Decider,
        at: DateTime<Utc>,
    ) -> Result<Happened, Refusal> {
        if seconds == 0 || seconds.abs() > ADJUSTMENT_S_MAX {
            return Err(adjustment_seconds());
        }
        if self.adjustments.len() >= ADJUSTMENTS_MAX {
            return Err(too_many("adjustment.too_many"));
        }
        let fact = RedressFact::AdjustmentProposed {
            adjustment,
            appeal,
            seconds,
            reason_sha256: digest(&reason),
            by: by.account,
            at,
        };
        Ok(Happened {
            fact,
            words: reason,
        })
    }

    fn second(
        &self,
        by: &Decider,
        id: AdjustmentId,
        approved: bool,
        at: DateTime<Utc>,
    ) -> Result<Vec<Happened>, Refusal> {
        let known = self.adjustments.iter().find(|known| known.id == id);
        let known = known.ok_or_else(unknown_adjustment)?;
        if known.decision.is_some() {
            return Err(adjustment_ended());
        }
        self.not_own(by)?;
        // Whoever proposed it may take it back, and not agree with it.
        if approved && known.by == by.account {
            return Err(same_person());
        }
        let fact = RedressFact::AdjustmentDecided {
            adjustment: id,
            by: by.account,
            approved,
            at,
        };
        Ok(vec![without_words(fact)])
    }

    fn due(&self, now: DateTime<Utc>) -> Vec<Happened> {
        let overdue = self.open_appeals().filter(|appeal| {
            let fresh = appeal.escalated_at.is_none();
            fresh && appeal.due_at <= now
        });
        let escalated = overdue.map(|appeal| RedressFact::AppealEscalated {
            appeal: appeal.id,
            at: now,
        });
        escalated.map(without_words).collect()
    }

    fn open(&self, id: AppealId) -> Result<&Appeal, Refusal> {
        let known = self.appeals.iter().find(|known| known.id == id);
        let known = known.ok_or_else(unknown_appeal)?;
        match known.end {
            None => Ok(known),
            Some(_) => Err(appeal_ended()),
        }
    }

    fn not_own(&self, by: &Decider) -> Result<(), Refusal> {
        match by.has_a_hand || by.account == self.learner {
            true => Err(own()),
            false => Ok(()),
        }
    }

    /// Takes in what happened.
    pub fn apply(&mut self, happened: &Happened) {
        let words = &happened.words;
        match &happened.fact {
            RedressFact::AppealFiled {
                appeal,
                stretch,
                due_at,
                at,
                ..
            } => self.appeals.push(Appeal {
                id: *appeal,
                stretch: *stretch,
                text: words.clone(),
                filed_at: *at,
                due_at: *due_at,
                escalated_at: None,
                end: None,
            }),
            RedressFact::AppealWithdrawn { appeal, at } => {
                self.end(*appeal, AppealEnd::Withdrawn { at: *at });
            }
            RedressFact::AppealEscalated { appeal, at } => {
                let known = self.appeals.iter_mut().find(|known| known.id == *appeal);
                if let Some(known) = known {
                    known.escalated_at = Some(*at);
                }
            }
            RedressFact::AppealDecided {
                appeal,
                by,
                upheld,
                at,
                ..
            } => {
                let (by, upheld, at) = (*by, *upheld, *at);
                let reason = words.clone();
                self.end(
                    *appeal,
                    AppealEnd::Decided {
                        by,
                        upheld,
                        reason,
                        at,
                    },
                );
            }
            RedressFact::AdjustmentProposed { .. } | RedressFact::AdjustmentDecided { .. } => {
                self.adjust(happened);
            }
        }
    }

    fn adjust(&mut self, happened: &Happened) {
        match &happened.fact {
            RedressFact::AdjustmentProposed {
                adjustment,
                appeal,
                seconds,
                by,
                at,
                ..
            } => self.adjustments.push(Adjustment {
                id: *adjustment,
                appeal: *appeal,
                seconds: *seconds,
                reason: happened.words.clone(),
                by: *by,
                at: *at,
                decision: None,
            }),
            RedressFact::AdjustmentDecided {
                adjustment,
                by,
                approved,
                at,
            } => {
                let word = SecondWord {
                    by: *by,
                    approved: *approved,
                    at: *at,
                };
                let mut known = self.adjustments.iter_mut();
                if let Some(known) = known.find(|known| known.id == *adjustment) {
                    known.decision = Some(word);
                }
            }
            RedressFact::AppealFiled { .. }
            | RedressFact::AppealWithdrawn { .. }
            | RedressFact::AppealEscalated { .. }
            | RedressFact::AppealDecided { .. } => {}
        }
    }

    fn end(&mut self, id: AppealId, end: AppealEnd) {
        if let Some(known) = self.appeals.iter_mut().find(|known| known.id == id) {
            known.end = Some(end);
        }
    }
}

fn overlaps(one: &Span, two: &Span) -> bool {
    one.from < two.to && two.from < one.to
}

fn without_words(fact: RedressFact) -> Happened {
    Happened {
        fact,
        words: String::new(),
    }
}

fn digest(words: &str) -> String {
    hex(&Sha256::digest(words.as_bytes()))
}

#[cfg(test)]
mod tests;
