//! The server's wall clock.

use chrono::{DateTime, Utc};

use crate::domain::entropy::Clock;

/// The machine's clock, which NTP keeps; `mingtang doctor` looks whether it does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
