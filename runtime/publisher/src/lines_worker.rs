//! Batches to a file or to standard output, a JSON object per line.
//!
//! The lines are those of Ceilometer's file publisher with `?json`: the signed sample dicts. Its other form, the text that
//! Python prints for a dict, is not offered, as nothing but Python reads it.
//!
//! The file is opened for each batch. That costs some microseconds and gains that a file which logrotate moved away is
//! missed by nobody, and that an error leaves nothing to mend but its own partial line, which is taken back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amqp::Backoff;
use sample::signature::Secret;
use sample::wire;

use crate::Shared;
use crate::settings::FileSettings;

/// Where the lines go.
#[derive(Clone, Debug)]
pub(crate) enum Lines {
    File(FileSettings),
    Stdout,
}

/// Whether the file can be appended to; creates it.
pub(crate) fn probe(settings: &FileSettings) -> io::Result<()> {
    open(&settings.path).map(drop)
}

/// Writes what the queue gives until it is closed.
pub(crate) async fn run(shared: Arc<Shared>, lines: Lines, secret: Secret) {
    let mut backoff = Backoff::default();
    let mut failing = false;
    while let Some(taken) = shared.queue.next().await {
        let mut batch = Batch::default();
        for sample in taken.samples() {
            wire::encode_line(sample, &secret, &mut batch.text);
            batch.ends.push(batch.text.len());
        }
        shared.counters.publish(taken.samples().len());
        let target = lines.clone();
        // A disk or a pipe may take its time; the polls share the runtime's threads.
        let written = tokio::task::spawn_blocking(move || batch.write(&target)).await;
        match written.unwrap_or_else(|fault| Err(io::Error::other(fault))) {
            Ok(()) => {
                shared.counters.confirm(taken.samples().len());
                taken.done();
                backoff.reset();
                if std::mem::take(&mut failing) {
                    tracing::info!(target = %lines, "samples are written again");
                }
            }
            Err(error) => {
                drop(taken);
                shared.counters.write_error();
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(target = %lines, error = &error as &dyn std::error::Error, "failed to write samples");
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                    () = shared.queue.closed() => {}
                }
            }
        }
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(settings) => write!(f, "{}", settings.path.display()),
            Self::Stdout => f.write_str("standard output"),
        }
    }
}

/// Lines, and where each ends.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn write(&self, lines: &Lines) -> io::Result<()> {
        match lines {
            Lines::File(settings) => self.append(settings),
            Lines::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&self.text)?;
                out.flush()
            }
        }
    }

    /// All the lines, in pieces where the file is rotated in between.
    fn append(&self, settings: &FileSettings) -> io::Result<()> {
        let rotates = settings.max_bytes > 0 && settings.backup_count > 0;
        let mut start = 0;
        while start < self.text.len() {
            let mut file = open(&settings.path)?;
            let length = file.metadata()?.len();
            let room = if rotates { settings.max_bytes.saturating_sub(length) } else { u64::MAX };
            let fits = |end: &&usize| (**end - start) as u64 <= room;
            let end = self.ends.iter().filter(|end| **end > start).take_while(fits).last().copied();
            let end = match end {
                Some(end) => end,
                // A line that is longer than a whole file gets one of its own.
                None if length == 0 => {
                    self.ends.iter().find(|end| **end > start).copied().unwrap_or(self.text.len())
                }
                None => {
                    rotate(settings)?;
                    continue;
                }
            };
            if let Err(error) = file.write_all(&self.text[start..end]) {
                // What was written of them would be in the way of the next attempt.
                let _ = file.set_len(length);
                return Err(error);
            }
            start = end;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// `path` becomes `path.1`, `path.1` becomes `path.2`; the last is replaced.
fn rotate(settings: &FileSettings) -> io::Result<()> {
    for number in (1..settings.backup_count).rev() {
        match std::fs::rename(numbered(&settings.path, number), numbered(&settings.path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&settings.path, numbered(&settings.path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::amqp_worker::tests::samples;
    use crate::{Publisher, Settings, StartError, Target};

    fn numbers(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let number = |line: &str| {
            let dict: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(sample::signature::verify(dict.as_object().unwrap(), &Secret::new("s")));
            dict["counter_volume"].as_u64().unwrap()
        };
        text.lines().map(number).collect()
    }

    fn settings(file: FileSettings) -> Settings {
        Settings { secret: Secret::new("s"), ..Settings::new(Target::File(file)) }
    }

    #[tokio::test]
    async fn a_file_gets_a_signed_dict_per_line_and_keeps_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples");
        for run in 1..=2 {
            let publisher =
                Publisher::start(settings(FileSettings { path: path.clone(), ..Default::default() }))
                    .unwrap();
            publisher.publish(&"all".into(), samples(120));
            let stats = publisher.close(Duration::from_secs(10)).await;
            assert_eq!((stats.confirmed, stats.dropped_samples()), (120, 0));
            assert_eq!(numbers(&path), (0..120).cycle().take(run * 120).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn files_rotate_before_they_grow_past_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples");
        let file = FileSettings { path: path.clone(), max_bytes: 4_000, backup_count: 3 };
        let publisher = Publisher::start(settings(file)).unwrap();
        publisher.publish(&"all".into(), samples(30));
        publisher.close(Duration::from_secs(10)).await;
        let files: Vec<PathBuf> =
            [3, 2, 1].map(|number| numbered(&path, number)).into_iter().chain([path.clone()]).collect();
        let all: Vec<u64> = files.iter().flat_map(|path| numbers(path)).collect();
        assert_eq!(
            all,
            (30 - all.len() as u64..30).collect::<Vec<_>>(),
            "the newest samples, in order, none twice"
        );
        for path in &files {
            assert!((1..=4_000).contains(&std::fs::metadata(path).unwrap().len()));
        }
        assert!(!numbered(&path, 4).exists());
    }

    #[tokio::test]
    async fn a_line_larger_than_a_file_may_be_is_still_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples");
        let publisher =
            Publisher::start(settings(FileSettings { path: path.clone(), max_bytes: 1, backup_count: 2 }))
                .unwrap();
        publisher.publish(&"all".into(), samples(3));
        publisher.close(Duration::from_secs(10)).await;
        assert_eq!(numbers(&path), [2]);
        assert_eq!(numbers(&numbered(&path, 2)), [0]);
    }

    #[tokio::test]
    async fn a_write_that_fails_is_tried_again_and_leaves_no_partial_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner").join("samples");
        let missing = Publisher::start(settings(FileSettings { path: path.clone(), ..Default::default() }));
        assert!(matches!(missing, Err(StartError::File { .. })));
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let publisher =
            Publisher::start(settings(FileSettings { path: path.clone(), ..Default::default() })).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        publisher.publish(&"all".into(), samples(2));
        assert!(!publisher.flush(Duration::from_millis(200)).await);
        assert!(publisher.stats().write_errors > 0);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert!(publisher.flush(Duration::from_secs(30)).await);
        assert_eq!(numbers(&path), [0, 1]);
    }
}
