//! The question bank in use.

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::question_file::{self, Complaint, Contents};
use super::view::QuestionView;
use crate::domain::actor::Actor;
use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::classroom::solution::Solution;
use crate::domain::id::{QuestionId, UnitId};
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::unit;
use crate::service::{Context, Error, Failure};
use crate::store;

/// Most items of one answer.
const LIST_MAX: u32 = 500;

/// An item to add.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// Whose bank.
    pub unit: UnitId,
    /// What is asked.
    pub text: String,
    /// How one answers.
    pub kind: QuestionKind,
    /// The options, where one chooses.
    pub options: Vec<QuestionOption>,
    /// The accepted answers, where one writes.
    pub accepted: Vec<String>,
}

/// A file of items to add.
#[derive(Clone, Debug)]
pub struct QuestionFile {
    /// Whose bank.
    pub unit: UnitId,
    /// Its name, whose ending says how it is written.
    pub name: String,
    /// At most [`question_file::FILE_BYTES_MAX`].
    pub bytes: Bytes,
    /// Only looks what is in it.
    pub dry_run: bool,
}

/// What came of a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuestionImport {
    /// How many items the bank has more.
    pub imported: usize,
    /// What the file holds.
    pub questions: Vec<QuestionView>,
    /// What is wrong with it, in order of lines; at most 100.
    pub complaints: Vec<Complaint>,
}

/// Items that the actor may ask: of their units, above and below, newest first, at most 500.
pub async fn list_questions(
    context: &Context,
    actor: &Actor,
    text: Option<&str>,
) -> Result<Vec<QuestionView>, Error> {
    if !actor.holds_anywhere(STAFF) {
        return Err(policy::forbidden().into());
    }
    let mut db = context.store.reader().await?;
    let found = store::question::list(&mut db, &actor.scopes(STAFF), text, LIST_MAX).await?;
    Ok(found.iter().map(QuestionView::of).collect())
}

/// Adds an item to a unit's bank. Refuses with `auth.forbidden`, `unit.not_found`,
/// `question.text`, `question.options`, `question.correct` or `question.answers`.
pub async fn add_question(
    context: &Context,
    actor: &Actor,
    new: NewQuestion,
) -> Result<QuestionView, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit = store::unit::find(&mut transaction, new.unit).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    policy::allow(actor, Action::PlanLessons, Resource::Unit(&unit.path))?;
    let id = QuestionId::new(now, &*context.entropy);
    let solution = Solution::written(new.kind, new.options, &new.accepted)?;
    let question = Question::new(id, unit.id, &new.text, new.kind, solution)?;
    store::question::insert(&mut transaction, &question, Some(actor.account), now).await?;
    transaction.commit().await?;
    Ok(QuestionView::of(&question))
}

/// Adds all items of a file to a unit's bank, or none; in a dry run, tells what it would. Refuses
/// with `auth.forbidden`, `unit.not_found`, what [`question_file::read`] refuses, and, unless it is
/// a dry run, `questions.complaints`.
pub async fn import_questions(
    context: &Context,
    actor: &Actor,
    file: QuestionFile,
) -> Result<QuestionImport, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit = store::unit::find(&mut transaction, file.unit).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    policy::allow(actor, Action::PlanLessons, Resource::Unit(&unit.path))?;
    let contents = read(context, file.name, file.bytes).await?;
    if !file.dry_run
        && let Some(refusal) = contents.refusal()
    {
        return Err(refusal.into());
    }
    let mut questions = Vec::with_capacity(contents.drafts.len());
    for draft in contents.drafts {
        let id = QuestionId::new(now, &*context.entropy);
        let question = Question::new(id, unit.id, &draft.text, draft.kind, draft.solution)?;
        if !file.dry_run {
            store::question::insert(&mut transaction, &question, Some(actor.account), now).await?;
        }
        questions.push(QuestionView::of(&question));
    }
    transaction.commit().await?;
    Ok(QuestionImport {
        imported: if file.dry_run { 0 } else { questions.len() },
        questions,
        complaints: contents.complaints,
    })
}

/// A workbook takes long enough to read that it would hold up other tasks.
async fn read(context: &Context, name: String, bytes: Bytes) -> Result<Contents, Error> {
    let (sender, receiver) = oneshot::channel();
    context.workers.run(Box::new(move || {
        // Who asked may be gone.
        let _ = sender.send(question_file::read(&name, &bytes));
    }));
    let read = receiver.await;
    Ok(read.map_err(|source| Failure::new("hear from a reading thread", source))??)
}
