//! Data packets: who sent one is the server's word, whom it goes to the sender's.

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::{Kind, Value};

use crate::domain::id::ParticipantId;
use crate::media::command::DataChannel;
use crate::media::signal::Request;

/// Most identities that one packet may name; one that names more is dropped.
const DESTINATIONS_MAX: usize = 4_096;

/// Puts the true sender into a packet of a client's own channel and takes out whom it is for. With
/// no `identity` the packet does not tell who sent it. `own` is the packet's number, if it has one,
/// and is named in whatever is asked.
///
/// What must not go on is dropped: packets that cannot be read, speaker lists (the server's own),
/// packets for receivers named by session id alone, and frames of data tracks.
pub fn readdress(
    own: Option<u64>,
    channel: DataChannel,
    payload: &[u8],
    participant: ParticipantId,
    identity: Option<&str>,
) -> Option<Request> {
    let dropped = own.map(|own| Request::DropData { own });
    let kind = match channel {
        DataChannel::Reliable => Kind::Reliable,
        DataChannel::Lossy => Kind::Lossy,
        DataChannel::DataTrack => return dropped,
    };
    let Some((packet, to)) = signed(kind, payload, participant, identity) else {
        return dropped;
    };
    Some(Request::SendData {
        own,
        channel,
        to,
        sequence: packet.sequence,
        payload: Bytes::from(packet.encode_to_vec()),
    })
}

#[expect(
    deprecated,
    reason = "older clients address and read the old fields alone"
)]
fn signed(
    kind: Kind,
    payload: &[u8],
    participant: ParticipantId,
    identity: Option<&str>,
) -> Option<(proto::DataPacket, Vec<String>)> {
    let mut packet = proto::DataPacket::decode(payload).ok()?;
    let sid = identity.map(|_| participant.sid()).unwrap_or_default();
    let identity = identity.unwrap_or_default();
    packet.set_kind(kind);
    packet.participant_sid.clone_from(&sid);
    identity.clone_into(&mut packet.participant_identity);
    let mut to = std::mem::take(&mut packet.destination_identities);
    match packet.value.as_mut()? {
        Value::User(user) => {
            user.participant_sid = sid;
            identity.clone_into(&mut user.participant_identity);
            to.append(&mut user.destination_identities);
            // Broadcasting these instead would disclose a private message.
            if to.is_empty() && !user.destination_sids.is_empty() {
                return None;
            }
        }
        Value::Speaker(_) => return None,
        Value::SipDtmf(_)
        | Value::Transcription(_)
        | Value::Metrics(_)
        | Value::ChatMessage(_)
        | Value::RpcRequest(_)
        | Value::RpcAck(_)
        | Value::RpcResponse(_)
        | Value::StreamHeader(_)
        | Value::StreamChunk(_)
        | Value::StreamTrailer(_)
        | Value::EncryptedPacket(_) => {}
    }
    (to.len() <= DESTINATIONS_MAX).then_some((packet, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ParticipantId {
        ParticipantId(uuid::Uuid::from_u128(1))
    }

    fn user(payload: &[u8]) -> proto::UserPacket {
        proto::UserPacket {
            payload: payload.to_vec(),
            ..Default::default()
        }
    }

    fn sent(packet: &proto::DataPacket) -> Option<(Vec<String>, proto::DataPacket)> {
        read(readdress(
            None,
            DataChannel::Lossy,
            &packet.encode_to_vec(),
            ann(),
            Some("ann"),
        )?)
    }

    fn read(request: Request) -> Option<(Vec<String>, proto::DataPacket)> {
        let Request::SendData { to, payload, .. } = request else {
            panic!("data were due, not {request:?}");
        };
        Some((to, proto::DataPacket::decode(payload).unwrap()))
    }

    #[test]
    fn the_server_says_who_sent_a_packet_whatever_the_packet_claims() {
        let packet = proto::DataPacket {
            participant_sid: "PA_bob".to_owned(),
            participant_identity: "bob".to_owned(),
            sequence: 9,
            value: Some(Value::User(user(b"hello"))),
            ..Default::default()
        };
        let (to, packet) = sent(&packet).unwrap();
        assert!(to.is_empty());
        assert_eq!(packet.participant_sid, ann().sid());
        assert_eq!(packet.participant_identity, "ann");
        assert_eq!(packet.sequence, 9);
        assert_eq!(packet.kind(), Kind::Lossy);
    }

    #[test]
    fn receivers_are_taken_out_of_the_packet() {
        let packet = proto::DataPacket {
            destination_identities: vec!["bob".to_owned()],
            value: Some(Value::User(user(b"hello"))),
            ..Default::default()
        };
        let (to, packet) = sent(&packet).unwrap();
        assert_eq!(to, ["bob"]);
        assert!(packet.destination_identities.is_empty());
    }

    #[test]
    fn a_private_packet_is_never_broadcast_for_want_of_an_identity() {
        #[expect(deprecated, reason = "the old way of addressing is what is tested")]
        let private = proto::UserPacket {
            destination_sids: vec!["PA_x".to_owned()],
            ..user(b"secret")
        };
        let packet = proto::DataPacket {
            value: Some(Value::User(private)),
            ..Default::default()
        };
        assert!(sent(&packet).is_none());
    }

    #[test]
    fn what_cannot_be_read_does_not_go_on() {
        assert!(sent(&proto::DataPacket::default()).is_none());
        for broken in [&[0xff_u8; 40][..], b"\x12\xff\xff\xff\xff\x0f"] {
            let channel = DataChannel::Reliable;
            assert!(readdress(None, channel, broken, ann(), Some("ann")).is_none());
            let request = readdress(Some(4), channel, broken, ann(), Some("ann"));
            assert!(matches!(request, Some(Request::DropData { own: 4 })));
        }
    }

    #[test]
    fn a_packet_of_somebody_hidden_does_not_tell_who_sent_it() {
        let packet = proto::DataPacket {
            participant_identity: "ann".to_owned(),
            participant_sid: ann().sid(),
            value: Some(Value::User(proto::UserPacket {
                nonce: vec![1],
                ..user(b"hello")
            })),
            ..Default::default()
        };
        let packet = packet.encode_to_vec();
        let request = readdress(None, DataChannel::Reliable, &packet, ann(), None).unwrap();
        let (_, packet) = read(request).unwrap();
        assert_eq!(packet.participant_sid, "");
        assert_eq!(packet.participant_identity, "");
        let Some(Value::User(user)) = packet.value else {
            panic!("a user packet");
        };
        #[expect(deprecated, reason = "older clients read the old fields alone")]
        let named = user.participant_sid + &user.participant_identity;
        assert_eq!(named, "");
        assert_eq!(user.payload, b"hello");
    }
}
