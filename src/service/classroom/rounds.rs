//! Rounds: a question or a poll to everybody at once, counted live, with the solution shown to
//! learners after the last window alone.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};

use super::act::{act, announcement, lesson_not_found, record};
use super::lessons::{run_by, seen_by, usable_question};
use super::present;
use super::round_view::{LearnerRound, StaffRound};
use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience, Topic};
use crate::domain::classroom::attendance::{Attendance, AttendanceFact, Command};
use crate::domain::classroom::lesson::LessonFact;
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::round::{self, AnswerState, Ask, Poll, Round, Tally};
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, QuestionId, RoundId};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, outbox};
use crate::store::{self, Connection};

/// Rounds of one answer.
const LIST_MAX: u32 = 20;
/// Learners asked at the same time: few enough to leave connections to others.
const AT_ONCE: usize = 8;
/// Open rounds looked at in one go.
const BATCH: u32 = 500;

/// A question put to a class.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    /// The round.
    pub round: RoundId,
    /// How many are asked.
    pub asked: usize,
}

/// Puts one question to all who are present: whoever is away or has an open prompt is left out.
/// Refuses with `lesson.not_found`, `auth.forbidden`, `lesson.not_live`, `question.not_found`,
/// `round.many`, `round.full` or `lesson.catching_up`.
pub async fn question_now(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    question: QuestionId,
) -> Result<Pushed, Error> {
    let lesson = run_by(context, actor, id).await?;
    if !lesson.is_live() {
        return Err(lesson.not_live().into());
    }
    let mut db = context.store.reader().await?;
    let question = usable_question(&mut db, &lesson, question).await?;
    let learners: Vec<AccountId> = store::lesson::learners(&mut db, id)
        .await?
        .into_iter()
        .collect();
    let attendances = store::attendance::of_learners(&mut db, id, &learners).await?;
    drop(db);
    let ask = Ask::Question(question.id());
    let round = begin(context, actor, id, ask).await?.id;
    let command = Command::AskNow {
        by: actor.account,
        question: Some(&question),
        round: Some(round),
    };
    let asked = ask_all(context, &attendances, &command).await?;
    let mut transaction = context.store.begin().await?;
    store::round::asked_all(&mut transaction, round).await?;
    transaction.commit().await?;
    look_at(context, round, context.now()).await?;
    Ok(Pushed { round, asked })
}

/// Lets a command act on all of these; returns on how many it did.
async fn ask_all(
    context: &Context,
    attendances: &[(AttendanceId, AccountId)],
    command: &Command<'_>,
) -> Result<usize, Error> {
    let each = attendances.iter();
    let each: Vec<_> = each.map(|(id, _)| ask(context, *id, command)).collect();
    let mut asking = stream::iter(each).buffer_unordered(AT_ONCE);
    let mut asked = 0;
    while let Some(one) = asking.next().await {
        asked += usize::from(one?);
    }
    Ok(asked)
}

/// Lets a command act on one of them; false when it is refused.
fn ask<'a>(
    context: &'a Context,
    attendance: AttendanceId,
    command: &'a Command<'a>,
) -> BoxFuture<'a, Result<bool, Error>> {
    Box::pin(async move {
        match act(context, attendance, present(context)?, command).await {
            Ok(acted) => Ok(acted.is_some()),
            Err(Error::Refused(_)) => Ok(false),
            Err(failed) => Err(failed),
        }
    })
}

/// Asks a class what it thinks. Refuses as [`question_now`] does, and with `poll.text`,
/// `poll.options` or `poll.seconds`.
pub async fn poll_now(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    poll: Poll,
    seconds: u32,
) -> Result<StaffRound, Error> {
    let lesson = run_by(context, actor, id).await?;
    if !lesson.is_running() {
        return Err(lesson.not_live().into());
    }
    let poll = poll.checked()?;
    let closes_at = Round::poll_closes(seconds, present(context)?)?;
    let round = begin(context, actor, id, Ask::Poll { poll, closes_at }).await?;
    Ok(StaffRound::of(&round, None))
}

/// Writes and announces a round that begins.
async fn begin(
    context: &Context,
    actor: &Actor,
    lesson: LessonId,
    ask: Ask,
) -> Result<Round, Error> {
    let now = present(context)?;
    let mut transaction = context.store.begin().await?;
    let db = &mut transaction;
    // The lesson's row orders rounds that begin at once.
    let locked = store::lesson::lock(db, lesson).await?;
    let locked = locked.ok_or_else(lesson_not_found)?;
    if !locked.is_running() {
        return Err(locked.not_live().into());
    }
    let id = RoundId::new(now, &*context.entropy);
    let counts = store::round::counts(db, lesson).await?;
    let mut round = Round::open(id, lesson, actor.account, ask, counts, now)?;
    store::round::insert(db, &round).await?;
    round.tally = tally(db, &round, None).await?;
    let fact = LessonFact::RoundOpened {
        round: id,
        question: round.question(),
        poll: round.poll().cloned(),
        at: now,
    };
    // A question is shown to learners as the prompt of each.
    let shown = round.poll().is_some();
    tell(context, db, &round, None, shown).await?;
    record(context, db, lesson, Some(actor.account), now, vec![fact]).await?;
    outbox::commit(context, transaction).await?;
    Ok(round)
}

/// Ends a poll before its time. Refuses with `round.not_found`, `auth.forbidden`, or with
/// `round.question` for a question, whose windows end by themselves.
pub async fn close_poll(
    context: &Context,
    actor: &Actor,
    id: RoundId,
) -> Result<StaffRound, Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let round = store::round::find(&mut db, id).await?;
    drop(db);
    let round = round.ok_or_else(not_found)?;
    run_by(context, actor, round.lesson)
        .await
        .map_err(|_| not_found())?;
    if round.poll().is_none() {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "round.question",
            "提问会在作答时间结束后自动结束。",
            "A question ends by itself when its time is over.",
        )
        .into());
    }
    let mut transaction = context.store.begin().await?;
    let mut round = store::round::lock(&mut transaction, id)
        .await?
        .ok_or_else(not_found)?;
    if round.closed_at.is_none() {
        let counted = tally(&mut transaction, &round, None).await?;
        close(
            context,
            &mut transaction,
            &mut round,
            None,
            counted,
            Some(actor.account),
            now,
        )
        .await?;
    }
    outbox::commit(context, transaction).await?;
    Ok(StaffRound::of(&round, None))
}

/// Votes in a poll, once. Refuses with `round.not_found`, `poll.closed`, `poll.voted` or
/// `poll.vote`.
pub async fn vote(
    context: &Context,
    actor: &Actor,
    id: RoundId,
    places: &[u8],
) -> Result<(), Error> {
    let now = present(context)?;
    let mut transaction = context.store.begin().await?;
    let db = &mut transaction;
    // Locked, so that no vote falls behind the last count.
    let round = store::round::lock(db, id).await?.ok_or_else(not_found)?;
    let (lesson, account) = (round.lesson, actor.account);
    let entered = store::attendance::of_learner(db, lesson, account).await?;
    let poll = round.poll().filter(|_| entered.is_some());
    let places = poll.ok_or_else(not_found)?.vote(places)?;
    if round.closed_at.is_some() || round.is_over(&round.tally, now) {
        return Err(round::vote_refused(true).into());
    }
    if !store::round::voter(db, id, account).await? {
        return Err(round::vote_refused(false).into());
    }
    store::round::vote(db, id, &places).await?;
    transaction.commit().await?;
    Ok(())
}

/// The last 20 rounds of a lesson, newest first, to those who run it. Refuses with
/// `lesson.not_found` or `auth.forbidden`.
pub async fn rounds(
    context: &Context,
    actor: &Actor,
    id: LessonId,
) -> Result<Vec<StaffRound>, Error> {
    run_by(context, actor, id).await?;
    let mut db = context.store.reader().await?;
    let mut views = Vec::new();
    for mut round in store::round::list(&mut db, id, LIST_MAX).await? {
        let question = question_of(&mut db, &round).await?;
        if round.closed_at.is_none() {
            round.tally = tally(&mut db, &round, question.as_ref()).await?;
        }
        views.push(StaffRound::of(&round, question.as_ref()));
    }
    Ok(views)
}

/// Of the last 20 rounds of a lesson those that learners may see, newest first: polls, and
/// questions that are over. Refuses with `lesson.not_found`.
pub async fn shown_rounds(
    context: &Context,
    actor: &Actor,
    id: LessonId,
) -> Result<Vec<LearnerRound>, Error> {
    let mut db = context.store.reader().await?;
    seen_by(&mut db, actor, id).await?;
    let rounds = store::round::list(&mut db, id, LIST_MAX).await?;
    let ids: Vec<RoundId> = rounds.iter().map(|round| round.id).collect();
    let voted = store::round::voted(&mut db, actor.account, &ids).await?;
    let answers = store::round::answers_of(&mut db, actor.account, &ids).await?;
    let mut views = Vec::new();
    for round in rounds {
        let question = question_of(&mut db, &round).await?;
        let Some(mut view) = LearnerRound::of(&round, question.as_ref()) else {
            continue;
        };
        view.voted = voted.contains(&round.id);
        let mine = answers
            .iter()
            .find(|(answered, _, _)| *answered == round.id);
        if let Some((_, state, given)) = mine {
            view.mine(*state, given.as_ref());
        }
        views.push(view);
    }
    Ok(views)
}

/// Takes what an attendance's facts say into its rounds; in the transaction of those facts.
pub(super) async fn note(
    db: &mut Connection,
    attendance: &Attendance,
    facts: &[AttendanceFact],
) -> Result<(), Error> {
    let round_of = |id: &CheckId| {
        let check = attendance.checks().iter().find(|check| check.id == *id);
        check.and_then(|check| check.round)
    };
    let id = attendance.id();
    for fact in facts {
        if let AttendanceFact::CheckAsked(check) = fact {
            if let Some(round) = check.round {
                store::round::asked(db, round, id, check.id).await?;
            }
        } else if let AttendanceFact::CheckAnswered { check, given, .. } = fact {
            if let Some(round) = round_of(check) {
                store::round::answered(db, round, id, given.as_ref(), None).await?;
            }
        } else if let AttendanceFact::CheckEnded { check, outcome, .. } = fact
            && let Some(round) = round_of(check)
        {
            let state = Some(AnswerState::of(*outcome));
            store::round::answered(db, round, id, None, state).await?;
        }
    }
    Ok(())
}

/// Counts all open rounds anew: tells staff what changed, and ends those that are over. Returns
/// whether any is open still; one that fails holds up no other.
pub(super) async fn look_after(
    context: &Context,
    now: DateTime<Utc>,
    failed: &mut Option<Error>,
) -> Result<bool, Error> {
    let mut db = context.store.reader().await?;
    let open = store::round::open(&mut db, BATCH).await?;
    drop(db);
    let mut any = false;
    for id in open {
        match look_at(context, id, now).await {
            Ok(is_open) => any |= is_open,
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    Ok(any)
}

async fn look_at(context: &Context, id: RoundId, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut transaction = context.store.begin().await?;
    let round = store::round::lock(&mut transaction, id).await?;
    let Some(mut round) = round.filter(|round| round.closed_at.is_none()) else {
        return Ok(false);
    };
    let question = question_of(&mut transaction, &round).await?;
    let question = question.as_ref();
    let counted = tally(&mut transaction, &round, question).await?;
    let is_over = round.is_over(&counted, now);
    if is_over {
        close(
            context,
            &mut transaction,
            &mut round,
            question,
            counted,
            None,
            now,
        )
        .await?;
    } else if counted != round.tally {
        round.tally = counted;
        store::round::update(&mut transaction, &round).await?;
        tell(context, &mut transaction, &round, question, false).await?;
    } else {
        return Ok(true);
    }
    outbox::commit(context, transaction).await?;
    Ok(!is_over)
}

async fn close(
    context: &Context,
    db: &mut Connection,
    round: &mut Round,
    question: Option<&Question>,
    counted: Tally,
    by: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    round.tally = counted;
    round.closed_at = Some(now);
    store::round::update(db, round).await?;
    tell(context, db, round, question, true).await?;
    let fact = LessonFact::RoundClosed {
        round: round.id,
        tally: round.tally.clone(),
        at: now,
    };
    record(context, db, round.lesson, by, now, vec![fact]).await
}

/// Tells staff how a round stands, and learners what they may see of it.
async fn tell(
    context: &Context,
    db: &mut Connection,
    round: &Round,
    question: Option<&Question>,
    shown: bool,
) -> Result<(), Error> {
    let staff = Audience::Topic(Topic::lesson_staff(round.lesson));
    let view = StaffRound::of(round, question);
    let mut told: Vec<Announcement> = vec![announcement(staff, "round_changed", &view)?];
    if shown && let Some(view) = LearnerRound::of(round, question) {
        let everybody = Audience::Topic(Topic::lesson(round.lesson));
        told.push(announcement(everybody, "round_shown", &view)?);
    }
    outbox::announce(context, db, &told).await
}

async fn question_of(db: &mut Connection, round: &Round) -> Result<Option<Question>, Error> {
    match round.question() {
        Some(question) => store::question::find(db, question).await,
        None => Ok(None),
    }
}

async fn tally(
    db: &mut Connection,
    round: &Round,
    question: Option<&Question>,
) -> Result<Tally, Error> {
    match &round.ask {
        Ask::Question(_) => {
            let answers = store::round::answers(db, round.id).await?;
            let options = question.map_or(0, |question| question.options().len());
            Ok(Tally::of(options, &answers))
        }
        Ask::Poll { .. } => {
            let (voters, votes) = store::round::votes(db, round.id).await?;
            Ok(Tally::of_poll(voters, votes))
        }
    }
}

fn not_found() -> Error {
    Error::Refused(Refusal::new(
        RefusalKind::NotFound,
        "round.not_found",
        "没有找到这次提问。",
        "There is no such question to the class.",
    ))
}
