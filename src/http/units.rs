//! Units.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Id, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::id::UnitId;
use crate::domain::policy::Capability;
use crate::domain::unit;
use crate::service::units;

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Access::Capable(Capability::PeopleRead), routes!(list)),
        Route::new(Access::Capable(Capability::UnitsManage), routes!(add)),
        Route::new(Access::Capable(Capability::UnitsManage), routes!(change)),
    ]
}

/// A unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unit {
    id: Uuid,
    parent_id: Option<Uuid>,
    /// 1 ministry, 2 province, 3 city, 4 county, 5 township.
    level: i16,
    code: String,
    name: String,
}

/// What a list shows of a unit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UnitRef {
    id: Uuid,
    name: String,
    /// 1 ministry, 2 province, 3 city, 4 county, 5 township.
    level: i16,
}

/// A unit to add.
#[derive(Deserialize, ToSchema)]
pub struct NewUnit {
    parent_id: Uuid,
    name: String,
    code: String,
}

/// A change of a unit; what is absent stays.
#[derive(Deserialize, ToSchema)]
pub struct UnitChange {
    name: Option<String>,
    code: Option<String>,
}

/// All units that one works for, parents first.
#[utoipa::path(get, path = "/api/units", tag = "units",
    responses((status = 200, body = Items<Unit>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<Items<Unit>>, Problem> {
    let units = units::list(&app.context, &actor).await?;
    Ok(Json(Items {
        items: units.into_iter().map(Unit::from).collect(),
    }))
}

/// Adds a unit below another.
#[utoipa::path(post, path = "/api/units", tag = "units", request_body = NewUnit,
    responses((status = 201, body = Unit)))]
async fn add(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(new): Body<NewUnit>,
) -> Result<(StatusCode, Json<Unit>), Problem> {
    let parent = UnitId(new.parent_id);
    let unit = units::add(&app.context, &actor, parent, &new.code, &new.name).await?;
    Ok((StatusCode::CREATED, Json(unit.into())))
}

/// Changes a unit's name or code.
#[utoipa::path(patch, path = "/api/units/{id}", tag = "units", params(("id" = Uuid, Path)),
    request_body = UnitChange, responses((status = 200, body = Unit)))]
async fn change(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<UnitId>,
    Body(change): Body<UnitChange>,
) -> Result<Json<Unit>, Problem> {
    let change = units::Change {
        name: change.name,
        code: change.code,
    };
    Ok(Json(
        units::change(&app.context, &actor, id, change)
            .await?
            .into(),
    ))
}

impl From<unit::Unit> for Unit {
    fn from(unit: unit::Unit) -> Self {
        Self {
            id: unit.id.0,
            parent_id: unit.parent_id.map(|id| id.0),
            level: unit.level.number(),
            code: unit.code,
            name: unit.name,
        }
    }
}

impl From<unit::UnitRef> for UnitRef {
    fn from(unit: unit::UnitRef) -> Self {
        Self {
            id: unit.id.0,
            name: unit.name,
            level: unit.level.number(),
        }
    }
}
