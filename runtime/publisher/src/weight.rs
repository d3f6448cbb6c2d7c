//! About how much memory a waiting sample takes, so that a queue can be bounded by it.

use sample::Sample;

/// A sample without keys of its own: the struct, its id, and its share of what others have too.
const SAMPLE: usize = 512;

/// Bytes of these samples, about. Metadata of the instance is shared by its samples and not counted; what a sample adds to it is counted
/// with each of those that share it, for they may leave the queue at different times.
pub(crate) fn weight(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| SAMPLE + sample.extra.as_ref().map_or(0, |extra| extra.weight())).sum()
}
