//! What a participant's client asks of a room ([`Request`]) and hears from it ([`Notice`]).
//!
//! This is the room half's own language. `http::livekit` translates LiveKit's protobuf messages to
//! and from it, `service::call` WHIP and WHEP.

mod admission;
mod notice;
mod request;
mod view;

pub use self::admission::{
    Admission, ClientDescription, Connection, FixedProfile, Layout, ParticipantKind, Permissions,
    TrackSource,
};
pub use self::notice::{
    ConnectionQuality, LeaveReason, Notice, QualityGrade, RequestRefusal, Speaker, Welcome,
};
pub use self::request::{AddTrack, Layer, Request, Scenario, Setting};
pub use self::view::{ParticipantState, ParticipantView, RoomView, TrackView};
