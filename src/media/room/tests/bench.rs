//! The bench: a room, its clients, and a watcher of the commands' law.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;

use super::super::*;
pub use super::material::*;
use crate::domain::entropy::Entropy;
use crate::domain::id::{LegId, RoomId, SourceId, TransportId};
use crate::media::command::{
    Fingerprint, HostCandidates, IceCredentials, LegConfig, MediaKind, SourceConfig,
};
use crate::media::placement::Shards;
use crate::media::sdp::{
    self, Description, Direction, Extension, Format, Section, SectionKind, Setup, TransportLines,
};
use crate::media::signal::{AddTrack, Layout, ParticipantView, TrackView, Welcome};

pub struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            *byte = (state ^ (state >> 29))
                .wrapping_mul(0xBF58_476D_1CE4_E5B9)
                .to_be_bytes()[0];
        }
    }
}

pub struct Bench {
    pub room: Room,
    pub now: DateTime<Utc>,
    pub clients: BTreeMap<ParticipantId, Client>,
    pub commands: Vec<Command>,
    pub facts: Vec<RoomFact>,
    pub watcher: Watcher,
    next: u128,
}

/// A client that follows the protocol: it offers when asked, and answers offers at once.
pub struct Client {
    layout: Layout,
    pub heard: Vec<Notice>,
    pub sections: Vec<Section>,
    pub map: BTreeMap<String, TrackId>,
    /// Answers to the server's offers wait until the test lets them go.
    pub holds_answers: bool,
    pub held: Vec<(u32, String)>,
    /// Requests for sections are not followed.
    pub is_deaf: bool,
    offers: u32,
    ufrag: String,
}

#[derive(Default)]
pub struct Watcher {
    pub transports: BTreeSet<TransportId>,
    pub sources: BTreeMap<SourceId, SourceConfig>,
    pub legs: BTreeMap<LegId, LegConfig>,
    ssrcs: BTreeSet<(TransportId, u32)>,
    ids: BTreeSet<(u8, u64)>,
    /// Streams outlast the tracks on them, so numbers of ended ones come again.
    lasting: bool,
    joined: BTreeSet<ParticipantId>,
    left: BTreeSet<ParticipantId>,
}

impl Watcher {
    fn notice(&mut self, participant: ParticipantId, notice: &Notice) {
        match notice {
            Notice::SessionAnswer(_) | Notice::CounterOffer(_) => {
                assert!(self.joined.insert(participant))
            }
            Notice::Joined(_) => assert!(self.joined.insert(participant), "joined twice"),
            Notice::Left(_) => assert!(self.left.insert(participant), "left twice"),
            Notice::RequestRefused { .. } if self.lasting => {}
            _ => assert!(
                self.joined.contains(&participant),
                "{notice:?} before the welcome"
            ),
        }
        let gone = self.left.contains(&participant) && !matches!(notice, Notice::Left(_));
        assert!(!gone, "{notice:?} after the end");
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::OpenTransport(config) => {
                assert!(self.ids.insert((0, config.transport.0)));
                self.transports.insert(config.transport);
            }
            Command::SetRemote { transport, .. } | Command::RestartIce { transport, .. } => {
                assert!(self.transports.contains(transport));
            }
            Command::CloseTransport { transport } => {
                assert!(self.transports.remove(transport));
                assert!(
                    self.sources
                        .values()
                        .all(|source| source.transport != *transport)
                );
                assert!(self.legs.values().all(|leg| leg.transport != *transport));
            }
            Command::AddSource(config) => {
                assert!(self.ids.insert((1, config.source.0)));
                assert!(self.transports.contains(&config.transport));
                assert!((1..=3).contains(&config.encodings.len()));
                assert!(!config.codecs.is_empty());
                self.sources.insert(config.source, config.clone());
            }
            Command::RemoveSource { source } => {
                assert!(self.sources.remove(source).is_some());
                assert!(self.legs.values().all(|leg| leg.source != *source));
            }
            Command::AddLeg(config) => {
                assert!(self.ids.insert((2, config.leg.0)));
                assert!(
                    self.sources.contains_key(&config.source),
                    "a leg before its source"
                );
                assert!(self.transports.contains(&config.transport));
                for ssrc in [Some(config.ssrc), config.rtx_ssrc].into_iter().flatten() {
                    let fresh = self.ssrcs.insert((config.transport, ssrc));
                    assert!(fresh || self.lasting, "an SSRC twice");
                    let of_this = |leg: &&LegConfig| leg.transport == config.transport;
                    let mut others = self.legs.values().filter(of_this);
                    assert!(others.all(|leg| leg.ssrc != ssrc), "an SSRC in use");
                }
                self.legs.insert(config.leg, config.clone());
            }
            Command::RemoveLeg { leg } => assert!(self.legs.remove(leg).is_some()),
            Command::PauseLeg { leg, .. }
            | Command::SelectEncoding { leg, .. }
            | Command::LimitFrameRate { leg, .. }
            | Command::PrioritizeLeg { leg, .. } => {
                assert!(self.legs.contains_key(leg));
            }
            Command::PrioritizeSource { source, .. } => {
                assert!(self.sources.contains_key(source));
            }
            Command::SendData { transport, .. } => assert!(self.transports.contains(transport)),
            Command::AddTap(config) => {
                assert!(self.sources.contains_key(&config.source));
            }
            Command::RemoveTap { .. } | Command::WantStill { .. } => {}
            Command::AddMirror(_) | Command::Relay { .. } => panic!("a room knows no mirrors"),
        }
    }
}

impl Bench {
    pub fn new() -> Self {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let entropy: Arc<dyn Entropy> = Arc::new(Seeded(AtomicU64::new(7)));
        let config = RoomConfig {
            id: RoomId::new(now, &*entropy),
            name: "lesson".to_owned(),
            created_at: now,
            shards: Shards::new([HostCandidates {
                udp: vec!["127.0.0.1:7882".parse().unwrap()],
                tcp: Vec::new(),
            }]),
            fingerprint: Fingerprint([1; 32]),
            live_ids: Arc::new(LiveIds::default()),
            entropy,
            limits: RoomLimits::default(),
        };
        Self {
            room: Room::new(config),
            now,
            clients: BTreeMap::new(),
            commands: Vec::new(),
            facts: Vec::new(),
            watcher: Watcher::default(),
            next: 1,
        }
    }

    /// Hands an input in and plays on until nobody has anything to say.
    pub fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.room.handle(self.now, input);
            let mut follow = Vec::new();
            while let Some(output) = self.room.poll_output() {
                match output {
                    Output::Media(command) => {
                        self.watcher.command(&command);
                        self.commands.push(command);
                    }
                    Output::Fact(fact) => self.facts.push(fact),
                    Output::Notice {
                        participant,
                        notice,
                    } => {
                        self.watcher.notice(participant, &notice);
                        if let Some(client) = self.clients.get_mut(&participant) {
                            follow.extend(client.hear(participant, notice));
                        }
                    }
                }
            }
            follow.reverse();
            inputs.extend(follow);
        }
    }

    pub fn request(&mut self, participant: ParticipantId, request: Request) {
        self.give(Input::Request {
            participant,
            request,
        });
    }

    pub fn media(&mut self, event: Event) {
        self.give(Input::Media(event));
    }

    pub fn pass(&mut self, time: TimeDelta) {
        let until = self.now + time;
        while let Some(deadline) = self.room.next_deadline().filter(|at| *at <= until) {
            self.now = deadline.max(self.now);
            self.give(Input::Timeout);
        }
        self.now = until;
    }

    /// Comes in under a fresh id, in the way of the layout; not connected yet.
    pub fn join_as(&mut self, admission: Admission) -> ParticipantId {
        let participant = ParticipantId(uuid::Uuid::from_u128(self.next));
        self.next += 1;
        let layout = admission.layout;
        self.clients.insert(participant, Client::new(layout));
        let admission = Box::new(admission);
        self.give(Input::Join {
            participant,
            admission,
        });
        if layout == Layout::Single && self.room.members.contains_key(&participant) {
            self.offer(participant);
        }
        participant
    }

    /// Comes in without signalling; `sections` adds what the client offers.
    pub fn open(
        &mut self,
        identity: &str,
        change: impl FnOnce(&mut Admission),
        sections: impl FnOnce(&mut Client),
    ) -> ParticipantId {
        self.open_with(identity, change, sections, false)
    }

    /// The same, and perhaps content with an offer of the room's own.
    pub fn open_with(
        &mut self,
        identity: &str,
        change: impl FnOnce(&mut Admission),
        sections: impl FnOnce(&mut Client),
        takes_counter: bool,
    ) -> ParticipantId {
        let mut admission = admission(identity, Layout::OneShot);
        change(&mut admission);
        let participant = ParticipantId(uuid::Uuid::from_u128(self.next));
        self.next += 1;
        self.watcher.lasting = true;
        let mut client = Client::new(Layout::OneShot);
        sections(&mut client);
        let Request::Offer { sdp, .. } = client.offer() else {
            panic!("an offer");
        };
        self.clients.insert(participant, client);
        self.give(Input::Open(Box::new(Opening {
            participant,
            admission,
            offer: SessionOffer { sdp, takes_counter },
        })));
        participant
    }

    pub fn join(&mut self, identity: &str, layout: Layout) -> ParticipantId {
        let participant = self.join_as(admission(identity, layout));
        self.connect(participant);
        participant
    }

    /// All transports of a participant come up, with their channels.
    pub fn connect(&mut self, participant: ParticipantId) {
        for transport in self.transports_of(participant) {
            let setup = Duration::from_millis(9);
            self.media(Event::TransportConnected { transport, setup });
            for channel in [DataChannel::Reliable, DataChannel::Lossy] {
                self.media(Event::ChannelOpened { transport, channel });
            }
        }
    }

    pub fn transports_of(&self, participant: ParticipantId) -> Vec<TransportId> {
        let member = self.room.members.get(&participant);
        member.map_or_else(Vec::new, |member| {
            member.links().map(|l| l.transport).collect()
        })
    }

    /// The client offers its present sections.
    pub fn offer(&mut self, participant: ParticipantId) {
        let request = self.clients.get_mut(&participant).unwrap().offer();
        self.request(participant, request);
    }

    /// Announces and offers a track; its id.
    pub fn publish(&mut self, participant: ParticipantId, request: AddTrack) -> TrackId {
        let (cid, kind) = (request.cid.clone(), request.kind);
        self.request(participant, Request::AddTrack(request));
        let client = self.clients.get_mut(&participant).unwrap();
        client.add_sending(kind, &cid);
        self.offer(participant);
        self.published(participant, &cid).unwrap().track
    }

    pub fn published(&self, participant: ParticipantId, wanted: &str) -> Option<TrackView> {
        let heard = self.clients[&participant].heard.iter();
        heard.rev().find_map(|notice| match notice {
            Notice::TrackPublished { cid, track } if cid == wanted => Some(track.clone()),
            _ => None,
        })
    }

    /// Legs that carry a track to a participant.
    pub fn legs(&self, receiver: ParticipantId, track: TrackId) -> Vec<LegConfig> {
        let transports = self.transports_of(receiver);
        let to = |leg: &&LegConfig| {
            let source = self.room.sources.get(&leg.source);
            transports.contains(&leg.transport) && source.is_some_and(|(_, known)| *known == track)
        };
        self.watcher.legs.values().filter(to).cloned().collect()
    }

    pub fn source_of(&self, track: TrackId) -> SourceId {
        let mut sources = self.room.sources.iter();
        *sources.find(|(_, (_, known))| *known == track).unwrap().0
    }

    pub fn heard(&self, participant: ParticipantId) -> &[Notice] {
        &self.clients[&participant].heard
    }

    pub fn forget(&mut self) {
        self.commands.clear();
        self.facts.clear();
        for client in self.clients.values_mut() {
            client.heard.clear();
        }
    }

    /// The latest view of somebody that a participant was told.
    pub fn latest(&self, observer: ParticipantId, identity: &str) -> Option<ParticipantView> {
        let views = self.heard(observer).iter().flat_map(|notice| match notice {
            Notice::Participants(views) => owned(views),
            Notice::Joined(welcome) => welcome.others.clone(),
            _ => Vec::new(),
        });
        views.filter(|view| view.identity == identity).last()
    }
}

impl Client {
    fn new(layout: Layout) -> Self {
        let mut client = Self {
            layout,
            heard: Vec::new(),
            sections: Vec::new(),
            map: BTreeMap::new(),
            holds_answers: false,
            held: Vec::new(),
            is_deaf: false,
            offers: 0,
            ufrag: "client".to_owned(),
        };
        client.sections.push(Section {
            kind: SectionKind::Data,
            mid: "0".to_owned(),
            ..Section::default()
        });
        if layout == Layout::Single {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                (0..3).for_each(|_| client.add_receiving(kind));
            }
        }
        client
    }

    pub fn restart_ice(&mut self) {
        self.ufrag.push('x');
    }

    pub fn add_receiving(&mut self, kind: MediaKind) {
        self.add(kind, Direction::Receive);
    }

    pub fn add_sending(&mut self, kind: MediaKind, cid: &str) {
        self.add(kind, Direction::Send);
        let section = self.sections.last_mut().unwrap();
        section.msid = Some(("-".to_owned(), cid.to_owned()));
    }

    fn add(&mut self, kind: MediaKind, direction: Direction) {
        let format = |payload_type: u8, name: &str, parameters: &str| Format {
            payload_type,
            name: name.to_owned(),
            clock_rate_hz: if kind == MediaKind::Audio {
                48_000
            } else {
                90_000
            },
            channels: if kind == MediaKind::Audio { 2 } else { 1 },
            parameters: parameters.to_owned(),
            feedback: vec!["nack".to_owned(), "transport-cc".to_owned()],
        };
        let mid = Extension {
            id: 4,
            uri: "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned(),
        };
        self.sections.push(Section {
            kind: match kind {
                MediaKind::Audio => SectionKind::Audio,
                MediaKind::Video => SectionKind::Video,
            },
            mid: self.sections.len().to_string(),
            direction,
            rtcp_mux: true,
            formats: match kind {
                MediaKind::Audio => vec![format(111, "opus", ""), format(63, "red", "111/111")],
                MediaKind::Video => vec![format(96, "VP8", ""), format(97, "rtx", "apt=96")],
            },
            extensions: vec![mid],
            ..Section::default()
        });
    }

    pub fn offer(&mut self) -> Request {
        self.offers += 1;
        let lines = TransportLines {
            ice: Some(IceCredentials {
                ufrag: self.ufrag.clone(),
                pwd: "p".repeat(24),
            }),
            fingerprints: vec![Fingerprint([2; 32])],
            setup: Some(Setup::ActPass),
        };
        let mut sections = self.sections.clone();
        for section in &mut sections {
            section.transport = lines.clone();
        }
        let description = Description {
            bundle: sections.iter().map(|section| section.mid.clone()).collect(),
            sections,
            ..Description::default()
        };
        Request::Offer {
            id: self.offers,
            sdp: description.write(),
        }
    }

    fn hear(&mut self, participant: ParticipantId, notice: Notice) -> Vec<Input> {
        let mut inputs = Vec::new();
        match &notice {
            Notice::MediaSections { audios, videos } if !self.is_deaf => {
                (0..*audios).for_each(|_| self.add_receiving(MediaKind::Audio));
                (0..*videos).for_each(|_| self.add_receiving(MediaKind::Video));
                inputs.push(Input::Request {
                    participant,
                    request: self.offer(),
                });
            }
            Notice::Offer {
                id,
                sdp,
                mid_to_track,
            } => {
                self.map.clone_from(mid_to_track);
                let answer = turned(sdp);
                if self.holds_answers {
                    self.held.push((*id, answer));
                } else {
                    let request = Request::Answer {
                        id: *id,
                        sdp: answer,
                    };
                    inputs.push(Input::Request {
                        participant,
                        request,
                    });
                }
            }
            Notice::Answer {
                id,
                sdp,
                mid_to_track,
            } => {
                assert_eq!(*id, self.offers);
                let read = sdp::parse(sdp).unwrap();
                assert_eq!(read.sections.len(), self.sections.len());
                for section in &read.sections {
                    let media = matches!(section.kind, SectionKind::Audio | SectionKind::Video);
                    let sends = media && section.direction.sends();
                    if self.layout == Layout::Single {
                        assert_eq!(sends, mid_to_track.contains_key(&section.mid));
                    }
                }
                self.map.clone_from(mid_to_track);
            }
            _ => {}
        }
        self.heard.push(notice);
        inputs
    }

    pub fn welcome(&self) -> &Welcome {
        match &self.heard[0] {
            Notice::Joined(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }
}

/// The answer of a client that takes everything.
pub fn turned(offer: &str) -> String {
    let mut read = sdp::parse(offer).unwrap();
    for section in &mut read.sections {
        section.direction = Direction::of(section.direction.receives(), section.direction.sends());
        section.transport.setup = Some(Setup::Active);
        section.msid = None;
        section.ssrcs.clear();
        section.ssrc_groups.clear();
    }
    read.write()
}

/// Views of one's own.
pub fn owned(views: &[Arc<ParticipantView>]) -> Vec<ParticipantView> {
    views.iter().map(|view| (**view).clone()).collect()
}
