//! Samples of a day as a Parquet file, for whatever computes with columns.
//!
//! | column | Parquet's type | what it holds |
//! |---|---|---|
//! | `timestamp`, `recorded_at` | INT64, TIMESTAMP(MICROS, UTC) | when it was measured, and stored |
//! | `meter`, `type`, `unit`, `resource_id`, `source`, `message_id` | BYTE_ARRAY, STRING | as Ceilometer's API has them |
//! | `volume` | DOUBLE | the double next to the volume |
//! | `volume_exact` | BYTE_ARRAY, STRING, optional | the volume's digits, where the double does not tell them |
//! | `project_id`, `user_id` | BYTE_ARRAY, STRING, optional | |
//! | `metadata` | BYTE_ARRAY, JSON | `resource_metadata` |
//!
//! Compression is Snappy, which every reader has. A file appears under its name when it is whole and on the disk.

mod day;
mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use crate::StoreError;
use crate::contract::{Found, Reader, Series};
use crate::query::{Filter, each_of, unknown};

pub use day::{BadDays, Day, Days};
use file::{Batch, File};

/// Samples of a row group, whose columns but metadata take some 50 MB in memory.
const GROUP: usize = 100_000;
/// Bytes of different metadata of a row group, at which it ends.
const GROUP_METADATA: usize = 64 << 20;
/// Bytes of metadata that are remembered between samples.
const REMEMBERED: usize = 64 << 20;
/// Series that are remembered.
const REMEMBERED_SERIES: usize = 100_000;
/// How long the reading of a day may take. Nobody waits for it but who asked.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Why a day is not exported; no file of it was made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The format.
    #[error("failed to write {} as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The library's word.
        source: ParquetError,
    },
}

/// What was written of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file; none where the day has no samples.
    pub file: Option<PathBuf>,
    /// Samples in it.
    pub samples: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Writes the samples of a day that fulfil the filter to `samples-DAY.parquet` in the folder, oldest first along each index that the
/// filter is read by; says now and then how many there are so far.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    reader: &mut dyn Reader,
    filter: &Filter,
    day: Day,
    folder: &Path,
    said: &mut dyn FnMut(u64),
) -> Result<Written, ExportError> {
    reader.begin(PATIENCE)?;
    let written = write(reader, filter, day, folder, said);
    reader.end();
    written
}

fn write(
    reader: &mut dyn Reader,
    filter: &Filter,
    day: Day,
    folder: &Path,
    said: &mut dyn FnMut(u64),
) -> Result<Written, ExportError> {
    let range = day.range();
    let mut known = Known::default();
    let mut batch = Batch::default();
    let mut file: Option<File> = None;
    let mut samples = 0;
    each_of(reader, filter, range, &mut |reader, found| -> Result<bool, ExportError> {
        known.learn(reader, &found)?;
        for found in &found {
            known.push(found, &mut batch)?;
        }
        samples += found.len() as u64;
        said(samples);
        if batch.len() >= GROUP || known.learned > GROUP_METADATA {
            known.learned = 0;
            if file.is_none() {
                file = Some(File::create(folder, day)?);
            }
            if let Some(file) = &mut file {
                file.write(&batch)?;
            }
            batch = Batch::default();
        }
        Ok(true)
    })?;
    if batch.len() > 0 && file.is_none() {
        file = Some(File::create(folder, day)?);
    }
    let Some(mut file) = file else { return Ok(Written::default()) };
    if batch.len() > 0 {
        file.write(&batch)?;
    }
    let (path, bytes) = file.finish()?;
    Ok(Written { file: Some(path), samples, bytes })
}

/// What samples refer to, as far as it is remembered.
#[derive(Default)]
struct Known {
    series: HashMap<i64, Series>,
    /// Shared by all samples of a row group that have them.
    metadata: HashMap<i64, ByteArray>,
    /// Of the metadata.
    bytes: usize,
    /// Of the metadata that came new since the row group began.
    learned: usize,
}

impl Known {
    fn learn(&mut self, reader: &mut dyn Reader, found: &[Found]) -> Result<(), StoreError> {
        if self.bytes > REMEMBERED {
            self.metadata.clear();
            self.bytes = 0;
        }
        if self.series.len() > REMEMBERED_SERIES {
            self.series.clear();
        }
        let wanted = unknown(&self.series, found.iter().map(|found| found.series));
        self.series.extend(reader.series_by_id(&wanted)?.into_iter().map(|series| (series.id, series)));
        let wanted = unknown(&self.metadata, found.iter().map(|found| found.metadata));
        for (id, text) in reader.metadata(&wanted)? {
            self.bytes += text.len();
            self.learned += text.len();
            self.metadata.insert(id, ByteArray::from(text.into_bytes()));
        }
        Ok(())
    }

    fn push(&self, found: &Found, batch: &mut Batch) -> Result<(), StoreError> {
        let lost = |what: &str| StoreError::Damaged(format!("it has no {what}"));
        let series = self.series.get(&found.series).ok_or_else(|| lost("series"))?;
        let metadata = self.metadata.get(&found.metadata).ok_or_else(|| lost("metadata"))?;
        batch.push(found, series, metadata);
        Ok(())
    }
}
