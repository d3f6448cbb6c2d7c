//! `nephoscope guest componentize`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use workbench::componentize;
use workbench::world::World;

use crate::cli::ComponentizeArguments;
use crate::exit::WrongArgument;

pub fn componentize(arguments: &ComponentizeArguments) -> anyhow::Result<()> {
    let world = match &arguments.wit {
        Some(folder) => Some(World::read(folder, arguments.world.as_deref()).map_err(WrongArgument::new)?),
        None => None,
    };
    let component =
        componentize::componentize(&arguments.module, world.as_ref()).map_err(WrongArgument::new)?;
    write(&arguments.out, &component)
        .with_context(|| format!("failed to write {}", arguments.out.display()))?;
    eprintln!("{}: {} bytes", arguments.out.display(), component.len());
    Ok(())
}

/// Whole or not at all: an agent may be looking at the file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path).inspect_err(|_| drop(fs::remove_file(&partial)))
}
