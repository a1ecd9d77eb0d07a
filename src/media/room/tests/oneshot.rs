//! Devices and players without signalling.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::media::command::{CloseReason, LegConfig, MediaKind};
use crate::media::sdp::{self, Direction, Rid, Section};
use crate::media::signal::{Layout, ParticipantKind, RequestRefusal, TrackSource, TrackView};

fn ingress(admission: &mut Admission) {
    admission.kind = ParticipantKind::Ingress;
    admission.auto_subscribe = false;
}

fn egress(admission: &mut Admission) {
    admission.kind = ParticipantKind::Egress;
}

fn egress_of(identity: &str) -> impl FnOnce(&mut Admission) + use<'_> {
    move |admission| {
        egress(admission);
        admission.watches = Some(identity.to_owned());
    }
}

fn sound_and_picture(client: &mut Client) {
    client.add_sending(MediaKind::Audio, "sound");
    client.add_sending(MediaKind::Video, "picture");
}

fn ear_and_eye(client: &mut Client) {
    client.add_receiving(MediaKind::Audio);
    client.add_receiving(MediaKind::Video);
}

impl Bench {
    fn device(&mut self, identity: &str) -> ParticipantId {
        let device = self.open(identity, ingress, sound_and_picture);
        self.connect(device);
        device
    }

    fn tracks_of(&self, participant: ParticipantId) -> Vec<TrackView> {
        let all = self.room.participants();
        let view = all.into_iter().find(|view| view.participant == participant);
        view.map(|view| view.tracks).unwrap_or_default()
    }

    fn track_of(&self, participant: ParticipantId, source: TrackSource) -> TrackView {
        let tracks = self.tracks_of(participant).into_iter();
        let mut tracks = tracks.filter(|track| track.source == source);
        tracks.next().unwrap()
    }

    fn answer(&self, participant: ParticipantId) -> (Vec<Section>, String) {
        match self.heard(participant).first() {
            Some(Notice::SessionAnswer(Described { sdp, tag })) => {
                (sdp::parse(sdp).unwrap().sections, tag.clone())
            }
            other => panic!("an answer was due first, not {other:?}"),
        }
    }

    fn leg(&self, receiver: ParticipantId, track: &TrackView) -> LegConfig {
        let legs = self.legs(receiver, track.track);
        assert_eq!(legs.len(), 1);
        legs[0].clone()
    }

    fn trickle(&mut self, client: ParticipantId, tag: Option<&str>, text: &str) -> Trickled {
        let request = Request::Trickle {
            tag: tag.map(str::to_owned),
            fragment: text.to_owned(),
        };
        self.request(client, request);
        match self.heard(client).last() {
            Some(Notice::Trickled(news)) => news.clone(),
            other => panic!("news of ICE were due, not {other:?}"),
        }
    }

    fn refusal(&self, client: ParticipantId) -> RequestRefusal {
        match self.heard(client) {
            [Notice::RequestRefused { reason, .. }, Notice::Left(_)] => *reason,
            other => panic!("a refusal and a farewell were due, not {other:?}"),
        }
    }
}

#[test]
fn a_device_publishes_what_its_offer_sends_and_hears_nothing_else() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let device = bench.device("terminal");
    let view = bench.latest(learner, "terminal").unwrap();
    assert_eq!(view.kind, ParticipantKind::Ingress);
    let sources: BTreeSet<TrackSource> = view.tracks.iter().map(|track| track.source).collect();
    let expected = [TrackSource::Microphone, TrackSource::Camera];
    assert_eq!(sources, BTreeSet::from(expected));
    for track in bench.tracks_of(device) {
        bench.leg(learner, &track);
    }
    let (sections, _) = bench.answer(device);
    let data = &sections[0];
    assert!(data.rejected, "nobody reads data channels of devices");
    assert!(
        sections[1..]
            .iter()
            .all(|s| s.direction == Direction::Receive)
    );
    assert_eq!(bench.heard(device).len(), 1, "only the answer");
}

#[test]
fn a_device_with_less_rights_than_tracks_stays_out_and_disturbs_nobody() {
    let mut bench = Bench::new();
    let first = bench.device("terminal");
    bench.forget();
    let only_sound = |admission: &mut Admission| {
        ingress(admission);
        admission.permissions.sources = vec![TrackSource::Microphone];
    };
    let refused = bench.open("terminal", only_sound, sound_and_picture);
    assert_eq!(bench.refusal(refused), RequestRefusal::NotAllowed);
    let hidden = |admission: &mut Admission| {
        ingress(admission);
        admission.permissions.hidden = true;
    };
    let refused = bench.open("terminal", hidden, sound_and_picture);
    assert_eq!(bench.refusal(refused), RequestRefusal::NotAllowed);
    let deaf = |admission: &mut Admission| {
        egress(admission);
        admission.permissions.subscribe = false;
    };
    let refused = bench.open("wall", deaf, ear_and_eye);
    assert_eq!(bench.refusal(refused), RequestRefusal::NotAllowed);
    let nothing = bench.open("terminal", ingress, |_| {});
    assert_eq!(bench.refusal(nothing), RequestRefusal::UnsupportedType);
    assert!(bench.facts.is_empty(), "{:?}", bench.facts);
    assert_eq!(bench.room.participants().len(), 1);
    assert_eq!(bench.tracks_of(first).len(), 2);
}

#[test]
fn rights_that_name_a_source_make_a_device_publish_that_one() {
    let mut bench = Bench::new();
    let screen = |admission: &mut Admission| {
        ingress(admission);
        admission.permissions.sources = vec![TrackSource::ScreenShare];
    };
    let picture = |client: &mut Client| client.add_sending(MediaKind::Video, "picture");
    let device = bench.open("terminal", screen, picture);
    bench.track_of(device, TrackSource::ScreenShare);
}

#[test]
fn layers_of_a_device_halve_a_nominal_picture_so_that_small_views_get_low_ones() {
    let mut bench = Bench::new();
    let three = |client: &mut Client| {
        client.add_sending(MediaKind::Video, "picture");
        let rid = |id: &str| Rid {
            id: id.to_owned(),
            sends: true,
        };
        let section = client.sections.last_mut().unwrap();
        section.rids = ["f", "q", "h"].map(rid).to_vec();
    };
    let device = bench.open("terminal", ingress, three);
    let track = bench.track_of(device, TrackSource::Camera);
    let layers = track.layers.iter();
    let layers: Vec<(&str, u32, u8)> = layers
        .map(|l| (l.rid.as_str(), l.width, l.quality))
        .collect();
    assert_eq!(layers, [("q", 320, 0), ("h", 640, 1), ("f", 1280, 2)]);
    assert!(track.simulcast);
}

#[test]
fn a_player_gets_sound_and_picture_under_streams_that_belong_together() {
    let mut bench = Bench::new();
    let device = bench.device("terminal");
    let player = bench.open("wall", egress_of("terminal"), ear_and_eye);
    let (sections, _) = bench.answer(player);
    let streams: Vec<&str> = sections[1..]
        .iter()
        .map(|section| section.msid.as_ref().unwrap().0.as_str())
        .collect();
    assert_eq!(streams[0], streams[1]);
    for (section, source) in sections[1..]
        .iter()
        .zip([TrackSource::Microphone, TrackSource::Camera])
    {
        assert_eq!(section.direction, Direction::Send);
        let track = bench.track_of(device, source);
        let leg = bench.leg(player, &track);
        assert_eq!(leg.ssrc, section.ssrcs[0].0);
    }
    let all = bench.room.participants();
    let view = all.iter().find(|view| view.identity == "wall");
    assert_eq!(view.unwrap().kind, ParticipantKind::Egress);
}

#[test]
fn a_camera_that_is_replaced_or_comes_later_goes_on_under_the_players_stream() {
    let mut bench = Bench::new();
    let player = bench.open("wall", egress_of("terminal"), ear_and_eye);
    let other = bench.device("other");
    let told = bench.answer(player).0[2].ssrcs[0].0;
    for _ in 0..3 {
        // A device that comes again takes the place of its former self.
        let device = bench.device("terminal");
        let track = bench.track_of(device, TrackSource::Camera);
        assert_eq!(bench.leg(player, &track).ssrc, told);
    }
    let track = bench.track_of(other, TrackSource::Camera);
    assert!(bench.legs(player, track.track).is_empty(), "not watched");
    assert_eq!(bench.heard(player).len(), 1, "only the answer");
}

#[test]
fn a_player_of_a_room_gives_its_streams_to_cameras_first_and_keeps_people_together() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let screen = bench.publish(teacher, track("screen", TrackSource::ScreenShare));
    let devices = [bench.device("one"), bench.device("two")];
    let two = |client: &mut Client| {
        ear_and_eye(client);
        ear_and_eye(client);
    };
    let player = bench.open("wall", egress, two);
    let (sections, _) = bench.answer(player);
    let stream_of = |bench: &Bench, device, source| {
        let leg = bench.leg(player, &bench.track_of(device, source));
        let mut carries = sections.iter().filter(|s| {
            let ssrcs: Vec<u32> = s.ssrcs.iter().map(|(ssrc, _)| *ssrc).collect();
            ssrcs.first() == Some(&leg.ssrc)
        });
        carries.next().unwrap().msid.clone().unwrap().0
    };
    for device in devices {
        let sound = stream_of(&bench, device, TrackSource::Microphone);
        assert_eq!(sound, stream_of(&bench, device, TrackSource::Camera));
    }
    assert!(bench.legs(player, screen).is_empty());
    bench.request(devices[0], Request::Leave);
    assert_eq!(bench.legs(player, screen).len(), 1, "now there is room");
}

#[test]
fn ice_restarts_by_a_fragment_and_only_from_the_state_that_the_client_knows() {
    let mut bench = Bench::new();
    let device = bench.device("terminal");
    let (_, tag) = bench.answer(device);
    let same = format!(
        "a=ice-ufrag:client\r\na=ice-pwd:{}\r\na=mid:1\r\n",
        "p".repeat(24)
    );
    let new = same.replace("client", "client2");
    assert_eq!(bench.trickle(device, Some(&tag), &same), Trickled::Kept);
    let bare = "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n";
    assert_eq!(bench.trickle(device, Some(&tag), bare), Trickled::Kept);
    assert_eq!(bench.trickle(device, Some("old"), &new), Trickled::Stale);
    let foreign = new.replace("a=mid:1", "a=mid:77");
    assert_eq!(
        bench.trickle(device, Some(&tag), &foreign),
        Trickled::Foreign
    );
    assert_eq!(bench.trickle(device, None, "?"), Trickled::Malformed);
    bench.forget();
    let Trickled::Restarted {
        fragment,
        tag: next,
    } = bench.trickle(device, None, &new)
    else {
        panic!("a restart was due");
    };
    let read = sdp::Fragment::parse(&fragment).unwrap();
    assert_eq!(read.ice.unwrap().ufrag, next);
    assert_ne!(next, tag);
    let restarts = bench.commands.iter().filter(
        |command| matches!(command, Command::RestartIce { local, .. } if local.ufrag == next),
    );
    assert_eq!(restarts.count(), 1);
    assert_eq!(bench.trickle(device, Some(&tag), &new), Trickled::Stale);
}

#[test]
fn a_session_ends_with_its_transport_or_when_it_never_connects() {
    let mut bench = Bench::new();
    let device = bench.device("terminal");
    let transport = bench.transports_of(device)[0];
    let reason = CloseReason::ConsentExpired;
    bench.media(Event::TransportClosed { transport, reason });
    assert!(bench.room.is_empty());
    let device = bench.open("terminal", ingress, sound_and_picture);
    bench.pass(TimeDelta::seconds(61));
    assert!(bench.room.is_empty());
    assert!(matches!(
        bench.heard(device).last(),
        Some(Notice::Left(LeaveReason::ConnectionLost))
    ));
}

#[test]
fn the_server_mutes_a_device_and_rights_that_come_back_let_it_publish_again() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let device = bench.device("terminal");
    let sound = bench.track_of(device, TrackSource::Microphone);
    let leg = bench.leg(learner, &sound).leg;
    bench.forget();
    bench.give(Input::MuteTracks {
        identity: None,
        except: Vec::new(),
        source: TrackSource::Microphone,
    });
    let paused = bench.commands.iter().filter_map(|command| match command {
        Command::PauseLeg { leg, paused: true } => Some(*leg),
        _ => None,
    });
    assert_eq!(paused.collect::<Vec<_>>(), [leg]);
    for (publish, tracks) in [(false, 0), (true, 2)] {
        let mut permissions = rights();
        permissions.publish = publish;
        bench.give(Input::SetPermissions {
            identity: "terminal".to_owned(),
            permissions,
        });
        assert_eq!(bench.tracks_of(device).len(), tracks);
    }
    let track = bench.track_of(device, TrackSource::Camera);
    bench.leg(learner, &track);
}

#[test]
fn a_player_whose_offer_cannot_be_served_may_take_the_rooms_and_gets_nothing_before_it_answers() {
    let mut bench = Bench::new();
    bench.device("terminal");
    let refused = bench.open("wall", egress, sound_and_picture);
    assert_eq!(bench.refusal(refused), RequestRefusal::UnsupportedType);
    let player = bench.open_with("wall", egress, sound_and_picture, true);
    let offer = match bench.heard(player) {
        [Notice::CounterOffer(Described { sdp, .. })] => sdp.clone(),
        other => panic!("an offer was due, not {other:?}"),
    };
    let sections = sdp::parse(&offer).unwrap().sections;
    assert_eq!(sections.len(), 2);
    assert!(sections.iter().all(|s| s.direction == Direction::Send));
    assert!(offer.contains("a=setup:actpass") && offer.contains("VP8"));
    assert!(bench.watcher.legs.is_empty(), "it agreed to nothing yet");
    let answer = |sdp: String| Request::Answer { id: 0, sdp };
    let not_allowed = |bench: &Bench| match bench.heard(player).last() {
        Some(Notice::RequestRefused { reason, .. }) => Some(*reason),
        _ => None,
    };
    bench.request(player, answer("hello".to_owned()));
    assert_eq!(not_allowed(&bench), Some(RequestRefusal::Malformed));
    let nothing = turned(&offer).replace("a=recvonly", "a=inactive");
    bench.request(player, answer(nothing));
    assert_eq!(not_allowed(&bench), Some(RequestRefusal::UnsupportedType));
    bench.request(player, answer(turned(&offer)));
    assert_eq!(not_allowed(&bench), None);
    bench.connect(player);
    bench.pass(TimeDelta::minutes(2));
    let streams: BTreeSet<u32> = bench.watcher.legs.values().map(|leg| leg.ssrc).collect();
    let offered = sections.iter().map(|section| section.ssrcs[0].0);
    assert_eq!(streams, offered.collect());
    bench.request(player, answer(turned(&offer)));
    assert_eq!(not_allowed(&bench), Some(RequestRefusal::NotFound), "once");
}

#[test]
fn an_offer_of_the_rooms_that_nobody_answers_ends_after_half_a_minute() {
    let mut bench = Bench::new();
    bench.open_with("wall", egress, sound_and_picture, true);
    bench.pass(TimeDelta::seconds(29));
    assert_eq!(bench.room.participants().len(), 1);
    bench.pass(TimeDelta::seconds(1));
    assert!(bench.room.is_empty() && bench.watcher.transports.is_empty());
}
