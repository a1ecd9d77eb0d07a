//! Who comes in, as what and with what rights.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::media::room::Policy;

/// How a client's connections are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One connection; the client always offers (LiveKit `/rtc/v1`).
    Single,
    /// A publisher connection offered by the client and a subscriber connection offered by us
    /// (LiveKit `/rtc`).
    Dual,
    /// One connection that the client offers once, by plain HTTP (WHIP, WHEP): no description
    /// follows the answer, and the client hears nothing but answers to its own requests.
    OneShot,
}

/// What a participant is, for others' clients to show it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParticipantKind {
    /// Somebody at a client.
    #[default]
    Standard,
    /// A device that publishes and does not watch (WHIP).
    Ingress,
    /// A player that watches and does not publish (WHEP), or a recorder.
    Egress,
    /// A telephone.
    Sip,
    /// A program that takes part.
    Agent,
    /// A way in from another service.
    Connector,
    /// A way to another room.
    Bridge,
}

/// One of a client's connections. Only in [`Layout::Dual`] there is more than `Publisher`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    /// The client offers.
    Publisher,
    /// We offer.
    Subscriber,
}

/// Who comes in, with what rights; made by `service` from a token and the domain's rules.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Name of the room.
    pub room: String,
    /// Stable name of the participant within the room; a second one replaces the first.
    pub identity: String,
    /// Name that people see; may be empty.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Keys and values of the application.
    pub attributes: BTreeMap<String, String>,
    /// What of the profile only the domain changes.
    pub fixed: FixedProfile,
    /// By what policy the room begins when this participant opens it; everybody's without one.
    pub policy: Option<Arc<dyn Policy>>,
    /// What the participant may do.
    pub permissions: Permissions,
    /// Layout of its connections.
    pub layout: Layout,
    /// As what it comes.
    pub kind: ParticipantKind,
    /// Subscribe to everything at once.
    pub auto_subscribe: bool,
    /// The one identity to which the automatic subscription is confined.
    pub watches: Option<String>,
    /// What the client says of itself.
    pub client: ClientDescription,
}

impl Admission {
    /// It serves others and is not counted among them: a recorder or a program.
    pub fn is_servant(&self) -> bool {
        self.permissions.recorder || self.kind == ParticipantKind::Agent
    }
}

/// What only the domain decides about a participant, whatever its permissions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedProfile {
    /// Name and metadata.
    pub name_and_metadata: bool,
    /// Keys of attributes, whether or not they have a value at present.
    pub attributes: BTreeSet<String>,
    /// The server looks at the camera itself, so that it comes in what the server reads.
    pub camera_is_read: bool,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientDescription {
    /// LiveKit signalling protocol version.
    pub protocol: i32,
    /// LiveKit client protocol version, mirrored to others.
    pub client_protocol: i32,
    /// LiveKit capability numbers, mirrored to others.
    pub capabilities: Vec<i32>,
    /// Needs a stream id of its own for every received track (Firefox); others get one stream id
    /// for what belongs together, which is what keeps lips and voice in step.
    pub streams_apart: bool,
}

/// What a participant may do. A domain rule made these; no client message widens them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// May publish; and only from `sources` when that is not empty.
    pub publish: bool,
    /// Sources it may publish; empty means any.
    pub sources: Vec<TrackSource>,
    /// May subscribe.
    pub subscribe: bool,
    /// May send data messages.
    pub publish_data: bool,
    /// May change its own name, metadata and attributes.
    pub update_own_metadata: bool,
    /// Not shown to others.
    pub hidden: bool,
    /// Records.
    pub recorder: bool,
}

impl Permissions {
    /// Whether they let a track of this source be published; who is hidden publishes nothing.
    pub fn may_publish(&self, source: TrackSource) -> bool {
        let listed = self.sources.is_empty() || self.sources.contains(&source);
        self.publish && listed && !self.hidden
    }
}

/// What a track shows, LiveKit's closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackSource {
    /// Not said.
    Unknown,
    /// Camera.
    Camera,
    /// Microphone.
    Microphone,
    /// Screen.
    ScreenShare,
    /// Sound of the screen.
    ScreenShareAudio,
}
