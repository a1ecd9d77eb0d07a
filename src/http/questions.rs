//! The question bank.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Parameters, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::classroom::quiz::{QuestionKind, QuestionOption};
use crate::domain::id::UnitId;
use crate::domain::policy::Capability;
use crate::service::classroom::view::QuestionView;
use crate::service::classroom::{self, NewQuestion};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(add)),
    ]
}

/// Which items to list.
#[derive(Deserialize, IntoParams)]
struct QuestionsQuery {
    /// Only texts that contain this.
    q: Option<String>,
}

/// An item to add.
#[derive(Deserialize, ToSchema)]
struct QuestionDraft {
    text: String,
    /// `single`, `multiple` or `true_false`.
    #[schema(value_type = String)]
    kind: QuestionKind,
    options: Vec<OptionDraft>,
    unit_id: Uuid,
}

/// An option of an item to add.
#[derive(Deserialize, ToSchema)]
struct OptionDraft {
    text: String,
    correct: bool,
}

/// Items that one may ask, newest first, at most 500.
#[utoipa::path(get, path = "/api/questions", tag = "questions", params(QuestionsQuery),
    responses((status = 200, body = Items<QuestionView>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<QuestionsQuery>,
) -> Result<Json<Items<QuestionView>>, Problem> {
    let text = query.q.as_deref().filter(|text| !text.is_empty());
    let items = classroom::list_questions(&app.context, &actor, text).await?;
    Ok(Json(Items { items }))
}

/// Adds an item to a unit's bank.
#[utoipa::path(post, path = "/api/questions", tag = "questions", request_body = QuestionDraft,
    responses((status = 201, body = QuestionView)))]
async fn add(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(draft): Body<QuestionDraft>,
) -> Result<(StatusCode, Json<QuestionView>), Problem> {
    let option = |draft: OptionDraft| QuestionOption {
        text: draft.text,
        correct: draft.correct,
    };
    let new = NewQuestion {
        unit: UnitId(draft.unit_id),
        text: draft.text,
        kind: draft.kind,
        options: draft.options.into_iter().map(option).collect(),
    };
    let question = classroom::add_question(&app.context, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(question)))
}
