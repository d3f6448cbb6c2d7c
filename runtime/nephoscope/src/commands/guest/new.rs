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
        println!("  cd {}", folder.display());
    }
    for step in steps {
        println!("  {:width$}    # {}", step.command, step.what);
    }
    Ok(())
}
