//! Why nothing is published at this moment, and what was said of it.

use std::time::Duration;

use amqp::lapin;
use amqp::{ConnectError, DeclareError};

/// Why there is nothing to publish on at this moment.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Declare(#[from] DeclareError),
    #[error("the connection is lost")]
    Connection(#[source] lapin::Error),
    #[error("the channel is closed")]
    Channel(#[source] lapin::Error),
    #[error("the broker confirms nothing for {0:?}, though it has blocked nothing")]
    Unconfirmed(Duration),
    #[error("no queue takes the messages ({0}): is the queue's binding gone, or an alternate one missing?")]
    Unroutable(String),
}

impl Trouble {
    fn label(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.label(),
            Self::Declare(error) => error.label(),
            Self::Connection(_) => "connection-lost",
            Self::Channel(_) => "channel-closed",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Unroutable(_) => "unroutable",
        }
    }
}

/// Says each trouble once, and its end.
#[derive(Default)]
pub(super) struct State {
    pub(super) trouble: Option<&'static str>,
}

impl State {
    pub(super) fn failed(&mut self, trouble: &Trouble) {
        let label = trouble.label();
        if self.trouble != Some(label) {
            tracing::warn!(
                reason = label,
                error = trouble as &dyn std::error::Error,
                "publishing over AMQP is interrupted"
            );
            self.trouble = Some(label);
        }
    }

    /// What is wrong with what is published shows only then.
    pub(super) fn serves(&mut self, exchange: &str) {
        if !matches!(self.trouble, Some("unconfirmed" | "unroutable")) {
            self.confirmed(exchange);
        }
    }

    pub(super) fn confirmed(&mut self, exchange: &str) {
        tracing::info!(exchange, recovered = self.trouble.is_some(), "publishing over AMQP");
        self.trouble = None;
    }
}
