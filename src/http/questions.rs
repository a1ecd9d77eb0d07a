//! The question bank.

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Parameters, SignedIn, upload};
use super::router::{Access, App, Route};
use crate::domain::classroom::quiz::{QuestionKind, QuestionOption};
use crate::domain::id::UnitId;
use crate::domain::policy::Capability;
use crate::service::classroom::view::QuestionView;
use crate::service::classroom::{self, FILE_BYTES_MAX, NewQuestion, QuestionFile, QuestionImport};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(add)),
        Route::new(
            manage,
            routes!(import).layer(DefaultBodyLimit::max(FILE_BYTES_MAX)),
        ),
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
    /// `single`, `multiple`, `true_false`, `numeric` or `short_text`.
    #[schema(value_type = String)]
    kind: QuestionKind,
    /// Where one chooses.
    #[serde(default)]
    options: Vec<OptionDraft>,
    /// Where one writes: words, or numbers as `5`, `3.14:0.01` or `1..5`.
    #[serde(default)]
    accepted: Vec<String>,
    unit_id: Uuid,
}

/// An option of an item to add.
#[derive(Deserialize, ToSchema)]
struct OptionDraft {
    text: String,
    correct: bool,
}

/// Where a file of items goes.
#[derive(Deserialize, IntoParams)]
struct ImportQuery {
    /// Whose bank.
    unit_id: Uuid,
    /// The file's name; its ending says how it is written: `.gift`, `.txt` (GIFT or Aiken), `.csv`
    /// or `.xlsx`.
    name: String,
    /// Only tells what is in it and what is wrong with it.
    #[serde(default)]
    dry_run: bool,
}

/// How long a file may take to arrive.
const FILE_TIME_MAX: Duration = Duration::from_secs(120);

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
        accepted: draft.accepted,
    };
    let question = classroom::add_question(&app.context, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(question)))
}

/// Adds all items of a file to a unit's bank, or none: what is wrong with it is told line by line.
/// At most 2 MiB and 1,000 items; text in UTF-8, UTF-16 or GB 18030.
#[utoipa::path(post, path = "/api/questions/import", tag = "questions", params(ImportQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = QuestionImport)))]
async fn import(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<ImportQuery>,
    request: Request,
) -> Result<Json<QuestionImport>, Problem> {
    let file = QuestionFile {
        unit: UnitId(query.unit_id),
        name: query.name,
        bytes: upload(request, &app, FILE_BYTES_MAX, FILE_TIME_MAX).await?,
        dry_run: query.dry_run,
    };
    let import = classroom::import_questions(&app.context, &actor, file).await?;
    Ok(Json(import))
}
