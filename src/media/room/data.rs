//! Data messages from one participant, or the server, to others.
//!
//! An open reliable channel loses nothing, so a packet is handed to it once. What was sent before
//! the channel was open is handed to it when it opens; what an earlier channel of the same
//! transport may have lost is handed out again after a resume, to clients that say what they
//! received.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::Room;
use super::link::Link;
use super::member::Member;
use super::reliable::{Packet, RECENT_FOR};
use crate::domain::id::{ParticipantId, TransportId};
use crate::media::command::{Command, DATA_MESSAGE_BYTES_MAX, DataChannel};
use crate::media::signal::{LeaveReason, Notice, RequestRefusal};

impl Room {
    /// Sends data to the named, or to everybody but the sender. A pair that may not exchange
    /// messages does not, and nobody is told. `from` also says the sender's own count, or 0.
    pub(super) fn send_data(
        &mut self,
        from: Option<(ParticipantId, u32)>,
        channel: DataChannel,
        to: &[String],
        payload: &Bytes,
    ) {
        let sender = from.map(|(sender, _)| sender);
        if channel == DataChannel::Reliable && from.is_some_and(|from| self.has_come(from)) {
            return;
        }
        if let Some(reason) = self.data_refusal(sender, to, payload) {
            if let Some(sender) = sender {
                let refused = Notice::RequestRefused {
                    request_id: 0,
                    reason,
                    cid: None,
                };
                self.tell(sender, refused);
            }
            return;
        }
        if sender.is_some_and(|sender| self.quiet.contains(&sender)) {
            // Clients drop data of people they do not know.
            self.announce_quiet();
        }
        if channel == DataChannel::Reliable {
            let sequence = from.map_or(0, |(_, sequence)| sequence);
            self.recent.keep(self.now, (sender, sequence), to, payload);
        }
        for transport in self.data_receivers(sender, channel, to) {
            self.command(Command::SendData {
                transport,
                channel,
                payload: payload.clone(),
            });
        }
    }

    /// Whether a sender's reliable message came before; otherwise it did now.
    fn has_come(&mut self, (sender, sequence): (ParticipantId, u32)) -> bool {
        let Some(member) = self.members.get_mut(&sender).filter(|_| sequence > 0) else {
            return false;
        };
        let came = sequence <= member.last_sequence;
        member.last_sequence = member.last_sequence.max(sequence);
        came
    }

    fn data_refusal(
        &self,
        from: Option<ParticipantId>,
        to: &[String],
        payload: &Bytes,
    ) -> Option<RequestRefusal> {
        let sender = from.and_then(|sender| self.members.get(&sender));
        if sender.is_some_and(|sender| !sender.admission.permissions.publish_data) {
            return Some(RequestRefusal::NotAllowed);
        }
        let too_much = payload.len() > DATA_MESSAGE_BYTES_MAX
            || to.len() > self.config.limits.participants_max;
        too_much.then_some(RequestRefusal::LimitExceeded)
    }

    fn data_receivers(
        &self,
        from: Option<ParticipantId>,
        channel: DataChannel,
        to: &[String],
    ) -> Vec<TransportId> {
        let named: BTreeSet<ParticipantId> = if to.is_empty() {
            self.members.keys().copied().collect()
        } else {
            to.iter()
                .filter_map(|identity| self.identified(identity))
                .collect()
        };
        let receivers = named.iter().filter(|receiver| Some(**receiver) != from);
        let receivers = receivers.filter_map(|receiver| {
            let member = self.members.get(receiver)?;
            let is_ready = channel != DataChannel::Reliable || member.inbox.handed_from.is_some();
            let may = is_ready && self.may_be_sent(member, from);
            member.receiving().filter(|link| may && Link::is_live(link))
        });
        receivers.map(|link| link.transport).collect()
    }

    /// Whether data of a sender, or of the server, may reach somebody. A sender that is gone may
    /// not: nobody can be asked about it any more.
    fn may_be_sent(&self, receiver: &Member, from: Option<ParticipantId>) -> bool {
        let Some(from) = from else { return true };
        self.members.get(&from).is_some_and(|sender| {
            let receiver = &receiver.admission;
            self.policy.may_message(receiver, &sender.admission)
        })
    }

    /// A reliable channel to a participant is open.
    pub(super) fn inbox_opened(&mut self, participant: ParticipantId) {
        let next = self.recent.next();
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let since = member.inbox.since;
        if member.inbox.handed_from.replace(next).is_some() {
            self.hand_missed(participant);
        } else {
            member.inbox.handed_from = Some(since);
            self.hand_again(participant, since, next, |_, _| true);
        }
    }

    /// A client that resumed says what it received.
    pub(super) fn has_received(
        &mut self,
        participant: ParticipantId,
        received: Vec<(ParticipantId, u32)>,
    ) {
        let bound = self.config.limits.participants_max;
        let received = received.into_iter().take(bound).collect();
        if let Some(member) = self.members.get_mut(&participant) {
            member.inbox.received = Some((self.now, received));
            self.hand_missed(participant);
        }
    }

    /// Hands out what went to a channel that is no more and did not arrive.
    fn hand_missed(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let inbox = &mut member.inbox;
        let Some((at, _)) = inbox.received.as_ref() else {
            return;
        };
        let (since, is_old) = (inbox.since, self.now - *at > RECENT_FOR);
        let handed_from = inbox.handed_from.filter(|from| *from > since && !is_old);
        if let Some(until) = handed_from {
            inbox.handed_from = Some(since);
            let misses = |member: &Member, packet: &Packet| member.inbox.misses(packet);
            self.hand_again(participant, since, until, misses);
        }
    }

    fn hand_again(
        &mut self,
        participant: ParticipantId,
        from: u64,
        until: u64,
        picks: impl Fn(&Member, &Packet) -> bool,
    ) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let Some(transport) = member.receiving().map(|link| link.transport) else {
            return;
        };
        let packets = self.recent.between(from, until).filter(|packet| {
            let named = packet.to.is_empty() || packet.to.contains(&member.admission.identity);
            named
                && packet.sender != Some(participant)
                && picks(member, packet)
                && self.may_be_sent(member, packet.sender)
        });
        let payloads: Vec<Bytes> = packets.map(|packet| packet.payload.clone()).collect();
        for payload in payloads {
            self.command(Command::SendData {
                transport,
                channel: DataChannel::Reliable,
                payload,
            });
        }
    }

    /// A message from a participant's channel, for its session to address. Reliable ones wait for
    /// a session; others are dropped without one.
    pub(super) fn own_data(
        &mut self,
        transport: TransportId,
        channel: DataChannel,
        payload: Bytes,
    ) {
        let Some(member) = self.member_of(transport) else {
            return;
        };
        let (participant, is_away) = (member.id, !member.signal);
        let permissions = &member.admission.permissions;
        if channel != DataChannel::Reliable {
            let notice = Notice::OwnData {
                own: None,
                channel,
                is_anonymous: permissions.hidden,
                payload,
            };
            self.tell(participant, notice);
            return;
        }
        if is_away && !permissions.publish_data {
            return;
        }
        if member.own_data.take(payload, is_away) {
            self.tell_own_data(participant);
        } else if !is_away {
            self.leave(participant, LeaveReason::Misbehaved);
        }
    }

    /// The session is done with a message; false when it was so before.
    pub(super) fn done_with(&mut self, participant: ParticipantId, own: u64) -> bool {
        let member = self.members.get_mut(&participant);
        let done = member.is_some_and(|member| member.own_data.done(own));
        self.tell_own_data(participant);
        done
    }

    /// A new session hears of all messages that the old one was not done with.
    pub(super) fn tell_own_data_again(&mut self, participant: ParticipantId) {
        if let Some(member) = self.members.get_mut(&participant) {
            member.own_data.begin_again();
            self.tell_own_data(participant);
        }
    }

    fn tell_own_data(&mut self, participant: ParticipantId) {
        while let Some(member) = self.members.get_mut(&participant)
            && member.listens()
            && let Some((own, payload)) = member.own_data.tell_next()
        {
            let notice = Notice::OwnData {
                own: Some(own),
                channel: DataChannel::Reliable,
                is_anonymous: member.admission.permissions.hidden,
                payload,
            };
            self.tell(participant, notice);
        }
    }
}
