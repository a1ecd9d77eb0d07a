//! What time brings in the library: uploads that are given up, playbacks that fell silent.

use std::time::Duration;

use crate::service::{Context, library};
use crate::shell::foundation::whole;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(20);

/// Looks for ever. Failures (Postgres away) are written and tried again at the next look.
pub async fn upkeep(context: Context) {
    loop {
        if let Err(error) = library::expire(&context).await {
            tracing::warn!(error = whole(&error), "unfinished uploads stay for now");
        }
        if let Err(error) = library::end_silent(&context).await {
            tracing::warn!(error = whole(&error), "silent playbacks stay for now");
        }
        tokio::time::sleep(LOOK).await;
    }
}
