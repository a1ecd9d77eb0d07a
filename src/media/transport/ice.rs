//! The server's half of ICE: a lite agent that answers connectivity checks (RFC 8445 section 7.3)
//! and learns the client's addresses from them, and from nothing else.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::crypto::{HmacAlgorithm, RTCCrypto};
use rtc::stun::attributes::AttrType;
use rtc::stun::error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCode};
use rtc::stun::fingerprint::{FINGERPRINT, fingerprint_value};
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_ERROR, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::uattrs::UnknownAttributes;
use rtc::stun::xoraddr::XorMappedAddress;

use crate::media::command::IceCredentials;
use crate::media::remote::Remote;

/// Bytes before the first attribute (RFC 8489 section 5).
pub const STUN_HEADER_BYTES: usize = 20;
/// Longest request looked at, bytes: one unfragmented datagram.
const REQUEST_BYTES_MAX: usize = 1_500;
/// Attributes looked at; browsers send eight.
const ATTRIBUTES_MAX: usize = 32;
/// Unknown attributes named in an error response.
const UNKNOWN_MAX: usize = 8;
/// Addresses of one client that may be verified at once.
pub const ADDRESSES_MAX: usize = 8;
/// How long an address other than the one we send to stays verified without a new check.
pub const ADDRESS_LIFETIME: Duration = Duration::from_secs(60);

const BINDING_REQUEST_TYPE: [u8; 2] = [0x00, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT_TYPE: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
/// Header and HMAC-SHA1 of MESSAGE-INTEGRITY, bytes.
const INTEGRITY_BYTES: usize = 24;
/// Attributes below this must be understood (RFC 8489 section 14).
const OPTIONAL_FROM: u16 = 0x8000;

/// A well-formed binding request, not yet verified; borrows the datagram.
#[derive(Clone, Debug)]
pub struct ParsedBinding<'a> {
    datagram: &'a [u8],
    username: &'a str,
    integrity_at: usize,
    nominates: bool,
    claims_controlled: bool,
    unknown: [u16; UNKNOWN_MAX],
    unknown_count: usize,
}

impl<'a> ParsedBinding<'a> {
    /// Reads a datagram that is one binding request and nothing else.
    ///
    /// `None` for other messages, a length that is not exactly the datagram's, a missing USERNAME
    /// or MESSAGE-INTEGRITY, or a wrong FINGERPRINT. Attributes behind MESSAGE-INTEGRITY are not
    /// authenticated and, but for FINGERPRINT, not read (RFC 8489 section 14.5).
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        if !is_whole_binding_request(datagram) {
            return None;
        }
        let mut parsed = Self {
            datagram,
            username: "",
            integrity_at: 0,
            nominates: false,
            claims_controlled: false,
            unknown: [0; UNKNOWN_MAX],
            unknown_count: 0,
        };
        let mut at = STUN_HEADER_BYTES;
        for _ in 0..ATTRIBUTES_MAX {
            if at == datagram.len() {
                return (parsed.integrity_at > 0 && !parsed.username.is_empty()).then_some(parsed);
            }
            let (kind, value, next) = attribute_at(datagram, at)?;
            parsed.read(kind, value, at, next)?;
            at = next;
        }
        None
    }

    /// Our half of USERNAME: which transport the request is for (RFC 8445 section 7.2.2).
    pub fn local_ufrag(&self) -> &'a str {
        self.username.split(':').next().unwrap_or("")
    }

    fn read(&mut self, kind: u16, value: &'a [u8], at: usize, next: usize) -> Option<()> {
        if kind == FINGERPRINT_TYPE {
            let expected = fingerprint_value(&self.datagram[..at]).to_be_bytes();
            return (next == self.datagram.len() && value == expected).then_some(());
        }
        if self.integrity_at > 0 {
            return Some(());
        }
        match kind {
            USERNAME if self.username.is_empty() => {
                self.username = std::str::from_utf8(value).ok()?;
            }
            MESSAGE_INTEGRITY if value.len() + 4 == INTEGRITY_BYTES => self.integrity_at = at,
            MESSAGE_INTEGRITY => return None,
            USE_CANDIDATE => self.nominates = true,
            ICE_CONTROLLED => self.claims_controlled = true,
            USERNAME | PRIORITY | MESSAGE_INTEGRITY_SHA256 | OPTIONAL_FROM.. => {}
            unknown => {
                if let Some(slot) = self.unknown.get_mut(self.unknown_count) {
                    *slot = unknown;
                    self.unknown_count += 1;
                }
            }
        }
        Some(())
    }

    fn is_authentic(&self, pwd: &str, crypto: &dyn RTCCrypto) -> bool {
        // The header's length counts up to MESSAGE-INTEGRITY's end for the sum (RFC 8489 section
        // 14.5), whatever follows it.
        let length = (self.integrity_at + INTEGRITY_BYTES - STUN_HEADER_BYTES) as u16;
        let parts = [
            &self.datagram[..2],
            &length.to_be_bytes(),
            &self.datagram[4..self.integrity_at],
        ];
        let sum = &self.datagram[self.integrity_at + 4..self.integrity_at + INTEGRITY_BYTES];
        crypto
            .new_hmac(HmacAlgorithm::Sha1, pwd.as_bytes())
            .is_ok_and(|mut mac| mac.verify(&parts, sum).is_ok())
    }

    fn transaction_id(&self) -> TransactionId {
        let mut id = TransactionId::default();
        id.0.copy_from_slice(&self.datagram[8..STUN_HEADER_BYTES]);
        id
    }
}

fn is_whole_binding_request(datagram: &[u8]) -> bool {
    if datagram.len() < STUN_HEADER_BYTES || datagram.len() > REQUEST_BYTES_MAX {
        return false;
    }
    let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    datagram[..2] == BINDING_REQUEST_TYPE
        && datagram[4..8] == MAGIC_COOKIE
        && datagram.len() == STUN_HEADER_BYTES + length
        && length.is_multiple_of(4)
}

/// Type and value of the attribute at an offset, and where the next one begins.
fn attribute_at(datagram: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let header = datagram.get(at..at + 4)?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let value = datagram.get(at + 4..at + 4 + length)?;
    let next = at + 4 + length.next_multiple_of(4);
    (next <= datagram.len()).then_some((kind, value, next))
}

/// What a binding request proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The sender knows the password: its address may be trusted.
    Verified {
        /// It asked for media on this address.
        nominated: bool,
        /// The address was not verified before: the demultiplexer should learn it.
        first_from_this_address: bool,
    },
    /// Wrong credentials, or an answered error; the address proves nothing.
    Refused,
}

/// What to do after a binding request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was proved.
    pub binding: Binding,
    /// The datagram to send back to where the request came from.
    pub response: Option<Bytes>,
    /// The address to send to is another one now.
    pub moved: bool,
    /// An address that had to make room.
    pub forgotten: Option<Remote>,
}

/// The lite agent of one transport: our credentials and the client's verified addresses.
pub struct Agent {
    current: IceCredentials,
    /// Credentials before a restart whose successors nobody has used yet.
    previous: Option<IceCredentials>,
    addresses: Vec<Verified>,
    send_to: Option<Remote>,
    nominated: bool,
}

#[derive(Clone, Copy)]
struct Verified {
    address: Remote,
    checked: Instant,
}

impl Agent {
    /// An agent that has heard nobody yet.
    pub fn new(local: IceCredentials) -> Self {
        Self {
            current: local,
            previous: None,
            addresses: Vec::new(),
            send_to: None,
            nominated: false,
        }
    }

    /// Takes new credentials; the ones in use stay valid until the new ones are first used.
    pub fn restart(&mut self, local: IceCredentials) {
        let replaced = std::mem::replace(&mut self.current, local);
        self.previous.get_or_insert(replaced);
    }

    /// User fragments that requests may name: one, or two during a restart.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current)
            .chain(self.previous.as_ref())
            .map(|credentials| credentials.ufrag.as_str())
    }

    /// Where to send: nominated, or else first verified; `None` before the first verified request,
    /// and when the only way is gone.
    pub fn send_address(&self) -> Option<Remote> {
        self.send_to
    }

    /// All verified addresses, at most [`ADDRESSES_MAX`].
    pub fn addresses(&self) -> impl Iterator<Item = Remote> {
        self.addresses.iter().map(|verified| verified.address)
    }

    /// Whether a request from this address was verified and not forgotten since.
    pub fn is_verified(&self, address: Remote) -> bool {
        self.addresses().any(|known| known == address)
    }

    /// Before any nomination the client's DTLS shows the path that it has chosen. True when the
    /// address to send to moved.
    pub fn follow_dtls(&mut self, from: Remote) -> bool {
        !self.nominated && self.is_verified(from) && self.move_to(from)
    }

    /// Forgets a way that is gone. Where it was the one to send to, the one checked last takes its
    /// place, until the client nominates again; tells which that is.
    pub fn forget(&mut self, gone: Remote) -> Option<Remote> {
        self.addresses.retain(|verified| verified.address != gone);
        if self.send_to != Some(gone) {
            return None;
        }
        self.nominated = false;
        let last = self.addresses.iter().max_by_key(|known| known.checked);
        self.send_to = last.map(|known| known.address);
        self.send_to
    }

    /// Verifies a request and learns from it.
    pub fn handle(
        &mut self,
        now: Instant,
        from: Remote,
        request: &ParsedBinding<'_>,
        crypto: &dyn RTCCrypto,
    ) -> Checked {
        let refused = |response| Checked {
            binding: Binding::Refused,
            response,
            moved: false,
            forgotten: None,
        };
        let Some(pwd) = self.authenticate(request, crypto) else {
            return refused(None);
        };
        // Lite agents are always controlled: the client has to change its mind (section 7.3.1.1).
        if request.claims_controlled {
            return refused(error(request, CODE_ROLE_CONFLICT, &pwd, crypto));
        }
        if request.unknown_count > 0 {
            return refused(error(request, CODE_UNKNOWN_ATTRIBUTE, &pwd, crypto));
        }
        let (first, forgotten) = self.learn(now, from);
        let moved = (self.send_to.is_none() || request.nominates) && self.move_to(from);
        self.nominated |= request.nominates;
        Checked {
            binding: Binding::Verified {
                nominated: request.nominates,
                first_from_this_address: first,
            },
            response: success(request, from, &pwd, crypto),
            moved,
            forgotten,
        }
    }

    /// Forgets addresses without a check for [`ADDRESS_LIFETIME`], but never the one we send to.
    pub fn expire(&mut self, now: Instant) -> Vec<Remote> {
        let send_to = self.send_to;
        let mut forgotten = Vec::new();
        self.addresses.retain(|verified| {
            let keep = Some(verified.address) == send_to
                || now.saturating_duration_since(verified.checked) < ADDRESS_LIFETIME;
            if !keep {
                forgotten.push(verified.address);
            }
            keep
        });
        forgotten
    }

    /// When [`Self::expire`] will next find something.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.addresses
            .iter()
            .filter(|verified| Some(verified.address) != self.send_to)
            .map(|verified| verified.checked + ADDRESS_LIFETIME)
            .min()
    }

    /// The password that the request was made with; its first use ends the older credentials.
    fn authenticate(
        &mut self,
        request: &ParsedBinding<'_>,
        crypto: &dyn RTCCrypto,
    ) -> Option<String> {
        let ufrag = request.local_ufrag();
        if ufrag == self.current.ufrag && request.is_authentic(&self.current.pwd, crypto) {
            self.previous = None;
            return Some(self.current.pwd.clone());
        }
        let previous = self.previous.as_ref()?;
        let authentic = ufrag == previous.ufrag && request.is_authentic(&previous.pwd, crypto);
        authentic.then(|| previous.pwd.clone())
    }

    fn learn(&mut self, now: Instant, from: Remote) -> (bool, Option<Remote>) {
        if let Some(known) = self.addresses.iter_mut().find(|v| v.address == from) {
            known.checked = now;
            return (false, None);
        }
        let forgotten = (self.addresses.len() >= ADDRESSES_MAX).then(|| self.make_room());
        self.addresses.push(Verified {
            address: from,
            checked: now,
        });
        (true, forgotten.flatten())
    }

    fn make_room(&mut self) -> Option<Remote> {
        let (at, _) = self
            .addresses
            .iter()
            .enumerate()
            .filter(|(_, verified)| Some(verified.address) != self.send_to)
            .min_by_key(|(_, verified)| verified.checked)?;
        Some(self.addresses.remove(at).address)
    }

    fn move_to(&mut self, to: Remote) -> bool {
        self.send_to.replace(to) != Some(to)
    }
}

fn success(
    request: &ParsedBinding<'_>,
    from: Remote,
    pwd: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Bytes> {
    // A dual-stack socket shows IPv4 clients as mapped IPv6; they know themselves as IPv4.
    let mapped = XorMappedAddress {
        ip: from.address().ip().to_canonical(),
        port: from.address().port(),
    };
    let fields: [Box<dyn Setter>; 3] = [
        Box::new(BINDING_SUCCESS),
        Box::new(request.transaction_id()),
        Box::new(mapped),
    ];
    finish(&fields, pwd, crypto)
}

fn error(
    request: &ParsedBinding<'_>,
    code: ErrorCode,
    pwd: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Bytes> {
    let unknown = &request.unknown[..request.unknown_count];
    let mut fields: Vec<Box<dyn Setter>> = vec![
        Box::new(BINDING_ERROR),
        Box::new(request.transaction_id()),
        Box::new(code),
    ];
    if code == CODE_UNKNOWN_ATTRIBUTE {
        let types = unknown.iter().copied().map(AttrType).collect();
        fields.push(Box::new(UnknownAttributes(types)));
    }
    finish(&fields, pwd, crypto)
}

fn finish(fields: &[Box<dyn Setter>], pwd: &str, crypto: &dyn RTCCrypto) -> Option<Bytes> {
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto);
    let mut message = Message::new();
    message.build(fields).ok()?;
    integrity.add_to(&mut message).ok()?;
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(Bytes::from(message.raw))
}

#[cfg(test)]
mod tests;
