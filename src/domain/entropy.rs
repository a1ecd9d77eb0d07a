//! Time and chance as arguments: the traits that the shell implements and tests play by hand.

use chrono::{DateTime, Utc};

/// Wall-clock time of the server, UTC.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;
}

/// A source of uniformly distributed bytes, unpredictable to people outside the server.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` whole; it cannot fail.
    fn fill(&self, bytes: &mut [u8]);
}
