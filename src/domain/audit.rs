//! Facts about sign-in, accounts, roles and units: the audit stream.
//!
//! Facts carry ids, never names: a name is looked up when the stream is read.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::actor::Role;
use super::id::{AccountId, PersonId, TokenFamilyId, UnitId};

/// Kind of the one audit stream.
pub const AUDIT_STREAM_KIND: &str = "audit";

/// Subject of the one audit stream: the server itself.
pub const AUDIT_STREAM_SUBJECT: Uuid = Uuid::nil();

/// Something that happened to who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "fields are the ids that the variant's sentence speaks of"
)]
pub enum AuditFact {
    /// Somebody signed in.
    SignedIn {
        account: AccountId,
        family: TokenFamilyId,
    },
    /// Signing in failed; no account when the username is unknown.
    SignInFailed { account: Option<AccountId> },
    /// Somebody signed out.
    SignedOut {
        account: AccountId,
        family: TokenFamilyId,
    },
    /// A refresh token came a second time, so its whole family ended.
    RefreshTokenReused {
        account: AccountId,
        family: TokenFamilyId,
    },
    /// Somebody changed their own password.
    PasswordChanged { account: AccountId },
    /// Somebody else's password was set.
    PasswordReset { by: AccountId, account: AccountId },
    /// A person was added; by nobody when it was done on the server's own command line.
    PersonAdded {
        by: Option<AccountId>,
        person: PersonId,
        unit: UnitId,
        account: Option<AccountId>,
    },
    /// A person's name or unit changed.
    PersonChanged {
        by: AccountId,
        person: PersonId,
        unit: UnitId,
    },
    /// An account was barred from signing in.
    AccountDisabled { by: AccountId, account: AccountId },
    /// A barred account may sign in again.
    AccountEnabled { by: AccountId, account: AccountId },
    /// A role was given.
    RoleGranted {
        by: Option<AccountId>,
        account: AccountId,
        role: Role,
        unit: UnitId,
    },
    /// A role was taken.
    RoleRevoked {
        by: AccountId,
        account: AccountId,
        role: Role,
        unit: UnitId,
    },
    /// A unit was added.
    UnitAdded {
        by: Option<AccountId>,
        unit: UnitId,
        parent: UnitId,
    },
    /// A unit's name or code changed.
    UnitChanged { by: AccountId, unit: UnitId },
    /// A unit required other hours a month.
    HoursRequired {
        by: AccountId,
        unit: UnitId,
        version: u32,
        month: String,
        seconds: u32,
    },
    /// The hours of a unit's learners were taken out as a file.
    HoursExported {
        by: AccountId,
        unit: UnitId,
        month: String,
        rows: u32,
    },
}

impl AuditFact {
    /// The account that acted; none when nobody was signed in (or it was done on the machine).
    pub fn actor(&self) -> Option<AccountId> {
        match self {
            Self::SignedIn { account, .. }
            | Self::SignedOut { account, .. }
            | Self::PasswordChanged { account } => Some(*account),
            Self::SignInFailed { .. } | Self::RefreshTokenReused { .. } => None,
            Self::PersonAdded { by, .. }
            | Self::RoleGranted { by, .. }
            | Self::UnitAdded { by, .. } => *by,
            Self::PasswordReset { by, .. }
            | Self::PersonChanged { by, .. }
            | Self::AccountDisabled { by, .. }
            | Self::AccountEnabled { by, .. }
            | Self::RoleRevoked { by, .. }
            | Self::UnitChanged { by, .. }
            | Self::HoursRequired { by, .. }
            | Self::HoursExported { by, .. } => Some(*by),
        }
    }

    /// What was acted on: an account, a person or a unit.
    pub fn subject(&self) -> Option<Uuid> {
        match self {
            Self::SignedIn { account, .. }
            | Self::SignedOut { account, .. }
            | Self::RefreshTokenReused { account, .. }
            | Self::PasswordChanged { account }
            | Self::PasswordReset { account, .. }
            | Self::AccountDisabled { account, .. }
            | Self::AccountEnabled { account, .. }
            | Self::RoleGranted { account, .. }
            | Self::RoleRevoked { account, .. } => Some(account.0),
            Self::SignInFailed { account } => account.map(|account| account.0),
            Self::PersonAdded { person, .. } | Self::PersonChanged { person, .. } => Some(person.0),
            Self::UnitAdded { unit, .. }
            | Self::UnitChanged { unit, .. }
            | Self::HoursRequired { unit, .. }
            | Self::HoursExported { unit, .. } => Some(unit.0),
        }
    }
}
