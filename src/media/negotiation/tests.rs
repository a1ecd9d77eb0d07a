//! What offers and answers come to, for descriptions that real clients sent.

use std::collections::BTreeMap;

use super::*;
use crate::media::command::{Codec, EncodingConfig, HostCandidates};
use crate::media::placement::Shards;
use crate::media::sdp::tests::mutate;
use crate::media::sdp::{self, Direction, SdpError, SectionKind};
use crate::media::signal::Layer;

const JOIN: &str = include_str!("../../../tests/fixtures/sdp/chromium_join.sdp");
const PUBLISH: &str = include_str!("../../../tests/fixtures/sdp/chromium_publish.sdp");
const FIREFOX: &str = include_str!("../../../tests/fixtures/sdp/firefox_publish.sdp");
const TWO_LAYERS: &str = include_str!("../../../tests/fixtures/sdp/libwebrtc_two_layers.sdp");

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(7, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn entropy() -> Counting {
    Counting(std::sync::atomic::AtomicU8::new(1))
}

pub(super) fn local() -> Local {
    let shards = Shards::new([HostCandidates {
        udp: vec!["127.0.0.1:7000".parse().unwrap()],
        tcp: vec!["[::1]:7001".parse().unwrap()],
    }]);
    Local::new(
        TransportId(5),
        Fingerprint([0xAB; 32]),
        shards.place(shards.quietest()),
        &entropy(),
    )
}

fn answering() -> Answering {
    Answering::new(local())
}

pub(super) fn track(number: u128) -> TrackId {
    TrackId(uuid::Uuid::from_u128(number))
}

pub(super) fn outgoing(number: u128, ssrc: u32) -> Outgoing {
    Outgoing {
        track: track(number),
        stream: format!("PA_{number}|camera"),
        cname: "publisher".to_owned(),
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        stereo: false,
    }
}

#[test]
fn a_join_offer_is_answered_section_by_section() {
    let mut connection = answering();
    let offered = connection.offer(JOIN).unwrap();
    assert_eq!(offered.fingerprints.unwrap().len(), 1);
    assert!(!offered.restarted);
    let (answer, map) = connection.answer();
    assert!(map.is_empty());
    let mut reader = std::io::Cursor::new(answer.as_bytes());
    rtc::sdp::description::session::SessionDescription::unmarshal(&mut reader).unwrap();
    let offer = sdp::parse(JOIN).unwrap();
    let read = sdp::parse(&answer).unwrap();
    assert!(read.ice_lite);
    assert_eq!(read.bundle, offer.bundle);
    for (theirs, ours) in offer.sections.iter().zip(&read.sections) {
        assert_eq!((&theirs.mid, theirs.kind), (&ours.mid, ours.kind));
        assert_eq!(ours.transport.setup, Some(Setup::Passive));
        if ours.kind != SectionKind::Data {
            assert_eq!(ours.direction, Direction::Inactive);
            assert!(ours.formats.iter().all(|ours| {
                let same = |f: &&sdp::Format| f.payload_type == ours.payload_type;
                theirs
                    .formats
                    .iter()
                    .find(same)
                    .is_some_and(|f| f.name == ours.name)
            }));
        }
    }
    let hosts = "a=candidate:1 1 udp 2130706431 127.0.0.1 7000 typ host\r\n\
                 a=candidate:2 1 tcp 1520435199 ::1 7001 typ host tcptype passive\r\n\
                 a=end-of-candidates";
    assert_eq!(answer.matches(hosts).count(), 1);
}

#[test]
fn idle_video_sections_are_answered_with_the_restriction_id_extensions() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let read = sdp::parse(&connection.answer().0).unwrap();
    let offer = sdp::parse(JOIN).unwrap();
    for (section, offered) in read.sections.iter().zip(&offer.sections) {
        let wanted: &[&str] = match section.kind {
            SectionKind::Video => &["sdes:mid", "rtp-stream-id", "repaired-rtp-stream-id"],
            SectionKind::Audio => &["sdes:mid", "ssrc-audio-level"],
            SectionKind::Data | SectionKind::Other => &[],
        };
        for name in wanted {
            let ends = |e: &&sdp::Extension| e.uri.ends_with(&format!(":{name}"));
            let (ours, theirs) = (&section.extensions, &offered.extensions);
            assert_eq!(ours.iter().find(ends), theirs.iter().find(ends), "{name}");
            assert!(ours.iter().any(|e| ends(&e)), "{name}");
        }
    }
}

#[test]
fn main_profiles_are_taken_and_no_codec_that_we_cannot_forward() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let taken = connection.codecs("3");
    let codecs: Vec<(Codec, u8, Option<u8>)> = taken
        .iter()
        .map(|known| (known.codec, known.payload_type, known.rtx_payload_type))
        .collect();
    assert_eq!(
        codecs,
        [
            (Codec::Vp8, 96, Some(97)),
            (Codec::Vp9, 98, Some(99)),
            (Codec::H264, 108, Some(109)),
            (Codec::Av1, 45, Some(46)),
        ]
    );
    let read = sdp::parse(&connection.answer().0).unwrap();
    let names: Vec<&str> = read.sections[3]
        .formats
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    let expected = ["VP8", "rtx", "VP9", "rtx", "H264", "rtx", "AV1", "rtx"];
    assert_eq!(names, expected);
    let vp8 = &read.sections[3].formats[0].feedback;
    for wanted in ["nack", "nack pli", "ccm fir", "transport-cc"] {
        assert!(vp8.iter().any(|value| value == wanted), "{wanted}");
    }
    assert!(!vp8.iter().any(|value| value == "goog-remb"));
}

#[test]
fn published_audio_prefers_redundancy_unless_the_track_declines_it() {
    let mut connection = answering();
    connection.offer(PUBLISH).unwrap();
    let audio = |connection: &mut Answering| {
        let read = sdp::parse(&connection.answer().0).unwrap();
        let section = read.sections[0].clone();
        assert_eq!(section.direction, Direction::Receive);
        let formats = section
            .formats
            .iter()
            .map(|f| (f.name.clone(), f.parameters.clone()));
        formats.collect::<Vec<_>>()
    };
    let formats = audio(&mut connection);
    assert_eq!(formats[0].0, "red");
    assert!(formats[1].1.contains("usedtx=1") && !formats[1].1.contains("stereo=1"));
    let options = TrackOptions {
        dtx_disabled: true,
        stereo: true,
        red_disabled: true,
        ..TrackOptions::default()
    };
    connection.set_options("0", options);
    let formats = audio(&mut connection);
    assert_eq!(formats.len(), 1);
    assert!(!formats[0].1.contains("usedtx") && formats[0].1.contains("stereo=1"));
    assert!(formats[0].1.contains("useinbandfec=1"));
}

#[test]
fn the_codec_that_a_track_wishes_is_answered_first() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let taken = connection.codecs("3");
    for wanted in [Codec::H264, Codec::Vp9, Codec::Av1] {
        let options = TrackOptions {
            codec: Some(wanted),
            ..TrackOptions::default()
        };
        let preferred = formats::preferred(&taken, options);
        assert_eq!(preferred[0].codec, wanted);
        assert_eq!(preferred.len(), taken.len());
    }
}

#[test]
fn a_track_that_the_server_reads_is_answered_with_vp8_alone() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let taken = connection.codecs("3");
    assert!(taken.len() > 1);
    let options = TrackOptions {
        codec: Some(Codec::Av1),
        is_read: true,
        ..TrackOptions::default()
    };
    let preferred = formats::preferred(&taken, options);
    assert_eq!(preferred.len(), 1);
    assert_eq!(preferred[0].codec, Codec::Vp8);
    let other: Vec<_> = taken
        .into_iter()
        .filter(|known| known.codec != Codec::Vp8)
        .collect();
    let preferred = formats::preferred(&other, options);
    assert_eq!(preferred.len(), other.len());
}

/// A single stream of such a codec, with or without descriptors.
fn single(codec: Codec, dependency: Option<u8>) -> Incoming {
    Incoming {
        mid: "1".to_owned(),
        kind: MediaKind::Video,
        cid: String::new(),
        rids: Vec::new(),
        ssrcs: vec![7, 8],
        ssrc_groups: vec![("FID".to_owned(), vec![7, 8])],
        codecs: vec![CodecMapping {
            codec,
            payload_type: 98,
            rtx_payload_type: Some(99),
        }],
        extensions: ExtensionIds {
            dependency,
            ..ExtensionIds::default()
        },
    }
}

#[test]
fn each_announced_layer_of_a_single_stream_that_tells_its_layers_is_an_encoding() {
    let layers = [layer(0, 320, ""), layer(1, 640, ""), layer(2, 1_280, "")];
    let of = |incoming: &Incoming, layers: &[Layer]| {
        let found = Encodings::of(incoming, &incoming.codecs, layers);
        let widths: Vec<u32> = found.known.iter().map(|(_, layer)| layer.width).collect();
        let ssrcs: Vec<Option<u32>> = found.configs().map(|config| config.ssrc).collect();
        (found.layered, widths, ssrcs)
    };
    for codec in [Codec::Vp9, Codec::Av1] {
        let told = single(codec, Some(12));
        let expected = (true, vec![320, 640, 1_280], vec![Some(7), None, None]);
        assert_eq!(of(&told, &layers), expected);
        assert_eq!(of(&told, &[]), (true, vec![0], vec![Some(7)]));
    }
    for plain in [single(Codec::Vp9, None), single(Codec::Vp8, Some(12))] {
        assert_eq!(of(&plain, &layers), (false, vec![1_280], vec![Some(7)]));
    }
}

fn known(incoming: &Incoming, layers: &[Layer]) -> Vec<(EncodingConfig, Layer)> {
    Encodings::of(incoming, &incoming.codecs, layers).known
}

fn rids(connection: &Answering, mid: &str, layers: &[Layer]) -> Vec<(Option<String>, Layer)> {
    let incoming = connection.incoming_on(mid).unwrap();
    let layered = known(&incoming, layers).into_iter();
    layered.map(|(config, layer)| (config.rid, layer)).collect()
}

fn layer(quality: u8, width: u32, rid: &str) -> Layer {
    Layer {
        quality,
        width,
        rid: rid.to_owned(),
        ..Layer::default()
    }
}

#[test]
fn encodings_come_lowest_first_whatever_the_order_of_the_offer() {
    let name = |rid: &str| Some(rid.to_owned());
    for (text, mid, wanted) in [
        (PUBLISH, "1", &["q", "h", "f"][..]),
        (TWO_LAYERS, "8", &["q", "h"]),
        (FIREFOX, "2", &["q", "h", "f"]),
    ] {
        let mut connection = answering();
        connection.offer(text).unwrap();
        let found = rids(&connection, mid, &[]);
        let found: Vec<Option<String>> = found.into_iter().map(|(rid, _)| rid).collect();
        assert_eq!(
            found,
            wanted.iter().map(|rid| name(rid)).collect::<Vec<_>>()
        );
    }
    let mut connection = answering();
    connection.offer(TWO_LAYERS).unwrap();
    let layers = [layer(0, 320, ""), layer(1, 640, "")];
    let found = rids(&connection, "8", &layers);
    assert_eq!((found[0].1.width, found[1].1.width), (320, 640));
    let numbered = TWO_LAYERS
        .replace("rid:h", "rid:0")
        .replace("rid:q", "rid:2");
    let mut connection = answering();
    connection
        .offer(&numbered.replace("send h;q", "send 0;2"))
        .unwrap();
    assert_eq!(rids(&connection, "8", &[])[0].0, name("2"));
    let named = [layer(2, 1280, "q"), layer(0, 320, "h")];
    let mut connection = answering();
    connection.offer(TWO_LAYERS).unwrap();
    assert_eq!(
        rids(&connection, "8", &named)[0],
        (name("h"), layer(0, 320, "h"))
    );
}

#[test]
fn a_single_stream_is_known_by_its_announced_sources() {
    let mut connection = answering();
    connection.offer(PUBLISH).unwrap();
    let incoming = connection.incoming_on("2").unwrap();
    let single = EncodingConfig {
        rid: None,
        ssrc: Some(735_334_840),
        rtx_ssrc: Some(1_516_561_678),
    };
    assert_eq!(known(&incoming, &[])[0].0, single);
}

#[test]
fn the_answer_to_simulcast_receives_the_same_ids() {
    let mut connection = answering();
    connection.offer(TWO_LAYERS).unwrap();
    let (answer, _) = connection.answer();
    assert!(answer.contains("a=simulcast:recv h;q\r\n"));
    assert!(answer.contains("a=rid:q recv\r\n"));
}

#[test]
fn a_subscribed_stream_is_announced_with_its_ids_and_the_whole_map() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let (mid, taken) = connection
        .attach(MediaKind::Video, outgoing(1, 100))
        .unwrap();
    assert_eq!(mid, "3");
    assert_eq!(taken.codecs[0].payload_type, 96);
    assert!(taken.extensions.transport_cc.is_some());
    assert!(taken.extensions.playout_delay.is_some());
    let (mid, _) = connection
        .attach(MediaKind::Video, outgoing(2, 200))
        .unwrap();
    assert_eq!(mid, "4");
    let (answer, map) = connection.answer();
    assert_eq!(
        map,
        BTreeMap::from([("3".to_owned(), track(1)), ("4".to_owned(), track(2))])
    );
    let read = sdp::parse(&answer).unwrap();
    let section = &read.sections[3];
    assert_eq!(section.direction, Direction::Send);
    assert_eq!(
        section.msid,
        Some(("PA_1|camera".to_owned(), track(1).sid()))
    );
    assert_eq!(section.ssrc_groups, [("FID".to_owned(), vec![100, 101])]);
    assert_eq!(section.ssrcs[0], (100, "publisher".to_owned()));
}

#[test]
fn a_section_carries_another_stream_only_after_an_answer_in_which_it_is_silent() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    for number in 1..=3 {
        connection
            .attach(MediaKind::Video, outgoing(number, 10))
            .unwrap();
    }
    connection.answer();
    connection.detach(track(1));
    assert!(
        connection
            .attach(MediaKind::Video, outgoing(4, 40))
            .is_none()
    );
    assert_eq!(
        (
            connection.free(MediaKind::Video),
            connection.drained(MediaKind::Video)
        ),
        (0, 1)
    );
    connection.offer(JOIN).unwrap();
    let (answer, map) = connection.answer();
    assert_eq!(map.len(), 2);
    assert_eq!(
        sdp::parse(&answer).unwrap().sections[3].direction,
        Direction::Inactive
    );
    assert!(
        connection
            .attach(MediaKind::Video, outgoing(4, 40))
            .is_some()
    );
}

#[test]
fn new_ice_credentials_in_an_offer_are_a_restart() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let (before, _) = connection.answer();
    assert!(!connection.offer(JOIN).unwrap().restarted);
    assert!(
        connection
            .offer(&JOIN.replace("iAo+", "iAo/"))
            .unwrap()
            .restarted
    );
    connection
        .local_mut()
        .restart(&Counting(std::sync::atomic::AtomicU8::new(99)));
    let (after, _) = connection.answer();
    let ice = |text: &str| sdp::parse(text).unwrap().sections[0].transport.ice.clone();
    assert_ne!(ice(&before), ice(&after));
    assert!(ice(&after).unwrap().ufrag.ends_with('5'));
}

#[test]
fn sections_that_stop_or_are_recycled_end_what_was_on_them() {
    let mut connection = answering();
    connection.offer(PUBLISH).unwrap();
    connection.answer();
    let stopped = PUBLISH.replacen("a=sendonly", "a=inactive", 1);
    assert_eq!(connection.offer(&stopped).unwrap().stopped, ["0"]);
    let recycled = PUBLISH.replace("a=mid:1\r\n", "a=mid:9\r\n");
    let recycled = recycled.replace("BUNDLE 0 1", "BUNDLE 0 9");
    assert_eq!(connection.offer(&recycled).unwrap().stopped, ["1"]);
    let mids: Vec<String> = connection.incoming().map(|incoming| incoming.mid).collect();
    assert_eq!(mids, ["0", "9", "2"]);
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    connection
        .attach(MediaKind::Audio, outgoing(1, 10))
        .unwrap();
    connection.answer();
    let rejected = JOIN.replacen("m=audio 9", "m=audio 0", 1);
    assert_eq!(connection.offer(&rejected).unwrap().homeless, [track(1)]);
    let read = sdp::parse(&connection.answer().0).unwrap();
    assert!(read.sections[0].rejected);
    assert!(!read.bundle.contains(&"0".to_owned()));
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut connection = answering();
    connection.offer(JOIN).unwrap();
    let (before, _) = connection.answer();
    assert!(connection.offer("v=0\r\n").is_err());
    let unbundled = JOIN.replace("a=group:BUNDLE 0 1 2 3 4 5 6\r\n", "");
    assert_eq!(
        connection.offer(&unbundled),
        Err(SdpError::Unsupported("no bundle"))
    );
    let passive = JOIN.replace("setup:actpass", "setup:passive");
    assert_eq!(
        connection.offer(&passive),
        Err(SdpError::Unsupported("setup:passive"))
    );
    assert!(
        connection.offer(PUBLISH).is_err(),
        "an offer never has fewer sections"
    );
    let (after, _) = connection.answer();
    let next = |text: &str| sdp::parse(text).unwrap().session_version;
    assert_eq!(next(&before) + 1, next(&after));
    assert_eq!(
        sdp::parse(&before).unwrap().sections,
        sdp::parse(&after).unwrap().sections
    );
}

#[test]
fn mutated_offers_never_panic_and_their_answers_read() {
    for seed in 0..150 {
        let mut connection = answering();
        for base in [JOIN, PUBLISH, FIREFOX] {
            if connection.offer(&mutate(base, seed)).is_ok() {
                connection.attach(MediaKind::Audio, outgoing(1, 10));
                connection.attach(MediaKind::Video, outgoing(2, 20));
                let (answer, _) = connection.answer();
                assert!(sdp::parse(&answer).is_ok(), "seed {seed}\n{answer}");
            }
        }
    }
}

/// What a client answers: each section turned round.
fn turned(offer: &str) -> String {
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

#[test]
fn we_never_offer_twice_at_once_and_offer_again_when_something_changed_meanwhile() {
    let mut connection = Offering::new(local());
    assert!(connection.attach(MediaKind::Audio, outgoing(1, 10)));
    let (number, first, map) = connection.offer().unwrap();
    assert_eq!((number, map.len()), (1, 1));
    let read = sdp::parse(&first).unwrap();
    assert_eq!(read.sections[0].kind, SectionKind::Data);
    assert_eq!(read.sections[0].transport.setup, Some(Setup::ActPass));
    assert!(read.ice_lite);
    assert!(connection.attach(MediaKind::Video, outgoing(2, 20)));
    assert!(connection.offer().is_none());
    assert_eq!(
        connection.answer(7, &turned(&first)),
        Ok(Answered::default())
    );
    let answered = connection.answer(0, &turned(&first)).unwrap();
    assert_eq!(answered.taken.len(), 1);
    assert_eq!(answered.taken[0].0.track, track(1));
    assert_eq!(answered.fingerprints.unwrap().len(), 1);
    let (number, second, map) = connection.offer().unwrap();
    assert_eq!((number, map.len()), (2, 2));
    let answered = connection.answer(2, &turned(&second)).unwrap();
    assert_eq!(answered.taken.len(), 1, "only what is new");
    assert_eq!(answered.fingerprints, None);
    assert!(connection.offer().is_none());
}

#[test]
fn our_sections_are_used_again_after_they_were_silent() {
    let mut connection = Offering::new(local());
    connection.attach(MediaKind::Audio, outgoing(1, 10));
    let (_, offer, _) = connection.offer().unwrap();
    connection.answer(1, &turned(&offer)).unwrap();
    connection.detach(track(1));
    connection.attach(MediaKind::Audio, outgoing(2, 20));
    let (_, offer, map) = connection.offer().unwrap();
    assert_eq!(map, BTreeMap::from([("2".to_owned(), track(2))]));
    connection.answer(2, &turned(&offer)).unwrap();
    connection.attach(MediaKind::Audio, outgoing(3, 30));
    let (_, _, map) = connection.offer().unwrap();
    assert_eq!(map.get("1"), Some(&track(3)));
}

#[test]
fn a_stream_that_the_client_refuses_is_reported() {
    let mut connection = Offering::new(local());
    connection.attach(MediaKind::Video, outgoing(1, 10));
    let (_, offer, _) = connection.offer().unwrap();
    let refused = turned(&offer).replace("a=recvonly", "a=inactive");
    let answered = connection.answer(1, &refused).unwrap();
    assert_eq!(answered.refused, [track(1)]);
    assert!(
        connection.offer().is_some(),
        "the next offer shows the section silent"
    );
}

#[test]
fn a_restart_offers_anew_even_while_an_offer_is_out() {
    let mut connection = Offering::new(local());
    let (_, first, _) = connection.offer().unwrap();
    connection.restart(&Counting(std::sync::atomic::AtomicU8::new(50)));
    let (number, second, _) = connection.offer().unwrap();
    assert_eq!(number, 2);
    let ice = |text: &str| sdp::parse(text).unwrap().sections[0].transport.ice.clone();
    assert_ne!(ice(&first), ice(&second));
}
