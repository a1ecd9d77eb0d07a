//! The reader of session descriptions.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{
    DESCRIPTION_BYTES_MAX, Description, Direction, Extension, Format, LINE_BYTES_MAX, LIST_MAX,
    MID_BYTES_MAX, Rid, SECTIONS_MAX, SdpError, Section, SectionKind, Setup, TransportLines,
};
use crate::media::command::{Fingerprint, IceCredentials};

/// Reads a description of at most [`DESCRIPTION_BYTES_MAX`] bytes; lines may end in LF alone.
pub fn parse(text: &str) -> Result<Description, SdpError> {
    let outline = Outline::of(text)?;
    let head = outline.head()?;
    let sections = outline
        .sections()
        .iter()
        .map(|section| head.section(section));
    let sections = sections.collect::<Result<Vec<Section>, SdpError>>()?;
    mids_are_unique(sections.iter().map(|section| section.mid.as_str()))?;
    Ok(Description {
        sections,
        ..head.description
    })
}

/// A description cut at its media sections and not read any further: who has read a section before
/// knows it by its digest and need not read it again.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    head: &'a str,
    sections: Vec<&'a str>,
}

impl<'a> Outline<'a> {
    /// Cuts a text of at most [`DESCRIPTION_BYTES_MAX`] bytes and [`SECTIONS_MAX`] sections.
    pub fn of(text: &'a str) -> Result<Self, SdpError> {
        if text.len() > DESCRIPTION_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        let mut starts = text.match_indices("\nm=").map(|(at, _)| at + 1);
        let mut start = starts.next().unwrap_or(text.len());
        let head = text.get(..start).unwrap_or(text);
        let mut sections = Vec::new();
        while start < text.len() {
            if sections.len() == SECTIONS_MAX {
                return Err(SdpError::TooLong);
            }
            let end = starts.next().unwrap_or(text.len());
            sections.extend(text.get(start..end));
            start = end;
        }
        Ok(Self { head, sections })
    }

    /// The texts of the media sections.
    pub fn sections(&self) -> &[&'a str] {
        &self.sections
    }

    /// Reads the session part.
    pub fn head(&self) -> Result<Head, SdpError> {
        let mut lines = self.head.lines();
        if lines.next() != Some("v=0") {
            return Err(SdpError::Malformed("v"));
        }
        let mut head = Head::default();
        for line in lines {
            session_line(line, &mut head.description, &mut head.inherited)?;
        }
        Ok(head)
    }

    /// One number for each section's text with all that it inherits. Equal numbers mean equal texts
    /// as far as a client does not deceive itself on purpose.
    pub fn digests(&self) -> impl Iterator<Item = u64> + '_ {
        let mut inherited = DefaultHasher::new();
        let attributes = self.head.lines().filter(|line| line.starts_with("a="));
        for line in attributes.filter(|line| !line.starts_with("a=group:")) {
            line.hash(&mut inherited);
        }
        self.sections.iter().map(move |section| {
            let mut digest = inherited.clone();
            section.hash(&mut digest);
            digest.finish()
        })
    }
}

/// The session part of a description.
#[derive(Default)]
pub struct Head {
    /// All but the sections.
    pub description: Description,
    inherited: Attributes,
}

impl Head {
    /// Reads the text of a media section.
    pub fn section(&self, text: &str) -> Result<Section, SdpError> {
        let mut lines = text.lines();
        let (mut section, formats) = media_line(lines.next().unwrap_or_default())?;
        let mut attributes = Attributes::default();
        for line in lines {
            if let Some(attribute) = attribute(line)? {
                section_attribute(attribute, &mut section, &mut attributes)?;
            }
        }
        attributes.finish(&self.inherited, &formats, &mut section)?;
        Ok(section)
    }
}

/// Attributes that are put together only when their section (or the session part) is over.
#[derive(Default)]
struct Attributes {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    direction: Option<Direction>,
    maps: Vec<Format>,
    parameters: Vec<(u8, String)>,
    feedback: Vec<(Option<u8>, String)>,
    simulcast: Vec<String>,
    ssrc_msid: Option<(String, String)>,
}

impl Attributes {
    fn finish(
        self,
        session: &Self,
        payload_types: &[u8],
        section: &mut Section,
    ) -> Result<(), SdpError> {
        let ufrag = self.ufrag.or_else(|| session.ufrag.clone());
        let pwd = self.pwd.or_else(|| session.pwd.clone());
        section.transport = TransportLines {
            ice: ufrag
                .zip(pwd)
                .map(|(ufrag, pwd)| IceCredentials { ufrag, pwd }),
            fingerprints: if self.fingerprints.is_empty() {
                session.fingerprints.clone()
            } else {
                self.fingerprints
            },
            setup: self.setup.or(session.setup),
        };
        section.direction = self.direction.or(session.direction).unwrap_or_default();
        if section.msid.is_none() {
            section.msid = self.ssrc_msid;
        }
        let order = |rid: &Rid| {
            let place = self.simulcast.iter().position(|id| *id == rid.id);
            place.unwrap_or(usize::MAX)
        };
        section.rids.sort_by_key(order);
        for payload_type in payload_types {
            let mapped = self.maps.iter().find(|f| f.payload_type == *payload_type);
            let mut format = mapped.cloned().unwrap_or(Format {
                payload_type: *payload_type,
                ..Format::default()
            });
            let said = self.parameters.iter().find(|(of, _)| of == payload_type);
            format.parameters = said.map(|(_, text)| text.clone()).unwrap_or_default();
            let of_all_or_this = |of: &Option<u8>| of.is_none_or(|of| of == *payload_type);
            let feedback = self.feedback.iter().filter(|(of, _)| of_all_or_this(of));
            format.feedback = feedback.map(|(_, value)| value.clone()).collect();
            push(&mut section.formats, format)?;
        }
        Ok(())
    }
}

fn session_line(
    line: &str,
    description: &mut Description,
    session: &mut Attributes,
) -> Result<(), SdpError> {
    if let Some(origin) = line.strip_prefix("o=") {
        let mut fields = origin.split(' ').skip(1);
        let mut number = || fields.next().and_then(|field| field.parse().ok());
        description.session_id = number().unwrap_or(0);
        description.session_version = number().unwrap_or(0);
        return Ok(());
    }
    let Some((name, value)) = attribute(line)? else {
        return Ok(());
    };
    match name {
        "ice-lite" => description.ice_lite = true,
        "group" => {
            if let Some(mids) = value.strip_prefix("BUNDLE") {
                for mid in mids.split_ascii_whitespace() {
                    if description.bundle.len() == SECTIONS_MAX {
                        return Err(SdpError::TooLong);
                    }
                    description.bundle.push(mid_of(mid)?);
                }
            }
        }
        _ => {
            transport_attribute((name, value), session)?;
        }
    }
    Ok(())
}

/// `m=<kind> <port> <protocol> <formats…>`
fn media_line(line: &str) -> Result<(Section, Vec<u8>), SdpError> {
    let malformed = SdpError::Malformed("m");
    bounded(line)?;
    let mut fields = line.strip_prefix("m=").ok_or(malformed)?.split(' ');
    let kind = fields.next().ok_or(malformed)?;
    let port = fields.next().ok_or(malformed)?;
    let port = port.split('/').next().unwrap_or(port);
    let port: u16 = port.parse().map_err(|_| malformed)?;
    let protocol = fields.next().ok_or(malformed)?;
    let kind = match (kind, protocol) {
        ("audio", _) if protocol.contains("RTP/SAVP") => SectionKind::Audio,
        ("video", _) if protocol.contains("RTP/SAVP") => SectionKind::Video,
        ("application", _) if protocol.ends_with("DTLS/SCTP") => SectionKind::Data,
        _ => SectionKind::Other,
    };
    let mut formats = Vec::new();
    if matches!(kind, SectionKind::Audio | SectionKind::Video) {
        for format in fields.filter(|field| !field.is_empty()) {
            push(&mut formats, payload_type(format).ok_or(malformed)?)?;
        }
    }
    let section = Section {
        kind,
        rejected: port == 0,
        ..Section::default()
    };
    Ok((section, formats))
}

fn section_attribute(
    (name, value): (&str, &str),
    section: &mut Section,
    attributes: &mut Attributes,
) -> Result<(), SdpError> {
    match name {
        "mid" => section.mid = mid_of(value)?,
        "rtcp-mux" => section.rtcp_mux = true,
        "bundle-only" => section.rejected = false,
        "max-message-size" => section.message_bytes_max = value.parse().ok(),
        "extmap" => {
            if let Some(extension) = extension(value)? {
                push(&mut section.extensions, extension)?;
            }
        }
        "msid" => {
            section.msid.get_or_insert_with(|| stream_and_track(value));
        }
        "rid" => {
            if let Some(rid) = rid(value) {
                push(&mut section.rids, rid)?;
            }
        }
        "ssrc" => ssrc(value, section, attributes)?,
        "ssrc-group" => {
            let mut fields = value.split_ascii_whitespace();
            let semantics = fields.next().unwrap_or_default().to_owned();
            let members = fields.filter_map(|field| field.parse().ok()).take(LIST_MAX);
            push(&mut section.ssrc_groups, (semantics, members.collect()))?;
        }
        "rtpmap" => push(&mut attributes.maps, format(value)?)?,
        "fmtp" => {
            let (of, text) = value.split_once(' ').unwrap_or((value, ""));
            let of = payload_type(of).ok_or(SdpError::Malformed("fmtp"))?;
            push(&mut attributes.parameters, (of, text.to_owned()))?;
        }
        "rtcp-fb" => {
            let malformed = SdpError::Malformed("rtcp-fb");
            let (of, feedback) = value.split_once(' ').ok_or(malformed)?;
            let of = match of {
                "*" => None,
                _ => Some(payload_type(of).ok_or(malformed)?),
            };
            push(&mut attributes.feedback, (of, feedback.trim().to_owned()))?;
        }
        "simulcast" => attributes.simulcast = simulcast(value)?,
        _ => transport_attribute((name, value), attributes)?,
    }
    Ok(())
}

/// Attributes that may stand in the session part too.
fn transport_attribute(
    (name, value): (&str, &str),
    attributes: &mut Attributes,
) -> Result<(), SdpError> {
    match name {
        "ice-ufrag" => attributes.ufrag = Some(ice_word(value, 4)?),
        "ice-pwd" => attributes.pwd = Some(ice_word(value, 22)?),
        "fingerprint" => {
            if let Some(fingerprint) = fingerprint(value)? {
                if attributes.fingerprints.len() == FINGERPRINTS_MAX {
                    return Err(SdpError::TooLong);
                }
                attributes.fingerprints.push(fingerprint);
            }
        }
        "setup" => {
            attributes.setup = match value {
                "actpass" => Some(Setup::ActPass),
                "active" => Some(Setup::Active),
                "passive" => Some(Setup::Passive),
                _ => return Err(SdpError::Malformed("setup")),
            }
        }
        "sendrecv" => attributes.direction = Some(Direction::SendReceive),
        "sendonly" => attributes.direction = Some(Direction::Send),
        "recvonly" => attributes.direction = Some(Direction::Receive),
        "inactive" => attributes.direction = Some(Direction::Inactive),
        _ => {}
    }
    Ok(())
}

/// Most fingerprints of one section.
const FINGERPRINTS_MAX: usize = 8;

/// Name and value of an `a=` line; `None` for other lines.
pub(super) fn attribute(line: &str) -> Result<Option<(&str, &str)>, SdpError> {
    bounded(line)?;
    let attribute = line.strip_prefix("a=");
    Ok(attribute.map(|text| text.split_once(':').unwrap_or((text, ""))))
}

pub(super) fn bounded(line: &str) -> Result<(), SdpError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    Ok(())
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), SdpError> {
    if list.len() == LIST_MAX {
        return Err(SdpError::TooLong);
    }
    list.push(item);
    Ok(())
}

pub(super) fn mid_of(text: &str) -> Result<String, SdpError> {
    let legal = |c: char| c.is_ascii_graphic();
    if text.is_empty() || text.len() > MID_BYTES_MAX || !text.chars().all(legal) {
        return Err(SdpError::Malformed("mid"));
    }
    Ok(text.to_owned())
}

pub(super) fn ice_word(text: &str, length_min: usize) -> Result<String, SdpError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    if !(length_min..=256).contains(&text.len()) || !text.chars().all(legal) {
        return Err(SdpError::Malformed("ice-ufrag or ice-pwd"));
    }
    Ok(text.to_owned())
}

fn fingerprint(value: &str) -> Result<Option<Fingerprint>, SdpError> {
    let malformed = SdpError::Malformed("fingerprint");
    let (hash, digits) = value.split_once(' ').ok_or(malformed)?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return Ok(None);
    }
    let mut bytes = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut bytes {
        let pair = pairs
            .next()
            .filter(|pair| pair.len() == 2)
            .ok_or(malformed)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed)?;
    }
    match pairs.next() {
        None => Ok(Some(Fingerprint(bytes))),
        Some(_) => Err(malformed),
    }
}

fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}

/// `<payload type> <name>/<clock rate>[/<channels>]`
fn format(value: &str) -> Result<Format, SdpError> {
    let malformed = SdpError::Malformed("rtpmap");
    let (number, encoding) = value.split_once(' ').ok_or(malformed)?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next().ok_or(malformed)?;
    let clock = parts.next().ok_or(malformed)?;
    let channels = parts.next().unwrap_or("1");
    Ok(Format {
        payload_type: payload_type(number).ok_or(malformed)?,
        name: name.to_owned(),
        clock_rate_hz: clock.parse().map_err(|_| malformed)?,
        channels: channels.parse().map_err(|_| malformed)?,
        ..Format::default()
    })
}

/// `<id>[/<direction>] <uri> …`; ids outside the one-byte and two-byte forms are passed over.
fn extension(value: &str) -> Result<Option<Extension>, SdpError> {
    let malformed = SdpError::Malformed("extmap");
    let mut fields = value.split_ascii_whitespace();
    let id = fields.next().ok_or(malformed)?;
    let id = id.split('/').next().unwrap_or(id);
    let id: u16 = id.parse().map_err(|_| malformed)?;
    let uri = fields.next().ok_or(malformed)?.to_owned();
    let id = u8::try_from(id).ok().filter(|id| *id > 0);
    Ok(id.map(|id| Extension { id, uri }))
}

/// `<stream> [<track>]`; the stream `-` is none.
fn stream_and_track(value: &str) -> (String, String) {
    let mut fields = value.split_ascii_whitespace().map(str::to_owned);
    let stream = fields.next().unwrap_or_default();
    (stream, fields.next().unwrap_or_default())
}

/// `<id> send|recv …`; ids that no header extension could carry are passed over.
fn rid(value: &str) -> Option<Rid> {
    let mut fields = value.split_ascii_whitespace();
    let id = fields.next()?;
    let sends = match fields.next()? {
        "send" => true,
        "recv" => false,
        _ => return None,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let legal = id.len() <= MID_BYTES_MAX && id.chars().all(legal);
    legal.then(|| Rid {
        id: id.to_owned(),
        sends,
    })
}

/// Ids of `send a;b recv c` in order; of alternatives the first, pause marks left out.
fn simulcast(value: &str) -> Result<Vec<String>, SdpError> {
    let mut ids = Vec::new();
    let lists = value
        .split_ascii_whitespace()
        .filter(|word| !matches!(*word, "send" | "recv"));
    for alternatives in lists.flat_map(|list| list.split(';')) {
        let first = alternatives.split(',').next().unwrap_or(alternatives);
        push(&mut ids, first.trim_start_matches('~').to_owned())?;
    }
    Ok(ids)
}

/// `<ssrc> cname:…` or `<ssrc> msid:…`; other source attributes are passed over.
fn ssrc(value: &str, section: &mut Section, attributes: &mut Attributes) -> Result<(), SdpError> {
    let malformed = SdpError::Malformed("ssrc");
    let (number, rest) = value.split_once(' ').unwrap_or((value, ""));
    let number: u32 = number.parse().map_err(|_| malformed)?;
    if !section.ssrcs.iter().any(|(known, _)| *known == number) {
        push(&mut section.ssrcs, (number, String::new()))?;
    }
    match rest.split_once(':') {
        Some(("cname", cname)) => {
            let known = section.ssrcs.iter_mut().find(|(known, _)| *known == number);
            if let Some((_, name)) = known {
                cname.clone_into(name);
            }
        }
        Some(("msid", msid)) => {
            attributes
                .ssrc_msid
                .get_or_insert_with(|| stream_and_track(msid));
        }
        _ => {}
    }
    Ok(())
}

/// A name stands for one section; the empty one is none.
pub fn mids_are_unique<'a>(mids: impl Iterator<Item = &'a str>) -> Result<(), SdpError> {
    let mut seen = BTreeSet::new();
    for mid in mids.filter(|mid| !mid.is_empty()) {
        if !seen.insert(mid) {
            return Err(SdpError::Unsupported("two sections of one mid"));
        }
    }
    Ok(())
}
