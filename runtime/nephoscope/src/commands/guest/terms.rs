//! On what terms a component is checked, run and measured, from the command line.

use std::path::Path;

use sandbox::LoadError;
use workbench::play::Terms;

use crate::cli::TermsArguments;
use crate::exit::WrongArgument;

/// The terms that the arguments give.
pub fn terms(arguments: &TermsArguments) -> anyhow::Result<Terms> {
    let limits = config::arguments::limits(&arguments.limit)
        .map_err(|fault| WrongArgument::of(format!("--limit: {fault}")))?;
    let settings = config::arguments::settings(&arguments.set)
        .map_err(|fault| WrongArgument::of(format!("--set: {fault}")))?;
    Ok(Terms {
        grants: arguments.grant.as_ref().map(|grants| grants.iter().copied().collect()),
        limits: agent::plan::limits(&limits),
        settings,
        ..Terms::default()
    })
}

/// What the component is called in tables and refusals: its file's name without the ending.
pub fn name(module: &Path) -> String {
    module.file_stem().unwrap_or(module.as_os_str()).to_string_lossy().into_owned()
}

/// The refusal of a component, and where more is said.
pub fn refused(error: &LoadError, module: &Path) -> anyhow::Error {
    let shown = module.display();
    WrongArgument::of(format!("{}\n`nephoscope guest check {shown}` says more", agent::plan::chain(error)))
        .into()
}
