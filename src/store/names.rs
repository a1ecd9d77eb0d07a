//! Names behind ids of facts, which carry no names themselves.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Connection, Error};

/// Names of accounts (the person's), people and units among these ids.
pub async fn of(db: &mut Connection, ids: &[Uuid]) -> Result<BTreeMap<Uuid, String>, Error> {
    let rows = sqlx::query!(
        r#"select a.id as "id!", p.name as "name!"
               from account a join person p on p.id = a.person_id where a.id = any($1)
           union all select id, name from person where id = any($1)
           union all select id, name from unit where id = any($1)"#,
        ids,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
