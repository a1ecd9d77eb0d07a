//! A participant's stay: coming in, connecting, losing and resuming its signalling, leaving.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::announce::Gone;
use super::link::Link;
use super::machine::Timer;
use super::member::{Member, SubscriberSide};
use super::presence::TICK;
use super::reliable::Inbox;
use super::{Room, RoomFact};
use crate::domain::id::{ParticipantId, TrackId, TransportId};
use crate::media::command::{Command, DataChannel, TransportConfig};
use crate::media::negotiation::{Local, Offering};
use crate::media::signal::{Admission, Layout, LeaveReason, Notice, ParticipantState, Welcome};

/// A join that never connects ends after this.
pub(super) const CONNECT_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// A participant whose transport is gone, or whose signalling is and that was not connected, is
/// given up after this.
const LOST_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Others may send data to a participant as soon as it is active, so its channels should be open
/// by then; but a client without them is active too.
const ACTIVE_WITHIN: TimeDelta = TimeDelta::seconds(1);

impl Room {
    pub(super) fn join(&mut self, participant: ParticipantId, admission: Admission) {
        if self.members.contains_key(&participant) {
            return;
        }
        if let Some(old) = self.identified(&admission.identity) {
            self.leave_for(old, LeaveReason::DuplicateIdentity);
        }
        if self.is_full_for(&admission) {
            self.tell_outsider(participant, Notice::Left(LeaveReason::Removed));
            return;
        }
        if let Some(policy) = self.policy.beyond(self.members.len() + 1) {
            self.set_policy(policy);
        }
        let identity = admission.identity.clone();
        let layout = admission.layout;
        self.identities.insert(identity.clone(), participant);
        let inbox = Inbox::new(self.recent.next());
        let member = Member::new(participant, admission, self.now, inbox);
        let own = member.view();
        self.members.insert(participant, Box::new(member));
        let news = self.note_recorder(participant);
        let (first, later): (Vec<&Member>, Vec<&Member>) = self
            .others(participant)
            .partition(|other| self.is_in_welcome(other));
        let later: Vec<_> = later
            .into_iter()
            .map(|other| Arc::new(other.view()))
            .collect();
        let welcome = Welcome {
            room: self.view(),
            own,
            others: first.into_iter().map(Member::view).collect(),
            layout,
        };
        self.tell(participant, Notice::Joined(Box::new(welcome)));
        self.tell_recorded(news);
        if !later.is_empty() {
            self.tell(participant, Notice::Participants(later));
        }
        self.fact(RoomFact::Joined {
            participant,
            identity,
            at: self.now,
        });
        self.timers
            .arm(Timer::Connect(participant), self.now + CONNECT_WITHIN);
        self.newcomer = Some(participant);
        self.mark_changed(participant);
        if layout == Layout::Dual {
            self.open_subscriber(participant);
        }
        self.reconcile_all(participant);
        self.unsettled.insert(participant);
    }

    /// Those who serve others find a place in a full room, within the bound of all rooms.
    fn is_full_for(&self, admission: &Admission) -> bool {
        let members = self.members.values();
        let counted = members.filter(|member| !member.admission.is_servant());
        self.members.len() >= self.config.limits.participants_max
            || (!admission.is_servant() && counted.count() >= self.participants_max)
    }

    /// Fresh local side of a transport.
    pub(super) fn local(&self) -> Local {
        let config = &self.config;
        let transport = config.live_ids.transport();
        let place = config.shards.place(self.home);
        Local::new(transport, config.fingerprint, place, &*config.entropy)
    }

    fn open_subscriber(&mut self, participant: ParticipantId) {
        let local = self.local();
        let mut link = Link::new(local.transport());
        link.has_data = true;
        self.transports.insert(local.transport(), participant);
        self.command(Command::OpenTransport(TransportConfig {
            transport: local.transport(),
            shard: local.shard(),
            local: local.ice().clone(),
            fingerprints: Vec::new(),
            open_channels: vec![
                DataChannel::Reliable,
                DataChannel::Lossy,
                DataChannel::DataTrack,
            ],
        }));
        if let Some(member) = self.members.get_mut(&participant) {
            let sections = Offering::new(local);
            member.subscriber = Some(SubscriberSide { sections, link });
        }
    }

    pub(super) fn connected(&mut self, transport: TransportId, setup: Duration) {
        let Some(member) = self.member_of(transport) else {
            return;
        };
        let (participant, identity) = (member.id, member.admission.identity.clone());
        let is_primary = member
            .receiving()
            .is_some_and(|link| link.transport == transport);
        let Some(link) = member.link_mut(transport) else {
            return;
        };
        link.connected = true;
        link.silent = false;
        if is_primary {
            self.timers.disarm(Timer::Connect(participant));
            self.timers
                .arm(Timer::Activate(participant), self.now + ACTIVE_WITHIN);
            self.timers.arm_once(Timer::Tick, self.now + TICK);
            self.fact(RoomFact::Connected {
                participant,
                identity,
                at: self.now,
                setup,
            });
        }
        self.activate_when_ready(participant);
    }

    pub(super) fn channel_opened(&mut self, transport: TransportId, channel: DataChannel) {
        let Some(member) = self.member_of(transport) else {
            return;
        };
        let participant = member.id;
        if let Some(link) = member.link_mut(transport) {
            link.opened(channel);
        }
        let receives = member.receiving().map(|link| link.transport) == Some(transport);
        if channel == DataChannel::Reliable && receives {
            self.inbox_opened(participant);
        }
        self.activate_when_ready(participant);
    }

    fn activate_when_ready(&mut self, participant: ParticipantId) {
        let ready = self
            .members
            .get(&participant)
            .and_then(|member| member.receiving());
        if ready.is_some_and(|link| link.is_live() && link.data_is_settled()) {
            self.activate(participant);
        }
    }

    pub(super) fn activate(&mut self, participant: ParticipantId) {
        self.timers.disarm(Timer::Activate(participant));
        if let Some(member) = self.members.get_mut(&participant)
            && member.state == ParticipantState::Joined
        {
            member.state = ParticipantState::Active;
            let view = Box::new(member.view());
            self.fact(RoomFact::Entered(view));
            self.mark_changed(participant);
        }
    }

    pub(super) fn silent(&mut self, transport: TransportId, silent: bool) {
        if let Some(link) = self
            .member_of(transport)
            .and_then(|m| m.link_mut(transport))
        {
            link.silent = silent;
        }
    }

    pub(super) fn transport_closed(&mut self, transport: TransportId) {
        let Some(member) = self.member_of(transport) else {
            return;
        };
        let (participant, listens) = (member.id, member.listens());
        if let Some(link) = member.link_mut(transport) {
            link.closed = true;
        }
        if listens {
            self.timers
                .arm_once(Timer::Lost(participant), self.now + LOST_AFTER);
        } else {
            self.leave(participant, LeaveReason::ConnectionLost);
        }
    }

    pub(super) fn signal_lost(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        member.signal = false;
        if member.links().any(|link| link.closed) {
            self.leave(participant, LeaveReason::ConnectionLost);
        } else if !member.receiving().is_some_and(Link::is_live) {
            self.timers
                .arm_once(Timer::Lost(participant), self.now + LOST_AFTER);
        }
    }

    pub(super) fn resume(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            self.tell_outsider(participant, Notice::Left(LeaveReason::StateMismatch));
            return;
        };
        member.signal = true;
        if member.links().any(|link| link.closed) {
            self.leave(participant, LeaveReason::StateMismatch);
            return;
        }
        let cut = member.cut_on_resume.take();
        let cut = cut.filter(|(until, _)| self.now <= *until);
        if cut.is_some_and(|(_, silently)| silently) {
            self.tell(participant, Notice::Cut);
            return;
        }
        let missed = std::mem::take(&mut member.missed);
        member.asked = None;
        let last_sequence = member.last_sequence;
        let own = member.view();
        if let Some(side) = &mut member.publisher {
            side.answer_due = None;
        }
        self.timers.disarm(Timer::Lost(participant));
        self.tell(participant, Notice::Resumed { last_sequence });
        let mut views = missed;
        views.push(Arc::new(own));
        views.extend(self.others(participant).map(|other| Arc::new(other.view())));
        self.tell(participant, Notice::Participants(views));
        self.tell(participant, Notice::RoomChanged(self.view()));
        self.tell_own_data_again(participant);
        // What publishers said meanwhile, its client has not heard.
        self.reconcile_all(participant);
        self.tell_quality_of_all(participant);
        self.restart_subscriber(participant);
        self.unsettled.insert(participant);
        if cut.is_some() {
            self.tell(participant, Notice::Cut);
        }
    }

    fn restart_subscriber(&mut self, participant: ParticipantId) {
        let entropy = self.config.entropy.clone();
        let member = self.members.get_mut(&participant);
        if let Some(side) = member.and_then(|member| member.subscriber.as_mut()) {
            side.sections.restart(&*entropy);
            let local = side.sections.local();
            let (transport, local) = (local.transport(), local.ice().clone());
            self.command(Command::RestartIce { transport, local });
        }
    }

    /// The client resumed and says what it believes to publish, and what it received.
    pub(super) fn synchronise(
        &mut self,
        participant: ParticipantId,
        published: &[TrackId],
        received: Vec<(ParticipantId, u32)>,
    ) {
        let known = |track: &TrackId| self.tracks.get(track) == Some(&participant);
        if published.iter().all(known) {
            self.has_received(participant, received);
        } else {
            self.leave(participant, LeaveReason::StateMismatch);
        }
    }

    pub(super) fn close(&mut self, reason: LeaveReason) {
        let all: Vec<ParticipantId> = self.members.keys().copied().collect();
        for participant in all {
            self.leave(participant, reason);
        }
    }

    pub(super) fn leave(&mut self, participant: ParticipantId, reason: LeaveReason) {
        self.leave_for(participant, reason);
        if self.members.is_empty() {
            self.timers.disarm(Timer::Tick);
            self.timers.disarm(Timer::Quiet);
            self.quiet.clear();
            self.gone_quietly.clear();
            self.recent.clear();
            self.fact(RoomFact::Emptied { at: self.now });
        }
    }

    /// Takes somebody out; whether the room is empty then is the caller's concern, because a
    /// duplicate's place is taken at once.
    fn leave_for(&mut self, participant: ParticipantId, reason: LeaveReason) {
        if !self.members.contains_key(&participant) {
            return;
        }
        let published = self.publishers.contains(&participant);
        self.end_tracks(participant, |_| true, false);
        self.end_subscriptions(participant);
        let Some(member) = self.members.remove(&participant) else {
            return;
        };
        self.identities.remove(&member.admission.identity);
        for link in member.links() {
            self.transports.remove(&link.transport);
            if !link.closed {
                self.command(Command::CloseTransport {
                    transport: link.transport,
                });
            }
        }
        let news = self.note_recorder(participant);
        self.tell_recorded(news);
        for timer in [Timer::Connect, Timer::Lost, Timer::Activate, Timer::Speech] {
            self.timers.disarm(timer(participant));
        }
        self.quiet.remove(&participant);
        self.unsettled.remove(&participant);
        if member.signal {
            self.tell_outsider(participant, Notice::Left(reason));
        }
        self.fact(RoomFact::Left {
            participant,
            identity: member.admission.identity.clone(),
            at: self.now,
            reason,
        });
        let view = Arc::new(member.farewell(reason));
        if member.state == ParticipantState::Active {
            self.fact(RoomFact::Departed(Box::new(view.as_ref().clone())));
        }
        let admission = member.admission;
        self.mark_gone(Gone { admission, view }, published);
    }

    pub(super) fn member_of(&mut self, transport: TransportId) -> Option<&mut Member> {
        let participant = self.transports.get(&transport)?;
        self.members.get_mut(participant).map(Box::as_mut)
    }
}
