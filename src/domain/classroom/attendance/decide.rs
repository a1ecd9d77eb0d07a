//! What a command does to an attendance.

use chrono::{DateTime, Utc};

use super::ask::NextAsk;
use super::command::{Command, Context};
use super::face::without_question;
use super::review::{given, grade};
use super::{Attendance, AttendanceFact, Link, Phase, ReviewReason, seconds};
use crate::domain::classroom::check::{Answer, Cause, Check, CheckKind, Outcome};
use crate::domain::classroom::credit::Verdict;
use crate::domain::classroom::lesson::Lesson;
use crate::domain::classroom::quiz::{Question, draw_question};
use crate::domain::classroom::schedule::nonce_hash;
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, CheckId, ParticipantId, QuestionId, RoundId};
use crate::domain::interval::Interval;
use crate::domain::refusal::{Refusal, RefusalKind};

/// A run of life becomes a fact at this age at the latest.
const RUN_SECONDS_MAX: u32 = 60;
/// Longest name of a device, bytes.
const DEVICE_BYTES_MAX: usize = 64;

impl Attendance {
    /// What happens. Refuses with `attendance.closed`, `attendance.device`, `check.unknown`,
    /// `check.answered`, `check.nonce`, `check.open`, `check.absent`, `check.no_verdict`,
    /// `check.ruled`, `answer.kind`, `answer.keys`, `answer.number` or `answer.text`.
    pub fn decide(
        &self,
        command: &Command<'_>,
        context: &Context<'_>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        let now = context.now;
        match command {
            Command::Enter { device } => self.enter(device, now),
            Command::LinkUp { stay } => Ok(self.link_up(*stay, now)),
            Command::LinkDown { stay, left } => Ok(self.link_down(*stay, *left, now)),
            Command::Alive(window) => Ok(self.alive_in(window)),
            Command::Answer {
                by,
                check,
                nonce,
                answer,
                question,
            } => {
                let check = self.answerable(*by, *check)?;
                self.answer(check, nonce, answer, *question, now)
            }
            Command::AskNow {
                by,
                question,
                round,
            } => self.ask_now(*by, *question, *round, context),
            Command::Found {
                check,
                nonce,
                finding,
                grounds,
            } => Ok(self.found(*check, nonce, (*finding, grounds), now)),
            Command::EyesBusy { check } => Ok(self.eyes_busy(*check, now)),
            Command::Camera(sight) => Ok(self.camera(*sight, now)),
            Command::Refuse { by, check } => {
                let check = self.answerable(*by, *check)?;
                self.refuse(check, now)
            }
            Command::Exempt { by } => self.exempt(*by, now),
            Command::Rule { by, check, ruling } => self.rule(*by, *check, *ruling, context),
            Command::Due => Ok(self.due(context)),
            Command::DatabaseReturned { since } => Ok(self.database_returned(*since, now)),
            Command::Recover => Ok(self.recover(now)),
        }
    }

    fn enter(&self, device: &str, now: DateTime<Utc>) -> Result<Vec<AttendanceFact>, Refusal> {
        if self.phase != Phase::Open {
            return Err(closed());
        }
        if device.is_empty() || device.len() > DEVICE_BYTES_MAX {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "attendance.device",
                "设备标识无效",
                "the device's name is empty or too long",
            ));
        }
        let to_device = device.to_owned();
        Ok(match (&self.device, self.link) {
            (Some(from), Link::Up { .. }) if from != device => {
                let from_device = from.clone();
                let taken = AttendanceFact::TakenOver {
                    from_device,
                    to_device,
                    at: now,
                };
                let proves = self.policy.figures().takeover_check && self.is_signed_in();
                let owed = (proves && self.owed.is_none()).then_some(AttendanceFact::CheckOwed {
                    not_before: now,
                    cause: Cause::Takeover,
                });
                std::iter::once(taken).chain(owed).collect()
            }
            (Some(_) | None, Link::Up { .. } | Link::Down { .. } | Link::Absent) => {
                vec![AttendanceFact::Entered {
                    device: to_device,
                    at: now,
                }]
            }
        })
    }

    fn link_up(&self, stay: ParticipantId, now: DateTime<Utc>) -> Vec<AttendanceFact> {
        match (self.phase, self.link) {
            (Phase::Closed { .. }, _) => Vec::new(),
            (_, Link::Up { stay: present, .. }) if present == stay => Vec::new(),
            (Phase::Open | Phase::Closing { .. }, _) => {
                // Whoever comes back after the hold was away for long, noted by now or not.
                let overdue = self.absence_deadline().filter(|at| *at <= now);
                let mut facts = overdue.map_or_else(Vec::new, |at| self.note_absence(at));
                facts.push(AttendanceFact::LinkUp { stay, at: now });
                facts
            }
        }
    }

    fn link_down(
        &self,
        stay: Option<ParticipantId>,
        left: bool,
        now: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        match (self.phase, self.link) {
            (Phase::Open | Phase::Closing { .. }, Link::Up { stay: present, .. })
                if stay.is_none_or(|stay| stay == present) =>
            {
                let mut facts = self.close_life();
                facts.push(AttendanceFact::LinkDown { left, at: now });
                facts
            }
            (_, Link::Up { .. } | Link::Down { .. } | Link::Absent) => Vec::new(),
        }
    }

    fn alive_in(&self, window: &Span) -> Vec<AttendanceFact> {
        let mut facts = Vec::new();
        if self.phase != Phase::Open {
            return facts;
        }
        if !self.is_signed_in() {
            facts.extend(self.sign_in(window));
        }
        let closes = self.life.is_some_and(|run| {
            !self.reaches(&run, window) || window.to - run.from >= seconds(RUN_SECONDS_MAX)
        });
        if closes {
            facts.extend(self.close_life());
        }
        facts
    }

    /// The present run as a fact.
    fn close_life(&self) -> Vec<AttendanceFact> {
        let run = self.life.filter(|run| !run.is_empty());
        run.map(AttendanceFact::Alive).into_iter().collect()
    }

    // Of another account's check one may not even know that it exists, nor of a silent one.
    fn answerable(&self, by: AccountId, check: CheckId) -> Result<&Check, Refusal> {
        let found = self
            .checks
            .iter()
            .find(|known| known.id == check && by == self.account && !known.silent);
        found.ok_or_else(|| {
            Refusal::new(
                RefusalKind::NotFound,
                "check.unknown",
                "没有找到这次核验",
                "there is no such check",
            )
        })
    }

    fn answer(
        &self,
        check: &Check,
        nonce: &str,
        answer: &Answer,
        question: Option<&Question>,
        now: DateTime<Utc>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        if check.answered_at.is_some() && !check.is_open() {
            return Err(conflict(
                "check.answered",
                "这次核验已经完成",
                "already answered",
            ));
        }
        if !check.is_open() || now > check.closes_at() {
            let late_by_ms = Span::new(check.deadline, now).millis();
            return Ok(vec![AttendanceFact::AnsweredLate {
                check: check.id,
                late_by_ms,
                at: now,
            }]);
        }
        let expected = self.seed.nonce(check.number, check.used);
        if nonce_hash(&expected) != nonce_hash(nonce) {
            return Err(conflict(
                "check.nonce",
                "这不是当前的核验提示，请使用最新的提示",
                "this is not the present prompt; use the latest one",
            ));
        }
        let right = grade(check, answer, question)?;
        let attempt = check.used + 1;
        let mut facts = vec![AttendanceFact::CheckAnswered {
            check: check.id,
            attempt,
            right,
            given: given(check, answer),
            at: now,
        }];
        let outcome = match right {
            None | Some(true) => Some(Outcome::Passed),
            Some(false) if attempt >= check.attempts => Some(self.wrong()),
            Some(false) => None,
        };
        facts.extend(
            outcome
                .into_iter()
                .flat_map(|outcome| self.end(check, outcome, now)),
        );
        Ok(facts)
    }

    fn wrong(&self) -> Outcome {
        if self.policy.figures().wrong_is_present {
            Outcome::PassedWrong
        } else {
            Outcome::FailedWrong
        }
    }

    fn ask_now(
        &self,
        by: AccountId,
        question: Option<&Question>,
        round: Option<RoundId>,
        context: &Context<'_>,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        if !context.lesson.is_live() {
            return Err(context.lesson.not_live());
        }
        if self.running_check().is_some() {
            return Err(conflict(
                "check.open",
                "该学员正有一次核验未完成",
                "a prompt is open for this learner",
            ));
        }
        if !self.can_be_asked(context.lesson) {
            return Err(conflict(
                "check.absent",
                "该学员不在课堂中",
                "the learner is not here",
            ));
        }
        let kind = match question {
            Some(_) => CheckKind::Question,
            None => self.identity_kind(),
        };
        let ask = NextAsk {
            at: context.now,
            cause: Cause::Staff { by },
            kind,
            round,
        };
        Ok(vec![self.ask(&ask, question, context)])
    }

    fn due(&self, context: &Context<'_>) -> Vec<AttendanceFact> {
        let now = context.now;
        if let Phase::Closed { .. } = self.phase {
            return Vec::new();
        }
        if let Some(check) = self.running_check() {
            if check.closes_at() <= now && check.kind.shows_identity() {
                return self.unseen(check, context.lesson, now);
            }
            if check.closes_at() <= now {
                let outcome = self.unanswered(check, context.lesson, now);
                return self.end(check, outcome, check.closes_at());
            }
            if let (Phase::Open, Some(at)) = (self.phase, context.lesson.ended_at()) {
                return vec![AttendanceFact::Closing { at }];
            }
        } else if let Some(ended_at) = context.lesson.ended_at() {
            return self.finish(ended_at, context);
        }
        if let Some(at) = self.absence_deadline().filter(|at| *at <= now) {
            return self.note_absence(at);
        }
        match self.next_ask(context.lesson, now) {
            Some(ask) if ask.at <= now => vec![self.ask(&ask, None, context)],
            Some(_) | None => Vec::new(),
        }
    }

    // A break in the window excuses; then a wrong answer counts as one; then a lost transport.
    fn unanswered(&self, check: &Check, lesson: &Lesson, now: DateTime<Utc>) -> Outcome {
        if check.answered_at.is_some() {
            self.wrong()
        } else {
            self.excuse(check, lesson, now).unwrap_or(Outcome::Missed)
        }
    }

    /// What takes the blame off the learner: a break in the window, or a lost transport.
    pub(super) fn excuse(
        &self,
        check: &Check,
        lesson: &Lesson,
        now: DateTime<Utc>,
    ) -> Option<Outcome> {
        let window = check.window();
        let breaks = lesson.breaks_until(now);
        let in_break = breaks
            .iter()
            .any(|pause| !pause.intersect(&window).is_empty());
        let link_lost = match self.link {
            Link::Down { since, .. } => since <= window.to,
            Link::Up { since, again, .. } => again && window.contains(since),
            Link::Absent => false,
        };
        if in_break {
            Some(Outcome::Void)
        } else if link_lost {
            Some(Outcome::Interrupted)
        } else {
            None
        }
    }

    /// The end of a check with its consequences.
    pub(super) fn end(
        &self,
        check: &Check,
        outcome: Outcome,
        at: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        let mut facts = vec![AttendanceFact::CheckEnded {
            check: check.id,
            outcome,
            at,
        }];
        let unsure = outcome == Outcome::PassedLowAssurance;
        if unsure && !self.review.contains(&ReviewReason::LowAssurance) {
            facts.push(AttendanceFact::ReviewAsked {
                reason: ReviewReason::LowAssurance,
                at,
            });
        }
        if self.phase != Phase::Open || check.cause == Cause::SignOut {
            return facts;
        }
        match outcome {
            Outcome::Passed | Outcome::PassedWrong | Outcome::PassedLowAssurance => {
                facts.extend(self.who_was_it(check, at));
            }
            Outcome::Missed
            | Outcome::FailedWrong
            | Outcome::FailedMismatch
            | Outcome::FailedNoFace
            | Outcome::FailedManyFaces
            | Outcome::FailedLiveness
            | Outcome::FailedCovered
            | Outcome::Refused => facts.extend(self.ladder(check, at)),
            Outcome::Void | Outcome::Exempt => {
                facts.push(AttendanceFact::CheckOwed {
                    not_before: at,
                    cause: Cause::Return,
                });
            }
            Outcome::Interrupted => {
                let not_before = at + seconds(self.policy.figures().quiet_reconnect_s);
                facts.push(AttendanceFact::CheckOwed {
                    not_before,
                    cause: Cause::Return,
                });
                if self.interruptions == self.policy.figures().interruptions_max {
                    let reason = ReviewReason::Interruptions;
                    facts.push(AttendanceFact::ReviewAsked { reason, at });
                }
            }
        }
        facts
    }

    fn note_absence(&self, at: DateTime<Utc>) -> Vec<AttendanceFact> {
        let Link::Down { since, .. } = self.link else {
            return Vec::new();
        };
        let during_check = self.checks.last().is_some_and(|check| {
            check.outcome() == Some(Outcome::Interrupted) && check.window().contains(since)
        });
        vec![
            AttendanceFact::LongAbsence {
                since,
                during_check,
                at,
            },
            AttendanceFact::CheckOwed {
                not_before: at,
                cause: Cause::Return,
            },
        ]
    }

    // The lesson is over and no prompt is open: one last check where something hangs on it.
    fn finish(&self, ended_at: DateTime<Utc>, context: &Context<'_>) -> Vec<AttendanceFact> {
        let hold = seconds(self.policy.figures().absence_hold_s);
        let reachable = match self.link {
            Link::Up { .. } => true,
            Link::Down { since, .. } => ended_at - since <= hold,
            Link::Absent => false,
        };
        let pending = self
            .statement(
                context.lesson,
                context.elsewhere,
                context.earned_today_s,
                context.now,
            )
            .stretches
            .iter()
            .any(|row| row.verdict == Verdict::Pending && row.reason.is_none());
        if self.phase == Phase::Open && reachable && pending {
            let kind = self.identity_kind();
            let ask = NextAsk {
                at: context.now,
                cause: Cause::SignOut,
                kind,
                round: None,
            };
            let asked = self.ask(&ask, None, context);
            return vec![AttendanceFact::Closing { at: ended_at }, asked];
        }
        self.close(context)
    }

    fn close(&self, context: &Context<'_>) -> Vec<AttendanceFact> {
        let mut closed = self.clone();
        let mut facts = self.close_life();
        facts.iter().for_each(|fact| closed.apply(fact));
        closed.phase = Phase::Closed { at: context.now };
        let result = closed.statement(
            context.lesson,
            context.elsewhere,
            context.earned_today_s,
            context.now,
        );
        facts.push(AttendanceFact::AttendanceClosed {
            at: context.now,
            seed: self.seed.reveal(),
            rule_version: self.rule_version,
            credited_s: result.credited_s,
            withheld_s: result.withheld_s,
        });
        facts
    }

    fn ask(
        &self,
        ask: &NextAsk,
        question: Option<&Question>,
        context: &Context<'_>,
    ) -> AttendanceFact {
        let figures = self.policy.figures();
        let now = context.now;
        let number = u32::try_from(self.checks.len()).unwrap_or(u32::MAX);
        let asked: Vec<QuestionId> = self
            .checks
            .iter()
            .filter_map(|check| Some(check.question.as_ref()?.question))
            .collect();
        let question = question.or_else(|| match ask.kind {
            CheckKind::Question => draw_question(context.bank, &asked, &self.seed, number),
            CheckKind::Presence | CheckKind::Face | CheckKind::Action => None,
        });
        let kind = match (question, ask.kind) {
            (Some(_), _) => CheckKind::Question,
            (None, CheckKind::Question) => without_question(self.faces_apply(), figures),
            (None, kind) => kind,
        };
        let attempts = match kind {
            CheckKind::Presence => figures.presence_attempts,
            CheckKind::Question => figures.question_attempts,
            CheckKind::Face | CheckKind::Action => figures.face_attempts,
        };
        let silent = kind == CheckKind::Face;
        let window_s = match silent {
            true => figures.silent_s,
            false => self.terms.prompts.seconds(figures),
        };
        AttendanceFact::CheckAsked(Box::new(Check {
            id: CheckId::new(now, context.entropy),
            number,
            kind,
            cause: ask.cause,
            asked_at: now,
            clock_ms: self.clock_ms(context.lesson, now),
            deadline: now + seconds(window_s),
            allowance_ms: context.round_trip_ms.min(figures.allowance_max_ms),
            nonce_hash: nonce_hash(&self.seed.nonce(number, 0)),
            attempts,
            question: question.map(|question| question.shuffle(&self.seed, number)),
            silent,
            round: ask.round,
            found: None,
            ruling: None,
            used: 0,
            answered_at: None,
            ended: None,
        }))
    }

    // A prompt that closed before is judged as ever.
    fn database_returned(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<AttendanceFact> {
        let check = self
            .running_check()
            .filter(|check| check.closes_at() > since);
        check.map_or_else(Vec::new, |check| self.stopped_by_server(check, now))
    }

    fn recover(&self, now: DateTime<Utc>) -> Vec<AttendanceFact> {
        if let Phase::Closed { .. } = self.phase {
            return Vec::new();
        }
        let mut facts = self.close_life();
        facts.push(AttendanceFact::ServerReturned { at: now });
        if let Some(check) = self.running_check() {
            facts.extend(self.stopped_by_server(check, now));
        }
        facts
    }
}

pub(super) fn closed() -> Refusal {
    conflict(
        "attendance.closed",
        "这次学习记录已经结束",
        "this attendance is closed",
    )
}

pub(super) fn conflict(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Conflict, code, zh, en)
}
