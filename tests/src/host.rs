//! What this machine has once for all tests of an executable.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lab::process::Mark;
use lab::{Broker, BrokerSettings};

/// Begins the names of the shared brokers' folders; the process id follows.
const FOLDER: &str = "nephoscope-tests-broker-";

/// The private broker that the tests of one executable share, each in a virtual host of its own. RabbitMQ takes seconds to
/// start, and ends with the process.
///
/// # Panics
/// Where it does not start.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let settings = BrokerSettings { folder: Some(broker_folder()), ..BrokerSettings::default() };
        Broker::start_with(&settings).unwrap_or_else(|error| panic!("{error:#}"))
    })
}

/// A folder for a broker in a static; those of processes that have ended are removed.
pub fn broker_folder() -> PathBuf {
    sweep();
    std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()))
}

/// Statics are not dropped, so the folder of an ended process is removed by the next one.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER)).and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid| Mark::of(pid).is_none()) {
            // Another executable may sweep at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A guest's component, as it was built: `mem_max`.
///
/// # Panics
/// Where it was not.
pub fn guest(name: &str) -> PathBuf {
    let path = root().join("target/guests").join(name).with_extension("wasm");
    assert!(path.exists(), "{} is missing: `cargo xtask guests` builds it", path.display());
    path
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}
