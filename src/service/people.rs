//! Keeping people, their accounts and their roles.

use super::auth::tell_access_changed;
use super::{Context, Error, audit, outbox, password, units};
use crate::domain::actor::{Actor, Role};
use crate::domain::audit::AuditFact;
use crate::domain::id::{AccountId, PersonId, UnitId};
use crate::domain::limits::GRANTS_MAX;
use crate::domain::person::{self, Account, Person, PersonKind};
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::store::account::NewAccount;
use crate::store::token::EndReason;
use crate::store::{self, Connection, Transaction};

/// Which people to list, one page.
#[derive(Clone, Debug)]
pub struct Query {
    /// Only this unit and below.
    pub unit: Option<UnitId>,
    /// Only names or usernames that contain this.
    pub text: Option<String>,
    /// Only holders of this role.
    pub role: Option<Role>,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

/// Somebody to add.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Name.
    pub name: String,
    /// Unit in charge.
    pub unit: UnitId,
    /// Subject or staff.
    pub kind: PersonKind,
    /// Username and password, when there shall be an account.
    pub account: Option<(String, String)>,
    /// A role over the person's unit; needs an account.
    pub role: Option<Role>,
}

/// A change of a person; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New name.
    pub name: Option<String>,
    /// New unit in charge.
    pub unit: Option<UnitId>,
    /// Bars the account, or lets it in again.
    pub disabled: Option<bool>,
}

/// A role over a unit and everything below it, to be held or not.
#[derive(Clone, Copy, Debug)]
pub struct RoleChange {
    /// Which.
    pub role: Role,
    /// Over which unit.
    pub unit: UnitId,
    /// True gives it, false takes it.
    pub held: bool,
}

/// One page of the people whom the actor may see, and how many there are on all pages.
pub async fn list(
    context: &Context,
    actor: &Actor,
    query: Query,
) -> Result<(Vec<Person>, u64), Error> {
    let filter = store::person::Filter {
        scopes: actor.scopes(STAFF),
        unit: query.unit,
        text: query.text,
        role: query.role,
        limit: query.limit,
        offset: query.offset,
    };
    let mut db = context.store.reader().await?;
    store::person::list(&mut db, &filter).await
}

/// Adds a person, with an account and a role if wanted.
pub async fn add(context: &Context, actor: &Actor, new: NewPerson) -> Result<Person, Error> {
    let hash = match &new.account {
        Some((username, secret)) => {
            person::check_new_password(secret, username)?;
            Some(password::hash(context, secret).await?)
        }
        None => None,
    };
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit = units::visible(&mut transaction, actor, new.unit).await?;
    policy::allow(actor, Action::ManagePeople, Resource::Unit(&unit.path))?;
    let person = Person {
        id: PersonId::new(now, &*context.entropy),
        name: person::checked_name(&new.name)?,
        kind: new.kind,
        unit: unit.reference(),
        unit_path: unit.path,
        account: None,
    };
    store::person::insert(&mut transaction, &person, now).await?;
    let account = match new.account.zip(hash) {
        Some(((username, _), password_hash)) => {
            let id = AccountId::new(now, &*context.entropy);
            let username = person::checked_username(&username)?;
            let account = NewAccount {
                id,
                person: person.id,
                username,
                password_hash,
            };
            store::account::insert(&mut transaction, &account, now).await?;
            Some(id)
        }
        None => None,
    };
    let (by, unit) = (actor.account, person.unit.id);
    let added = AuditFact::PersonAdded {
        by: Some(by),
        person: person.id,
        unit,
        account,
    };
    audit::record(context, &mut transaction, added).await?;
    if let Some(role) = new.role {
        let account = account.ok_or_else(person::no_account)?;
        let change = RoleChange {
            role,
            unit,
            held: true,
        };
        assign(
            context,
            &mut transaction,
            actor,
            (person.kind, account),
            change,
        )
        .await?;
    }
    finish(context, transaction, person.id).await
}

/// Changes a person.
pub async fn change(
    context: &Context,
    actor: &Actor,
    id: PersonId,
    change: Change,
) -> Result<Person, Error> {
    let mut transaction = context.store.begin().await?;
    let mut person = managed(&mut transaction, actor, id).await?;
    let renamed = change.name.is_some() || change.unit.is_some();
    if let Some(name) = change.name {
        person.name = person::checked_name(&name)?;
    }
    if let Some(unit) = change.unit {
        let unit = units::visible(&mut transaction, actor, unit).await?;
        policy::allow(actor, Action::ManagePeople, Resource::Unit(&unit.path))?;
        person.unit = unit.reference();
    }
    if renamed {
        store::person::update(&mut transaction, &person).await?;
        let (by, unit) = (actor.account, person.unit.id);
        let fact = AuditFact::PersonChanged {
            by,
            person: id,
            unit,
        };
        audit::record(context, &mut transaction, fact).await?;
    }
    if let Some(disabled) = change.disabled {
        bar(context, &mut transaction, actor, &person, disabled).await?;
    }
    finish(context, transaction, id).await
}

/// Gives a person a role, or takes it; what is so already is no error.
pub async fn change_role(
    context: &Context,
    actor: &Actor,
    id: PersonId,
    change: RoleChange,
) -> Result<Person, Error> {
    let mut transaction = context.store.begin().await?;
    let person = managed(&mut transaction, actor, id).await?;
    let account = person.account.as_ref().ok_or_else(person::no_account)?;
    if change.held && account.grants.len() >= GRANTS_MAX {
        return Err(too_many_roles().into());
    }
    let whose = (person.kind, account.id);
    assign(context, &mut transaction, actor, whose, change).await?;
    finish(context, transaction, id).await
}

/// Sets somebody's password; all their sessions end.
pub async fn reset_password(
    context: &Context,
    actor: &Actor,
    id: PersonId,
    new_password: &str,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let person = managed(&mut db, actor, id).await?;
    drop(db);
    let account = manageable(actor, &person)?;
    if account.id == actor.account {
        return Err(person::own_password().into());
    }
    person::check_new_password(new_password, &account.username)?;
    let hash = password::hash(context, new_password).await?;
    let mut transaction = context.store.begin().await?;
    store::account::set_password(&mut transaction, account.id, &hash).await?;
    end_sessions(
        context,
        &mut transaction,
        account.id,
        EndReason::PasswordChanged,
    )
    .await?;
    let fact = AuditFact::PasswordReset {
        by: actor.account,
        account: account.id,
    };
    audit::record(context, &mut transaction, fact).await?;
    outbox::commit(context, transaction).await
}

/// A person whom the actor may change; one whom the actor may not even see does not exist.
async fn managed(db: &mut Connection, actor: &Actor, id: PersonId) -> Result<Person, Error> {
    let person = store::person::find(db, id)
        .await?
        .ok_or_else(person::not_found)?;
    let unit = Resource::Unit(&person.unit_path);
    if !policy::may(actor, Action::ReadPeople, unit) {
        return Err(person::not_found().into());
    }
    policy::allow(actor, Action::ManagePeople, unit)?;
    Ok(person)
}

fn manageable<'a>(actor: &Actor, person: &'a Person) -> Result<&'a Account, Refusal> {
    let account = person.account.as_ref().ok_or_else(person::no_account)?;
    let resource = Resource::Account {
        unit: &person.unit_path,
        grants: &account.grants,
    };
    policy::allow(actor, Action::ManageAccount, resource)?;
    Ok(account)
}

async fn assign(
    context: &Context,
    transaction: &mut Transaction,
    actor: &Actor,
    (kind, account): (PersonKind, AccountId),
    RoleChange { role, unit, held }: RoleChange,
) -> Result<(), Error> {
    let unit = units::visible(transaction, actor, unit).await?;
    policy::allow(actor, Action::GrantRole(role), Resource::Unit(&unit.path))?;
    let (by, unit) = (actor.account, unit.id);
    let (changed, fact) = if held {
        person::check_role(kind, role)?;
        let now = context.now();
        let fact = AuditFact::RoleGranted {
            by: Some(by),
            account,
            role,
            unit,
        };
        let granted = store::role::grant(transaction, account, role, unit, Some(by), now);
        (granted.await?, fact)
    } else {
        if account == by {
            return Err(person::own_account().into());
        }
        let fact = AuditFact::RoleRevoked {
            by,
            account,
            role,
            unit,
        };
        let revoked = store::role::revoke(transaction, account, role, unit);
        (revoked.await?, fact)
    };
    if changed {
        tell_access_changed(context, transaction, account).await?;
        audit::record(context, transaction, fact).await?;
    }
    Ok(())
}

async fn bar(
    context: &Context,
    transaction: &mut Transaction,
    actor: &Actor,
    person: &Person,
    disabled: bool,
) -> Result<(), Error> {
    let account = manageable(actor, person)?.id;
    if account == actor.account {
        return Err(person::own_account().into());
    }
    if !store::account::set_disabled(transaction, account, disabled, context.now()).await? {
        return Ok(());
    }
    let by = actor.account;
    let fact = if disabled {
        end_sessions(context, transaction, account, EndReason::Disabled).await?;
        AuditFact::AccountDisabled { by, account }
    } else {
        AuditFact::AccountEnabled { by, account }
    };
    audit::record(context, transaction, fact).await
}

async fn end_sessions(
    context: &Context,
    transaction: &mut Transaction,
    account: AccountId,
    reason: EndReason,
) -> Result<(), Error> {
    store::token::end_families(transaction, account, 0, None, reason, context.now()).await?;
    tell_access_changed(context, transaction, account).await
}

async fn finish(
    context: &Context,
    mut transaction: Transaction,
    id: PersonId,
) -> Result<Person, Error> {
    let person = store::person::find(&mut transaction, id).await?;
    outbox::commit(context, transaction).await?;
    Ok(person.ok_or_else(person::not_found)?)
}

fn too_many_roles() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "person.too_many_roles",
        "该账号的角色数量已达上限。",
        "This account holds as many roles as it may.",
    )
}
