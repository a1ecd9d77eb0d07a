//! Short bursts that show whether more fits on the way than is sent now.

/// How long a probe lasts, microseconds, and how many packets it has at least.
const PROBE_MICROS: u64 = 25_000;
const PROBE_PACKETS_MIN: u32 = 6;

/// Share of a probe that must have arrived.
const ARRIVED_MIN: f64 = 0.75;

/// A probe that took longer than this to arrive proves nothing, microseconds.
const SPREAD_MAX: i64 = 1_000_000;

/// What is believed of a probe that arrived slower than it was sent: the way was full.
const FULL_WAY: f64 = 0.95;

/// Pauses between probes, microseconds: the first, and the longest after failures.
const PAUSE_FIRST: u64 = 1_000_000;
const PAUSE_MAX: u64 = 3_000_000;

/// A probe without a verdict for so long has failed, microseconds.
const VERDICT_MICROS: u64 = 1_500_000;

/// See the module; times in microseconds, rates in bit/s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prober {
    number: u8,
    active: Option<Probe>,
    next_at: u64,
    pause: u64,
}

/// A probe under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    rate: f64,
    began: u64,
    bytes: u32,
    packets: u32,
    sending: bool,
    arrived: Arrived,
}

/// What arrived of a probe.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    packets: u32,
    bytes: u32,
    first_bytes: u32,
    last_bytes: u32,
    sent: Option<(u64, u64)>,
    came: Option<(i64, i64)>,
}

impl Prober {
    /// Begins a probe at a rate if it is time for one.
    pub fn begin(&mut self, now: u64, rate: f64) {
        let lost = |probe: &Probe| !probe.sending && now > probe.began + VERDICT_MICROS;
        if self.active.as_ref().is_some_and(lost) {
            // Nothing came of it, and so no feedback either.
            self.give_up(now);
        }
        if self.active.is_some() || now < self.next_at {
            return;
        }
        self.number = self.number.wrapping_add(1).max(1);
        self.active = Some(Probe {
            rate,
            began: now,
            bytes: 0,
            packets: 0,
            sending: true,
            arrived: Arrived::default(),
        });
    }

    /// Bytes that the probe wants to send now beside what is sent anyway; 0 without one.
    pub fn wanted(&self, now: u64) -> u32 {
        let Some(probe) = self.active.filter(|probe| probe.sending) else {
            return 0;
        };
        let due = probe.rate * (now - probe.began) as f64 / 8e6;
        (due as u32 + 1).saturating_sub(probe.bytes)
    }

    /// A probe is being sent.
    pub fn is_sending(&self) -> bool {
        self.active.is_some_and(|probe| probe.sending)
    }

    /// Takes note of any packet that is sent; the number of the probe it belongs to, or 0.
    pub fn sent(&mut self, now: u64, bytes: u16) -> u8 {
        let Some(probe) = self.active.as_mut().filter(|probe| probe.sending) else {
            return 0;
        };
        probe.bytes += u32::from(bytes);
        probe.packets += 1;
        let whole = now >= probe.began + PROBE_MICROS;
        probe.sending = !(whole && probe.packets >= PROBE_PACKETS_MIN);
        self.number
    }

    /// Takes the news of a packet that belonged to a probe.
    pub fn came(&mut self, number: u8, sent: u64, came: i64, bytes: u16) {
        let probe = self.active.as_mut().filter(|_| number == self.number);
        if let Some(probe) = probe {
            probe.arrived.take(sent, came, u32::from(bytes));
        }
    }

    /// The rate that the probe proved, once enough of it arrived.
    pub fn verdict(&mut self, now: u64) -> Option<f64> {
        let probe = self.active.filter(|probe| !probe.sending)?;
        let late = now > probe.began + VERDICT_MICROS;
        let enough = f64::from(probe.arrived.packets) >= ARRIVED_MIN * f64::from(probe.packets);
        if !enough && !late {
            return None;
        }
        self.active = None;
        let proven = probe.arrived.rate().filter(|_| enough);
        let reached = proven.is_some_and(|rate| rate > 0.8 * probe.rate);
        self.pause = match reached {
            true => PAUSE_FIRST / 8,
            false => (2 * self.pause).clamp(PAUSE_FIRST, PAUSE_MAX),
        };
        self.next_at = now + self.pause;
        proven
    }

    /// The way is full: what is under way proves nothing, and the next one waits.
    pub fn give_up(&mut self, now: u64) {
        let failed = self.active.take().is_some();
        let pause = if failed { 2 * self.pause } else { self.pause };
        self.pause = pause.clamp(PAUSE_FIRST, PAUSE_MAX);
        self.next_at = now + self.pause;
    }
}

impl Arrived {
    fn take(&mut self, sent: u64, came: i64, bytes: u32) {
        self.packets += 1;
        self.bytes += bytes;
        let (first_sent, last_sent) = self.sent.unwrap_or((sent, sent));
        if sent >= last_sent {
            self.last_bytes = bytes;
        }
        self.sent = Some((first_sent.min(sent), last_sent.max(sent)));
        let (first_came, last_came) = self.came.unwrap_or((came, came));
        if came <= first_came {
            self.first_bytes = bytes;
        }
        self.came = Some((first_came.min(came), last_came.max(came)));
    }

    /// The slower of sending and arriving; the packet at the open end of each span is left out.
    fn rate(&self) -> Option<f64> {
        let ((sent_first, sent_last), (came_first, came_last)) = (self.sent?, self.came?);
        let spread = came_last - came_first;
        if spread > SPREAD_MAX {
            return None;
        }
        let bits = |left_out: u32| 8e6 * f64::from(self.bytes - left_out);
        let sent = bits(self.last_bytes) / (sent_last - sent_first).max(1) as f64;
        let came = bits(self.first_bytes) / spread.max(1) as f64;
        Some(match came < 0.9 * sent {
            true => FULL_WAY * came,
            false => came.min(sent),
        })
    }
}
