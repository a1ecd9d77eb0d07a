//! Where a leg is that may not send as fast as packets come.

use super::Arrival;

/// The next packet of such a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Index of the source's encoding.
    pub encoding: u8,
    /// Which of the streams that followed each other in that encoding.
    pub epoch: u32,
    /// Its number as forwarded.
    pub number: u64,
}

impl Lag {
    /// At a packet that came in.
    pub fn of(arrival: &Arrival) -> Self {
        Self {
            encoding: arrival.encoding,
            epoch: arrival.epoch,
            number: arrival.number,
        }
    }
}
