//! A whole connection without I/O: our transport and a client, virtual time between them.

pub(crate) mod client;
mod hostile;
mod world;

use std::time::Duration;

use rtc::datachannel::message::message_channel_open::ChannelType;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile as WireProfile;

use super::*;
use client::Habits;
use world::{World, credentials, elsewhere, rtcp, rtp};

const SECOND: Duration = Duration::from_secs(1);

fn closed(world: &World) -> Option<CloseReason> {
    world.events.iter().find_map(|event| {
        if let TransportEvent::Closed(reason) = event {
            Some(*reason)
        } else {
            None
        }
    })
}

fn setup(world: &World) -> Option<Duration> {
    world.events.iter().find_map(|event| {
        if let TransportEvent::Connected { setup } = event {
            Some(*setup)
        } else {
            None
        }
    })
}

fn media_flows_both_ways(world: &mut World) {
    let now = world.now;
    let mut sealer = world.server.sealer(7).unwrap();
    let media = world.client.media.as_mut().unwrap();
    for sequence in 0..100_u16 {
        let plain = rtp(9, sequence);
        let mut packet = media.outgoing.encrypt_rtp(&plain).unwrap().to_vec();
        let length = world.server.open_rtp(&mut packet).unwrap();
        assert_eq!(packet[..length], plain);

        let plain = rtp(7, sequence);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + SEAL_OVERHEAD_BYTES_MAX, 0);
        let length = sealer
            .seal(u64::from(sequence), &mut buffer, 12, plain.len())
            .unwrap();
        let opened = media.incoming.decrypt_rtp(&buffer[..length]).unwrap();
        assert_eq!(opened[..], plain[..]);

        let report = rtcp(9);
        let mut packet = media.outgoing.encrypt_rtcp(&report).unwrap().to_vec();
        let length = world.server.open_rtcp(&mut packet).unwrap();
        assert_eq!(packet[..length], report);
        let mut out = vec![];
        world.server.seal_rtcp(&report, &mut out).unwrap();
        assert_eq!(media.incoming.decrypt_rtcp(&out).unwrap()[..], report[..]);
    }
    world.server.heard(now);
    assert_eq!(world.server.remembered_streams(), 2);
}

#[test]
fn a_client_connects_and_media_and_data_flow_under_loss() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut world = World::new(Habits::default());
        world.lossy(seed, if seed == 0 { 0 } else { 15 });
        assert!(world.run_until(30 * SECOND, |w| w.server.is_connected()
            && w.client.media.is_some()));
        media_flows_both_ways(&mut world);
        assert!(world.run_until(60 * SECOND, |w| w.client.is_associated()));
        let now = world.now;
        world
            .client
            .open_channel(now, 0, "_reliable", ChannelType::Reliable);
        let opened = TransportEvent::ChannelOpened(DataChannel::Reliable);
        assert!(world.run_until(30 * SECOND, |w| w.events.contains(&opened)));
        for size in [1, 60_000, 256 * 1024] {
            let payload = Bytes::from(vec![size as u8 | 1; size]);
            world.client.send(world.now, 0, &payload);
            world
                .server
                .send_data(world.now, DataChannel::Reliable, &payload);
            let heard = TransportEvent::Data {
                channel: DataChannel::Reliable,
                payload: payload.clone(),
            };
            assert!(world.run_until(600 * SECOND, |w| {
                w.events.contains(&heard) && w.client.messages.iter().any(|m| m.2 == payload)
            }));
        }
        assert_eq!(closed(&world), None);
    }
}

#[test]
fn setup_takes_few_round_trips_and_dtls_does_not_wait_for_a_nomination() {
    let mut world = World::new(Habits {
        nominates: false,
        ..Habits::default()
    });
    assert!(world.run_until(SECOND, |w| w.server.is_connected()));
    let taken = setup(&world).unwrap();
    assert!(taken <= 7 * world::LATENCY, "{taken:?}");
}

#[test]
fn gcm_is_chosen_alone_when_offered_whatever_the_clients_order() {
    let (gcm, cm) = (
        WireProfile::Srtp_Aead_Aes_128_Gcm,
        WireProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    );
    for (offered, chosen) in [(vec![cm, gcm], gcm), (vec![gcm, cm], gcm), (vec![cm], cm)] {
        let mut world = World::new(Habits {
            profiles: offered,
            ..Habits::default()
        });
        assert!(world.run_until(SECOND, |w| w.client.media.is_some()
            && w.server.is_connected()));
        assert_eq!(world.client.media.as_ref().unwrap().profile, chosen);
        media_flows_both_ways(&mut world);
    }
}

#[test]
fn a_hello_in_many_datagrams_is_put_together_and_replayed() {
    let mut world = World::new(Habits {
        mtu: 64,
        ..Habits::default()
    });
    assert!(world.run_until(2 * SECOND, |w| w.client.media.is_some()
        && w.server.is_connected()));
    media_flows_both_ways(&mut world);
}

#[test]
fn dtls_before_the_clients_fingerprint_is_held_and_replayed() {
    let mut world = World::without_fingerprint(Habits::default());
    world.run_for(SECOND);
    assert!(!world.server.is_connected() && world.server.send_address().is_some());
    let fingerprint = world.client.fingerprint();
    world.server.set_remote(world.now, vec![fingerprint]);
    assert!(world.run_until(SECOND, |w| w.server.is_connected()));
}

#[test]
fn a_certificate_that_was_not_announced_fails_the_handshake() {
    let mut world = World::without_fingerprint(Habits::default());
    world
        .server
        .set_remote(world.now, vec![Fingerprint([7; 32])]);
    world.run_for(2 * SECOND);
    assert_eq!(closed(&world), Some(CloseReason::HandshakeFailed));
    assert!(world.client.media.is_none());
}

#[test]
fn a_client_without_certificate_or_extended_master_secret_fails_the_handshake() {
    for (shows_certificate, extended_master_secret) in [(false, true), (true, false)] {
        let mut world = World::new(Habits {
            shows_certificate,
            extended_master_secret,
            ..Habits::default()
        });
        world.run_for(2 * SECOND);
        assert_eq!(closed(&world), Some(CloseReason::HandshakeFailed));
    }
}

#[test]
fn silence_is_told_after_5_s_and_consent_expires_after_30_s() {
    let mut world = World::connected();
    world.cut = true;
    let heard = world.server.last_heard();
    world.run_for(60 * SECOND);
    let at =
        |event: &TransportEvent| world.times[world.events.iter().position(|e| e == event).unwrap()];
    assert_eq!(at(&TransportEvent::Silent) - heard, SILENT_AFTER);
    let expired = TransportEvent::Closed(CloseReason::ConsentExpired);
    assert_eq!(at(&expired) - heard, CONSENT_EXPIRES_AFTER);
    assert_eq!(world.server.next_timeout(), None);
}

#[test]
fn a_silent_transport_that_is_heard_again_goes_on() {
    let mut world = World::connected();
    world.cut = true;
    world.run_for(20 * SECOND);
    assert_eq!(world.events.last(), Some(&TransportEvent::Silent));
    world.cut = false;
    world.run_for(60 * SECOND);
    assert_eq!(world.events.last(), Some(&TransportEvent::Heard));
    media_flows_both_ways(&mut world);
}

#[test]
fn a_transport_that_never_connects_ends_after_60_s() {
    let mut world = World::without_fingerprint(Habits::default());
    let opened = world.now;
    world.run_for(100 * SECOND);
    assert_eq!(closed(&world), Some(CloseReason::NeverConnected));
    assert_eq!(*world.times.last().unwrap() - opened, NEVER_CONNECTED_AFTER);
}

#[test]
fn the_connection_survives_when_the_client_moves() {
    let mut world = World::connected();
    world.client_address = elsewhere();
    world.run_for(6 * SECOND);
    assert_eq!(world.server.send_address(), Some(elsewhere()));
    assert!(
        world
            .events
            .contains(&TransportEvent::AddressMoved(elsewhere()))
    );
    media_flows_both_ways(&mut world);
    let old = TransportEvent::AddressForgotten(client::home());
    assert!(world.run_until(2 * ice::ADDRESS_LIFETIME, |w| w.events.contains(&old)));
}

#[test]
fn ice_restarts_with_new_credentials_and_the_same_keys() {
    let mut world = World::connected();
    let new = credentials("restarted");
    world.server.restart_ice(new.clone());
    assert!(world.server.accepts_ufrag("restarted") && world.server.accepts_ufrag("server"));
    world.run_for(6 * SECOND);
    world.client.server = new;
    world.client_address = elsewhere();
    world.run_for(6 * SECOND);
    assert!(!world.server.accepts_ufrag("server"));
    assert_eq!(world.server.send_address(), Some(elsewhere()));
    media_flows_both_ways(&mut world);
}

#[test]
fn good_byes_are_said_and_heard() {
    let mut world = World::connected();
    world.client.stop(world.now);
    world.run_for(SECOND);
    assert_eq!(closed(&world), Some(CloseReason::ClosedByPeer));

    let mut world = World::connected();
    world.server.close(world.now);
    world.run_for(SECOND);
    assert!(world.client.closed);
    assert_eq!(closed(&world), None, "no event follows our own good-bye");
    assert!(world.server.is_closed() && world.server.sealer(1).is_none());
}

#[test]
fn channels_of_the_client_are_known_by_label_and_others_are_closed() {
    let mut world = World::associated(vec![]);
    let now = world.now;
    let lossy = ChannelType::PartialReliableRexmitUnordered;
    world
        .client
        .open_channel(now, 0, "_reliable", ChannelType::Reliable);
    world.client.open_channel(now, 2, "_lossy", lossy);
    world.client.open_channel(now, 4, "_data_track", lossy);
    world
        .client
        .open_channel(now, 6, "gossip", ChannelType::Reliable);
    world.run_for(SECOND);
    let kinds = [
        DataChannel::Reliable,
        DataChannel::Lossy,
        DataChannel::DataTrack,
    ];
    for kind in kinds {
        assert!(
            world.events.contains(&TransportEvent::ChannelOpened(kind)),
            "{kind:?}"
        );
        let payload = Bytes::from(kind.label());
        world.server.send_data(world.now, kind, &payload);
        world.server.send_data(world.now, kind, &Bytes::new());
    }
    world.client.send(world.now, 4, b"track");
    world.run_for(2 * SECOND);
    for (stream, kind) in (0..).step_by(2).zip(kinds) {
        let of = |m: &&(u16, rtc::sctp::PayloadProtocolIdentifier, Vec<u8>)| m.0 == stream;
        let got: Vec<_> = world
            .client
            .messages
            .iter()
            .filter(of)
            .map(|m| m.2.clone())
            .collect();
        assert!(got.contains(&kind.label().as_bytes().to_vec()), "{kind:?}");
        assert!(
            got.contains(&vec![0]),
            "an empty message is one zero byte on the wire"
        );
    }
    assert!(world.events.contains(&TransportEvent::Data {
        channel: DataChannel::DataTrack,
        payload: Bytes::from_static(b"track"),
    }));
    assert!(
        !world.client.has_stream(6),
        "a channel with a foreign label is reset"
    );
}

#[test]
fn channels_of_ours_are_opened_on_odd_streams() {
    let kinds = vec![DataChannel::Reliable, DataChannel::Lossy];
    let mut world = World::associated(kinds.clone());
    world.run_for(SECOND);
    let labels = [(1, "_reliable".to_owned()), (3, "_lossy".to_owned())];
    assert_eq!(world.client.labels, labels);
    for kind in kinds {
        assert!(world.events.contains(&TransportEvent::ChannelOpened(kind)));
    }
    world.server.send_data(
        world.now,
        DataChannel::Reliable,
        &Bytes::from_static(b"hello"),
    );
    world.client.send(world.now, 3, b"back");
    world.run_for(SECOND);
    assert_eq!(world.client.messages[0].2, b"hello");
    assert!(world.events.contains(&TransportEvent::Data {
        channel: DataChannel::Lossy,
        payload: Bytes::from_static(b"back"),
    }));
}

#[test]
fn a_client_that_does_not_read_ends_a_reliable_channel_and_loses_on_a_lossy_one() {
    let mut world = World::associated(vec![DataChannel::Reliable, DataChannel::Lossy]);
    world.run_for(SECOND);
    world.cut = true;
    let payload = Bytes::from(vec![1; 100_000]);
    for _ in 0..50 {
        world
            .server
            .send_data(world.now, DataChannel::Lossy, &payload);
    }
    world.run_for(SECOND);
    assert_eq!(closed(&world), None);
    for _ in 0..11 {
        world
            .server
            .send_data(world.now, DataChannel::Reliable, &payload);
    }
    world.run_for(SECOND);
    assert_eq!(closed(&world), Some(CloseReason::DataOverflow));
}

#[test]
fn a_message_over_the_limit_is_not_sent() {
    let mut world = World::associated(vec![DataChannel::Reliable]);
    world.run_for(SECOND);
    let payload = Bytes::from(vec![1; 256 * 1024 + 1]);
    world
        .server
        .send_data(world.now, DataChannel::Reliable, &payload);
    world.run_for(2 * SECOND);
    assert!(world.client.messages.is_empty());
    assert_eq!(closed(&world), None);
}
