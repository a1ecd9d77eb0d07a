//! One client at a shard: its transport, which of its streams is which, and what it carried.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::forward::Forwarding;
use super::leg::{LegCounts, Numbers};
use super::negotiation::STANDING_MAX;
use super::report::ClockOffset;
use super::rtp::Header;
use super::transport::Transport;
use super::twcc::ArrivalLog;
use crate::domain::id::LegId;

/// See the module.
pub struct Peer {
    /// Its connection.
    pub transport: Transport,
    /// Places of the sources that it publishes.
    pub sources: Vec<usize>,
    /// Its legs by SSRC.
    pub legs: BTreeMap<u32, LegId>,
    /// User fragments under which the shard finds it.
    pub ufrags: Vec<String>,
    /// Its clock and ours.
    pub clock_offset: ClockOffset,
    /// Arrivals for congestion control, once the extension is negotiated.
    pub arrivals: Option<(u8, ArrivalLog)>,
    /// When the transport's timers are due.
    pub deadline: Option<Instant>,
    /// When its periodic duties are due; `None` before it is connected.
    pub duties: Option<Duties>,
    /// Round trip by its latest report.
    pub round_trip: Option<Duration>,
    /// Counters of legs that are gone.
    pub retired: LegCounts,
    /// Packets, and missing packets, of sources that are gone.
    pub retired_in: (u64, u64),
    routes: Vec<Route>,
    replaced: VecDeque<(u32, Instant)>,
    ended: Vec<(u32, Numbers)>,
}

/// A stream that another took the place of is not learnt again for so long: what comes of it is
/// late, and would take the place back.
const LATE_FOR: Duration = Duration::from_secs(2);

/// Replaced streams that are remembered; the oldest is forgotten beyond the bound.
const REPLACED_MAX: usize = 16;

/// Streams that ended and may be taken up again, at most. Transports whose streams are taken up
/// have no more of them than that; on others, no SSRC comes twice.
const ENDED_MAX: usize = STANDING_MAX;

/// When a connected client's periodic duties are due.
#[derive(Clone, Copy, Debug)]
pub struct Duties {
    /// Congestion feedback.
    pub feedback_at: Instant,
    /// Sender and receiver reports.
    pub reports_at: Instant,
    /// Another look at what its legs get.
    pub division_at: Instant,
    /// The report to the room half.
    pub summary_at: Instant,
}

/// Where a stream of a client belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The stream.
    pub ssrc: u32,
    /// Place of the source.
    pub source: usize,
    /// Index of the encoding.
    pub encoding: u8,
    /// It carries retransmissions of that encoding.
    pub repair: bool,
}

impl Route {
    fn is_of_same_place(&self, other: &Self) -> bool {
        (self.source, self.encoding, self.repair) == (other.source, other.encoding, other.repair)
    }
}

impl Peer {
    /// A client that has not connected yet.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            sources: Vec::new(),
            legs: BTreeMap::new(),
            ufrags: Vec::new(),
            clock_offset: ClockOffset::default(),
            arrivals: None,
            deadline: None,
            duties: None,
            round_trip: None,
            retired: LegCounts::default(),
            retired_in: (0, 0),
            routes: Vec::new(),
            replaced: VecDeque::new(),
            ended: Vec::new(),
        }
    }

    /// Notes how far a stream came that ends; the oldest is forgotten beyond the bound.
    pub fn end_stream(&mut self, ssrc: u32, numbers: Numbers) {
        self.ended.retain(|(known, _)| *known != ssrc);
        if self.ended.len() == ENDED_MAX {
            self.ended.remove(0);
        }
        self.ended.push((ssrc, numbers));
    }

    /// How far an earlier stream of this SSRC came.
    pub fn take_up_stream(&mut self, ssrc: u32) -> Option<Numbers> {
        let place = self.ended.iter().position(|(known, _)| *known == ssrc)?;
        Some(self.ended.remove(place).1)
    }

    /// Where a stream belongs, once known.
    pub fn route(&self, ssrc: u32) -> Option<Route> {
        self.routes.iter().find(|route| route.ssrc == ssrc).copied()
    }

    /// Sets where a stream belongs; an earlier stream of the same place is forgotten.
    pub fn set_route(&mut self, route: Route) {
        self.routes
            .retain(|other| other.ssrc != route.ssrc && !route.is_of_same_place(other));
        self.routes.push(route);
    }

    /// Forgets a source and its streams.
    pub fn forget_source(&mut self, source: usize) {
        self.sources.retain(|place| *place != source);
        self.routes.retain(|route| route.source != source);
    }

    /// Finds out where an unknown stream belongs: by media section and restriction id (RFC 9143,
    /// RFC 8852), or by payload type when a single source may carry it.
    pub fn learn(
        &mut self,
        now: Instant,
        forwarding: &Forwarding,
        header: &Header,
        packet: &[u8],
    ) -> Option<Route> {
        let late = |(ssrc, at): &(u32, Instant)| *ssrc == header.ssrc && now < *at + LATE_FOR;
        if self.replaced.iter().any(late) {
            return None;
        }
        let mut by_type = None;
        let mut candidates = 0;
        for &place in &self.sources {
            let source = forwarding.source(place)?;
            let Some(repair) = source.carries(header.payload_type) else {
                continue;
            };
            let text = |id: Option<u8>| header.extension(packet, id?);
            let ids = &source.extensions;
            let rid = if repair {
                text(ids.repaired_rid).or(text(ids.rid))
            } else {
                text(ids.rid)
            };
            let encoding = match (rid, source.streams()) {
                (_, 1) => Some(0),
                (None, _) => None,
                (Some(rid), _) => source.encodings.iter().position(|encoding| {
                    encoding
                        .rid
                        .as_ref()
                        .is_some_and(|known| known.as_bytes() == rid)
                }),
            };
            let route = encoding.map(|encoding| Route {
                ssrc: header.ssrc,
                source: place,
                encoding: encoding as u8,
                repair,
            });
            match text(ids.mid) {
                Some(mid) if mid == source.mid.as_bytes() => return self.learnt(now, route?),
                Some(_) => {}
                None => {
                    candidates += 1;
                    by_type = route;
                }
            }
        }
        match candidates {
            1 => self.learnt(now, by_type?),
            _ => None,
        }
    }

    fn learnt(&mut self, now: Instant, route: Route) -> Option<Route> {
        let before = self
            .routes
            .iter()
            .find(|other| route.is_of_same_place(other));
        if let Some(before) = before.filter(|before| before.ssrc != route.ssrc) {
            self.replaced.push_back((before.ssrc, now));
            if self.replaced.len() > REPLACED_MAX {
                self.replaced.pop_front();
            }
        }
        self.set_route(route);
        Some(route)
    }
}
