//! Admission to media rooms: a token proves who comes, the domain's rules say what they may.

mod admin;
mod relay;
mod sessions;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chrono::TimeDelta;

pub use admin::{DataMessage, ParticipantChange, RoomAdmin, strip};
pub use relay::{IceServer, Relays};
pub use sessions::{Opened, Outcome, Purpose, Sessions};
pub use token::{Claims, Keys, TOKEN_BYTES_MAX, VideoGrant};

use crate::domain::entropy::Clock;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::room::Policy;
use crate::media::signal::{
    Admission, ClientDescription, FixedProfile, Layout, ParticipantKind, ParticipantView,
    Permissions, TrackSource,
};

/// Longest room name, identity and participant name, bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Largest metadata of a participant, bytes.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;
/// Most attributes of a participant, and the most bytes of all their keys and values.
pub const ATTRIBUTES_MAX: usize = 64;
/// See [`ATTRIBUTES_MAX`].
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1024;
/// Rooms whose names begin so belong to lessons; nobody enters one that the rules do not know.
pub const LESSON_ROOM_PREFIX: &str = "lesson-";

/// The domain's decision over a session's room.
#[derive(Clone, Debug)]
pub struct SessionAdmission {
    /// What the participant may do, whatever its token says.
    pub permissions: Permissions,
    /// Name that people see.
    pub name: String,
    /// Keys and values for other participants' clients; the participant cannot change them.
    pub attributes: BTreeMap<String, String>,
    /// Further keys that only the domain sets.
    pub reserved: BTreeSet<String>,
    /// Who receives, sees and messages whom in this room; everybody does without one.
    pub policy: Option<Arc<dyn Policy>>,
    /// The server looks at this participant's camera itself, so that it comes as VP8.
    pub camera_is_read: bool,
    /// Players are listed like people. Otherwise they watch hidden: a wall of screens is nobody
    /// whom a teacher could look for.
    pub players_shown: bool,
}

/// What [`RoomRules::permissions`] answers.
pub type Decision<'a> =
    Pin<Box<dyn Future<Output = Result<Option<SessionAdmission>, Refusal>> + Send + 'a>>;

/// Who may enter the rooms of sessions, and what they may do there.
pub trait RoomRules: Send + Sync {
    /// The rights of an identity in a room; `None` when no session owns the room, which is then a
    /// plain room with the rights that the token grants.
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a>;

    /// What API keys may do with a room. Told by its name alone, so that it holds for rooms that
    /// do not exist yet, and also while the database is away.
    fn custody(&self, room: &str) -> Custody {
        if room.starts_with(LESSON_ROOM_PREFIX) {
            Custody::Session
        } else {
            Custody::Plain
        }
    }
}

/// Rules of several kinds of sessions: the first that owns a room decides over it.
pub struct EveryRule(pub Vec<Arc<dyn RoomRules>>);

impl RoomRules for EveryRule {
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a> {
        Box::pin(async move {
            for rules in &self.0 {
                if let Some(admission) = rules.permissions(room, identity).await? {
                    return Ok(Some(admission));
                }
            }
            Ok(None)
        })
    }

    fn custody(&self, room: &str) -> Custody {
        let custodies = self.0.iter().map(|rules| rules.custody(room));
        custodies.max().unwrap_or(Custody::Plain)
    }
}

/// Whose a room is, and with that what an API key may do there, whatever its grants say.
///
/// A key is no person: it has no unit, no office and no name that a ledger could record. So it
/// makes and runs rooms of its own, and looks on where a session's evidence comes about. Whatever
/// changes a session is asked by a named person through the API of that session.
/// In the order of how little a key may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Custody {
    /// Nobody's: the grants decide.
    Plain,
    /// A session's: a key sees that it is there and which accounts are in it, without names and
    /// other words about people, and changes nothing.
    Session,
    /// Privileged talk: to keys it is as if it were not there.
    Sealed,
}

/// What a client says on arrival, beside its token.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Layout of its connections.
    pub layout: Layout,
    /// As what it comes.
    pub kind: ParticipantKind,
    /// Subscribe to everything at once.
    pub auto_subscribe: bool,
    /// The one identity to which the automatic subscription is confined.
    pub watches: Option<String>,
    /// What it says of itself.
    pub client: ClientDescription,
    /// Replaces the token's metadata if not empty, where the rights allow that and no rule of the
    /// room fixed it.
    pub metadata: String,
    /// Set over the token's attributes, where the rights allow that; keys that a rule of the room
    /// fixed stay as they are.
    pub attributes: BTreeMap<String, String>,
}

/// Whom a minted token lets in.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Name of the room.
    pub room: String,
    /// Who.
    pub identity: String,
    /// Name that people see.
    pub name: String,
    /// Rights, as far as no rule of the room decides them.
    pub permissions: Permissions,
    /// Keys and values for other participants' clients.
    pub attributes: BTreeMap<String, String>,
    /// From now on.
    pub valid_for: TimeDelta,
}

/// What of a token lives on while its bearer is in the room.
#[derive(Clone)]
pub struct Credential {
    /// API key that signed it.
    pub key: String,
    /// The room that it opens.
    pub room: String,
    /// Its end, seconds since 1970.
    pub expires_at: i64,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Decides who enters which room.
pub struct Call {
    keys: Keys,
    rules: Arc<dyn RoomRules>,
    clock: Arc<dyn Clock>,
    relays: Option<Relays>,
}

impl Call {
    /// Admission by these keys and rules.
    pub fn new(keys: Keys, rules: Arc<dyn RoomRules>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            rules,
            clock,
            relays: None,
        }
    }

    /// Lets those who enter use TURN servers.
    pub fn with_relays(self, relays: Relays) -> Self {
        let relays = Some(relays);
        Self { relays, ..self }
    }

    /// The servers beside ours that a participant may reach media by, with passwords of its own.
    pub fn ice_servers(&self, identity: &str) -> Vec<IceServer> {
        let relays = self.relays.iter();
        relays
            .map(|relays| relays.grant(identity, self.clock.now()))
            .collect()
    }

    /// Admits the bearer of a token.
    ///
    /// # Errors
    /// `Unauthenticated` when the token proves nothing, `Forbidden` when it does not let in here,
    /// `NotFound` when there is no such session, and whatever the room's rules refuse.
    pub async fn admit(&self, token: &str, arrival: Arrival) -> Result<Admission, Refusal> {
        let claims = self.keys.verify(token, self.clock.now())?;
        let grant = joinable(&claims)?;
        check_names(&claims, grant)?;
        let decided = self.rules.permissions(&grant.room, &claims.sub).await?;
        if decided.is_none() && grant.room.starts_with(LESSON_ROOM_PREFIX) {
            return Err(no_such_room());
        }
        let mut admission = match decided {
            Some(session) => by_rules(&claims, grant, session, &arrival),
            None => by_grant(&claims, grant, &arrival),
        };
        if admission.permissions.update_own_metadata {
            let Arrival {
                metadata,
                attributes,
                ..
            } = arrival;
            if !metadata.is_empty() && !admission.fixed.name_and_metadata {
                admission.metadata = metadata;
            }
            let fixed = &admission.fixed.attributes;
            let free = attributes
                .into_iter()
                .filter(|(key, _)| !fixed.contains(key));
            admission.attributes.extend(free);
        }
        check_sizes(&admission)?;
        Ok(admission)
    }

    /// The room and the identity that a token is for.
    ///
    /// # Errors
    /// `Unauthenticated` when the token proves nothing, `Forbidden` when it lets in nowhere.
    pub fn bearer(&self, token: &str) -> Result<(String, String), Refusal> {
        let claims = self.keys.verify(token, self.clock.now())?;
        let room = joinable(&claims)?.room.clone();
        Ok((room, claims.sub))
    }

    /// What a token claims, if one of the keys signed it and its time is now.
    ///
    /// # Errors
    /// `call.bad_token` or `call.expired_token`.
    pub fn claims(&self, token: &str) -> Result<Claims, Refusal> {
        self.keys.verify(token, self.clock.now())
    }

    /// What is needed to renew a token later.
    ///
    /// # Errors
    /// See [`Self::bearer`].
    pub fn credential(&self, token: &str) -> Result<Credential, Refusal> {
        let claims = self.keys.verify(token, self.clock.now())?;
        let room = joinable(&claims)?.room.clone();
        Ok(Credential {
            key: claims.iss,
            room,
            expires_at: claims.exp,
        })
    }

    /// A token in place of the one that a participant came with, as the participant is now. Only
    /// for somebody who is in the room.
    ///
    /// # Errors
    /// `call.not_minted` when signing fails, or when the token would be too long to come back with.
    pub fn renew(
        &self,
        credential: &Credential,
        view: &ParticipantView,
    ) -> Result<String, Refusal> {
        self.keys.renew(credential, view, self.clock.now())
    }

    /// What API keys may do with a room.
    pub fn custody(&self, room: &str) -> Custody {
        self.rules.custody(room)
    }

    /// A token that vouches for a body, by the key of this name.
    ///
    /// # Errors
    /// `call.not_minted` when there is no such key.
    pub fn vouch(&self, key: &str, body: &[u8]) -> Result<String, Refusal> {
        self.keys.vouch(key, body, self.clock.now())
    }

    /// A token of the server's own key.
    ///
    /// # Errors
    /// `call.not_minted` when signing fails.
    pub fn mint(&self, invitation: &Invitation) -> Result<String, Refusal> {
        self.keys.mint(invitation, self.clock.now())
    }
}

fn joinable(claims: &Claims) -> Result<&VideoGrant, Refusal> {
    let grant = claims.video.as_ref().filter(|grant| grant.room_join);
    let grant = grant.ok_or_else(|| {
        Refusal::new(
            RefusalKind::Forbidden,
            "call.no_grant",
            "入会凭证不允许进入房间。",
            "The token does not grant joining a room.",
        )
    })?;
    if grant.room.is_empty() || claims.sub.is_empty() {
        return Err(Refusal::new(
            RefusalKind::Forbidden,
            "call.incomplete_grant",
            "入会凭证没有写明房间或身份。",
            "The token names no room or no identity.",
        ));
    }
    Ok(grant)
}

fn check_names(claims: &Claims, grant: &VideoGrant) -> Result<(), Refusal> {
    let names = [&grant.room, &claims.sub, &claims.name];
    if names.iter().all(|name| name.len() <= NAME_BYTES_MAX) {
        return Ok(());
    }
    Err(too_large())
}

fn check_sizes(admission: &Admission) -> Result<(), Refusal> {
    let attributes = &admission.attributes;
    let bytes: usize = attributes
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let fits = admission.metadata.len() <= METADATA_BYTES_MAX
        && attributes.len() <= ATTRIBUTES_MAX
        && bytes <= ATTRIBUTES_BYTES_MAX;
    if fits { Ok(()) } else { Err(too_large()) }
}

fn by_rules(
    claims: &Claims,
    grant: &VideoGrant,
    session: SessionAdmission,
    arrival: &Arrival,
) -> Admission {
    let is_player = arrival.kind == ParticipantKind::Egress;
    let mut permissions = session.permissions;
    permissions.hidden |= is_player && !session.players_shown;
    let mut owned = session.reserved;
    owned.extend(session.attributes.keys().cloned());
    Admission {
        room: grant.room.clone(),
        identity: claims.sub.clone(),
        name: session.name,
        metadata: String::new(),
        attributes: session.attributes,
        fixed: FixedProfile {
            name_and_metadata: true,
            attributes: owned,
            camera_is_read: session.camera_is_read,
        },
        policy: session.policy,
        permissions,
        layout: arrival.layout,
        kind: arrival.kind,
        auto_subscribe: arrival.auto_subscribe,
        watches: arrival.watches.clone(),
        client: arrival.client.clone(),
    }
}

fn by_grant(claims: &Claims, grant: &VideoGrant, arrival: &Arrival) -> Admission {
    let kind = kind_of(&claims.kind);
    let mut permissions = granted(grant);
    // LiveKit's recorders come with this kind, some without the grant.
    permissions.recorder |= kind == ParticipantKind::Egress;
    Admission {
        room: grant.room.clone(),
        identity: claims.sub.clone(),
        name: claims.name.clone(),
        metadata: claims.metadata.clone(),
        attributes: claims.attributes.clone(),
        fixed: FixedProfile::default(),
        policy: None,
        permissions,
        layout: arrival.layout,
        // Who comes by WHIP or WHEP is a device, whatever its token says.
        kind: if arrival.kind == ParticipantKind::Standard {
            kind
        } else {
            arrival.kind
        },
        auto_subscribe: arrival.auto_subscribe,
        watches: arrival.watches.clone(),
        client: arrival.client.clone(),
    }
}

/// Rights of a grant: what it leaves unsaid is allowed, except changing one's own metadata; data
/// follow publishing.
fn granted(grant: &VideoGrant) -> Permissions {
    let known: Vec<TrackSource> = grant
        .can_publish_sources
        .iter()
        .filter_map(|name| source(name))
        .collect();
    let none_known = known.is_empty() && !grant.can_publish_sources.is_empty();
    let publish = grant.can_publish.unwrap_or(true);
    Permissions {
        publish: publish && !none_known,
        sources: known,
        subscribe: grant.can_subscribe.unwrap_or(true),
        publish_data: grant.can_publish_data.unwrap_or(publish),
        update_own_metadata: grant.can_update_own_metadata.unwrap_or(false),
        hidden: grant.hidden,
        recorder: grant.recorder,
    }
}

fn source(name: &str) -> Option<TrackSource> {
    let lower = name.to_ascii_lowercase();
    SOURCE_NAMES
        .iter()
        .find(|(_, known)| *known == lower)
        .map(|(source, _)| *source)
}

/// Names of kinds in tokens; a person has none.
const KIND_NAMES: [(ParticipantKind, &str); 6] = [
    (ParticipantKind::Ingress, "ingress"),
    (ParticipantKind::Egress, "egress"),
    (ParticipantKind::Sip, "sip"),
    (ParticipantKind::Agent, "agent"),
    (ParticipantKind::Connector, "connector"),
    (ParticipantKind::Bridge, "bridge"),
];

fn kind_of(name: &str) -> ParticipantKind {
    let mut names = KIND_NAMES.iter();
    let known = names.find(|(_, known)| known.eq_ignore_ascii_case(name));
    known.map(|(kind, _)| *kind).unwrap_or_default()
}

fn kind_name(kind: ParticipantKind) -> &'static str {
    let known = KIND_NAMES.iter().find(|(known, _)| *known == kind);
    known.map(|(_, name)| *name).unwrap_or_default()
}

/// Names of sources in grants.
const SOURCE_NAMES: [(TrackSource, &str); 4] = [
    (TrackSource::Camera, "camera"),
    (TrackSource::Microphone, "microphone"),
    (TrackSource::ScreenShare, "screen_share"),
    (TrackSource::ScreenShareAudio, "screen_share_audio"),
];

fn no_such_room() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "call.no_such_room",
        "没有这个房间。",
        "The requested room does not exist.",
    )
}

fn too_large() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "call.too_large",
        "入会信息过长。",
        "A name, the metadata or the attributes are too long.",
    )
}

#[cfg(test)]
mod tests;
