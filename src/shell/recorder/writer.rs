//! Writes the pieces of one recording: files first, then what names them.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::FAILURE_PAUSE;
use super::budget::Budget;
use super::track::bytes_of;
use crate::domain::id::RecordingId;
use crate::domain::recording::chain::GapCause;
use crate::domain::recording::{IncidentKind, RecordingCommand};
use crate::media::cutter::Matter;
use crate::service::Context;
use crate::service::recording::{self, Item, Tape};
use crate::shell::foundation::whole;

/// Pieces written in one transaction, and files written at once.
const BATCH_MAX: usize = 16;

/// Writes until nobody brings pieces any more, and gives the tape back. While the database is away
/// it waits: pieces queue up, and then become gaps.
pub(super) async fn write(
    context: Context,
    mut tape: Tape,
    id: RecordingId,
    mut items: mpsc::Receiver<Item>,
    budget: Budget,
) -> Option<Tape> {
    let mut troubles = Troubles::default();
    let mut batch = Vec::new();
    while items.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let bytes: usize = batch.iter().map(|item| bytes_of(&item.piece)).sum();
        let overloaded = batch.iter().any(is_overload);
        let keeping = batch.drain(..).map(|item| tape.keep(&context, item));
        let kept = join_all(keeping).await;
        budget.give(bytes);
        let mut waits = false;
        while let Err(error) = tape.append(&context, &kept).await {
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(error = whole(&error), recording = %id, "a recording waits");
            }
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
        let mut present: BTreeSet<IncidentKind> =
            kept.iter().filter_map(|kept| kept.trouble).collect();
        present.extend(overloaded.then_some(IncidentKind::Overload));
        let heals = kept.iter().any(recording::Kept::is_segment);
        troubles.note(&context, id, present, heals).await;
    }
    Some(tape)
}

/// Tells what goes wrong with a recording, or right again; the log has what cannot be told.
pub(super) async fn tell(context: &Context, id: RecordingId, command: RecordingCommand) {
    let now = context.now();
    if let Err(error) = recording::act(context, id, None, now, &command).await {
        tracing::warn!(error = whole(&error), recording = %id, "an incident is not told");
    }
}

/// The incidents that were told.
#[derive(Default)]
struct Troubles(BTreeSet<IncidentKind>);

impl Troubles {
    /// Tells what is new; what was told is over once a segment is written and nothing else failed.
    async fn note(
        &mut self,
        context: &Context,
        id: RecordingId,
        present: BTreeSet<IncidentKind>,
        heals: bool,
    ) {
        for incident in present.difference(&self.0.clone()) {
            tell(context, id, RecordingCommand::Trouble(*incident)).await;
            self.0.insert(*incident);
        }
        if heals && present.is_empty() {
            for incident in std::mem::take(&mut self.0) {
                tell(context, id, RecordingCommand::Relief(incident)).await;
            }
        }
    }
}

fn is_overload(item: &Item) -> bool {
    item.piece.matter == Matter::Gap(GapCause::Overload)
}
