//! The ways between the media threads: each has a bounded box into which the others put what they
//! hand over. Nobody waits, locks or allocates for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::bell::Bell;
use crate::domain::id::ShardId;
use crate::media::placement::TAPS;
use crate::media::ring::PAYLOAD_BYTES_MAX;
use crate::media::shard::Relayed;

/// Parcels that wait for one thread; further ones are lost, as in a full socket.
pub(super) const PARCELS_MAX: usize = 1_024;

/// Something handed over, with its payload.
pub(super) struct Parcel {
    pub(super) relayed: Relayed,
    len: u16,
    bytes: [u8; PAYLOAD_BYTES_MAX],
}

impl Parcel {
    /// The packet's payload; empty for a note.
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// One thread's box, and its ways to the others'.
pub(super) struct Handover {
    inbox: Receiver<Parcel>,
    /// By shard, then that of the taps; the thread's own is never used.
    outlets: Vec<Outlet>,
}

struct Outlet {
    parcels: SyncSender<Parcel>,
    bell: Arc<Bell>,
    used: bool,
}

/// One for each thread, in the order of their bells; the last is that of the taps.
pub(super) fn between(bells: &[Arc<Bell>]) -> Vec<Handover> {
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        bells.iter().map(|_| sync_channel(PARCELS_MAX)).unzip();
    let outlets = || {
        let both = senders.iter().zip(bells);
        let outlet = both.map(|(parcels, bell)| Outlet {
            parcels: parcels.clone(),
            bell: Arc::clone(bell),
            used: false,
        });
        outlet.collect()
    };
    let handover = inboxes.into_iter().map(|inbox| Handover {
        inbox,
        outlets: outlets(),
    });
    handover.collect()
}

impl Handover {
    /// Puts something into another thread's box; false when that is full.
    pub(super) fn send(&mut self, to: ShardId, relayed: &Relayed, payload: &[u8]) -> bool {
        let outlet = match to {
            TAPS => self.outlets.last_mut(),
            ShardId(place) => self.outlets.get_mut(usize::from(place)),
        };
        let Some(outlet) = outlet else {
            return false;
        };
        let mut parcel = Parcel {
            relayed: *relayed,
            len: payload.len() as u16,
            bytes: [0; PAYLOAD_BYTES_MAX],
        };
        let Some(room) = parcel.bytes.get_mut(..payload.len()) else {
            return false;
        };
        room.copy_from_slice(payload);
        let sent = outlet.parcels.try_send(parcel).is_ok();
        if !sent {
            metrics::counter!("media_handovers_lost_total").increment(1);
        }
        outlet.used |= sent;
        sent
    }

    /// Wakes the threads whose boxes got something.
    pub(super) fn ring(&mut self) {
        for outlet in &mut self.outlets {
            if std::mem::take(&mut outlet.used) {
                outlet.bell.ring();
            }
        }
    }

    /// The next thing in the own box.
    pub(super) fn next(&self) -> Option<Parcel> {
        self.inbox.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SourceId;
    use crate::media::shard::Matter;
    use crate::media::shard::tests::allocation::allocations;

    #[test]
    fn a_parcel_goes_over_whole_and_without_allocating_until_the_box_is_full() {
        let bells: Vec<Arc<Bell>> = (0..2).map(|_| Arc::new(Bell::new().unwrap())).collect();
        let mut boxes = between(&bells);
        let (there, mut here) = (boxes.pop().unwrap(), boxes.pop().unwrap());
        let relayed = Relayed {
            source: SourceId(7),
            matter: Matter::Broke,
        };
        let payload = [9; PAYLOAD_BYTES_MAX];
        let mut counts = [0; 2];
        for count in &mut counts {
            let before = allocations();
            for _ in 0..PARCELS_MAX {
                assert!(here.send(ShardId(1), &relayed, &payload));
            }
            here.ring();
            assert!(!here.send(ShardId(1), &relayed, &payload));
            for _ in 0..PARCELS_MAX {
                let parcel = there.next().unwrap();
                assert_eq!(
                    (parcel.relayed.source, parcel.payload()),
                    (SourceId(7), &payload[..])
                );
            }
            assert!(there.next().is_none());
            *count = allocations() - before;
        }
        assert_eq!(counts[1], 0, "after {} at the beginning", counts[0]);
    }
}
