//! The chat of lessons.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Id, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::id::LessonId;
use crate::domain::policy::Capability;
use crate::service::classroom::{self, MessageView};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(Access::SignedIn, routes!(list)),
        Route::new(Access::SignedIn, routes!(say)),
        Route::new(manage, routes!(export)),
    ]
}

/// What is said.
#[derive(Deserialize, ToSchema)]
struct Words {
    /// 1 to 500 characters.
    text: String,
}

/// The last 500 messages of a lesson that one may read, oldest first.
#[utoipa::path(get, path = "/api/lessons/{id}/chat", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<MessageView>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<Items<MessageView>>, Problem> {
    let items = classroom::messages(&app.context, &actor, id).await?;
    Ok(Json(Items { items }))
}

/// Says something in class; what a learner says while a question is open is held until then.
#[utoipa::path(post, path = "/api/lessons/{id}/chat", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = Words,
    responses((status = 201, body = MessageView)))]
async fn say(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(words): Body<Words>,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    let said = classroom::say(&app.context, &actor, id, &words.text).await?;
    Ok((StatusCode::CREATED, Json(said)))
}

/// All messages of a lesson as CSV, to those who run it.
#[utoipa::path(get, path = "/api/lessons/{id}/chat/export", tag = "lessons",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = String, content_type = "text/csv")))]
async fn export(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<impl IntoResponse, Problem> {
    let table = classroom::export_chat(&app.context, &actor, id).await?;
    let named = format!("attachment; filename=\"chat-{id}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, named),
    ];
    Ok((headers, table))
}
