//! `mingtang bench answer`: what it costs to answer a client that has many media sections when one
//! more is offered.

use std::time::Instant;

use serde::Serialize;

use super::report::{Report, Row, percentile_ms, row};
use crate::domain::id::{TrackId, TransportId};
use crate::media::command::{Fingerprint, HostCandidates, IceCredentials, MediaKind};
use crate::media::negotiation::{Answering, Local, Outgoing};
use crate::media::placement::Shards;
use crate::media::sdp::{
    Description, Direction, Extension, Format, Section, SectionKind, Setup, TransportLines,
};
use crate::shell::entropy::OsEntropy;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct AnswerOptions {
    /// Sections that the client has already, every second one with a stream of ours.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub sections: u8,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerReport {
    /// Sections before.
    pub sections: u8,
    /// Bytes of the offer.
    pub offer_bytes: usize,
    /// Reading an offer with one section more, placing a stream and writing the answer, median,
    /// milliseconds.
    pub answer_ms_p50: f64,
    /// The same, worst of all rounds.
    pub answer_ms_max: f64,
    /// The same as the first offer of a connection, which is read whole, median.
    pub whole_ms_p50: f64,
}

/// Formats that a browser offers in a video section.
const FORMATS: u8 = 20;
const ROUNDS: usize = 50;

/// Runs the measurement.
///
/// # Errors
///
/// When an offer is refused, which would be a mistake of the measurement.
pub fn run(options: &AnswerOptions) -> anyhow::Result<AnswerReport> {
    let (before, after) = (offer(options.sections), offer(options.sections + 1));
    let (mut news, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut connection = Answering::new(local());
        connection.offer(&before)?;
        for place in 0..options.sections / 2 {
            connection.attach(MediaKind::Video, outgoing(u128::from(place)));
        }
        connection.answer();
        let started = Instant::now();
        connection.offer(&after)?;
        connection.attach(MediaKind::Video, outgoing(1_000 + round as u128));
        let (answer, _) = connection.answer();
        news.push(started.elapsed());
        let started = Instant::now();
        let mut fresh = Answering::new(local());
        fresh.offer(&after)?;
        let again = fresh.answer();
        whole.push(started.elapsed());
        anyhow::ensure!(answer.len() >= again.0.len(), "an answer is incomplete");
    }
    Ok(AnswerReport {
        sections: options.sections,
        offer_bytes: after.len(),
        answer_ms_p50: percentile_ms(&news, 0.5),
        answer_ms_max: percentile_ms(&news, 1.0),
        whole_ms_p50: percentile_ms(&whole, 0.5),
    })
}

fn local() -> Local {
    let shards = Shards::new([HostCandidates {
        udp: vec![([127, 0, 0, 1], 7000).into()],
        tcp: Vec::new(),
    }]);
    let place = shards.place(shards.quietest());
    Local::new(TransportId(1), Fingerprint([7; 32]), place, &OsEntropy)
}

fn outgoing(number: u128) -> Outgoing {
    let track = TrackId(uuid::Uuid::from_u128(number));
    Outgoing {
        track,
        stream: format!("PA_{number}|camera"),
        cname: format!("PA_{number}"),
        ssrc: number as u32 * 2 + 1,
        rtx_ssrc: Some(number as u32 * 2 + 2),
        stereo: false,
    }
}

/// An offer as large as a browser's: it names all its formats in every section.
fn offer(sections: u8) -> String {
    let mids: Vec<String> = (0..sections).map(|place| place.to_string()).collect();
    Description {
        session_id: 1,
        session_version: u64::from(sections),
        bundle: mids.clone(),
        sections: mids.into_iter().map(section).collect(),
        ..Description::default()
    }
    .write()
}

fn section(mid: String) -> Section {
    let extension = |id: u8, uri: &str| Extension {
        id,
        uri: uri.to_owned(),
    };
    Section {
        kind: SectionKind::Video,
        mid,
        direction: Direction::Receive,
        transport: TransportLines {
            ice: Some(IceCredentials {
                ufrag: "clnt".to_owned(),
                pwd: "an-ice-password-of-24-characters".replace('-', "+"),
            }),
            fingerprints: vec![Fingerprint([9; 32])],
            setup: Some(Setup::ActPass),
        },
        rtcp_mux: true,
        formats: (0..FORMATS).map(format).collect(),
        extensions: vec![
            extension(4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
            extension(10, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
            extension(11, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
        ],
        ..Section::default()
    }
}

/// VP8 and its retransmissions first, then what is not taken.
fn format(place: u8) -> Format {
    let names = ["VP8", "rtx", "VP9", "rtx", "AV1", "rtx"];
    let name = names[usize::from(place) % names.len()];
    let name = if place >= 6 && name == "VP8" {
        "H265"
    } else {
        name
    };
    let feedback = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"];
    Format {
        payload_type: 70 + place,
        name: name.to_owned(),
        clock_rate_hz: 90_000,
        channels: 1,
        parameters: match name {
            "rtx" => format!("apt={}", 69 + place),
            _ => "level-asymmetry-allowed=1;profile-id=0".to_owned(),
        },
        feedback: feedback.map(str::to_owned).to_vec(),
    }
}

impl Report for AnswerReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("sections before", f64::from(self.sections), ""),
            row("offer", self.offer_bytes as f64, "bytes"),
            row("answer to one more, p50", self.answer_ms_p50, "ms"),
            row("answer to one more, worst", self.answer_ms_max, "ms"),
            row("the same read whole, p50", self.whole_ms_p50, "ms"),
        ]
    }
}
