//! The server's eyes at work: one task follows each learner whose camera must show a face, one
//! each enrolment. What they decide is [`crate::domain::face`]'s; what follows from it the
//! classroom's.

mod camera;
mod capture;
mod sitting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::domain::face::watch::CameraWatch;
use crate::domain::id::AttendanceId;
use crate::hub::rooms::Rooms;
use crate::service::face::capture::CAPTURES_MAX;
use crate::service::{Context, Error, classroom};
use crate::shell::foundation::whole;
use crate::store::watched::Watched;
use camera::Camera;

/// Longest sleep between two looks at whom to follow.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Between two looks that are wanted one after the other.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);
/// Before the next look after a failure (Postgres away).
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Between two rounds in which old pictures are deleted.
const PRUNE_PAUSE: Duration = Duration::from_secs(600);

/// Somebody who is followed.
struct Followed {
    signs: Arc<Signs>,
    task: tokio::task::AbortHandle,
}

/// What the task that follows somebody is told.
#[derive(Default)]
struct Signs {
    is_live: AtomicBool,
    look: AtomicBool,
    changed: Notify,
}

/// Follows learners, for ever.
pub async fn follow_learners(context: Context, rooms: Rooms) {
    let mut followed: BTreeMap<AttendanceId, Followed> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let pause = match classroom::watched(&context).await {
            Ok(watched) => {
                reconcile(&context, &rooms, &mut followed, &mut tasks, &watched);
                LOOK_MAX
            }
            Err(error) => {
                tracing::warn!(error = whole(&error), "nobody knows whom to look at");
                FAILURE_PAUSE
            }
        };
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.looks.notified() => {}
        }
    }
}

fn reconcile(
    context: &Context,
    rooms: &Rooms,
    followed: &mut BTreeMap<AttendanceId, Followed>,
    tasks: &mut JoinSet<()>,
    watched: &[Watched],
) {
    followed.retain(|id, known| {
        let stays = watched
            .binary_search_by_key(id, |one| one.attendance)
            .is_ok();
        if !stays {
            known.task.abort();
        }
        // One that broke is begun anew.
        stays && !known.task.is_finished()
    });
    for one in watched {
        let known = followed.entry(one.attendance).or_insert_with(|| {
            let signs = Arc::<Signs>::default();
            let (context, rooms) = (context.clone(), rooms.clone());
            let task = tasks.spawn(follow(context, rooms, *one, Arc::clone(&signs)));
            Followed { signs, task }
        });
        let was_live = known.signs.is_live.swap(one.is_live, Ordering::AcqRel);
        let looked = known.signs.look.swap(one.look, Ordering::AcqRel);
        if was_live != one.is_live || (one.look && !looked) {
            known.signs.changed.notify_one();
        }
    }
}

/// Looks at one learner's camera: now and then whether it shows anything, and, when the rules want
/// it, who is before it.
async fn follow(context: Context, rooms: Rooms, whom: Watched, signs: Arc<Signs>) {
    let room = classroom::room_name(whom.lesson);
    let mut camera = Camera::new(rooms, room, whom.account);
    let mut watch = CameraWatch::new(context.now());
    loop {
        if let Err(error) = turn(&context, &whom, &signs, &mut camera, &mut watch).await {
            tracing::warn!(error = whole(&error), "a look came to nothing");
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
        let due = (watch.next_look() - context.now()).to_std();
        let pause = match signs.look.load(Ordering::Acquire) {
            true => AGAIN_PAUSE,
            false => due.unwrap_or_default().clamp(AGAIN_PAUSE, LOOK_MAX),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = signs.changed.notified() => {}
        }
    }
}

async fn turn(
    context: &Context,
    whom: &Watched,
    signs: &Signs,
    camera: &mut Camera,
    watch: &mut CameraWatch,
) -> Result<(), Error> {
    if signs.look.load(Ordering::Acquire) {
        match classroom::sit(context, whom.attendance).await? {
            Some(sitting) => sitting::play(context, camera, sitting).await?,
            None => signs.look.store(false, Ordering::Release),
        }
    }
    if signs.is_live.load(Ordering::Acquire) && watch.wants_look(context.now()) {
        match camera.sign(context).await {
            Some(sign) => {
                if let Some(known) = watch.looked(sign, context.now()) {
                    classroom::camera(context, whom.attendance, known).await?;
                }
            }
            None => watch.skipped(context.now()),
        }
    }
    Ok(())
}

/// Takes the pictures of enrolments, for ever.
pub async fn take_portraits(context: Context, rooms: Rooms) {
    let mut tasks = JoinSet::new();
    loop {
        let turn = context.captures.next().await;
        while tasks.try_join_next().is_some() {}
        debug_assert!(tasks.len() <= CAPTURES_MAX, "a turn has a place");
        tasks.spawn(capture::play(context.clone(), rooms.clone(), turn));
    }
}

/// Deletes pictures that were kept long enough, for ever.
pub async fn prune(context: Context) {
    loop {
        match classroom::prune_pictures(&context).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "old pictures of checks were deleted"),
            Err(error) => tracing::warn!(error = whole(&error), "old pictures stay for now"),
        }
        tokio::time::sleep(PRUNE_PAUSE).await;
    }
}
