//! Connectivity checks against the lite agent: what is learnt, refused, moved and forgotten.

use super::*;
use crate::media::transport::testing::origin;
use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::{ATTR_SOFTWARE, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc::stun::message::{BINDING_REQUEST, Getter};
use rtc::stun::textattrs::TextAttribute;
use std::net::SocketAddr;
use std::sync::Arc;

const ATTR_ICE_CONTROLLED: AttrType = AttrType(ICE_CONTROLLED);

fn provider() -> Arc<dyn RTCCryptoProvider> {
    rtc::crypto::default_provider().unwrap()
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: name.to_owned(),
        pwd: format!("password-of-{name}-0123456789"),
    }
}

fn address(port: u16) -> Remote {
    Remote::Udp(SocketAddr::from(([192, 0, 2, 7], port)))
}

/// A request for `local`, with attributes before and behind MESSAGE-INTEGRITY.
fn request(local: &IceCredentials, before: &[AttrType], behind: &[AttrType]) -> Vec<u8> {
    let provider = provider();
    let mut message = Message::new();
    let username = TextAttribute::new(ATTR_USERNAME, format!("{}:client", local.ufrag));
    let start: [Box<dyn Setter>; 3] = [
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(username),
    ];
    message.build(&start).unwrap();
    for kind in before {
        message.add(*kind, &[]);
    }
    MessageIntegrity::new_short_term_integrity_with_provider(local.pwd.clone(), provider.crypto())
        .add_to(&mut message)
        .unwrap();
    for kind in behind {
        message.add(*kind, &[]);
    }
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

fn check(agent: &mut Agent, now: Instant, from: Remote, datagram: &[u8]) -> Checked {
    let parsed = ParsedBinding::parse(datagram).expect("well-formed");
    agent.handle(now, from, &parsed, provider().crypto())
}

fn verified(nominated: bool, first_from_this_address: bool) -> Binding {
    Binding::Verified {
        nominated,
        first_from_this_address,
    }
}

fn response(checked: &Checked) -> Message {
    let mut message = Message::new();
    message
        .unmarshal_binary(checked.response.as_ref().expect("a response"))
        .unwrap();
    message
}

#[test]
fn a_verified_request_is_answered_with_the_address_it_came_from() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let datagram = request(&local, &[], &[]);
    assert_eq!(
        ParsedBinding::parse(&datagram).unwrap().local_ufrag(),
        "abcd"
    );
    let mapped_v6 = Remote::Udp("[::ffff:192.0.2.7]:5000".parse().unwrap());
    let checked = check(&mut agent, origin(), mapped_v6, &datagram);
    assert_eq!(checked.binding, verified(false, true));
    let mut answer = response(&checked);
    assert_eq!(answer.typ, BINDING_SUCCESS);
    assert_eq!(answer.transaction_id.0, datagram[8..20]);
    let mut seen = XorMappedAddress::default();
    seen.get_from(&answer).unwrap();
    assert_eq!(SocketAddr::new(seen.ip, seen.port), address(5000).address());
    FINGERPRINT.check(&answer).unwrap();
    MessageIntegrity::check(&mut answer, local.pwd.as_bytes(), provider().crypto()).unwrap();
}

#[test]
fn an_address_is_learnt_only_from_a_request_with_the_right_password() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let wrong = IceCredentials {
        pwd: "another-password-012345".to_owned(),
        ..local.clone()
    };
    let checked = check(&mut agent, origin(), address(1), &request(&wrong, &[], &[]));
    assert_eq!(
        (checked.binding, checked.response),
        (Binding::Refused, None)
    );
    let other = request(&credentials("efgh"), &[], &[]);
    let checked = check(&mut agent, origin(), address(1), &other);
    assert_eq!(
        (checked.binding, checked.response),
        (Binding::Refused, None)
    );
    assert!(!agent.is_verified(address(1)));
    assert_eq!(agent.send_address(), None);
}

#[test]
fn a_request_must_fill_its_datagram_exactly() {
    let datagram = request(&credentials("abcd"), &[], &[]);
    assert!(ParsedBinding::parse(&datagram).is_some());
    let mut longer = datagram.clone();
    longer.extend([0; 4]);
    assert!(ParsedBinding::parse(&longer).is_none());
    assert!(ParsedBinding::parse(&datagram[..datagram.len() - 4]).is_none());
    let mut wrong_sum = datagram.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert!(ParsedBinding::parse(&wrong_sum).is_none());
}

#[test]
fn attributes_behind_message_integrity_are_ignored() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let now = origin();
    check(&mut agent, now, address(1), &request(&local, &[], &[]));
    let tacked_on = request(&local, &[], &[ATTR_USE_CANDIDATE, ATTR_ICE_CONTROLLED]);
    let checked = check(&mut agent, now, address(2), &tacked_on);
    assert_eq!(checked.binding, verified(false, true));
    assert_eq!(agent.send_address(), Some(address(1)));
}

#[test]
fn the_send_address_moves_on_use_candidate_alone() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let now = origin();
    let plain = request(&local, &[ATTR_SOFTWARE], &[]);
    let nominating = request(&local, &[ATTR_USE_CANDIDATE], &[]);
    assert!(check(&mut agent, now, address(1), &plain).moved);
    assert!(!check(&mut agent, now, address(2), &plain).moved);
    let checked = check(&mut agent, now, address(2), &nominating);
    assert_eq!(
        (checked.binding, checked.moved),
        (verified(true, false), true)
    );
    assert_eq!(agent.send_address(), Some(address(2)));
    assert!(!check(&mut agent, now, address(2), &nominating).moved);
    assert!(!agent.follow_dtls(address(1)), "a nomination outranks DTLS");
}

#[test]
fn before_a_nomination_the_send_address_follows_dtls_from_verified_addresses() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let now = origin();
    for port in [1, 2] {
        check(&mut agent, now, address(port), &request(&local, &[], &[]));
    }
    assert!(!agent.follow_dtls(address(3)));
    assert!(agent.follow_dtls(address(2)));
    assert_eq!(agent.send_address(), Some(address(2)));
}

#[test]
fn a_client_that_claims_to_be_controlled_is_told_487() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let datagram = request(&local, &[ATTR_ICE_CONTROLLED], &[]);
    let checked = check(&mut agent, origin(), address(1), &datagram);
    assert_eq!(checked.binding, Binding::Refused);
    let answer = response(&checked);
    assert_eq!(answer.typ, BINDING_ERROR);
    let mut code = rtc::stun::error_code::ErrorCodeAttribute::default();
    code.get_from(&answer).unwrap();
    assert!(code.code == CODE_ROLE_CONFLICT);
    assert!(!agent.is_verified(address(1)));
}

#[test]
fn an_unknown_required_attribute_is_told_420() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let datagram = request(&local, &[AttrType(0x7ffe)], &[]);
    let checked = check(&mut agent, origin(), address(1), &datagram);
    assert_eq!(checked.binding, Binding::Refused);
    let mut unknown = UnknownAttributes(vec![]);
    unknown.get_from(&response(&checked)).unwrap();
    assert_eq!(unknown.0, [AttrType(0x7ffe)]);
}

#[test]
fn old_credentials_hold_until_the_new_ones_are_first_used() {
    let (old, skipped, new) = (
        credentials("old1"),
        credentials("mid1"),
        credentials("new1"),
    );
    let mut agent = Agent::new(old.clone());
    let now = origin();
    check(
        &mut agent,
        now,
        address(1),
        &request(&old, &[ATTR_USE_CANDIDATE], &[]),
    );
    agent.restart(skipped);
    agent.restart(new.clone());
    assert_eq!(agent.local_ufrags().collect::<Vec<_>>(), ["new1", "old1"]);
    let still = check(&mut agent, now, address(1), &request(&old, &[], &[]));
    assert_eq!(still.binding, verified(false, false));
    let first = check(&mut agent, now, address(2), &request(&new, &[], &[]));
    assert_eq!(first.binding, verified(false, true));
    assert_eq!(agent.local_ufrags().collect::<Vec<_>>(), ["new1"]);
    let late = check(&mut agent, now, address(1), &request(&old, &[], &[]));
    assert_eq!(late.binding, Binding::Refused);
    assert_eq!(
        agent.send_address(),
        Some(address(1)),
        "until the client nominates anew"
    );
}

#[test]
fn verified_addresses_are_bounded_and_expire_but_never_the_one_in_use() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let start = origin();
    let mut forgotten = vec![];
    for port in 1..=20 {
        let now = start + Duration::from_millis(u64::from(port));
        forgotten
            .extend(check(&mut agent, now, address(port), &request(&local, &[], &[])).forgotten);
    }
    assert_eq!(agent.addresses().count(), ADDRESSES_MAX);
    assert_eq!(forgotten, (2..=13).map(address).collect::<Vec<_>>());
    assert!(agent.is_verified(address(1)));
    assert_eq!(
        agent.next_expiry(),
        Some(start + Duration::from_millis(14) + ADDRESS_LIFETIME)
    );
    let expired = agent.expire(start + Duration::from_millis(17) + ADDRESS_LIFETIME);
    assert_eq!(expired, (14..=17).map(address).collect::<Vec<_>>());
    agent.expire(start + 10 * ADDRESS_LIFETIME);
    assert_eq!(agent.addresses().collect::<Vec<_>>(), [address(1)]);
    assert_eq!(agent.next_expiry(), None);
}

#[test]
fn a_way_that_is_gone_gives_place_to_the_one_checked_last() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let nominating = request(&local, &[ATTR_USE_CANDIDATE], &[]);
    let plain = request(&local, &[], &[]);
    let mut now = origin();
    for (port, datagram) in [(1, &nominating), (2, &plain), (3, &plain), (2, &plain)] {
        now += Duration::from_secs(1);
        check(&mut agent, now, address(port), datagram);
    }
    assert_eq!(agent.forget(address(3)), None, "it was not in use");
    assert_eq!(agent.forget(address(1)), Some(address(2)));
    assert_eq!(agent.forget(address(2)), None);
    assert_eq!(agent.send_address(), None);
    assert!(check(&mut agent, now, address(4), &plain).moved);
    assert_eq!(agent.send_address(), Some(address(4)));
}

#[test]
fn mutated_requests_never_panic_and_never_verify() {
    let local = credentials("abcd");
    let mut agent = Agent::new(local.clone());
    let good = request(&local, &[ATTR_USE_CANDIDATE], &[]);
    let mut seed = 0x5eed_u64;
    let mut parsed_count = 0;
    for round in 0..50_000 {
        let mut datagram = good.clone();
        for _ in 0..=round % 3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 33) as usize % (datagram.len() - 8);
            datagram[at] ^= ((seed >> 24) as u8).max(1);
        }
        let at = datagram.len() - 8;
        let sum = fingerprint_value(&datagram[..at]).to_be_bytes();
        datagram[at + 4..].copy_from_slice(&sum);
        if datagram == good {
            continue;
        }
        if let Some(parsed) = ParsedBinding::parse(&datagram) {
            parsed_count += 1;
            let checked = agent.handle(origin(), address(9), &parsed, provider().crypto());
            assert_eq!(checked.binding, Binding::Refused, "seed {seed:#x}");
        }
    }
    assert!(
        parsed_count > 1_000,
        "the mutations reach the verification: {parsed_count}"
    );
    assert_eq!(agent.addresses().count(), 0);
}
