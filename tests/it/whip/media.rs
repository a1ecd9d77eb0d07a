//! What players receive of devices.

use std::collections::{BTreeMap, BTreeSet};

use rtc::rtp;

use super::Server;
use super::client::Session;
use crate::media::client::{Client, Kind, Way, token};
use crate::media::{FRAME, WANTED, payload};
use crate::waiting::until;

/// Lets a device send until a player has enough of both kinds; what came, in order. Whatever comes
/// was sent byte for byte, unless a former device sent it.
async fn carry(
    device: &Client,
    player: &mut Client,
    from: u16,
) -> BTreeMap<Kind, Vec<rtp::Packet>> {
    let mut sent: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut arrived: BTreeMap<Kind, Vec<rtp::Packet>> = BTreeMap::new();
    let mut pace = tokio::time::interval(FRAME);
    let mut number = from;
    while arrived.len() < 2 || arrived.values().any(|packets| packets.len() < WANTED) {
        pace.tick().await;
        for kind in [Kind::Audio, Kind::Video] {
            let payload = payload(kind, number);
            device.send(kind, number, &payload).await;
            sent.insert(payload);
        }
        number += 1;
        while let Ok((kind, packet)) = player.packets.try_recv() {
            if sent.contains(packet.payload.as_ref()) {
                arrived.entry(kind).or_default().push(packet);
            }
        }
    }
    arrived
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_device_publishes_by_whip_a_player_gets_by_whep_byte_for_byte() {
    let server = Server::start().await;
    let camera = token("hall", "terminal");
    let device = Session::open(&server, "/whip/hall", &camera, true).await;
    let wall = token("hall", "wall");
    let mut player = Session::open(&server, "/whep/hall/terminal", &wall, false).await;
    let arrived = carry(&device.client, &mut player.client, 0).await;
    let audio = &arrived[&Kind::Audio];
    assert!(audio.iter().all(|packet| packet.payload[0] == 0xf8));
    let mut member = Client::join(Way::Udp, server.address(), "hall", "member", false).await;
    carry(&device.client, &mut member, 1_000).await;
    assert_eq!(device.delete(&server).await.status, 200);
    assert_eq!(device.delete(&server).await.status, 404);
    let mut people = server.people("hall").await;
    people.sort();
    assert_eq!(people, ["member", "wall"]);
    member.leave().await;
    server.plane.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_goes_on_under_the_same_streams_when_a_device_comes_late_or_comes_again() {
    let server = Server::start().await;
    let wall = token("hall", "wall");
    let mut player = Session::open(&server, "/whep/hall/terminal", &wall, false).await;
    let camera = token("hall", "terminal");
    let first = Session::open(&server, "/whip/hall", &camera, true).await;
    let before = carry(&first.client, &mut player.client, 0).await;
    // The terminal lost its power and says nothing of its former self.
    let second = Session::open(&server, "/whip/hall", &camera, true).await;
    let after = carry(&second.client, &mut player.client, 30_000).await;
    for kind in [Kind::Audio, Kind::Video] {
        let last = &before[&kind].last().unwrap().header;
        let next = &after[&kind].first().unwrap().header;
        assert_eq!(last.ssrc, next.ssrc);
        let step = next.sequence_number.wrapping_sub(last.sequence_number);
        assert!((1..1_000).contains(&step), "{kind:?}: {step} numbers on");
        let time = next.timestamp.wrapping_sub(last.timestamp);
        assert!(time < 1 << 31, "{kind:?}: time goes on");
    }
    server.plane.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_goes_on_after_device_and_player_restarted_ice() {
    let server = Server::start().await;
    let (camera, wall) = (token("hall", "terminal"), token("hall", "wall"));
    let mut device = Session::open(&server, "/whip/hall", &camera, true).await;
    let mut player = Session::open(&server, "/whep/hall", &wall, false).await;
    carry(&device.client, &mut player.client, 0).await;
    let old = device.tag.clone();
    device.restart(&server).await;
    player.restart(&server).await;
    let late = device.patch(&server, &old, "a=end-of-candidates\r\n").await;
    assert_eq!(late.outcome(), (412, "session.stale_tag".to_owned()));
    carry(&device.client, &mut player.client, 10_000).await;
    server.plane.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_connection() {
    let server = Server::start().await;
    let (camera, wall) = (token("hall", "terminal"), token("hall", "wall"));
    let device = Session::open(&server, "/whip/hall", &camera, true).await;
    let mut player = Session::open(&server, "/whep/hall", &wall, false).await;
    carry(&device.client, &mut player.client, 0).await;
    let path = device.path.clone();
    device.client.leave().await;
    until("the device is gone", async || {
        server.people("hall").await == ["wall"]
    })
    .await;
    let probe = super::client::request(&server, reqwest::Method::GET, &path, "");
    assert_eq!(super::client::answer(probe).await.status, 404);
    server.plane.stop();
}
