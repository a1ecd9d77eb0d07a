//! Families of rotating refresh tokens. Only hashes are stored.

use chrono::{DateTime, Utc};

use super::{Connection, Error};
use crate::domain::fact::Hash;
use crate::domain::id::{AccountId, TokenFamilyId};

/// Why a family of tokens ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner signed out.
    SignedOut,
    /// A token came twice: one of the two who hold it is not the owner.
    Reused,
    /// The password changed elsewhere.
    PasswordChanged,
    /// The account was barred.
    Disabled,
    /// The account signed in on too many devices; the oldest gives way.
    CrowdedOut,
}

impl EndReason {
    fn name(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Reused => "reused",
            Self::PasswordChanged => "password_changed",
            Self::Disabled => "disabled",
            Self::CrowdedOut => "crowded_out",
        }
    }
}

/// A stored refresh token with its family and account.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The family.
    pub family: TokenFamilyId,
    /// Whose it is.
    pub account: AccountId,
    /// End of its life.
    pub expires_at: DateTime<Utc>,
    /// Whether it was exchanged already.
    pub used: bool,
    /// Whether the family ended or the account is barred.
    pub ended: bool,
}

/// Begins a family.
pub async fn begin_family(
    db: &mut Connection,
    family: TokenFamilyId,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into token_family (id, account_id, created_at) values ($1, $2, $3)",
        family.0,
        account.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds a token to a family.
pub async fn insert(
    db: &mut Connection,
    hash: &Hash,
    family: TokenFamilyId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into refresh_token (hash, family_id, issued_at, expires_at) \
         values ($1, $2, $3, $4)",
        hash,
        family.0,
        now,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The token of this hash, locked with its family until the transaction ends.
pub async fn find(db: &mut Connection, hash: &Hash) -> Result<Option<StoredToken>, Error> {
    let row = sqlx::query!(
        r#"select t.family_id, f.account_id, t.expires_at, (t.used_at is not null) as "used!",
               (f.ended_at is not null or a.disabled_at is not null) as "ended!"
           from refresh_token t
               join token_family f on f.id = t.family_id
               join account a on a.id = f.account_id
           where t.hash = $1 for update of t, f"#,
        hash,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| StoredToken {
        family: TokenFamilyId(row.family_id),
        account: AccountId(row.account_id),
        expires_at: row.expires_at,
        used: row.used,
        ended: row.ended,
    }))
}

/// Marks a token as exchanged.
pub async fn mark_used(db: &mut Connection, hash: &Hash, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update refresh_token set used_at = $2 where hash = $1",
        hash,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets tokens of a family that are out of date, so that a family that lives on stays small.
pub async fn forget_expired(
    db: &mut Connection,
    family: TokenFamilyId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "delete from refresh_token where family_id = $1 and expires_at <= $2",
        family.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a family; false when it had ended already.
pub async fn end_family(
    db: &mut Connection,
    family: TokenFamilyId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update token_family set ended_at = $2, end_reason = $3 \
         where id = $1 and ended_at is null",
        family.0,
        now,
        reason.name(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all families of an account but the newest `keep` (and but `except`).
pub async fn end_families(
    db: &mut Connection,
    account: AccountId,
    keep: u32,
    except: Option<TokenFamilyId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "update token_family set ended_at = $2, end_reason = $3 where id in ( \
             select id from token_family \
             where account_id = $1 and ended_at is null and id is distinct from $5 \
             order by created_at desc, id desc offset $4)",
        account.0,
        now,
        reason.name(),
        i64::from(keep),
        except.map(|id| id.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets families of this account whose last token is out of date: none can be used or reused.
pub async fn prune(
    db: &mut Connection,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "delete from token_family f where f.account_id = $1 and not exists ( \
             select from refresh_token t where t.family_id = f.id and t.expires_at > $2)",
        account.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
