//! One encoding of a tapped source: its packets in order, then its frames.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Tapped;
use super::frame::{Assembler, Frame};
use super::sorter::{Next, Sorter, Waiting};
use crate::media::command::{Codec, MediaKind};
use crate::media::report::ClockOffset;
use crate::media::ring::Packet;
use crate::media::rtcp::SenderInfo;

/// An encoding that is silent for this long is taken for switched off.
const LIVE_FOR: Duration = Duration::from_millis(1_500);

/// See the module.
pub(super) struct Stream {
    epoch: u32,
    sorter: Sorter,
    assembler: Assembler,
    heard_at: Option<Instant>,
    /// The publisher's report, and its clock.
    clock: Option<(SenderInfo, ClockOffset)>,
    clock_rate_hz: u32,
    /// A new stream began where another was.
    broke: bool,
    /// When a key frame was asked for.
    pub(super) asked_at: Option<Instant>,
}

/// What came of a stream.
#[derive(Debug)]
pub(super) enum Came {
    Frame {
        frame: Frame,
        captured_ntp: Option<u64>,
    },
    /// Something is missing.
    Gap,
}

impl Came {
    pub(super) fn tapped(&self, after_gap: bool) -> Option<Tapped> {
        match self {
            Self::Frame {
                frame,
                captured_ntp,
            } => Some(Tapped::Frame {
                frame: frame.clone(),
                after_gap,
                captured_ntp: *captured_ntp,
            }),
            Self::Gap => None,
        }
    }
}

impl Stream {
    pub(super) fn new(kind: MediaKind) -> Self {
        let codec = match kind {
            MediaKind::Audio => Codec::Opus,
            MediaKind::Video => Codec::Vp8,
        };
        Self {
            epoch: 0,
            sorter: Sorter::default(),
            assembler: Assembler::default(),
            heard_at: None,
            clock: None,
            clock_rate_hz: codec.clock_rate_hz(),
            broke: false,
            asked_at: None,
        }
    }

    pub(super) fn take(&mut self, epoch: u32, now: Instant, packet: Packet, payload: Bytes) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.sorter = Sorter::default();
            self.assembler = Assembler::default();
            self.clock = None;
            self.broke = self.heard_at.is_some();
        }
        self.heard_at = Some(now);
        self.sorter.take(Waiting {
            at: now,
            packet,
            payload,
        });
    }

    /// The next frame or gap.
    pub(super) fn next(&mut self, now: Instant) -> Option<Came> {
        if std::mem::take(&mut self.broke) {
            return Some(Came::Gap);
        }
        loop {
            match self.sorter.next(now)? {
                Next::Lost => {
                    self.assembler.lose();
                    return Some(Came::Gap);
                }
                Next::Packet(waiting) => {
                    let Waiting {
                        at,
                        packet,
                        payload,
                    } = waiting;
                    if let Some(frame) = self.assembler.take(at, &packet, &payload) {
                        if frame.is_key {
                            self.asked_at = None;
                        }
                        let captured_ntp = self.captured_ntp(frame.timestamp);
                        return Some(Came::Frame {
                            frame,
                            captured_ntp,
                        });
                    }
                }
            }
        }
    }

    pub(super) fn is_live(&self, now: Instant) -> bool {
        self.heard_at.is_some_and(|at| now < at + LIVE_FOR)
    }

    pub(super) fn set_clock(&mut self, report: SenderInfo, clock: ClockOffset) {
        self.clock = Some((report, clock));
    }

    fn captured_ntp(&self, timestamp: u32) -> Option<u64> {
        let (report, clock) = self.clock?;
        let ticks = timestamp.wrapping_sub(report.timestamp).cast_signed();
        let passed = (i64::from(ticks) << 32) / i64::from(self.clock_rate_hz);
        clock.ours(report.ntp.wrapping_add_signed(passed))
    }
}
