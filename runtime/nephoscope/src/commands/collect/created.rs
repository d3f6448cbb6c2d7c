//! Samples that are created by requests: published to the queue that the collector consumes, signed as all others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::sink::Published;
use api::{Sink, Unpublished};
use collector::Settings;
use publisher::{AmqpSettings, Publisher, StartError, Target};
use sample::Sample;

/// How long the broker may take to confirm a request's samples.
const PATIENCE: Duration = Duration::from_secs(10);

/// A publisher of the collector's own.
pub struct Created {
    publisher: Publisher,
    source: Arc<str>,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Created")
    }
}

impl Created {
    /// Publishes to the first of the queues that are consumed.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        // One is enough, and a configuration has at least one.
        let topics = settings.topics.iter().take(1).cloned().collect();
        let target = Target::Amqp(AmqpSettings {
            brokers: settings.brokers.clone(),
            exchange: settings.exchange.clone(),
            topics,
            flags: settings.flags,
            ..AmqpSettings::default()
        });
        let settings =
            publisher::Settings { secret: settings.secret.clone(), ..publisher::Settings::new(target) };
        Ok(Self { publisher: Publisher::start(settings)?, source: Arc::from("api") })
    }

    pub async fn close(self, deadline: Duration) {
        self.publisher.close(deadline).await;
    }
}

impl Sink for Created {
    fn publish(&self, samples: Vec<Sample>) -> Published<'_> {
        Box::pin(async move {
            let lost = self.publisher.stats().lost_samples();
            self.publisher.publish(&self.source, samples);
            if !self.publisher.flush(PATIENCE).await {
                return Err(Unpublished(
                    "the broker has not confirmed them yet; it may still take them".into(),
                ));
            }
            match self.publisher.stats().lost_samples() == lost {
                true => Ok(()),
                false => Err(Unpublished("they were refused or dropped".into())),
            }
        })
    }
}
