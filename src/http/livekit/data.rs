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

/// Puts the true sender into a packet of a client's own channel and takes out whom it is for.
///
/// `None` for what must not go on: packets that cannot be read, speaker lists (the server's own),
/// packets for receivers named by session id alone, and frames of data tracks.
#[expect(
    deprecated,
    reason = "older clients address and read the old fields alone"
)]
pub fn readdress(
    channel: DataChannel,
    payload: &[u8],
    participant: ParticipantId,
    identity: &str,
) -> Option<Request> {
    let kind = match channel {
        DataChannel::Reliable => Kind::Reliable,
        DataChannel::Lossy => Kind::Lossy,
        DataChannel::DataTrack => return None,
    };
    let mut packet = proto::DataPacket::decode(payload).ok()?;
    packet.set_kind(kind);
    packet.participant_sid = participant.sid();
    packet.participant_identity = identity.to_owned();
    let mut to = std::mem::take(&mut packet.destination_identities);
    match packet.value.as_mut()? {
        Value::User(user) => {
            user.participant_sid = participant.sid();
            user.participant_identity = identity.to_owned();
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
    if to.len() > DESTINATIONS_MAX {
        return None;
    }
    Some(Request::SendData {
        channel,
        to,
        payload: Bytes::from(packet.encode_to_vec()),
    })
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
        let request = readdress(DataChannel::Lossy, &packet.encode_to_vec(), ann(), "ann")?;
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
            assert!(readdress(DataChannel::Reliable, broken, ann(), "ann").is_none());
        }
    }
}
