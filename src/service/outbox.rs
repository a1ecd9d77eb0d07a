//! Announcing after the commit: a use case writes announcements with its state, and the dispatcher
//! hands them to open event streams.

use std::sync::Arc;

use super::{Context, Error};
use crate::domain::announcement::Announcement;
use crate::store::{self, Connection, Transaction};

/// Announcements taken in one go.
const BATCH: u32 = 500;

/// Writes announcements in the caller's transaction. Finish it with [`commit`], so that they go
/// out at once; with a plain commit they go out within the dispatcher's next look.
pub async fn announce(
    context: &Context,
    db: &mut Connection,
    announcements: &[Announcement],
) -> Result<(), Error> {
    store::outbox::insert(db, announcements, context.now()).await
}

/// Commits, and wakes the dispatcher.
pub async fn commit(context: &Context, transaction: Transaction) -> Result<(), Error> {
    transaction.commit().await?;
    context.announced.notify_one();
    Ok(())
}

/// Announces everything that waits, in order; returns how many. An announcement whose positions
/// committed but which was not handed on (the server died in between) reaches its streams when
/// they resume. The shell calls this when [`Context::announced`] rings and now and then besides.
pub async fn dispatch(context: &Context) -> Result<usize, Error> {
    let mut count = 0;
    loop {
        let mut db = context.store.reader().await?;
        if !store::outbox::is_waiting(&mut db).await? {
            return Ok(count);
        }
        drop(db);
        let mut transaction = context.store.begin().await?;
        let batch = store::outbox::take_waiting(&mut transaction, BATCH).await?;
        transaction.commit().await?;
        count += batch.len();
        for announced in batch {
            context.events.publish(&Arc::new(announced));
        }
    }
}

/// Forgets announcements that are too old to resume from; returns how many.
pub async fn prune(context: &Context) -> Result<u64, Error> {
    let mut transaction = context.store.begin().await?;
    let pruned = store::outbox::prune(&mut transaction, context.now()).await?;
    transaction.commit().await?;
    Ok(pruned)
}
