//! Key frame requests to one encoding of a publisher: many askers, one paced request.

use std::time::{Duration, Instant};

/// Shortest time between two requests to one encoding.
pub const REQUEST_PAUSE: Duration = Duration::from_millis(500);

/// Requests without an answer after which the pause grows to [`REQUEST_PAUSE_LONG`].
const PATIENCE: u8 = 10;

/// Time between requests to an encoder that does not answer.
pub const REQUEST_PAUSE_LONG: Duration = Duration::from_secs(5);

/// Collapses and paces requests; a wish lasts until a key frame comes.
#[derive(Debug, Default)]
pub struct KeyFramePacer {
    wanted: bool,
    asked_at: Option<Instant>,
    unanswered: u8,
}

impl KeyFramePacer {
    /// Somebody needs a key frame; also before the stream's first packet.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame begins.
    pub fn arrived(&mut self) {
        self.wanted = false;
        self.unanswered = 0;
    }

    /// A request is to be sent now.
    pub fn is_due(&self, now: Instant) -> bool {
        let pause = match self.unanswered < PATIENCE {
            true => REQUEST_PAUSE,
            false => REQUEST_PAUSE_LONG,
        };
        self.wanted && self.asked_at.is_none_or(|at| now >= at + pause)
    }

    /// The same; the request counts as sent.
    pub fn take_due(&mut self, now: Instant) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.asked_at = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        true
    }

    /// A key frame is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::testing::origin;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_requests_become_one_each_half_second() {
        let start = origin();
        let mut pacer = KeyFramePacer::default();
        let mut sent = 0;
        for step in 0..1_400 {
            pacer.want();
            sent += u32::from(pacer.take_due(start + step * MS));
        }
        assert_eq!(sent, 3);
    }

    #[test]
    fn a_request_before_the_first_packet_is_remembered() {
        let start = origin();
        let mut pacer = KeyFramePacer::default();
        pacer.want();
        assert!(pacer.take_due(start + 60_000 * MS));
    }

    #[test]
    fn a_lost_request_is_repeated_until_a_key_frame_comes() {
        let start = origin();
        let mut pacer = KeyFramePacer::default();
        pacer.want();
        assert!(pacer.take_due(start));
        assert!(!pacer.take_due(start + 499 * MS));
        assert!(pacer.take_due(start + 500 * MS));
        pacer.arrived();
        assert!(!pacer.take_due(start + 5_000 * MS));
    }

    #[test]
    fn an_encoder_that_never_answers_is_asked_rarely() {
        let start = origin();
        let mut pacer = KeyFramePacer::default();
        pacer.want();
        let sent = (0..60_000)
            .filter(|step| pacer.take_due(start + *step * MS))
            .count();
        assert!((15..=22).contains(&sent), "{sent}");
    }
}
