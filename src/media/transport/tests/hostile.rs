//! What strangers and ill-meaning clients send.

use super::*;

#[test]
fn dtls_and_media_from_an_unverified_address_do_nothing() {
    let mut world = World::new(Habits::default());
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    world.deliver(elsewhere(), &hello);
    world.deliver(elsewhere(), &rtp(1, 1));
    assert!(world.server.poll_datagram().is_none());
    assert!(world.server.poll_event().is_none());
    assert_eq!(world.server.send_address(), None);
    assert_eq!(world.server.remembered_streams(), 0);
}
