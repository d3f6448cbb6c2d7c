// The files of the templates. The build script reads this file too: it is of the standard library alone, and has no module documentation for
// that reason.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The languages, by the names of their folders in `guests/`.
pub const LANGUAGES: [&str; 9] =
    ["c", "cpp", "go", "javascript", "python", "rust", "typescript", "wat", "zig"];

/// Far more than a template has: a symbolic link may lead upwards.
const DEPTH: usize = 16;

/// The files of a language's template: the paths in a new project, and where they are in the repository. Symbolic links are followed, what the
/// project's `.gitignore` names is left out; of git's patterns those are understood that are a name.
pub fn files(repository: &Path, language: &str) -> io::Result<BTreeMap<String, PathBuf>> {
    let guests = repository.join("guests");
    let project = guests.join(language).join("mem-max");
    let ignored = fs::read_to_string(project.join(".gitignore"))?;
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim().trim_matches('/')).collect();
    let mut files = BTreeMap::new();
    collect(&project, "", &ignored, DEPTH, &mut files)?;
    let templates = repository.join("runtime/workbench/templates");
    files.insert("pipeline.yaml".to_owned(), templates.join("pipeline.yaml"));
    files.insert("host.json".to_owned(), repository.join("runtime/workbench/example/host.json"));
    if language == "rust" {
        files.insert("Cargo.toml".to_owned(), templates.join("rust/Cargo.toml"));
        for shared in ["Cargo.lock", ".cargo/config.toml"] {
            files.insert(shared.to_owned(), guests.join("rust").join(shared));
        }
    }
    Ok(files)
}

fn collect(
    folder: &Path,
    prefix: &str,
    ignored: &[&str],
    depth: usize,
    files: &mut BTreeMap<String, PathBuf>,
) -> io::Result<()> {
    if depth == 0 {
        return Err(io::Error::other(format!("{} is too deep", folder.display())));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|_| io::Error::other("a file name that is no text"))?;
        if ignored.contains(&name.as_str()) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), ignored, depth - 1, files)?;
        } else {
            files.insert(format!("{prefix}{name}"), path);
        }
    }
    Ok(())
}
