//! A place for each query, and connections to the store that serve one after the other.
//!
//! A query has its place from before it reads until its answer is sent, or whoever asked is gone and it has ended: so what answers take
//! together is bounded. Some more wait in line; the rest is told to come again. No token has all places, nor the whole line: one that
//! asks for much and reads it slowly does not keep the others waiting.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use store::{Reader, Store, StoreError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::access::Caller;
use crate::fault::{Fault, answer};

/// Queries in line for each place.
const IN_LINE: usize = 8;
/// How long one waits there: as long as the query before it may read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are handed on at once.
const CHUNK: usize = 64 << 10;

/// Runs queries.
#[derive(Debug)]
pub(crate) struct Queries {
    store: Arc<dyn Store>,
    /// Places, and those in line.
    line: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Of each token, by its name; as many as there are tokens that have asked.
    shares: Mutex<HashMap<String, Share>>,
    /// What a token may have of places, and of those and the line together.
    most: [usize; 2],
    /// Connections that nobody reads from; never more than places.
    idle: Arc<Mutex<Vec<Box<dyn Reader>>>>,
}

/// What a token may still take.
#[derive(Clone, Debug)]
struct Share {
    line: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Queries {
    pub(crate) fn new(store: Arc<dyn Store>, places: usize) -> Self {
        let places = places.clamp(1, 1_000);
        Self {
            store,
            line: Arc::new(Semaphore::new(places * (1 + IN_LINE))),
            places: Arc::new(Semaphore::new(places)),
            shares: Mutex::default(),
            most: [places.saturating_sub(1).max(1), (places * (1 + IN_LINE)).div_ceil(2)],
            idle: Arc::default(),
        }
    }

    /// Answers with what `query` reads: JSON text.
    pub(crate) async fn read<Q>(&self, who: &Caller, query: Q) -> Result<Response, Fault>
    where
        Q: FnOnce(&mut dyn Reader) -> Result<Vec<u8>, Fault> + Send + 'static,
    {
        let (store, idle) = (Arc::clone(&self.store), Arc::clone(&self.idle));
        self.run(who, StatusCode::OK, move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match kept {
                Some(reader) => reader,
                None => store.reader()?,
            };
            let text = query(&mut *reader);
            // After a fault inside it is left to be closed: the fault may be the connection's.
            if !text.as_ref().is_err_and(Fault::is_inside) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            }
            text
        })
        .await
    }

    /// Answers with what `write` did to the store.
    pub(crate) async fn write<W>(&self, who: &Caller, write: W) -> Result<Response, Fault>
    where
        W: FnOnce(&dyn Store) -> Result<Vec<u8>, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        self.run(who, StatusCode::CREATED, move || Ok(write(&*store)?)).await
    }

    fn share(&self, who: &Caller) -> Share {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let [places, line] = self.most.map(|most| Arc::new(Semaphore::new(most)));
            Share { line, places }
        };
        shares.entry(who.name.clone()).or_insert_with(new).clone()
    }

    async fn run<W>(&self, who: &Caller, status: StatusCode, work: W) -> Result<Response, Fault>
    where
        W: FnOnce() -> Result<Vec<u8>, Fault> + Send + 'static,
    {
        let share = self.share(who);
        let in_line = |line: Arc<Semaphore>| line.try_acquire_owned().map_err(|_| Fault::busy());
        let lines = [in_line(share.line)?, in_line(Arc::clone(&self.line))?];
        let places = tokio::time::timeout(PATIENCE, async {
            // Its own first: whoever waits for that has nobody else's.
            let own = share.places.acquire_owned().await?;
            Ok::<_, AcquireError>([own, Arc::clone(&self.places).acquire_owned().await?])
        });
        let Ok(Ok(places)) = places.await else { return Err(Fault::busy()) };
        // The places go with the work: it cannot be stopped when whoever asked is gone.
        let done = tokio::task::spawn_blocking(move || work().map(|text| (text, [lines, places]))).await;
        let (text, places) = done.map_err(|error| {
            tracing::error!(%error, "api: a query did not end");
            Fault::inside()
        })??;
        Ok(answer(status, Body::new(Answer { left: text.into(), _places: places })))
    }
}

impl Drop for Queries {
    /// Connections may wait for their end, which the threads that serve must not.
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        if !idle.is_empty() {
            std::thread::spawn(move || drop(idle));
        }
    }
}

/// An answer that has its place until it is sent.
#[derive(Debug)]
struct Answer {
    left: Bytes,
    _places: [[OwnedSemaphorePermit; 2]; 2],
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let most = self.left.len().min(CHUNK);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use store::Sqlite;

    use super::*;

    #[tokio::test]
    async fn one_token_leaves_a_place_for_the_others() {
        let queries = Queries::new(Arc::new(Sqlite::new("/nonexistent/samples.sqlite")), 2);
        let caller = |name: &str| Caller { name: name.into(), projects: None, write: false };
        let (greedy, other) = (caller("greedy"), caller("other"));
        let ask = |who| queries.run(who, StatusCode::OK, || Ok(b"[]".to_vec()));
        // Nobody reads this answer.
        let held = ask(&greedy).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), ask(&greedy)).await.is_err());
        ask(&other).await.unwrap();
        drop(held);
        ask(&greedy).await.unwrap();
    }
}
