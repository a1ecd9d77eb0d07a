//! What the SFU saw of everybody in windows of 5 s: presence for evidence, quality for clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;

use super::link::Link;
use super::machine::Timer;
use super::member::Member;
use super::{Presence, Room, RoomFact};
use crate::domain::id::ParticipantId;
use crate::media::command::TransportReport;
use crate::media::signal::{ConnectionQuality, Notice, QualityGrade};

/// Length of a window.
pub const TICK: TimeDelta = TimeDelta::seconds(5);

/// One transport within one window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    received: u64,
    received_lost: u64,
    sent: u64,
    delivered: u64,
    /// Sent packets that must have been lost: those not acknowledged and older than this window and
    /// the one before, because receivers report at least once in two. In one they need not: where
    /// there is only sound, reports are up to 7.5 s apart (RFC 3550 section 6.3.1).
    sent_lost: u64,
    acknowledges: bool,
    round_trip: Option<Duration>,
    silent: bool,
}

impl Window {
    fn close(link: &mut Link) -> Self {
        let (new, old) = (link.report, link.reported);
        let sent = new.packets_out.saturating_sub(old.packets_out);
        let behind = new.packets_out.saturating_sub(new.packets_out_delivered);
        let young = sent + link.sent_before;
        let lost_out = behind.saturating_sub(young).max(link.lost_out);
        let delivered = new
            .packets_out_delivered
            .saturating_sub(old.packets_out_delivered);
        let window = Self {
            received: new.packets_in.saturating_sub(old.packets_in),
            received_lost: new.packets_in_lost.saturating_sub(old.packets_in_lost),
            sent,
            delivered,
            sent_lost: lost_out - link.lost_out,
            acknowledges: delivered + link.delivered_before > 0,
            round_trip: new.round_trip,
            silent: link.silent || link.closed,
        };
        link.reported = new;
        link.lost_out = lost_out;
        (link.sent_before, link.delivered_before) = (sent, delivered);
        window
    }

    fn add(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            received_lost: self.received_lost + other.received_lost,
            sent: self.sent + other.sent,
            delivered: self.delivered + other.delivered,
            sent_lost: self.sent_lost + other.sent_lost,
            acknowledges: self.acknowledges || other.acknowledges,
            round_trip: self.round_trip.max(other.round_trip),
            silent: self.silent || other.silent,
        }
    }

    /// Nothing sent or received is no loss: a silent microphone sends nothing.
    fn grade(&self) -> (QualityGrade, f32) {
        if self.silent {
            return (QualityGrade::Lost, 0.0);
        }
        let up = percent(self.received_lost, self.received + self.received_lost);
        let down = percent(self.sent_lost, self.sent);
        let milliseconds = self
            .round_trip
            .map_or(0.0, |time| time.as_secs_f32() * 1_000.0);
        let delay = (milliseconds - ROUND_TRIP_FREE_MS).max(0.0) / ROUND_TRIP_MS_PER_POINT;
        let score = (5.0 - up.max(down) * POINTS_PER_LOSS_PERCENT - delay).clamp(1.0, 5.0);
        let grade = if score >= EXCELLENT_FROM {
            QualityGrade::Excellent
        } else if score >= GOOD_FROM {
            QualityGrade::Good
        } else {
            QualityGrade::Poor
        };
        (grade, score)
    }
}

/// Loss of 5 % leaves "excellent", of 10 % "good".
const POINTS_PER_LOSS_PERCENT: f32 = 0.2;
/// A round trip that nobody notices, ms.
const ROUND_TRIP_FREE_MS: f32 = 150.0;
/// Beyond it, this costs a point, ms.
const ROUND_TRIP_MS_PER_POINT: f32 = 250.0;
/// Least score of the best grade.
const EXCELLENT_FROM: f32 = 4.0;
/// Least score of the next.
const GOOD_FROM: f32 = 3.0;

fn percent(part: u64, whole: u64) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    // Windows of 5 s hold far fewer than 2²⁴ packets.
    part as f32 * 100.0 / whole as f32
}

impl Room {
    pub(super) fn reported(&mut self, report: TransportReport) {
        let member = self.member_of(report.transport);
        if let Some(link) = member.and_then(|member| member.link_mut(report.transport)) {
            link.report = report;
        }
    }

    /// Closes a window for everybody.
    pub(super) fn tick(&mut self) {
        self.timers.arm(Timer::Tick, self.now + TICK);
        self.recent.forget(self.now);
        let mut present = Vec::new();
        let mut changed = Vec::new();
        for (identity, participant) in &self.identities {
            let Some(member) = self.members.get_mut(participant) else {
                continue;
            };
            let Some(window) = close_windows(member) else {
                continue;
            };
            let heard = |link: &Link| link.is_live() && !link.silent;
            present.push(Presence {
                identity: identity.clone(),
                participant: *participant,
                connected: member.receiving().is_some_and(heard),
                delivered_packets: window.delivered,
                acknowledges: window.acknowledges,
                sent_packets: window.sent,
                received_packets: window.received,
                round_trip: window.round_trip,
            });
            let (grade, score) = window.grade();
            let quality = ConnectionQuality {
                participant: *participant,
                grade,
                score,
            };
            if member.quality.is_none_or(|old| old.grade != grade) {
                member.quality = Some(quality);
                changed.push(quality);
            }
        }
        self.tell_quality(&changed);
        let at = self.now;
        self.fact(RoomFact::Presence { at, present });
    }

    /// Tells somebody who begins to receive a publisher how its connection is.
    pub(super) fn tell_quality_of(&mut self, receiver: ParticipantId, publisher: ParticipantId) {
        let member = self.members.get(&publisher);
        if let Some(quality) = member.and_then(|member| member.quality) {
            self.tell(receiver, Notice::Quality(vec![quality]));
        }
    }

    /// Tells somebody who was away how its own connection is and those of whom it receives.
    pub(super) fn tell_quality_of_all(&mut self, receiver: ParticipantId) {
        let Some(member) = self.members.get(&receiver) else {
            return;
        };
        let tracks = member.subscriptions.keys();
        let publishers = tracks.filter_map(|track| self.tracks.get(track).copied());
        let concerned: BTreeSet<ParticipantId> = publishers.chain([receiver]).collect();
        let members = concerned.iter().filter_map(|id| self.members.get(id));
        let qualities: Vec<ConnectionQuality> = members.filter_map(|m| m.quality).collect();
        if !qualities.is_empty() {
            self.tell(receiver, Notice::Quality(qualities));
        }
    }

    /// Tells the concerned and those who subscribe to them.
    fn tell_quality(&mut self, changed: &[ConnectionQuality]) {
        let mut by_receiver: BTreeMap<ParticipantId, Vec<ConnectionQuality>> = BTreeMap::new();
        for quality in changed {
            let Some(member) = self.members.get(&quality.participant) else {
                continue;
            };
            let subscribers = member.tracks.values().flat_map(|track| &track.subscribers);
            let mut receivers: Vec<ParticipantId> = subscribers.copied().collect();
            receivers.push(quality.participant);
            receivers.sort_unstable();
            receivers.dedup();
            for receiver in receivers {
                by_receiver.entry(receiver).or_default().push(*quality);
            }
        }
        for (receiver, qualities) in by_receiver {
            self.tell(receiver, Notice::Quality(qualities));
        }
    }
}

/// The windows of all transports of somebody who was connected, together.
fn close_windows(member: &mut Member) -> Option<Window> {
    let links = member.links_mut().filter(|link| link.connected);
    links.map(Window::close).reduce(Window::add)
}
