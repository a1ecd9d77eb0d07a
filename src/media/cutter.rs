//! Cuts the frames of one recorded track into segments and gaps that leave no time out.
//!
//! A machine that does no I/O: frames, silences and time go in, [`Piece`]s come out, each from
//! where the one before ended. Times are the publisher's as far as its reports tell them, so that
//! its sound and pictures stay together, and of arrival else.

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::command::{Codec, MediaKind};
use super::matroska::{self, Block, TrackHead};
use crate::domain::recording::chain::{GapCause, RecordedCodec};
use crate::domain::recording::{LAG_MAX, SEGMENT_MAX};

/// A key frame is wanted once a segment of pictures is this long, so that the next one can begin
/// with it.
const WANT_KEY_AFTER: TimeDelta = TimeDelta::seconds(8);
/// A key frame that comes earlier than this does not end a segment: some clients send many.
const CUT_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Largest segment, bytes; one that would be larger ends early.
pub const SEGMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A track that is on and sends nothing for this long does not reach us. Opus sends at least every
/// 400 ms, and a standing picture is sent again every second.
const STALL_MAX: TimeDelta = TimeDelta::seconds(5);
/// A shorter hole where packets were lost is not a gap: players show the last picture or silence.
const HOLE_MAX: TimeDelta = TimeDelta::seconds(1);
/// A picture, or sound, lasts until the next, but at most so long when none comes.
const FRAME_MAX: TimeDelta = TimeDelta::milliseconds(100);
/// A segment's clock that is further from what the publisher reports is set anew: half of what may
/// lie between sound and picture.
const DRIFT_MAX: TimeDelta = TimeDelta::milliseconds(40);
/// Times that are further from a frame's arrival are not believed.
const BELIEVED: TimeDelta = TimeDelta::seconds(5);
/// A gap that goes on is told this often, so that it is told before it counts as untold.
const TELL_GAP_AFTER: TimeDelta = TimeDelta::seconds(20);
const _: () = assert!(TELL_GAP_AFTER.num_seconds() < LAG_MAX.num_seconds());
/// A silence is told with the last cause that was found within this time: a tap ends a moment
/// before its room says that the track was switched off.
const SETTLE: TimeDelta = TimeDelta::seconds(2);
/// A picture may lie as long before its time is over that the time alone ends its segment.
const LATE_MAX: TimeDelta = TimeDelta::milliseconds(500);

/// Longest Opus frame (RFC 6716 section 2.1.4).
const OPUS_MAX: TimeDelta = TimeDelta::milliseconds(120);

/// A frame as a tap gives it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When it came, by the server's clock.
    pub at: DateTime<Utc>,
    /// When it was captured, by the server's clock, as far as the publisher's reports tell.
    pub captured: Option<DateTime<Utc>>,
    /// Something is missing before it.
    pub after_gap: bool,
    /// Its codec.
    pub codec: Codec,
    /// A decoder can start here.
    pub is_key: bool,
    /// RTP time of its stream.
    pub timestamp: u32,
    /// The frame.
    pub data: Bytes,
}

/// What is known of a stretch of a track that begins where the one before ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Until when.
    pub to: DateTime<Utc>,
    /// What.
    pub matter: Matter,
}

/// See [`Piece`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A file.
    Segment {
        /// What it holds.
        codec: RecordedCodec,
        /// It begins with a key frame.
        independent: bool,
        /// The file.
        file: Vec<u8>,
    },
    /// Nothing.
    Gap(GapCause),
}

/// See the module.
#[derive(Debug)]
pub struct Cutter {
    kind: MediaKind,
    announced: (u32, u32),
    origin: DateTime<Utc>,
    covered_to: DateTime<Utc>,
    state: State,
    /// That it is off has been told.
    off_told: bool,
    pieces: VecDeque<Piece>,
}

#[derive(Debug)]
enum State {
    Silent(GapCause),
    Writing(Open),
}

#[derive(Debug)]
struct Open {
    head: TrackHead,
    codec: RecordedCodec,
    /// RTP time of a moment.
    clock: (u32, DateTime<Utc>),
    /// The last frame's time.
    last: DateTime<Utc>,
    /// When the last frame came.
    heard_at: DateTime<Utc>,
    independent: bool,
    blocks: Vec<Block>,
    bytes: usize,
}

impl Cutter {
    /// For a track of a recording that began at `origin`; nothing is known of it from `from` on.
    /// `announced` are the pixels that its publisher told.
    pub fn new(
        kind: MediaKind,
        announced: (u32, u32),
        origin: DateTime<Utc>,
        from: DateTime<Utc>,
        cause: GapCause,
    ) -> Self {
        Self {
            kind,
            announced,
            origin,
            covered_to: from,
            state: State::Silent(cause),
            off_told: false,
            pieces: VecDeque::new(),
        }
    }

    /// The publisher told other pixels.
    pub fn set_announced(&mut self, announced: (u32, u32)) {
        self.announced = announced;
    }

    /// Takes the next frame.
    pub fn handle_frame(&mut self, heard: &Heard) {
        let broken = match &self.state {
            State::Silent(_) => true,
            State::Writing(open) => open.is_broken_by(heard),
        };
        if broken {
            self.begin(heard);
            return;
        }
        let State::Writing(open) = &self.state else {
            return;
        };
        let at = open.time_of(heard.timestamp);
        if self.ends_before(open, heard, at) {
            self.cut(heard, at);
        }
        if let State::Writing(open) = &mut self.state {
            open.push(self.origin, heard);
        }
    }

    /// Nothing comes from now on, and why.
    pub fn handle_silence(&mut self, now: DateTime<Utc>, cause: GapCause) {
        match &self.state {
            State::Silent(present) if *present == cause => return,
            // What just fell silent was not understood yet.
            State::Silent(_) if now - self.covered_to < SETTLE => {}
            State::Silent(present) => {
                let present = *present;
                self.say_gap(now, present);
            }
            State::Writing(open) => {
                let to = open.end().min(now);
                self.close(to);
            }
        }
        self.state = State::Silent(cause);
        self.off_told = false;
    }

    /// What time brings.
    pub fn handle_timeout(&mut self, now: DateTime<Utc>) {
        match &self.state {
            // Once, so that it is known that nothing is owed; the rest when it is on again.
            State::Silent(cause @ (GapCause::Off | GapCause::Unseen)) => {
                let cause = *cause;
                if !self.off_told && now - self.covered_to >= SETTLE {
                    self.off_told = true;
                    self.say_gap(now, cause);
                }
            }
            State::Silent(cause) if now - self.covered_to >= TELL_GAP_AFTER => {
                let cause = *cause;
                self.say_gap(now, cause);
            }
            State::Silent(_) => {}
            State::Writing(open) if now - open.heard_at >= STALL_MAX => {
                self.handle_silence(now, GapCause::Transport);
            }
            State::Writing(_) if now - self.covered_to >= SEGMENT_MAX + LATE_MAX => {
                let to = self.covered_to + SEGMENT_MAX;
                let State::Writing(open) = &self.state else {
                    return;
                };
                let next = open.continued(open.clock);
                self.close(to);
                self.state = State::Writing(next);
            }
            State::Writing(_) => {}
        }
    }

    /// The track is over: everything up to now is told.
    pub fn finish(&mut self, now: DateTime<Utc>, cause: GapCause) {
        let cause = match &self.state {
            State::Writing(_) => cause,
            State::Silent(present) => *present,
        };
        self.handle_silence(now, cause);
        self.say_gap(now, cause);
    }

    /// Whether a key frame should come soon, if anything does.
    pub fn wants_key_frame(&self, now: DateTime<Utc>) -> bool {
        self.kind == MediaKind::Video
            && match &self.state {
                State::Writing(_) => now - self.covered_to >= WANT_KEY_AFTER,
                State::Silent(_) => true,
            }
    }

    /// Bytes that wait for the end of the segment.
    pub fn bytes(&self) -> usize {
        match &self.state {
            State::Writing(open) => open.bytes,
            State::Silent(_) => 0,
        }
    }

    /// It is on, as far as is known: what is not told is owed.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Silent(GapCause::Off | GapCause::Unseen))
    }

    /// Until when everything is told.
    pub fn covered_to(&self) -> DateTime<Utc> {
        self.covered_to
    }

    /// The next piece.
    pub fn poll_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// Starts anew with a frame, if that can be. Where no time is missing, as between encodings
    /// with clocks of their own, no gap is told.
    fn begin(&mut self, heard: &Heard) {
        if let State::Writing(open) = &self.state {
            let at = heard.measured();
            let joins = (at - open.last).abs() <= HOLE_MAX;
            let to = if joins {
                at.max(open.last)
            } else {
                open.end().min(at)
            };
            self.close(to);
            self.state = State::Silent(GapCause::Transport);
        }
        let at = heard.measured().max(self.covered_to);
        let head = heard
            .is_key
            .then(|| TrackHead::of(heard.codec, &heard.data, self.announced));
        let Some((head, codec)) = head.flatten().zip(recorded(heard.codec)) else {
            return;
        };
        if let State::Silent(cause) = self.state {
            self.say_gap(at, cause);
        }
        let mut open = Open {
            head,
            codec,
            clock: (heard.timestamp, at),
            last: at,
            heard_at: heard.at,
            independent: true,
            blocks: Vec::new(),
            bytes: 0,
        };
        open.push(self.origin, heard);
        self.state = State::Writing(open);
    }

    /// Whether the segment ends before a frame.
    fn ends_before(&self, open: &Open, heard: &Heard, at: DateTime<Utc>) -> bool {
        let length = at - self.covered_to;
        let frame_max = match self.kind {
            MediaKind::Audio => OPUS_MAX,
            MediaKind::Video => TimeDelta::zero(),
        };
        if length + frame_max >= SEGMENT_MAX
            || open.bytes + heard.data.len() > SEGMENT_BYTES_MAX
            || recorded(heard.codec) != Some(open.codec)
        {
            return true;
        }
        if !heard.is_key || open.blocks.is_empty() {
            return false;
        }
        let drifts = heard
            .believed()
            .is_some_and(|captured| (captured - at).abs() > DRIFT_MAX);
        match self.kind {
            MediaKind::Audio => drifts && length >= HOLE_MAX,
            MediaKind::Video => length >= CUT_AFTER || heard.after_gap || drifts,
        }
    }

    /// Ends the segment before a frame; the next one begins with it.
    fn cut(&mut self, heard: &Heard, at: DateTime<Utc>) {
        let State::Writing(open) = &self.state else {
            return;
        };
        let set_anew = heard
            .believed()
            .filter(|captured| (*captured - at).abs() > DRIFT_MAX);
        let clock = (heard.timestamp, set_anew.unwrap_or(at));
        let mut next = open.continued(clock);
        if heard.is_key
            && let Some((head, codec)) =
                TrackHead::of(heard.codec, &heard.data, self.announced).zip(recorded(heard.codec))
        {
            (next.head, next.codec, next.independent) = (head, codec, true);
        }
        self.close(at);
        self.state = State::Writing(next);
    }

    /// Tells the segment that is open as ending at a moment.
    fn close(&mut self, to: DateTime<Utc>) {
        let to = to.max(self.covered_to);
        let silent = State::Silent(GapCause::Transport);
        let State::Writing(open) = std::mem::replace(&mut self.state, silent) else {
            return;
        };
        if open.blocks.is_empty() {
            self.say_gap(to, GapCause::Transport);
            return;
        }
        let matter = match matroska::write(&[open.head], &open.blocks) {
            Ok(file) => Matter::Segment {
                codec: open.codec,
                independent: open.independent,
                file,
            },
            Err(_) => Matter::Gap(GapCause::Unrecordable),
        };
        self.covered_to = to;
        self.pieces.push_back(Piece { to, matter });
    }

    fn say_gap(&mut self, to: DateTime<Utc>, cause: GapCause) {
        if to <= self.covered_to {
            return;
        }
        self.covered_to = to;
        let matter = Matter::Gap(cause);
        self.pieces.push_back(Piece { to, matter });
    }
}

impl Open {
    fn time_of(&self, timestamp: u32) -> DateTime<Utc> {
        let (known, at) = self.clock;
        let rate = match self.codec {
            RecordedCodec::Opus => Codec::Opus,
            RecordedCodec::Vp8 => Codec::Vp8,
            RecordedCodec::H264 => Codec::H264,
        }
        .clock_rate_hz();
        let ticks = i64::from(timestamp.wrapping_sub(known).cast_signed());
        at + TimeDelta::microseconds(ticks * 1_000_000 / i64::from(rate))
    }

    /// Whether a frame does not go on from the last one.
    fn is_broken_by(&self, heard: &Heard) -> bool {
        let at = self.time_of(heard.timestamp);
        let hole = at - self.last;
        let is_missing = heard.after_gap && hole > HOLE_MAX;
        is_missing || hole < -HOLE_MAX || (heard.measured() - at).abs() > BELIEVED
    }

    fn push(&mut self, origin: DateTime<Utc>, heard: &Heard) {
        let at = self.time_of(heard.timestamp);
        self.last = at.max(self.last);
        self.heard_at = heard.at;
        // A frame's clock moves rarely, and never so that frames of a file change places.
        let before = self.blocks.last().map_or(0, |block| block.at_ms);
        let at_ms = u64::try_from((at - origin).num_milliseconds()).unwrap_or(0);
        self.bytes += heard.data.len();
        if self.blocks.is_empty() && !heard.is_key {
            self.independent = false;
        }
        self.blocks.push(Block {
            track: 1,
            at_ms: at_ms.max(before),
            is_key: heard.is_key,
            data: heard.data.clone(),
        });
    }

    /// An empty segment that goes on from this one.
    fn continued(&self, clock: (u32, DateTime<Utc>)) -> Self {
        Self {
            head: self.head.clone(),
            codec: self.codec,
            clock,
            last: clock.1.max(self.last),
            heard_at: self.heard_at,
            independent: false,
            blocks: Vec::new(),
            bytes: 0,
        }
    }

    /// When its last frame is over.
    fn end(&self) -> DateTime<Utc> {
        self.last + FRAME_MAX
    }
}

impl Heard {
    fn believed(&self) -> Option<DateTime<Utc>> {
        self.captured.filter(|at| (*at - self.at).abs() <= BELIEVED)
    }

    /// When it was captured, as far as is known, or else when it came.
    pub fn measured(&self) -> DateTime<Utc> {
        self.believed().unwrap_or(self.at)
    }
}

fn recorded(codec: Codec) -> Option<RecordedCodec> {
    match codec {
        Codec::Opus | Codec::Red => Some(RecordedCodec::Opus),
        Codec::Vp8 => Some(RecordedCodec::Vp8),
        Codec::H264 => Some(RecordedCodec::H264),
        Codec::Vp9 | Codec::Av1 => None,
    }
}

#[cfg(test)]
mod tests;
