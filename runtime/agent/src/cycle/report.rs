//! What came of a cycle: polls and samples, counted by the labels of the sandbox, and the readings that the snapshot lacks. Those are
//! counted here and not by guests, of which one that has other samples of the instance may say nothing of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use inspector::{Group, Missing, Snapshot};

/// Occurrences of a label of one guest that a cycle logs one by one; the rest is in the sum.
const LOGGED: u64 = 3;

/// What came of one poll of a source.
#[derive(Debug, Default)]
pub struct Report {
    /// Instances of the source.
    pub instances: usize,
    /// Polls of guests.
    pub polls: u64,
    /// Samples that were handed to the publishers.
    pub samples: usize,
    /// Polls that were left out, for the interval was over or the agent was stopping.
    pub left_out: u64,
    /// Threads that ended in a panic, which is a fault of this program; their polls are lost.
    pub broken_threads: u64,
    /// Whether its samples are in the spools of its sinks; none where there are none.
    pub on_disk: Option<bool>,
    /// Time that the snapshot took.
    pub inspected: Duration,
    /// Time that all of it took.
    pub took: Duration,
    counts: BTreeMap<(String, What, &'static str), u64>,
    /// Instances without a reading of the group, because it failed.
    unread: BTreeMap<Group, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Failed,
    Refused,
    SetAside,
    Skipped,
}

impl Report {
    /// Counts a failed poll; whether it is among the few that are logged one by one.
    pub(super) fn failed(&mut self, guest: &str, label: &'static str) -> bool {
        self.count(What::Failed, guest, label, 1) <= LOGGED
    }

    /// Counts a refused sample; whether it is among the few that are logged one by one.
    pub(super) fn refused(&mut self, guest: &str, label: &'static str) -> bool {
        self.count(What::Refused, guest, label, 1) <= LOGGED
    }

    pub(super) fn skipped(&mut self, guest: &str, label: &'static str) {
        self.count(What::Skipped, guest, label, 1);
    }

    pub(super) fn set_aside(&mut self, guest: &str, polls: u64) {
        self.count(What::SetAside, guest, "set_aside", polls);
    }

    fn count(&mut self, what: What, guest: &str, label: &'static str, by: u64) -> u64 {
        let count = self.counts.entry((guest.to_owned(), what, label)).or_default();
        *count += by;
        *count
    }

    /// Takes in what another thread counted.
    pub(super) fn add(&mut self, other: Self) {
        self.polls += other.polls;
        self.samples += other.samples;
        self.left_out += other.left_out;
        self.broken_threads += other.broken_threads;
        for (key, by) in other.counts {
            *self.counts.entry(key).or_default() += by;
        }
    }

    /// Counts the readings that failed, once each, whoever would have read them.
    pub(super) fn note_readings(&mut self, snapshot: &Snapshot) {
        let missing = snapshot.instances.iter().flat_map(|instance| instance.missing());
        for (group, _) in missing.filter(|(_, why)| matches!(why, Missing::Failed(_))) {
            *self.unread.entry(group).or_default() += 1;
        }
    }

    /// Readings of instances that failed.
    pub fn unread(&self) -> u64 {
        self.unread.values().sum()
    }

    /// Polls that failed through a guest's fault.
    pub fn failures(&self) -> u64 {
        self.sum(What::Failed)
    }

    /// Samples that were refused.
    pub fn refusals(&self) -> u64 {
        self.sum(What::Refused)
    }

    /// Polls that were left out because their guest was set aside.
    pub fn polls_set_aside(&self) -> u64 {
        self.sum(What::SetAside)
    }

    fn sum(&self, what: What) -> u64 {
        self.counts.iter().filter(|((_, counted, _), _)| *counted == what).map(|(_, count)| count).sum()
    }
}

/// Readings that failed, then guest by guest what was not a plain success:
/// `readings failed: cpu 1, disks 1; mem-max: failed cpu_time 5, set_aside 7`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<&str> = None;
        for (group, count) in &self.unread {
            let lead = if before.is_none() { "readings failed:" } else { "," };
            write!(f, "{lead} {group} {count}")?;
            before = Some("");
        }
        for ((guest, what, label), count) in &self.counts {
            let word = match what {
                What::Failed => "failed ",
                What::Refused => "refused ",
                What::Skipped => "skipped ",
                What::SetAside => "",
            };
            match before {
                Some(name) if name == guest => f.write_str(", ")?,
                Some(_) => write!(f, "; {guest}: ")?,
                None => write!(f, "{guest}: ")?,
            }
            write!(f, "{word}{label} {count}")?;
            before = Some(guest);
        }
        let totals = [("polls left out", self.left_out), ("threads ended in a panic", self.broken_threads)];
        for (what, count) in totals.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{}{count} {what}", if before.is_some() { "; " } else { "" })?;
            before = Some("");
        }
        Ok(())
    }
}
