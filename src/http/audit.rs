//! The audit stream.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::Items;
use super::error::Problem;
use super::extract::{Parameters, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::domain::policy::Capability;
use crate::service::audit;

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![Route::new(
        Access::Capable(Capability::AuditRead),
        routes!(list),
    )]
}

/// Which part of the stream.
#[derive(Deserialize, IntoParams)]
pub struct AuditQuery {
    /// Only facts before this place.
    before: Option<u64>,
    /// At most 200.
    limit: Option<u32>,
}

/// One fact with names.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    seq: u64,
    at: DateTime<Utc>,
    /// Name of who acted; none when nobody was signed in.
    actor: Option<String>,
    /// Kind of fact.
    action: String,
    /// Name of what was acted on.
    subject: Option<String>,
    /// The fact with its ids.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// Facts about sign-in, accounts, roles and units, newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Items<AuditEntry>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<Items<AuditEntry>>, Problem> {
    let limit = query
        .limit
        .unwrap_or(PAGE_SIZE_DEFAULT)
        .clamp(1, PAGE_SIZE_MAX);
    let entries = audit::list(&app.context, &actor, query.before, limit).await?;
    Ok(Json(Items {
        items: entries.into_iter().map(AuditEntry::from).collect(),
    }))
}

impl From<audit::Entry> for AuditEntry {
    fn from(entry: audit::Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
        }
    }
}
