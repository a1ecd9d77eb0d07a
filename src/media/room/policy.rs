//! Who may receive, see and message whom, by pairs of participants.

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
