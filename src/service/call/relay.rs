//! Passwords for TURN servers: whoever shares the secret can check one, and it ends by itself
//! (draft-uberti-behave-turn-rest, as coturn's `use-auth-secret` has it).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// TURN servers and the secret that they share with us.
#[derive(Clone)]
pub struct Relays {
    /// Their URLs (RFC 7065).
    pub urls: Vec<String>,
    /// The secret.
    pub secret: Vec<u8>,
    /// How long a password lets in.
    pub valid_for: TimeDelta,
}

/// What a client needs to use relays.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Their URLs.
    pub urls: Vec<String>,
    /// End of validity, seconds since 1970, and for whom.
    pub username: String,
    /// The password.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl Relays {
    /// A password of somebody's own.
    pub fn grant(&self, identity: &str, now: DateTime<Utc>) -> IceServer {
        let until = (now + self.valid_for).timestamp();
        let username = format!("{until}:{identity}");
        // HMAC takes keys of every length.
        let credential = Hmac::<Sha1>::new_from_slice(&self.secret).map_or_else(
            |_| String::new(),
            |mac| STANDARD.encode(mac.chain_update(&username).finalize().into_bytes()),
        );
        IceServer {
            urls: self.urls.clone(),
            username,
            credential,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_sum_of_the_name_that_says_when_it_ends() {
        let relays = Relays {
            urls: vec!["turn:turn.example.org:3478".to_owned()],
            secret: b"north".to_vec(),
            valid_for: TimeDelta::seconds(3_600),
        };
        let now = DateTime::from_timestamp(1_400_000_000, 0).expect("a moment");
        let granted = relays.grant("ann", now);
        assert_eq!(granted.username, "1400003600:ann");
        // echo -n 1400003600:ann | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(granted.credential, "HCXCny+d3caWjxodJoNeb9arVSI=");
    }
}
