//! What follows an answer: its grade, the ladder after failures, and what persons decide.

use chrono::{DateTime, Utc};

use super::command::Context;
use super::decide::{closed, conflict};
use super::{Attendance, AttendanceFact, Phase, ReviewReason, Route, millis};
use crate::domain::classroom::check::{Answer, Cause, Check, CheckKind, Given, Outcome, Ruling};
use crate::domain::classroom::credit::{Failure, Reason};
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::schedule::ladder_delay_ms;
use crate::domain::id::{AccountId, CheckId};
use crate::domain::refusal::{Refusal, RefusalKind};

impl Attendance {
    pub(super) fn ladder(&self, check: &Check, at: DateTime<Utc>) -> Vec<AttendanceFact> {
        let figures = self.policy.figures();
        let failures = self.failures_in_row + 1;
        let not_before = at + millis(ladder_delay_ms(&self.seed, &self.policy, check.number));
        let cause = Cause::Ladder { failures };
        let mut facts = vec![AttendanceFact::CheckOwed { not_before, cause }];
        if failures == figures.failures_to_pause {
            facts.push(AttendanceFact::Paused { at });
        }
        if failures == figures.failures_to_review {
            facts.push(AttendanceFact::ReviewAsked {
                reason: ReviewReason::Failures,
                at,
            });
        }
        facts
    }

    pub(super) fn refuse(
        &self,
        check: &Check,
        now: DateTime<Utc>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        if check.is_open() && now <= check.closes_at() {
            Ok(self.end(check, Outcome::Refused, now))
        } else {
            let zh = "这次核验已经结束";
            Err(conflict("check.answered", zh, "this check is over"))
        }
    }

    pub(super) fn exempt(
        &self,
        by: AccountId,
        now: DateTime<Utc>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        if let Phase::Closed { .. } = self.phase {
            return Err(closed());
        }
        if self.terms.route == Route::CameraFree {
            return Ok(Vec::new());
        }
        let mut facts = vec![AttendanceFact::Exempted { by, at: now }];
        let looking = self.running_check();
        if let Some(check) = looking.filter(|check| check.kind.shows_identity()) {
            facts.extend(self.end(check, Outcome::Exempt, now));
        }
        Ok(facts)
    }

    pub(super) fn rule(
        &self,
        by: AccountId,
        check: CheckId,
        ruling: Ruling,
        context: &Context<'_>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        let (zh, en) = ("没有找到这次核验", "there is no such check");
        let found = self.checks.iter().find(|known| known.id == check);
        let found =
            found.ok_or_else(|| Refusal::new(RefusalKind::NotFound, "check.unknown", zh, en))?;
        if !found.outcome().is_some_and(Outcome::is_verdict) {
            let (zh, en) = ("这次核验没有可复核的结论", "there is no verdict to review");
            return Err(conflict("check.no_verdict", zh, en));
        }
        if found.ruling.is_some() {
            let (zh, en) = ("这次核验已经复核", "this check was reviewed already");
            return Err(conflict("check.ruled", zh, en));
        }
        let fact = AttendanceFact::CheckRuled {
            check,
            ruling,
            by,
            at: context.now,
        };
        let mut ruled = self.clone();
        ruled.apply(&fact);
        let mut facts = vec![fact];
        if let (Phase::Closed { .. }, Ruling::Overturned) = (self.phase, ruling) {
            let (elsewhere, today_s) = (context.elsewhere, context.earned_today_s);
            let result = ruled.statement(context.lesson, elsewhere, today_s, context.now);
            facts.push(AttendanceFact::Recomputed {
                at: context.now,
                rule_version: self.rule_version,
                credited_s: result.credited_s,
                withheld_s: result.withheld_s,
            });
        }
        Ok(facts)
    }

    pub(super) fn ruled(&mut self, id: CheckId, ruling: Ruling) {
        let Some(check) = self.check_mut(id) else {
            return;
        };
        check.ruling = Some(ruling);
        let (kind, answered_at) = (check.kind, check.answered_at);
        let (Some(ended), Ruling::Overturned) = (check.ended, ruling) else {
            return;
        };
        let passed_at = answered_at.unwrap_or(ended.at);
        if ended.outcome.is_failure() {
            self.failures.retain(|failure| failure.at != ended.at);
            if self.is_anchor(kind) {
                self.anchors.push(passed_at);
            }
        } else if ended.outcome.is_pass() {
            let at = ended.at;
            self.anchors.retain(|anchor| *anchor != passed_at);
            let reason = Reason::of(ended.outcome);
            self.failures.push(Failure { at, reason });
        }
    }
}

/// What is kept of an answer to a question.
pub(super) fn given(check: &Check, answer: &Answer) -> Option<Given> {
    let draw = check.question.as_ref()?;
    match answer {
        Answer::Present => None,
        Answer::Keys(keys) => Some(Given::Places(draw.places(keys))),
        Answer::Text(text) => Some(Given::Text(text.trim().to_owned())),
    }
}

/// Right or wrong, where something is asked; refuses an answer of another kind.
pub(super) fn grade(
    check: &Check,
    answer: &Answer,
    question: Option<&Question>,
) -> Result<Option<bool>, Refusal> {
    match (check.kind, answer, question, &check.question) {
        (CheckKind::Presence, Answer::Present, _, _) => Ok(None),
        (CheckKind::Question, Answer::Keys(keys), Some(question), Some(draw)) => {
            question.grade(draw, keys).map(Some)
        }
        (CheckKind::Question, Answer::Text(text), Some(question), Some(_)) => {
            question.solution().grade(text).map(Some)
        }
        (
            CheckKind::Presence | CheckKind::Question | CheckKind::Face | CheckKind::Action,
            _,
            _,
            _,
        ) => Err(Refusal::new(
            RefusalKind::Invalid,
            "answer.kind",
            "回答与核验类型不符",
            "the answer does not fit the kind of check",
        )),
    }
}
