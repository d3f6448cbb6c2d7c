//! The publishers of the sinks: each publisher gets every sample of its sink.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Pipeline;
use futures_util::future::join_all;
use publisher::{Publisher, Target, spool};
use sample::Sample;

/// The publishers of all sinks.
pub struct Outlets {
    /// By the position of the sink.
    sinks: Vec<Vec<Publisher>>,
}

impl Outlets {
    /// Starts a publisher for each one that the file names, without spools; none of them waits for its broker here.
    ///
    /// # Errors
    /// [`publisher::StartError`] of the first that cannot start: a file that cannot be opened.
    pub fn start(pipeline: &Pipeline) -> Result<Self, publisher::StartError> {
        Self::start_with(pipeline, None)
    }

    /// The same, with a spool of its own for each publisher to a broker.
    ///
    /// # Errors
    /// [`publisher::StartError`] of the first that cannot start.
    pub fn start_with(
        pipeline: &Pipeline,
        spool: Option<&config::SpoolFolder>,
    ) -> Result<Self, publisher::StartError> {
        let mut sinks = Vec::with_capacity(pipeline.sinks.len());
        let mut used = Vec::new();
        for sink in &pipeline.sinks {
            let mut publishers = Vec::with_capacity(sink.publishers.len());
            for (position, settings) in sink.publishers.iter().enumerate() {
                let mut settings = settings.value.clone();
                if let (Some(spool), Target::Amqp(_)) = (spool, &settings.target) {
                    let spool = spool.of(&sink.name, position + 1);
                    used.push(spool.path.clone());
                    settings.spool = Some(spool);
                }
                publishers.push(Publisher::start(settings)?);
            }
            sinks.push(publishers);
        }
        if let Some(spool) = spool {
            tell_of_orphans(&spool.folder, &used);
        }
        Ok(Self { sinks })
    }

    /// Hands a batch that a source has polled to every publisher of these sinks. Never waits: a publisher that cannot keep up drops its oldest
    /// and counts.
    pub fn publish(&self, sinks: &[usize], source: &Arc<str>, batch: Vec<Sample>) {
        let mut publishers = sinks.iter().flat_map(|sink| &self.sinks[*sink]).peekable();
        let mut batch = Some(batch);
        while let Some(publisher) = publishers.next() {
            let samples = if publishers.peek().is_some() { batch.clone() } else { batch.take() };
            publisher.publish(source, samples.unwrap_or_default());
        }
    }

    /// Whether every publisher of these sinks takes more samples: one whose spool is full may want polling to pause.
    pub fn have_room(&self, sinks: &[usize]) -> bool {
        sinks.iter().flat_map(|sink| &self.sinks[*sink]).all(Publisher::has_room)
    }

    /// Waits until what was published to these sinks is in their spools, until `deadline` at most. Says whether it is in all of them; none
    /// where there is no spool.
    pub fn kept(&self, sinks: &[usize], deadline: Instant) -> Option<bool> {
        let publishers = sinks.iter().flat_map(|sink| &self.sinks[*sink]);
        publishers.filter_map(|publisher| publisher.kept(deadline)).reduce(|all, kept| all && kept)
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
    /// since the start, dropped, refused or set aside, summed over the publishers. What stays in a spool is not lost.
    pub async fn close(self, deadline: Duration) -> u64 {
        // All at once: one whose broker is away must not take the time of the others.
        let closing = self.sinks.into_iter().flatten().map(|publisher| publisher.close(deadline));
        join_all(closing).await.iter().map(publisher::Stats::lost_samples).sum()
    }
}

/// Spools of sinks that are no more, or have another name now, may hold samples.
fn tell_of_orphans(folder: &Path, used: &[PathBuf]) {
    match spool::orphans(folder, used) {
        Ok(orphans) => {
            for spool in orphans {
                tracing::warn!(
                    spool = %spool.display(),
                    "a spool that belongs to no publisher of this pipeline: its samples wait until a sink has that name again, or it is deleted"
                );
            }
        }
        Err(error) => {
            tracing::warn!(folder = %folder.display(), "the folder of the spools cannot be read: {error}")
        }
    }
}
