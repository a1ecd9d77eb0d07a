//! The task of one recorded track: taps it while it is on, and cuts what comes.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::budget::{Budget, Share};
use super::kind_of;
use super::timeline::{Timeline, from_ntp};
use crate::domain::recording::chain::GapCause;
use crate::hub::rooms::{Rooms, Tapping};
use crate::media::command::{MediaKind, TapWant};
use crate::media::cutter::{Cutter, Heard, Matter, Piece};
use crate::media::signal::TrackSource;
use crate::media::tap::Tapped;
use crate::service::recording::{Item, Known};

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(500);
/// A track that is on, and nothing comes of it for so long, is told as a gap.
const FIRST_FRAME_MAX: TimeDelta = TimeDelta::seconds(5);
/// After a restart people take this long to come again; until then it is the restart's gap.
const RETURN_MAX: TimeDelta = TimeDelta::seconds(60);

/// What is wanted of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is on.
    On {
        kind: MediaKind,
        /// Pixels that its publisher told.
        announced: (u32, u32),
    },
    /// Nothing is to be recorded of it, and why.
    Silent(GapCause),
    /// Nothing more.
    End(Ending),
}

/// Why recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The recording is over.
    Over,
    /// The server stops; the recording goes on with the next.
    Stopping,
}

/// See the module.
#[derive(Clone)]
pub(super) struct TrackTask {
    pub(super) rooms: Rooms,
    pub(super) room: String,
    pub(super) identity: String,
    pub(super) source: TrackSource,
    /// How the source is named.
    pub(super) name: &'static str,
    /// When the recording began.
    pub(super) origin: DateTime<Utc>,
    pub(super) timeline: Timeline,
    pub(super) pieces: mpsc::Sender<Item>,
    pub(super) budget: Budget,
}

/// What a track's task has in hand.
struct Hand {
    cutter: Option<Cutter>,
    opened_at: DateTime<Utc>,
    tapping: Option<Tapping>,
    /// Since when it is on.
    on_since: Option<DateTime<Utc>>,
    /// Until then an absence is the restart's.
    returns_until: Option<DateTime<Utc>>,
    /// Where pieces found no place: a gap up to then is owed.
    behind: Option<Piece>,
    share: Share,
}

impl TrackTask {
    /// Records until the end is wanted.
    pub(super) async fn run(
        self,
        mut wanted: watch::Receiver<Wanted>,
        resumed: Option<(Known, GapCause)>,
    ) {
        let mut hand = self.hand(resumed);
        let mut tick = tokio::time::interval(TICK);
        loop {
            let wish = *wanted.borrow_and_update();
            match wish {
                Wanted::On { kind, announced } => self.listen(&mut hand, kind, announced).await,
                Wanted::Silent(cause) => self.fall_silent(&mut hand, cause),
                Wanted::End(ending) => return self.end(&mut hand, ending).await,
            }
            // Frames come one by one; what is wanted is looked at again when it changes.
            loop {
                let again = tokio::select! {
                    changed = wanted.changed() => {
                        if changed.is_err() {
                            // Whoever wants something broke.
                            return self.end(&mut hand, Ending::Stopping).await;
                        }
                        true
                    }
                    tapped = next(&mut hand.tapping) => self.take(&mut hand, wish, tapped),
                    _ = tick.tick() => {
                        self.look_at_the_clock(&mut hand, wish).await;
                        hand.tapping.is_none()
                    }
                };
                self.tell(&mut hand);
                if again {
                    break;
                }
            }
        }
    }

    fn hand(&self, resumed: Option<(Known, GapCause)>) -> Hand {
        let now = self.timeline.now();
        let kind = kind_of(self.source);
        let returns = |cause: GapCause| cause != GapCause::Off;
        let cutter = resumed.map(|(known, cause)| {
            let cutter = Cutter::new(kind, (0, 0), self.origin, known.covered_to, cause);
            (cutter, known.covered_to, returns(cause))
        });
        let opened_at = cutter.as_ref().map_or(now, |(_, at, _)| *at);
        let returns = cutter.as_ref().is_some_and(|(_, _, returns)| *returns);
        Hand {
            cutter: cutter.map(|(cutter, ..)| cutter),
            opened_at,
            tapping: None,
            on_since: None,
            returns_until: returns.then(|| now + RETURN_MAX),
            behind: None,
            share: Share::of(&self.budget),
        }
    }

    /// Taps the track where it is not tapped yet.
    async fn listen(&self, hand: &mut Hand, kind: MediaKind, announced: (u32, u32)) {
        let now = self.timeline.now();
        let since = *hand.on_since.get_or_insert(now);
        if let Some(cutter) = &mut hand.cutter {
            cutter.set_announced(announced);
        } else if now - since >= FIRST_FRAME_MAX {
            let cause = GapCause::Transport;
            hand.open(
                Cutter::new(kind, announced, self.origin, since, cause),
                since,
            );
        }
        if hand.tapping.is_none() {
            let (room, identity) = (&self.room, &self.identity);
            let tap = self
                .rooms
                .tap(room, identity, self.source, TapWant::Everything);
            hand.tapping = tap.await;
        }
    }

    fn fall_silent(&self, hand: &mut Hand, cause: GapCause) {
        let now = self.timeline.now();
        (hand.tapping, hand.on_since) = (None, None);
        let is_awaited = hand.returns_until.is_some_and(|until| now < until);
        if cause == GapCause::Off && is_awaited {
            return;
        }
        match &mut hand.cutter {
            Some(cutter) => cutter.handle_silence(now, cause),
            None if cause == GapCause::Unrecordable => {
                let kind = kind_of(self.source);
                hand.open(Cutter::new(kind, (0, 0), self.origin, now, cause), now);
            }
            None => {}
        }
    }

    /// Takes what a tap brings; true when it ended.
    fn take(&self, hand: &mut Hand, wish: Wanted, tapped: Option<Tapped>) -> bool {
        let now = self.timeline.now();
        let Some(Tapped::Frame {
            frame,
            after_gap,
            captured_ntp,
        }) = tapped
        else {
            hand.tapping = None;
            if let Some(cutter) = &mut hand.cutter {
                cutter.handle_silence(now, GapCause::TapLost);
            }
            // The next tick taps it again, if it is on still.
            return false;
        };
        if self.budget.is_spent() {
            if let Some(cutter) = &mut hand.cutter {
                cutter.handle_silence(now, GapCause::Overload);
            }
            return false;
        }
        let heard = Heard {
            at: self.timeline.at(frame.at),
            captured: captured_ntp.and_then(from_ntp),
            after_gap,
            codec: frame.codec,
            is_key: frame.is_key,
            timestamp: frame.timestamp,
            data: frame.data,
        };
        if let (None, true, Wanted::On { kind, announced }) = (&hand.cutter, heard.is_key, wish) {
            let from = heard.measured().max(self.origin);
            let cutter = Cutter::new(kind, announced, self.origin, from, GapCause::Off);
            hand.open(cutter, from);
        }
        if let Some(cutter) = &mut hand.cutter {
            cutter.handle_frame(&heard);
            hand.share.set(cutter.bytes());
            hand.returns_until = None;
        }
        false
    }

    async fn look_at_the_clock(&self, hand: &mut Hand, wish: Wanted) {
        let now = self.timeline.now();
        if hand.returns_until.is_some_and(|until| now >= until) {
            hand.returns_until = None;
            if let Wanted::Silent(cause) = wish {
                self.fall_silent(hand, cause);
            }
        }
        let Some(cutter) = &mut hand.cutter else {
            return;
        };
        // It was off, and is on, and nothing of it comes: that is not its owner's doing.
        if let (Wanted::On { .. }, Some(since)) = (wish, hand.on_since)
            && now - since >= FIRST_FRAME_MAX
            && !cutter.is_live()
        {
            cutter.handle_silence(since, GapCause::Transport);
        }
        cutter.handle_timeout(now);
        hand.share.set(cutter.bytes());
        if cutter.wants_key_frame(now)
            && let Some(tapping) = &hand.tapping
        {
            tapping.want_still().await;
        }
    }

    /// Hands on what was cut, without waiting.
    fn tell(&self, hand: &mut Hand) {
        let Some(cutter) = &mut hand.cutter else {
            return;
        };
        hand.share.set(cutter.bytes());
        let is_live = cutter.is_live();
        while let Some(piece) = cutter.poll_piece() {
            if let Some(owed) = hand.behind.take() {
                hand.behind = self.offer(hand.opened_at, owed, is_live);
            }
            let lost = match hand.behind {
                Some(_) => Some(piece),
                None => self.offer(hand.opened_at, piece, is_live),
            };
            if let Some(piece) = lost {
                metrics::counter!("recording_pieces_given_up_total").increment(1);
                let matter = Matter::Gap(GapCause::Overload);
                hand.behind = Some(Piece {
                    to: piece.to,
                    matter,
                });
            }
        }
    }

    /// Offers a piece to the writer; it comes back when there is no room.
    fn offer(&self, opened_at: DateTime<Utc>, piece: Piece, is_live: bool) -> Option<Piece> {
        let bytes = bytes_of(&piece);
        self.budget.take(bytes);
        let refused = self.pieces.try_send(self.item(opened_at, piece, is_live));
        match refused {
            Ok(()) => None,
            Err(TrySendError::Full(item) | TrySendError::Closed(item)) => {
                self.budget.give(bytes);
                Some(item.piece)
            }
        }
    }

    fn item(&self, opened_at: DateTime<Utc>, piece: Piece, is_live: bool) -> Item {
        Item {
            identity: self.identity.clone(),
            source: self.name.to_owned(),
            opened_at,
            piece,
            is_live,
        }
    }

    /// Tells everything up to now. Here the writer may be waited for: nothing comes any more.
    async fn end(&self, hand: &mut Hand, ending: Ending) {
        let cause = match ending {
            Ending::Over => GapCause::Off,
            Ending::Stopping => GapCause::RecorderRestarted,
        };
        hand.tapping = None;
        let Some(cutter) = &mut hand.cutter else {
            return;
        };
        cutter.finish(self.timeline.now(), cause);
        let is_live = cutter.is_live();
        let mut rest: Vec<Piece> = hand.behind.take().into_iter().collect();
        while let Some(piece) = cutter.poll_piece() {
            rest.push(piece);
        }
        for piece in rest {
            self.budget.take(bytes_of(&piece));
            // A writer that broke takes nothing.
            let _ = self
                .pieces
                .send(self.item(hand.opened_at, piece, is_live))
                .await;
        }
    }
}

impl Hand {
    fn open(&mut self, cutter: Cutter, from: DateTime<Utc>) {
        (self.cutter, self.opened_at) = (Some(cutter), from);
    }
}

/// The next thing of a tap; never where there is none.
async fn next(tapping: &mut Option<Tapping>) -> Option<Tapped> {
    match tapping {
        Some(tapping) => tapping.next().await,
        None => std::future::pending().await,
    }
}

/// Bytes of a piece's file.
pub(super) fn bytes_of(piece: &Piece) -> usize {
    match &piece.matter {
        Matter::Segment { file, .. } => file.len(),
        Matter::Gap(_) => 0,
    }
}
