//! Accounts: what signing in and every request reads.

use chrono::{DateTime, Utc};

use super::{Connection, Error, role};
use crate::domain::actor::Actor;
use crate::domain::id::{AccountId, PersonId, TokenFamilyId};

/// What signing in compares.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub account: AccountId,
    /// Its username as first written.
    pub username: String,
    /// PHC string of argon2id.
    pub password_hash: String,
    /// Whether signing in is barred.
    pub disabled: bool,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// Whose it is; one account a person.
    pub person: PersonId,
    /// Unique without regard to case.
    pub username: String,
    /// PHC string of argon2id.
    pub password_hash: String,
}

/// Adds an account.
pub async fn insert(
    db: &mut Connection,
    account: &NewAccount,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into account (id, person_id, username, password_hash, created_at) \
         values ($1, $2, $3, $4, $5)",
        account.id.0,
        account.person.0,
        account.username,
        account.password_hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Credentials by username, without regard to case.
pub async fn credentials(
    db: &mut Connection,
    username: &str,
) -> Result<Option<Credentials>, Error> {
    let row = sqlx::query!(
        "select id, username, password_hash, disabled_at from account \
         where lower(username) = lower($1)",
        username,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Credentials {
        account: AccountId(row.id),
        username: row.username,
        password_hash: row.password_hash,
        disabled: row.disabled_at.is_some(),
    }))
}

/// Credentials by account.
pub async fn credentials_of(
    db: &mut Connection,
    account: AccountId,
) -> Result<Option<Credentials>, Error> {
    let row = sqlx::query!(
        "select id, username, password_hash, disabled_at from account where id = $1",
        account.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Credentials {
        account: AccountId(row.id),
        username: row.username,
        password_hash: row.password_hash,
        disabled: row.disabled_at.is_some(),
    }))
}

/// Sets the hash of a password.
pub async fn set_password(
    db: &mut Connection,
    account: AccountId,
    password_hash: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "update account set password_hash = $2 where id = $1",
        account.0,
        password_hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Bars an account, or lets it in again; false when that was so already.
pub async fn set_disabled(
    db: &mut Connection,
    account: AccountId,
    disabled: bool,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update account set disabled_at = case when $2 then $3::timestamptz end \
         where id = $1 and (disabled_at is not null) <> $2",
        account.0,
        disabled,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The actor of a request; none when the account is barred or the sign-in has ended.
pub async fn actor(
    db: &mut Connection,
    account: AccountId,
    family: TokenFamilyId,
) -> Result<Option<Actor>, Error> {
    let person = sqlx::query_scalar!(
        "select a.person_id from account a join token_family f on f.account_id = a.id \
         where a.id = $1 and f.id = $2 and a.disabled_at is null and f.ended_at is null",
        account.0,
        family.0,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(person) = person else {
        return Ok(None);
    };
    let mut grants = role::of_accounts(db, &[account]).await?;
    Ok(Some(Actor {
        account,
        person: PersonId(person),
        family,
        grants: grants.remove(&account).unwrap_or_default(),
    }))
}

/// The locale that an account reads.
pub async fn locale(db: &mut Connection, account: AccountId) -> Result<String, Error> {
    Ok(
        sqlx::query_scalar!("select locale from account where id = $1", account.0)
            .fetch_one(db)
            .await?,
    )
}
