//! The moments that a component is tried on: recordings, the example host, or a libvirt connection.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use inspector::{Groups, Inspector, Settings, Snapshot};
use workbench::text::printable;
use workbench::{example, play};

use crate::cli::GuestRunArguments;
use crate::exit::WrongArgument;

/// How long may lie between two polls of a connection.
const EVERY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(86_400));

/// How many instances a fault names.
const MOST_NAMED: usize = 20;

/// Where moments come from.
pub enum Moments {
    /// Each with a name.
    Recorded(Vec<(String, Snapshot)>),
    /// A connection.
    Live {
        /// What reads it.
        inspector: Inspector,
        /// Its URI.
        uri: String,
        /// How often.
        polls: u32,
        /// How long lies between.
        every: Duration,
    },
}

impl Moments {
    /// Reads what can be read before anything runs.
    pub fn of(arguments: &GuestRunArguments) -> anyhow::Result<Self> {
        if let Some(uri) = &arguments.connect {
            let every = config::arguments::duration(&arguments.every, EVERY.0, EVERY.1)
                .map_err(|fault| WrongArgument::of(format!("--every: {fault}")))?;
            let settings = Settings { uri: uri.clone(), ..Settings::default() };
            let (uri, polls) = (uri.clone(), arguments.polls);
            return Ok(Self::Live { inspector: Inspector::libvirt(settings), uri, polls, every });
        }
        let recorded = recorded(&arguments.snapshot)?;
        let there = recorded.iter().map(|(_, snapshot)| snapshot);
        if let Some(unknown) = unknown(&arguments.instance, there.clone()) {
            let mut names: Vec<_> = there
                .flat_map(|snapshot| snapshot.instances.iter().map(|instance| play::name(instance)))
                .collect();
            names.sort_unstable();
            names.dedup();
            let more = if names.len() > MOST_NAMED { ", …" } else { "" };
            // Tenants' texts.
            let named: Vec<_> = names.iter().take(MOST_NAMED).map(|name| printable(name)).collect();
            let fault = format!("no instance goes by {unknown:?}; there are {}{more}", named.join(", "));
            return Err(WrongArgument::of(fault).into());
        }
        Ok(Self::Recorded(recorded))
    }

    /// Calls `each` with every moment and its name, in turn.
    pub fn each(
        self,
        groups: &Groups,
        wanted: &[String],
        mut each: impl FnMut(&str, &Snapshot) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Recorded(moments) => moments.iter().try_for_each(|(name, snapshot)| each(name, snapshot)),
            Self::Live { inspector, uri, polls, every } => {
                for number in 0..polls {
                    if number > 0 {
                        thread::sleep(every);
                    }
                    let snapshot = inspector.snapshot(groups).context("the host could not be read")?;
                    if let Some(unknown) = unknown(wanted, [&snapshot].into_iter()).filter(|_| number == 0) {
                        let fault =
                            format!("no instance of {} goes by {unknown:?}", printable(&snapshot.host));
                        return Err(WrongArgument::of(fault).into());
                    }
                    each(&uri, &snapshot)?;
                }
                Ok(())
            }
        }
    }
}

/// The recordings, or both moments of the example host.
fn recorded(files: &[PathBuf]) -> anyhow::Result<Vec<(String, Snapshot)>> {
    if files.is_empty() {
        let (host, later) = (example::host()?, example::later()?);
        return Ok(vec![
            ("the example host".to_owned(), host),
            ("the example host, 5 minutes later".to_owned(), later),
        ]);
    }
    files.iter().map(|file| Ok((file.display().to_string(), recording(file)?))).collect()
}

/// A recording.
pub fn recording(file: &std::path::Path) -> anyhow::Result<Snapshot> {
    inspector::load(file).map_err(|error| WrongArgument::new(error).into())
}

/// A wanted instance that none of the moments has.
fn unknown<'a, 'b>(
    wanted: &'a [String],
    moments: impl Iterator<Item = &'b Snapshot> + Clone,
) -> Option<&'a String> {
    wanted.iter().find(|name| {
        let mut all = moments.clone().flat_map(|snapshot| &snapshot.instances);
        !all.any(|instance| play::goes_by(instance, name))
    })
}
