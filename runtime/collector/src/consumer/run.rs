//! The collector from start to end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{io, thread};

use amqp::Backoff;
use store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::commit::Committer;
use super::counters::{Counters, Summary};
use super::decode::{Decoder, chain};
use super::session::{DRAIN, Pipeline, Session, SessionError};
use super::upkeep::Upkeep;
use crate::Settings;
use crate::settings::MAX_DECODERS;

/// Decoded messages that wait for the committer: enough that it never waits for a decoder, few beside the prefetch.
const DECODED_AHEAD: usize = 32;
/// A connection that stood this long is a success, after which waits begin small again.
const STABLE: Duration = Duration::from_secs(10);
/// How often the counts are logged, if they changed.
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// The number of no connection; they count from 1 on.
const NO_SESSION: u64 = 0;
/// How long the committing thread may take to end; longer than the store's own wait for a lock.
const END: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);
/// How long closing the connection may take.
const CLOSE: Duration = Duration::from_secs(5);

/// Why a collector does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The store cannot be opened; what fails later is tried again instead.
    #[error("failed to open the store")]
    Store(#[source] StoreError),
    /// The system gives no thread.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
    /// A thread behind the connections ended, by a fault of this program. What was not acknowledged comes again, to the next
    /// process.
    #[error("a thread that decodes or commits ended before its time")]
    Ended,
}

/// Collects until `shutdown` comes true; then takes in nothing more, commits and acknowledges what it has, and returns what it did.
/// A broker that is away, from the start or later, is waited for.
///
/// # Errors
/// [`CollectError`]: at the start; later [`CollectError::Ended`] alone, after which a supervisor shall start it anew.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<Summary, CollectError> {
    let counters = Arc::new(Counters::default());
    let give_up = Arc::new(AtomicBool::new(false));
    let (mut pipeline, committer) = start(&settings, &counters, &give_up).await?;
    let worked = work(&settings, &mut pipeline, shutdown);
    let report = report(&counters);
    let worked = tokio::select! {
        worked = worked => worked,
        () = report => Ok(()),
    };
    // Without a sender the decoders end, and then the committer; what it still has was not acknowledged.
    give_up.store(true, Relaxed);
    pipeline.session.store(NO_SESSION, Relaxed);
    drop(pipeline);
    end(committer, &*settings.store).await;
    let summary = counters.summary();
    tracing::info!("collected: {summary}");
    worked.map(|()| summary)
}

/// Waits for the committing thread, but not for a store that answers nothing any more: a frozen database, a file on a network that is
/// gone. The thread then ends with the process, and what it had is the broker's still.
async fn end(committer: thread::JoinHandle<()>, store: &dyn Store) {
    let until = Instant::now() + END;
    while !committer.is_finished() {
        if Instant::now() > until {
            tracing::error!(%store, "the store does not answer; ended without it");
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    if committer.join().is_err() {
        tracing::error!("the committing thread ended badly");
    }
}

/// The threads behind all connections.
async fn start(
    settings: &Settings,
    counters: &Arc<Counters>,
    give_up: &Arc<AtomicBool>,
) -> Result<(Pipeline, thread::JoinHandle<()>), CollectError> {
    let store = settings.store.clone();
    let opened = tokio::task::spawn_blocking(move || store.writer()).await;
    let (writer, trouble) = match opened.map_err(|fault| CollectError::Thread(io::Error::other(fault)))? {
        Ok(writer) => (Some(writer), None),
        // As while it runs: nothing is acknowledged until the store takes samples.
        Err(error) if error.may_pass() => {
            let (store, reason) = (&settings.store, error.label());
            tracing::error!(%store, reason, error = chain(&error), "the store does not take samples; nothing is acknowledged meanwhile");
            (None, Some(reason))
        }
        Err(error) => return Err(CollectError::Store(error)),
    };
    let session = Arc::new(AtomicU64::new(NO_SESSION));
    let (work, messages) = mpsc::channel(settings.in_flight());
    let (decoded_sender, decoded) = std::sync::mpsc::sync_channel(DECODED_AHEAD);
    let (settled_sender, settled) = mpsc::unbounded_channel();
    let committer = Committer {
        store: settings.store.clone(),
        writer,
        samples: settings.commit_samples.max(1),
        // Half of what one queue hands out: the other half is decoded meanwhile.
        messages: usize::from(settings.prefetch.div_ceil(2).max(1)),
        linger: settings.commit_linger,
        upkeep: Upkeep::new(settings.retention),
        counters: counters.clone(),
        trouble,
        give_up: give_up.clone(),
    };
    let committer = thread::Builder::new()
        .name("commit".into())
        .spawn(move || committer.run(&decoded, &settled_sender))
        .map_err(CollectError::Thread)?;
    let threads = match settings.decoders {
        0 => thread::available_parallelism().map_or(1, usize::from).min(MAX_DECODERS),
        threads => threads,
    };
    let decoder = Decoder {
        secret: settings.secret.clone(),
        longest_body: settings.longest_body(),
        session: session.clone(),
        counters: counters.clone(),
    };
    Arc::new(decoder).start(threads, messages, &decoded_sender).map_err(CollectError::Thread)?;
    Ok((Pipeline { work, session, settled, counters: counters.clone() }, committer))
}

/// Connection after connection, until shutdown, or until a thread is gone without which no connection would help.
async fn work(
    settings: &Settings,
    pipeline: &mut Pipeline,
    shutdown: impl Future<Output = ()>,
) -> Result<(), CollectError> {
    let mut shutdown = pin!(shutdown);
    let mut backoff = Backoff::default();
    // Said once, however often it is tried again.
    let mut trouble = None;
    let name = format!("nephoscope-collector:{}", std::process::id());
    let mut number = NO_SESSION;
    loop {
        number += 1;
        pipeline.session.store(number, Relaxed);
        let begun = Instant::now();
        let mut stopping = false;
        let ended = {
            let mut stop = pin!(async {
                shutdown.as_mut().await;
                stopping = true;
            });
            let connection = tokio::select! {
                () = &mut stop => return Ok(()),
                connection = amqp::connect(&settings.brokers, &name) => connection,
            };
            match connection {
                Err(error) => Err((error.label(), chain(&error))),
                Ok(connection) => {
                    pipeline.counters.connections.fetch_add(1, Relaxed);
                    let session = async {
                        let session = tokio::select! {
                            () = &mut stop => return Ok(()),
                            session = Session::open(number, &connection, settings, &mut *pipeline) => session?,
                        };
                        tracing::info!(queues = ?settings.queues(), store = %settings.store, "collecting");
                        trouble = None;
                        session.work(stop).await
                    };
                    let ended = session.await;
                    // What it would say is of no interest: the connection may be broken already.
                    let _ = tokio::time::timeout(CLOSE, connection.close(200, "OK".into())).await;
                    connection.abort();
                    match ended {
                        Err(SessionError::Committer) => return Err(CollectError::Ended),
                        ended => ended.map_err(|error| (error.label(), chain(&error))),
                    }
                }
            }
        };
        match ended {
            Ok(()) => return Ok(()),
            Err((reason, error)) if stopping => {
                tracing::warn!(
                    reason,
                    error,
                    "stopped while the connection failed; unacknowledged messages will come again"
                );
                return Ok(());
            }
            Err((reason, error)) => {
                if begun.elapsed() > STABLE {
                    backoff.reset();
                }
                let wait = backoff.next_wait();
                if trouble.replace(reason) == Some(reason) {
                    tracing::debug!(reason, error, retry_in = ?wait, "still not collecting");
                } else {
                    tracing::error!(reason, error, retry_in = ?wait, "not collecting");
                }
                tokio::select! {
                    () = &mut shutdown => return Ok(()),
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}

/// Logs the counts; never returns.
async fn report(counters: &Counters) {
    let mut last = counters.summary();
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let now = counters.summary();
        if now != last {
            tracing::info!("so far: {now}");
            last = now;
        }
    }
}

// A stopping collector may wait this long for the store, and the store's own wait for a lock is shorter.
const _: () = assert!(DRAIN.as_secs() > 5);
