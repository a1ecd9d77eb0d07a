//! The matrix of who may have whose media: every combination of ways in and of rights, each reached
//! by changes in mid-call, whatever the clients ask.

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::media::command::MediaKind;
use crate::media::signal::{Layout, ParticipantKind, Setting};

/// Nothing else may follow from a change within this time; its effect is there at once.
const SETTLED_AFTER: TimeDelta = TimeDelta::milliseconds(500);

const PUBLISHER: &str = "publisher";
const RECEIVER: &str = "receiver";
const BYSTANDER: &str = "bystander";
const SOURCES: [TrackSource; 2] = [TrackSource::Camera, TrackSource::Microphone];

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Single,
    Dual,
    /// A device as publisher, a player as receiver.
    OneShot,
}

const WAYS: [Way; 3] = [Way::Single, Way::Dual, Way::OneShot];

/// What a publisher may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publishes {
    Everything,
    SoundAlone,
    Nothing,
}

const PUBLISHES: [Publishes; 3] = [
    Publishes::Everything,
    Publishes::SoundAlone,
    Publishes::Nothing,
];

/// Whom a publisher lets subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shares {
    WithAll,
    WithNobody,
    WithReceiver,
    WithReceiverBySid,
    PictureWithReceiver,
    WithBystander,
}

const SHARES: [Shares; 6] = [
    Shares::WithAll,
    Shares::WithNobody,
    Shares::WithReceiver,
    Shares::WithReceiverBySid,
    Shares::PictureWithReceiver,
    Shares::WithBystander,
];

/// What the policy says of publisher and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    Free,
    NotReceiving,
    NotSeeing,
}

const PAIRS: [Pair; 3] = [Pair::Free, Pair::NotReceiving, Pair::NotSeeing];

impl Policy for Pair {
    fn may_receive(&self, receiver: &Admission, publisher: &Admission) -> bool {
        *self != Self::NotReceiving || !are_the_pair(receiver, publisher)
    }

    fn may_see(&self, observer: &Admission, subject: &Admission) -> bool {
        *self != Self::NotSeeing || !are_the_pair(observer, subject)
    }

    fn may_message(&self, _: &Admission, _: &Admission) -> bool {
        true
    }
}

fn are_the_pair(receiver: &Admission, publisher: &Admission) -> bool {
    receiver.identity == RECEIVER && publisher.identity == PUBLISHER
}

/// Where every lever stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Levers {
    publishes: Publishes,
    publisher_hidden: bool,
    receiver_subscribes: bool,
    receiver_hidden: bool,
    pair: Pair,
    shares: Shares,
}

impl Levers {
    const COMBINATIONS: usize = 3 * 2 * 2 * 2 * 3 * 6;

    /// Each combination has a number; 0 allows everything.
    fn numbered(number: usize) -> Self {
        let mut rest = number;
        let mut digit = |base: usize| {
            let digit = rest % base;
            rest /= base;
            digit
        };
        Self {
            shares: SHARES[digit(SHARES.len())],
            pair: PAIRS[digit(PAIRS.len())],
            receiver_hidden: digit(2) == 1,
            receiver_subscribes: digit(2) == 0,
            publisher_hidden: digit(2) == 1,
            publishes: PUBLISHES[digit(PUBLISHES.len())],
        }
    }

    fn may_publish(self, source: TrackSource) -> bool {
        let listed = match self.publishes {
            Publishes::Everything => true,
            Publishes::SoundAlone => source == TrackSource::Microphone,
            Publishes::Nothing => false,
        };
        listed && !self.publisher_hidden
    }

    fn receiver_may_have(self, source: TrackSource) -> bool {
        let shared = match self.shares {
            Shares::WithAll | Shares::WithReceiver | Shares::WithReceiverBySid => true,
            Shares::PictureWithReceiver => source == TrackSource::Camera,
            Shares::WithNobody | Shares::WithBystander => false,
        };
        let may = self.receiver_subscribes && self.pair == Pair::Free;
        self.may_publish(source) && shared && may
    }

    fn bystander_may_have(self, source: TrackSource) -> bool {
        let shared = matches!(self.shares, Shares::WithAll | Shares::WithBystander);
        self.may_publish(source) && shared
    }
}

/// A publisher, a receiver, and somebody whom nothing forbids anything.
struct Call {
    bench: Bench,
    ways: (Way, Way),
    publisher: ParticipantId,
    receiver: ParticipantId,
    bystander: ParticipantId,
    levers: Levers,
}

impl Call {
    fn new(publisher: Way, receiver: Way) -> Self {
        let mut bench = Bench::new();
        let mut call = Self {
            ways: (publisher, receiver),
            publisher: enter(&mut bench, PUBLISHER, publisher, ParticipantKind::Ingress),
            receiver: enter(&mut bench, RECEIVER, receiver, ParticipantKind::Egress),
            bystander: bench.join(BYSTANDER, Layout::Single),
            bench,
            levers: Levers::numbered(0),
        };
        if publisher != Way::OneShot {
            let client = call.bench.clients.get_mut(&call.publisher).unwrap();
            client.add_sending(MediaKind::Video, "camera");
            client.add_sending(MediaKind::Audio, "microphone");
        }
        call.publish();
        call
    }

    /// Moves every lever that stands otherwise.
    fn set(&mut self, levers: Levers) {
        let old = std::mem::replace(&mut self.levers, levers);
        if levers.pair != old.pair {
            self.bench.give(Input::SetPolicy(Arc::new(levers.pair)));
        }
        self.bench.give(Input::SetPermissions {
            identity: PUBLISHER.to_owned(),
            permissions: Permissions {
                publish: levers.publishes != Publishes::Nothing,
                sources: match levers.publishes {
                    Publishes::SoundAlone => vec![TrackSource::Microphone],
                    Publishes::Everything | Publishes::Nothing => Vec::new(),
                },
                hidden: levers.publisher_hidden,
                ..rights()
            },
        });
        self.bench.give(Input::SetPermissions {
            identity: RECEIVER.to_owned(),
            permissions: Permissions {
                subscribe: levers.receiver_subscribes,
                hidden: levers.receiver_hidden,
                ..rights()
            },
        });
        self.publish();
        self.share();
    }

    /// The publisher's client tries to publish whatever it does not; a device's does nothing.
    fn publish(&mut self) {
        if self.ways.0 == Way::OneShot {
            return;
        }
        for source in SOURCES {
            if self.track(source).is_none() {
                let cid = match source {
                    TrackSource::Camera => "camera",
                    _ => "microphone",
                };
                let request = Request::AddTrack(track(cid, source));
                self.bench.request(self.publisher, request);
            }
        }
        self.bench.offer(self.publisher);
    }

    fn share(&mut self) {
        if self.ways.0 == Way::OneShot {
            return;
        }
        // No track stands for all of them, so a picture that is not there needs an id too.
        let nothing = TrackId(uuid::Uuid::nil());
        let picture = self.track(TrackSource::Camera).unwrap_or(nothing);
        let allowed = match self.levers.shares {
            Shares::WithAll | Shares::WithNobody => Vec::new(),
            Shares::WithReceiver => vec![(RECEIVER.to_owned(), Vec::new())],
            Shares::WithReceiverBySid => vec![(self.receiver.sid(), Vec::new())],
            Shares::PictureWithReceiver => vec![(RECEIVER.to_owned(), vec![picture])],
            Shares::WithBystander => vec![(BYSTANDER.to_owned(), Vec::new())],
        };
        let request = Request::SubscriptionPermission {
            all: self.levers.shares == Shares::WithAll,
            allowed,
        };
        self.bench.request(self.publisher, request);
    }

    /// The receiver's client asks for everything, in every way it has.
    fn ask(&mut self) {
        if self.ways.1 == Way::OneShot {
            return;
        }
        let tracks: Vec<TrackId> = self.bench.room.tracks.keys().copied().collect();
        let subscribe = true;
        for request in [
            Request::Subscribe {
                tracks: tracks.clone(),
                subscribe,
            },
            Request::TrackSetting {
                tracks,
                setting: Setting::default(),
            },
        ] {
            self.bench.request(self.receiver, request);
        }
        self.bench.offer(self.receiver);
        for input in [
            Input::SignalLost {
                participant: self.receiver,
            },
            Input::Resume {
                participant: self.receiver,
            },
        ] {
            self.bench.give(input);
        }
    }

    fn track(&self, source: TrackSource) -> Option<TrackId> {
        let member = self.bench.room.members.get(&self.publisher)?;
        let view = member.view();
        let track = view.tracks.iter().find(|track| track.source == source)?;
        Some(track.track)
    }

    /// There is a leg for whoever may have a track, and none beside.
    fn check(&self, when: &str) {
        let context = format!("{when}: {:?} {:?}", self.ways, self.levers);
        let mut expected = 0;
        for source in SOURCES {
            let track = self.track(source);
            let published = self.levers.may_publish(source);
            assert_eq!(track.is_some(), published, "{source:?} {context}");
            for (who, may) in [
                (self.receiver, self.levers.receiver_may_have(source)),
                (self.bystander, self.levers.bystander_may_have(source)),
            ] {
                let legs = track.map_or(0, |track| self.bench.legs(who, track).len());
                assert_eq!(legs, usize::from(may), "{source:?} {context}");
                expected += legs;
            }
        }
        assert_eq!(self.bench.watcher.legs.len(), expected, "{context}");
    }
}

fn enter(bench: &mut Bench, identity: &str, way: Way, kind: ParticipantKind) -> ParticipantId {
    let layout = match way {
        Way::Single => Layout::Single,
        Way::Dual => Layout::Dual,
        Way::OneShot => {
            let admit = |admission: &mut Admission| {
                admission.kind = kind;
                admission.auto_subscribe = kind == ParticipantKind::Egress;
            };
            let participant = bench.open(identity, admit, |client| {
                for (kind_of_media, cid) in [(MediaKind::Audio, "1"), (MediaKind::Video, "2")] {
                    match kind {
                        ParticipantKind::Egress => client.add_receiving(kind_of_media),
                        _ => client.add_sending(kind_of_media, cid),
                    }
                }
            });
            bench.connect(participant);
            return participant;
        }
    };
    bench.join(identity, layout)
}

#[test]
fn a_pair_has_exactly_the_legs_that_every_rule_allows_from_the_moment_of_a_change() {
    // Neighbours in the first order differ in one lever mostly, in the second in several.
    for stride in [1, 131] {
        for (publisher, receiver) in WAYS.iter().flat_map(|one| WAYS.map(|two| (*one, two))) {
            let mut call = Call::new(publisher, receiver);
            call.check("in the beginning");
            for step in 0..Levers::COMBINATIONS {
                let levers = Levers::numbered(step * stride % Levers::COMBINATIONS);
                if publisher == Way::OneShot && levers.shares != Shares::WithAll {
                    // A device has no way to say with whom it shares.
                    continue;
                }
                call.set(levers);
                call.check("at once");
                call.ask();
                call.check("whatever the client asks");
                call.bench.pass(SETTLED_AFTER);
                call.check("later");
            }
        }
    }
}
