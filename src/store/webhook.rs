//! Events that wait for other programs' endpoints.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error};

/// An event that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its place in the order of its endpoint.
    pub id: i64,
    /// As it is signed and sent.
    pub body: String,
}

/// Writes an event for each of the endpoints. One that is written already stays as it is.
pub async fn insert(
    db: &mut Connection,
    endpoints: &[String],
    event: Uuid,
    body: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into webhook (endpoint, event_id, body, created_at) \
         select e.endpoint, $2, $3, $4 from unnest($1::text[]) as e (endpoint) \
         on conflict on constraint webhook_endpoint_event_key do nothing",
        endpoints,
        event,
        body,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The first events that wait at an endpoint, in order.
pub async fn waiting(
    db: &mut Connection,
    endpoint: &str,
    limit: u32,
) -> Result<Vec<Waiting>, Error> {
    let rows = sqlx::query_as!(
        Waiting,
        "select id, body from webhook where endpoint = $1 order by id limit $2",
        endpoint,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// Forgets an event that was accepted.
pub async fn remove(db: &mut Connection, id: i64) -> Result<(), Error> {
    sqlx::query!("delete from webhook where id = $1", id)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets events written before a moment; returns how many.
pub async fn remove_before(db: &mut Connection, moment: DateTime<Utc>) -> Result<u64, Error> {
    let done = sqlx::query!("delete from webhook where created_at < $1", moment)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

/// Forgets all but the newest events of an endpoint; returns how many.
pub async fn remove_beyond(db: &mut Connection, endpoint: &str, newest: u32) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from webhook where endpoint = $1 and id <= ( \
             select id from webhook where endpoint = $1 order by id desc offset $2 limit 1)",
        endpoint,
        i64::from(newest),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets the events of all endpoints but these.
pub async fn remove_of_others(db: &mut Connection, endpoints: &[String]) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from webhook where endpoint <> all($1::text[])",
        endpoints
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
