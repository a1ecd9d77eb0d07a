//! Where the frames of taps go: one bounded queue for each, from the thread of the taps to the use
//! case that asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::domain::id::TapId;
use crate::media::tap::{TapEvent, Tapped};

/// Frames of one tap that wait; a reader that is further behind misses frames up to a key frame.
pub const FRAMES_MAX: usize = 256;

/// The open lines; clones share them.
#[derive(Clone, Default)]
pub struct TapLines(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<HashMap<TapId, Line>>,
    numbers: AtomicU64,
}

struct Line {
    frames: mpsc::Sender<Tapped>,
    /// Something found no place, and no key frame has since.
    misses: bool,
}

impl std::fmt::Debug for TapLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TapLines(..)")
    }
}

/// The reader's end of a line, which is open as long as this is kept.
#[derive(Debug)]
pub struct TapLine {
    tap: TapId,
    frames: mpsc::Receiver<Tapped>,
    lines: TapLines,
}

impl TapLines {
    /// Opens a line under an id that was never given before.
    pub fn open(&self) -> TapLine {
        let tap = TapId(self.0.numbers.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, frames) = mpsc::channel(FRAMES_MAX);
        let line = Line {
            frames: sender,
            misses: false,
        };
        self.with(|lines| lines.insert(tap, line));
        TapLine {
            tap,
            frames,
            lines: self.clone(),
        }
    }

    /// Hands something to a tap's reader without waiting; false when nobody reads any more.
    pub fn deliver(&self, event: TapEvent) -> bool {
        self.with(|lines| {
            let Some(line) = lines.get_mut(&event.tap) else {
                return false;
            };
            let is_ended = event.tapped == Tapped::Ended;
            if let Some(tapped) = line.pick(event.tapped)
                && line.frames.try_send(tapped).is_err()
            {
                line.misses = true;
            }
            if is_ended {
                // What waits is still read, then the queue ends.
                lines.remove(&event.tap);
            }
            true
        })
    }

    fn with<T>(&self, use_them: impl FnOnce(&mut HashMap<TapId, Line>) -> T) -> T {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        use_them(&mut lines)
    }
}

impl Line {
    /// After a miss frames go on with a key frame, which says that something is missing.
    fn pick(&mut self, tapped: Tapped) -> Option<Tapped> {
        match tapped {
            Tapped::Frame {
                frame,
                after_gap,
                captured_ntp,
            } => {
                if self.misses && !frame.is_key {
                    return None;
                }
                Some(Tapped::Frame {
                    frame,
                    after_gap: std::mem::take(&mut self.misses) || after_gap,
                    captured_ntp,
                })
            }
            // The end of the queue says it.
            Tapped::Ended => None,
        }
    }
}

impl TapLine {
    /// Its tap.
    pub fn tap(&self) -> TapId {
        self.tap
    }

    /// The next frame; `None` when nothing more comes.
    pub async fn next(&mut self) -> Option<Tapped> {
        self.frames.recv().await
    }
}

impl Drop for TapLine {
    fn drop(&mut self) {
        self.lines.with(|lines| lines.remove(&self.tap));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::media::command::Codec;
    use crate::media::tap::Frame;

    fn frame(tap: TapId, number: u32, is_key: bool, at: Instant) -> TapEvent {
        TapEvent {
            tap,
            tapped: Tapped::Frame {
                frame: Frame {
                    codec: Codec::Vp8,
                    is_key,
                    timestamp: number,
                    at,
                    data: Bytes::new(),
                },
                after_gap: false,
                captured_ntp: None,
            },
        }
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_goes_on_with_a_key_frame_and_is_told() {
        let lines = TapLines::default();
        let mut line = lines.open();
        let at = crate::media::transport::testing::origin();
        for number in 0..FRAMES_MAX as u32 + 3 {
            assert!(lines.deliver(frame(line.tap(), number, false, at)));
        }
        for _ in 0..FRAMES_MAX {
            line.next().await.unwrap();
        }
        lines.deliver(frame(line.tap(), 900, false, at));
        lines.deliver(frame(line.tap(), 901, true, at));
        let Some(Tapped::Frame {
            frame, after_gap, ..
        }) = line.next().await
        else {
            panic!("a frame was due");
        };
        assert_eq!((frame.timestamp, after_gap), (901, true));
    }

    #[tokio::test]
    async fn what_waits_is_read_before_the_end_and_nobody_reads_a_dropped_line() {
        let lines = TapLines::default();
        let mut line = lines.open();
        let at = crate::media::transport::testing::origin();
        lines.deliver(frame(line.tap(), 1, true, at));
        let (tap, tapped) = (line.tap(), Tapped::Ended);
        lines.deliver(TapEvent { tap, tapped });
        assert!(line.next().await.is_some());
        assert_eq!(line.next().await, None);
        let other = lines.open();
        let tap = other.tap();
        assert_ne!(tap, line.tap());
        drop(other);
        assert!(!lines.deliver(frame(tap, 1, true, at)));
    }
}
