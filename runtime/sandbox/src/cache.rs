//! The cache of compiled code: a folder of this user's own, and never a source of trust.
//!
//! Compiled code is machine code. Whoever could choose it could run anything, so it is loaded from a folder that nobody else can write to, and only
//! where everything about it is as this program left it. On any doubt it is thrown away, and the module is compiled anew.
//!
//! ```text
//! <sha256 of the module>-<engine>-<sha256 of the code>.cwasm
//! ```
//!
//! `engine` stands for whatever code depends on: wasmtime's version, the machine's target and features, the engine's settings. The last part tells
//! a file that was damaged; in the name, so that a file and its digest are there at once or not at all.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::process::geteuid;
use trust::Sha256;
use wasmtime::component::Component;

use crate::cached;

/// The bytes that a cache may take; a Python guest takes some 55 MiB of it.
const MOST_BYTES: u64 = 1 << 30;

/// What compiled code is named like.
const ENDING: &str = ".cwasm";

/// Compiled code on its way into the cache.
const UNFINISHED: &str = "unfinished-";

/// A folder that cannot be a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or looked at.
    #[error("failed to use the folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could have put something there.
    #[error("{} is not this user's alone: it belongs to user {owner} and has the mode {mode:o}, and 700 is wanted", path.display())]
    NotOwn {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
}

/// A folder of compiled code. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Arc<Path>,
    most: u64,
}

impl Cache {
    /// Uses a folder, which is made where it is not there. What is beyond the size of a cache is removed, oldest first.
    ///
    /// # Errors
    /// It cannot be used, or is not this user's alone.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        Self::bounded(folder, MOST_BYTES)
    }

    fn bounded(folder: &Path, most: u64) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Io { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let metadata = folder.symlink_metadata().map_err(failed)?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if !metadata.is_dir() || owner != geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(CacheError::NotOwn { path: folder.to_owned(), owner, mode });
        }
        // The name of a file is made from it wherever the working folder is by then.
        let folder = folder.canonicalize().map_err(failed)?;
        let cache = Self { folder: folder.into(), most };
        cache.prune();
        Ok(cache)
    }

    /// Compiled code of this module for this engine.
    pub(crate) fn find(&self, engine: &wasmtime::Engine, module: &[u8]) -> Option<Component> {
        let stem = stem(engine, module);
        let path = self.files().into_iter().map(|(path, _)| path).find(|path| starts(path, &stem))?;
        match self.load(engine, &path, &stem) {
            Ok(component) => Some(component),
            Err(doubt) => {
                tracing::warn!("compiled code is thrown away: {}: {doubt}", path.display());
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    fn load(&self, engine: &wasmtime::Engine, path: &Path, stem: &str) -> Result<Component, String> {
        let metadata = path.symlink_metadata().map_err(|error| error.to_string())?;
        let is_own = metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o077 == 0;
        if !metadata.is_file() || !is_own || metadata.nlink() != 1 {
            return Err("it is no file of this user's alone".into());
        }
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let digest = Sha256::read(&mut file).map_err(|error| error.to_string())?;
        if !starts(path, &format!("{stem}{digest}{ENDING}")) {
            return Err("it is not what was written".into());
        }
        let component = cached::load(engine, path).map_err(|error| format!("{error:#}"))?;
        // Which one was used last decides which ones go.
        let _ = file.set_modified(SystemTime::now());
        Ok(component)
    }

    /// Keeps compiled code of this module for this engine. What cannot be kept costs a warning, and the next load its time.
    pub(crate) fn keep(&self, engine: &wasmtime::Engine, module: &[u8], code: &mut dyn Read) {
        match self.write(&stem(engine, module), code) {
            Ok(()) => self.prune(),
            Err(error) => {
                tracing::warn!("compiled code is not kept in {}: {error}", self.folder.display());
            }
        }
    }

    fn write(&self, stem: &str, code: &mut dyn Read) -> io::Result<()> {
        // Its mode is 600 from the start, and it goes away by itself where this fails.
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
        io::copy(code, &mut file)?;
        file.rewind()?;
        let digest = Sha256::read(file.as_file_mut())?;
        // What is renamed before it is written would be found empty after a power cut.
        file.as_file().sync_all()?;
        file.persist(self.folder.join(format!("{stem}{digest}{ENDING}")))?;
        Ok(())
    }

    /// Removes what is older than the bytes that a cache may take, and what was never finished.
    fn prune(&self) {
        let mut files = self.files();
        files.sort_by_key(|(_, metadata)| {
            std::cmp::Reverse(metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH))
        });
        let mut left = self.most;
        for (path, metadata) in files {
            let age = metadata.modified().ok().and_then(|then| then.elapsed().ok()).unwrap_or_default();
            let is_stale = starts(&path, UNFINISHED) && age.as_secs() > 3_600;
            match left.checked_sub(metadata.len()).filter(|_| !is_stale) {
                Some(rest) => left = rest,
                None => drop(fs::remove_file(path)),
            }
        }
    }

    /// The files of a cache. Others that lie there are none of its business.
    fn files(&self) -> Vec<(PathBuf, fs::Metadata)> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        let files = files.flatten().filter_map(|file| Some((file.path(), file.metadata().ok()?)));
        files
            .filter(|(path, _)| starts(path, UNFINISHED) || path.to_string_lossy().ends_with(ENDING))
            .collect()
    }
}

fn starts(path: &Path, with: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(with))
}

/// What the name of a module's code begins with.
fn stem(engine: &wasmtime::Engine, module: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    format!("{}-{:016x}-", Sha256::of(module), hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::{Engine, Module};

    /// What it is called, and how it is done to a file.
    type Damage = (&'static str, fn(&Path));

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn only_file(cache: &Cache) -> PathBuf {
        let files = cache.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap().0
    }

    #[test]
    fn code_is_found_again_by_its_module_alone_and_by_the_same_engine() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("new/compiled")).unwrap();
        let engine = Engine::with(Some(cache.clone()), None).unwrap();
        assert!(cache.find(engine.wasmtime(), COMPONENT).is_none());
        Module::compile(&engine, COMPONENT, Path::new("x")).unwrap();
        assert!(cache.find(engine.wasmtime(), COMPONENT).is_some());
        assert!(cache.find(engine.wasmtime(), b"\0asm\x0d\0\x01\0\0\x05\x04more").is_none());
        let other = wasmtime::Engine::default();
        assert!(cache.find(&other, COMPONENT).is_none());
        assert!(only_file(&cache).exists(), "another engine's code is not thrown away");
    }

    #[test]
    fn what_is_not_as_it_was_left_is_thrown_away() {
        let damages: [Damage; 6] = [
            ("a bit", |path| {
                let mut bytes = fs::read(path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(path, bytes).unwrap();
            }),
            ("cut off", |path| File::options().write(true).open(path).unwrap().set_len(100).unwrap()),
            ("empty", |path| fs::write(path, "").unwrap()),
            ("writable for others", |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap()
            }),
            ("a second name", |path| fs::hard_link(path, path.with_extension("other")).unwrap()),
            ("a link", |path| {
                let elsewhere = path.with_extension("elsewhere");
                fs::rename(path, &elsewhere).unwrap();
                symlink(elsewhere, path).unwrap();
            }),
        ];
        for (what, damage) in damages {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::open(&folder.path().join("compiled")).unwrap();
            let engine = Engine::with(Some(cache.clone()), None).unwrap();
            Module::compile(&engine, COMPONENT, Path::new("x")).unwrap();
            let path = only_file(&cache);
            damage(&path);
            assert!(cache.find(engine.wasmtime(), COMPONENT).is_none(), "{what}");
            assert!(path.symlink_metadata().is_err(), "{what}: it is still there");
            Module::compile(&engine, COMPONENT, Path::new("x")).unwrap();
            assert!(cache.find(engine.wasmtime(), COMPONENT).is_some(), "{what}: compiled anew");
        }
    }

    #[test]
    fn code_of_another_machine_under_a_right_name_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("compiled");
        let cache = Cache::open(&folder).unwrap();
        let engine = Engine::new().unwrap();
        let digest = Sha256::of(b"no code");
        let path = folder.join(format!("{}{digest}{ENDING}", stem(engine.wasmtime(), COMPONENT)));
        fs::write(&path, "no code").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.find(engine.wasmtime(), COMPONENT).is_none());
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_time_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("compiled");
        let engine = Engine::with(Some(Cache::open(&folder).unwrap()), None).unwrap();
        fs::remove_dir(&folder).unwrap();
        Module::compile(&engine, COMPONENT, Path::new("x")).unwrap();
    }

    #[test]
    fn several_keep_the_same_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("compiled")).unwrap();
        let engine = Engine::with(Some(cache.clone()), None).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Module::compile(&engine, COMPONENT, Path::new("x")).unwrap());
            }
        });
        assert!(cache.find(engine.wasmtime(), COMPONENT).is_some());
        // What a compiler makes of a module is always the same, so is its name.
        only_file(&cache);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_no_cache() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o701, 0o770, 0o755] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = Cache::open(folder.path()).unwrap_err();
            assert!(error.to_string().contains("and 700 is wanted"), "{error}");
        }
        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(matches!(Cache::open(&link), Err(CacheError::NotOwn { .. })));
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(Cache::open(&folder.path().join("file")), Err(CacheError::Io { .. })));
    }

    #[test]
    fn the_oldest_go_where_there_is_no_room_and_strangers_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let now = SystemTime::now();
        let file = |name: &str, age: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(400).unwrap();
            file.set_modified(now - std::time::Duration::from_secs(age)).unwrap();
        };
        for (name, age) in [
            ("a.cwasm", 30),
            ("b.cwasm", 20),
            ("c.cwasm", 10),
            ("unfinished-x", 4_000),
            ("unfinished-y", 0),
            ("notes.txt", 9_000),
        ] {
            file(name, age);
        }
        Cache::bounded(folder.path(), 1_200).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["b.cwasm", "c.cwasm", "notes.txt", "unfinished-y"]);
    }
}
