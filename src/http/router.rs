//! All routes: every one declares who may use it, and the same list makes the router, the OpenAPI
//! description and the table that a test walks with every role.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_swagger_ui::SwaggerUi;

use super::error::Problem;
use super::lessons::Classrooms;
use super::{
    assets, attendances, audit, auth, boundary, chat, courses, events, evidence, faces, films,
    health, hours, lessons, people, playbacks, questions, recordings, redress, rounds, units,
    uploads, whip,
};
use crate::domain::limits::BODY_BYTES_MAX;
use crate::domain::policy::{self, Capability};
use crate::service::{self, Context};

/// What the routes stand on.
#[derive(Clone)]
pub struct App {
    /// Use cases.
    pub context: Context,
    /// Whether this server shows demo data.
    pub demo: bool,
    /// Whether clients come by HTTPS, so that cookies never travel in the clear.
    pub secure: bool,
    /// Whether parts beside the database (media threads) can serve.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Renders the metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The media plane, for lessons; without it nobody enters a room.
    pub classrooms: Option<Classrooms>,
    /// Routes of other protocols (LiveKit's), which have their own way of signing in.
    pub mounted: Router,
}

impl App {
    /// An app with nothing beside it: always ready, no metrics, no other protocols.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            demo: false,
            secure: false,
            ready: Arc::new(|| true),
            metrics: Arc::new(String::new),
            classrooms: None,
            mounted: Router::new(),
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("demo", &self.demo)
            .finish_non_exhaustive()
    }
}

/// Who may use a route at all; the use case then decides about the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is signed in; the token may stand in the query, for clients that cannot send
    /// headers on a stream.
    Stream,
    /// Whoever brings a token for a media room; the use case looks at it.
    Call,
    /// Whoever has this kind of work anywhere.
    Capable(Capability),
}

/// A route with its handler.
pub struct Route {
    access: Access,
    handler: UtoipaMethodRouter<App>,
}

impl Route {
    /// A route: `Route::new(Access::SignedIn, routes!(handler))`, one handler each.
    pub fn new(access: Access, handler: UtoipaMethodRouter<App>) -> Self {
        Self { access, handler }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// One line of the table of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// HTTP method.
    pub method: Method,
    /// Path with parameters in braces.
    pub path: String,
    /// Who may use it.
    pub access: Access,
}

/// Every route of the API. A new resource adds one line here.
fn api() -> Vec<Route> {
    [
        auth::routes(),
        units::routes(),
        people::routes(),
        audit::routes(),
        lessons::routes(),
        attendances::routes(),
        chat::routes(),
        questions::routes(),
        hours::routes(),
        redress::routes(),
        rounds::routes(),
        uploads::routes(),
        films::routes(),
        courses::routes(),
        playbacks::routes(),
        recordings::routes(),
        events::routes(),
        evidence::routes(),
        faces::routes(),
        health::routes(),
        whip::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The table of all API routes, in path order.
pub fn table() -> Vec<RouteSpec> {
    let mut table: Vec<_> = api().iter().flat_map(specs).collect();
    table.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    table
}

fn specs(route: &Route) -> Vec<RouteSpec> {
    let access = route.access;
    let paths = route.handler.1.paths.iter();
    paths
        .flat_map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
                (Method::HEAD, &item.head),
                (Method::OPTIONS, &item.options),
            ];
            let present = methods
                .into_iter()
                .filter(|(_, operation)| operation.is_some());
            present.map(|(method, _)| RouteSpec {
                method,
                path: path.clone(),
                access,
            })
        })
        .collect()
}

#[derive(OpenApi)]
#[openapi(info(title = "Mingtang", description = "See docs/api for the reasons."))]
struct Info;

/// The whole server as one service. Serve it with connect info, so that sign-in is bounded per
/// address.
pub fn router(app: App) -> Router {
    let (routes, description) = described(&app);
    let docs = SwaggerUi::new("/api/docs")
        .config(utoipa_swagger_ui::Config::from("/api/openapi.json").validator_url("none"));
    let description = Arc::new(description);
    let openapi = move || {
        let description = description.clone();
        async move { Json(description.as_ref().clone()) }
    };
    routes
        .route("/api/openapi.json", axum::routing::get(openapi))
        .merge(docs)
        .route(
            "/api/{*rest}",
            axum::routing::any(async || Problem::not_found()),
        )
        .fallback(assets::serve)
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app.clone())
        .merge(app.mounted.clone())
        .layer(CompressionLayer::new().compress_when(compressible()))
        .layer(middleware::from_fn_with_state(app, boundary::boundary))
}

/// Films are compressed already.
fn compressible() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("audio/"))
}

/// The routes with their gates, and what OpenAPI says of them.
fn described(app: &App) -> (Router<App>, Description) {
    let mut router = OpenApiRouter::with_openapi(Info::openapi());
    for Route { access, handler } in api() {
        let gate = middleware::from_fn_with_state((app.context.clone(), access), gate);
        router = router.routes(handler.map(|methods| methods.route_layer(gate)));
    }
    router.split_for_parts()
}

/// Lets a request through to its handler when its actor may use the route.
async fn gate(
    State((context, access)): State<(Context, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&context, access, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn admit(context: &Context, access: Access, request: &mut Request) -> Result<(), Problem> {
    let (from_query, capability) = match access {
        Access::Public | Access::Call => return Ok(()),
        Access::SignedIn => (false, None),
        Access::Stream => (true, None),
        Access::Capable(capability) => (false, Some(capability)),
    };
    let query = request.uri().query().filter(|_| from_query);
    let token = bearer(request.headers()).or_else(|| query.and_then(access_token));
    let token = token.ok_or_else(service::auth::required)?;
    let authenticated = service::auth::authenticate(context, &token).await?;
    if let Some(capability) = capability
        && !policy::is_capable(&authenticated.actor, capability)
    {
        return Err(policy::forbidden().into());
    }
    request.extensions_mut().insert(authenticated);
    Ok(())
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// A JWT needs no percent-decoding: its alphabet is plain (RFC 7515 section 2).
fn access_token(query: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(name, _)| *name == "access_token")
        .map(|(_, value)| value.to_owned())
}
