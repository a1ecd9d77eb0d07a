//! What people see of the classroom, in the shapes of docs/api: answers and announcements alike.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::Error;
use super::redress::{AdjustmentView, AppealView, views};
use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::{Attendance, Link, Phase};
use crate::domain::classroom::check::{Cause, Check, CheckKind, Gesture, Outcome, Ruling};
use crate::domain::classroom::credit::{Reason, Statement, Stretch, Verdict};
use crate::domain::classroom::lesson::{Lesson, LessonState};
use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::classroom::redress::Redress;
use crate::domain::face::finding::Finding;
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, QuestionId, RoundId, UnitId};
use crate::domain::policy::OFFICERS;
use crate::domain::unit::UnitRef;
use crate::store::attendance::OnBoard;
use crate::store::lesson::Listed;
use crate::store::{self, Connection};

/// A lesson.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LessonView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: LessonId,
    /// Title.
    pub title: String,
    /// Whose.
    #[schema(value_type = UnitShort)]
    pub unit: UnitRef,
    /// Who teaches.
    pub teacher: TeacherView,
    /// `scheduled`, `live`, `break`, `ended`, `cancelled`.
    pub state: &'static str,
    /// Planned start.
    pub starts_at: DateTime<Utc>,
    /// Planned end.
    pub ends_at: DateTime<Utc>,
    /// Real start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// Real end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Learners enrolled.
    pub learners: u32,
    /// Learners are known by their faces.
    pub face_checks: bool,
    /// Learners listen: they neither write nor speak.
    pub hushed: bool,
    /// `teacher`, `officer` or `learner`; absent in announcements to many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub my_role: Option<&'static str>,
    /// The asker's attendance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub my_attendance_id: Option<AttendanceId>,
}

/// How a unit stands in a list.
#[derive(Clone, Debug, ToSchema)]
#[expect(dead_code, reason = "describes the wire form of a unit of the domain")]
struct UnitShort {
    id: Uuid,
    name: String,
    /// 1 ministry, 2 province, 3 city, 4 county, 5 township.
    level: i16,
}

/// Who teaches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TeacherView {
    /// Account.
    #[schema(value_type = Uuid)]
    pub account_id: AccountId,
    /// Name of the person.
    pub name: String,
}

impl LessonView {
    /// A lesson as everybody may see it.
    pub fn of(listed: &Listed) -> Self {
        let lesson = &listed.lesson;
        Self {
            id: lesson.id(),
            title: lesson.plan().title.clone(),
            unit: listed.unit.clone(),
            teacher: TeacherView {
                account_id: lesson.teacher(),
                name: listed.teacher_name.clone(),
            },
            state: state_name(lesson.state()),
            starts_at: lesson.plan().starts_at,
            ends_at: lesson.plan().ends_at,
            started_at: lesson.started_at(),
            ended_at: lesson.ended_at(),
            learners: listed.learners,
            face_checks: lesson.policy().figures().face_checks,
            hushed: lesson.is_hushed(),
            my_role: None,
            my_attendance_id: None,
        }
    }

    /// A lesson as one actor sees it.
    pub async fn for_actor(
        db: &mut Connection,
        listed: &Listed,
        actor: &Actor,
    ) -> Result<Self, Error> {
        let mut view = Self::of(listed);
        view.my_role = Some(if listed.lesson.teacher() == actor.account {
            "teacher"
        } else if actor.holds(OFFICERS, &listed.unit_path) {
            "officer"
        } else {
            "learner"
        });
        view.my_attendance_id =
            store::attendance::of_learner(db, listed.lesson.id(), actor.account).await?;
        Ok(view)
    }
}

fn state_name(state: LessonState) -> &'static str {
    match state {
        LessonState::Scheduled => "scheduled",
        LessonState::Live { .. } => "live",
        LessonState::Break { .. } => "break",
        LessonState::Ended { .. } => "ended",
        LessonState::Cancelled { .. } => "cancelled",
    }
}

/// The attendance board.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoardView {
    /// The lesson.
    pub lesson: LessonView,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// One row per learner, by name.
    pub rows: Vec<BoardRow>,
}

/// One learner on the board.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoardRow {
    /// None until the learner enters.
    #[schema(value_type = Option<Uuid>)]
    pub attendance_id: Option<AttendanceId>,
    /// Who.
    #[schema(value_type = Uuid)]
    pub account_id: AccountId,
    /// Name.
    pub name: String,
    /// Name of the learner's unit.
    pub unit_name: String,
    /// `absent`, `connected`, `interrupted` or `left`.
    pub presence: &'static str,
    /// Time counts.
    pub alive: bool,
    /// Result so far.
    pub credited_seconds: u64,
    /// Result so far.
    pub withheld_seconds: u64,
    /// The open prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingView>,
    /// How the last check ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub last_outcome: Option<Outcome>,
    /// A human should look.
    pub needs_review: bool,
    /// The lesson pauses for this learner until a pass.
    pub paused: bool,
    /// Known by the face here; false on the route without a camera.
    pub faces: bool,
    /// The camera that must show a face shows nothing: time does not count.
    pub dark: bool,
}

/// An open prompt as the board shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PendingView {
    /// Presence or question.
    #[schema(value_type = String)]
    pub kind: CheckKind,
    /// Until when.
    pub deadline: DateTime<Utc>,
}

impl BoardRow {
    /// A row as of now.
    pub fn of(on_board: OnBoard, now: DateTime<Utc>) -> Self {
        let stored = on_board.stored.as_ref();
        let attendance = stored.map(|stored| &stored.attendance);
        Self {
            attendance_id: attendance.map(Attendance::id),
            account_id: on_board.account,
            presence: presence_name(attendance.map_or(Link::Absent, Attendance::link)),
            alive: attendance.is_some_and(|a| a.phase() == Phase::Open && a.is_alive(now)),
            credited_seconds: stored.map_or(0, |stored| stored.credited_s),
            withheld_seconds: stored.map_or(0, |stored| stored.withheld_s),
            pending: attendance
                .and_then(Attendance::open_check)
                .map(|check| PendingView {
                    kind: check.kind,
                    deadline: check.deadline,
                }),
            last_outcome: attendance.and_then(Attendance::last_outcome),
            needs_review: attendance.is_some_and(Attendance::needs_review),
            paused: attendance.is_some_and(Attendance::is_paused),
            faces: attendance.is_some_and(Attendance::faces_apply),
            dark: attendance.is_some_and(Attendance::is_dark),
            name: on_board.name,
            unit_name: on_board.unit_name,
        }
    }
}

fn presence_name(link: Link) -> &'static str {
    match link {
        Link::Absent => "absent",
        Link::Up { .. } => "connected",
        Link::Down { left: false, .. } => "interrupted",
        Link::Down { left: true, .. } => "left",
    }
}

/// What a learner is asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PromptView {
    /// Which check.
    #[schema(value_type = Uuid)]
    pub check_id: CheckId,
    /// Of which attendance.
    #[schema(value_type = Uuid)]
    pub attendance_id: AttendanceId,
    /// Presence or question.
    #[schema(value_type = String)]
    pub kind: CheckKind,
    /// Goes back with the answer; a new one with every try.
    pub nonce: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when.
    pub deadline: DateTime<Utc>,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// Tries left.
    pub attempts_left: u32,
    /// The question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<AskedQuestion>,
    /// What to do before the camera: `turn_left`, `turn_right` or `open_mouth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gesture: Option<Gesture>,
    /// The round that it belongs to, when the whole class is asked.
    #[schema(value_type = Option<Uuid>)]
    pub round_id: Option<RoundId>,
}

/// A question as one learner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AskedQuestion {
    /// What is asked.
    pub text: String,
    /// How one answers.
    #[schema(value_type = String)]
    pub kind: QuestionKind,
    /// In the learner's own order; none where an answer is written.
    pub options: Vec<AskedOption>,
}

/// An option of an [`AskedQuestion`].
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AskedOption {
    /// Goes back with the answer.
    pub key: String,
    /// Text.
    pub text: String,
}

impl PromptView {
    /// The open prompt of an attendance.
    pub async fn of(
        db: &mut Connection,
        attendance: &Attendance,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, Error> {
        let Some((check, nonce)) = attendance.open_check().zip(attendance.open_nonce()) else {
            return Ok(None);
        };
        let question = match &check.question {
            None => None,
            Some(draw) => {
                let question = store::question::find(db, draw.question).await?;
                question.map(|question| AskedQuestion {
                    text: question.text().to_owned(),
                    kind: question.kind(),
                    options: question
                        .shown(draw)
                        .into_iter()
                        .map(|shown| AskedOption {
                            key: shown.key,
                            text: shown.text,
                        })
                        .collect(),
                })
            }
        };
        Ok(Some(Self {
            check_id: check.id,
            attendance_id: attendance.id(),
            kind: check.kind,
            nonce,
            opened_at: check.asked_at,
            deadline: check.deadline,
            server_time: now,
            attempts_left: check.attempts_left(),
            question,
            gesture: attendance.look_wanted(now).and_then(|look| look.gesture),
            round_id: check.round,
        }))
    }
}

/// A prompt that is over.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PromptClosed {
    /// Which check.
    #[schema(value_type = Uuid)]
    pub check_id: CheckId,
    /// Of which attendance.
    #[schema(value_type = Uuid)]
    pub attendance_id: AttendanceId,
    /// How it ended.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Result so far.
    pub credited_seconds: u64,
}

/// An attendance without its timeline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttendanceSummary {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: AttendanceId,
    /// Of which lesson.
    pub lesson: LessonShort,
    /// `open`, `closed` or `needs_review`.
    pub state: &'static str,
    /// Result.
    pub credited_seconds: u64,
    /// Result.
    pub withheld_seconds: u64,
    /// SHA-256 of the seed that decides the checks.
    pub commitment: String,
    /// The seed, once closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Rule of the result.
    pub rule_version: u32,
}

/// A lesson in an attendance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LessonShort {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: LessonId,
    /// Title.
    pub title: String,
    /// Planned start.
    pub starts_at: DateTime<Utc>,
}

/// An attendance with its timeline and checks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttendanceView {
    /// What the summary says.
    #[serde(flatten)]
    pub summary: AttendanceSummary,
    /// The timeline.
    pub stretches: Vec<StretchView>,
    /// The checks in the order asked.
    pub checks: Vec<CheckView>,
    /// Seconds among the credited ones that two people added; negative ones they took.
    pub adjusted_seconds: i64,
    /// Until when appeals are taken; absent while the attendance is open, when they are too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appeal_until: Option<DateTime<Utc>>,
    /// The learner's appeals.
    pub appeals: Vec<AppealView>,
    /// What people did about the credit.
    pub adjustments: Vec<AdjustmentView>,
}

/// A piece of the timeline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StretchView {
    /// Its beginning.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
    /// Whole seconds of it.
    pub seconds: u64,
    /// `credited`, `withheld` or `pending`.
    #[schema(value_type = String)]
    pub verdict: Verdict,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
}

impl StretchView {
    pub(super) fn of(stretch: &Stretch) -> Self {
        Self {
            from: stretch.span.from,
            to: stretch.span.to,
            seconds: stretch.seconds,
            verdict: stretch.verdict,
            reason: stretch.reason,
        }
    }
}

/// A check in an attendance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: CheckId,
    /// `presence`, `question`, `face` or `action`.
    #[schema(value_type = String)]
    pub kind: CheckKind,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Until when.
    pub deadline: DateTime<Utc>,
    /// The answer that counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    /// `schedule` or `staff`.
    pub by: &'static str,
    /// What was seen last, of a check that looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub finding: Option<Finding>,
    /// `upheld` or `overturned` by a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ruling: Option<Ruling>,
}

impl CheckView {
    pub(super) fn of(check: &Check) -> Self {
        Self {
            id: check.id,
            kind: check.kind,
            asked_at: check.asked_at,
            deadline: check.deadline,
            answered_at: check.answered_at,
            outcome: check.outcome(),
            finding: check.found,
            ruling: check.ruling,
            by: match check.cause {
                Cause::Scheduled { .. }
                | Cause::Closing
                | Cause::Ladder { .. }
                | Cause::Return
                | Cause::SignIn
                | Cause::Identity
                | Cause::Uncovered
                | Cause::Takeover
                | Cause::SignOut => "schedule",
                Cause::Staff { .. } => "staff",
            },
        }
    }
}

impl AttendanceSummary {
    /// The summary of a statement.
    pub fn of(attendance: &Attendance, lesson: &Lesson, statement: &Statement) -> Self {
        Self {
            id: attendance.id(),
            lesson: LessonShort {
                id: lesson.id(),
                title: lesson.plan().title.clone(),
                starts_at: lesson.plan().starts_at,
            },
            state: match attendance.phase() {
                Phase::Open | Phase::Closing { .. } => "open",
                Phase::Closed { .. } if attendance.needs_review() => "needs_review",
                Phase::Closed { .. } => "closed",
            },
            credited_seconds: statement.credited_s,
            withheld_seconds: statement.withheld_s,
            commitment: attendance.commitment(),
            seed: attendance.revealed_seed(),
            rule_version: attendance.rule_version(),
        }
    }
}

impl AttendanceView {
    /// The whole of a statement.
    pub fn of(
        attendance: &Attendance,
        lesson: &Lesson,
        statement: Statement,
        redress: Option<&Redress>,
    ) -> Self {
        let (appeals, adjustments) = views(redress);
        let window = attendance.policy().figures().appeal_window_h;
        let appeal_until = match attendance.phase() {
            Phase::Open | Phase::Closing { .. } => None,
            Phase::Closed { at } => Some(at + TimeDelta::hours(window.into())),
        };
        Self {
            adjusted_seconds: statement.adjusted_s,
            appeal_until,
            appeals,
            adjustments,
            summary: AttendanceSummary::of(attendance, lesson, &statement),
            stretches: statement.stretches.iter().map(StretchView::of).collect(),
            checks: attendance.checks().iter().map(CheckView::of).collect(),
        }
    }
}

/// An option of an item, with its solution.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OptionView {
    /// What the learner reads.
    pub text: String,
    /// Whether choosing it is right.
    pub correct: bool,
}

impl OptionView {
    fn of(option: &QuestionOption) -> Self {
        Self {
            text: option.text.clone(),
            correct: option.correct,
        }
    }
}

/// An item of the bank, for those who may ask it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuestionView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: QuestionId,
    /// What is asked.
    pub text: String,
    /// How one answers.
    #[schema(value_type = String)]
    pub kind: QuestionKind,
    /// The options with their solution, where one chooses.
    pub options: Vec<OptionView>,
    /// The accepted answers, where one writes.
    pub accepted: Vec<String>,
    /// Whose bank.
    #[schema(value_type = Uuid)]
    pub unit_id: UnitId,
}

impl QuestionView {
    /// An item.
    pub fn of(question: &Question) -> Self {
        Self {
            id: question.id(),
            text: question.text().to_owned(),
            kind: question.kind(),
            options: question.options().iter().map(OptionView::of).collect(),
            accepted: question.solution().accepted(),
            unit_id: question.unit(),
        }
    }
}
