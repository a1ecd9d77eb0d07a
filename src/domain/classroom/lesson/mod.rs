//! A lesson: scheduled → live ⇄ break → ended, or cancelled before it starts.

mod plan;
mod study;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use plan::Plan;
pub use study::Study;

use super::policy::ClassroomPolicy;
use super::round::{Poll, Tally};
use super::span::Span;
use crate::domain::id::{AccountId, LessonId, QuestionId, RoundId, UnitId, ViewingId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// A lesson as its facts left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    id: LessonId,
    unit: UnitId,
    teacher: AccountId,
    plan: Plan,
    policy: ClassroomPolicy,
    state: LessonState,
    breaks: Vec<Span>,
    teacher_present: bool,
    /// Learners listen and do nothing else.
    #[serde(default)]
    hushed: bool,
    /// What one person watches alone.
    #[serde(default)]
    viewing: Option<ViewingId>,
}

/// Where a lesson stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LessonState {
    /// Announced.
    Scheduled,
    /// Being held.
    Live {
        /// When it started.
        started_at: DateTime<Utc>,
    },
    /// Pausing: no credit, no loss, no checks.
    Break {
        /// When the lesson started.
        started_at: DateTime<Utc>,
        /// When the break began.
        since: DateTime<Utc>,
        /// Why.
        cause: BreakCause,
    },
    /// Over.
    Ended {
        /// When it started.
        started_at: DateTime<Utc>,
        /// When it ended.
        ended_at: DateTime<Utc>,
    },
    /// Called off before it started.
    Cancelled {
        /// When.
        at: DateTime<Utc>,
    },
}

/// Why a lesson pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakCause {
    /// The teacher said so; only staff ends it.
    Declared,
    /// The server lost the teacher; the teacher's return ends it.
    TeacherLost,
}

/// What somebody or something asks of a lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LessonCommand {
    /// Other title or times.
    Change(Plan),
    /// Begin.
    Start,
    /// Pause.
    Pause,
    /// Go on.
    Resume,
    /// End.
    End,
    /// Call off.
    Cancel,
    /// Lets learners write and speak, or listen only.
    Interaction(bool),
    /// The server sees the teacher's media.
    TeacherSeen,
    /// The server sees it no longer.
    TeacherLost,
    /// The database was away and everything that the room saw meanwhile is taken in.
    DatabaseReturned {
        /// Since when it was away.
        since: DateTime<Utc>,
    },
    /// The deadline is reached.
    Due,
}

/// A fact with whoever brought it about; nobody when it was the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedLessonFact {
    /// Who.
    pub by: Option<AccountId>,
    /// What.
    #[serde(flatten)]
    pub fact: LessonFact,
}

/// What happened to a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LessonFact {
    /// Announced.
    LessonScheduled {
        /// Its id.
        lesson: LessonId,
        /// Whose lesson.
        unit: UnitId,
        /// Who teaches.
        teacher: AccountId,
        /// Title and times.
        plan: Plan,
        /// The figures of all its checks and credit.
        policy: Box<ClassroomPolicy>,
        /// The film that one person watches alone, when it is that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        viewing: Option<ViewingId>,
    },
    /// Other title or times.
    LessonChanged {
        /// The new ones.
        plan: Plan,
    },
    /// Others take part.
    LearnersSet {
        /// Who was added.
        added: Vec<AccountId>,
        /// Who was taken off.
        removed: Vec<AccountId>,
    },
    /// Begun.
    LessonStarted {
        /// When.
        at: DateTime<Utc>,
    },
    /// Pausing.
    BreakBegan {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: BreakCause,
    },
    /// Going on.
    BreakEnded {
        /// When.
        at: DateTime<Utc>,
    },
    /// The teacher is seen.
    TeacherArrived {
        /// When.
        at: DateTime<Utc>,
    },
    /// The teacher is gone.
    TeacherWent {
        /// When.
        at: DateTime<Utc>,
    },
    /// What the room saw since then was stored later, and nothing was asked or answered.
    DatabaseReturned {
        /// Since when.
        since: DateTime<Utc>,
        /// Until when.
        at: DateTime<Utc>,
    },
    /// Learners may write and speak, or listen only.
    InteractionSet {
        /// They may.
        allowed: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// A question or a poll was put to the whole class.
    RoundOpened {
        /// Its id.
        round: RoundId,
        /// The item of the bank.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<QuestionId>,
        /// The poll.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poll: Option<Poll>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was over.
    RoundClosed {
        /// Which.
        round: RoundId,
        /// How the class answered.
        tally: Tally,
        /// When.
        at: DateTime<Utc>,
    },
    /// Messages of its chat were deleted when their time was over.
    ChatDeleted {
        /// How many.
        messages: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// Over.
    LessonEnded {
        /// When.
        at: DateTime<Utc>,
    },
    /// Called off.
    LessonCancelled {
        /// When.
        at: DateTime<Utc>,
    },
}

impl Lesson {
    /// The first fact of a lesson. Refuses a plan out of bounds.
    pub fn schedule(
        lesson: LessonId,
        unit: UnitId,
        teacher: AccountId,
        plan: Plan,
        policy: ClassroomPolicy,
    ) -> Result<LessonFact, Refusal> {
        let (plan, policy) = (plan.checked()?, Box::new(policy));
        Ok(LessonFact::LessonScheduled {
            lesson,
            unit,
            teacher,
            plan,
            policy,
            viewing: None,
        })
    }

    /// The lesson that a first fact makes; `None` for any other fact.
    pub fn from_first(fact: &LessonFact) -> Option<Self> {
        if let LessonFact::LessonScheduled {
            lesson,
            unit,
            teacher,
            plan,
            policy,
            viewing,
        } = fact
        {
            Some(Self {
                id: *lesson,
                unit: *unit,
                teacher: *teacher,
                plan: plan.clone(),
                policy: policy.as_ref().clone(),
                state: LessonState::Scheduled,
                breaks: Vec::new(),
                teacher_present: false,
                hushed: false,
                viewing: *viewing,
            })
        } else {
            None
        }
    }

    /// What a command does now. Refuses with `lesson.not_scheduled`, `lesson.not_live`,
    /// `lesson.not_on_break`, `lesson.over`, `lesson.title` or `lesson.times`.
    pub fn decide(
        &self,
        command: &LessonCommand,
        now: DateTime<Utc>,
    ) -> Result<Vec<LessonFact>, Refusal> {
        match command {
            LessonCommand::Change(plan) => {
                self.must_be_scheduled()?;
                let plan = plan.clone().checked()?;
                Ok(vec![LessonFact::LessonChanged { plan }])
            }
            LessonCommand::Start => {
                self.must_be_scheduled()?;
                if now >= self.plan.ends_at {
                    return Err(over());
                }
                Ok(vec![LessonFact::LessonStarted { at: now }])
            }
            LessonCommand::Pause => match self.state {
                LessonState::Live { .. } => Ok(vec![began(now, BreakCause::Declared)]),
                LessonState::Break { .. }
                | LessonState::Scheduled
                | LessonState::Ended { .. }
                | LessonState::Cancelled { .. } => Err(self.not_live()),
            },
            LessonCommand::Resume => match self.state {
                LessonState::Break { .. } => Ok(vec![LessonFact::BreakEnded { at: now }]),
                LessonState::Live { .. }
                | LessonState::Scheduled
                | LessonState::Ended { .. }
                | LessonState::Cancelled { .. } => Err(Refusal::new(
                    RefusalKind::Conflict,
                    "lesson.not_on_break",
                    "课程没有处于休息状态",
                    "the lesson is not on a break",
                )),
            },
            LessonCommand::End if self.is_running() => Ok(self.end(now)),
            LessonCommand::End => Err(self.not_live()),
            LessonCommand::Cancel => {
                self.must_be_scheduled()?;
                Ok(vec![LessonFact::LessonCancelled { at: now }])
            }
            LessonCommand::Interaction(allowed) if self.is_running() => {
                let (allowed, at) = (*allowed, now);
                let changed = allowed == self.hushed;
                let set = changed.then_some(LessonFact::InteractionSet { allowed, at });
                Ok(set.into_iter().collect())
            }
            LessonCommand::Interaction(_) => Err(self.not_live()),
            LessonCommand::TeacherSeen | LessonCommand::TeacherLost if self.is_study() => {
                Ok(Vec::new())
            }
            LessonCommand::TeacherSeen => Ok(self.teacher_seen(now)),
            LessonCommand::TeacherLost => Ok(self.teacher_lost(now)),
            LessonCommand::DatabaseReturned { since } => {
                let (since, at) = (*since, now);
                let told = self
                    .is_running()
                    .then_some(LessonFact::DatabaseReturned { since, at });
                Ok(told.into_iter().collect())
            }
            LessonCommand::Due => match self.next_deadline() {
                Some(deadline) if deadline <= now => Ok(self.end(deadline)),
                Some(_) | None => Ok(Vec::new()),
            },
        }
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Lesson::from_first`].
    pub fn apply(&mut self, fact: &LessonFact) {
        match fact {
            LessonFact::LessonScheduled { .. }
            | LessonFact::RoundOpened { .. }
            | LessonFact::RoundClosed { .. }
            | LessonFact::ChatDeleted { .. }
            | LessonFact::LearnersSet { .. }
            | LessonFact::DatabaseReturned { .. } => {}
            LessonFact::LessonChanged { plan } => self.plan = plan.clone(),
            LessonFact::LessonStarted { at } => self.state = LessonState::Live { started_at: *at },
            LessonFact::BreakBegan { at, cause } => {
                if let Some(started_at) = self.started_at() {
                    self.state = LessonState::Break {
                        started_at,
                        since: *at,
                        cause: *cause,
                    };
                }
            }
            LessonFact::BreakEnded { at } => {
                if let LessonState::Break {
                    started_at, since, ..
                } = self.state
                {
                    self.breaks.push(Span::new(since, *at));
                    self.state = LessonState::Live { started_at };
                }
            }
            LessonFact::InteractionSet { allowed, .. } => self.hushed = !allowed,
            LessonFact::TeacherArrived { .. } => self.teacher_present = true,
            LessonFact::TeacherWent { .. } => self.teacher_present = false,
            LessonFact::LessonEnded { at } => {
                if let Some(started_at) = self.started_at() {
                    self.state = LessonState::Ended {
                        started_at,
                        ended_at: *at,
                    };
                }
            }
            LessonFact::LessonCancelled { at } => self.state = LessonState::Cancelled { at: *at },
        }
    }

    /// When a lesson that nobody ends is over.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let overrun = TimeDelta::seconds(i64::from(self.policy.figures().overrun_max_s));
        let after = match self.is_study() {
            true => self.plan.ends_at,
            false => self.plan.ends_at + overrun,
        };
        self.is_running().then_some(after)
    }

    /// Its id.
    pub fn id(&self) -> LessonId {
        self.id
    }

    /// Whose lesson.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// Who teaches.
    pub fn teacher(&self) -> AccountId {
        self.teacher
    }

    /// Title and planned times.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The figures of its checks and credit.
    pub fn policy(&self) -> &ClassroomPolicy {
        &self.policy
    }

    /// Where it stands.
    pub fn state(&self) -> LessonState {
        self.state
    }

    /// True while time counts and checks are asked.
    pub fn is_live(&self) -> bool {
        matches!(self.state, LessonState::Live { .. })
    }

    /// True from start to end, breaks included.
    pub fn is_running(&self) -> bool {
        matches!(
            self.state,
            LessonState::Live { .. } | LessonState::Break { .. }
        )
    }

    /// When it started, if it did.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            LessonState::Live { started_at }
            | LessonState::Break { started_at, .. }
            | LessonState::Ended { started_at, .. } => Some(started_at),
            LessonState::Scheduled | LessonState::Cancelled { .. } => None,
        }
    }

    /// When it ended, if it did.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            LessonState::Ended { ended_at, .. } => Some(ended_at),
            LessonState::Scheduled
            | LessonState::Live { .. }
            | LessonState::Break { .. }
            | LessonState::Cancelled { .. } => None,
        }
    }

    /// All breaks; one that goes on ends at `now`.
    pub fn breaks_until(&self, now: DateTime<Utc>) -> Vec<Span> {
        let mut breaks = self.breaks.clone();
        if let LessonState::Break { since, .. } = self.state {
            breaks.push(Span::new(since, now));
        }
        breaks
    }

    /// The end and the number of the last break, once it is over.
    pub fn last_resumed(&self) -> Option<(DateTime<Utc>, u32)> {
        let number = u32::try_from(self.breaks.len()).unwrap_or(u32::MAX);
        self.breaks.last().map(|last| (last.to, number))
    }

    /// Learners listen: they neither write nor speak.
    pub fn is_hushed(&self) -> bool {
        self.hushed
    }

    /// The server saw the teacher last.
    pub fn is_teacher_present(&self) -> bool {
        self.teacher_present
    }

    /// The refusal of what needs a running lesson.
    pub fn not_live(&self) -> Refusal {
        let (zh, en) = match self.state {
            LessonState::Scheduled => ("课程还没有开始", "the lesson has not started yet"),
            LessonState::Live { .. } => ("课程正在进行", "the lesson is being held"),
            LessonState::Break { .. } => ("课程正在休息", "the lesson is on a break"),
            LessonState::Ended { .. } => ("课程已经结束", "the lesson is over"),
            LessonState::Cancelled { .. } => ("课程已取消", "the lesson was cancelled"),
        };
        Refusal::new(RefusalKind::Conflict, "lesson.not_live", zh, en)
    }

    fn teacher_seen(&self, now: DateTime<Utc>) -> Vec<LessonFact> {
        let mut facts = Vec::new();
        if !self.teacher_present {
            facts.push(LessonFact::TeacherArrived { at: now });
        }
        if let LessonState::Break {
            cause: BreakCause::TeacherLost,
            ..
        } = self.state
        {
            facts.push(LessonFact::BreakEnded { at: now });
        }
        facts
    }

    fn teacher_lost(&self, now: DateTime<Utc>) -> Vec<LessonFact> {
        let mut facts = Vec::new();
        if self.teacher_present {
            facts.push(LessonFact::TeacherWent { at: now });
            if self.is_live() {
                facts.push(began(now, BreakCause::TeacherLost));
            }
        }
        facts
    }

    fn end(&self, at: DateTime<Utc>) -> Vec<LessonFact> {
        let mut facts = Vec::new();
        if let LessonState::Break { .. } = self.state {
            facts.push(LessonFact::BreakEnded { at });
        }
        facts.push(LessonFact::LessonEnded { at });
        facts
    }

    fn must_be_scheduled(&self) -> Result<(), Refusal> {
        match self.state {
            LessonState::Scheduled => Ok(()),
            LessonState::Live { .. }
            | LessonState::Break { .. }
            | LessonState::Ended { .. }
            | LessonState::Cancelled { .. } => Err(Refusal::new(
                RefusalKind::Conflict,
                "lesson.not_scheduled",
                "课程已经开始、结束或取消，不能再这样更改",
                "the lesson has started, ended or been cancelled already",
            )),
        }
    }
}

fn began(at: DateTime<Utc>, cause: BreakCause) -> LessonFact {
    LessonFact::BreakBegan { at, cause }
}

fn over() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "lesson.over",
        "课程的计划结束时间已过，请先修改时间",
        "the planned end of the lesson is past; change its times first",
    )
}

#[cfg(test)]
mod tests;
