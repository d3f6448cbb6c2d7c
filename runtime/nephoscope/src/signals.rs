//! SIGTERM and Ctrl-C: an orderly end.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT. A second one ends the program at once.
pub async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping after the batch in flight; a second signal stops at once");
    tokio::spawn(async move {
        // As shells report a program that a signal ended: 128 and the signal's number.
        let code = tokio::select! {
            _ = terminate.recv() => 128 + SignalKind::terminate().as_raw_value(),
            _ = interrupt.recv() => 128 + SignalKind::interrupt().as_raw_value(),
        };
        std::process::exit(code);
    });
    Ok(())
}
