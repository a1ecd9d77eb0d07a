//! The thread of the taps: it takes what the media threads hand over, and hands frames to whoever
//! asked for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::bell::Bell;
use super::handover::{Handover, PARCELS_MAX};
use super::{COMMANDS_PER_TURN, wait_readable};
use crate::domain::id::TapId;
use crate::hub::media::MediaReceiver;
use crate::hub::taps::TapLines;
use crate::media::command::Command;
use crate::media::tap::{TapEvent, Tapped, Taps};

/// See the module.
pub(super) struct TapThread {
    pub(super) handover: Handover,
    pub(super) commands: MediaReceiver,
    pub(super) lines: TapLines,
    pub(super) bell: Arc<Bell>,
    pub(super) stop: Arc<AtomicBool>,
}

impl TapThread {
    /// Starts it; `alive` is held as long as it runs.
    pub(super) fn spawn(self, alive: Arc<()>) -> io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("taps".to_owned());
        thread.spawn(move || {
            // Unwinding drops it too.
            let _alive = alive;
            self.run();
        })
    }

    /// A panic over one stream ends all taps; whoever needs one asks again.
    fn run(mut self) {
        let mut taps = Taps::default();
        while !self.stop.load(Ordering::Acquire) {
            let turned = catch_unwind(AssertUnwindSafe(|| self.turn(&mut taps)));
            if turned.is_err() {
                tracing::error!("the taps broke; they begin anew");
                metrics::counter!("media_panics_total").increment(1);
                for tap in std::mem::take(&mut taps).ids() {
                    self.end(tap);
                }
            }
        }
    }

    fn end(&self, tap: TapId) {
        let tapped = Tapped::Ended;
        self.lines.deliver(TapEvent { tap, tapped });
    }

    fn turn(&mut self, taps: &mut Taps) {
        let now = Instant::now();
        self.bell.silence();
        let mut orders = 0;
        while orders < COMMANDS_PER_TURN
            && let Some(command) = self.commands.try_next()
        {
            taps.handle_command(now, command);
            orders += 1;
        }
        let mut parcels = 0;
        while parcels < PARCELS_MAX
            && let Some(parcel) = self.handover.next()
        {
            taps.handle_relayed(now, &parcel.relayed, parcel.payload());
            parcels += 1;
        }
        taps.handle_timeout(now);
        while let Some((shard, note)) = taps.poll_note() {
            self.handover.send(shard, &note, &[]);
        }
        self.handover.ring();
        while let Some(event) = taps.poll_event() {
            let tap = event.tap;
            if !self.lines.deliver(event) {
                // Nobody reads: no more of it is to be put together.
                taps.handle_command(now, Command::RemoveTap { tap });
            }
        }
        if orders < COMMANDS_PER_TURN && parcels < PARCELS_MAX {
            let until = taps.next_timeout();
            let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
            let bell = self.bell.descriptor();
            wait_readable([bell; 3], timeout);
        }
    }
}
