//! A batch that the broker refuses for what it is: found among others, and the sample in it.
//!
//! A broker that will not have a message, for one that is larger than it takes, closes the channel and does not say which it was. So what was in
//! flight is sent again one by one; the batch that breaks the channel by itself is halved, and halved again, until a single sample is
//! left. That sample is set aside, but not before the broker has confirmed something else meanwhile: one that refuses everything has a
//! trouble of its own, and costs no sample.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use amqp::lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use amqp::lapin::{self, ErrorKind};
use sample::Sample;
use sample::signature::Secret;
use sample::wire;

use crate::queue::Taken;

/// Batches that are held back until the broker has confirmed another one. If it refuses so many, all are innocent.
const HELD: usize = 16;

/// The largest file of samples that were set aside, in bytes.
const MOST: u64 = 16 << 20;

/// Whether the broker broke off for what it was sent, and not for what it or the network is.
pub(crate) fn is_verdict(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(fault) = error.kind() else { return false };
    match fault.kind() {
        AMQPErrorKind::Soft(soft) => {
            matches!(soft, AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::CONTENTTOOLARGE)
        }
        AMQPErrorKind::Hard(hard) => {
            matches!(hard, AMQPHardError::FRAMEERROR | AMQPHardError::SYNTAXERROR)
        }
    }
}

/// Who may have broken the channel.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Batches that are to be sent alone.
    alone: usize,
    /// Whether the broker has confirmed anything since there are suspects.
    evidence: bool,
    /// What is left of batches that are sent in parts: the next part last.
    parts: HashMap<u64, Vec<Range<usize>>>,
    /// Batches of which a single sample was refused, until there is evidence.
    held: Vec<Taken>,
}

/// What is found of a batch that broke the channel.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on.
    Open,
    /// The sample at this position was refused by itself.
    Guilty(Taken, usize),
}

impl Suspects {
    /// Whether batches go one at a time.
    pub(crate) fn are_any(&self) -> bool {
        self.alone > 0
    }

    /// The part of a batch that is to be sent; none where it is whole, or nothing is left.
    pub(crate) fn rest(&self, taken: &Taken) -> Option<Range<usize>> {
        self.parts.get(&taken.number()).and_then(|parts| parts.last().cloned())
    }

    /// The broker has confirmed a batch, or its present part, which it gives.
    pub(crate) fn confirmed(&mut self, taken: &Taken) -> Range<usize> {
        let whole = 0..taken.samples().len();
        if self.alone == 0 {
            return whole;
        }
        self.evidence = true;
        self.held.clear();
        let part = self.parts.get_mut(&taken.number()).and_then(Vec::pop);
        self.close(taken);
        part.unwrap_or(whole)
    }

    /// One suspect less, where nothing of it is left.
    fn close(&mut self, taken: &Taken) {
        if self.rest(taken).is_none() {
            self.parts.remove(&taken.number());
            self.alone = self.alone.saturating_sub(1);
            if self.alone == 0 {
                *self = Self::default();
            }
        }
    }

    /// The channel broke with this batch in flight, beside so many others.
    pub(crate) fn accuse(&mut self, taken: Taken, others: usize) -> Verdict {
        if self.alone == 0 {
            self.alone = others + 1;
        }
        if others > 0 {
            return Verdict::Open;
        }
        let whole = 0..taken.samples().len();
        let parts = self.parts.entry(taken.number()).or_insert_with(|| vec![whole]);
        let Some(part) = parts.last().cloned() else { return Verdict::Open };
        if part.len() > 1 {
            parts.pop();
            let middle = part.start + part.len() / 2;
            parts.extend([middle..part.end, part.start..middle]);
            return Verdict::Open;
        }
        if self.evidence {
            parts.pop();
            let guilty = part.start;
            self.close(&taken);
            return Verdict::Guilty(taken, guilty);
        }
        // Another one goes first, to see whether the broker takes any.
        self.held.push(taken);
        self.alone = self.alone.max(self.held.len() + 1);
        if self.held.len() >= HELD {
            tracing::warn!("the broker refuses whatever it is sent: nothing is set aside for it");
            *self = Self::default();
        }
        Verdict::Open
    }
}

/// Where samples lie that the broker refuses: lines of signed sample dicts, as of a file publisher.
#[derive(Debug)]
pub(crate) struct Morgue {
    path: PathBuf,
}

impl Morgue {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes a sample's line. Where that fails the log has said what it was.
    pub(crate) fn lay(&self, sample: &Sample, secret: &Secret) {
        if let Err(error) = self.append(sample, secret) {
            tracing::warn!(file = %self.path.display(), "a sample that the broker refuses is not kept: {error}");
        }
    }

    fn append(&self, sample: &Sample, secret: &Secret) -> io::Result<()> {
        let mut line = Vec::new();
        wire::encode_line(sample, secret, &mut line);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        if file.metadata()?.len() + line.len() as u64 > MOST {
            return Err(io::Error::other("the file is full: move it away"));
        }
        file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::amqp_worker::tests::samples;
    use crate::batch::Batch;
    use crate::queue::Queue;

    /// A broker that refuses any message with one of these volumes, and one batch at a time.
    async fn deliver(
        batches: &[usize],
        refuses: impl Fn(u64) -> bool,
    ) -> (BTreeSet<u64>, BTreeSet<u64>, usize) {
        let queue = Queue::new(1_000);
        let mut volume = 0;
        for size in batches {
            let mut samples = samples(*size);
            for sample in &mut samples {
                sample.volume = sample::Volume::Count(volume);
                volume += 1;
            }
            queue.push(Batch::new("s".into(), samples));
        }
        let mut suspects = Suspects { alone: batches.len(), ..Suspects::default() };
        let (mut delivered, mut aside, mut tries) = (BTreeSet::new(), BTreeSet::new(), 0);
        let number = |sample: &Sample| match sample.volume {
            sample::Volume::Count(count) => count,
            _ => unreachable!("they are counts"),
        };
        while queue.waiting() > 0 && tries < 10_000 {
            tries += 1;
            let next = tokio::time::timeout(std::time::Duration::from_millis(50), queue.next()).await;
            // Nothing but what is held: it waits for other batches.
            let Ok(Some(taken)) = next else { break };
            let range = suspects.rest(&taken).unwrap_or(0..taken.samples().len());
            let volumes: Vec<u64> = taken.samples()[range].iter().map(number).collect();
            if volumes.iter().any(|volume| refuses(*volume)) {
                if let Verdict::Guilty(taken, position) = suspects.accuse(taken, 0) {
                    assert!(aside.insert(number(&taken.samples()[position])));
                    if suspects.rest(&taken).is_none() {
                        taken.done();
                    }
                }
                continue;
            }
            suspects.confirmed(&taken);
            assert!(volumes.into_iter().all(|volume| delivered.insert(volume)), "sent twice");
            if suspects.rest(&taken).is_none() {
                taken.done();
            }
        }
        (delivered, aside, tries)
    }

    #[tokio::test]
    async fn a_bad_sample_is_found_and_all_others_are_sent_once() {
        for bad in [0, 7, 24, 49] {
            let (delivered, aside, tries) = deliver(&[50, 50, 50], |volume| volume == 50 + bad).await;
            assert_eq!(aside, [50 + bad].into());
            assert_eq!(delivered.len(), 149);
            assert!(tries < 25, "{tries} tries");
        }
    }

    #[tokio::test]
    async fn batches_that_are_bad_throughout_are_emptied_once_another_was_taken() {
        let (delivered, aside, _) = deliver(&[4, 1, 4, 3], |volume| volume < 9).await;
        assert_eq!(aside, (0..9).collect());
        assert_eq!(delivered, (9..12).collect());
    }

    #[tokio::test]
    async fn a_broker_that_refuses_everything_costs_no_sample() {
        let (delivered, aside, _) = deliver(&[3; 40], |_| true).await;
        assert!(delivered.is_empty() && aside.is_empty());
        let (delivered, aside, _) = deliver(&[1], |_| true).await;
        assert!(delivered.is_empty() && aside.is_empty());
    }
}
