//! A recorded snapshot, which an author may have from somebody else.

use std::path::Path;

use inspector::recording;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(snapshot) = recording::parse(bytes, Path::new("fuzzed.json")) else { return };
    // What was taken can be kept, and is the same.
    let again = serde_json::to_vec(&snapshot).expect("a snapshot is JSON");
    let Ok(second) = recording::parse(&again, Path::new("again.json")) else { return };
    assert_eq!(snapshot.instances.len(), second.instances.len());
}
