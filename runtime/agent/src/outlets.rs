//! The publishers of the sinks: each publisher gets every sample of its sink.

use std::time::{Duration, Instant};

use config::Pipeline;
use futures_util::future::join_all;
use publisher::Publisher;
use sample::Sample;

/// The publishers of all sinks.
pub struct Outlets {
    /// By the position of the sink.
    sinks: Vec<Vec<Publisher>>,
}

impl Outlets {
    /// Starts a publisher for each one that the file names; none of them waits for its broker here.
    ///
    /// # Errors
    /// [`publisher::StartError`] of the first that cannot start: a file that cannot be opened.
    pub fn start(pipeline: &Pipeline) -> Result<Self, publisher::StartError> {
        let mut sinks = Vec::with_capacity(pipeline.sinks.len());
        for sink in &pipeline.sinks {
            let publishers: Result<Vec<_>, _> =
                sink.publishers.iter().map(|settings| Publisher::start(settings.value.clone())).collect();
            sinks.push(publishers?);
        }
        Ok(Self { sinks })
    }

    /// Hands a batch to every publisher of these sinks. Never waits: a publisher that cannot keep up drops its oldest and counts.
    pub fn publish(&self, sinks: &[usize], batch: Vec<Sample>) {
        let mut publishers = sinks.iter().flat_map(|sink| &self.sinks[*sink]).peekable();
        let mut batch = Some(batch);
        while let Some(publisher) = publishers.next() {
            let samples = if publishers.peek().is_some() { batch.clone() } else { batch.take() };
            publisher.publish(samples.unwrap_or_default());
        }
    }

    /// Lets a poll wait for those publishers of these sinks that deliver and are far behind, until `deadline` at most.
    pub fn pace(&self, sinks: &[usize], deadline: Instant) {
        for publisher in sinks.iter().flat_map(|sink| &self.sinks[*sink]) {
            publisher.pace(deadline);
        }
    }

    /// Waits until every publisher has delivered what it holds, for `deadline` at most. Says whether they all did.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let flushing = self.sinks.iter().flatten().map(|publisher| publisher.flush(deadline));
        join_all(flushing).await.into_iter().all(|delivered| delivered)
    }

    /// Waits until everything is delivered, at most this long, and ends the publishers; gives the number of samples that were lost
    /// since the start, dropped or refused, summed over the publishers.
    pub async fn close(self, deadline: Duration) -> u64 {
        // All at once: one whose broker is away must not take the time of the others.
        let closing = self.sinks.into_iter().flatten().map(|publisher| publisher.close(deadline));
        join_all(closing).await.iter().map(|stats| stats.dropped + stats.refused_samples()).sum()
    }
}
