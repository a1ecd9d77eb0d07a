//! People with their accounts and roles.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, role, unit, unreadable};
use crate::domain::actor::Role;
use crate::domain::id::{AccountId, PersonId, UnitId};
use crate::domain::person::{Account, Person};

/// Which people to list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Tops of the subtrees that may be seen.
    pub scopes: Vec<UnitId>,
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

struct Row {
    id: Uuid,
    name: String,
    kind: String,
    unit_id: Uuid,
    unit_name: String,
    unit_level: i16,
    unit_path: Vec<Uuid>,
    account_id: Option<Uuid>,
    username: Option<String>,
    disabled: bool,
}

/// Adds a person without an account.
pub async fn insert(db: &mut Connection, person: &Person, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into person (id, unit_id, kind, name, created_at) values ($1, $2, $3, $4, $5)",
        person.id.0,
        person.unit.id.0,
        person.kind.name(),
        person.name,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a person's name and unit.
pub async fn update(db: &mut Connection, person: &Person) -> Result<(), Error> {
    sqlx::query!(
        "update person set name = $2, unit_id = $3 where id = $1",
        person.id.0,
        person.name,
        person.unit.id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The people of these ids, by name.
pub async fn find_many(db: &mut Connection, ids: &[PersonId]) -> Result<Vec<Person>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select p.id, p.name, p.kind, p.unit_id, u.name as unit_name, u.level as unit_level,
               u.path as unit_path, a.id as "account_id?", a.username as "username?",
               (a.disabled_at is not null) as "disabled!"
           from person p join unit u on u.id = p.unit_id
               left join account a on a.person_id = p.id
           where p.id = any($1) order by p.name, p.id"#,
        &ids,
    )
    .fetch_all(&mut *db)
    .await?;
    with_grants(db, rows).await
}

/// The person of this id.
pub async fn find(db: &mut Connection, id: PersonId) -> Result<Option<Person>, Error> {
    Ok(find_many(db, &[id]).await?.pop())
}

/// The id of the person behind an account.
pub async fn id_of_account(
    db: &mut Connection,
    account: AccountId,
) -> Result<Option<PersonId>, Error> {
    let id = sqlx::query_scalar!("select person_id from account where id = $1", account.0)
        .fetch_optional(db)
        .await?;
    Ok(id.map(PersonId))
}

/// The person behind an account.
pub async fn of_account(db: &mut Connection, account: AccountId) -> Result<Option<Person>, Error> {
    match id_of_account(db, account).await? {
        Some(id) => find(db, id).await,
        None => Ok(None),
    }
}

/// One page of people by name, and how many there are on all pages.
pub async fn list(db: &mut Connection, filter: &Filter) -> Result<(Vec<Person>, u64), Error> {
    let scopes: Vec<Uuid> = filter.scopes.iter().map(|id| id.0).collect();
    let pattern = filter.text.as_deref().map(containing);
    let ids = sqlx::query!(
        r#"select p.id, count(*) over () as "total!"
           from person p join unit u on u.id = p.unit_id
               left join account a on a.person_id = p.id
           where u.path && $1
               and ($2::uuid is null or u.path @> array[$2::uuid])
               and ($3::text is null or p.name ilike $3 or a.username ilike $3)
               and ($4::text is null or exists (
                   select from role_grant g where g.account_id = a.id and g.role = $4))
           order by p.name, p.id limit $5 offset $6"#,
        &scopes,
        filter.unit.map(|id| id.0),
        pattern,
        filter.role.map(Role::name),
        i64::from(filter.limit),
        i64::try_from(filter.offset).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *db)
    .await?;
    let total = ids
        .first()
        .map_or(0, |row| u64::try_from(row.total).unwrap_or(0));
    let ids: Vec<_> = ids.into_iter().map(|row| PersonId(row.id)).collect();
    Ok((find_many(db, &ids).await?, total))
}

async fn with_grants(db: &mut Connection, rows: Vec<Row>) -> Result<Vec<Person>, Error> {
    let accounts: Vec<_> = rows
        .iter()
        .filter_map(|row| row.account_id.map(AccountId))
        .collect();
    let mut grants = role::of_accounts(db, &accounts).await?;
    rows.into_iter()
        .map(|row| {
            let account = row.account_id.map(AccountId).zip(row.username);
            Ok(Person {
                id: PersonId(row.id),
                name: row.name,
                kind: row.kind.parse().map_err(unreadable)?,
                unit: unit::reference(row.unit_id, row.unit_name, row.unit_level)?,
                unit_path: unit::path(row.unit_path)?,
                account: account.map(|(id, username)| Account {
                    id,
                    username,
                    disabled: row.disabled,
                    grants: grants.remove(&id).unwrap_or_default(),
                }),
            })
        })
        .collect()
}

/// A pattern of `ilike` for text that contains this, with its wild cards made plain.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
