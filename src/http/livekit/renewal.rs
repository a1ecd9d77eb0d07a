//! When a client is sent a new token: at its beginning, when its rights or its profile changed, and
//! so often that the latest one has not expired when it has to come back.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::id::ParticipantId;
use crate::media::signal::{Notice, ParticipantView};
use crate::service::call::Credential;

/// From one token to the next; half of what a new one is good for.
const RENEW_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What a session knows of its client's tokens.
pub struct Renewal {
    credential: Credential,
    own: Option<Arc<ParticipantView>>,
    /// When the latest one was sent; `None` when one is due at once.
    sent_at: Option<DateTime<Utc>>,
}

impl Renewal {
    /// For a client that came with this.
    pub fn new(credential: Credential) -> Self {
        Self {
            credential,
            own: None,
            sent_at: None,
        }
    }

    /// What it came with.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Takes note of what the client is told of itself.
    pub fn hear(&mut self, notice: &Notice, participant: ParticipantId) {
        if let Notice::Joined(welcome) = notice {
            self.see(Arc::new(welcome.own.clone()));
        } else if let Notice::Participants(views) = notice
            && let Some(own) = views.iter().rev().find(|v| v.participant == participant)
        {
            self.see(Arc::clone(own));
        }
    }

    fn see(&mut self, own: Arc<ParticipantView>) {
        if !self.own.as_ref().is_some_and(|old| same_claims(old, &own)) {
            self.own = Some(own);
            self.sent_at = None;
        }
    }

    /// Whom a token is due for; it counts as sent.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Option<Arc<ParticipantView>> {
        let is_due = self.sent_at.is_none_or(|at| now - at >= RENEW_EVERY);
        let own = self.own.clone().filter(|_| is_due)?;
        self.sent_at = Some(now);
        Some(own)
    }
}

/// Whether a token for either says the same.
fn same_claims(old: &ParticipantView, new: &ParticipantView) -> bool {
    old.permissions == new.permissions
        && old.name == new.name
        && old.metadata == new.metadata
        && old.attributes == new.attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::signal::{ClientDescription, ParticipantKind, ParticipantState, Permissions};

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn person(number: u128) -> ParticipantId {
        ParticipantId(uuid::Uuid::from_u128(number))
    }

    fn view(number: u128) -> ParticipantView {
        ParticipantView {
            participant: person(number),
            identity: "ann".to_owned(),
            name: String::new(),
            metadata: String::new(),
            attributes: std::collections::BTreeMap::new(),
            state: ParticipantState::Active,
            version: 1,
            joined_at: start(),
            permissions: Permissions {
                publish: true,
                sources: Vec::new(),
                subscribe: true,
                publish_data: true,
                update_own_metadata: false,
                hidden: false,
                recorder: false,
            },
            tracks: Vec::new(),
            client: ClientDescription::default(),
            kind: ParticipantKind::Standard,
            left: None,
        }
    }

    fn renewal() -> Renewal {
        Renewal::new(Credential {
            key: "k".to_owned(),
            room: "r".to_owned(),
            expires_at: 0,
        })
    }

    fn told(renewal: &mut Renewal, view: ParticipantView) {
        renewal.hear(&Notice::Participants(vec![Arc::new(view)]), person(1));
    }

    #[test]
    fn a_token_is_due_at_the_beginning_and_every_five_minutes() {
        let mut renewal = renewal();
        assert!(renewal.take_due(start()).is_none(), "nobody is known yet");
        told(&mut renewal, view(1));
        assert!(renewal.take_due(start()).is_some());
        let next = start() + RENEW_EVERY;
        assert!(
            renewal
                .take_due(next - TimeDelta::milliseconds(1))
                .is_none()
        );
        assert!(renewal.take_due(next).is_some());
        assert!(renewal.take_due(next).is_none());
    }

    #[test]
    fn a_token_is_due_when_what_it_says_changed_and_not_when_somebody_else_did() {
        let mut renewal = renewal();
        told(&mut renewal, view(1));
        renewal.take_due(start());
        let mut other = view(2);
        other.name = "Bob".to_owned();
        told(&mut renewal, other);
        let mut later = view(1);
        later.version = 2;
        told(&mut renewal, later.clone());
        assert!(renewal.take_due(start()).is_none());
        let changes: [fn(&mut ParticipantView); 4] = [
            |view| view.permissions.publish = false,
            |view| view.name = "Ann".to_owned(),
            |view| view.metadata = "m".to_owned(),
            |view| drop(view.attributes.insert("k".to_owned(), "v".to_owned())),
        ];
        for change in changes {
            change(&mut later);
            told(&mut renewal, later.clone());
            let due = renewal.take_due(start()).unwrap();
            assert_eq!(*due, later);
        }
    }
}
