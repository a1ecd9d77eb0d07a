//! First units and people, made on the server's own command line, where nobody is signed in.

use super::{Context, Error, audit, password};
use crate::domain::actor::Role;
use crate::domain::audit::AuditFact;
use crate::domain::id::{AccountId, PersonId, UnitId};
use crate::domain::person::{self, Person, PersonKind};
use crate::domain::unit::{Level, Unit};
use crate::store::account::NewAccount;
use crate::store::{self, Connection};

/// Somebody to add with an account and one role over a unit.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// Username, unique without regard to case.
    pub username: &'a str,
    /// Password, checked like any other new one.
    pub password: &'a str,
    /// Name.
    pub name: &'a str,
    /// Subject or staff.
    pub kind: PersonKind,
    /// The role, over [`NewUser::unit`].
    pub role: Role,
    /// The unit in charge.
    pub unit: UnitId,
}

/// The root unit of this code, made if there is none; a county's own server starts at level 4.
pub async fn root(context: &Context, level: Level, code: &str, name: &str) -> Result<Unit, Error> {
    let mut transaction = context.store.begin().await?;
    if let Some(unit) = store::unit::find_by_code(&mut transaction, code).await? {
        return Ok(unit);
    }
    let now = context.now();
    let unit = Unit::root(UnitId::new(now, &*context.entropy), level, code, name)?;
    store::unit::insert(&mut transaction, &unit, now).await?;
    transaction.commit().await?;
    Ok(unit)
}

/// The unit of this code, made below `parent` if there is none.
pub async fn unit(context: &Context, parent: &Unit, code: &str, name: &str) -> Result<Unit, Error> {
    let mut transaction = context.store.begin().await?;
    if let Some(unit) = store::unit::find_by_code(&mut transaction, code).await? {
        return Ok(unit);
    }
    let now = context.now();
    let unit = parent.child(UnitId::new(now, &*context.entropy), code, name)?;
    store::unit::insert(&mut transaction, &unit, now).await?;
    let fact = AuditFact::UnitAdded {
        by: None,
        unit: unit.id,
        parent: parent.id,
    };
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await?;
    Ok(unit)
}

/// The unit of this code, if there is one.
pub async fn find_unit(context: &Context, code: &str) -> Result<Option<Unit>, Error> {
    let mut db = context.store.reader().await?;
    store::unit::find_by_code(&mut db, code).await
}

/// The topmost unit, if there is one.
pub async fn topmost(context: &Context) -> Result<Option<Unit>, Error> {
    let mut db = context.store.reader().await?;
    store::unit::topmost(&mut db).await
}

/// The account of this username, if there is one.
pub async fn find_user(context: &Context, username: &str) -> Result<Option<AccountId>, Error> {
    let mut db = context.store.reader().await?;
    let found = store::account::credentials(&mut db, username).await?;
    Ok(found.map(|credentials| credentials.account))
}

/// Adds somebody. Refuses like adding a person does, with `person.username_taken` for one.
pub async fn add_user(context: &Context, new: NewUser<'_>) -> Result<AccountId, Error> {
    person::check_new_password(new.password, new.username)?;
    person::check_role(new.kind, new.role)?;
    let username = person::checked_username(new.username)?;
    let password_hash = password::hash(context, new.password).await?;
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let person = insert_person(context, &mut transaction, new).await?;
    let id = AccountId::new(now, &*context.entropy);
    let account = NewAccount {
        id,
        person,
        username,
        password_hash,
    };
    store::account::insert(&mut transaction, &account, now).await?;
    store::role::grant(&mut transaction, id, new.role, new.unit, None, now).await?;
    let (by, unit, role) = (None, new.unit, new.role);
    let added = AuditFact::PersonAdded {
        by,
        person,
        unit,
        account: Some(id),
    };
    audit::record(context, &mut transaction, added).await?;
    let granted = AuditFact::RoleGranted {
        by,
        account: id,
        role,
        unit,
    };
    audit::record(context, &mut transaction, granted).await?;
    transaction.commit().await?;
    Ok(id)
}

async fn insert_person(
    context: &Context,
    db: &mut Connection,
    new: NewUser<'_>,
) -> Result<PersonId, Error> {
    let unit = store::unit::find(db, new.unit).await?;
    let unit = unit.ok_or_else(crate::domain::unit::not_found)?;
    let now = context.now();
    let person = Person {
        id: PersonId::new(now, &*context.entropy),
        name: person::checked_name(new.name)?,
        kind: new.kind,
        unit: unit.reference(),
        unit_path: unit.path,
        account: None,
    };
    store::person::insert(db, &person, now).await?;
    Ok(person.id)
}
