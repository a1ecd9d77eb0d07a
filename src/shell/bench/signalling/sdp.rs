//! Session descriptions of load clients.

use std::fmt::Write as _;

use super::{Kind, LOAD_PASSWORD, OPUS_PAYLOAD_TYPE, Offer, SignalError, VP8_PAYLOAD_TYPE};
use crate::shell::bench::client::Remote;

const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Id of that extension in every offer.
const TRANSPORT_CC_ID: u8 = 3;
/// Payload type of retransmissions of video in every offer.
const RTX_PAYLOAD_TYPE: u8 = 97;

/// A media section of an offer.
#[derive(Clone, Debug)]
pub struct Section {
    /// Audio or video.
    pub kind: Kind,
    /// What flows.
    pub flow: Flow,
}

/// What flows on a section.
#[derive(Clone, Debug)]
pub enum Flow {
    /// The client sends.
    Sends {
        /// Its SSRC.
        ssrc: u32,
        /// Its name of the track.
        cid: String,
    },
    /// It is there to receive.
    Receives,
    /// Nothing any more.
    Idle,
}

impl Offer {
    /// The offer with these sections; their order is their `mid`. The client is always the one that
    /// begins DTLS: `setup` is `actpass`, as browsers have it, or `active` for a server that would
    /// choose to begin itself.
    pub fn describe(&self, sections: &[Section], version: u32, setup: &str) -> String {
        let mut sdp =
            format!("v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
        // Writing to a string cannot fail.
        for mid in 0..sections.len() {
            let _ = write!(sdp, " {mid}");
        }
        sdp.push_str("\r\na=msid-semantic: WMS *\r\n");
        for (mid, section) in sections.iter().enumerate() {
            let _ = self.write_section(&mut sdp, mid, section, setup);
        }
        sdp
    }

    fn write_section(
        &self,
        sdp: &mut String,
        mid: usize,
        section: &Section,
        setup: &str,
    ) -> std::fmt::Result {
        let numbered = self.part.feedback || !matches!(section.flow, Flow::Receives);
        let (media, formats) = match (section.kind, self.part.feedback) {
            (Kind::Audio, _) => ("audio", format!("{OPUS_PAYLOAD_TYPE}")),
            (Kind::Video, false) => ("video", format!("{VP8_PAYLOAD_TYPE}")),
            (Kind::Video, true) => ("video", format!("{VP8_PAYLOAD_TYPE} {RTX_PAYLOAD_TYPE}")),
        };
        write!(sdp, "m={media} 9 UDP/TLS/RTP/SAVPF {formats}\r\n")?;
        sdp.push_str("c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n");
        self.write_transport(sdp, setup)?;
        write!(sdp, "a=mid:{mid}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")?;
        match section.kind {
            Kind::Audio => write!(sdp, "a=rtpmap:{OPUS_PAYLOAD_TYPE} opus/48000/2\r\n")?,
            Kind::Video => self.write_vp8(sdp, numbered)?,
        }
        if numbered && section.kind == Kind::Video {
            write!(sdp, "a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n")?;
        }
        match &section.flow {
            Flow::Sends { ssrc, cid } => write!(
                sdp,
                "a=sendonly\r\na=msid:load {cid}\r\na=ssrc:{ssrc} cname:load\r\n\
                 a=ssrc:{ssrc} msid:load {cid}\r\n"
            ),
            Flow::Receives => write!(sdp, "a=recvonly\r\n"),
            Flow::Idle => write!(sdp, "a=inactive\r\n"),
        }
    }

    fn write_vp8(&self, sdp: &mut String, numbered: bool) -> std::fmt::Result {
        let (vp8, rtx) = (VP8_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE);
        write!(sdp, "a=rtpmap:{vp8} VP8/90000\r\n")?;
        let numbers = numbered.then_some("transport-cc");
        for feedback in ["nack", "nack pli", "ccm fir"].into_iter().chain(numbers) {
            write!(sdp, "a=rtcp-fb:{vp8} {feedback}\r\n")?;
        }
        if self.part.feedback {
            write!(
                sdp,
                "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={vp8}\r\n"
            )?;
        }
        Ok(())
    }

    fn write_transport(&self, sdp: &mut String, setup: &str) -> std::fmt::Result {
        write!(
            sdp,
            "a=ice-ufrag:{}\r\na=ice-pwd:{LOAD_PASSWORD}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
            self.ufrag, self.fingerprint
        )
    }

    /// The answer that takes all media of a server's offer.
    pub fn answer(&self, offered: &str) -> String {
        let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
        for line in offered.lines() {
            if line.starts_with("a=group:BUNDLE") {
                let _ = write!(sdp, "{line}\r\n");
            } else if line.starts_with("m=") {
                let _ = write!(sdp, "{line}\r\nc=IN IP4 0.0.0.0\r\n");
                let _ = self.write_transport(&mut sdp, "active");
                sdp.push_str("a=recvonly\r\n");
            } else if self.takes(line) {
                let _ = write!(sdp, "{line}\r\n");
            }
        }
        sdp
    }

    fn takes(&self, line: &str) -> bool {
        const TAKEN: [&str; 5] = [
            "a=mid:",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=rtpmap:",
            "a=fmtp:",
        ];
        if line.starts_with("a=extmap:") || line.starts_with("a=rtcp-fb:") {
            let numbers = line.contains("transport-wide-cc") || line.ends_with("transport-cc");
            return if numbers {
                self.part.feedback
            } else {
                line.starts_with("a=rtcp-fb:")
            };
        }
        TAKEN.iter().any(|taken| line.starts_with(taken))
    }
}

/// What a client needs of a server's description.
pub fn remote(sdp: &str) -> Result<Remote, SignalError> {
    let values = |key: &'static str| {
        sdp.lines()
            .filter_map(move |line| line.strip_prefix(key))
            .map(str::trim)
    };
    let value = |key| values(key).next().ok_or(SignalError::Incomplete(key));
    let address = values("a=candidate:").find_map(|candidate| {
        let fields: Vec<&str> = candidate.split(' ').collect();
        let (transport, host, port) = (fields.get(2)?, fields.get(4)?, fields.get(5)?);
        let udp = transport.eq_ignore_ascii_case("udp");
        udp.then(|| format!("{host}:{port}").parse().ok()).flatten()
    });
    let transport_cc = values("a=extmap:").find_map(|line| {
        let (id, uri) = line.split_once(' ')?;
        (uri == TRANSPORT_CC).then(|| id.parse().ok()).flatten()
    });
    let repair_type = values("a=rtpmap:").find_map(|line| {
        let (number, name) = line.split_once(' ')?;
        name.starts_with("rtx/")
            .then(|| number.parse().ok())
            .flatten()
    });
    Ok(Remote {
        address: address.ok_or(SignalError::Incomplete("an IPv4 candidate"))?,
        ufrag: value("a=ice-ufrag:")?.to_owned(),
        pwd: value("a=ice-pwd:")?.to_owned(),
        transport_cc,
        repair_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::bench::signalling::Part;

    fn client(feedback: bool) -> Offer {
        Offer {
            room: "room".to_owned(),
            part: Part {
                feedback,
                ..Part::default()
            },
            ufrag: "load".to_owned(),
            fingerprint: "00".to_owned(),
        }
    }

    const OFFERED: &str = "v=0\r\na=group:BUNDLE v\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
        a=mid:v\r\na=ice-ufrag:there\r\na=ice-pwd:secret\r\n\
        a=candidate:1 1 tcp 1 192.0.2.1 9 typ host\r\n\
        a=candidate:2 1 udp 1 192.0.2.1 5000 typ host\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 transport-cc\r\n\
        a=rtpmap:97 rtx/90000\r\n\
        a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=sendonly\r\na=ssrc:1 cname:x\r\n";

    #[test]
    fn an_answer_takes_transport_wide_numbers_only_with_feedback() {
        let plain = client(false).answer(OFFERED);
        assert!(plain.contains("a=rtcp-fb:96 nack\r\n"), "{plain}");
        assert!(!plain.contains("transport"), "{plain}");
        let fed_back = client(true).answer(OFFERED);
        assert!(fed_back.contains("a=extmap:5 "), "{fed_back}");
        assert!(fed_back.contains("a=setup:active\r\n"), "{fed_back}");
        assert!(!fed_back.contains("there"), "{fed_back}");
    }

    #[test]
    fn a_description_tells_the_udp_candidate_and_what_was_agreed_on() {
        let remote = remote(OFFERED).unwrap();
        assert_eq!(remote.address.to_string(), "192.0.2.1:5000");
        assert_eq!(remote.transport_cc, Some(5));
        assert_eq!(remote.repair_type, Some(97));
    }
}
