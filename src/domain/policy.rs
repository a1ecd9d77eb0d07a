//! Who may do what: one pure function over an actor, an action and the resource acted on.
//!
//! Routes are gated twice. A [`Capability`] says whether an actor may use a route at all (and what
//! the web app shows); [`may`] then decides with the resource at hand.

use serde::Serialize;

use super::actor::{Actor, Role, RoleGrant};
use super::id::AccountId;
use super::refusal::{Refusal, RefusalKind};
use super::unit::UnitPath;

/// Administrators and officers.
pub const OFFICERS: &[Role] = &[Role::SystemAdministrator, Role::UnitOfficer];

/// Everybody who works here.
pub const STAFF: &[Role] = &[Role::SystemAdministrator, Role::UnitOfficer, Role::Teacher];

/// Something an actor wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See a unit.
    ReadUnit,
    /// Make a unit below this one, or change this one.
    ManageUnit,
    /// See the people of a unit.
    ReadPeople,
    /// Add people to a unit, change them, move them in.
    ManagePeople,
    /// Give or take a role over a unit.
    GrantRole(Role),
    /// Reset the password of an account, or disable it.
    ManageAccount,
    /// Read the audit stream.
    ReadAudit,
    /// Plan a lesson of a unit, or add to its question bank.
    PlanLessons,
    /// Change, start, pause, end a lesson; see its board; ask its learners.
    RunLesson,
    /// Know of a lesson and enter its room.
    SeeLesson,
}

/// What is acted on.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// The server as a whole.
    Server,
    /// A unit, or the people in it.
    Unit(&'a UnitPath),
    /// Somebody's account.
    Account {
        /// The person's unit.
        unit: &'a UnitPath,
        /// Roles the account holds: nobody takes over an account that stands above them.
        grants: &'a [RoleGrant],
    },
    /// A lesson.
    Lesson {
        /// Whose.
        unit: &'a UnitPath,
        /// Who teaches it.
        teacher: AccountId,
        /// Whether the actor is one of its learners.
        enrolled: bool,
    },
}

/// Whether the actor may do it. Anything not said here is forbidden.
pub fn may(actor: &Actor, action: Action, resource: Resource<'_>) -> bool {
    match action {
        Action::ReadUnit | Action::ReadPeople => over_unit(actor, STAFF, resource),
        Action::ManageUnit | Action::ManagePeople => over_unit(actor, OFFICERS, resource),
        Action::GrantRole(role) => match resource {
            Resource::Unit(path) => may_grant(actor, role, path),
            Resource::Server | Resource::Account { .. } | Resource::Lesson { .. } => false,
        },
        Action::ManageAccount => match resource {
            Resource::Account { unit, grants } => {
                actor.holds(OFFICERS, unit)
                    && grants
                        .iter()
                        .all(|held| may_grant(actor, held.role, &held.path))
            }
            Resource::Server | Resource::Unit(_) | Resource::Lesson { .. } => false,
        },
        Action::ReadAudit => match resource {
            Resource::Server => over_everything(actor),
            Resource::Unit(_) | Resource::Account { .. } | Resource::Lesson { .. } => false,
        },
        Action::PlanLessons => over_unit(actor, STAFF, resource),
        Action::RunLesson => runs_lesson(actor, resource),
        Action::SeeLesson => match resource {
            Resource::Lesson { enrolled, .. } => enrolled || runs_lesson(actor, resource),
            Resource::Server | Resource::Unit(_) | Resource::Account { .. } => false,
        },
    }
}

/// [`may`] as a refusal: `auth.forbidden`.
pub fn allow(actor: &Actor, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
    if may(actor, action, resource) {
        Ok(())
    } else {
        Err(forbidden())
    }
}

/// The actor may not do this.
pub fn forbidden() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "auth.forbidden",
        "您没有进行此操作的权限，如有需要请联系管理员。",
        "You may not do this. Ask an administrator if you need to.",
    )
}

/// A kind of work, as the web app shows it and routes demand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Capability {
    /// Plan and run lessons.
    #[serde(rename = "lessons.manage")]
    LessonsManage,
    /// See units and people.
    #[serde(rename = "people.read")]
    PeopleRead,
    /// Add and change people and their accounts.
    #[serde(rename = "people.manage")]
    PeopleManage,
    /// Add and change units.
    #[serde(rename = "units.manage")]
    UnitsManage,
    /// Read the audit stream.
    #[serde(rename = "audit.read")]
    AuditRead,
}

impl Capability {
    /// All capabilities.
    pub const ALL: [Self; 5] = [
        Self::LessonsManage,
        Self::PeopleRead,
        Self::PeopleManage,
        Self::UnitsManage,
        Self::AuditRead,
    ];

    /// The name sent to the web app.
    pub fn name(self) -> &'static str {
        match self {
            Self::LessonsManage => "lessons.manage",
            Self::PeopleRead => "people.read",
            Self::PeopleManage => "people.manage",
            Self::UnitsManage => "units.manage",
            Self::AuditRead => "audit.read",
        }
    }
}

/// Whether the actor has this kind of work anywhere.
pub fn is_capable(actor: &Actor, capability: Capability) -> bool {
    match capability {
        Capability::LessonsManage | Capability::PeopleRead => actor.holds_anywhere(STAFF),
        Capability::PeopleManage | Capability::UnitsManage => actor.holds_anywhere(OFFICERS),
        Capability::AuditRead => over_everything(actor),
    }
}

fn over_unit(actor: &Actor, roles: &[Role], resource: Resource<'_>) -> bool {
    match resource {
        Resource::Unit(path) => actor.holds(roles, path),
        Resource::Server | Resource::Account { .. } | Resource::Lesson { .. } => false,
    }
}

fn runs_lesson(actor: &Actor, resource: Resource<'_>) -> bool {
    match resource {
        Resource::Lesson { unit, teacher, .. } => {
            teacher == actor.account || actor.holds(OFFICERS, unit)
        }
        Resource::Server | Resource::Unit(_) | Resource::Account { .. } => false,
    }
}

fn may_grant(actor: &Actor, role: Role, path: &UnitPath) -> bool {
    match role {
        Role::SystemAdministrator => actor.holds(&[Role::SystemAdministrator], path),
        Role::UnitOfficer | Role::Teacher | Role::Learner => actor.holds(OFFICERS, path),
    }
}

fn over_everything(actor: &Actor) -> bool {
    actor
        .grants
        .iter()
        .any(|grant| grant.role == Role::SystemAdministrator && grant.path.is_root())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::id::{AccountId, PersonId, TokenFamilyId, UnitId};
    use super::super::unit::{Level, UnitRef};
    use super::*;

    fn path(ids: &[u128]) -> UnitPath {
        UnitPath::from_ids(ids.iter().map(|id| UnitId(Uuid::from_u128(*id))).collect()).unwrap()
    }

    fn grant(role: Role, ids: &[u128]) -> RoleGrant {
        let path = path(ids);
        let id = *path.ids().last().unwrap();
        RoleGrant {
            role,
            unit: UnitRef {
                id,
                name: String::new(),
                level: Level::MINISTRY,
            },
            path,
        }
    }

    fn actor(role: Role, ids: &[u128]) -> Actor {
        Actor {
            account: AccountId(Uuid::nil()),
            person: PersonId(Uuid::nil()),
            family: TokenFamilyId(Uuid::nil()),
            grants: vec![grant(role, ids)],
        }
    }

    #[test]
    fn a_role_reaches_down_its_subtree_and_nowhere_else() {
        let officer = actor(Role::UnitOfficer, &[1, 2]);
        for (ids, expected) in [
            (&[1, 2][..], true),
            (&[1, 2, 3], true),
            (&[1], false),
            (&[1, 4], false),
        ] {
            let path = path(ids);
            let answer = may(&officer, Action::ManagePeople, Resource::Unit(&path));
            assert_eq!(answer, expected, "{ids:?}");
        }
    }

    #[test]
    fn an_officer_makes_no_administrators_and_takes_over_no_administrators_account() {
        let officer = actor(Role::UnitOfficer, &[1, 2]);
        let unit = path(&[1, 2]);
        let administrator = Action::GrantRole(Role::SystemAdministrator);
        assert!(!may(&officer, administrator, Resource::Unit(&unit)));
        let grants = [grant(Role::SystemAdministrator, &[1, 2])];
        let account = Resource::Account {
            unit: &unit,
            grants: &grants,
        };
        assert!(!may(&officer, Action::ManageAccount, account));
        let grants = [grant(Role::UnitOfficer, &[1])];
        let account = Resource::Account {
            unit: &unit,
            grants: &grants,
        };
        assert!(
            !may(&officer, Action::ManageAccount, account),
            "stands above the officer"
        );
        let grants = [grant(Role::Teacher, &[1, 2, 3])];
        let account = Resource::Account {
            unit: &unit,
            grants: &grants,
        };
        assert!(may(&officer, Action::ManageAccount, account));
    }

    #[test]
    fn only_an_administrator_of_the_whole_tree_reads_the_audit_stream() {
        let whole = actor(Role::SystemAdministrator, &[1]);
        let part = actor(Role::SystemAdministrator, &[1, 2]);
        assert!(may(&whole, Action::ReadAudit, Resource::Server));
        assert!(!may(&part, Action::ReadAudit, Resource::Server));
    }

    #[test]
    fn a_lesson_is_run_by_its_teacher_and_the_units_officers_and_seen_by_its_learners() {
        let unit = path(&[1, 2]);
        let lesson = |enrolled| Resource::Lesson {
            unit: &unit,
            teacher: AccountId(Uuid::from_u128(9)),
            enrolled,
        };
        let officer = actor(Role::UnitOfficer, &[1]);
        assert!(may(&officer, Action::RunLesson, lesson(false)));
        let elsewhere = actor(Role::UnitOfficer, &[1, 3]);
        assert!(!may(&elsewhere, Action::SeeLesson, lesson(false)));
        let colleague = actor(Role::Teacher, &[1, 2]);
        assert!(!may(&colleague, Action::RunLesson, lesson(false)));
        let learner = actor(Role::Learner, &[1, 2]);
        assert!(!may(&learner, Action::SeeLesson, lesson(false)));
        assert!(may(&learner, Action::SeeLesson, lesson(true)));
        assert!(!may(&learner, Action::RunLesson, lesson(true)));
    }

    #[test]
    fn a_learner_may_do_nothing_to_units_or_people() {
        let learner = actor(Role::Learner, &[1, 2]);
        let unit = path(&[1, 2]);
        for action in [Action::ReadUnit, Action::ReadPeople, Action::ManagePeople] {
            assert!(!may(&learner, action, Resource::Unit(&unit)), "{action:?}");
        }
    }
}
