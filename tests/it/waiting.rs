//! The one way in which tests wait: with a limit, and a name for what did not come.

use std::time::Duration;

/// The longest that anything here may take on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits for something that comes by itself.
pub async fn coming<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WITHIN, future).await {
        Ok(came) => came,
        Err(_) => panic!("not within {WITHIN:?}: {what}"),
    }
}

/// Looks until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    coming(what, looking).await;
}
