//! Where samples go that are created here: the way of all others, through the queue to the collector.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use sample::Sample;

/// What comes of a publication.
pub type Published<'a> = Pin<Box<dyn Future<Output = Result<(), Unpublished>> + Send + 'a>>;

/// Takes samples that were created by a request. Without one the API only reads.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Publishes the samples of one request. They have passed [`sample::check`], are of one meter and at most [`MAX_CREATED`]. The request
    /// is answered when this is done, so it should give up in good time.
    fn publish(&self, samples: Vec<Sample>) -> Published<'_>;
}

/// The most samples of one request.
pub const MAX_CREATED: usize = 1_000;

/// Nobody has confirmed the samples in time, and they may still go out. The log tells why; whoever sent them is told that it is not known
/// whether they will be stored.
#[derive(Debug, thiserror::Error)]
#[error("the samples were not confirmed")]
pub struct Unpublished(#[source] pub Box<dyn Error + Send + Sync>);
