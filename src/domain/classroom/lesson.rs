//! A live lesson: scheduled → live ⇄ break → ended, or cancelled before it starts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::policy::ClassroomPolicy;
use super::span::Span;
use crate::domain::id::{AccountId, LessonId, UnitId};
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
}

/// What is announced of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// 1 to 100 characters.
    pub title: String,
    /// Planned start.
    pub starts_at: DateTime<Utc>,
    /// Planned end, at most 12 hours later.
    pub ends_at: DateTime<Utc>,
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
    /// The server sees the teacher's media.
    TeacherSeen,
    /// The server sees it no longer.
    TeacherLost,
    /// The deadline is reached.
    Due,
}

/// What happened to a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
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
    },
    /// Other title or times.
    LessonChanged {
        /// The new ones.
        plan: Plan,
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

/// Longest planned lesson.
const LESSON_HOURS_MAX: i64 = 12;
/// Longest title, characters.
const TITLE_CHARS_MAX: usize = 100;

impl Plan {
    /// Trims the title and checks the bounds; refuses with `lesson.title` or `lesson.times`.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        self.title = self.title.trim().to_owned();
        if !(1..=TITLE_CHARS_MAX).contains(&self.title.chars().count()) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "lesson.title",
                "课程名称应为 1 至 100 个字",
                "a lesson's title has 1 to 100 characters",
            ));
        }
        let length = self.ends_at - self.starts_at;
        if length < TimeDelta::minutes(1) || length > TimeDelta::hours(LESSON_HOURS_MAX) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "lesson.times",
                "结束时间应晚于开始时间，且课程不超过 12 小时",
                "a lesson ends after it starts and within 12 hours",
            ));
        }
        Ok(self)
    }
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
            LessonCommand::TeacherSeen => Ok(self.teacher_seen(now)),
            LessonCommand::TeacherLost => Ok(self.teacher_lost(now)),
            LessonCommand::Due => match self.next_deadline() {
                Some(deadline) if deadline <= now => Ok(self.end(deadline)),
                Some(_) | None => Ok(Vec::new()),
            },
        }
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Lesson::from_first`].
    pub fn apply(&mut self, fact: &LessonFact) {
        match fact {
            LessonFact::LessonScheduled { .. } => {}
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
        self.is_running().then(|| self.plan.ends_at + overrun)
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
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn scheduled() -> Lesson {
        let plan = Plan {
            title: " Law ".into(),
            starts_at: at(0),
            ends_at: at(3_600),
        };
        let (id, unit) = (LessonId(Uuid::nil()), UnitId(Uuid::nil()));
        let policy = ClassroomPolicy::standard();
        let first = Lesson::schedule(id, unit, AccountId(Uuid::nil()), plan, policy).unwrap();
        Lesson::from_first(&first).unwrap()
    }

    fn play(lesson: &mut Lesson, command: LessonCommand, second: i64) -> usize {
        let facts = lesson.decide(&command, at(second)).unwrap();
        facts.iter().for_each(|fact| lesson.apply(fact));
        facts.len()
    }

    #[test]
    fn a_lost_teacher_makes_a_break_at_once_and_the_return_ends_it() {
        let mut lesson = scheduled();
        play(&mut lesson, LessonCommand::Start, 0);
        play(&mut lesson, LessonCommand::TeacherSeen, 5);
        play(&mut lesson, LessonCommand::TeacherLost, 100);
        assert!(!lesson.is_live() && lesson.is_running());
        play(&mut lesson, LessonCommand::TeacherSeen, 580);
        assert!(lesson.is_live());
        assert_eq!(
            lesson.breaks_until(at(900)),
            vec![Span::new(at(100), at(580))]
        );
        assert_eq!(play(&mut lesson, LessonCommand::TeacherSeen, 585), 0);
    }

    #[test]
    fn a_declared_break_outlives_the_teachers_return() {
        let mut lesson = scheduled();
        play(&mut lesson, LessonCommand::Start, 0);
        play(&mut lesson, LessonCommand::TeacherSeen, 1);
        play(&mut lesson, LessonCommand::Pause, 100);
        play(&mut lesson, LessonCommand::TeacherLost, 110);
        play(&mut lesson, LessonCommand::TeacherSeen, 120);
        assert!(!lesson.is_live());
        play(&mut lesson, LessonCommand::Resume, 130);
        assert!(lesson.is_live());
    }

    #[test]
    fn a_lesson_that_nobody_ends_is_over_an_hour_after_its_plan() {
        let mut lesson = scheduled();
        assert_eq!(lesson.next_deadline(), None);
        play(&mut lesson, LessonCommand::Start, 0);
        play(&mut lesson, LessonCommand::Pause, 100);
        assert_eq!(play(&mut lesson, LessonCommand::Due, 7_199), 0);
        play(&mut lesson, LessonCommand::Due, 9_000);
        assert_eq!(lesson.ended_at(), Some(at(7_200)));
        assert_eq!(
            lesson.breaks_until(at(9_999)),
            vec![Span::new(at(100), at(7_200))]
        );
        assert_eq!(lesson.next_deadline(), None);
    }

    #[test]
    fn a_refused_transition_says_what_it_found() {
        let mut lesson = scheduled();
        let refused = |lesson: &Lesson, command| lesson.decide(&command, at(50)).unwrap_err();
        assert_eq!(refused(&lesson, LessonCommand::End).code, "lesson.not_live");
        assert_eq!(
            refused(&lesson, LessonCommand::Pause).en,
            "the lesson has not started yet"
        );
        play(&mut lesson, LessonCommand::Start, 0);
        assert_eq!(
            refused(&lesson, LessonCommand::Start).code,
            "lesson.not_scheduled"
        );
        assert_eq!(
            refused(&lesson, LessonCommand::Cancel).code,
            "lesson.not_scheduled"
        );
        assert_eq!(
            refused(&lesson, LessonCommand::Resume).code,
            "lesson.not_on_break"
        );
        play(&mut lesson, LessonCommand::End, 60);
        assert_eq!(
            refused(&lesson, LessonCommand::End).en,
            "the lesson is over"
        );
        let late = scheduled()
            .decide(&LessonCommand::Start, at(3_600))
            .unwrap_err();
        assert_eq!(late.code, "lesson.over");
    }

    #[test]
    fn a_plan_has_a_title_and_ends_after_it_starts() {
        let plan = |title: &str, end| Plan {
            title: title.into(),
            starts_at: at(0),
            ends_at: at(end),
        };
        assert_eq!(plan("x", 60).checked().unwrap().title, "x");
        assert_eq!(plan("  ", 60).checked().unwrap_err().code, "lesson.title");
        assert_eq!(
            plan(&"字".repeat(101), 60).checked().unwrap_err().code,
            "lesson.title"
        );
        assert_eq!(plan("x", 0).checked().unwrap_err().code, "lesson.times");
        assert_eq!(
            plan("x", 50_000).checked().unwrap_err().code,
            "lesson.times"
        );
    }
}
