//! Keeping the tree of units.

use super::{Context, Error, audit};
use crate::domain::actor::Actor;
use crate::domain::audit::AuditFact;
use crate::domain::id::UnitId;
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::unit::{self, Unit};
use crate::store::{self, Connection};

/// A change of a unit; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New name.
    pub name: Option<String>,
    /// New code.
    pub code: Option<String>,
}

/// All units that the actor works for, parents first.
pub async fn list(context: &Context, actor: &Actor) -> Result<Vec<Unit>, Error> {
    let mut db = context.store.reader().await?;
    store::unit::subtrees(&mut db, &actor.scopes(STAFF)).await
}

/// Adds a unit below another.
pub async fn add(
    context: &Context,
    actor: &Actor,
    parent: UnitId,
    code: &str,
    name: &str,
) -> Result<Unit, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let parent = visible(&mut transaction, actor, parent).await?;
    policy::allow(actor, Action::ManageUnit, Resource::Unit(&parent.path))?;
    let unit = parent.child(UnitId::new(now, &*context.entropy), code, name)?;
    store::unit::insert(&mut transaction, &unit, now).await?;
    let fact = AuditFact::UnitAdded {
        by: Some(actor.account),
        unit: unit.id,
        parent: parent.id,
    };
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await?;
    Ok(unit)
}

/// Changes a unit.
pub async fn change(
    context: &Context,
    actor: &Actor,
    id: UnitId,
    change: Change,
) -> Result<Unit, Error> {
    let mut transaction = context.store.begin().await?;
    let mut unit = visible(&mut transaction, actor, id).await?;
    policy::allow(actor, Action::ManageUnit, Resource::Unit(&unit.path))?;
    if let Some(name) = change.name {
        unit.name = unit::checked_name(&name)?;
    }
    if let Some(code) = change.code {
        unit.code = unit::checked_code(&code)?;
    }
    store::unit::update(&mut transaction, &unit).await?;
    let fact = AuditFact::UnitChanged {
        by: actor.account,
        unit: unit.id,
    };
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await?;
    Ok(unit)
}

/// A unit that the actor may know of; otherwise it is as if there were none.
pub async fn visible(db: &mut Connection, actor: &Actor, id: UnitId) -> Result<Unit, Error> {
    let unit = store::unit::find(db, id)
        .await?
        .ok_or_else(unit::not_found)?;
    if !policy::may(actor, Action::ReadUnit, Resource::Unit(&unit.path)) {
        return Err(unit::not_found().into());
    }
    Ok(unit)
}
