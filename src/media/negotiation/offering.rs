//! A connection that we offer and the client answers: the receiving one of clients that have two.

use std::collections::BTreeMap;

use super::{Local, Outgoing, Taken, TrackOptions, formats};
use crate::domain::id::TrackId;
use crate::media::command::{DATA_MESSAGE_BYTES_MAX, Fingerprint, MediaKind};
use crate::media::sdp::{self, Direction, SECTIONS_MAX, SdpError, Section, SectionKind, Setup};

/// A connection that we offer. Its first section carries data channels.
#[derive(Debug)]
pub struct Offering {
    local: Local,
    fingerprints: Vec<Fingerprint>,
    sections: Vec<OfferSection>,
    number: u32,
    outstanding: bool,
    changed: bool,
}

/// What an answer brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The client's certificates, when they are new.
    pub fingerprints: Option<Vec<Fingerprint>>,
    /// Streams that the client takes from now on.
    pub taken: Vec<(Outgoing, Taken)>,
    /// Streams that it refused; they are detached.
    pub refused: Vec<TrackId>,
}

#[derive(Debug)]
struct OfferSection {
    kind: MediaKind,
    outgoing: Option<Outgoing>,
    /// The stream in the offer that is out or was answered last.
    offered: Option<TrackId>,
    /// The client took the present stream.
    taken: bool,
}

impl Offering {
    /// A connection before its first offer.
    pub fn new(local: Local) -> Self {
        Self {
            local,
            fingerprints: Vec::new(),
            sections: Vec::new(),
            number: 0,
            outstanding: false,
            changed: true,
        }
    }

    /// Our side.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Our side, to take SSRCs from.
    pub fn local_mut(&mut self) -> &mut Local {
        &mut self.local
    }

    /// Sends a stream from the next offer on; false when there is no section left for it.
    pub fn attach(&mut self, kind: MediaKind, outgoing: Outgoing) -> bool {
        let free = |section: &&mut OfferSection| {
            section.kind == kind && section.outgoing.is_none() && section.offered.is_none()
        };
        if let Some(section) = self.sections.iter_mut().find(free) {
            section.outgoing = Some(outgoing);
        } else if self.sections.len() + 1 < SECTIONS_MAX {
            self.sections.push(OfferSection {
                kind,
                outgoing: Some(outgoing),
                offered: None,
                taken: false,
            });
        } else {
            return false;
        }
        self.changed = true;
        true
    }

    /// Ends a stream from the next offer on.
    pub fn detach(&mut self, track: TrackId) {
        let carries = |outgoing: &mut Outgoing| outgoing.track == track;
        for section in &mut self.sections {
            if section.outgoing.take_if(carries).is_some() {
                section.taken = false;
                self.changed = true;
            }
        }
    }

    /// Offers anew with new ICE credentials, whether or not an offer is out: the client that
    /// resumes its signalling may never have seen it.
    pub fn restart(&mut self, entropy: &dyn crate::domain::entropy::Entropy) {
        self.local.restart(entropy);
        self.outstanding = false;
        self.changed = true;
    }

    /// The next offer with its number, and the whole map of section to track; nothing while one is
    /// out or when nothing changed.
    pub fn offer(&mut self) -> Option<(u32, String, BTreeMap<String, TrackId>)> {
        if self.outstanding || !self.changed {
            return None;
        }
        self.outstanding = true;
        self.changed = false;
        self.number += 1;
        let mut description = self.local.description();
        description.sections.push(self.data_section());
        for (place, section) in self.sections.iter_mut().enumerate() {
            section.offered = section.outgoing.as_ref().map(|outgoing| outgoing.track);
            let mut written = section.describe(mid_of(place));
            written.transport = self.local.lines(Setup::ActPass);
            description.sections.push(written);
        }
        let mids = description
            .sections
            .iter()
            .map(|section| section.mid.clone());
        description.bundle = mids.collect();
        Some((self.number, description.write(), self.map()))
    }

    /// The map of section to track as last offered.
    pub fn map(&self) -> BTreeMap<String, TrackId> {
        let sections = self.sections.iter().enumerate();
        let offered =
            sections.filter_map(|(place, section)| Some((mid_of(place), section.offered?)));
        offered.collect()
    }

    fn data_section(&self) -> Section {
        Section {
            kind: SectionKind::Data,
            mid: DATA_MID.to_owned(),
            transport: self.local.lines(Setup::ActPass),
            candidates: self.local.place.candidates().clone(),
            message_bytes_max: Some(DATA_MESSAGE_BYTES_MAX),
            ..Section::default()
        }
    }

    /// Takes an answer in; clients that do not number send 0. An answer to another offer than the
    /// one that is out brings nothing. On an error the offer stays out.
    pub fn answer(&mut self, number: u32, text: &str) -> Result<Answered, SdpError> {
        let mut answered = Answered::default();
        if !self.outstanding || (number != 0 && number != self.number) {
            return Ok(answered);
        }
        let description = sdp::parse(text)?;
        let mut sections = description.sections.into_iter();
        let data = sections.next().ok_or(SdpError::Missing("m"))?;
        let fingerprints = data.transport.fingerprints;
        if fingerprints.is_empty() {
            return Err(SdpError::Missing("fingerprint"));
        }
        if self.fingerprints != fingerprints {
            self.fingerprints.clone_from(&fingerprints);
            answered.fingerprints = Some(fingerprints);
        }
        self.outstanding = false;
        for section in &mut self.sections {
            section.answer(sections.next().as_ref(), &mut answered);
        }
        // A section that fell silent in the answered offer may carry a stream again, which the
        // next offer says; one whose stream was replaced meanwhile needs that offer anyway.
        self.changed |= self.sections.iter().any(|section| {
            section.offered != section.outgoing.as_ref().map(|outgoing| outgoing.track)
        });
        Ok(answered)
    }
}

/// The data channels' section.
const DATA_MID: &str = "0";

fn mid_of(place: usize) -> String {
    (place + 1).to_string()
}

impl OfferSection {
    fn describe(&self, mid: String) -> Section {
        let options = TrackOptions {
            stereo: self
                .outgoing
                .as_ref()
                .is_some_and(|outgoing| outgoing.stereo),
            ..TrackOptions::default()
        };
        let (formats, extensions) = formats::offered(self.kind, options);
        let mut section = Section {
            kind: match self.kind {
                MediaKind::Audio => SectionKind::Audio,
                MediaKind::Video => SectionKind::Video,
            },
            mid,
            direction: Direction::of(self.outgoing.is_some(), false),
            rtcp_mux: true,
            formats,
            extensions,
            ..Section::default()
        };
        if let Some(outgoing) = &self.outgoing {
            outgoing.describe(&mut section);
        }
        section
    }

    fn answer(&mut self, section: Option<&Section>, answered: &mut Answered) {
        let current = self.outgoing.as_ref().map(|outgoing| outgoing.track);
        let Some(outgoing) = self.outgoing.clone().filter(|_| self.offered == current) else {
            return;
        };
        if self.taken {
            return;
        }
        let live = section.filter(|section| !section.rejected && section.direction.receives());
        let codecs = live
            .map(|section| formats::codecs(section, self.kind))
            .unwrap_or_default();
        if codecs.is_empty() {
            answered.refused.push(outgoing.track);
            self.outgoing = None;
        } else {
            self.taken = true;
            let ids = live.map(|section| formats::extensions(section, self.kind).1);
            let taken = Taken {
                codecs,
                extensions: ids.unwrap_or_default(),
            };
            answered.taken.push((outgoing, taken));
        }
    }
}
