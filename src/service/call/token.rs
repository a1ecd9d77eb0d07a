//! LiveKit access tokens: JWTs (RFC 7519) signed with HS256 by an API key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Credential, Invitation, SOURCE_NAMES, kind_name};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::signal::{ParticipantView, Permissions, TrackSource};

/// Longest token that is looked at, bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Clocks of those who mint may be off by so much, seconds.
const CLOCK_SKEW_SECONDS: i64 = 30;
/// What a renewed token is good for at least: twice the time until the next one is sent.
const RENEWED_FOR: TimeDelta = TimeDelta::minutes(10);
/// A token that vouches for a body is for use at once, seconds.
const VOUCHED_SECONDS: i64 = 300;

/// What a token claims.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// API key that signed.
    pub iss: String,
    /// Identity.
    pub sub: String,
    /// Not before, seconds since 1970.
    pub nbf: i64,
    /// Until, seconds since 1970; a token without an end is refused.
    pub exp: i64,
    /// Name that people see.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Keys and values of the application.
    pub attributes: BTreeMap<String, String>,
    /// As what its bearer comes, such as `agent`; empty and unknown words mean a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What it grants.
    pub video: Option<VideoGrant>,
}

/// The `video` claim; fields that this server has no use for are ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VideoGrant {
    /// Name of the room.
    pub room: String,
    /// May join it.
    pub room_join: bool,
    /// May manage it.
    pub room_admin: bool,
    /// May make and delete rooms.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub room_create: bool,
    /// May list rooms.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub room_list: bool,
    /// May publish; unset means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// May publish these sources only, if not empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    /// May subscribe; unset means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// May send data; unset means as `can_publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// May change its own name, metadata and attributes; unset means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Not shown to others.
    pub hidden: bool,
    /// Records.
    pub recorder: bool,
}

/// API keys and their secrets.
#[derive(Clone)]
pub struct Keys {
    secrets: BTreeMap<String, Vec<u8>>,
    own: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("names", &self.secrets.keys())
            .finish()
    }
}

impl Keys {
    /// The server's own key, which signs what it mints, and the keys of other services.
    pub fn new(own: (String, Vec<u8>), others: BTreeMap<String, Vec<u8>>) -> Self {
        let (name, secret) = own;
        let mut secrets = others;
        secrets.insert(name.clone(), secret);
        Self { secrets, own: name }
    }

    /// What a token claims, if one of the keys signed it and its time is now.
    ///
    /// # Errors
    /// `call.bad_token` or `call.expired_token`; which check failed is not told apart further.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(bad_token());
        }
        let claimed: Claims = jsonwebtoken::dangerous::insecure_decode(token)
            .map_err(|_| bad_token())?
            .claims;
        let secret = self.secrets.get(&claimed.iss).ok_or_else(bad_token)?;
        let key = DecodingKey::from_secret(secret);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &signature_alone());
        let claims = decoded.map_err(|_| bad_token())?.claims;
        let at = now.timestamp();
        if claims.nbf > at.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(bad_token());
        }
        if claims.exp.saturating_add(CLOCK_SKEW_SECONDS) <= at {
            return Err(expired());
        }
        Ok(claims)
    }

    /// A token that vouches for a body, by the key of this name.
    ///
    /// # Errors
    /// `call.not_minted` when there is no such key.
    pub fn vouch(&self, name: &str, body: &[u8], now: DateTime<Utc>) -> Result<String, Refusal> {
        let secret = self.secrets.get(name).ok_or_else(not_minted)?;
        let claims = BodyClaims {
            iss: name,
            nbf: now.timestamp(),
            exp: now.timestamp().saturating_add(VOUCHED_SECONDS),
            sha256: STANDARD.encode(Sha256::digest(body)),
        };
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .map_err(|_| not_minted())
    }

    /// A token of the own key.
    ///
    /// # Errors
    /// `call.not_minted` when signing fails.
    pub fn mint(&self, invitation: &Invitation, now: DateTime<Utc>) -> Result<String, Refusal> {
        self.sign(&claims_of(invitation, &self.own, now))
    }

    /// A token in place of the one that somebody came with, by the same key: for the same room and
    /// identity, with the rights that they have there now and no others.
    ///
    /// # Errors
    /// `call.not_minted` when signing fails, or when it would be longer than [`TOKEN_BYTES_MAX`].
    pub fn renew(
        &self,
        credential: &Credential,
        view: &ParticipantView,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let at_least = now.checked_add_signed(RENEWED_FOR).unwrap_or(now);
        let token = self.sign(&Claims {
            iss: credential.key.clone(),
            sub: view.identity.clone(),
            nbf: now.timestamp(),
            exp: credential.expires_at.max(at_least.timestamp()),
            name: view.name.clone(),
            metadata: view.metadata.clone(),
            attributes: view.attributes.clone(),
            kind: kind_name(view.kind).to_owned(),
            video: Some(grant_of(&credential.room, &view.permissions)),
        })?;
        if token.len() <= TOKEN_BYTES_MAX {
            Ok(token)
        } else {
            Err(not_minted())
        }
    }

    fn sign(&self, claims: &Claims) -> Result<String, Refusal> {
        let secret = self.secrets.get(&claims.iss).ok_or_else(not_minted)?;
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(|_| not_minted())
    }
}

/// What stands for a body: whoever has the body and the secret knows that we wrote it.
#[derive(Serialize)]
struct BodyClaims<'a> {
    iss: &'a str,
    nbf: i64,
    exp: i64,
    /// The digest, base64.
    sha256: String,
}

/// Checks algorithm and signature; time is checked against the server's clock by the caller.
fn signature_alone() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn claims_of(invitation: &Invitation, key: &str, now: DateTime<Utc>) -> Claims {
    let until = now.checked_add_signed(invitation.valid_for).unwrap_or(now);
    Claims {
        iss: key.to_owned(),
        sub: invitation.identity.clone(),
        nbf: now.timestamp(),
        exp: until.timestamp(),
        name: invitation.name.clone(),
        metadata: String::new(),
        attributes: invitation.attributes.clone(),
        kind: String::new(),
        video: Some(grant_of(&invitation.room, &invitation.permissions)),
    }
}

/// A grant of coming in with these rights, and of nothing else.
fn grant_of(room: &str, permissions: &Permissions) -> VideoGrant {
    VideoGrant {
        room: room.to_owned(),
        room_join: true,
        room_admin: false,
        room_create: false,
        room_list: false,
        can_publish: Some(permissions.publish),
        can_publish_sources: permissions
            .sources
            .iter()
            .filter_map(|s| source_name(*s))
            .collect(),
        can_subscribe: Some(permissions.subscribe),
        can_publish_data: Some(permissions.publish_data),
        can_update_own_metadata: Some(permissions.update_own_metadata),
        hidden: permissions.hidden,
        recorder: permissions.recorder,
    }
}

fn source_name(source: TrackSource) -> Option<String> {
    let named = SOURCE_NAMES.iter().find(|(known, _)| *known == source);
    named.map(|(_, name)| (*name).to_owned())
}

fn bad_token() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "call.bad_token",
        "入会凭证无效，请重新进入。",
        "The token is not valid. Please join again.",
    )
}

fn expired() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "call.expired_token",
        "入会凭证已过期，请重新进入。",
        "The token has expired. Please join again.",
    )
}

fn not_minted() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "call.not_minted",
        "暂时无法签发入会凭证，请稍后再试。",
        "No token can be issued at the moment. Please try later.",
    )
}
