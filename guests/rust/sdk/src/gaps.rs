//! Polls of several readings, of which some may be missing.
//!
//! A poll returns samples or an error. Where some readings came and others did not, the samples are worth more than the error: the
//! size of a disk is known while its qemu does not answer. But what failed has to be heard of. So the samples go out, and each
//! missing reading is a line in the agent's log, under the guest's name and with the instance: a warning where it failed, else
//! at debug level, as the runtime itself logs polls. The agent counts failed readings itself, and logs a guest's first few
//! warnings of a cycle as such. Where there is no sample at all the poll returns the error, and the runtime logs and counts it.

use crate::{Error, Result, Sample, log};

/// The readings of a poll that are missing.
///
/// ```no_run
/// use nephoscope_guest::{Gaps, Result, Sample, cpu, memory};
///
/// fn poll() -> Result<Vec<Sample>> {
///     let mut gaps = Gaps::default();
///     let mut samples = Vec::new();
///     if let Some(memory) = gaps.note("memory", memory::inspect()) {
///         samples.push(Sample::new("my.memory", memory.maximum));
///     }
///     if let Some(cpu) = gaps.note("cpu", cpu::inspect()) {
///         samples.push(Sample::new("my.vcpus", u64::from(cpu.current)));
///     }
///     gaps.beside(samples)
/// }
/// ```
///
/// It writes to the log: the guest needs the grant `log`.
#[derive(Debug, Default)]
pub struct Gaps {
    missing: Vec<(&'static str, Error)>,
}

impl Gaps {
    /// The reading, if it is there; if not, why is kept under the reading's name.
    pub fn note<T>(&mut self, name: &'static str, reading: Result<T>) -> Option<T> {
        reading.map_err(|why| self.missing.push((name, why))).ok()
    }

    /// What the poll returns: the samples, with the gaps in the log; without any sample the gravest gap.
    pub fn beside(self, samples: Vec<Sample>) -> Result<Vec<Sample>> {
        if samples.is_empty() {
            return self.gravest().map_or(Ok(samples), Err);
        }
        for (name, why) in &self.missing {
            let (level, line) = line(name, why);
            log::write(level, &line);
        }
        Ok(samples)
    }

    /// A failure before what is merely not there.
    fn gravest(self) -> Option<Error> {
        let mut errors = self.missing.into_iter().map(|(_, why)| why);
        let mut gravest = errors.next()?;
        for error in errors {
            if !is_failure(&gravest) && is_failure(&error) {
                gravest = error;
            }
        }
        Some(gravest)
    }
}

fn is_failure(error: &Error) -> bool {
    matches!(error, Error::Failed(_) | Error::Permanent(_))
}

/// Without `format!`, which would be the greater part of a small component.
fn line(name: &str, why: &Error) -> (log::Level, String) {
    let text = match why {
        Error::NotFound => "the instance vanished",
        Error::ShutOff => "the instance is shut off",
        Error::Unsupported => "not implemented by this hypervisor",
        Error::NoData => "no value at present",
        Error::Permanent(text) | Error::Failed(text) => text.as_str(),
    };
    let level = if is_failure(why) { log::Level::Warn } else { log::Level::Debug };
    (level, ["no samples of the reading ", name, ": ", text].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Error {
        Error::Failed("libvirt did not answer".into())
    }

    #[test]
    fn without_samples_a_failure_is_returned_before_what_is_not_there() {
        for order in [[failed(), Error::NoData], [Error::NoData, failed()]] {
            let mut gaps = Gaps::default();
            for error in order {
                assert_eq!(gaps.note::<()>("a", Err(error)), None);
            }
            assert_eq!(gaps.beside(Vec::new()), Err(failed()));
        }
    }

    #[test]
    fn a_poll_without_gaps_returns_its_samples_also_where_there_are_none() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.note("a", Ok(7)), Some(7));
        assert_eq!(gaps.beside(Vec::new()), Ok(Vec::new()));
    }

    #[test]
    fn a_failure_beside_samples_is_a_warning_and_the_rest_is_for_debugging() {
        let (level, text) = line("disks", &failed());
        assert_eq!(level, log::Level::Warn);
        assert_eq!(text, "no samples of the reading disks: libvirt did not answer");
        assert_eq!(line("cpu", &Error::Unsupported).0, log::Level::Debug);
    }
}
