//! Whether browsers elsewhere can reach this machine's media, as far as can be seen from here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rtc::crypto::{RTCCrypto, default_provider};
use rtc::stun::attributes::{
    ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, AttrType,
};
use rtc::stun::error_code::{CODE_UNAUTHORIZED, ErrorCodeAttribute};
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter as _, METHOD_ALLOCATE, METHOD_REFRESH, Message,
    MessageType, Method, Setter as _, TransactionId,
};
use rtc::stun::textattrs::TextAttribute;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::{Finding, Verdict, finding};
use crate::service::call::{IceServer, Relays};
use crate::shell::config::{Config, Turn, addresses};

/// How long a TURN server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Longest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 2_048;
/// Validity of the password that is tried.
const TRIAL: TimeDelta = TimeDelta::seconds(300);
/// UDP in REQUESTED-TRANSPORT (RFC 8656 section 18.8).
const BY_UDP: [u8; 4] = [17, 0, 0, 0];

/// Whether the addresses that browsers are told can be theirs to reach.
pub(super) fn addresses(config: &Config) -> Finding {
    let told = &config.media_addresses;
    let list = |ips: &[IpAddr]| {
        let texts: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
        texts.join(", ")
    };
    if config.media_listen.is_ipv4() && told.iter().any(IpAddr::is_ipv6) {
        let mend = "media_addresses has an IPv6 address, but media listens on IPv4 alone: \
                    set listen or media_listen to `::`";
        return finding("networks", Verdict::Mend, mend);
    }
    let own = addresses::of_interfaces();
    let ours = |ip: &&IpAddr| own.contains(ip) || ip.is_loopback();
    let outside: Vec<IpAddr> = told.iter().filter(|ip| !ours(ip)).copied().collect();
    if !outside.is_empty() {
        let advice = format!(
            "{} is no address of this machine: a router must pass {} on to it",
            list(&outside),
            ports(config)
        );
        return finding("networks", Verdict::Attention, advice);
    }
    if !config.media_listen.is_loopback() && told.iter().all(|ip| is_inside(*ip)) {
        let advice = format!(
            "media is reached at {}, which is known inside this network alone; for browsers \
             outside set media_addresses to the outside address",
            list(told)
        );
        return finding("networks", Verdict::Attention, advice);
    }
    let sentence = format!("media is reached at {}, {}", list(told), ports(config));
    finding("networks", Verdict::Ok, sentence)
}

fn ports(config: &Config) -> String {
    let udp = config.media_ports().filter(|_| config.media_udp);
    let udp = udp.map(|ports| match ports.end() - ports.start() {
        0 => format!("UDP {}", config.media_port),
        _ => format!("UDP {} to {}", ports.start(), ports.end()),
    });
    let tcp = config.media_tcp_port().map(|port| format!("TCP {port}"));
    let both: Vec<String> = udp.into_iter().chain(tcp).collect();
    both.join(" and ")
}

/// Private (RFC 1918), shared (RFC 6598), unique-local (RFC 4193) and this machine's own.
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback(),
    }
}

/// Whether each TURN server answers and takes the passwords that browsers will get.
pub(super) async fn relays(config: &Config, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(turn) = &config.turn else {
        return findings;
    };
    let granted = trial(turn, now);
    for url in &turn.urls {
        findings.push(match Server::parse(url) {
            None => finding("turn", Verdict::Mend, format!("{url} is no TURN URL")),
            Some(server) => match server.tried(&granted).await {
                Ok(said) => finding("turn", Verdict::Ok, format!("{url} {said}")),
                Err(why) => finding("turn", Verdict::Mend, format!("{url}: {why}")),
            },
        });
    }
    findings
}

fn trial(turn: &Turn, now: DateTime<Utc>) -> IceServer {
    let relays = Relays {
        urls: Vec::new(),
        secret: turn.secret.clone().into_bytes(),
        valid_for: TRIAL,
    };
    relays.grant("doctor", now)
}

/// A TURN server as its URL names it (RFC 7065).
#[derive(Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    carrier: Carrier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Udp,
    Tcp,
    /// Over TLS, of which the connection alone is tried.
    Tls,
}

impl Server {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (carrier, port) = match (scheme, query) {
            ("turn", "" | "transport=udp") => (Carrier::Udp, 3_478),
            ("turn", "transport=tcp") => (Carrier::Tcp, 3_478),
            ("turns", "" | "transport=tcp") => (Carrier::Tls, 5_349),
            _ => return None,
        };
        let named = place.rsplit_once(':').filter(|_| !place.ends_with(']'));
        let (host, port) = match named {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            carrier,
        })
    }

    async fn tried(&self, granted: &IceServer) -> Result<&'static str, String> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let address = found.ok().and_then(|mut found| found.next());
        let address = address.ok_or("the name is not known: see DNS and turn_urls")?;
        let silent = "no answer: see that the TURN server runs and no firewall is between";
        let mut line = match timeout(ANSWER_MAX, Line::open(self.carrier, address)).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) | Err(_) => return Err(silent.to_owned()),
        };
        if self.carrier == Carrier::Tls {
            return Ok("takes connections; its certificate and password were not tried");
        }
        let asked = async {
            let refused = line.ask(&allocate(), None).await?;
            let login = Login::new(granted, &refused)?;
            line.ask(&allocate(), Some(&login))
                .await
                .map(|m| (m, login))
        };
        let Ok(Some((answer, login))) = timeout(ANSWER_MAX, asked).await else {
            return Err(silent.to_owned());
        };
        if answer.typ.class != CLASS_SUCCESS_RESPONSE {
            let mut error = ErrorCodeAttribute::default();
            let told = error.get_from(&answer).is_ok();
            return Err(match told {
                true if error.code == CODE_UNAUTHORIZED => {
                    "refuses our passwords: see that turn_secret is its static-auth-secret, \
                     use-auth-secret is set, and both clocks are right"
                        .to_owned()
                }
                _ => format!("does not relay: {error}"),
            });
        }
        let release = request(METHOD_REFRESH, ATTR_LIFETIME, [0; 4]);
        // It would end by itself.
        let _ = timeout(ANSWER_MAX, line.ask(&release, Some(&login))).await;
        Ok("relays, and takes our passwords")
    }
}

/// A request with one attribute.
type Request = (Method, AttrType, [u8; 4]);

fn request(method: Method, kind: AttrType, value: [u8; 4]) -> Request {
    (method, kind, value)
}

fn allocate() -> Request {
    request(METHOD_ALLOCATE, ATTR_REQUESTED_TRANSPORT, BY_UDP)
}

/// What a server wants to see of who asks (RFC 8489 section 9.2).
struct Login {
    username: String,
    password: String,
    realm: String,
    nonce: String,
}

impl Login {
    fn new(granted: &IceServer, refused: &Message) -> Option<Self> {
        let text = |kind| TextAttribute::get_from_as(refused, kind).ok();
        Some(Self {
            username: granted.username.clone(),
            password: granted.credential.clone(),
            realm: text(ATTR_REALM)?.text,
            nonce: text(ATTR_NONCE)?.text,
        })
    }

    fn sign(&self, message: &mut Message, crypto: &dyn RTCCrypto) -> Option<()> {
        for (kind, text) in [
            (ATTR_USERNAME, &self.username),
            (ATTR_REALM, &self.realm),
            (ATTR_NONCE, &self.nonce),
        ] {
            TextAttribute::new(kind, text.clone())
                .add_to(message)
                .ok()?;
        }
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            self.username.clone(),
            self.realm.clone(),
            self.password.clone(),
            crypto,
        );
        integrity.ok()?.add_to(message).ok()
    }
}

/// A way to a TURN server.
enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Line {
    async fn open(carrier: Carrier, address: SocketAddr) -> std::io::Result<Self> {
        match carrier {
            Carrier::Udp => {
                let any = match address {
                    SocketAddr::V4(_) => "0.0.0.0:0",
                    SocketAddr::V6(_) => "[::]:0",
                };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(address).await?;
                Ok(Self::Udp(socket))
            }
            Carrier::Tcp | Carrier::Tls => Ok(Self::Tcp(TcpStream::connect(address).await?)),
        }
    }

    /// Asks once; the answer, if it is one.
    async fn ask(&mut self, asked: &Request, login: Option<&Login>) -> Option<Message> {
        let provider = default_provider().ok()?;
        let mut message = Message::new();
        let (method, kind, value) = asked;
        let kind_of = MessageType::new(*method, CLASS_REQUEST);
        message
            .build(&[Box::new(kind_of), Box::new(TransactionId::new())])
            .ok()?;
        message.add(*kind, value);
        if let Some(login) = login {
            login.sign(&mut message, provider.crypto())?;
        }
        let bytes = self.exchange(&message.raw).await.ok()?;
        let mut answer = Message::new();
        answer.unmarshal_binary(&bytes).ok()?;
        (answer.transaction_id == message.transaction_id).then_some(answer)
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        let length = match self {
            Self::Udp(socket) => {
                socket.send(request).await?;
                socket.recv(&mut answer).await?
            }
            Self::Tcp(stream) => {
                stream.write_all(request).await?;
                stream.read_exact(&mut answer[..20]).await?;
                let body = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
                let rest = answer.get_mut(20..20 + body);
                let rest = rest.ok_or(std::io::ErrorKind::InvalidData)?;
                20 + stream.read_exact(rest).await?
            }
        };
        answer.truncate(length);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_url_names_host_port_and_carrier() {
        let server = |url| {
            let server = Server::parse(url)?;
            Some((server.host, server.port, server.carrier))
        };
        let named = |host: &str, port, carrier| Some((host.to_owned(), port, carrier));
        assert_eq!(server("turn:a.b"), named("a.b", 3_478, Carrier::Udp));
        assert_eq!(
            server("turn:[::1]:99?transport=tcp"),
            named("::1", 99, Carrier::Tcp)
        );
        assert_eq!(server("turns:[::1]"), named("::1", 5_349, Carrier::Tls));
        for broken in ["turn:", "turn:a:b", "turns:a?transport=udp", "stun:a"] {
            assert_eq!(server(broken), None, "{broken}");
        }
    }

    #[test]
    fn addresses_of_private_networks_are_inside_ones() {
        for inside in [
            "10.1.2.3",
            "192.168.0.9",
            "100.64.0.1",
            "127.0.0.1",
            "fd00::1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["203.0.113.5", "100.128.0.1", "2001:db8::5"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
