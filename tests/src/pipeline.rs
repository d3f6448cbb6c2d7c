//! Pipeline files, written as an operator would.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A pipeline of one source, which polls every meter of every guest, and one sink.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// How the host is read: YAML of the top level, `libvirt: {…}` or `inspector: replay`.
    pub host: String,
    /// The guests.
    pub guests: Vec<Guest>,
    /// Which modules may run, YAML between braces: by default any, for these are the tests' own.
    pub trust: String,
    /// The sources, YAML after `sources:`.
    pub sources: String,
    /// The publishers of the sink: YAML each, on one line.
    pub publishers: Vec<String>,
    /// Keys of `polling`, YAML between braces.
    pub polling: String,
    /// More YAML of the top level.
    pub more: String,
}

/// A guest of a pipeline.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: PathBuf,
    /// Its grants, with commas between them.
    pub grants: String,
    /// Its limits, YAML between braces: `cpu: 20ms`.
    pub limits: String,
    /// Its settings, YAML between braces: `colour: blue`.
    pub settings: String,
}

/// The guests that have the meters of Ceilometer's compute agent: name, module and grants.
const COMPUTE: [(&str, &str, &str); 4] = [
    ("instance", "instance", "instance, cpu, memory, settings, log"),
    ("disk", "disk", "instance, disks, settings, log"),
    ("network", "network", "instance, vnics, state"),
    ("perf", "perf", "perf"),
];

impl Guest {
    /// A guest with the default limits.
    pub fn new(name: &str, module: impl Into<PathBuf>, grants: &str) -> Guest {
        Guest {
            name: name.into(),
            module: module.into(),
            grants: grants.into(),
            limits: String::new(),
            settings: String::new(),
        }
    }

    /// The guest `mem-max`.
    pub fn mem_max() -> Guest {
        Guest::new("mem-max", crate::guest("mem_max"), "memory")
    }
}

impl Pipeline {
    /// `mem-max` alone on a libvirt, every second where it runs on, to these publishers.
    pub fn mem_max(uri: &str, publishers: &[&str]) -> Pipeline {
        Pipeline {
            host: format!("libvirt: {{uri: \"{uri}\"}}"),
            guests: vec![Guest::mem_max()],
            trust: "policy: any".into(),
            sources: "\n  - name: all\n    interval: 1s\n    meters: [\"*\"]".into(),
            publishers: publishers.iter().map(|publisher| (*publisher).to_owned()).collect(),
            polling: "start_jitter: 0s".into(),
            more: String::new(),
        }
    }

    /// Every meter of Ceilometer's compute agent on a libvirt, to these publishers.
    pub fn compute(uri: &str, publishers: &[&str]) -> Pipeline {
        let guests = COMPUTE.map(|(name, module, grants)| Guest::new(name, crate::guest(module), grants));
        Pipeline { guests: guests.into(), ..Pipeline::mem_max(uri, publishers) }
    }

    /// The same with one more guest.
    pub fn with(mut self, guest: Guest) -> Pipeline {
        self.guests.push(guest);
        self
    }

    /// The file's text.
    pub fn yaml(&self) -> String {
        let mut text = format!("{}\nhost: compute-1\nguests:\n", self.host);
        for Guest { name, module, grants, limits, settings } in &self.guests {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  - name: {name}\n    module: \"{}\"\n    grants: [{grants}]\n    limits: {{{limits}}}",
                module.display()
            );
            if !settings.is_empty() {
                let _ = writeln!(text, "    settings: {{{settings}}}");
            }
        }
        let _ = writeln!(text, "trust: {{{}}}", self.trust);
        let _ = writeln!(text, "sources: {}\nsinks:\n  - name: out\n    publishers:", self.sources);
        for publisher in &self.publishers {
            let _ = writeln!(text, "      - {publisher}");
        }
        let _ = writeln!(text, "polling: {{{}}}\n{}", self.polling, self.more);
        text
    }
}

/// The publisher that writes JSON lines to a file.
pub fn to_file(path: &Path) -> String {
    format!("\"file://{}?json\"", path.display())
}
