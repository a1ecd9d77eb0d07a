//! How a client arrives: the query of `/rtc` and the join request of `/rtc/v1`.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol as proto;
use prost::Message as _;
use serde::Deserialize;

use super::inbound::{self, Inbound};
use crate::domain::id::ParticipantId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::signal::{ClientDescription, Layout, ParticipantKind};
use crate::service::call::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, Arrival};

/// Largest join request once inflated, bytes; clients send about 14,000.
pub const JOIN_REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Longest `join_request` parameter, bytes.
const JOIN_PARAMETER_BYTES_MAX: usize = JOIN_REQUEST_BYTES_MAX / 3 * 4 + 4;
/// Most tracks that a join request may carry.
const JOIN_TRACKS_MAX: usize = 16;
/// Most capabilities of a client.
const CAPABILITIES_MAX: usize = 16;

/// First signalling protocol whose clients take several tracks of one stream id.
const PROTOCOL_SHARED_STREAMS: i32 = 10;

/// The query of `/rtc`, `/rtc/v1` and their `validate`; anything else in it is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EntryQuery {
    /// The token, unless it is in the `Authorization` header.
    pub access_token: Option<String>,
    /// base64url of a `WrappedJoinRequest` (v1 alone).
    pub join_request: Option<String>,
    /// `1` or `true` (default), `0` or `false`.
    pub auto_subscribe: Option<String>,
    /// Signalling protocol version.
    pub protocol: Option<String>,
    /// Client protocol version.
    pub client_protocol: Option<String>,
    /// Capability numbers, divided by commas.
    pub capabilities: Option<String>,
    /// Name of the browser, if it is one.
    pub browser: Option<String>,
    /// `1` or `true` on a resume.
    pub reconnect: Option<String>,
    /// The stay to resume.
    pub sid: Option<String>,
}

/// What the client came for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new stay.
    Join,
    /// Its old stay; `None` when it names none that could exist.
    Resume(Option<ParticipantId>),
}

/// An arrival, read.
#[derive(Debug)]
pub struct Entry {
    /// What it came for.
    pub purpose: Purpose,
    /// What it says of itself.
    pub arrival: Arrival,
    /// Messages that came with it, in the order to be handled.
    pub first: Vec<Inbound>,
}

impl Entry {
    /// Reads the query of the two-connection entry.
    pub fn dual(query: &EntryQuery) -> Self {
        let number = |text: &Option<String>| text.as_deref().and_then(|t| t.parse().ok());
        let capabilities = query.capabilities.as_deref().unwrap_or("").split(',');
        let protocol = number(&query.protocol).unwrap_or(0);
        let client = ClientDescription {
            protocol,
            client_protocol: number(&query.client_protocol).unwrap_or(0),
            capabilities: capabilities
                .filter_map(|number| number.trim().parse().ok())
                .take(CAPABILITIES_MAX)
                .collect(),
            streams_apart: streams_apart(protocol, query.browser.as_deref().unwrap_or("")),
        };
        let resumes = query.reconnect.as_deref().is_some_and(truthy);
        Self {
            purpose: purpose(resumes, query.sid.as_deref().unwrap_or("")),
            arrival: Arrival {
                layout: Layout::Dual,
                kind: ParticipantKind::Standard,
                watches: None,
                auto_subscribe: query.auto_subscribe.as_deref().is_none_or(truthy),
                client,
                metadata: String::new(),
                attributes: BTreeMap::new(),
            },
            first: Vec::new(),
        }
    }

    /// Reads the join request of the one-connection entry.
    ///
    /// # Errors
    /// `signal.bad_join_request` or `signal.join_request_too_large`.
    pub fn single(query: &EntryQuery) -> Result<Self, Refusal> {
        let request = match query.join_request.as_deref() {
            Some(encoded) => join_request(encoded)?,
            None => return Err(bad_join_request()),
        };
        Ok(Self {
            purpose: purpose(request.reconnect, &request.participant_sid),
            arrival: arrival(&request)?,
            first: first(request)?,
        })
    }
}

/// Firefox takes no second track of a stream id, and old clients know no shared ones.
fn streams_apart(protocol: i32, browser: &str) -> bool {
    protocol < PROTOCOL_SHARED_STREAMS || browser.eq_ignore_ascii_case("firefox")
}

fn truthy(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

fn purpose(resumes: bool, sid: &str) -> Purpose {
    if resumes {
        Purpose::Resume(ParticipantId::from_sid(sid))
    } else {
        Purpose::Join
    }
}

fn join_request(encoded: &str) -> Result<proto::JoinRequest, Refusal> {
    if encoded.len() > JOIN_PARAMETER_BYTES_MAX {
        return Err(too_large());
    }
    // Clients differ in padding and alphabet, and a query turns `+` into a space.
    let plain: String = encoded
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' | ' ' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    let wrapped = URL_SAFE_NO_PAD
        .decode(plain)
        .map_err(|_| bad_join_request())?;
    let wrapped = proto::WrappedJoinRequest::decode(wrapped.as_slice());
    let wrapped = wrapped.map_err(|_| bad_join_request())?;
    let bytes = match wrapped.compression() {
        proto::wrapped_join_request::Compression::None => wrapped.join_request,
        proto::wrapped_join_request::Compression::Gzip => inflate(&wrapped.join_request)?,
    };
    proto::JoinRequest::decode(bytes.as_slice()).map_err(|_| bad_join_request())
}

/// Inflates at most [`JOIN_REQUEST_BYTES_MAX`]; a bomb costs no more than that.
fn inflate(compressed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let limit = u64::try_from(JOIN_REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(compressed)
        .take(limit.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(|_| bad_join_request())?;
    if inflated.len() > JOIN_REQUEST_BYTES_MAX {
        return Err(too_large());
    }
    Ok(inflated)
}

fn arrival(request: &proto::JoinRequest) -> Result<Arrival, Refusal> {
    let attributes = &request.participant_attributes;
    let bytes: usize = attributes
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if attributes.len() > ATTRIBUTES_MAX || bytes > ATTRIBUTES_BYTES_MAX {
        return Err(too_large());
    }
    let settings = request.connection_settings.as_ref();
    let unsaid = proto::ClientInfo::default();
    let info = request.client_info.as_ref().unwrap_or(&unsaid);
    Ok(Arrival {
        layout: Layout::Single,
        kind: ParticipantKind::Standard,
        watches: None,
        auto_subscribe: settings.is_none_or(|settings| settings.auto_subscribe),
        client: ClientDescription {
            protocol: info.protocol,
            client_protocol: info.client_protocol,
            capabilities: info
                .capabilities
                .iter()
                .take(CAPABILITIES_MAX)
                .copied()
                .collect(),
            streams_apart: streams_apart(info.protocol, &info.browser),
        },
        metadata: request.metadata.clone(),
        attributes: attributes
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    })
}

/// The tracks go before the offer that carries them.
fn first(request: proto::JoinRequest) -> Result<Vec<Inbound>, Refusal> {
    if request.add_track_requests.len() > JOIN_TRACKS_MAX {
        return Err(too_large());
    }
    let sync = request
        .sync_state
        .as_ref()
        .map(|s| Inbound::Request(inbound::sync(s)));
    let tracks = request
        .add_track_requests
        .into_iter()
        .map(inbound::add_track);
    let offer = request
        .publisher_offer
        .filter(|offer| !offer.sdp.is_empty());
    Ok(sync
        .into_iter()
        .chain(tracks)
        .chain(offer.map(inbound::offer))
        .collect())
}

fn bad_join_request() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "signal.bad_join_request",
        "入会请求无法读取。",
        "The join request cannot be read.",
    )
}

fn too_large() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "signal.join_request_too_large",
        "入会请求过大。",
        "The join request is too large.",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::media::signal::Request;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn wrap(compression: proto::wrapped_join_request::Compression, bytes: Vec<u8>) -> EntryQuery {
        let wrapped = proto::WrappedJoinRequest {
            compression: compression.into(),
            join_request: bytes,
        };
        EntryQuery {
            join_request: Some(URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec())),
            ..Default::default()
        }
    }

    fn request() -> proto::JoinRequest {
        proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                protocol: 17,
                client_protocol: 2,
                capabilities: vec![2],
                ..Default::default()
            }),
            connection_settings: Some(proto::ConnectionSettings::default()),
            add_track_requests: vec![proto::AddTrackRequest {
                cid: "c".to_owned(),
                ..Default::default()
            }],
            publisher_offer: Some(proto::SessionDescription {
                sdp: "v=0".to_owned(),
                id: 3,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn code(query: &EntryQuery) -> &'static str {
        Entry::single(query).unwrap_err().code
    }

    #[test]
    fn a_compressed_join_request_brings_tracks_before_its_offer() {
        use proto::wrapped_join_request::Compression;
        let bytes = request().encode_to_vec();
        for (compression, bytes) in [
            (Compression::Gzip, gzip(&bytes)),
            (Compression::None, bytes.clone()),
        ] {
            let entry = Entry::single(&wrap(compression, bytes)).unwrap();
            assert_eq!(entry.purpose, Purpose::Join);
            assert!(!entry.arrival.auto_subscribe);
            assert_eq!(entry.arrival.client.capabilities, [2]);
            assert!(matches!(
                entry.first.as_slice(),
                [
                    Inbound::Request(Request::AddTrack(_)),
                    Inbound::Request(Request::Offer { id: 3, .. })
                ]
            ));
        }
    }

    #[test]
    fn padding_and_the_other_alphabet_are_read_too() {
        use base64::engine::general_purpose::STANDARD;
        let wrapped = proto::WrappedJoinRequest {
            compression: 0,
            join_request: request().encode_to_vec(),
        };
        let standard = STANDARD.encode(wrapped.encode_to_vec()).replace('+', " ");
        let query = EntryQuery {
            join_request: Some(standard),
            ..Default::default()
        };
        assert_eq!(Entry::single(&query).unwrap().first.len(), 2);
    }

    #[test]
    fn a_bomb_and_a_huge_parameter_are_refused_as_too_large() {
        use proto::wrapped_join_request::Compression;
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert_eq!(
            code(&wrap(Compression::Gzip, bomb)),
            "signal.join_request_too_large"
        );
        let huge = EntryQuery {
            join_request: Some("A".repeat(1_000_000)),
            ..Default::default()
        };
        assert_eq!(code(&huge), "signal.join_request_too_large");
    }

    #[test]
    fn broken_join_requests_are_refused_as_unreadable() {
        use proto::wrapped_join_request::Compression;
        assert_eq!(code(&EntryQuery::default()), "signal.bad_join_request");
        for broken in ["%%%", "AAAA", "////", "é"] {
            let query = EntryQuery {
                join_request: Some(broken.to_owned()),
                ..Default::default()
            };
            assert_eq!(code(&query), "signal.bad_join_request", "{broken}");
        }
        let not_gzip = wrap(Compression::Gzip, vec![1, 2, 3]);
        assert_eq!(code(&not_gzip), "signal.bad_join_request");
        let mut cut = gzip(&request().encode_to_vec());
        cut.truncate(cut.len() / 2);
        assert_eq!(
            code(&wrap(Compression::Gzip, cut)),
            "signal.bad_join_request"
        );
    }

    #[test]
    fn the_query_of_the_older_entry_is_read() {
        let query = EntryQuery {
            auto_subscribe: Some("0".to_owned()),
            protocol: Some("13".to_owned()),
            capabilities: Some("1,2,x".to_owned()),
            ..Default::default()
        };
        let entry = Entry::dual(&query);
        assert!(!entry.arrival.auto_subscribe);
        assert_eq!(entry.arrival.client.protocol, 13);
        assert_eq!(entry.arrival.client.capabilities, [1, 2]);
        assert!(!entry.arrival.client.streams_apart);
        assert!(Entry::dual(&EntryQuery::default()).arrival.auto_subscribe);
    }

    #[test]
    fn a_resume_names_its_stay_and_a_name_that_cannot_be_is_still_a_resume() {
        let stay = ParticipantId(uuid::Uuid::from_u128(5));
        for (sid, expected) in [(stay.sid(), Some(stay)), ("PA_abc".to_owned(), None)] {
            let query = EntryQuery {
                reconnect: Some("1".to_owned()),
                sid: Some(sid),
                ..Default::default()
            };
            assert_eq!(Entry::dual(&query).purpose, Purpose::Resume(expected));
        }
    }
}
