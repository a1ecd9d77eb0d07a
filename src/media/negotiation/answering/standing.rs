//! A connection of one offer and one answer: what is told then holds for good.
//!
//! Each receiving section gets a stream of ours under a number that never changes. Tracks come and
//! go beneath it, so that a player goes on when a camera is replaced or appears later.

use super::{AnswerSection, Answering, Incoming, Offered, Outgoing, Taken, TrackOptions, formats};
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::{IceCredentials, MediaKind};
use crate::media::sdp::{self, Direction, SdpError, Section, SectionKind, Setup};

/// Sections of one connection that get a stream; further ones stay silent.
pub const STANDING_MAX: usize = 32;

/// A stream that a section carries for good.
#[derive(Clone, Debug)]
pub struct Standing {
    stream: Outgoing,
    /// Whose track it carried last.
    publisher: Option<ParticipantId>,
}

impl Standing {
    /// The stream, as the answer tells of it.
    pub fn stream(&self) -> &Outgoing {
        &self.stream
    }
}

impl Answering {
    /// Takes no data channels: nobody would read them.
    pub fn decline_data(&mut self) {
        for section in &mut self.sections {
            section.refused |= section.offered.kind == SectionKind::Data;
        }
    }

    /// Makes sections of our own, one of sound and one of picture, as a player should have offered
    /// them.
    pub fn propose(&mut self) {
        for (kind, media, mid) in [
            (SectionKind::Audio, MediaKind::Audio, "0"),
            (SectionKind::Video, MediaKind::Video, "1"),
        ] {
            let (formats, extensions) = formats::offered(media, TrackOptions::default());
            let section = Section {
                kind,
                mid: mid.to_owned(),
                direction: Direction::Receive,
                rtcp_mux: true,
                formats,
                extensions,
                ..Section::default()
            };
            let section = AnswerSection::of(section, 0, true, None, &mut Offered::default());
            self.sections.push(section);
        }
    }

    /// The offer that tells of them.
    pub fn proposal(&mut self) -> String {
        self.describe(Setup::ActPass).0
    }

    /// Takes the client's answer to [`Self::proposal`]: what it says of itself and of each section
    /// is what an offer of its own would have said. On an error nothing is changed.
    pub fn agree(&mut self, text: &str) -> Result<(), SdpError> {
        let proposed = std::mem::take(&mut self.sections);
        let agreed = self.offer(text).and_then(|_| self.keep_streams(&proposed));
        if agreed.is_err() {
            (self.sections, self.remote) = (proposed, None);
        }
        agreed
    }

    /// Streams that were proposed stay on the sections that take them.
    fn keep_streams(&mut self, proposed: &[AnswerSection]) -> Result<(), SdpError> {
        if self.sections.len() != proposed.len() {
            return Err(SdpError::Malformed("m"));
        }
        for (section, proposed) in self.sections.iter_mut().zip(proposed) {
            let same = section.offered.mid == proposed.offered.mid && section.kind == proposed.kind;
            let takes = section.kind.is_some_and(|kind| section.receives(kind));
            if same && takes {
                section.standing.clone_from(&proposed.standing);
            }
        }
        match self.idle(MediaKind::Audio) + self.idle(MediaKind::Video) {
            0 => Err(SdpError::Unsupported("nothing is received")),
            _ => Ok(()),
        }
    }

    /// Gives each of the first [`STANDING_MAX`] receiving sections a stream for good. The first of
    /// sound and the first of picture belong together, and so on. `track` makes ids.
    pub fn stand(&mut self, cname: &str, mut track: impl FnMut() -> TrackId) {
        let (mut audios, mut videos) = (0, 0);
        let Self {
            local, sections, ..
        } = self;
        for section in sections {
            let Some(kind) = section.kind.filter(|kind| section.receives(*kind)) else {
                continue;
            };
            if audios + videos == STANDING_MAX {
                return;
            }
            let place = match kind {
                MediaKind::Audio => &mut audios,
                MediaKind::Video => &mut videos,
            };
            *place += 1;
            let stream = Outgoing {
                track: track(),
                stream: format!("{cname}-{place}"),
                cname: cname.to_owned(),
                ssrc: local.ssrc(),
                rtx_ssrc: (kind == MediaKind::Video).then(|| local.ssrc()),
                stereo: section.offers_stereo(),
            };
            section.standing = Some(Standing {
                stream,
                publisher: None,
            });
        }
    }

    /// Sections with a stream that carries nothing at present and would suit a track.
    pub fn idle(&self, kind: MediaKind) -> usize {
        let idle = |section: &&AnswerSection| section.is_idle(kind);
        self.sections.iter().filter(idle).count()
    }

    /// Lets a track have an idle stream: beside another track of its publisher where there is one.
    pub fn occupy(
        &mut self,
        kind: MediaKind,
        track: TrackId,
        publisher: ParticipantId,
    ) -> Option<(Outgoing, Taken)> {
        let standing = self.sections.iter().filter_map(|s| s.standing.as_ref());
        let own = standing.filter(|standing| standing.publisher == Some(publisher));
        let own: Vec<String> = own.map(|known| known.stream.stream.clone()).collect();
        let is_own = |section: &AnswerSection| {
            let standing = section.standing.as_ref();
            standing.is_some_and(|standing| own.contains(&standing.stream.stream))
        };
        let idle = |section: &&AnswerSection| section.is_idle(kind);
        let mids = || self.sections.iter().filter(idle);
        let beside = mids().find(|section| is_own(section));
        let mid = beside.or(mids().next())?.offered.mid.clone();
        let section = self.sections.iter_mut().find(|s| s.offered.mid == mid)?;
        let standing = section.standing.as_mut()?;
        standing.publisher = Some(publisher);
        let outgoing = Outgoing {
            track,
            ..standing.stream.clone()
        };
        section.outgoing = Some(outgoing.clone());
        let taken = Taken {
            codecs: section.codecs.clone(),
            extensions: section.extension_ids,
        };
        Some((outgoing, taken))
    }

    /// The client sends two channels of sound on a section.
    pub fn is_stereo(&self, incoming: &Incoming) -> bool {
        self.section(&incoming.mid)
            .is_some_and(AnswerSection::offers_stereo)
    }

    /// A section of this name was offered.
    pub fn has_section(&self, mid: &str) -> bool {
        self.section(mid).is_some()
    }

    /// Takes ICE credentials of the client; false when they are the present ones.
    pub fn restart_remote(&mut self, ice: IceCredentials) -> bool {
        match &mut self.remote {
            Some((known, _)) if *known != ice => {
                *known = ice;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Our credentials and candidates (RFC 8840).
    pub fn fragment(&self) -> String {
        let live = self.sections.iter().filter(|section| !section.refused);
        let mids: Vec<String> = live.clone().map(|s| s.offered.mid.clone()).collect();
        let first = live.map(|section| &section.offered).next();
        let section = Section {
            kind: first.map_or(SectionKind::Other, |offered| offered.kind),
            mid: mids.first().cloned().unwrap_or_default(),
            transport: self.local.lines(Setup::Passive),
            candidates: self.local.place.candidates().clone(),
            ..Section::default()
        };
        sdp::write_fragment(&mids, &section)
    }
}

impl AnswerSection {
    fn is_idle(&self, kind: MediaKind) -> bool {
        self.receives(kind) && self.standing.is_some() && self.outgoing.is_none()
    }

    fn offers_stereo(&self) -> bool {
        let mut formats = self.offered.formats.iter();
        formats.any(|format| format.parameter("stereo") == Some("1"))
    }
}
