//! Who acts: an account, the person behind it, and the roles it holds over parts of the unit tree.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{AccountId, PersonId, TokenFamilyId, UnitId};
use super::unit::{UnitPath, UnitRef};

/// What somebody may be for a unit and everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps units, people, roles and the server itself.
    SystemAdministrator,
    /// Runs a unit: people, lessons, reviews.
    UnitOfficer,
    /// Gives lessons.
    Teacher,
    /// Takes lessons.
    Learner,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::SystemAdministrator,
        Self::UnitOfficer,
        Self::Teacher,
        Self::Learner,
    ];

    /// The name stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::SystemAdministrator => "system_administrator",
            Self::UnitOfficer => "unit_officer",
            Self::Teacher => "teacher",
            Self::Learner => "learner",
        }
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("unknown role {text:?}"))
    }
}

/// A role over the subtree of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The role.
    pub role: Role,
    /// The unit at the top of the subtree.
    pub unit: UnitRef,
    /// That unit and its ancestors.
    pub path: UnitPath,
}

/// Somebody signed in, as of this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub account: AccountId,
    /// The person behind it.
    pub person: PersonId,
    /// The sign-in this request belongs to.
    pub family: TokenFamilyId,
    /// Roles held, at most [`super::limits::GRANTS_MAX`].
    pub grants: Vec<RoleGrant>,
}

impl Actor {
    /// Whether one of `roles` is held over the unit of this path.
    pub fn holds(&self, roles: &[Role], path: &UnitPath) -> bool {
        self.grants
            .iter()
            .any(|grant| roles.contains(&grant.role) && grant.path.covers(path))
    }

    /// Whether one of `roles` is held over the unit of this path, or over one below it: what a unit
    /// offers is used by those below it too.
    pub fn holds_beside(&self, roles: &[Role], path: &UnitPath) -> bool {
        let held = self
            .grants
            .iter()
            .filter(|grant| roles.contains(&grant.role));
        let mut paths = held.map(|grant| &grant.path);
        paths.any(|own| own.covers(path) || path.covers(own))
    }

    /// Whether one of `roles` is held anywhere.
    pub fn holds_anywhere(&self, roles: &[Role]) -> bool {
        self.grants.iter().any(|grant| roles.contains(&grant.role))
    }

    /// Tops of the subtrees over which one of `roles` is held; may repeat or nest.
    pub fn scopes(&self, roles: &[Role]) -> Vec<UnitId> {
        self.grants
            .iter()
            .filter(|grant| roles.contains(&grant.role))
            .map(|grant| grant.unit.id)
            .collect()
    }
}
