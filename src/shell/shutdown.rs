//! Waiting for the signals that end a server.

use tokio::signal::unix::{SignalKind, signal};

/// Returns the name of the first of SIGINT (Ctrl-C) and SIGTERM (service managers) that comes.
pub async fn asked() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}
