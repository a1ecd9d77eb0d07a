//! Who may receive, see and message whom, by pairs of participants.

use std::sync::Arc;

use crate::media::signal::Admission;

/// A matrix over pairs, given by the domain. A pair that may not has no leg, whatever clients ask.
///
/// Answers must depend on the arguments alone: the room asks again whenever an admission's rights
/// or attributes change, and for everybody after [`super::Input::SetPolicy`].
pub trait Policy: std::fmt::Debug + Send + Sync {
    /// Whether the publisher's media may reach the receiver.
    fn may_receive(&self, receiver: &Admission, publisher: &Admission) -> bool;

    /// Whether the observer may know that the subject is here.
    fn may_see(&self, observer: &Admission, subject: &Admission) -> bool;

    /// Whether the sender's data may reach the receiver.
    fn may_message(&self, receiver: &Admission, sender: &Admission) -> bool;

    /// The policy that takes this one's place, for good, once so many participants are here.
    fn beyond(&self, participants: usize) -> Option<Arc<dyn Policy>> {
        let _ = participants;
        None
    }
}

/// Everybody receives, sees and messages everybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everybody;

impl Policy for Everybody {
    fn may_receive(&self, _: &Admission, _: &Admission) -> bool {
        true
    }

    fn may_see(&self, _: &Admission, _: &Admission) -> bool {
        true
    }

    fn may_message(&self, _: &Admission, _: &Admission) -> bool {
        true
    }
}

/// Everybody until the room is crowded; from then on another policy, also when some leave again,
/// so that people at the bound do not come and go in everybody's list.
#[derive(Clone, Debug)]
pub struct UntilCrowded {
    /// Most participants that a room has without being crowded.
    pub participants_max: usize,
    /// In force from the first participant beyond that.
    pub then: Arc<dyn Policy>,
}

impl Policy for UntilCrowded {
    fn may_receive(&self, receiver: &Admission, publisher: &Admission) -> bool {
        Everybody.may_receive(receiver, publisher)
    }

    fn may_see(&self, observer: &Admission, subject: &Admission) -> bool {
        Everybody.may_see(observer, subject)
    }

    fn may_message(&self, receiver: &Admission, sender: &Admission) -> bool {
        Everybody.may_message(receiver, sender)
    }

    fn beyond(&self, participants: usize) -> Option<Arc<dyn Policy>> {
        (participants > self.participants_max).then(|| Arc::clone(&self.then))
    }
}

/// An audience before a stage: who is in the audience meets only who is not, or was called on. The
/// audience is known by attributes, which therefore must be fixed ([`Admission::fixed`]).
#[derive(Clone, Debug)]
pub struct Audience {
    /// Key and value of the attribute that everybody in the audience has.
    pub mark: (String, String),
    /// Key of the attribute that somebody called on has, with any value.
    pub called_on: String,
}

impl Audience {
    fn is_on_stage(&self, subject: &Admission) -> bool {
        !self.is_apart(subject) || subject.attributes.contains_key(&self.called_on)
    }

    fn is_apart(&self, admission: &Admission) -> bool {
        let (key, value) = &self.mark;
        admission.attributes.get(key) == Some(value)
    }

    /// Whether somebody may know of another: staff of everybody, the audience of the stage.
    fn meets(&self, observer: &Admission, subject: &Admission) -> bool {
        !self.is_apart(observer) || self.is_on_stage(subject)
    }
}

impl Policy for Audience {
    fn may_receive(&self, receiver: &Admission, publisher: &Admission) -> bool {
        self.meets(receiver, publisher)
    }

    fn may_see(&self, observer: &Admission, subject: &Admission) -> bool {
        self.meets(observer, subject)
    }

    /// A message tells who sent it, so it goes no further than knowing of the sender.
    fn may_message(&self, receiver: &Admission, sender: &Admission) -> bool {
        self.meets(receiver, sender)
    }
}
