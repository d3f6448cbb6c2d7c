//! An author's WIT folder: the world that a guest is built for, and the packages that it names, in `deps/`.

use std::path::{Path, PathBuf};

use wit_parser::{Resolve, WorldId};

/// A world in a folder.
pub struct World {
    pub(crate) resolve: Resolve,
    pub(crate) id: WorldId,
}

/// Why a world cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The folder, or a file in it, is no WIT.
    #[error("{} cannot be read as WIT: {reason}", path.display())]
    Parse {
        /// The folder.
        path: PathBuf,
        /// The parser's words, with file, line and an arrow.
        reason: String,
    },
    /// The folder has no such world, or several and none was named.
    #[error("{}: {reason}", path.display())]
    Select {
        /// The folder.
        path: PathBuf,
        /// Which worlds there are.
        reason: String,
    },
}

impl World {
    /// Reads a folder of WIT with its `deps/`, and picks its world: the named one, or the only one.
    ///
    /// # Errors
    /// It is no WIT, or has no such world.
    pub fn read(folder: &Path, name: Option<&str>) -> Result<Self, WorldError> {
        let path = || folder.to_owned();
        // A device or a pipe would be read without an end.
        if !folder.metadata().is_ok_and(|found| found.is_dir() || found.is_file()) {
            return Err(WorldError::Parse { path: path(), reason: "there is no such folder".to_owned() });
        }
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_path(folder)
            .map_err(|error| WorldError::Parse { path: path(), reason: format!("{error:#}") })?;
        let id = resolve
            .select_world(&[package], name)
            .map_err(|error| WorldError::Select { path: path(), reason: format!("{error:#}") })?;
        Ok(Self { resolve, id })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.resolve.worlds[self.id].name
    }
}
