//! Signing in and out, and who one is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::{Problem, ProblemBody};
use super::extract::{Address, Body, SignedIn};
use super::router::{Access, App, Route};
use super::units::UnitRef;
use crate::domain::actor::{Role, RoleGrant};
use crate::domain::policy::{self, Capability};
use crate::service::auth;

/// Name of the cookie that holds the refresh token.
const COOKIE: &str = "mt_refresh";

/// Where browsers send the cookie: to signing in alone.
const COOKIE_PATH: &str = "/api/auth";

/// Life of the cookie: that of the token in it.
const REFRESH_LIFE_SECONDS: u64 = auth::REFRESH_LIFE.num_seconds().unsigned_abs();

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Access::Public, routes!(login)),
        Route::new(Access::Public, routes!(refresh)),
        Route::new(Access::Public, routes!(logout)),
        Route::new(Access::SignedIn, routes!(me)),
        Route::new(Access::SignedIn, routes!(change_password)),
    ]
}

/// A username and a password.
#[derive(Deserialize, ToSchema)]
pub struct Login {
    username: String,
    password: String,
}

/// A session that has just begun or gone on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    /// Its life, seconds.
    expires_in: i64,
    me: Me,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    account_id: Uuid,
    person_id: Uuid,
    username: String,
    name: String,
    /// `zh-CN` or `en`.
    locale: String,
    unit: UnitRef,
    roles: Vec<RoleOver>,
    /// What the web app shows: `lessons.manage`, `people.manage` and so on.
    may: Vec<&'static str>,
}

/// A role over the subtree of a unit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleOver {
    #[schema(value_type = String, example = "unit_officer")]
    role: Role,
    unit: UnitRef,
}

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
pub struct PasswordChange {
    old_password: String,
    new_password: String,
}

/// Signs in and sets the refresh cookie.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = Login, responses(
    (status = 200, body = Session),
    (status = 401, body = ProblemBody, description = "`auth.bad_credentials`"),
    (status = 429, body = ProblemBody, description = "`auth.too_many_attempts`"),
))]
async fn login(
    State(app): State<App>,
    Address(address): Address,
    jar: CookieJar,
    Body(login): Body<Login>,
) -> Result<(CookieJar, Json<Session>), Problem> {
    let signed_in = auth::sign_in(&app.context, &login.username, &login.password, address);
    Ok(answer(&app, jar, signed_in.await?))
}

/// Goes on with the session of the refresh cookie, which changes.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", responses(
    (status = 200, body = Session),
    (status = 401, body = ProblemBody, description = "`auth.session_ended`"),
))]
async fn refresh(
    State(app): State<App>,
    jar: CookieJar,
) -> Result<(CookieJar, Json<Session>), Problem> {
    let cookie = jar
        .get(COOKIE)
        .ok_or_else(auth::required)?
        .value()
        .to_owned();
    let session = auth::refresh(&app.context, &cookie).await?;
    Ok(answer(&app, jar, session))
}

/// Ends the session of the refresh cookie.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", responses((status = 204)))]
async fn logout(
    State(app): State<App>,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    if let Some(cookie) = jar.get(COOKIE) {
        auth::sign_out(&app.context, cookie.value()).await?;
    }
    let gone = Cookie::build((COOKIE, "")).path(COOKIE_PATH).build();
    Ok((jar.remove(gone), StatusCode::NO_CONTENT))
}

/// Who one is.
#[utoipa::path(get, path = "/api/me", tag = "auth", responses((status = 200, body = Me)))]
async fn me(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<Me>, Problem> {
    Ok(Json(auth::me(&app.context, &actor).await?.into()))
}

/// Changes one's own password; all other sessions end.
#[utoipa::path(post, path = "/api/me/password", tag = "auth", request_body = PasswordChange,
    responses(
        (status = 204),
        (status = 403, body = ProblemBody, description = "`auth.wrong_password`"),
    )
)]
async fn change_password(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let PasswordChange {
        old_password,
        new_password,
    } = change;
    auth::change_password(&app.context, &actor, &old_password, &new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(app: &App, jar: CookieJar, session: auth::Session) -> (CookieJar, Json<Session>) {
    let body = Session {
        access_token: session.access_token,
        expires_in: session.expires_in.num_seconds(),
        me: session.me.into(),
    };
    let mut cookie = Cookie::new(COOKIE, session.refresh_token);
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_path(COOKIE_PATH);
    cookie.set_secure(app.secure);
    cookie.set_max_age(
        std::time::Duration::from_secs(REFRESH_LIFE_SECONDS)
            .try_into()
            .ok(),
    );
    (jar.add(cookie), Json(body))
}

impl From<auth::Me> for Me {
    fn from(me: auth::Me) -> Self {
        let capable = |capability: &Capability| policy::is_capable(&me.actor, *capability);
        let may = Capability::ALL
            .iter()
            .filter(|c| capable(c))
            .map(|c| c.name())
            .collect();
        Self {
            account_id: me.actor.account.0,
            person_id: me.actor.person.0,
            username: me
                .person
                .account
                .as_ref()
                .map(|a| a.username.clone())
                .unwrap_or_default(),
            name: me.person.name,
            locale: me.locale,
            unit: me.person.unit.into(),
            roles: me.actor.grants.into_iter().map(RoleOver::from).collect(),
            may,
        }
    }
}

impl From<RoleGrant> for RoleOver {
    fn from(grant: RoleGrant) -> Self {
        Self {
            role: grant.role,
            unit: grant.unit.into(),
        }
    }
}
