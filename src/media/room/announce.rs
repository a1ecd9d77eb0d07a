//! Telling participants of each other.
//!
//! Everything that changed within one input is told at its end, once, and before any description.
//! In large rooms, changes of people who publish nothing wait up to a second, so that three
//! thousand joins within a minute cost each client some sixty updates and not three thousand.

use std::sync::Arc;

use chrono::TimeDelta;

use super::Room;
use super::machine::Timer;
use super::member::Member;
use crate::domain::id::ParticipantId;
use crate::media::signal::{Admission, Layout, Notice, ParticipantView};

/// Rooms above this size tell changes of those who publish nothing with a delay.
const PROMPT_PARTICIPANTS_MAX: usize = 100;
/// That delay.
const QUIET_DELAY: TimeDelta = TimeDelta::seconds(1);

/// Somebody who left, until others are told.
#[derive(Clone, Debug)]
pub struct Gone {
    /// What it came in with.
    pub admission: Admission,
    /// Its last view.
    pub view: Arc<ParticipantView>,
}

impl Room {
    /// Notes that what others see of a participant changed.
    pub(super) fn mark_changed(&mut self, participant: ParticipantId) {
        self.changed.insert(participant);
    }

    /// Whether an observer may know of somebody.
    pub(super) fn may_see(&self, observer: &Member, subject: &Admission) -> bool {
        !subject.permissions.hidden && self.policy.may_see(&observer.admission, subject)
    }

    /// Notes that somebody is gone, to be told now or, in a large room, soon.
    pub(super) fn mark_gone(&mut self, gone: Gone, published: bool) {
        if published || self.is_prompt() {
            self.gone.push(gone);
        } else {
            self.gone_quietly.push(gone);
            self.timers.arm_once(Timer::Quiet, self.now + QUIET_DELAY);
        }
    }

    fn is_prompt(&self) -> bool {
        self.members.len() <= PROMPT_PARTICIPANTS_MAX
    }

    /// Tells what changed within this input.
    pub(super) fn announce(&mut self) {
        let newcomer = self.newcomer.take();
        let changed = std::mem::take(&mut self.changed);
        let gone = std::mem::take(&mut self.gone);
        let prompt = self.is_prompt();
        let mut subjects = Vec::new();
        for participant in changed {
            let Some(member) = self.members.get_mut(&participant) else {
                continue;
            };
            if newcomer != Some(participant) {
                member.version += 1;
                let view = member.view();
                self.tell(participant, Notice::Participants(vec![Arc::new(view)]));
            }
            if prompt || self.publishers.contains(&participant) {
                self.quiet.remove(&participant);
                subjects.push(participant);
            } else {
                self.quiet.insert(participant);
                self.timers.arm_once(Timer::Quiet, self.now + QUIET_DELAY);
            }
        }
        self.tell_others(&subjects, &gone);
    }

    /// Tells what waited.
    pub(super) fn announce_quiet(&mut self) {
        self.timers.disarm(Timer::Quiet);
        let subjects: Vec<ParticipantId> = std::mem::take(&mut self.quiet).into_iter().collect();
        let gone = std::mem::take(&mut self.gone_quietly);
        self.tell_others(&subjects, &gone);
    }

    fn tell_others(&mut self, subjects: &[ParticipantId], gone: &[Gone]) {
        let subjects = subjects.iter().filter_map(|subject| {
            let member = self.members.get(subject)?;
            Some((&member.admission, Arc::new(member.view())))
        });
        let subjects: Vec<(&Admission, Arc<ParticipantView>)> = subjects.collect();
        if subjects.is_empty() && gone.is_empty() {
            return;
        }
        let mut notices = Vec::new();
        let observers = self.members.values();
        for observer in observers.filter(|member| member.admission.layout != Layout::OneShot) {
            // Clients know themselves by their identity, so who came again would take the end of
            // its former stay for its own.
            let departed = gone.iter().filter(|gone| {
                gone.view.identity != observer.admission.identity
                    && self.may_see(observer, &gone.admission)
            });
            let departed = departed.map(|gone| &gone.view);
            let present = subjects.iter().filter(|(admission, view)| {
                view.participant != observer.id && self.may_see(observer, admission)
            });
            let present = present.map(|(_, view)| view);
            let views: Vec<Arc<ParticipantView>> = if observer.signal {
                departed.chain(present).cloned().collect()
            } else {
                departed.cloned().collect()
            };
            if !views.is_empty() {
                notices.push((observer.id, views));
            }
        }
        for (observer, views) in notices {
            self.tell_or_keep(observer, views);
        }
    }

    /// A client whose signalling is lost hears of departures when it is back; of the rest it is
    /// told everything then.
    fn tell_or_keep(&mut self, observer: ParticipantId, views: Vec<Arc<ParticipantView>>) {
        let bound = self.config.limits.participants_max;
        match self.members.get_mut(&observer) {
            Some(member) if !member.signal => {
                let room = bound.saturating_sub(member.missed.len());
                member.missed.extend(views.into_iter().take(room));
            }
            Some(_) => self.tell(observer, Notice::Participants(views)),
            None => {}
        }
    }

    /// Everybody else whom a participant may see.
    pub(super) fn others(&self, observer: ParticipantId) -> impl Iterator<Item = &Member> {
        let member = self.members.get(&observer);
        let others = self
            .members
            .values()
            .map(Box::as_ref)
            .filter(move |other| other.id != observer);
        others.filter(move |other| {
            member.is_some_and(|member| self.may_see(member, &other.admission))
        })
    }

    /// Whether a newcomer hears of somebody with its welcome, which in a large room names those
    /// only who publish: the others follow, so that no message grows with the room.
    pub(super) fn is_in_welcome(&self, other: &Member) -> bool {
        self.is_prompt() || other.publishes()
    }
}
