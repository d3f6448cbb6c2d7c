//! Whether a publisher's target can be reached at this moment, without sending anything.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use amqp::ConnectError;
use uuid::Uuid;

use crate::Target;

/// How long a broker has for its goodbye: it has answered by then, and one that is slow or hangs must not hold up the probe.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a target cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The broker does not take a connection.
    #[error("failed to connect")]
    Broker(#[from] ConnectError),
    /// The file cannot be appended to.
    #[error("failed to open the file")]
    File(#[from] io::Error),
}

/// Tries each of the target's brokers by itself, with user, virtual host and TLS, or opens the file; nothing is declared and nothing
/// is written. Gives each by its name, without credentials.
pub async fn probe(target: &Target) -> Vec<(String, Result<(), Unreachable>)> {
    match target {
        Target::Amqp(settings) => {
            let mut found = Vec::with_capacity(settings.brokers.len());
            let name = format!("nephoscope-probe:{}:{}", std::process::id(), Uuid::new_v4());
            for broker in &settings.brokers {
                let outcome = match amqp::connect(std::slice::from_ref(broker), &name).await {
                    Ok(connection) => {
                        // It answered, which is what was asked; how it says goodbye is not.
                        let goodbye = connection.close(200, "OK".into());
                        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                };
                found.push((broker.url.to_string(), outcome));
            }
            found
        }
        Target::File(file) => {
            vec![(file.path.display().to_string(), appendable(&file.path).map_err(Into::into))]
        }
        Target::Stdout => Vec::new(),
    }
}

/// Whether the file can be appended to; a missing one is not made, but needs a folder to be made in.
fn appendable(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::metadata(path.parent().unwrap_or(Path::new("/"))).map(drop)
        }
        opened => opened.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AmqpSettings, FileSettings};

    #[tokio::test]
    async fn each_target_is_tried_by_itself_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file =
            |name: &str| Target::File(FileSettings { path: folder.path().join(name), ..Default::default() });
        assert!(probe(&file("samples.json")).await[0].1.is_ok());
        assert!(!folder.path().join("samples.json").exists());
        assert!(probe(&file("no/such/folder.json")).await[0].1.is_err());

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let broker = || amqp::Broker::new(format!("amqp://nova:s3cr3t@127.0.0.1:{port}/").parse().unwrap());
        let settings = AmqpSettings { brokers: vec![broker(), broker()], ..AmqpSettings::default() };
        let found = probe(&Target::Amqp(settings)).await;
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|(name, outcome)| outcome.is_err() && !name.contains("s3cr3t")));
        assert!(probe(&Target::Stdout).await.is_empty());
    }
}
