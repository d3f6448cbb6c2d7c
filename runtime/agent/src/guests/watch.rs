//! Which files have changed, and are whole.
//!
//! The system tells of changes, and every half minute all files are looked at whatever it told: it tells nothing of files on some
//! file systems, of links whose target changed, and of folders that were replaced. A file is read when it has looked the same for the
//! debounce.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use trust::signature;

/// How often everything is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(30);

/// What tells a file from what it was; none where there is none.
type Print = Option<(u64, u64, i64, i64)>;

struct Look {
    prints: [Print; 2],
    since: Instant,
    judged: bool,
}

/// The files of guests, as they were at the last look.
pub(super) struct Files {
    debounce: Duration,
    looks: HashMap<PathBuf, Look>,
}

/// What is to be done about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it was.
    Same,
    /// It has changed too lately: look again when this has passed.
    Wait(Duration),
    /// It has changed, and looked the same for this long.
    Judge(Duration),
}

impl Files {
    pub(super) fn new(debounce: Duration) -> Self {
        Self { debounce, looks: HashMap::new() }
    }

    /// Looks at a module and the signature beside it.
    pub(super) fn look(&mut self, module: &Path, now: Instant) -> Verdict {
        let prints = [print(module), print(&signature::path(module))];
        let look = self.looks.entry(module.to_owned()).or_insert(Look { prints, since: now, judged: false });
        if look.prints != prints {
            *look = Look { prints, since: now, judged: false };
        }
        let age = now.saturating_duration_since(look.since);
        match look.judged {
            true => Verdict::Same,
            false if age < self.debounce => Verdict::Wait(self.debounce - age),
            false => Verdict::Judge(age),
        }
    }

    /// A module was judged, and is not to be looked at again before it changes.
    pub(super) fn judged(&mut self, module: &Path) {
        if let Some(look) = self.looks.get_mut(module) {
            look.judged = true;
        }
    }

    /// Something else that was decided by has changed: everything is judged anew.
    pub(super) fn judge_all(&mut self) {
        for look in self.looks.values_mut() {
            look.judged = false;
        }
    }
}

fn print(path: &Path) -> Print {
    let metadata = path.metadata().ok()?;
    let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    Some((
        metadata.ino(),
        metadata.size(),
        nanos(metadata.mtime(), metadata.mtime_nsec()),
        nanos(metadata.ctime(), metadata.ctime_nsec()),
    ))
}

/// Has the system tell of changes in the folders of these files. What it does not tell of is found at the next look.
pub(super) fn watch(
    paths: impl IntoIterator<Item = PathBuf>,
    changed: impl Fn() + Send + 'static,
) -> Option<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed();
        }
    };
    let watched = notify::recommended_watcher(tell).map(|mut watcher| {
        let mut folders: Vec<PathBuf> = paths.into_iter().collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                tracing::warn!("{} is looked at every {LOOK:?} alone: {error}", folder.display());
            }
        }
        watcher
    });
    match watched {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!("guests' modules are looked at every {LOOK:?} alone: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_when_it_has_looked_the_same_for_the_debounce() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("a.wasm");
        let mut files = Files::new(Duration::from_millis(200));
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        std::fs::write(&module, "half").unwrap();
        assert_eq!(files.look(&module, at(0)), Verdict::Wait(Duration::from_millis(200)));
        assert_eq!(files.look(&module, at(150)), Verdict::Wait(Duration::from_millis(50)));
        std::fs::write(&module, "half, and the rest").unwrap();
        assert_eq!(files.look(&module, at(190)), Verdict::Wait(Duration::from_millis(200)));
        assert_eq!(files.look(&module, at(390)), Verdict::Judge(Duration::from_millis(200)));
        files.judged(&module);
        assert_eq!(files.look(&module, at(5_000)), Verdict::Same);
        std::fs::write(signature::path(&module), "a signature").unwrap();
        assert_eq!(files.look(&module, at(6_000)), Verdict::Wait(Duration::from_millis(200)));
        assert_eq!(files.look(&module, at(6_300)), Verdict::Judge(Duration::from_millis(300)));
        files.judged(&module);
        // Another file of the same name, size and time is another one.
        let other = folder.path().join("b");
        std::fs::write(&other, "half, and the resT").unwrap();
        std::fs::rename(&other, &module).unwrap();
        assert_eq!(files.look(&module, at(7_000)), Verdict::Wait(Duration::from_millis(200)));
        std::fs::remove_file(&module).unwrap();
        files.look(&module, at(8_000));
        assert_eq!(files.look(&module, at(8_200)), Verdict::Judge(Duration::from_millis(200)));
        files.judged(&module);
        assert_eq!(files.look(&module, at(9_000)), Verdict::Same);
        files.judge_all();
        assert_eq!(files.look(&module, at(9_000)), Verdict::Judge(Duration::from_secs(1)));
    }
}
