//! People, their accounts and roles.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::RoleOver;
use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::router::{Access, App, Route};
use super::units::UnitRef;
use super::{Page, page};
use crate::domain::actor::{Actor, Role};
use crate::domain::id::{PersonId, UnitId};
use crate::domain::person::{self, PersonKind};
use crate::domain::policy::Capability;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::people;

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::PeopleManage);
    vec![
        Route::new(Access::Capable(Capability::PeopleRead), routes!(list)),
        Route::new(manage, routes!(add)),
        Route::new(manage, routes!(change)),
        Route::new(manage, routes!(grant_role)),
        Route::new(manage, routes!(revoke_role)),
        Route::new(manage, routes!(reset_password)),
    ]
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct Person {
    id: Uuid,
    account_id: Option<Uuid>,
    username: Option<String>,
    name: String,
    #[schema(value_type = String, example = "subject")]
    kind: PersonKind,
    unit: UnitRef,
    roles: Vec<RoleOver>,
    disabled: bool,
}

/// Which people to list.
#[derive(Deserialize, IntoParams)]
pub struct PeopleQuery {
    /// Only this unit and below.
    unit_id: Option<Uuid>,
    /// Only names or usernames that contain this.
    q: Option<String>,
    /// Only holders of this role.
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// A person to add; username and password come together.
#[derive(Deserialize, ToSchema)]
pub struct NewPerson {
    name: String,
    unit_id: Uuid,
    #[schema(value_type = String, example = "subject")]
    kind: PersonKind,
    username: Option<String>,
    password: Option<String>,
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
}

/// A change of a person; what is absent stays.
#[derive(Deserialize, ToSchema)]
pub struct PersonChange {
    name: Option<String>,
    unit_id: Option<Uuid>,
    disabled: Option<bool>,
}

/// A role over the subtree of a unit.
#[derive(Deserialize, ToSchema)]
pub struct RoleChange {
    #[schema(value_type = String, example = "teacher")]
    role: Role,
    unit_id: Uuid,
}

/// A password for somebody else.
#[derive(Deserialize, ToSchema)]
pub struct PasswordReset {
    new_password: String,
}

/// People by name, one page.
#[utoipa::path(get, path = "/api/people", tag = "people", params(PeopleQuery),
    responses((status = 200, body = Page<Person>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<PeopleQuery>,
) -> Result<Json<Page<Person>>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let query = people::Query {
        unit: query.unit_id.map(UnitId),
        text: query.q.filter(|text| !text.trim().is_empty()),
        role: query.role,
        limit,
        offset,
    };
    let (people, total) = people::list(&app.context, &actor, query).await?;
    Ok(Json(Page {
        items: people.into_iter().map(Person::from).collect(),
        total,
    }))
}

/// Adds a person, with an account and a role if wanted.
#[utoipa::path(post, path = "/api/people", tag = "people", request_body = NewPerson,
    responses((status = 201, body = Person)))]
async fn add(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(new): Body<NewPerson>,
) -> Result<(StatusCode, Json<Person>), Problem> {
    let account = match (new.username, new.password) {
        (Some(username), Some(password)) => Some((username, password)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(half_an_account().into()),
    };
    let new = people::NewPerson {
        name: new.name,
        unit: UnitId(new.unit_id),
        kind: new.kind,
        account,
        role: new.role,
    };
    let person = people::add(&app.context, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(person.into())))
}

/// Changes a person's name or unit, or bars the account.
#[utoipa::path(patch, path = "/api/people/{id}", tag = "people", params(("id" = Uuid, Path)),
    request_body = PersonChange, responses((status = 200, body = Person)))]
async fn change(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
    Body(change): Body<PersonChange>,
) -> Result<Json<Person>, Problem> {
    let change = people::Change {
        name: change.name,
        unit: change.unit_id.map(UnitId),
        disabled: change.disabled,
    };
    Ok(Json(
        people::change(&app.context, &actor, id, change)
            .await?
            .into(),
    ))
}

/// Gives a role over a unit and everything below it.
#[utoipa::path(post, path = "/api/people/{id}/roles", tag = "people", params(("id" = Uuid, Path)),
    request_body = RoleChange, responses((status = 200, body = Person)))]
async fn grant_role(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
    Body(change): Body<RoleChange>,
) -> Result<Json<Person>, Problem> {
    change_role(&app, &actor, id, change.held(true)).await
}

/// Takes a role.
#[utoipa::path(delete, path = "/api/people/{id}/roles", tag = "people",
    params(("id" = Uuid, Path)), request_body = RoleChange,
    responses((status = 200, body = Person)))]
async fn revoke_role(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
    Body(change): Body<RoleChange>,
) -> Result<Json<Person>, Problem> {
    change_role(&app, &actor, id, change.held(false)).await
}

async fn change_role(
    app: &App,
    actor: &Actor,
    id: PersonId,
    change: people::RoleChange,
) -> Result<Json<Person>, Problem> {
    let person = people::change_role(&app.context, actor, id, change).await?;
    Ok(Json(person.into()))
}

/// Sets somebody's password; all their sessions end.
#[utoipa::path(post, path = "/api/people/{id}/password", tag = "people",
    params(("id" = Uuid, Path)), request_body = PasswordReset, responses((status = 204)))]
async fn reset_password(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
    Body(reset): Body<PasswordReset>,
) -> Result<StatusCode, Problem> {
    people::reset_password(&app.context, &actor, id, &reset.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RoleChange {
    fn held(self, held: bool) -> people::RoleChange {
        people::RoleChange {
            role: self.role,
            unit: UnitId(self.unit_id),
            held,
        }
    }
}

impl From<person::Person> for Person {
    fn from(person: person::Person) -> Self {
        let account = person.account.as_ref();
        Self {
            id: person.id.0,
            account_id: account.map(|account| account.id.0),
            username: account.map(|account| account.username.clone()),
            disabled: account.is_some_and(|account| account.disabled),
            roles: person
                .grants()
                .iter()
                .cloned()
                .map(RoleOver::from)
                .collect(),
            name: person.name,
            kind: person.kind,
            unit: person.unit.into(),
        }
    }
}

fn half_an_account() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "person.half_an_account",
        "用户名和密码应同时填写。",
        "A username and a password come together.",
    )
}
