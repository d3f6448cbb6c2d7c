//! One Parquet file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::{Day, ExportError};
use crate::contract::{Found, Series};

/// Owner and group may read, as with the store: metadata are the tenants'.
const MODE: u32 = 0o640;

const SCHEMA: &str = "
message sample {
    required int64 timestamp (TIMESTAMP(MICROS, true));
    required int64 recorded_at (TIMESTAMP(MICROS, true));
    required binary meter (STRING);
    required binary type (STRING);
    required binary unit (STRING);
    required double volume;
    optional binary volume_exact (STRING);
    required binary resource_id (STRING);
    optional binary project_id (STRING);
    optional binary user_id (STRING);
    required binary source (STRING);
    required binary message_id (STRING);
    required binary metadata (JSON);
}
";

/// Samples in columns.
#[derive(Default)]
pub(super) struct Batch {
    timestamps: Vec<i64>,
    recorded: Vec<i64>,
    volumes: Vec<f64>,
    /// In the schema's order of texts.
    texts: [Texts; 10],
}

/// A column of texts, some of which may be missing.
#[derive(Default)]
struct Texts {
    present: Vec<ByteArray>,
    /// For each sample 1 where there is a text and 0 where there is none.
    levels: Vec<i16>,
}

impl Texts {
    fn push(&mut self, text: Option<ByteArray>) {
        self.levels.push(i16::from(text.is_some()));
        self.present.extend(text);
    }
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub(super) fn push(&mut self, found: &Found, series: &Series, metadata: &ByteArray) {
        self.timestamps.push(found.timestamp);
        self.recorded.push(found.recorded_at);
        self.volumes.push(found.volume.amount);
        let id = found.message_id.text();
        let texts = [
            Some(&*series.meter),
            Some(series.kind.as_str()),
            Some(&*series.unit),
            found.volume.exact.as_deref(),
            Some(&*series.resource_id),
            series.project_id.as_deref(),
            series.user_id.as_deref(),
            Some(&*series.source),
            Some(id.as_str()),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text.map(ByteArray::from));
        }
        self.texts[texts.len()].push(Some(metadata.clone()));
    }
}

/// A file that gets its name when it is whole; dropped before that, it goes.
pub(super) struct File {
    writer: Option<SerializedFileWriter<fs::File>>,
    partial: PathBuf,
    path: PathBuf,
}

impl File {
    pub(super) fn create(folder: &Path, day: Day) -> Result<Self, ExportError> {
        let path = folder.join(format!("samples-{day}.parquet"));
        let partial = folder.join(format!(".samples-{day}.parquet.partial"));
        let failed = |source| ExportError::Write { path: path.clone(), source };
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file =
            OpenOptions::new().write(true).create_new(true).mode(MODE).open(&partial).map_err(failed)?;
        let format = |source| ExportError::Parquet { path: path.clone(), source };
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(format)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(format)?;
        Ok(Self { writer: Some(writer), partial, path })
    }

    /// Adds a row group.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), ExportError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        group(writer, batch).map_err(|source| ExportError::Parquet { path: self.path.clone(), source })
    }

    /// Ends the file and gives it its name; the name and the bytes.
    pub(super) fn finish(mut self) -> Result<(PathBuf, u64), ExportError> {
        let format = |source| ExportError::Parquet { path: self.path.clone(), source };
        let failed = |source| ExportError::Write { path: self.path.clone(), source };
        if let Some(writer) = self.writer.take() {
            let file = writer.into_inner().map_err(format)?;
            file.sync_all().map_err(failed)?;
        }
        let bytes = self.partial.metadata().map_err(failed)?.len();
        fs::rename(&self.partial, &self.path).map_err(failed)?;
        Ok((self.path.clone(), bytes))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Once it has its name there is nothing left to remove.
        let _ = fs::remove_file(&self.partial);
    }
}

fn group(writer: &mut SerializedFileWriter<fs::File>, batch: &Batch) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut numbers = [&batch.timestamps, &batch.recorded].into_iter();
    let mut texts = batch.texts.iter();
    let missing = || ParquetError::General("the schema has more columns than the batch".into());
    while let Some(mut column) = group.next_column()? {
        match &mut column.untyped() {
            parquet::column::writer::ColumnWriter::Int64ColumnWriter(_) => {
                let values = numbers.next().ok_or_else(missing)?;
                column.typed::<Int64Type>().write_batch(values, None, None)?;
            }
            parquet::column::writer::ColumnWriter::DoubleColumnWriter(_) => {
                column.typed::<DoubleType>().write_batch(&batch.volumes, None, None)?;
            }
            _ => text_column(&mut column, texts.next().ok_or_else(missing)?)?,
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

fn text_column(column: &mut SerializedColumnWriter<'_>, texts: &Texts) -> Result<(), ParquetError> {
    // Of required columns the levels are all 1, and not looked at.
    column.typed::<ByteArrayType>().write_batch(&texts.present, Some(&texts.levels), None)?;
    Ok(())
}
