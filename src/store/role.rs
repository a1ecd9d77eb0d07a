//! Roles over subtrees of units.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, unit, unreadable};
use crate::domain::actor::{Role, RoleGrant};
use crate::domain::id::{AccountId, UnitId};

/// The grants of each of these accounts, by role and unit level.
pub async fn of_accounts(
    db: &mut Connection,
    accounts: &[AccountId],
) -> Result<BTreeMap<AccountId, Vec<RoleGrant>>, Error> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select g.account_id, g.role, u.id, u.name, u.level, u.path \
         from role_grant g join unit u on u.id = g.unit_id \
         where g.account_id = any($1) order by g.account_id, g.role, u.level, u.code",
        &accounts,
    )
    .fetch_all(db)
    .await?;
    let mut grants: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        let role: Role = row.role.parse().map_err(unreadable)?;
        let unit_ref = unit::reference(row.id, row.name, row.level)?;
        let path = unit::path(row.path)?;
        let of_account = grants.entry(AccountId(row.account_id)).or_default();
        of_account.push(RoleGrant {
            role,
            unit: unit_ref,
            path,
        });
    }
    Ok(grants)
}

/// Grants a role; false when it was held already.
pub async fn grant(
    db: &mut Connection,
    account: AccountId,
    role: Role,
    unit: UnitId,
    by: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into role_grant (account_id, role, unit_id, granted_at, granted_by) \
         values ($1, $2, $3, $4, $5) on conflict on constraint role_grant_pkey do nothing",
        account.0,
        role.name(),
        unit.0,
        now,
        by.map(|id| id.0),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a role; false when it was not held.
pub async fn revoke(
    db: &mut Connection,
    account: AccountId,
    role: Role,
    unit: UnitId,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "delete from role_grant where account_id = $1 and role = $2 and unit_id = $3",
        account.0,
        role.name(),
        unit.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
