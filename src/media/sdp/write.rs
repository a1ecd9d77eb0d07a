//! The writer of session descriptions.

use std::fmt::{self, Write};

use super::{Description, Direction, Section, SectionKind, Setup, TransportLines};
use crate::media::command::{Fingerprint, HostCandidates};

impl Description {
    /// The description as text, lines ending in CRLF.
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(256 + 1536 * self.sections.len());
        // Writing to a string cannot fail.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, out: &mut String) -> fmt::Result {
        write!(
            out,
            "v=0\r\no=- {} {} ",
            self.session_id, self.session_version
        )?;
        out.push_str("IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        if !self.bundle.is_empty() {
            writeln_crlf(
                out,
                format_args!("a=group:BUNDLE {}", self.bundle.join(" ")),
            )?;
        }
        if self.ice_lite {
            out.push_str("a=ice-lite\r\n");
        }
        out.push_str("a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
        self.sections
            .iter()
            .try_for_each(|section| section.write_to(out))
    }
}

impl Section {
    fn write_to(&self, out: &mut String) -> fmt::Result {
        let port = if self.rejected { 0 } else { 9 };
        match self.kind {
            SectionKind::Audio => write!(out, "m=audio {port} UDP/TLS/RTP/SAVPF")?,
            SectionKind::Video => write!(out, "m=video {port} UDP/TLS/RTP/SAVPF")?,
            SectionKind::Data => {
                write!(out, "m=application {port} UDP/DTLS/SCTP webrtc-datachannel")?;
            }
            SectionKind::Other => write!(out, "m=application {port} UDP/TLS/RTP/SAVPF")?,
        }
        for format in &self.formats {
            write!(out, " {}", format.payload_type)?;
        }
        if self.formats.is_empty() && self.rejected && self.kind != SectionKind::Data {
            // RFC 8866 section 5.14 wants a format even where nothing is meant.
            out.push_str(" 0");
        }
        out.push_str("\r\nc=IN IP4 0.0.0.0\r\n");
        if !self.mid.is_empty() {
            writeln_crlf(out, format_args!("a=mid:{}", self.mid))?;
        }
        if !self.rejected {
            self.transport.write_to(out)?;
            candidates(out, &self.candidates)?;
        }
        match self.kind {
            SectionKind::Audio | SectionKind::Video => self.write_media(out),
            SectionKind::Data => self.write_data(out),
            SectionKind::Other => Ok(()),
        }
    }

    fn write_data(&self, out: &mut String) -> fmt::Result {
        out.push_str("a=sctp-port:5000\r\n");
        if let Some(bytes) = self.message_bytes_max {
            writeln_crlf(out, format_args!("a=max-message-size:{bytes}"))?;
        }
        Ok(())
    }

    fn write_media(&self, out: &mut String) -> fmt::Result {
        for extension in &self.extensions {
            writeln_crlf(
                out,
                format_args!("a=extmap:{} {}", extension.id, extension.uri),
            )?;
        }
        out.push_str(match self.direction {
            Direction::SendReceive => "a=sendrecv\r\n",
            Direction::Send => "a=sendonly\r\n",
            Direction::Receive => "a=recvonly\r\n",
            Direction::Inactive => "a=inactive\r\n",
        });
        if let Some((stream, track)) = &self.msid {
            writeln_crlf(out, format_args!("a=msid:{stream} {track}"))?;
        }
        if self.rtcp_mux {
            out.push_str("a=rtcp-mux\r\na=rtcp-rsize\r\n");
        }
        self.write_formats(out)?;
        self.write_rids(out)?;
        for (semantics, members) in &self.ssrc_groups {
            write!(out, "a=ssrc-group:{semantics}")?;
            members
                .iter()
                .try_for_each(|member| write!(out, " {member}"))?;
            out.push_str("\r\n");
        }
        for (ssrc, cname) in &self.ssrcs {
            writeln_crlf(out, format_args!("a=ssrc:{ssrc} cname:{cname}"))?;
            if let Some((stream, track)) = &self.msid {
                writeln_crlf(out, format_args!("a=ssrc:{ssrc} msid:{stream} {track}"))?;
            }
        }
        Ok(())
    }

    fn write_formats(&self, out: &mut String) -> fmt::Result {
        for format in self.formats.iter().filter(|format| !format.name.is_empty()) {
            let number = format.payload_type;
            write!(
                out,
                "a=rtpmap:{number} {}/{}",
                format.name, format.clock_rate_hz
            )?;
            if format.channels > 1 {
                write!(out, "/{}", format.channels)?;
            }
            out.push_str("\r\n");
            for feedback in &format.feedback {
                writeln_crlf(out, format_args!("a=rtcp-fb:{number} {feedback}"))?;
            }
            if !format.parameters.is_empty() {
                writeln_crlf(out, format_args!("a=fmtp:{number} {}", format.parameters))?;
            }
        }
        Ok(())
    }

    fn write_rids(&self, out: &mut String) -> fmt::Result {
        for rid in &self.rids {
            let way = if rid.sends { "send" } else { "recv" };
            writeln_crlf(out, format_args!("a=rid:{} {way}", rid.id))?;
        }
        let list = |sends: bool| -> Option<String> {
            let ids = self.rids.iter().filter(|rid| rid.sends == sends);
            let ids: Vec<&str> = ids.map(|rid| rid.id.as_str()).collect();
            (!ids.is_empty()).then(|| ids.join(";"))
        };
        match (list(true), list(false)) {
            (None, None) => Ok(()),
            (Some(send), None) => writeln_crlf(out, format_args!("a=simulcast:send {send}")),
            (None, Some(recv)) => writeln_crlf(out, format_args!("a=simulcast:recv {recv}")),
            (Some(send), Some(recv)) => {
                writeln_crlf(out, format_args!("a=simulcast:send {send} recv {recv}"))
            }
        }
    }
}

impl TransportLines {
    pub(super) fn write_to(&self, out: &mut String) -> fmt::Result {
        if let Some(ice) = &self.ice {
            writeln_crlf(out, format_args!("a=ice-ufrag:{}", ice.ufrag))?;
            writeln_crlf(out, format_args!("a=ice-pwd:{}", ice.pwd))?;
        }
        for Fingerprint(bytes) in &self.fingerprints {
            out.push_str("a=fingerprint:sha-256 ");
            for (place, byte) in bytes.iter().enumerate() {
                let colon = if place == 0 { "" } else { ":" };
                write!(out, "{colon}{byte:02X}")?;
            }
            out.push_str("\r\n");
        }
        match self.setup {
            Some(Setup::ActPass) => out.push_str("a=setup:actpass\r\n"),
            Some(Setup::Active) => out.push_str("a=setup:active\r\n"),
            Some(Setup::Passive) => out.push_str("a=setup:passive\r\n"),
            None => {}
        }
        Ok(())
    }
}

/// Type preference of host addresses for UDP (RFC 8445 section 5.1.2.2).
const HOST_UDP: u32 = 126;
/// Type preference of host addresses for TCP: below everything of a client that goes by UDP without
/// a relay, above relays (RFC 6544 section 4.2).
const HOST_TCP: u32 = 90;
/// Local preference of the first address.
const LOCAL_UDP: u32 = 65_535;
/// The same for `tcptype passive`: direction preference 4, and the most of the other bits.
const LOCAL_TCP: u32 = (4 << 13) | 8_191;

/// Host candidates in order of preference, and that there are no more (RFC 8839 section 5.1).
pub(super) fn candidates(out: &mut String, hosts: &HostCandidates) -> fmt::Result {
    let udp = hosts.udp.iter().zip(priorities(HOST_UDP, LOCAL_UDP));
    let tcp = hosts.tcp.iter().zip(priorities(HOST_TCP, LOCAL_TCP));
    let udp = udp.map(|(address, priority)| ("udp", address, priority, ""));
    let tcp = tcp.map(|(address, priority)| ("tcp", address, priority, " tcptype passive"));
    for (place, (protocol, address, priority, kind)) in udp.chain(tcp).enumerate() {
        let (ip, port, number) = (address.ip(), address.port(), place + 1);
        writeln_crlf(
            out,
            format_args!("a=candidate:{number} 1 {protocol} {priority} {ip} {port} typ host{kind}"),
        )?;
    }
    if !hosts.udp.is_empty() || !hosts.tcp.is_empty() {
        out.push_str("a=end-of-candidates\r\n");
    }
    Ok(())
}

/// Falling priorities of component 1 (RFC 8445 section 5.1.2.1).
fn priorities(kind: u32, first: u32) -> impl Iterator<Item = u32> {
    (0..=first)
        .rev()
        .map(move |local| (kind << 24) | (local << 8) | 255)
}

fn writeln_crlf(out: &mut String, line: fmt::Arguments<'_>) -> fmt::Result {
    out.write_fmt(line)?;
    out.push_str("\r\n");
    Ok(())
}
