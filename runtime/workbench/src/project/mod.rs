//! New projects: a guest that builds at once, with its tests, in the author's own folder and under his own names.
//!
//! The template of a language is `guests/<language>/mem-max` itself, so that there is one source for a guest that is tested here and for what an
//! author starts from. Its files are in the program; in those of the author's own the words `mem-max`, `mem_max` and `mem.max` become his. The
//! contract (`wit/deps`) and the SDK are copied as they are.

mod languages;
mod names;
#[cfg(test)]
mod walk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use languages::{Language, Step};
pub use names::{NameError, check_meter, check_name};

/// Names, and their files: the paths in a project, and the contents.
type Templates = &'static [(&'static str, &'static [(&'static str, &'static [u8])])];

/// Made by the build script.
static TEMPLATES: Templates = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Project {
    language: &'static Language,
    name: String,
    meter: String,
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The folder is not empty, or no folder.
    #[error("{} exists and is not an empty folder: nothing is overwritten; name another with --into", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Project {
    /// A project of these names; the meter's is made of the project's where none is given: `my-meter` measures `my.meter`.
    ///
    /// # Errors
    /// A name cannot be one in that language.
    pub fn new(language: &'static Language, name: &str, meter: Option<&str>) -> Result<Self, NameError> {
        check_name(name, language)?;
        let meter = meter.map_or_else(|| name.replace('-', "."), str::to_owned);
        check_meter(&meter)?;
        Ok(Self { language, name: name.to_owned(), meter })
    }

    /// Its language.
    pub const fn language(&self) -> &'static Language {
        self.language
    }

    /// Its meter.
    pub fn meter(&self) -> &str {
        &self.meter
    }

    /// Its files: paths and contents.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let template = TEMPLATES.iter().find(|(language, _)| *language == self.language.name);
        let files = template.map_or(&[][..], |(_, files)| files);
        files.iter().map(|(path, contents)| self.file(path, contents)).collect()
    }

    fn file(&self, path: &str, contents: &[u8]) -> (String, Vec<u8>) {
        let is_own = !["sdk/", "wit/deps/"].iter().any(|folder| path.starts_with(folder));
        match std::str::from_utf8(contents) {
            Ok(text) if is_own => {
                let text = self.language.adapt(path, text);
                (self.named(path), self.named(&text).into_bytes())
            }
            _ => (path.to_owned(), contents.to_vec()),
        }
    }

    /// A text of the template with this project's names. They are put in all at once, for one may hold a word that is replaced.
    pub fn named(&self, text: &str) -> String {
        let snake = self.name.replace('-', "_");
        let words = [("mem-max", &self.name), ("mem_max", &snake), ("mem.max", &self.meter)];
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            let next = words.iter().filter_map(|(word, by)| Some((rest.find(word)?, word, by))).min();
            let Some((at, word, by)) = next else { break };
            named.push_str(&rest[..at]);
            named.push_str(by);
            rest = &rest[at + word.len()..];
        }
        named + rest
    }

    /// Writes the project into a folder that is empty (but for a repository's `.git`) or not there yet; gives how many files there are.
    ///
    /// # Errors
    /// The folder has something in it, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<usize, ProjectError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProjectError::Write { path, source }
        };
        match fs::read_dir(folder) {
            Ok(entries) => {
                let mut others =
                    entries.filter(|entry| !matches!(entry, Ok(entry) if entry.file_name() == ".git"));
                if others.next().is_some() {
                    return Err(ProjectError::Exists { path: folder.to_owned() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ProjectError::Exists { path: folder.to_owned() });
            }
            Err(error) => return Err(failed(folder)(error)),
        }
        let files = self.files();
        for (name, contents) in &files {
            let path = folder.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed(folder))?;
            }
            fs::write(&path, contents).map_err(failed(&path))?;
        }
        Ok(files.len())
    }
}

#[cfg(test)]
mod tests;
