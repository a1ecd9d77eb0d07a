//! What the server announces to signed-in people after a commit, and to whom.

use super::id::{AccountId, LessonId};

/// Kind of an announcement that ends the streams of its account, because its roles, its topics or
/// its right to be here changed; never sent to a client. A client that may stay comes back at once
/// and resumes with what holds now.
pub const ACCESS_CHANGED: &str = "access_changed";

/// A group of people, by name: at most 80 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// Everybody of a lesson.
    pub fn lesson(id: LessonId) -> Self {
        Self(format!("lesson:{id}"))
    }

    /// The staff of a lesson.
    pub fn lesson_staff(id: LessonId) -> Self {
        Self(format!("lesson-staff:{id}"))
    }

    /// A topic as stored.
    pub fn stored(name: String) -> Self {
        Self(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// To whom something is announced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// One account.
    Account(AccountId),
    /// Everybody who follows the topic.
    Topic(Topic),
}

/// An announcement to make after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// To whom.
    pub audience: Audience,
    /// The event's name, as in docs/api.
    pub kind: &'static str,
    /// JSON.
    pub payload: String,
}

impl Announcement {
    /// Ends the account's streams: write it with every change of its roles or topics.
    pub fn access_changed(account: AccountId) -> Self {
        Self {
            audience: Audience::Account(account),
            kind: ACCESS_CHANGED,
            payload: "{}".to_owned(),
        }
    }
}

/// An announcement with its place in the order of announcing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Grows with every announcement; the `Last-Event-ID` of the event stream.
    pub position: i64,
    /// To whom.
    pub audience: Audience,
    /// The event's name.
    pub kind: String,
    /// JSON.
    pub payload: String,
}
