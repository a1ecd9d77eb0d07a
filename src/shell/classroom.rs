//! What keeps the classroom going: what the rooms saw, and what time brings.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::hub::rooms::{NamedFact, Rooms};
use crate::service::{Context, classroom};
use crate::shell::foundation::whole;
use crate::shell::webhooks::News;

/// Longest sleep between two looks at what is due: a change may have brought a deadline forward.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Before the next look after a failure (Postgres away).
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Takes in the facts of the rooms, in order, until `stop` is dropped or sent and no fact waits.
///
/// A fact that cannot be stored is given up: the next sign of life, 5 s later, tells what is so by
/// then, and nothing that was not stored counts for or against anybody.
pub async fn attend(
    context: Context,
    mut facts: mpsc::Receiver<NamedFact>,
    mut news: Option<News>,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = facts.recv() => next,
            _ = &mut stop => return,
        };
        let Some((room, fact)) = next else { return };
        if let Some(news) = &mut news {
            news.note(&room, &fact);
        }
        if let Err(error) = classroom::on_room_fact(&context, &room, &fact).await {
            tracing::warn!(error = whole(&error), "a room's fact was not stored");
        }
    }
}

/// Does what is due and closes rooms whose lessons are over, for ever.
pub async fn deadlines(context: Context, rooms: Rooms) {
    loop {
        if let Err(error) = classroom::close_rooms(&context, &rooms).await {
            tracing::warn!(
                error = whole(&error),
                "rooms of ended lessons stay open for now"
            );
        }
        let pause = match classroom::run_due(&context).await {
            Ok(next) => next.map_or(LOOK_MAX, |at| {
                let wait = at.signed_duration_since(context.now());
                wait.to_std().unwrap_or_default().min(LOOK_MAX)
            }),
            Err(error) => {
                tracing::warn!(error = whole(&error), "what is due in classrooms waits");
                FAILURE_PAUSE
            }
        };
        tokio::time::sleep(pause.max(Duration::from_millis(20))).await;
    }
}
