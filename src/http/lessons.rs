//! Lessons: the calendar, running them, entering their rooms, the board.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::people::Person;
use super::router::{Access, App, Route};
use super::{Items, Page, page};
use crate::domain::actor::Actor;
use crate::domain::classroom::lesson::Plan;
use crate::domain::id::{AccountId, LessonId, QuestionId, UnitId};
use crate::domain::policy::Capability;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::Rooms;
use crate::media::room::Input;
use crate::media::signal::{LeaveReason, TrackSource};
use crate::service::call::Call;
use crate::service::classroom::view::{BoardView, LessonView};
use crate::service::classroom::{self, Calendar, NewLesson, PlanChange, Scope};
use crate::service::recording;

/// What lessons need of the media plane.
#[derive(Clone)]
pub struct Classrooms {
    /// Mints tokens for the rooms.
    pub call: Arc<Call>,
    /// The rooms.
    pub rooms: Rooms,
}

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(Access::SignedIn, routes!(list)),
        Route::new(manage, routes!(create)),
        Route::new(Access::SignedIn, routes!(get)),
        Route::new(manage, routes!(change)),
        Route::new(manage, routes!(learners)),
        Route::new(manage, routes!(set_learners)),
        Route::new(manage, routes!(start)),
        Route::new(manage, routes!(end)),
        Route::new(manage, routes!(pause)),
        Route::new(manage, routes!(resume)),
        Route::new(manage, routes!(cancel)),
        Route::new(Access::SignedIn, routes!(join)),
        Route::new(manage, routes!(board)),
        Route::new(manage, routes!(check)),
        Route::new(manage, routes!(question)),
        Route::new(manage, routes!(mute_all)),
        Route::new(manage, routes!(remove)),
        Route::new(manage, routes!(floor)),
        Route::new(manage, routes!(interaction)),
    ]
}

/// Which part of the calendar.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CalendarPart {
    /// Starting today at Beijing time, or still running.
    #[default]
    Today,
    /// On later days.
    Upcoming,
    /// From earlier days.
    Past,
}

/// Which lessons to list.
#[derive(Deserialize, IntoParams)]
struct LessonsQuery {
    /// `today`, `upcoming` or `past`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    scope: CalendarPart,
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// A lesson to plan.
#[derive(Deserialize, ToSchema)]
struct LessonPlan {
    title: String,
    unit_id: Uuid,
    /// Account of the teacher; the planner when absent.
    teacher_id: Option<Uuid>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// Accounts of the learners.
    #[serde(default)]
    learner_ids: Vec<Uuid>,
    /// Whether learners are known by their faces; as the server's policy says when absent.
    face_checks: Option<bool>,
}

/// A change of a plan; what is absent stays.
#[derive(Deserialize, ToSchema)]
struct LessonChange {
    title: Option<String>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

/// Accounts of learners.
#[derive(Deserialize, ToSchema)]
struct LearnerIds {
    learner_ids: Vec<Uuid>,
}

/// Whom to ask now; everybody when absent.
#[derive(Deserialize, ToSchema)]
struct CheckNow {
    learner_ids: Option<Vec<Uuid>>,
}

/// What to ask now.
#[derive(Deserialize, ToSchema)]
struct QuestionNow {
    question_id: Uuid,
}

/// How many were asked.
#[derive(Serialize, ToSchema)]
struct Asked {
    asked: usize,
}

/// A question put to the class.
#[derive(Serialize, ToSchema)]
struct Put {
    /// How many were asked.
    asked: usize,
    /// The round that counts their answers.
    round_id: Uuid,
}

/// Who enters, with what.
#[derive(Deserialize, ToSchema)]
struct Entry {
    /// Random name of the device, kept by the browser; 1 to 64 bytes.
    device_id: String,
}

/// Who is put out.
#[derive(Deserialize, ToSchema)]
struct Removal {
    account_id: Uuid,
}

/// Who is called on.
#[derive(Deserialize, ToSchema)]
struct Floor {
    account_id: Uuid,
    /// False takes the floor back.
    given: bool,
}

/// The way into a room.
#[derive(Serialize, ToSchema)]
struct Join {
    /// For a LiveKit client.
    url: String,
    /// For a LiveKit client.
    token: String,
    /// Name of the room.
    room: String,
    /// The account id.
    identity: String,
    /// `teacher`, `officer` or `learner`.
    role: &'static str,
    /// The learner's attendance.
    attendance_id: Option<Uuid>,
    /// The server's clock.
    server_time: DateTime<Utc>,
    /// What one is told before entering.
    notice: JoinNotice,
}

/// What happens in the room.
#[derive(Serialize, ToSchema)]
struct JoinNotice {
    /// It is recorded.
    recorded: bool,
    /// Presence is checked.
    checks: bool,
    /// The server looks at the learner's camera now and then, to see who is there.
    faces: bool,
}

/// The lessons that one teaches, takes or runs.
#[utoipa::path(get, path = "/api/lessons", tag = "lessons", params(LessonsQuery),
    responses((status = 200, body = Page<LessonView>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<LessonsQuery>,
) -> Result<Json<Page<LessonView>>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let scope = match query.scope {
        CalendarPart::Today => Scope::Today,
        CalendarPart::Upcoming => Scope::Upcoming,
        CalendarPart::Past => Scope::Past,
    };
    let calendar = Calendar {
        scope,
        limit,
        offset,
    };
    let (items, total) = classroom::list(&app.context, &actor, calendar).await?;
    Ok(Json(Page { items, total }))
}

/// Plans a lesson.
#[utoipa::path(post, path = "/api/lessons", tag = "lessons", request_body = LessonPlan,
    responses((status = 201, body = LessonView)))]
async fn create(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(plan): Body<LessonPlan>,
) -> Result<(StatusCode, Json<LessonView>), Problem> {
    let LessonPlan {
        title,
        starts_at,
        ends_at,
        ..
    } = plan;
    let new = NewLesson {
        unit: UnitId(plan.unit_id),
        plan: Plan {
            title,
            starts_at,
            ends_at,
        },
        teacher: plan.teacher_id.map(AccountId),
        learners: plan.learner_ids.into_iter().map(AccountId).collect(),
        face_checks: plan.face_checks,
    };
    let lesson = classroom::create(&app.context, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(lesson)))
}

/// A lesson.
#[utoipa::path(get, path = "/api/lessons/{id}", tag = "lessons", params(("id" = Uuid, Path)),
    responses((status = 200, body = LessonView)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::get(&app.context, &actor, id).await?))
}

/// Changes the plan of a lesson that has not started.
#[utoipa::path(patch, path = "/api/lessons/{id}", tag = "lessons", params(("id" = Uuid, Path)),
    request_body = LessonChange, responses((status = 200, body = LessonView)))]
async fn change(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(change): Body<LessonChange>,
) -> Result<Json<LessonView>, Problem> {
    let LessonChange {
        title,
        starts_at,
        ends_at,
    } = change;
    let change = PlanChange {
        title,
        starts_at,
        ends_at,
    };
    Ok(Json(
        classroom::change(&app.context, &actor, id, change).await?,
    ))
}

/// Who takes part.
#[utoipa::path(get, path = "/api/lessons/{id}/learners", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<Person>)))]
async fn learners(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<Items<Person>>, Problem> {
    let people = classroom::learners(&app.context, &actor, id).await?;
    Ok(Json(Items {
        items: people.into_iter().map(Person::from).collect(),
    }))
}

/// Says who takes part.
#[utoipa::path(put, path = "/api/lessons/{id}/learners", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = LearnerIds, responses((status = 204)))]
async fn set_learners(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(wanted): Body<LearnerIds>,
) -> Result<StatusCode, Problem> {
    let wanted = wanted.learner_ids.into_iter().map(AccountId).collect();
    let removed = classroom::set_learners(&app.context, &actor, id, wanted).await?;
    if let Some(media) = &app.classrooms {
        classroom::put_out(&media.rooms, id, &removed).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Starts a lesson.
#[utoipa::path(post, path = "/api/lessons/{id}/start", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = LessonView)))]
async fn start(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::start(&app.context, &actor, id).await?))
}

/// Ends a lesson; learners are asked to sign out.
#[utoipa::path(post, path = "/api/lessons/{id}/end", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = LessonView)))]
async fn end(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::end(&app.context, &actor, id).await?))
}

/// Pauses a lesson.
#[utoipa::path(post, path = "/api/lessons/{id}/break", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = LessonView)))]
async fn pause(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::pause(&app.context, &actor, id).await?))
}

/// Ends a break.
#[utoipa::path(post, path = "/api/lessons/{id}/resume", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = LessonView)))]
async fn resume(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::resume(&app.context, &actor, id).await?))
}

/// Calls a lesson off.
#[utoipa::path(post, path = "/api/lessons/{id}/cancel", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = LessonView)))]
async fn cancel(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<LessonView>, Problem> {
    Ok(Json(classroom::cancel(&app.context, &actor, id).await?))
}

/// Lets one in: the later device takes the place of an earlier one.
#[utoipa::path(post, path = "/api/lessons/{id}/join", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = Entry, responses((status = 200, body = Join)))]
async fn join(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    uri: Uri,
    headers: HeaderMap,
    Body(entry): Body<Entry>,
) -> Result<Json<Join>, Problem> {
    let call = &media(&app)?.call;
    let seat = classroom::join(&app.context, &actor, id, &entry.device_id).await?;
    let token = classroom::ticket(call, &seat)?;
    let recording = recording::present_of(&app.context, id).await?;
    Ok(Json(Join {
        url: signal_url(&uri, &headers, app.secure)?,
        token,
        server_time: app.context.now(),
        notice: JoinNotice {
            recorded: recording.is_some_and(|recording| !recording.is_over()),
            checks: true,
            faces: seat.camera_is_read,
        },
        role: seat.role.name(),
        attendance_id: seat.attendance.map(|id| id.0),
        room: seat.room,
        identity: seat.identity,
    }))
}

/// The attendance board.
#[utoipa::path(get, path = "/api/lessons/{id}/board", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 200, body = BoardView)))]
async fn board(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<BoardView>, Problem> {
    Ok(Json(classroom::board(&app.context, &actor, id).await?))
}

/// Asks learners now whether they are there.
#[utoipa::path(post, path = "/api/lessons/{id}/check", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = CheckNow,
    responses((status = 200, body = Asked)))]
async fn check(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(whom): Body<CheckNow>,
) -> Result<Json<Asked>, Problem> {
    let only = whom
        .learner_ids
        .map(|ids| ids.into_iter().map(AccountId).collect());
    let asked = classroom::check_now(&app.context, &actor, id, only).await?;
    Ok(Json(Asked { asked }))
}

/// Puts one question to everybody now.
#[utoipa::path(post, path = "/api/lessons/{id}/question", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = QuestionNow,
    responses((status = 200, body = Put)))]
async fn question(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(what): Body<QuestionNow>,
) -> Result<Json<Put>, Problem> {
    let question = QuestionId(what.question_id);
    let pushed = classroom::question_now(&app.context, &actor, id, question).await?;
    Ok(Json(Put {
        asked: pushed.asked,
        round_id: pushed.round.0,
    }))
}

/// Mutes every microphone but that of whoever asks.
#[utoipa::path(post, path = "/api/lessons/{id}/mute-all", tag = "lessons",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn mute_all(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<StatusCode, Problem> {
    let input = Input::MuteTracks {
        identity: None,
        except: vec![actor.account.to_string()],
        source: TrackSource::Microphone,
    };
    order(&app, &actor, id, input).await
}

/// Puts somebody out of the room.
#[utoipa::path(post, path = "/api/lessons/{id}/remove", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = Removal, responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(whom): Body<Removal>,
) -> Result<StatusCode, Problem> {
    let identity = whom.account_id.to_string();
    let reason = LeaveReason::Removed;
    order(&app, &actor, id, Input::Remove { identity, reason }).await
}

/// Calls on somebody, whom then everybody sees and hears also in a large class; lost by leaving.
#[utoipa::path(post, path = "/api/lessons/{id}/floor", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = Floor, responses((status = 204)))]
async fn floor(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(floor): Body<Floor>,
) -> Result<StatusCode, Problem> {
    let account = AccountId(floor.account_id);
    let orders = classroom::floor(&app.context, &actor, id, account, floor.given).await?;
    for input in orders {
        give(&app, id, input).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What learners may do.
#[derive(Deserialize, ToSchema)]
struct Interaction {
    /// They write and speak; otherwise they listen.
    allowed: bool,
}

/// Stops all interaction of learners with one key, or allows it again.
#[utoipa::path(post, path = "/api/lessons/{id}/interaction", tag = "lessons",
    params(("id" = Uuid, Path)), request_body = Interaction,
    responses((status = 200, body = LessonView)))]
async fn interaction(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(interaction): Body<Interaction>,
) -> Result<Json<LessonView>, Problem> {
    let (rooms, allowed) = (&media(&app)?.rooms, interaction.allowed);
    let lesson = classroom::set_interaction(&app.context, rooms, &actor, id, allowed).await?;
    Ok(Json(lesson))
}

/// Gives an order to a lesson's room; a room that nobody is in needs none.
async fn order(
    app: &App,
    actor: &Actor,
    id: LessonId,
    input: Input,
) -> Result<StatusCode, Problem> {
    classroom::run_by(&app.context, actor, id).await?;
    give(app, id, input).await
}

/// The same, once it is known that one may.
async fn give(app: &App, id: LessonId, input: Input) -> Result<StatusCode, Problem> {
    match media(app)?
        .rooms
        .input(&classroom::room_name(id), input)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(refusal) if refusal.kind == RefusalKind::NotFound => Ok(StatusCode::NO_CONTENT),
        Err(refusal) => Err(refusal.into()),
    }
}

pub(super) fn media(app: &App) -> Result<&Classrooms, Refusal> {
    app.classrooms.as_ref().ok_or_else(|| {
        Refusal::new(
            RefusalKind::Unavailable,
            "lesson.no_media",
            "音视频服务暂不可用，请稍后再试。",
            "Audio and video are away for the moment. Try again soon.",
        )
    })
}

/// The address by which the client came is the one by which it reaches the rooms. HTTP/2, which
/// browsers speak over TLS, has it in the request's own address and no `Host`.
pub(super) fn signal_url(uri: &Uri, headers: &HeaderMap, secure: bool) -> Result<String, Problem> {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let authority = uri.authority().map(|authority| authority.as_str());
    let host = authority.or(host).filter(|host| {
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        !host.is_empty() && host.chars().all(legal)
    });
    let scheme = if secure { "wss" } else { "ws" };
    host.map(|host| format!("{scheme}://{host}"))
        .ok_or_else(Problem::malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_reached_by_the_address_by_which_either_version_of_http_came() {
        let named = HeaderMap::from_iter([(header::HOST, "class.example:7880".parse().unwrap())]);
        let (path, whole) = ("/api/x", "https://class.example:7880/api/x");
        for (address, headers, secure, expected) in [
            (path, &named, false, Some("ws://class.example:7880")),
            (path, &named, true, Some("wss://class.example:7880")),
            (
                whole,
                &HeaderMap::new(),
                true,
                Some("wss://class.example:7880"),
            ),
            (path, &HeaderMap::new(), true, None),
        ] {
            let url = signal_url(&address.parse().unwrap(), headers, secure).ok();
            assert_eq!(url.as_deref(), expected, "{address}");
        }
    }
}
