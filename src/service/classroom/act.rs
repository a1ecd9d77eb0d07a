//! The one way through for lessons and attendances: load, decide, save with facts, announce.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::LESSON_STREAM_KIND;
use super::hours::tell_others;
use super::rounds;
use super::view::{AttendanceSummary, BoardRow, LessonView, PromptClosed, PromptView};
use crate::domain::announcement::{Announcement, Audience, Topic};
use crate::domain::classroom::attendance::{
    Attendance, AttendanceFact, Command, Context as Circumstances, Link, RecordedFact, Terms,
};
use crate::domain::classroom::check::{Check, Outcome};
use crate::domain::classroom::credit::Statement;
use crate::domain::classroom::lesson::{Lesson, LessonCommand, LessonFact, RecordedLessonFact};
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::span::Span;
use crate::domain::face::check::EARLIER_MAX;
use crate::domain::face::hash::PictureHash;
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId};
use crate::domain::interval::Interval;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, Failure, ledger, outbox};
use crate::store::attendance::{Stored, Summary};
use crate::store::{self, Connection};

/// Most items of the bank that a draw chooses from.
const BANK_MAX: u32 = 1_000;
/// Steps of one look at an attendance whose deadline is reached; the rest waits for the next look.
const STEPS_MAX: usize = 8;

/// What came of a command.
#[derive(Debug)]
pub(super) struct Acted {
    pub(super) attendance: Attendance,
    pub(super) facts: Vec<AttendanceFact>,
    pub(super) credited_s: u64,
}

/// What a decision about an attendance reads from the database.
struct Around {
    lesson: Lesson,
    bank: Vec<Question>,
    elsewhere: Vec<Span>,
    earned_today_s: u32,
    adjusted_s: i64,
}

/// What a finding rests on, to be kept with its facts.
#[derive(Debug)]
pub(super) struct Exhibits {
    pub(super) taken: store::face::Taken,
    pub(super) pictures: Vec<store::face::NewPicture>,
    pub(super) hashes: Vec<PictureHash>,
}

/// Lets a command act on an attendance, in a transaction of its own. `None` when there is none.
pub(super) async fn act(
    context: &Context,
    id: AttendanceId,
    now: DateTime<Utc>,
    command: &Command<'_>,
) -> Result<Option<Acted>, Error> {
    act_shown(context, id, now, command, None).await
}

/// [`act`] with what a finding rests on, which is kept if the command brings facts.
pub(super) async fn act_shown(
    context: &Context,
    id: AttendanceId,
    now: DateTime<Utc>,
    command: &Command<'_>,
    exhibits: Option<Exhibits>,
) -> Result<Option<Acted>, Error> {
    let mut transaction = context.store.begin().await?;
    let acted = act_within(context, &mut transaction, id, now, command, exhibits).await?;
    outbox::commit(context, transaction).await?;
    let wanted = acted
        .as_ref()
        .and_then(|acted| acted.attendance.look_wanted(now));
    if wanted.is_some() {
        context.looks.notify_one();
    }
    Ok(acted)
}

/// [`act_shown`] in the caller's transaction, which it commits by [`outbox::commit`].
pub(super) async fn act_within(
    context: &Context,
    db: &mut Connection,
    id: AttendanceId,
    now: DateTime<Utc>,
    command: &Command<'_>,
    exhibits: Option<Exhibits>,
) -> Result<Option<Acted>, Error> {
    let Some(stored) = store::attendance::lock(db, id).await? else {
        return Ok(None);
    };
    let around = around(db, &stored.attendance, command).await?;
    let mut attendance = stored.attendance.clone();
    let mut facts = Vec::new();
    let steps = if is_due(command) { STEPS_MAX } else { 1 };
    for _ in 0..steps {
        let command = in_the_link(command, &attendance);
        let circumstances = Circumstances {
            now,
            entropy: &*context.entropy,
            lesson: &around.lesson,
            bank: &around.bank,
            elsewhere: &around.elsewhere,
            earned_today_s: around.earned_today_s,
            round_trip_ms: stored.round_trip_ms,
        };
        let Some(command) = command else { break };
        let step = attendance.decide(&command, &circumstances)?;
        step.iter().for_each(|fact| attendance.apply(fact));
        if let Command::Alive(window) = command {
            attendance.observe(window);
        }
        let done = step.is_empty();
        facts.extend(step);
        if done {
            break;
        }
    }
    let touched = attendance != stored.attendance || is_due(command);
    if !touched {
        let credited_s = stored.credited_s;
        return Ok(Some(Acted {
            attendance,
            facts,
            credited_s,
        }));
    }
    if let Some(exhibits) = exhibits.filter(|_| !facts.is_empty()) {
        keep(db, &exhibits).await?;
    }
    let statement = save(context, db, &stored, &attendance, &around, &facts, now).await?;
    Ok(Some(Acted {
        attendance,
        facts,
        credited_s: statement.credited_s,
    }))
}

async fn keep(db: &mut Connection, exhibits: &Exhibits) -> Result<(), Error> {
    let (taken, most) = (
        exhibits.taken,
        u32::try_from(EARLIER_MAX).unwrap_or(u32::MAX),
    );
    store::face::insert_pictures(db, taken, &exhibits.pictures).await?;
    store::face::add_hashes(db, taken.person, taken.at, &exhibits.hashes, most).await
}

/// Writes what an attendance earns by now, when what people added to it changed; the caller has
/// locked it.
pub(super) async fn restate(
    context: &Context,
    db: &mut Connection,
    stored: &Stored,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let attendance = &stored.attendance;
    let around = around(db, attendance, &Command::Recover).await?;
    save(context, db, stored, attendance, &around, &[], now).await?;
    Ok(())
}

/// A deadline may bring several steps, and draws from the bank; everything else is one.
fn is_due(command: &Command<'_>) -> bool {
    matches!(command, Command::Due)
}

// Life is only what the present link carried.
fn in_the_link<'a>(command: &Command<'a>, attendance: &Attendance) -> Option<Command<'a>> {
    match (command, attendance.link()) {
        (Command::Alive(window), Link::Up { since, .. }) => {
            let window = Span::new(window.from.max(since), window.to);
            (!window.is_empty()).then_some(Command::Alive(window))
        }
        (Command::Alive(_), Link::Down { .. } | Link::Absent) => None,
        (other, Link::Up { .. } | Link::Down { .. } | Link::Absent) => Some(other.clone()),
    }
}

/// Opens an attendance of a running lesson, whose row the caller has locked.
pub(super) async fn open(
    context: &Context,
    db: &mut Connection,
    lesson: &Lesson,
    account: AccountId,
) -> Result<AttendanceId, Error> {
    let now = context.now();
    let seed = crate::domain::classroom::schedule::Seed::new(&*context.entropy);
    let id = AttendanceId::new(now, &*context.entropy);
    let terms = Terms {
        on_demand: lesson.is_study(),
        ..Terms::default()
    };
    let first = Attendance::open(id, account, lesson, terms, &seed, now);
    let attendance = Attendance::from_first(&first, seed)
        .map_err(|source| Failure::new("open an attendance", source))?;
    store::attendance::insert(db, &attendance).await?;
    let stream = ledger::open(context, db, LESSON_STREAM_KIND, lesson.id().0).await?;
    let recorded = RecordedFact {
        attendance: id,
        fact: first,
    };
    ledger::append(context, db, stream, &[recorded]).await?;
    Ok(id)
}

async fn around(
    db: &mut Connection,
    attendance: &Attendance,
    command: &Command<'_>,
) -> Result<Around, Error> {
    let lesson = store::lesson::find(db, attendance.lesson()).await?;
    let lesson = lesson.ok_or_else(lesson_not_found)?;
    let bank = if is_due(command) {
        store::question::bank_of(db, lesson.unit(), BANK_MAX).await?
    } else {
        Vec::new()
    };
    let (elsewhere, earned_today_s) = store::attendance::earned_before(db, attendance).await?;
    Ok(Around {
        lesson,
        bank,
        elsewhere,
        earned_today_s,
        adjusted_s: store::redress::adjusted_s(db, attendance.id()).await?,
    })
}

async fn save(
    context: &Context,
    db: &mut Connection,
    stored: &Stored,
    attendance: &Attendance,
    around: &Around,
    facts: &[AttendanceFact],
    now: DateTime<Utc>,
) -> Result<Statement, Error> {
    let statement = attendance.statement(
        &around.lesson,
        &around.elsewhere,
        around.earned_today_s,
        now,
    );
    let statement = statement.adjusted(around.adjusted_s);
    let mut summary = Summary {
        credited_s: statement.credited_s,
        withheld_s: statement.withheld_s,
        credited: statement.credited_spans(),
        // A deadline that found nothing to do is looked at again a second later.
        next_deadline: attendance.next_deadline(&around.lesson, now).map(|at| {
            if facts.is_empty() {
                at.max(now + TimeDelta::seconds(1))
            } else {
                at
            }
        }),
        board_sent_at: stored.board_sent_at,
        board_due: None,
        look_until: attendance.look_wanted(now).map(|look| look.until),
    };
    let board_now = !facts.is_empty() && may_send_board(&mut summary, now);
    store::attendance::save(db, attendance, &summary).await?;
    for fact in facts {
        if let AttendanceFact::CheckAsked(check) = fact {
            store::attendance::insert_check(db, attendance.id(), check).await?;
        }
    }
    rounds::note(db, attendance, facts).await?;
    let mut told = told_to_learner(db, attendance, around, facts, &statement, now).await?;
    if board_now {
        told.extend(board_row(db, attendance.lesson(), attendance.account(), now).await?);
    }
    outbox::announce(context, db, &told).await?;
    tell_others(context, db, stored, (attendance, &statement), now).await?;
    let recorded: Vec<RecordedFact> = facts
        .iter()
        .map(|fact| RecordedFact {
            attendance: attendance.id(),
            fact: fact.clone(),
        })
        .collect();
    if !recorded.is_empty() {
        let stream = ledger::open(context, db, LESSON_STREAM_KIND, attendance.lesson().0).await?;
        ledger::append_at(db, stream, now, &recorded).await?;
    }
    Ok(statement)
}

/// A row of the board is announced at most once a second; a later change waits for its second.
fn may_send_board(summary: &mut Summary, now: DateTime<Utc>) -> bool {
    let free_at = summary
        .board_sent_at
        .map(|sent| sent + TimeDelta::seconds(1));
    match free_at {
        Some(free_at) if free_at > now => {
            summary.board_due = Some(free_at);
            false
        }
        Some(_) | None => {
            summary.board_sent_at = Some(now);
            true
        }
    }
}

async fn told_to_learner(
    db: &mut Connection,
    attendance: &Attendance,
    around: &Around,
    facts: &[AttendanceFact],
    statement: &Statement,
    now: DateTime<Utc>,
) -> Result<Vec<Announcement>, Error> {
    let mut told = Vec::new();
    let account = attendance.account();
    let (mut prompted, mut changed) = (false, false);
    for fact in facts {
        match fact {
            AttendanceFact::CheckAsked(_)
            | AttendanceFact::CheckPrompted { .. }
            | AttendanceFact::CheckFound { .. } => prompted = true,
            AttendanceFact::CheckAnswered {
                right: Some(false), ..
            } => prompted = true,
            AttendanceFact::CheckEnded { check, outcome, .. } => {
                changed = true;
                told.extend(closed(attendance, *check, *outcome, statement)?);
            }
            AttendanceFact::SignedIn { .. }
            | AttendanceFact::TakenOver { .. }
            | AttendanceFact::LongAbsence { .. }
            | AttendanceFact::ReviewAsked { .. }
            | AttendanceFact::Paused { .. }
            | AttendanceFact::Exempted { .. }
            | AttendanceFact::CheckRuled { .. }
            | AttendanceFact::Recomputed { .. }
            | AttendanceFact::AttendanceClosed { .. } => changed = true,
            AttendanceFact::AttendanceOpened { .. }
            | AttendanceFact::Entered { .. }
            | AttendanceFact::LinkUp { .. }
            | AttendanceFact::LinkDown { .. }
            | AttendanceFact::Alive(_)
            | AttendanceFact::CameraSeen { .. }
            | AttendanceFact::CheckAnswered { .. }
            | AttendanceFact::AnsweredLate { .. }
            | AttendanceFact::CheckOwed { .. }
            | AttendanceFact::ServerReturned { .. }
            | AttendanceFact::Closing { .. } => {}
        }
    }
    if prompted && let Some(prompt) = PromptView::of(db, attendance, now).await? {
        told.push(announcement(
            Audience::Account(account),
            "prompt_opened",
            &prompt,
        )?);
    }
    if changed {
        let summary = AttendanceSummary::of(attendance, &around.lesson, statement);
        told.push(announcement(
            Audience::Account(account),
            "attendance_changed",
            &summary,
        )?);
    }
    Ok(told)
}

/// The end of a prompt; of a check that was never shown nothing is told.
fn closed(
    attendance: &Attendance,
    check: CheckId,
    outcome: Outcome,
    statement: &Statement,
) -> Result<Option<Announcement>, Error> {
    let silent = |known: &Check| known.id == check && known.silent;
    if attendance.checks().iter().any(silent) {
        return Ok(None);
    }
    let closed = PromptClosed {
        check_id: check,
        attendance_id: attendance.id(),
        outcome,
        credited_seconds: statement.credited_s,
    };
    let audience = Audience::Account(attendance.account());
    announcement(audience, "prompt_closed", &closed).map(Some)
}

/// What `board_changed` carries.
#[derive(Serialize)]
struct BoardChanged {
    lesson_id: LessonId,
    row: BoardRow,
}

/// The announcement of one learner's row.
pub(super) async fn board_row(
    db: &mut Connection,
    lesson: LessonId,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<Vec<Announcement>, Error> {
    let rows = store::attendance::board(db, lesson, Some(account)).await?;
    rows.into_iter()
        .map(|row| {
            let changed = BoardChanged {
                lesson_id: lesson,
                row: BoardRow::of(row, now),
            };
            announcement(
                Audience::Topic(Topic::lesson_staff(lesson)),
                "board_changed",
                &changed,
            )
        })
        .collect()
}

/// An announcement of a view.
pub(super) fn announcement<V: Serialize>(
    audience: Audience,
    kind: &'static str,
    view: &V,
) -> Result<Announcement, Error> {
    let payload = serde_json::to_string(view)
        .map_err(|source| Failure::new("write an announcement", source))?;
    Ok(Announcement {
        audience,
        kind,
        payload,
    })
}

/// Lets a command act on a lesson, in a transaction of its own.
/// Refuses with `lesson.not_found` and what the lesson refuses.
pub(super) async fn act_on_lesson(
    context: &Context,
    id: LessonId,
    by: Option<AccountId>,
    now: DateTime<Utc>,
    command: &LessonCommand,
) -> Result<Lesson, Error> {
    let mut transaction = context.store.begin().await?;
    let lesson = store::lesson::lock(&mut transaction, id).await?;
    let mut lesson = lesson.ok_or_else(lesson_not_found)?;
    let facts = lesson.decide(command, now)?;
    if facts.is_empty() {
        return Ok(lesson);
    }
    facts.iter().for_each(|fact| lesson.apply(fact));
    store::lesson::update(&mut transaction, &lesson).await?;
    store::attendance::wake_all(&mut transaction, id, now).await?;
    announce_lesson(context, &mut transaction, id).await?;
    record(context, &mut transaction, id, by, now, facts).await?;
    outbox::commit(context, transaction).await?;
    Ok(lesson)
}

/// Announces a lesson's present state to everybody of it.
pub(super) async fn announce_lesson(
    context: &Context,
    db: &mut Connection,
    id: LessonId,
) -> Result<(), Error> {
    let listed = store::lesson::find_listed(db, &[id]).await?;
    let told: Result<Vec<_>, Error> = listed
        .iter()
        .map(|listed| {
            let audience = Audience::Topic(Topic::lesson(id));
            announcement(audience, "lesson_changed", &LessonView::of(listed))
        })
        .collect();
    outbox::announce(context, db, &told?).await
}

/// Writes facts of a lesson, which happened at `at`, to its stream; call it last.
pub(super) async fn record(
    context: &Context,
    db: &mut Connection,
    id: LessonId,
    by: Option<AccountId>,
    at: DateTime<Utc>,
    facts: Vec<LessonFact>,
) -> Result<(), Error> {
    let recorded: Vec<RecordedLessonFact> = facts
        .into_iter()
        .map(|fact| RecordedLessonFact { by, fact })
        .collect();
    let stream = ledger::open(context, db, LESSON_STREAM_KIND, id.0).await?;
    ledger::append_at(db, stream, at, &recorded).await
}

/// No such lesson, or none that the actor may know of.
pub(super) fn lesson_not_found() -> Error {
    Error::Refused(Refusal::new(
        RefusalKind::NotFound,
        "lesson.not_found",
        "没有找到该课程。",
        "There is no such lesson.",
    ))
}
