//! Samples that travel together: one message, one record of the spool.

use std::sync::Arc;

use sample::Sample;

use crate::weight::weight;

/// Samples of one meter and one cycle.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The source of the pipeline that polled them: what is dropped is counted by it.
    pub source: Arc<str>,
    pub samples: Vec<Sample>,
    /// About how much memory they take.
    pub weight: usize,
}

impl Batch {
    pub(crate) fn new(source: Arc<str>, samples: Vec<Sample>) -> Self {
        let weight = weight(&samples);
        Self { source, samples, weight }
    }
}
