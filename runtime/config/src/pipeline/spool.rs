//! Where samples are on disk until the broker has them.

use std::path::PathBuf;
use std::time::Duration;

use publisher::spool::{self, EXTENSION, Fsync, Overflow};

use super::Pipeline;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};

/// Whether samples are kept on disk.
#[derive(Clone, Debug, Default)]
pub enum Spool {
    /// The file does not say: they are, where the agent has a folder.
    #[default]
    Unsaid,
    /// They are not.
    Off,
    /// They are, with these settings.
    On(SpoolSettings),
}

/// The section `spool`.
#[derive(Clone, Debug, Default)]
pub struct SpoolSettings {
    /// Where the spools are; none: in `state`.
    pub folder: Option<PathBuf>,
    max_bytes: Option<u64>,
    max_age: Option<Duration>,
    overflow: Overflow,
    fsync: Fsync,
    backlog_rate: Option<u32>,
}

/// A folder with a spool for each publisher to a broker.
#[derive(Clone, Debug)]
pub struct SpoolFolder {
    /// The folder; it is made where it is missing.
    pub folder: PathBuf,
    settings: SpoolSettings,
}

/// The spools have no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the section `spool` needs a `folder`, or the pipeline a `state`")]
pub struct NoSpoolFolder;

pub(crate) static SPOOL: Section = Section {
    title: "the section `spool`",
    path: "spool",
    about: "What was polled is on disk before it is sent, and leaves the disk when the broker has confirmed it; each AMQP publisher has a file of its own. \
            Without this section that is so where there is a `state`; `spool: false` has samples wait in memory alone. See [delivery](delivery.md).",
    keys: &[
        key(
            "folder",
            "path",
            "",
            "Where the files are; absent, `spool` in `state`. It is made where it is missing.",
        ),
        key(
            "max_bytes",
            "size",
            "1GiB",
            "Bytes of each file, its log of some 16 MiB aside: about nine million samples. Less than some KiB for each instance holds little but their metadata.",
        ),
        key("max_age", "duration", "7d", "Older samples are dropped, and counted by source."),
        key(
            "overflow",
            "`drop-oldest` or `pause`",
            "drop-oldest",
            "What happens when a file is full: the oldest samples are dropped and counted by source, or the sources that write to its sink are not polled.",
        ),
        key(
            "fsync",
            "`commit`, `checkpoint` or `never`",
            "commit",
            "What a power cut may take: nothing that was committed; what was written since the last checkpoint of the log, up to 8 MB; all. Of an agent that dies it takes \
             nothing in any case.",
        ),
        key(
            "backlog_rate",
            "number",
            "5000",
            "Samples a second that are read from the disk and sent beside fresh ones, after an outage or a restart; 0 is no bound.",
        ),
    ],
};

pub(super) fn spool(d: &mut Decoder<'_>, file: &Map<'_>) -> Spool {
    match file.get("spool") {
        None => Spool::Unsaid,
        Some(node @ Node { value: Value::Scalar(_), .. }) => match value::switch(d, node) {
            Some(false) => Spool::Off,
            _ => Spool::On(SpoolSettings::default()),
        },
        Some(node) => Spool::On(section(d, node).unwrap_or_default()),
    }
}

fn section(d: &mut Decoder<'_>, node: &Node) -> Option<SpoolSettings> {
    let map = Map::open(d, node, &SPOOL, Unknown::Refuse)?;
    let mut settings =
        SpoolSettings { folder: map.optional(d, "folder", value::path), ..SpoolSettings::default() };
    settings.max_bytes = map.optional(d, "max_bytes", value::size(1 << 20, 1 << 50));
    let ages = value::duration(Duration::from_secs(1), Duration::from_secs(10 * 366 * 86_400));
    settings.max_age = map.optional(d, "max_age", ages);
    let overflows = &[("drop-oldest", Overflow::DropOldest), ("pause", Overflow::Pause)];
    map.set(d, "overflow", &mut settings.overflow, value::word(overflows));
    let fsyncs = &[("commit", Fsync::Commit), ("checkpoint", Fsync::Checkpoint), ("never", Fsync::Never)];
    map.set(d, "fsync", &mut settings.fsync, value::word(fsyncs));
    settings.backlog_rate = map.optional(d, "backlog_rate", value::number(0, 100_000_000));
    Some(settings)
}

impl Pipeline {
    /// Where the spools are; none where samples wait in memory alone.
    ///
    /// # Errors
    /// [`NoSpoolFolder`].
    pub fn spool_folder(&self) -> Result<Option<SpoolFolder>, NoSpoolFolder> {
        let default = || self.state.as_ref().map(|state| state.join("spool"));
        let settings = match &self.spool {
            Spool::Off => return Ok(None),
            Spool::Unsaid => SpoolSettings::default(),
            Spool::On(settings) => settings.clone(),
        };
        match settings.folder.clone().or_else(default) {
            Some(folder) => Ok(Some(SpoolFolder { folder, settings })),
            None if matches!(self.spool, Spool::Unsaid) => Ok(None),
            None => Err(NoSpoolFolder),
        }
    }
}

impl SpoolFolder {
    /// The spool of a sink's publisher, which is counted from 1.
    pub fn of(&self, sink: &str, position: usize) -> spool::Settings {
        let path = self.folder.join(format!("{}-{position}.{EXTENSION}", file_name(sink)));
        let SpoolSettings { max_bytes, max_age, overflow, fsync, backlog_rate, .. } = self.settings;
        let default = spool::Settings::new(path);
        spool::Settings {
            max_bytes: max_bytes.unwrap_or(default.max_bytes),
            max_age: max_age.unwrap_or(default.max_age),
            overflow,
            fsync,
            backlog_rate: backlog_rate.unwrap_or(default.backlog_rate),
            ..default
        }
    }
}

/// A sink's name as part of a file's: what is no letter, digit, `_` or `-` is written `%` and its code; the start of a long one is told from
/// that of another by its length and sum.
fn file_name(sink: &str) -> String {
    const LONGEST: usize = 120;
    let mut name = String::new();
    for c in sink.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => name.push(c),
            other => name.push_str(&format!("%{:X}", u32::from(other))),
        }
    }
    if name.len() > LONGEST {
        let sum = sink.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        name.truncate(LONGEST);
        name.push_str(&format!("-{}-{sum:x}", sink.len()));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn every_sink_has_a_file_of_its_own_in_the_folder() {
        let long = "x".repeat(4_000);
        let names =
            ["mq", "mq.1", "mq/1", "../mq", "мq", "mq%2E1", "", &long, &format!("{long}y"), &long[1..]];
        let files: std::collections::BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len());
        assert!(files.iter().all(|name| name.len() < 200 && !name.contains(['/', '.'])), "{files:?}");
    }
}
