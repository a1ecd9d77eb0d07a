//! The hours of a month, what units require, and the ledger of hours.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Parameters, SignedIn};
use super::router::{Access, App, Route};
use super::{Items, Page, page};
use crate::domain::id::UnitId;
use crate::domain::policy::Capability;
use crate::service::classroom::hours::{
    self, HoursView, LearnerHours, LedgerLine, RequirementView,
};
use crate::service::reports::{self, Form};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::PeopleManage);
    vec![
        Route::new(Access::SignedIn, routes!(mine)),
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(ledger)),
        Route::new(manage, routes!(export)),
        Route::new(manage, routes!(requirements)),
        Route::new(manage, routes!(require)),
    ]
}

/// Which month.
#[derive(Deserialize, IntoParams)]
struct MonthQuery {
    /// Such as `2026-11`, at Beijing time; the present one when absent.
    month: Option<String>,
}

/// Whose hours of which month.
#[derive(Deserialize, IntoParams)]
struct HoursQuery {
    /// A unit with all below it; all of one's own when absent.
    unit_id: Option<Uuid>,
    /// Such as `2026-11`, at Beijing time; the present one when absent.
    month: Option<String>,
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// What to take out as a file.
#[derive(Deserialize, IntoParams)]
struct ExportQuery {
    /// A unit with all below it.
    unit_id: Uuid,
    /// Such as `2026-11`, at Beijing time.
    month: String,
    /// `month`, a line for each learner, or `ledger`, a line for each lesson.
    report: Report,
    /// `csv`, `xlsx` or `pdf`.
    format: Format,
}

/// Which report.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// A line for each learner.
    Month,
    /// A line for each lesson.
    Ledger,
}

/// Which kind of file.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// UTF-8 with a byte order mark.
    Csv,
    /// A workbook.
    Xlsx,
    /// Sheets of A4.
    Pdf,
}

/// Which unit.
#[derive(Deserialize, IntoParams)]
struct UnitQuery {
    /// The unit.
    unit_id: Uuid,
}

/// Hours that a unit requires of its learners.
#[derive(Deserialize, ToSchema)]
struct NewRequirement {
    unit_id: Uuid,
    /// The first month it is for, such as `2026-11`; not before the present one.
    month: String,
    /// Seconds a month; at most 720,000.
    required_seconds: u32,
}

/// A page of learners, and how the whole list stands.
#[derive(Serialize, ToSchema)]
struct Standings {
    /// Who lacks most first.
    items: Vec<LearnerHours>,
    /// Learners on all pages.
    total: u64,
    /// Those of them who have done what is required.
    reached: u64,
    /// Those of them for whom even everything planned does not suffice.
    short: u64,
}

/// One's own hours of a month.
#[utoipa::path(get, path = "/api/hours/mine", tag = "hours", params(MonthQuery),
    responses((status = 200, body = HoursView)))]
async fn mine(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<MonthQuery>,
) -> Result<Json<HoursView>, Problem> {
    let month = query.month.as_deref();
    Ok(Json(hours::mine(&app.context, &actor, month).await?))
}

/// The hours of learners.
#[utoipa::path(get, path = "/api/hours", tag = "hours", params(HoursQuery),
    responses((status = 200, body = Standings)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<HoursQuery>,
) -> Result<Json<Standings>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let which = (query.unit_id.map(UnitId), query.month.as_deref());
    let all = hours::list(&app.context, &actor, which).await?;
    let count = |counts: &dyn Fn(&LearnerHours) -> bool| {
        all.iter().filter(|one| counts(one)).count() as u64
    };
    Ok(Json(Standings {
        total: all.len() as u64,
        reached: count(&|one| one.hours.missing_seconds == 0),
        short: count(&|one| one.hours.short_seconds > 0),
        items: paged(all, limit, offset),
    }))
}

/// Every lesson of a month with what it earned, by learner.
#[utoipa::path(get, path = "/api/hours/ledger", tag = "hours", params(HoursQuery),
    responses((status = 200, body = Page<LedgerLine>)))]
async fn ledger(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<HoursQuery>,
) -> Result<Json<Page<LedgerLine>>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let which = (query.unit_id.map(UnitId), query.month.as_deref());
    let all = hours::ledger(&app.context, &actor, which).await?;
    Ok(Json(Page {
        total: all.len() as u64,
        items: paged(all, limit, offset),
    }))
}

/// A report as a file; that it was taken out stands in the audit.
#[utoipa::path(get, path = "/api/hours/export", tag = "hours", params(ExportQuery),
    responses((status = 200, body = Vec<u8>)))]
async fn export(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Problem> {
    let which = (UnitId(query.unit_id), query.month.as_str());
    let form = match query.format {
        Format::Csv => Form::Csv,
        Format::Xlsx => Form::Xlsx,
        Format::Pdf => Form::Pdf,
    };
    let file = match query.report {
        Report::Month => reports::month(&app.context, &actor, which, form).await?,
        Report::Ledger => reports::ledger(&app.context, &actor, which, form).await?,
    };
    let name = format!("attachment; filename=\"{}\"", file.name);
    let headers = [
        (header::CONTENT_TYPE, file.kind.to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, file.bytes).into_response())
}

/// What a unit and those above it have required so far.
#[utoipa::path(get, path = "/api/hours/requirements", tag = "hours", params(UnitQuery),
    responses((status = 200, body = Items<RequirementView>)))]
async fn requirements(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<UnitQuery>,
) -> Result<Json<Items<RequirementView>>, Problem> {
    let items = hours::requirements(&app.context, &actor, UnitId(query.unit_id)).await?;
    Ok(Json(Items { items }))
}

/// Requires other hours from a month on.
#[utoipa::path(post, path = "/api/hours/requirements", tag = "hours",
    request_body = NewRequirement, responses((status = 201, body = RequirementView)))]
async fn require(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(new): Body<NewRequirement>,
) -> Result<(StatusCode, Json<RequirementView>), Problem> {
    let required = (new.month.as_str(), new.required_seconds);
    let issued = hours::require(&app.context, &actor, UnitId(new.unit_id), required).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

fn paged<T>(all: Vec<T>, limit: u32, offset: u64) -> Vec<T> {
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    all.into_iter().skip(skipped).take(limit as usize).collect()
}
