//! A connection that the client offers and we answer.

mod standing;

use std::collections::{BTreeMap, BTreeSet};

pub use self::standing::STANDING_MAX;
use self::standing::Standing;
use super::{Incoming, Local, Outgoing, Taken, TrackOptions, formats};
use crate::domain::id::TrackId;
use crate::media::command::{
    CodecMapping, DATA_MESSAGE_BYTES_MAX, ExtensionIds, Fingerprint, IceCredentials, MediaKind,
};
use crate::media::sdp::{
    self, Direction, Extension, Head, Outline, Rid, SdpError, Section, SectionKind, Setup,
    TransportLines,
};

/// A connection that the client offers.
#[derive(Debug)]
pub struct Answering {
    local: Local,
    remote: Option<(IceCredentials, Vec<Fingerprint>)>,
    sections: Vec<AnswerSection>,
}

/// What an offer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// The client has new ICE credentials: give ours new ones before answering.
    pub restarted: bool,
    /// Its certificates, when they are new.
    pub fingerprints: Option<Vec<Fingerprint>>,
    /// Sections on which it sends no more.
    pub stopped: Vec<String>,
    /// Tracks of ours whose section receives no more; they are detached.
    pub homeless: Vec<TrackId>,
}

#[derive(Debug)]
struct AnswerSection {
    offered: Section,
    /// Tells the text that `offered` was read from, with what it inherited.
    digest: u64,
    /// The offer bundled it.
    bundled: bool,
    kind: Option<MediaKind>,
    refused: bool,
    codecs: Vec<CodecMapping>,
    extensions: Vec<Extension>,
    extension_ids: ExtensionIds,
    options: TrackOptions,
    outgoing: Option<Outgoing>,
    standing: Option<Standing>,
    /// The last answer said that we send: another stream may come only after one that does not,
    /// because clients announce a new stream only on a section that was silent before.
    told_sending: bool,
}

impl Answering {
    /// A connection before its first offer.
    pub fn new(local: Local) -> Self {
        Self {
            local,
            remote: None,
            sections: Vec::new(),
        }
    }

    /// Our side.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Our side, to take credentials and SSRCs from.
    pub fn local_mut(&mut self) -> &mut Local {
        &mut self.local
    }

    /// The client's certificates, once it offered.
    pub fn fingerprints(&self) -> &[Fingerprint] {
        self.remote
            .as_ref()
            .map_or(&[], |(_, fingerprints)| fingerprints)
    }

    /// Takes an offer in. On an error nothing is changed. Sections whose text is the one of the
    /// last offer are not read again, so an offer costs what it changes.
    pub fn offer(&mut self, text: &str) -> Result<Offered, SdpError> {
        let outline = Outline::of(text)?;
        let head = outline.head()?;
        if outline.sections().len() < self.sections.len() {
            return Err(SdpError::Malformed("m"));
        }
        let bundle: BTreeSet<&str> = head.description.bundle.iter().map(String::as_str).collect();
        let read = self.read(&outline, &head, &bundle)?;
        let remote = self.checked(&read, &bundle)?;
        let mut offered = Offered::default();
        if let Some(remote) = remote {
            match &self.remote {
                Some((ice, fingerprints)) => {
                    offered.restarted = *ice != remote.0;
                    offered.fingerprints = (*fingerprints != remote.1).then(|| remote.1.clone());
                }
                None => offered.fingerprints = Some(remote.1.clone()),
            }
            self.remote = Some(remote);
        }
        let mut old = std::mem::take(&mut self.sections).into_iter();
        self.sections.reserve_exact(read.len());
        for read in read {
            let new = match (read, old.next()) {
                (Read::Known, Some(known)) => known,
                (Read::Known, None) => continue,
                (Read::New(section, digest), old) => {
                    let bundled = bundle.contains(section.mid.as_str());
                    AnswerSection::of(section, digest, bundled, old, &mut offered)
                }
            };
            self.sections.push(new);
        }
        Ok(offered)
    }

    /// Reads what is new in an offer.
    fn read(
        &self,
        outline: &Outline<'_>,
        head: &Head,
        bundle: &BTreeSet<&str>,
    ) -> Result<Vec<Read>, SdpError> {
        let mut read = Vec::with_capacity(outline.sections().len());
        let texts = outline.sections().iter().zip(outline.digests());
        for (place, (text, digest)) in texts.enumerate() {
            let known = self.sections.get(place).is_some_and(|known| {
                known.digest == digest
                    && known.bundled == bundle.contains(known.offered.mid.as_str())
            });
            read.push(match known {
                true => Read::Known,
                false => Read::New(head.section(text)?, digest),
            });
        }
        sdp::mids_are_unique(self.offered(&read).map(|section| section.mid.as_str()))?;
        Ok(read)
    }

    /// The sections of an offer, read now or before.
    fn offered<'a>(&'a self, read: &'a [Read]) -> impl Iterator<Item = &'a Section> {
        let known = self.sections.iter().map(|known| &known.offered);
        let known = known.map(Some).chain(std::iter::repeat(None));
        read.iter()
            .zip(known)
            .filter_map(|(read, known)| match read {
                Read::Known => known,
                Read::New(section, _) => Some(section),
            })
    }

    /// The client's credentials and certificates, when the offer is of a kind that we make; `None`
    /// when the section that says them is known from before.
    fn checked(
        &self,
        read: &[Read],
        bundle: &BTreeSet<&str>,
    ) -> Result<Option<(IceCredentials, Vec<Fingerprint>)>, SdpError> {
        if bundle.is_empty() {
            return Err(SdpError::Unsupported("no bundle"));
        }
        let mut live = self
            .offered(read)
            .zip(read)
            .filter(|(section, _)| !section.rejected);
        let first = live.next().ok_or(SdpError::Missing("m"))?;
        if first.0.mid.is_empty() || live.any(|(section, _)| section.mid.is_empty()) {
            return Err(SdpError::Missing("mid"));
        }
        let Read::New(section, _) = first.1 else {
            return Ok(None);
        };
        let lines = &section.transport;
        let ice = lines.ice.clone().ok_or(SdpError::Missing("ice-ufrag"))?;
        if lines.fingerprints.is_empty() {
            return Err(SdpError::Missing("fingerprint"));
        }
        match lines.setup {
            Some(Setup::ActPass | Setup::Active) => Ok(Some((ice, lines.fingerprints.clone()))),
            Some(Setup::Passive) => Err(SdpError::Unsupported("setup:passive")),
            None => Err(SdpError::Missing("setup")),
        }
    }

    /// What the client sends now, in the order of sections.
    pub fn incoming(&self) -> impl Iterator<Item = Incoming> + '_ {
        self.sections.iter().filter_map(AnswerSection::incoming)
    }

    /// What the client sends on one section.
    pub fn incoming_on(&self, mid: &str) -> Option<Incoming> {
        self.section(mid).and_then(AnswerSection::incoming)
    }

    /// Sets the wishes of the audio track that comes in on a section.
    pub fn set_options(&mut self, mid: &str, options: TrackOptions) {
        if let Some(section) = self.sections.iter_mut().find(|s| s.offered.mid == mid) {
            section.options = options;
        }
    }

    /// Codecs of a section in the order that we answer.
    pub fn codecs(&self, mid: &str) -> Vec<CodecMapping> {
        let section = self.section(mid);
        section
            .map(AnswerSection::ordered_codecs)
            .unwrap_or_default()
    }

    /// Sections that wait for a stream of ours of a kind.
    pub fn free(&self, kind: MediaKind) -> usize {
        self.sections
            .iter()
            .filter(|section| section.is_free(kind))
            .count()
    }

    /// Sections that will wait for a stream once an answer says that they are silent.
    pub fn drained(&self, kind: MediaKind) -> usize {
        let drained = |section: &&AnswerSection| section.receives(kind) && section.is_drained();
        self.sections.iter().filter(drained).count()
    }

    /// Data channels are among the sections.
    pub fn carries_data(&self) -> bool {
        let data = |section: &AnswerSection| section.offered.kind == SectionKind::Data;
        self.sections
            .iter()
            .any(|section| data(section) && !section.refused)
    }

    /// All sections, live or not.
    pub fn sections(&self) -> usize {
        self.sections.len()
    }

    /// Sends a stream on a free section; its mid and what the client takes there.
    pub fn attach(&mut self, kind: MediaKind, outgoing: Outgoing) -> Option<(String, Taken)> {
        let section = self
            .sections
            .iter_mut()
            .find(|section| section.is_free(kind))?;
        section.outgoing = Some(outgoing);
        let taken = Taken {
            codecs: section.codecs.clone(),
            extensions: section.extension_ids,
        };
        Some((section.offered.mid.clone(), taken))
    }

    /// Ends a stream of ours. The section is free again after the next answer.
    pub fn detach(&mut self, track: TrackId) {
        let carries = |outgoing: &mut Outgoing| outgoing.track == track;
        for section in &mut self.sections {
            section.outgoing.take_if(carries);
        }
    }

    /// The answer, and the whole map of section to track.
    pub fn answer(&mut self) -> (String, BTreeMap<String, TrackId>) {
        self.describe(Setup::Passive)
    }

    fn describe(&mut self, setup: Setup) -> (String, BTreeMap<String, TrackId>) {
        let mut description = self.local.description();
        let mut map = BTreeMap::new();
        for section in &mut self.sections {
            let mut answered = section.answer();
            if !answered.rejected {
                answered.transport = self.local.lines(setup);
                if description.bundle.is_empty() {
                    answered.candidates = self.local.place.candidates().clone();
                }
                description.bundle.push(answered.mid.clone());
            }
            if let Some(outgoing) = section.outgoing.as_ref().filter(|_| section.told_sending) {
                map.insert(answered.mid.clone(), outgoing.track);
            }
            description.sections.push(answered);
        }
        (description.write(), map)
    }

    fn section(&self, mid: &str) -> Option<&AnswerSection> {
        self.sections
            .iter()
            .find(|section| section.offered.mid == mid)
    }
}

/// A section of an offer.
enum Read {
    /// Its text is the one that was read last time.
    Known,
    /// Read now, with its digest.
    New(Section, u64),
}

impl AnswerSection {
    /// The section after an offer, with what stays of the one at its place before.
    fn of(
        offered: Section,
        digest: u64,
        bundled: bool,
        old: Option<Self>,
        changes: &mut Offered,
    ) -> Self {
        let kind = match offered.kind {
            SectionKind::Audio => Some(MediaKind::Audio),
            SectionKind::Video => Some(MediaKind::Video),
            SectionKind::Data | SectionKind::Other => None,
        };
        let codecs = kind.map_or_else(Vec::new, |kind| formats::codecs(&offered, kind));
        let (extensions, extension_ids) =
            kind.map_or_else(Default::default, |kind| formats::extensions(&offered, kind));
        let refused = offered.rejected
            || !bundled
            || offered.kind == SectionKind::Other
            || (kind.is_some() && (codecs.is_empty() || !offered.rtcp_mux));
        let mut section = Self {
            offered,
            digest,
            bundled,
            kind,
            refused,
            codecs,
            extensions,
            extension_ids,
            options: TrackOptions::default(),
            outgoing: None,
            standing: None,
            told_sending: false,
        };
        section.forget_what_is_not_taken();
        if let Some(old) = old {
            section.inherit(old, changes);
        }
        section
    }

    /// Browsers offer some forty formats; a room of thousands must not keep them.
    fn forget_what_is_not_taken(&mut self) {
        let formats = &mut self.offered.formats;
        if self.refused {
            formats.truncate(1);
        } else {
            formats.retain(|format| {
                let number = format.payload_type;
                let is = |known: &CodecMapping| {
                    known.payload_type == number || known.rtx_payload_type == Some(number)
                };
                self.codecs.iter().any(is)
            });
        }
        formats.shrink_to_fit();
        self.offered.extensions = Vec::new();
        self.offered.transport = TransportLines::default();
    }

    fn inherit(&mut self, old: Self, changes: &mut Offered) {
        let same = old.offered.mid == self.offered.mid && old.kind == self.kind;
        if old.sends() && !(same && self.sends()) {
            changes.stopped.push(old.offered.mid.clone());
        }
        if same && self.sends() {
            self.options = old.options;
        }
        if same && !self.refused && self.offered.direction.receives() {
            self.outgoing = old.outgoing;
            self.told_sending = old.told_sending;
        } else if let Some(outgoing) = old.outgoing {
            changes.homeless.push(outgoing.track);
        }
    }

    fn sends(&self) -> bool {
        !self.refused && self.kind.is_some() && self.offered.direction.sends()
    }

    fn receives(&self, kind: MediaKind) -> bool {
        !self.refused && self.kind == Some(kind) && self.offered.direction == Direction::Receive
    }

    fn is_free(&self, kind: MediaKind) -> bool {
        self.receives(kind) && self.outgoing.is_none() && !self.told_sending
    }

    /// The stream that an answer tells of.
    fn stream(&self) -> Option<&Outgoing> {
        let standing = self.standing.as_ref().map(Standing::stream);
        standing.or(self.outgoing.as_ref())
    }

    fn is_drained(&self) -> bool {
        self.outgoing.is_none() && self.told_sending
    }

    fn ordered_codecs(&self) -> Vec<CodecMapping> {
        if self.sends() {
            formats::preferred(&self.codecs, self.options)
        } else {
            self.codecs.clone()
        }
    }

    fn incoming(&self) -> Option<Incoming> {
        let kind = self.kind.filter(|_| self.sends())?;
        let cid = self.offered.msid.as_ref().map(|(_, track)| track.clone());
        Some(Incoming {
            mid: self.offered.mid.clone(),
            kind,
            cid: cid.unwrap_or_default(),
            rids: self.offered.rids.clone(),
            ssrcs: self.offered.ssrcs.iter().map(|(ssrc, _)| *ssrc).collect(),
            ssrc_groups: self.offered.ssrc_groups.clone(),
            codecs: self.ordered_codecs(),
            extensions: self.extension_ids,
        })
    }

    fn answer(&mut self) -> Section {
        let sending = self.stream().is_some() && !self.refused;
        self.told_sending = sending;
        let mut section = Section {
            kind: self.offered.kind,
            rejected: self.refused,
            mid: self.offered.mid.clone(),
            ..Section::default()
        };
        if self.refused {
            section.direction = Direction::Inactive;
            section.formats = self.offered.formats.iter().take(1).cloned().collect();
            return section;
        }
        if self.kind.is_none() {
            section.message_bytes_max = Some(DATA_MESSAGE_BYTES_MAX);
            return section;
        }
        section.rtcp_mux = true;
        section.direction = Direction::of(sending, self.sends());
        section.formats = self.answered_formats();
        section.extensions = self.extensions.clone();
        if self.sends() {
            let received = self.offered.rids.iter().filter(|rid| rid.sends);
            let turned = received.map(|rid| Rid {
                sends: false,
                id: rid.id.clone(),
            });
            section.rids = turned.collect();
        }
        if let Some(stream) = self.stream() {
            stream.describe(&mut section);
        }
        section
    }

    fn answered_formats(&self) -> Vec<crate::media::sdp::Format> {
        let stereo = self.stream().is_some_and(|stream| stream.stereo);
        let options = TrackOptions {
            stereo: self.options.stereo || stereo,
            ..self.options
        };
        formats::answered(&self.offered, &self.ordered_codecs(), options)
    }
}

impl Outgoing {
    /// Writes the stream into a section that sends it.
    pub(super) fn describe(&self, section: &mut Section) {
        section.msid = Some((self.stream.clone(), self.track.sid()));
        section.ssrcs.push((self.ssrc, self.cname.clone()));
        // Browsers refuse an audio section with a second source.
        let has_rtx = section.kind == SectionKind::Video
            && section
                .formats
                .iter()
                .any(|format| format.name.eq_ignore_ascii_case("rtx"));
        if let Some(rtx) = self.rtx_ssrc.filter(|_| has_rtx) {
            section.ssrcs.push((rtx, self.cname.clone()));
            section
                .ssrc_groups
                .push(("FID".to_owned(), vec![self.ssrc, rtx]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::command::Fingerprint;
    use crate::media::negotiation::tests::{local, outgoing, track};

    const JOIN: &str = include_str!("../../../tests/fixtures/sdp/chromium_join.sdp");

    /// A browser's offer with so many receiving video sections.
    fn offer(sections: usize) -> String {
        let outline = Outline::of(JOIN).unwrap();
        let video = outline
            .sections()
            .iter()
            .find(|text| text.starts_with("m=video"));
        let video = video.unwrap();
        let mid = video
            .lines()
            .find(|line| line.starts_with("a=mid:"))
            .unwrap();
        let mids: Vec<String> = (0..sections).map(|n| format!("v{n}")).collect();
        let head = JOIN[..JOIN.find("\r\nm=").unwrap() + 2].replace(
            "BUNDLE 0 1 2 3 4 5 6",
            &format!("BUNDLE {}", mids.join(" ")),
        );
        let named = mids
            .iter()
            .map(|name| video.replace(mid, &format!("a=mid:{name}")));
        head + &named.collect::<String>()
    }

    fn news(connection: &Answering, text: &str) -> Vec<bool> {
        let outline = Outline::of(text).unwrap();
        let head = outline.head().unwrap();
        let bundle = head.description.bundle.iter().map(String::as_str).collect();
        let read = connection.read(&outline, &head, &bundle).unwrap();
        read.iter()
            .map(|read| matches!(read, Read::New(..)))
            .collect()
    }

    #[test]
    fn one_more_section_among_a_hundred_is_the_only_one_that_is_read() {
        let mut connection = Answering::new(local());
        connection.offer(&offer(100)).unwrap();
        let more = offer(101).replace(" 2 IN IP4", " 3 IN IP4");
        let news = news(&connection, &more);
        assert_eq!(news.iter().filter(|new| **new).count(), 1);
        assert!(news[100]);
        let offered = connection.offer(&more).unwrap();
        assert_eq!(offered, Offered::default());
        assert_eq!(connection.sections(), 101);
    }

    #[test]
    fn a_section_is_read_again_when_what_it_inherits_or_its_bundle_changed() {
        let mut connection = Answering::new(local());
        let first = offer(3);
        connection.offer(&first).unwrap();
        assert_eq!(news(&connection, &first), [false; 3]);
        let loose = first.replacen("BUNDLE v0 v1 v2", "BUNDLE v0 v1", 1);
        assert_eq!(news(&connection, &loose), [false, false, true]);
        let inherited = first.replacen("a=group", "a=setup:active\r\na=group", 1);
        assert_eq!(news(&connection, &inherited), [true; 3]);
    }

    #[test]
    fn a_stream_stays_on_a_section_that_is_not_read_again() {
        let mut connection = Answering::new(local());
        connection.offer(&offer(3)).unwrap();
        connection
            .attach(MediaKind::Video, outgoing(1, 10))
            .unwrap();
        let (before, map) = connection.answer();
        connection.offer(&offer(4)).unwrap();
        let (after, same) = connection.answer();
        assert_eq!(map, same);
        assert_eq!(map.values().copied().collect::<Vec<_>>(), [track(1)]);
        assert!(after.len() > before.len());
    }

    #[test]
    fn a_restart_in_the_first_section_is_seen_although_the_others_are_known() {
        let mut connection = Answering::new(local());
        let first = offer(3);
        connection.offer(&first).unwrap();
        let ufrag = first
            .lines()
            .find(|line| line.starts_with("a=ice-ufrag:"))
            .unwrap();
        let again = first.replacen(ufrag, "a=ice-ufrag:fresh", 1);
        let offered = connection.offer(&again).unwrap();
        assert!(offered.restarted);
        assert_eq!(offered.fingerprints, None::<Vec<Fingerprint>>);
    }
}
