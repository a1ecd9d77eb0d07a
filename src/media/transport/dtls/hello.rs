//! The client's first words: its ClientHello, put together from datagrams and looked into.

use super::record::{CLIENT_HELLO, HANDSHAKE, fragments, records};

/// Datagrams kept; Chromium's hello takes two, and the client repeats it while it waits.
const DATAGRAMS_MAX: usize = 8;
/// Longest datagram kept, bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Longest hello, bytes; post-quantum key shares make about 1,400.
const HELLO_BYTES_MAX: usize = 8_192;
/// The `use_srtp` extension (RFC 5764 section 4.1.1).
const USE_SRTP: u16 = 14;
/// SRTP_AEAD_AES_128_GCM (RFC 7714 section 14.2).
const AEAD_AES_128_GCM: [u8; 2] = [0x00, 0x07];

/// A ClientHello in the making, with the datagrams it came in.
///
/// They are held until the hello is whole *and* the client's fingerprint is known, then replayed.
#[derive(Default)]
pub struct Hello {
    datagrams: Vec<Vec<u8>>,
    body: Vec<u8>,
    have: Vec<bool>,
}

impl Hello {
    /// Takes a datagram if it adds something to the hello. At the bound everything is forgotten and
    /// the client's next repetition starts afresh.
    pub fn feed(&mut self, datagram: &[u8]) {
        if datagram.len() > DATAGRAM_BYTES_MAX || self.is_whole() || !self.merge(datagram) {
            return;
        }
        if self.datagrams.len() >= DATAGRAMS_MAX {
            *self = Self::default();
            return;
        }
        self.datagrams.push(datagram.to_vec());
    }

    /// Whether all of the hello is here.
    pub fn is_whole(&self) -> bool {
        !self.have.is_empty() && self.have.iter().all(|have| *have)
    }

    /// Whether the client offers AEAD_AES_128_GCM among its SRTP profiles. It has to be asked of
    /// the hello because the DTLS library picks by the client's order, which has the slower profile
    /// first in Chromium.
    pub fn offers_gcm(&self) -> bool {
        self.is_whole()
            && extension(&self.body, USE_SRTP)
                .and_then(|value| {
                    let length = usize::from(u16_at(value, 0)?);
                    value.get(2..2 + length)
                })
                .is_some_and(|profiles| profiles.chunks_exact(2).any(|p| p == AEAD_AES_128_GCM))
    }

    /// The datagrams, to be replayed.
    pub fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }

    /// True when a byte of the hello was new.
    fn merge(&mut self, datagram: &[u8]) -> bool {
        let mut news = false;
        let plain = records(datagram).filter(|r| r.kind == HANDSHAKE && r.epoch == 0);
        for fragment in plain
            .filter_map(|record| fragments(record.content))
            .flatten()
        {
            let is_first_hello = fragment.kind == CLIENT_HELLO && fragment.number == 0;
            if !is_first_hello || fragment.total > HELLO_BYTES_MAX {
                continue;
            }
            if self.body.len() != fragment.total {
                // Another hello than the one begun: the client has started over.
                *self = Self::default();
                self.body = vec![0; fragment.total];
                self.have = vec![false; fragment.total];
            }
            let range = fragment.offset..fragment.offset + fragment.body.len();
            news |= self.have[range.clone()].iter().any(|have| !have);
            self.body[range.clone()].copy_from_slice(fragment.body);
            self.have[range].fill(true);
        }
        news
    }
}

/// Value of an extension of a ClientHello body (RFC 5246 section 7.4.1.2, with DTLS's cookie).
fn extension(body: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut at = 2 + 32;
    at += 1 + usize::from(*body.get(at)?); // session id
    at += 1 + usize::from(*body.get(at)?); // cookie
    at += 2 + usize::from(u16_at(body, at)?); // cipher suites
    at += 1 + usize::from(*body.get(at)?); // compression methods
    let mut rest = body.get(at + 2..at + 2 + usize::from(u16_at(body, at)?))?;
    while !rest.is_empty() {
        let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = &rest[4 + length..];
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with the given SRTP profiles, cut into datagrams of `piece` body bytes.
    fn hello(profiles: &[u16], padding: usize, piece: usize) -> Vec<Vec<u8>> {
        let mut extensions = vec![0x00, 0x17, 0, 0, 0x7a, 0x7a];
        extensions.extend((padding as u16).to_be_bytes());
        extensions.extend(vec![0xaa; padding]);
        let list = 2 * profiles.len() as u16;
        extensions.extend([0, 14]);
        extensions.extend((list + 3).to_be_bytes());
        extensions.extend(list.to_be_bytes());
        extensions.extend(profiles.iter().flat_map(|p| p.to_be_bytes()));
        extensions.push(0);
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let cut = |(number, part): (usize, &[u8])| {
            let mut content = vec![CLIENT_HELLO];
            content.extend(&(body.len() as u32).to_be_bytes()[1..]);
            content.extend([0, 0]);
            content.extend(&((number * piece) as u32).to_be_bytes()[1..]);
            content.extend(&(part.len() as u32).to_be_bytes()[1..]);
            content.extend(part);
            let mut datagram = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number as u8];
            datagram.extend((content.len() as u16).to_be_bytes());
            datagram.extend(content);
            datagram
        };
        body.chunks(piece).enumerate().map(cut).collect()
    }

    fn fed(datagrams: &[Vec<u8>]) -> Hello {
        let mut hello = Hello::default();
        datagrams.iter().for_each(|datagram| hello.feed(datagram));
        hello
    }

    #[test]
    fn gcm_is_seen_wherever_it_stands_in_the_clients_order() {
        assert!(fed(&hello(&[1, 7], 0, 1_200)).offers_gcm());
        assert!(fed(&hello(&[7, 8, 1], 0, 1_200)).offers_gcm());
        assert!(!fed(&hello(&[1, 8], 0, 1_200)).offers_gcm());
        assert!(!fed(&hello(&[], 0, 1_200)).offers_gcm());
    }

    #[test]
    fn a_hello_is_put_together_from_datagrams_in_any_order() {
        let mut datagrams = hello(&[1, 7], 1_400, 1_200);
        assert_eq!(datagrams.len(), 2);
        assert!(!fed(&datagrams[..1]).is_whole());
        datagrams.reverse();
        let whole = fed(&datagrams);
        assert!(whole.is_whole() && whole.offers_gcm());
        assert_eq!(whole.into_datagrams(), datagrams);
    }

    #[test]
    fn what_is_held_before_the_hello_is_whole_is_bounded() {
        let datagrams = hello(&[1, 7], 1_400, 20);
        let mut held = Hello::default();
        for _ in 0..50 {
            for datagram in &datagrams[1..] {
                held.feed(datagram);
                assert!(held.datagrams.len() <= DATAGRAMS_MAX);
            }
        }
        let mut repeated = Hello::default();
        for _ in 0..50 {
            repeated.feed(&datagrams[0]);
        }
        assert_eq!(repeated.datagrams.len(), 1, "repetitions add nothing");
        let fresh = hello(&[7], 1_400, 1_200);
        fresh.iter().for_each(|datagram| held.feed(datagram));
        assert!(held.offers_gcm(), "another hello replaces a stuck one");
    }

    #[test]
    fn truncated_and_mutated_hellos_never_panic() {
        let datagrams = hello(&[1, 7], 100, 1_200);
        let mut seed = 0x4e11_u64;
        for round in 0..50_000 {
            let mut datagram = datagrams[0].clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % datagram.len();
                datagram[at] = (seed >> 20) as u8;
            }
            datagram.truncate(datagram.len() - round % 7);
            let hello = fed(&[datagram]);
            let _ = hello.offers_gcm();
            assert!(hello.body.len() <= HELLO_BYTES_MAX, "seed {seed:#x}");
        }
    }
}
