//! The question bank in use.

use super::view::QuestionView;
use crate::domain::actor::Actor;
use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::id::{QuestionId, UnitId};
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::unit;
use crate::service::{Context, Error};
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
    /// How many options are right.
    pub kind: QuestionKind,
    /// The options.
    pub options: Vec<QuestionOption>,
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
/// `question.text`, `question.options` or `question.correct`.
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
    let question = Question::new(id, unit.id, &new.text, new.kind, new.options)?;
    store::question::insert(&mut transaction, &question, Some(actor.account), now).await?;
    transaction.commit().await?;
    Ok(QuestionView::of(&question))
}
