//! A refusal: the domain's considered "no", with a stable code and a sentence in two languages.

use serde::Serialize;

/// How a refusal reads at the edge; `http` alone turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request is malformed or a value is out of its range.
    Invalid,
    /// Nobody is signed in, or the credentials are wrong.
    Unauthenticated,
    /// The actor may not do this.
    Forbidden,
    /// The thing does not exist, or the actor may not know that it does.
    NotFound,
    /// The thing's present state does not allow it.
    Conflict,
    /// Too many requests, or a bound is reached.
    Limited,
    /// A part the request needs is away for the moment.
    Unavailable,
}

/// A refusal with its code (`area.reason`, stable forever), and what a person reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{code}: {en}")]
pub struct Refusal {
    /// How the refusal reads at the edge.
    pub kind: RefusalKind,
    /// Stable code, `area.reason`.
    pub code: &'static str,
    /// Chinese sentence: what, why, what to do next.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

impl Refusal {
    /// A refusal with fixed sentences.
    pub fn new(kind: RefusalKind, code: &'static str, zh: &str, en: &str) -> Self {
        Self {
            kind,
            code,
            zh: zh.to_owned(),
            en: en.to_owned(),
        }
    }
}
