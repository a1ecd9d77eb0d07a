//! Which check comes next, and when: the drawn moments, and the rules that displace them.

use chrono::{DateTime, Utc};

use super::face::asked_kind;
use super::{Attendance, Link, Phase, millis, seconds};
use crate::domain::classroom::check::{Cause, Check, CheckKind, Outcome};
use crate::domain::classroom::lesson::Lesson;
use crate::domain::classroom::schedule::{closing_offset_ms, recompute, spread_delay_ms};
use crate::domain::classroom::span::Span;
use crate::domain::id::RoundId;
use crate::domain::interval::Interval;

/// A check that should be asked, not before a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextAsk {
    pub(super) at: DateTime<Utc>,
    pub(super) cause: Cause,
    pub(super) kind: CheckKind,
    pub(super) round: Option<RoundId>,
}

/// Most checks of one attendance; after these none is asked any more.
const CHECKS_MAX: usize = 300;

impl Attendance {
    /// When [`super::Command::Due`] has something to do, at the earliest. It is never later than
    /// that, but may be earlier: then nothing happens and the next deadline is asked for again.
    pub fn next_deadline(&self, lesson: &Lesson, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let prompt = self.running_check().map(Check::closes_at);
        let absence = self.absence_deadline();
        let over = (lesson.ended_at().is_some() && self.phase == Phase::Open).then_some(now);
        let ask = self.next_ask(lesson, now).map(|ask| ask.at);
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Closing { .. } => prompt.or(Some(now)),
            Phase::Open => [prompt, absence, over, ask].into_iter().flatten().min(),
        }
    }

    pub(super) fn absence_deadline(&self) -> Option<DateTime<Utc>> {
        match self.link {
            Link::Down {
                since,
                noted: false,
                ..
            } if self.is_signed_in() => Some(since + seconds(self.policy.figures().absence_hold_s)),
            Link::Down { .. } | Link::Up { .. } | Link::Absent => None,
        }
    }

    pub(super) fn next_ask(&self, lesson: &Lesson, now: DateTime<Utc>) -> Option<NextAsk> {
        let known = self.is_signed_in() || self.owed.is_some();
        if !known || self.is_dark() || !self.can_be_asked(lesson) {
            return None;
        }
        let quiet_until = self.quiet_until(lesson);
        if let Some(owed) = self.owed {
            return Some(NextAsk {
                at: owed.not_before.max(quiet_until.all()),
                cause: owed.cause,
                kind: self.owed_kind(owed.cause),
                round: None,
            });
        }
        let quiet_until = quiet_until.all();
        let displaced = |ask: NextAsk| NextAsk {
            at: ask.at.max(quiet_until),
            ..ask
        };
        let drawn = self.drawn_ask(lesson, now).map(displaced);
        let closing = self.closing_ask().map(displaced);
        drawn.into_iter().chain(closing).min_by_key(|ask| ask.at)
    }

    /// True when a prompt may open: lesson live, media up, no other prompt, bound not reached.
    pub(super) fn can_be_asked(&self, lesson: &Lesson) -> bool {
        self.phase == Phase::Open
            && lesson.is_live()
            && matches!(self.link, Link::Up { .. })
            && self.running_check().is_none()
            && self.checks.len() < CHECKS_MAX
    }

    fn drawn_ask(&self, lesson: &Lesson, now: DateTime<Utc>) -> Option<NextAsk> {
        let raw = recompute(&self.seed, &self.policy, self.next_ordinal)?;
        let rest_ms = raw.due_clock_ms.saturating_sub(self.clock_ms(lesson, now));
        let counted_to = self
            .life
            .filter(|_| self.is_alive(now))
            .map_or(now, |run| run.to);
        // The clock moves with signs of life; one that is late is waited for a second at a time.
        let at = match rest_ms {
            0 => now,
            _ => (counted_to + millis(rest_ms)).max(now + seconds(1)),
        };
        let cause = Cause::Scheduled {
            ordinal: raw.ordinal,
            due_clock_ms: raw.due_clock_ms,
        };
        Some(NextAsk {
            at,
            cause,
            kind: asked_kind(raw.kind, self.terms.route, self.policy.figures()),
            round: None,
        })
    }

    fn closing_ask(&self) -> Option<NextAsk> {
        let lesson = Span::new(self.opened_at, self.planned_end);
        let share = u64::from(self.policy.figures().last_share_percent);
        let share_from = self.planned_end - millis(lesson.millis() * share / 100);
        let asked = self.checks.iter().any(|check| {
            check.asked_at >= share_from && check.outcome().is_none_or(Outcome::is_verdict)
        });
        let offset_ms = closing_offset_ms(&self.seed, &self.policy, lesson.millis());
        (!asked && !lesson.is_empty()).then(|| NextAsk {
            at: self.opened_at + millis(offset_ms),
            cause: Cause::Closing,
            kind: self.identity_kind(),
            round: None,
        })
    }

    fn quiet_until(&self, lesson: &Lesson) -> Quiet {
        let figures = self.policy.figures();
        let mut prompts = self.checks.iter().rev().filter(|check| !check.silent);
        let since_prompt = prompts.find_map(|check| check.ended);
        let prompt = since_prompt.map(|ended| ended.at + seconds(figures.quiet_prompt_s));
        let reconnect = match self.link {
            Link::Up {
                since, again: true, ..
            } => Some(since + seconds(figures.quiet_reconnect_s)),
            Link::Up { .. } | Link::Down { .. } | Link::Absent => None,
        };
        let resumed = lesson
            .last_resumed()
            .map(|(at, number)| at + millis(spread_delay_ms(&self.seed, &self.policy, number)));
        let never = self.opened_at;
        Quiet {
            prompt: prompt.unwrap_or(never),
            reconnect: reconnect.unwrap_or(never),
            resumed: resumed.unwrap_or(never),
        }
    }
}

/// Until when each rule of quiet holds checks back.
struct Quiet {
    prompt: DateTime<Utc>,
    reconnect: DateTime<Utc>,
    resumed: DateTime<Utc>,
}

impl Quiet {
    fn all(&self) -> DateTime<Utc> {
        self.prompt.max(self.reconnect).max(self.resumed)
    }
}
