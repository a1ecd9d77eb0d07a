//! Reading and writing descriptions that real clients sent.

use super::*;

const CHROMIUM_JOIN: &str = include_str!("../../../tests/fixtures/sdp/chromium_join.sdp");
const CHROMIUM_PUBLISH: &str = include_str!("../../../tests/fixtures/sdp/chromium_publish.sdp");
const FIREFOX_PUBLISH: &str = include_str!("../../../tests/fixtures/sdp/firefox_publish.sdp");
const TWO_LAYERS: &str = include_str!("../../../tests/fixtures/sdp/libwebrtc_two_layers.sdp");
const ALL: [&str; 4] = [CHROMIUM_JOIN, CHROMIUM_PUBLISH, FIREFOX_PUBLISH, TWO_LAYERS];

#[test]
fn a_browsers_join_offer_reads_as_three_and_three_receiving_sections_and_data() {
    let read = parse(CHROMIUM_JOIN).unwrap();
    let kinds: Vec<SectionKind> = read.sections.iter().map(|section| section.kind).collect();
    use SectionKind::{Audio, Data, Video};
    assert_eq!(kinds, [Audio, Audio, Audio, Video, Video, Video, Data]);
    assert_eq!(read.bundle.len(), 7);
    for section in &read.sections {
        assert!(section.transport.ice.is_some());
        assert_eq!(section.transport.fingerprints.len(), 1);
        assert_eq!(section.transport.setup, Some(Setup::ActPass));
        assert!(!section.rejected);
    }
    let audio = &read.sections[0];
    assert_eq!(audio.direction, Direction::Receive);
    assert_eq!(audio.formats[0].name, "opus");
    assert_eq!(audio.formats[0].channels, 2);
    assert_eq!(audio.formats[0].parameter("useinbandfec"), Some("1"));
    assert_eq!(audio.formats[1].parameters, "111/111");
    assert_eq!(read.sections[6].message_bytes_max, Some(262_144));
}

#[test]
fn a_session_level_fingerprint_holds_for_every_section() {
    let read = parse(FIREFOX_PUBLISH).unwrap();
    assert!(
        read.sections
            .iter()
            .all(|section| section.transport.fingerprints.len() == 1)
    );
}

#[test]
fn restriction_ids_stand_in_the_order_of_the_simulcast_line() {
    let order = |text: &str, place: usize| -> Vec<String> {
        let rids = &parse(text).unwrap().sections[place].rids;
        rids.iter().map(|rid| rid.id.clone()).collect()
    };
    assert_eq!(order(CHROMIUM_PUBLISH, 1), ["q", "h", "f"]);
    assert_eq!(order(TWO_LAYERS, 1), ["h", "q"]);
    assert_eq!(order(FIREFOX_PUBLISH, 2), ["f", "h", "q"]);
}

#[test]
fn what_is_written_reads_back_the_same() {
    for text in ALL {
        let mut read = parse(text).unwrap();
        for section in &mut read.sections {
            // Formats of no `a=rtpmap`, such as static ones, are never written by us.
            section.formats.retain(|format| !format.name.is_empty());
            section.message_bytes_max.get_or_insert(1);
            if section.kind == SectionKind::Data {
                section.direction = Direction::SendReceive;
                section.rtcp_mux = false;
                section.extensions.clear();
            } else {
                section.message_bytes_max = None;
            }
        }
        assert_eq!(parse(&read.write()), Ok(read));
    }
}

#[test]
fn what_is_written_is_read_by_an_independent_reader() {
    for text in ALL {
        let written = parse(text).unwrap().write();
        let mut reader = std::io::Cursor::new(written.as_bytes());
        let read = rtc::sdp::description::session::SessionDescription::unmarshal(&mut reader);
        let sections = read.unwrap().media_descriptions.len();
        assert_eq!(sections, parse(text).unwrap().sections.len());
    }
}

#[test]
fn bounds_are_kept() {
    let long = "v=0\r\n".to_owned() + &"a=x\r\n".repeat(DESCRIPTION_BYTES_MAX / 5);
    assert_eq!(parse(&long), Err(SdpError::TooLong));
    let many = "v=0\r\n".to_owned() + &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(SECTIONS_MAX + 1);
    assert_eq!(parse(&many), Err(SdpError::TooLong));
    let line = format!("v=0\r\na={}\r\n", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(parse(&line), Err(SdpError::TooLong));
    let list = format!(
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n{}",
        "a=rtpmap:0 PCMU/8000\r\n".repeat(LIST_MAX + 1)
    );
    assert_eq!(parse(&list), Err(SdpError::TooLong));
}

#[test]
fn two_sections_of_one_mid_are_refused() {
    let twice = CHROMIUM_JOIN.replace("a=mid:1\r\n", "a=mid:0\r\n");
    assert!(matches!(parse(&twice), Err(SdpError::Unsupported(_))));
}

#[test]
fn malformed_and_mutated_descriptions_never_panic() {
    for seed in 0..800_u64 {
        let base = ALL[usize::try_from(seed % 4).unwrap()];
        let mutated = mutate(base, seed);
        if let Ok(read) = parse(&mutated) {
            let again = parse(&read.write());
            assert!(again.is_ok() || !read.sections.is_empty(), "seed {seed}");
        }
    }
}

/// Some bytes changed, lines dropped, doubled or cut, as the seed says.
pub fn mutate(base: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut chance = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut lines: Vec<String> = base.lines().map(str::to_owned).collect();
    for _ in 0..=chance(6) {
        let place = chance(lines.len());
        match chance(5) {
            0 => {
                lines.remove(place);
            }
            1 => lines.insert(place, lines[chance(lines.len())].clone()),
            2 => {
                let keep = chance(lines[place].len().max(1));
                lines[place] = lines[place].chars().take(keep).collect();
            }
            3 => lines[place].push_str(["/", ":", " ", "é", "999999999999"][chance(5)]),
            _ => {
                let at = chance(lines[place].len().max(1));
                let strange = ['\0', ' ', ':', '-', '9', 'ÿ', '/', ';'][chance(8)];
                let swap = |(place, c)| if place == at { strange } else { c };
                lines[place] = lines[place].chars().enumerate().map(swap).collect();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\r\n")
}
