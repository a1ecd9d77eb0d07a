//! Data messages from one participant, or the server, to others.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::Room;
use super::link::Link;
use crate::domain::id::ParticipantId;
use crate::domain::id::TransportId;
use crate::media::command::{Command, DATA_MESSAGE_BYTES_MAX, DataChannel};
use crate::media::signal::{Notice, RequestRefusal};

impl Room {
    /// Sends data to the named, or to everybody but the sender. A pair that may not exchange
    /// messages does not, and nobody is told.
    pub(super) fn send_data(
        &mut self,
        from: Option<ParticipantId>,
        channel: DataChannel,
        to: &[String],
        payload: &Bytes,
    ) {
        if let Some((sender, reason)) = from.zip(self.data_refusal(from, to, payload)) {
            let refused = Notice::RequestRefused {
                request_id: 0,
                reason,
                cid: None,
            };
            self.tell(sender, refused);
        }
        if self.data_refusal(from, to, payload).is_some() {
            return;
        }
        if from.is_some_and(|sender| self.quiet.contains(&sender)) {
            // Clients drop data of people they do not know.
            self.announce_quiet();
        }
        for transport in self.data_receivers(from, to) {
            self.command(Command::SendData {
                transport,
                channel,
                payload: payload.clone(),
            });
        }
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

    fn data_receivers(&self, from: Option<ParticipantId>, to: &[String]) -> Vec<TransportId> {
        let named: BTreeSet<ParticipantId> = if to.is_empty() {
            self.members.keys().copied().collect()
        } else {
            to.iter()
                .filter_map(|identity| self.identified(identity))
                .collect()
        };
        let sender = from.and_then(|sender| self.members.get(&sender));
        let receivers = named.iter().filter(|receiver| Some(**receiver) != from);
        let receivers = receivers.filter_map(|receiver| {
            let member = self.members.get(receiver)?;
            let may = sender.is_none_or(|sender| {
                self.policy
                    .may_message(&member.admission, &sender.admission)
            });
            member.receiving().filter(|link| may && Link::is_live(link))
        });
        receivers.map(|link| link.transport).collect()
    }
}
