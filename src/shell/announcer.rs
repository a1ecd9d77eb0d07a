//! Keeps the outbox moving: announces after every commit, and forgets what is old.

use std::time::Duration;

use crate::service::{Context, outbox};

/// How long an announcement may wait when its commit did not ring, for another process wrote it.
const POLL: Duration = Duration::from_millis(200);

/// Between two rounds of forgetting old announcements.
const UPKEEP: Duration = Duration::from_secs(600);

/// Announces for ever. Failures (Postgres away) are written and tried again at the next look.
pub async fn run(context: Context) {
    loop {
        let _ = tokio::time::timeout(POLL, context.announced.notified()).await;
        if let Err(error) = outbox::dispatch(&context).await {
            tracing::warn!(%error, "announcements wait");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Looks after the outbox for ever.
pub async fn upkeep(context: Context) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        if let Err(error) = outbox::prune(&context).await {
            tracing::warn!(%error, "old announcements could not be forgotten");
        }
    }
}
