//! Configuration files. Whoever writes them is trusted; they are held to saying what is wrong, whatever it is, and where.

use std::sync::{LazyLock, Mutex, PoisonError};

use config::Faults;
use tempfile::TempDir;

/// The files of one process, written anew for each input.
static FOLDER: LazyLock<Mutex<TempDir>> =
    LazyLock::new(|| Mutex::new(tempfile::tempdir().expect("a temporary folder")));

pub(crate) fn run(bytes: &[u8]) {
    let folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder.path().join("fuzzed.yaml");
    std::fs::write(&path, bytes).expect("the file can be written");
    for faults in [
        config::load_pipeline(&path).err(),
        config::load_collector(&path).err(),
        config::load_cases(&path).err(),
    ]
    .into_iter()
    .flatten()
    {
        said(&faults);
    }
}

fn said(faults: &Faults) {
    assert!(faults.is_fatal(), "refused, and nobody knows why");
    for fault in faults.iter() {
        assert!(!fault.message.is_empty());
        assert!(!fault.to_string().contains('\u{1b}'), "{fault:?}");
    }
}
