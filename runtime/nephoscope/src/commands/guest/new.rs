//! `nephoscope guest new`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use workbench::project::{Language, Project, ProjectError};

use crate::cli::NewArguments;
use crate::exit::WrongArgument;

pub fn new(arguments: &NewArguments) -> anyhow::Result<()> {
    let language = Language::named(&arguments.language).context("a language without a template")?;
    let project =
        Project::new(language, &arguments.name, arguments.meter.as_deref()).map_err(WrongArgument::new)?;
    let folder = arguments.into.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let files = match project.write(&folder) {
        Err(error @ ProjectError::Exists { .. }) => return Err(WrongArgument::new(error).into()),
        written => written?,
    };
    println!(
        "{}: {files} files, a guest in {} that measures {}\n",
        folder.display(),
        language.name,
        project.meter()
    );
    let steps = project.steps();
    let width = steps.iter().map(|step| step.command.len()).max().unwrap_or_default();
    if folder != Path::new(".") {
        println!("  cd {}", quoted(&folder.display().to_string()));
    }
    for step in steps {
        println!("  {:width$}    # {}", step.command, step.what);
    }
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+".contains(char);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("../my-meter"), "../my-meter");
        assert_eq!(quoted("my meter"), "'my meter'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
