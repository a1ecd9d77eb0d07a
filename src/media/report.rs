//! Clocks and counts of reports (RFC 3550 section 6.4 and appendix A).

use std::time::{Duration, Instant};

use super::rtcp::{ReportBlock, SenderInfo};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_UNIX_SECONDS: u64 = 2_208_988_800;

/// The server's time as NTP sees it, from one reading of the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    origin: Instant,
    unix: Duration,
}

impl NtpClock {
    /// `unix` is the time since 1970 at `origin`.
    pub fn new(origin: Instant, unix: Duration) -> Self {
        Self { origin, unix }
    }

    /// NTP time, 32.32 fixed point (RFC 5905 section 6).
    pub fn at(&self, now: Instant) -> u64 {
        let unix = self.unix + now.saturating_duration_since(self.origin);
        fixed_point(unix).wrapping_add(NTP_UNIX_SECONDS << 32)
    }
}

/// The middle 32 bits, as reports carry them: units of 1/65536 s.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn fixed_point(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    duration.as_secs() << 32 | fraction
}

/// Round trip from a block about one of our streams; `None` when the other side had no report yet,
/// or when its numbers make no sense.
pub fn round_trip(now_ntp: u64, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let units = middle(now_ntp)
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay);
    let micros = (u64::from(units) * 1_000_000) >> 16;
    (units < 60 << 16).then(|| Duration::from_micros(micros))
}

/// How far a publisher's clock is behind ours, as one number for all its streams, so that what it
/// recorded together is played together.
///
/// The smallest difference wins, because it had the least delay; it creeps up slowly, because
/// clocks drift.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOffset(Option<i64>);

impl ClockOffset {
    /// Takes a sender report: its time and ours at arrival, both NTP.
    pub fn measure(&mut self, theirs: u64, ours: u64) {
        let measured = ours.wrapping_sub(theirs).cast_signed();
        let offset = match self.0 {
            Some(known) if measured > known => {
                known.wrapping_add(measured.wrapping_sub(known) / 64)
            }
            Some(_) | None => measured,
        };
        self.0 = Some(offset);
    }

    /// Our NTP time of a moment on the publisher's clock.
    pub fn ours(&self, theirs: u64) -> Option<u64> {
        self.0.map(|offset| theirs.wrapping_add_signed(offset))
    }
}

/// How one stream of a publisher arrives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    first: Option<u64>,
    highest: u64,
    received: u64,
    repaired: u64,
    reported_expected: u64,
    reported_received: u64,
    jitter_16: u32,
    transit: Option<u32>,
    sender: Option<(SenderInfo, Instant)>,
    last: Option<(u32, Instant)>,
}

impl Reception {
    /// Takes a packet; `origin` is any fixed moment, `rate` the codec's clock in Hz.
    pub fn packet(
        &mut self,
        now: Instant,
        origin: Instant,
        rate: u32,
        extended: u64,
        timestamp: u32,
    ) {
        self.received += 1;
        self.first = Some(self.first.map_or(extended, |first| first.min(extended)));
        if extended >= self.highest {
            self.highest = extended;
            self.last = Some((timestamp, now));
        }
        let arrival = media_time(now.saturating_duration_since(origin), rate);
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            let settled = (self.jitter_16 + 8) >> 4;
            self.jitter_16 = self
                .jitter_16
                .saturating_add(change)
                .saturating_sub(settled);
        }
        self.transit = Some(transit);
    }

    /// Takes a packet that came by retransmission.
    pub fn repaired(&mut self) {
        self.repaired += 1;
    }

    /// Takes the publisher's own report on this stream.
    pub fn sender_report(&mut self, now: Instant, info: SenderInfo) {
        self.sender = Some((info, now));
    }

    /// The publisher's latest report, and when it came.
    pub fn reported(&self) -> Option<(SenderInfo, Instant)> {
        self.sender
    }

    /// A block for the publisher; `None` before the first packet.
    pub fn block(&mut self, now: Instant, ssrc: u32) -> Option<ReportBlock> {
        let expected = self.expected()?;
        let interval = expected - self.reported_expected;
        let came = self.received - self.reported_received;
        (self.reported_expected, self.reported_received) = (expected, self.received);
        let lost = interval.saturating_sub(came);
        let (last_sender_report, delay) = self.sender.map_or((0, 0), |(info, at)| {
            (
                middle(info.ntp),
                middle(fixed_point(now.saturating_duration_since(at))),
            )
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost << 8).checked_div(interval).unwrap_or(0).min(255) as u8,
            lost: (expected.cast_signed() - self.received.cast_signed()) as i32,
            highest: (self.highest as u32).wrapping_sub(1 << 16),
            jitter: self.jitter_16 >> 4,
            last_sender_report,
            delay,
        })
    }

    /// Packets that came, retransmissions left out.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that should be here and are not, after retransmission.
    pub fn missing(&self) -> u64 {
        self.expected()
            .unwrap_or(0)
            .saturating_sub(self.received + self.repaired)
    }

    /// The media time at `now` on our clock `now_ntp`: by the publisher's report, or else by the
    /// arrival of its last packet.
    pub fn media_now(
        &self,
        now: Instant,
        now_ntp: u64,
        offset: &ClockOffset,
        rate: u32,
    ) -> Option<u32> {
        let reported = self
            .sender
            .and_then(|(info, _)| Some((info, offset.ours(info.ntp)?)));
        if let Some((info, at)) = reported {
            let since = now_ntp.wrapping_sub(at).cast_signed();
            let ticks = (i128::from(since) * i128::from(rate)) >> 32;
            return Some(info.timestamp.wrapping_add(ticks as u32));
        }
        let (timestamp, at) = self.last?;
        Some(timestamp.wrapping_add(media_time(now.saturating_duration_since(at), rate)))
    }

    fn expected(&self) -> Option<u64> {
        self.first.map(|first| self.highest - first + 1)
    }
}

/// A duration in units of a codec's clock.
pub fn media_time(duration: Duration, rate: u32) -> u32 {
    (duration.as_micros() * u128::from(rate) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_round_trip_is_what_the_receiver_did_not_hold_the_report() {
        let origin = crate::media::transport::testing::origin();
        let clock = NtpClock::new(origin, Duration::from_secs(1_700_000_000));
        let block = ReportBlock {
            last_sender_report: middle(clock.at(origin + 1_000 * MS)),
            delay: 65_536 / 2,
            ..ReportBlock::default()
        };
        let trip = round_trip(clock.at(origin + 1_580 * MS), &block).unwrap();
        assert!((79..=81).contains(&trip.as_millis()), "{trip:?}");
        assert_eq!(round_trip(clock.at(origin + 1_000 * MS), &block), None);
        assert_eq!(round_trip(0, &ReportBlock::default()), None);
    }

    #[test]
    fn loss_is_counted_by_interval_and_in_all_and_mended_by_retransmission() {
        let origin = crate::media::transport::testing::origin();
        let mut reception = Reception::default();
        assert_eq!(reception.block(origin, 1), None);
        for extended in (65_536..65_636).filter(|n| n % 4 != 3) {
            reception.packet(origin, origin, 90_000, extended, 0);
        }
        let block = reception.block(origin, 1).unwrap();
        assert_eq!((block.lost, block.highest), (24, 98));
        assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
        reception.repaired();
        assert_eq!(reception.missing(), 23);
        assert_eq!(reception.block(origin, 1).unwrap().fraction_lost, 0);
    }

    #[test]
    fn an_even_stream_has_no_jitter_and_an_uneven_one_has() {
        let origin = crate::media::transport::testing::origin();
        let (mut even, mut uneven) = (Reception::default(), Reception::default());
        for step in 0..200_u32 {
            let at = origin + 20 * MS * step;
            even.packet(at, origin, 48_000, 65_536 + u64::from(step), step * 960);
            let late = at + 10 * MS * (step % 2);
            uneven.packet(late, origin, 48_000, 65_536 + u64::from(step), step * 960);
        }
        assert_eq!(even.block(origin, 1).unwrap().jitter, 0);
        let jitter = uneven.block(origin, 1).unwrap().jitter;
        assert!((400..=480).contains(&jitter), "{jitter}");
    }

    #[test]
    fn streams_of_one_publisher_keep_their_common_time() {
        let origin = crate::media::transport::testing::origin();
        let clock = NtpClock::new(origin, Duration::from_secs(1_700_000_000));
        let mut offset = ClockOffset::default();
        let (mut audio, mut video) = (Reception::default(), Reception::default());
        let theirs = 5_u64 << 32;
        let info = |timestamp| SenderInfo {
            ntp: theirs,
            timestamp,
            ..SenderInfo::default()
        };
        for (reception, timestamp, delay) in [(&mut audio, 48_000, 30), (&mut video, 90_000, 80)] {
            let at = origin + delay * MS;
            offset.measure(theirs, clock.at(at));
            reception.sender_report(at, info(timestamp));
        }
        let at = origin + 1_080 * MS;
        let sound = audio.media_now(at, clock.at(at), &offset, 48_000).unwrap();
        let picture = video.media_now(at, clock.at(at), &offset, 90_000).unwrap();
        let sound_ms = (sound - 48_000) / 48;
        let picture_ms = (picture - 90_000) / 90;
        assert!(
            sound_ms.abs_diff(picture_ms) <= 1,
            "{sound_ms} {picture_ms}"
        );
        assert!((1_045..=1_051).contains(&sound_ms), "{sound_ms}");
    }

    #[test]
    fn without_a_report_media_time_follows_the_last_packet() {
        let origin = crate::media::transport::testing::origin();
        let mut reception = Reception::default();
        reception.packet(origin, origin, 90_000, 65_536, 1_000);
        let now = reception.media_now(origin + 100 * MS, 0, &ClockOffset::default(), 90_000);
        assert_eq!(now, Some(10_000));
    }
}
