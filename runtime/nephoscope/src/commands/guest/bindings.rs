//! `nephoscope guest bindings`.

use workbench::bindings::{self, Language};
use workbench::world::World;

use crate::cli::{BindingsArguments, BindingsLanguage};
use crate::exit::WrongArgument;

pub fn bindings(arguments: &BindingsArguments) -> anyhow::Result<()> {
    let language = match arguments.language {
        BindingsLanguage::C => Language::C,
        BindingsLanguage::Go => Language::Go,
    };
    let world = World::read(&arguments.wit, arguments.world.as_deref()).map_err(WrongArgument::new)?;
    let name = world.name().to_owned();
    let written = bindings::write(language, world, &arguments.out)?;
    eprintln!("{} files for the world {name} in {}", written.len(), arguments.out.display());
    Ok(())
}
