//! One request at a time writes to an upload; a newer one sends an older one away.
//!
//! A client whose network broke comes again before the server knows that its old connection is
//! dead: the newer request is seen, the older one puts down what it has and goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::timeout;

use crate::domain::id::FilmId;
use crate::domain::refusal::{Refusal, RefusalKind};

/// How long an older request has for putting down what it has.
const GIVE_WAY_MAX: Duration = Duration::from_secs(10);

/// The uploads that are written to or asked for at present: no more than there are requests.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<BTreeMap<FilmId, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many requests have come.
    arrivals: watch::Sender<u64>,
}

/// The right to write to an upload.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    slots: &'a Slots,
    film: FilmId,
    slot: Arc<Slot>,
    arrival: u64,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Slots {
    /// Takes the turn from whoever has it. Refuses with `upload.busy`.
    pub(super) async fn take(&self, film: FilmId) -> Result<Turn<'_>, Refusal> {
        let slot = Arc::clone(self.lock().entry(film).or_default());
        let mut arrival = 0;
        slot.arrivals.send_modify(|count| {
            *count += 1;
            arrival = *count;
        });
        let mut turn = Turn {
            slots: self,
            film,
            slot,
            arrival,
            guard: None,
        };
        let taken = timeout(GIVE_WAY_MAX, Arc::clone(&turn.slot.turn).lock_owned()).await;
        turn.guard = Some(taken.map_err(|_| busy())?);
        Ok(turn)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<FilmId, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until a newer request has come.
    pub(super) async fn asked_back(&self) {
        let mut arrivals = self.slot.arrivals.subscribe();
        // The sender lives as long as the slot.
        let _ = arrivals.wait_for(|count| *count > self.arrival).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut slots = self.slots.lock();
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&self.slot) <= 2 {
            slots.remove(&self.film);
        }
    }
}

/// Another request writes to the same upload.
pub(super) fn busy() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "upload.busy",
        "该文件正由另一个请求上传，请稍后再试。",
        "Another request writes to this upload. Try again soon.",
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn an_older_request_gives_way_and_nothing_is_left() {
        let slots = Slots::default();
        let film = FilmId(Uuid::from_u128(1));
        let older = slots.take(film).await.unwrap();
        let newer = async {
            let turn = slots.take(film).await.unwrap();
            drop(turn);
        };
        let giving_way = async {
            older.asked_back().await;
            drop(older);
        };
        tokio::join!(giving_way, newer);
        assert!(slots.lock().is_empty());
    }
}
