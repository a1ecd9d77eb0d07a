//! A connection that the client offers and we answer.

use std::collections::{BTreeMap, BTreeSet};

use super::{AudioOptions, Incoming, Local, Outgoing, formats};
use crate::domain::id::TrackId;
use crate::media::command::{
    CodecMapping, DATA_MESSAGE_BYTES_MAX, ExtensionIds, Fingerprint, IceCredentials, MediaKind,
};
use crate::media::sdp::{
    self, Description, Direction, Extension, Rid, SdpError, Section, SectionKind, Setup,
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
    kind: Option<MediaKind>,
    refused: bool,
    codecs: Vec<CodecMapping>,
    extensions: Vec<Extension>,
    extension_ids: ExtensionIds,
    options: AudioOptions,
    outgoing: Option<Outgoing>,
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

    /// Takes an offer in. On an error nothing is changed.
    pub fn offer(&mut self, text: &str) -> Result<Offered, SdpError> {
        let description = sdp::parse(text)?;
        let remote = checked(&description)?;
        if description.sections.len() < self.sections.len() {
            return Err(SdpError::Malformed("m"));
        }
        let mut offered = Offered::default();
        match &self.remote {
            Some((ice, fingerprints)) => {
                offered.restarted = ice.ufrag != remote.0.ufrag || ice.pwd != remote.0.pwd;
                offered.fingerprints = (*fingerprints != remote.1).then(|| remote.1.clone());
            }
            None => offered.fingerprints = Some(remote.1.clone()),
        }
        self.remote = Some(remote);
        let bundle: BTreeSet<String> = description.bundle.into_iter().collect();
        let mut old = std::mem::take(&mut self.sections).into_iter();
        for section in description.sections {
            let new = AnswerSection::of(section, old.next(), &bundle, &mut offered);
            self.sections.push(new);
        }
        Ok(offered)
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
    pub fn set_options(&mut self, mid: &str, options: AudioOptions) {
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

    /// Sends a stream on a free section; its mid and the codecs the client takes there.
    pub fn attach(
        &mut self,
        kind: MediaKind,
        outgoing: Outgoing,
    ) -> Option<(String, Vec<CodecMapping>)> {
        let section = self
            .sections
            .iter_mut()
            .find(|section| section.is_free(kind))?;
        section.outgoing = Some(outgoing);
        Some((section.offered.mid.clone(), section.codecs.clone()))
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
        let mut description = self.local.description();
        let mut map = BTreeMap::new();
        for section in &mut self.sections {
            let mut answered = section.answer();
            if !answered.rejected {
                answered.transport = self.local.lines(Setup::Passive);
                if description.bundle.is_empty() {
                    answered.candidates = self.local.candidates.to_vec();
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

/// The client's credentials and certificates, when the offer is of a kind that we make.
fn checked(description: &Description) -> Result<(IceCredentials, Vec<Fingerprint>), SdpError> {
    if description.bundle.is_empty() {
        return Err(SdpError::Unsupported("no bundle"));
    }
    let live = |section: &&Section| !section.rejected;
    if description
        .sections
        .iter()
        .filter(live)
        .any(|section| section.mid.is_empty())
    {
        return Err(SdpError::Missing("mid"));
    }
    let first = description.sections.iter().find(live);
    let lines = &first.ok_or(SdpError::Missing("m"))?.transport;
    let ice = lines.ice.clone().ok_or(SdpError::Missing("ice-ufrag"))?;
    if lines.fingerprints.is_empty() {
        return Err(SdpError::Missing("fingerprint"));
    }
    match lines.setup {
        Some(Setup::ActPass | Setup::Active) => Ok((ice, lines.fingerprints.clone())),
        Some(Setup::Passive) => Err(SdpError::Unsupported("setup:passive")),
        None => Err(SdpError::Missing("setup")),
    }
}

impl AnswerSection {
    /// The section after an offer, with what stays of the one at its place before.
    fn of(
        offered: Section,
        old: Option<Self>,
        bundle: &BTreeSet<String>,
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
            || !bundle.contains(&offered.mid)
            || offered.kind == SectionKind::Other
            || (kind.is_some() && (codecs.is_empty() || !offered.rtcp_mux));
        let mut section = Self {
            offered,
            kind,
            refused,
            codecs,
            extensions,
            extension_ids,
            options: AudioOptions::default(),
            outgoing: None,
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
        let sending = self.outgoing.is_some() && !self.refused;
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
        if let Some(outgoing) = &self.outgoing {
            outgoing.describe(&mut section);
        }
        section
    }

    fn answered_formats(&self) -> Vec<crate::media::sdp::Format> {
        let stereo = self
            .outgoing
            .as_ref()
            .is_some_and(|outgoing| outgoing.stereo);
        let options = AudioOptions {
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
        if let Some(rtx) = self.rtx_ssrc.filter(|_| section.kind == SectionKind::Video) {
            section.ssrcs.push((rtx, self.cname.clone()));
            section
                .ssrc_groups
                .push(("FID".to_owned(), vec![self.ssrc, rtx]));
        }
    }
}
