//! Both profiles, both ways, against another implementation of SRTP.

use super::*;
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;

const PROFILES: [Profile; 2] = [Profile::Gcm, Profile::Cm];

fn provider() -> Arc<dyn RTCCryptoProvider> {
    rtc::crypto::default_provider().unwrap()
}

/// The server's end, and the contexts of a client made by rtc's own SRTP: to the server, from it.
fn ends(profile: Profile) -> (Srtp, Context, Context) {
    let material: Vec<u8> = (0..profile.keying_material_bytes() as u8).collect();
    let ours = Srtp::new(
        provider(),
        &MasterKeys::split(profile, &material, false).unwrap(),
    );
    let (theirs, salt) = match profile {
        Profile::Gcm => (ProtectionProfile::AeadAes128Gcm, 12),
        Profile::Cm => (ProtectionProfile::Aes128CmHmacSha1_80, 14),
    };
    let context = |server: usize, replay: bool| {
        let key = &material[16 * server..][..16];
        let salt = &material[32 + salt * server..][..salt];
        Context::new(
            key,
            salt,
            theirs,
            replay.then(|| srtp_replay_protection(1024)),
            replay.then(|| srtcp_replay_protection(1024)),
            provider().crypto(),
        )
        .unwrap()
    };
    (ours.unwrap(), context(0, false), context(1, true))
}

/// A packet with a contributing source, an extension of one word and 100 bytes of payload.
fn rtp(ssrc: u32, sequence: u16, fill: u8) -> Vec<u8> {
    let mut packet = vec![0x91, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(1_234_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(99_u32.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, 0x10, fill, 0, 0]);
    packet.extend([fill; 100]);
    packet
}

fn rtcp(ssrc: u32, fill: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([fill; 20]);
    packet
}

fn open(srtp: &mut Srtp, packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    let length = srtp.open_rtp(&mut packet)?;
    packet.truncate(length);
    Some(packet)
}

#[test]
fn sealed_packets_open_in_another_implementation_across_roll_overs() {
    for profile in PROFILES {
        let (ours, _, mut client) = ends(profile);
        let mut sealer = ours.sealer(7).unwrap();
        for extended in (30_000..300_000_u64).step_by(37) {
            let plain = rtp(7, extended as u16, extended as u8);
            let mut buffer = plain.clone();
            buffer.resize(plain.len() + SEAL_OVERHEAD_BYTES_MAX, 0);
            let length = sealer.seal(extended, &mut buffer, 24, plain.len()).unwrap();
            assert_ne!(buffer[24..plain.len()], plain[24..]);
            assert_eq!(buffer[..24], plain[..24], "the header stays readable");
            let opened = client.decrypt_rtp(&buffer[..length]).unwrap();
            assert_eq!(opened[..], plain[..], "{profile:?} {extended}");
        }
    }
}

#[test]
fn packets_of_another_implementation_open_across_roll_overs_and_out_of_order() {
    for profile in PROFILES {
        let (mut ours, mut client, _) = ends(profile);
        let mut waiting: Vec<(Vec<u8>, Vec<u8>)> = vec![];
        let mut seed = 0x0dd5_u64;
        for extended in (30_000..300_000_u64).step_by(29) {
            let plain = rtp(7, extended as u16, extended as u8);
            let sealed = client.encrypt_rtp(&plain).unwrap().to_vec();
            waiting.push((sealed, plain));
            if waiting.len() < 8 {
                continue;
            }
            while !waiting.is_empty() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (sealed, plain) = waiting.remove((seed >> 33) as usize % waiting.len());
                let opened = open(&mut ours, &sealed);
                assert_eq!(opened, Some(plain), "{profile:?} {extended}");
                assert_eq!(open(&mut ours, &sealed), None, "{extended} replayed");
            }
        }
        assert_eq!(ours.remembered(), 1);
    }
}

#[test]
fn a_stream_whose_packets_before_its_roll_over_were_lost_opens_behind_it() {
    for profile in PROFILES {
        let (mut ours, mut client, _) = ends(profile);
        client.encrypt_rtp(&rtp(7, 65_534, 1)).unwrap();
        for (sequence, fill) in [(1_u16, 2), (0, 3), (2, 4)] {
            let sealed = client.encrypt_rtp(&rtp(7, sequence, fill)).unwrap();
            assert_eq!(
                open(&mut ours, &sealed),
                Some(rtp(7, sequence, fill)),
                "{profile:?}"
            );
        }
    }
}

#[test]
fn a_retransmission_of_the_same_plain_packet_is_bit_identical() {
    for profile in PROFILES {
        let (ours, ..) = ends(profile);
        let (mut sealer, mut again) = (ours.sealer(7).unwrap(), ours.sealer(7).unwrap());
        let sealed = |sealer: &mut Sealer, extended: u64| {
            let mut buffer = rtp(7, extended as u16, 3);
            let length = buffer.len();
            buffer.resize(length + 16, 0);
            let sealed = sealer.seal(extended, &mut buffer, 24, length).unwrap();
            buffer.truncate(sealed);
            buffer
        };
        let first = sealed(&mut sealer, 70_000);
        sealed(&mut sealer, 140_000);
        assert_eq!(sealed(&mut sealer, 70_000), first);
        assert_eq!(sealed(&mut again, 70_000), first);
        assert_ne!(
            sealed(&mut sealer, 70_000 + 65_536),
            first,
            "the counter is in the nonce"
        );
    }
}

#[test]
fn the_whole_header_is_authenticated() {
    for profile in PROFILES {
        let (mut ours, mut client, _) = ends(profile);
        let sealed = client.encrypt_rtp(&rtp(7, 100, 1)).unwrap().to_vec();
        for at in 1..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(open(&mut ours, &forged), None, "{profile:?} byte {at}");
        }
        assert_eq!(ours.remembered(), 0);
        assert!(open(&mut ours, &sealed).is_some());
    }
}

#[test]
fn forged_packets_of_many_streams_leave_nothing_behind() {
    for profile in PROFILES {
        let (mut ours, mut client, _) = ends(profile);
        for ssrc in 0..50_000_u32 {
            let mut forged = rtp(ssrc, 1, 0);
            assert_eq!(ours.open_rtp(&mut forged), None);
            let mut forged = rtcp(ssrc, 0x80);
            forged.extend([0x80; 20]);
            assert_eq!(ours.open_rtcp(&mut forged), None);
        }
        assert_eq!(ours.remembered(), 0);
        for ssrc in 0..2_000 {
            let sealed = client.encrypt_rtp(&rtp(ssrc, 1, 0)).unwrap();
            open(&mut ours, &sealed);
        }
        assert_eq!(
            ours.remembered(),
            replay::LIVE_STREAMS_MAX + replay::RETIRED_STREAMS_MAX,
            "authentic streams are bounded too"
        );
    }
}

#[test]
fn reports_agree_with_another_implementation_both_ways() {
    for profile in PROFILES {
        let (mut ours, mut client_out, mut client_in) = ends(profile);
        let mut out = vec![1, 2, 3];
        for number in 0..200_u8 {
            let sender = u32::from(number % 3) + 1;
            let plain = rtcp(sender, number);
            out.truncate(3);
            let length = ours.seal_rtcp(&plain, &mut out).unwrap();
            assert_eq!(out.len(), 3 + length);
            let opened = client_in.decrypt_rtcp(&out[3..]).unwrap();
            assert_eq!(opened[..], plain[..], "{profile:?} {number}");

            let sealed = client_out.encrypt_rtcp(&plain).unwrap().to_vec();
            let mut packet = sealed.clone();
            let length = ours.open_rtcp(&mut packet).unwrap();
            assert_eq!(packet[..length], plain, "{profile:?} {number}");
            assert_eq!(ours.open_rtcp(&mut sealed.clone()), None, "replayed");
        }
    }
}

#[test]
fn one_index_counts_for_all_senders_of_reports() {
    for (profile, from_end) in [(Profile::Gcm, 4), (Profile::Cm, 14)] {
        let (mut ours, ..) = ends(profile);
        for expected in 1..=10_u32 {
            let mut out = vec![];
            ours.seal_rtcp(&rtcp(expected % 2, 0), &mut out).unwrap();
            let at = out.len() - from_end;
            let word = u32::from_be_bytes(out[at..at + 4].try_into().unwrap());
            assert_eq!(word, expected | 1 << 31);
        }
        ours.rtcp_index = RTCP_INDEX_MAX;
        assert_eq!(
            ours.seal_rtcp(&rtcp(1, 0), &mut vec![]),
            None,
            "the key is used up"
        );
    }
}

#[test]
fn a_sealer_refuses_what_would_not_open_at_the_other_end() {
    let (ours, ..) = ends(Profile::Gcm);
    let mut sealer = ours.sealer(7).unwrap();
    let plain = rtp(7, 5, 0);
    let length = plain.len();
    let mut roomy = plain.clone();
    roomy.resize(length + 16, 0);
    assert_eq!(
        sealer.seal(6, &mut roomy, 24, length),
        None,
        "another sequence number"
    );
    assert_eq!(
        sealer.seal(5 + (1 << 48), &mut roomy, 24, length),
        None,
        "past 48 bits"
    );
    assert_eq!(
        sealer.seal(5, &mut roomy, length + 1, length),
        None,
        "header over length"
    );
    assert_eq!(
        sealer.seal(5, &mut plain.clone(), 24, length),
        None,
        "no room for the tag"
    );
    assert_eq!(sealer.seal(5, &mut [], 24, 0), None);
    assert_eq!(
        ours.sealer(8).unwrap().seal(5, &mut roomy, 24, length),
        None,
        "another stream"
    );
    assert!(sealer.seal(5, &mut roomy, 24, length).is_some());
}

#[test]
fn header_length_counts_sources_and_extension() {
    assert_eq!(rtp_header_length(&rtp(1, 1, 1)), Some(24));
    assert_eq!(rtp_header_length(&rtp(1, 1, 1)[..23]), None);
    let mut plain = vec![0; 12];
    plain[0] = 0x80;
    assert_eq!(rtp_header_length(&plain), Some(12));
    plain[0] = 0x90;
    assert_eq!(rtp_header_length(&plain), None);
    plain[0] = 0x40;
    assert_eq!(rtp_header_length(&plain), None);
    assert_eq!(rtp_header_length(&[]), None);
}
