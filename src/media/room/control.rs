//! Rights, profiles and policy at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Room;
use super::member::Sharing;
use super::policy::Policy;
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::signal::{
    Admission, LeaveReason, Notice, ParticipantView, Permissions, RequestRefusal,
};

/// Most tracks named for one receiver in a sharing list.
const SHARED_TRACKS_MAX: usize = 256;

impl Room {
    pub(super) fn set_permissions(&mut self, identity: &str, permissions: Permissions) {
        self.readmit(identity, |admission| admission.permissions = permissions);
    }

    pub(super) fn set_attributes(&mut self, identity: &str, changes: BTreeMap<String, String>) {
        self.readmit(identity, |admission| {
            merge(&mut admission.attributes, changes)
        });
    }

    pub(super) fn set_profile(
        &mut self,
        identity: &str,
        name: Option<String>,
        metadata: Option<String>,
    ) {
        self.readmit(identity, |admission| {
            admission.name = name.unwrap_or_else(|| std::mem::take(&mut admission.name));
            let old = std::mem::take(&mut admission.metadata);
            admission.metadata = metadata.unwrap_or(old);
        });
    }

    /// Changes what somebody came in with, and draws every consequence: who sees whom, which
    /// tracks end, who has whose tracks.
    fn readmit(&mut self, identity: &str, change: impl FnOnce(&mut Admission)) {
        let Some(participant) = self.identified(identity) else {
            return;
        };
        let seen_by = self.observers_of(participant);
        let sees = self.seen_by(participant);
        if let Some(member) = self.members.get_mut(&participant) {
            change(&mut member.admission);
        }
        let news = self.note_recorder(participant);
        self.tell_recorded(news);
        self.mark_changed(participant);
        let lost: Vec<ParticipantId> = seen_by
            .difference(&self.observers_of(participant))
            .copied()
            .collect();
        for observer in lost {
            self.tell_vanished(observer, &[participant]);
        }
        let sees_now = self.seen_by(participant);
        let vanished: Vec<ParticipantId> = sees.difference(&sees_now).copied().collect();
        self.tell_vanished(participant, &vanished);
        let appeared: Vec<ParticipantId> = sees_now.difference(&sees).copied().collect();
        self.tell_appeared(participant, &appeared);
        let member = self.members.get(&participant);
        let forbidden: Vec<TrackId> = member.map_or_else(Vec::new, |member| {
            let tracks = member.tracks.values();
            let forbidden = tracks.filter(|track| !member.may_publish(track.request.source));
            forbidden.map(|track| track.id).collect()
        });
        self.end_tracks(participant, |track| forbidden.contains(&track.id), true);
        self.announce_again(participant);
        self.reconcile_all(participant);
        self.reconcile_publisher(participant);
    }

    pub(super) fn observers_of(&self, subject: ParticipantId) -> BTreeSet<ParticipantId> {
        let Some(subject) = self.members.get(&subject) else {
            return BTreeSet::new();
        };
        let others = self.members.values().filter(|other| other.id != subject.id);
        let observers = others.filter(|other| self.may_see(other, &subject.admission));
        observers.map(|observer| observer.id).collect()
    }

    fn seen_by(&self, observer: ParticipantId) -> BTreeSet<ParticipantId> {
        let Some(observer) = self.members.get(&observer) else {
            return BTreeSet::new();
        };
        let others = self
            .members
            .values()
            .filter(|other| other.id != observer.id);
        let seen = others.filter(|other| self.may_see(observer, &other.admission));
        seen.map(|subject| subject.id).collect()
    }

    /// To an observer that may not know of them any more, people left.
    fn tell_vanished(&mut self, observer: ParticipantId, subjects: &[ParticipantId]) {
        let members = subjects
            .iter()
            .filter_map(|subject| self.members.get(subject));
        let views = members.map(|member| member.farewell(LeaveReason::Removed));
        let views: Vec<Arc<ParticipantView>> = views.map(Arc::new).collect();
        if !views.is_empty() {
            self.tell(observer, Notice::Participants(views));
        }
    }

    fn tell_appeared(&mut self, observer: ParticipantId, subjects: &[ParticipantId]) {
        let members = subjects
            .iter()
            .filter_map(|subject| self.members.get(subject));
        let views: Vec<Arc<ParticipantView>> =
            members.map(|member| Arc::new(member.view())).collect();
        if !views.is_empty() {
            self.tell(observer, Notice::Participants(views));
        }
    }

    pub(super) fn set_policy(&mut self, policy: Arc<dyn Policy>) {
        let all: Vec<ParticipantId> = self.members.keys().copied().collect();
        let before: Vec<BTreeSet<ParticipantId>> =
            all.iter().map(|observer| self.seen_by(*observer)).collect();
        self.policy = policy;
        for (observer, before) in all.iter().copied().zip(before) {
            let after = self.seen_by(observer);
            let vanished: Vec<ParticipantId> = before.difference(&after).copied().collect();
            self.tell_vanished(observer, &vanished);
            let appeared: Vec<ParticipantId> = after.difference(&before).copied().collect();
            self.tell_appeared(observer, &appeared);
        }
        for receiver in all {
            self.reconcile_all(receiver);
        }
    }

    pub(super) fn set_participants_max(&mut self, max: usize) {
        self.participants_max = max.min(self.config.limits.participants_max);
    }

    pub(super) fn set_room_metadata(&mut self, metadata: String) {
        let bound = self.config.limits.metadata_bytes_max;
        let end = metadata.floor_char_boundary(bound.min(metadata.len()));
        self.metadata = metadata.get(..end).unwrap_or_default().to_owned();
        self.tell_room_changed();
    }

    fn tell_room_changed(&mut self) {
        let view = self.view();
        let all: Vec<ParticipantId> = self.members.keys().copied().collect();
        for participant in all {
            self.tell(participant, Notice::RoomChanged(view.clone()));
        }
    }

    /// Notes whether a participant records; true when with that a recording began or ended.
    pub(super) fn note_recorder(&mut self, participant: ParticipantId) -> bool {
        let was_recorded = self.is_recorded();
        let member = self.members.get(&participant);
        if member.is_some_and(|member| member.admission.permissions.recorder) {
            self.recorders.insert(participant);
        } else {
            self.recorders.remove(&participant);
        }
        self.is_recorded() != was_recorded
    }

    /// Somebody records, perhaps hidden, or the server itself does.
    pub(super) fn is_recorded(&self) -> bool {
        self.recorded_here || !self.recorders.is_empty()
    }

    pub(super) fn set_recorded(&mut self, recorded: bool) {
        let was_recorded = self.is_recorded();
        self.recorded_here = recorded;
        self.tell_recorded(self.is_recorded() != was_recorded);
    }

    /// Everybody is told when a recording begins or ends, also by somebody hidden.
    pub(super) fn tell_recorded(&mut self, news: bool) {
        if news {
            self.tell_room_changed();
        }
    }

    /// A client changes its own profile.
    pub(super) fn update_own(
        &mut self,
        participant: ParticipantId,
        request_id: u32,
        metadata: String,
        name: String,
        attributes: BTreeMap<String, String>,
    ) {
        let limits = self.config.limits;
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let identity = member.admission.identity.clone();
        let mut merged = member.admission.attributes.clone();
        merge(&mut merged, attributes);
        let bytes: usize = merged
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let fits = metadata.len() <= limits.metadata_bytes_max
            && name.len() <= limits.name_bytes_max
            && bytes <= limits.attributes_bytes_max;
        let allowed = member.admission.permissions.update_own_metadata
            && leaves_fixed(&member.admission, &metadata, &name, &merged);
        let refusal = match (allowed, fits) {
            (false, _) => Some(RequestRefusal::NotAllowed),
            (true, false) => Some(RequestRefusal::LimitExceeded),
            (true, true) => None,
        };
        if let Some(reason) = refusal {
            let refused = Notice::RequestRefused {
                request_id,
                reason,
                cid: None,
            };
            self.tell(participant, refused);
            return;
        }
        self.readmit(&identity, |admission| {
            admission.attributes = merged;
            if !metadata.is_empty() {
                admission.metadata = metadata;
            }
            if !name.is_empty() {
                admission.name = name;
            }
        });
        self.tell(participant, Notice::RequestDone { request_id });
    }

    /// A publisher says who may subscribe to its tracks.
    pub(super) fn share(
        &mut self,
        participant: ParticipantId,
        all: bool,
        allowed: Vec<(String, Vec<TrackId>)>,
    ) {
        let too_many = allowed.len() > self.config.limits.participants_max
            || allowed
                .iter()
                .any(|(_, tracks)| tracks.len() > SHARED_TRACKS_MAX);
        if too_many {
            let refused = Notice::RequestRefused {
                request_id: 0,
                reason: RequestRefusal::LimitExceeded,
                cid: None,
            };
            self.tell(participant, refused);
            return;
        }
        if let Some(member) = self.members.get_mut(&participant) {
            let allowed = allowed.into_iter().collect();
            member.sharing = Sharing { all, allowed };
        }
        self.reconcile_publisher(participant);
    }
}

/// Whether a client's update leaves alone what only the domain changes. Clients repeat what they do
/// not change, so the same value is no change; nor is an empty name or empty metadata.
fn leaves_fixed(
    admission: &Admission,
    metadata: &str,
    name: &str,
    merged: &BTreeMap<String, String>,
) -> bool {
    let fixed = &admission.fixed;
    let kept = |new: &str, old: &str| new.is_empty() || new == old;
    let profile = !fixed.name_and_metadata
        || (kept(metadata, &admission.metadata) && kept(name, &admission.name));
    let same = |key: &String| merged.get(key) == admission.attributes.get(key);
    profile && fixed.attributes.iter().all(same)
}

/// Sets changed keys; an empty value deletes its key.
fn merge(attributes: &mut BTreeMap<String, String>, changes: BTreeMap<String, String>) {
    for (key, value) in changes {
        if value.is_empty() {
            attributes.remove(&key);
        } else {
            attributes.insert(key, value);
        }
    }
}
