//! Whole frames of chosen sources for the server's own use: stills for face checks, everything for
//! recordings. A machine that does no I/O, beside the shards.
//!
//! To a shard the taps are one more shard ([`super::shard::Relayed`]): each packet of a tapped
//! source is handed over once, decrypted and numbered, however many taps it has, and legs do not
//! notice. Call one `handle_*`, then [`Taps::poll_note`] and [`Taps::poll_event`] until they are
//! `None`, then wait for [`Taps::next_timeout`].

mod frame;
mod sorter;
mod stream;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::command::{Command, ENCODINGS_MAX, MediaKind, MirrorConfig, TapConfig, TapWant};
use super::leg::Arrival;
use super::ring::Packet;
use super::shard::{Matter, Relayed};
use crate::domain::id::{ShardId, SourceId, TapId};
pub use frame::{FRAME_BYTES_MAX, Frame};
use stream::{Came, Stream};

/// Taps at once; a further one ends at once.
pub const TAPS_MAX: usize = 8_192;

/// How often what time brings is looked at.
const TICK: Duration = Duration::from_millis(50);

/// After its first packet a source is listened to for so long before its best encoding is chosen.
const SETTLE: Duration = Duration::from_millis(150);

/// A key frame that does not come is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What a tap gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapEvent {
    /// Which.
    pub tap: TapId,
    /// What.
    pub tapped: Tapped,
}

/// See [`TapEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// A frame. With [`TapWant::Everything`] they are in order and decodable, and begin with a key
    /// frame after each gap.
    Frame {
        /// The frame.
        frame: Frame,
        /// Something is missing before it.
        after_gap: bool,
        /// When it was captured, as NTP of our clock, once the publisher has reported its own.
        captured_ntp: Option<u64>,
    },
    /// The source is gone, or there are too many taps; nothing more comes.
    Ended,
}

/// See the module.
#[derive(Default)]
pub struct Taps {
    sources: BTreeMap<SourceId, Source>,
    taps: HashMap<TapId, SourceId>,
    notes: VecDeque<(ShardId, Relayed)>,
    events: VecDeque<TapEvent>,
    ticked_at: Option<Instant>,
}

struct Source {
    mirror: MirrorConfig,
    streams: Vec<Stream>,
    taps: Vec<Tap>,
    heard_at: Option<Instant>,
}

struct Tap {
    id: TapId,
    state: State,
}

enum State {
    Stills {
        wanted_since: Option<Instant>,
    },
    Everything {
        /// The encoding that frames are taken of.
        encoding: Option<u8>,
        gap: bool,
        /// A key frame is wanted though nothing is missing.
        renew: bool,
    },
}

impl Taps {
    /// Takes an order; those that are for shards are none of ours.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::AddMirror(mirror) => self.add_source(mirror),
            Command::RemoveSource { source } => self.remove_source(source),
            Command::AddTap(config) => self.add_tap(&config),
            Command::RemoveTap { tap } => self.remove_tap(tap),
            Command::WantStill { tap } => self.want_still(now, tap),
            Command::OpenTransport(_)
            | Command::SetRemote { .. }
            | Command::RestartIce { .. }
            | Command::CloseTransport { .. }
            | Command::AddSource(_)
            | Command::Relay { .. }
            | Command::AddLeg(_)
            | Command::RemoveLeg { .. }
            | Command::PauseLeg { .. }
            | Command::SelectEncoding { .. }
            | Command::LimitFrameRate { .. }
            | Command::PrioritizeLeg { .. }
            | Command::PrioritizeSource { .. }
            | Command::SendData { .. } => {}
        }
    }

    /// Takes what a shard hands over.
    pub fn handle_relayed(&mut self, now: Instant, relayed: &Relayed, payload: &[u8]) {
        let Some(source) = self.sources.get_mut(&relayed.source) else {
            return;
        };
        match relayed.matter {
            Matter::Packet { arrival, packet } => {
                source.take(now, &arrival, packet, payload);
                source.serve(now, &mut self.events);
                source.ask(now, &mut self.notes);
            }
            Matter::Clock {
                encoding,
                report,
                clock,
                ..
            } => {
                if let Some(stream) = source.streams.get_mut(usize::from(encoding)) {
                    stream.set_clock(report, clock);
                }
            }
            Matter::WantKeyFrame { .. } | Matter::Broke => {}
        }
    }

    /// Gives missing packets up, and asks again for what did not come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|at| now < at) {
            return;
        }
        self.ticked_at = Some(now);
        for source in self.sources.values_mut() {
            source.serve(now, &mut self.events);
            source.ask(now, &mut self.notes);
        }
    }

    /// When to call [`Taps::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let ticked_at = self.ticked_at?;
        (!self.sources.is_empty()).then(|| ticked_at + TICK)
    }

    /// The next note for a shard.
    pub fn poll_note(&mut self) -> Option<(ShardId, Relayed)> {
        self.notes.pop_front()
    }

    /// The next thing for a tap.
    pub fn poll_event(&mut self) -> Option<TapEvent> {
        self.events.pop_front()
    }

    /// All taps, in no order.
    pub fn ids(&self) -> impl Iterator<Item = TapId> {
        self.taps.keys().copied()
    }

    fn add_source(&mut self, mirror: MirrorConfig) {
        self.remove_source(mirror.source);
        if (1..=ENCODINGS_MAX).contains(&mirror.encodings) {
            let source = Source {
                mirror,
                streams: (0..mirror.encodings)
                    .map(|_| Stream::new(mirror.kind))
                    .collect(),
                taps: Vec::new(),
                heard_at: None,
            };
            self.sources.insert(mirror.source, source);
        }
    }

    fn remove_source(&mut self, source: SourceId) {
        let Some(source) = self.sources.remove(&source) else {
            return;
        };
        for tap in source.taps {
            self.taps.remove(&tap.id);
            self.end(tap.id);
        }
    }

    fn add_tap(&mut self, config: &TapConfig) {
        self.remove_tap(config.tap);
        let fits = self.taps.len() < TAPS_MAX;
        let Some(source) = self.sources.get_mut(&config.source).filter(|_| fits) else {
            self.end(config.tap);
            return;
        };
        let state = match config.want {
            TapWant::Stills => State::Stills { wanted_since: None },
            TapWant::Everything => State::Everything {
                encoding: None,
                gap: false,
                renew: false,
            },
        };
        source.taps.push(Tap {
            id: config.tap,
            state,
        });
        self.taps.insert(config.tap, config.source);
    }

    fn remove_tap(&mut self, tap: TapId) {
        if let Some(source) = self.taps.remove(&tap)
            && let Some(source) = self.sources.get_mut(&source)
        {
            source.taps.retain(|known| known.id != tap);
        }
    }

    fn want_still(&mut self, now: Instant, tap: TapId) {
        let source = self.taps.get(&tap);
        let Some(source) = source.and_then(|source| self.sources.get_mut(source)) else {
            return;
        };
        let known = source.taps.iter_mut().find(|known| known.id == tap);
        match known.map(|tap| &mut tap.state) {
            Some(State::Stills { wanted_since }) => {
                *wanted_since = Some(now);
                source
                    .streams
                    .iter_mut()
                    .for_each(|stream| stream.asked_at = None);
            }
            Some(State::Everything { renew, .. }) => *renew = true,
            None => {}
        }
        source.ask(now, &mut self.notes);
        self.ticked_at.get_or_insert(now);
    }

    fn end(&mut self, tap: TapId) {
        let tapped = Tapped::Ended;
        self.events.push_back(TapEvent { tap, tapped });
    }
}

impl Source {
    fn take(&mut self, now: Instant, arrival: &Arrival, packet: Packet, payload: &[u8]) {
        self.heard_at.get_or_insert(now);
        if let Some(stream) = self.streams.get_mut(usize::from(arrival.encoding)) {
            let payload = Bytes::copy_from_slice(payload);
            stream.take(arrival.epoch, now, packet, payload);
        }
    }

    /// Hands taps what is complete.
    fn serve(&mut self, now: Instant, events: &mut VecDeque<TapEvent>) {
        let best = self.best(now);
        for place in 0..self.streams.len() {
            let encoding = place as u8;
            while let Some(came) = self.streams[place].next(now) {
                for tap in &mut self.taps {
                    let is_sound = self.mirror.kind == MediaKind::Audio;
                    if let Some(tapped) = tap.state.take(&came, encoding, best, is_sound) {
                        let tap = tap.id;
                        events.push_back(TapEvent { tap, tapped });
                    }
                }
            }
        }
    }

    /// Asks for the key frames that taps wait for.
    fn ask(&mut self, now: Instant, notes: &mut VecDeque<(ShardId, Relayed)>) {
        if self.mirror.kind == MediaKind::Audio {
            return;
        }
        let Some(best) = self.best(now) else { return };
        for place in 0..self.streams.len() {
            let encoding = place as u8;
            let mut taps = self.taps.iter();
            let stream = &mut self.streams[place];
            let again = stream.asked_at.is_none_or(|at| now >= at + ASK_AGAIN);
            if again && taps.any(|tap| tap.state.wants_key_frame(encoding, best)) {
                stream.asked_at = Some(now);
                let source = self.mirror.source;
                let matter = Matter::WantKeyFrame { encoding };
                notes.push_back((self.mirror.home, Relayed { source, matter }));
            }
        }
    }

    /// The highest encoding that comes; nothing before it is known which ones do.
    fn best(&self, now: Instant) -> Option<u8> {
        if self.streams.len() > 1 && now < self.heard_at? + SETTLE {
            return None;
        }
        let live = |stream: &Stream| stream.is_live(now);
        let best = self.streams.iter().rposition(live)?;
        u8::try_from(best).ok()
    }
}

impl State {
    /// What a tap makes of what came of an encoding.
    fn take(
        &mut self,
        came: &Came,
        encoding: u8,
        best: Option<u8>,
        is_sound: bool,
    ) -> Option<Tapped> {
        let is_best = best == Some(encoding);
        match (self, came) {
            (Self::Stills { wanted_since }, Came::Frame { frame, .. }) => {
                let fresh = wanted_since.is_some_and(|since| frame.at >= since);
                if !(frame.is_key && is_best && fresh) {
                    return None;
                }
                *wanted_since = None;
                Some(came.tapped(false)?)
            }
            (Self::Stills { .. }, Came::Gap) => None,
            (
                Self::Everything {
                    encoding: present,
                    gap,
                    renew,
                },
                Came::Frame { frame, .. },
            ) => {
                let switches = is_best && *present != Some(encoding) && frame.is_key;
                let goes_on = *present == Some(encoding) && (is_sound || !*gap || frame.is_key);
                if !switches && !goes_on {
                    return None;
                }
                *present = Some(encoding);
                *renew &= !frame.is_key;
                came.tapped(std::mem::take(gap))
            }
            (
                Self::Everything {
                    encoding: present,
                    gap,
                    ..
                },
                Came::Gap,
            ) => {
                *gap |= *present == Some(encoding);
                None
            }
        }
    }

    fn wants_key_frame(&self, encoding: u8, best: u8) -> bool {
        match self {
            Self::Stills { wanted_since } => wanted_since.is_some() && encoding == best,
            Self::Everything {
                encoding: present,
                gap,
                renew,
            } => {
                let switches = encoding == best && *present != Some(best);
                switches || ((*gap || *renew) && *present == Some(encoding))
            }
        }
    }
}

#[cfg(test)]
mod tests;
