//! `nephoscope guest pull`.

use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

use anyhow::Context;
use oci::{Credentials, Options, Pulled, Reference, Transport};
use sandbox::limits;
use trust::{Sha256, signature};

use super::componentize::write;
use crate::cli::{PullArguments, RegistryArguments};
use crate::commands::runtime;
use crate::exit::WrongArgument;

pub fn pull(arguments: &PullArguments) -> anyhow::Result<()> {
    let pulled = fetch(&arguments.reference, &arguments.registry)?;
    let (out, beside) = (&arguments.out, signature::path(&arguments.out));
    // The signature comes first: whoever watches for the module finds both. One of another module is worse than none.
    match &pulled.signature {
        Some(signature) => write(&beside, signature),
        None => fs::remove_file(&beside).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }),
    }
    .with_context(|| format!("failed to write {}", beside.display()))?;
    write(out, &pulled.module).with_context(|| format!("failed to write {}", out.display()))?;

    let mut told = io::stdout().lock();
    writeln!(told, "{}: {} bytes", out.display(), pulled.module.len())?;
    if pulled.signature.is_some() {
        writeln!(told, "{}: its signature", beside.display())?;
    }
    writeln!(told, "\nto pin it in a pipeline file:\n\n    sha256: {}", Sha256::of(&pulled.module))?;
    Ok(())
}

/// Pulls a module by its digest, and its signature.
pub(super) fn fetch(reference: &str, registry: &RegistryArguments) -> anyhow::Result<Pulled> {
    let reference: Reference = reference.parse().map_err(WrongArgument::new)?;
    let options = Options {
        module_bytes: limits::MODULE_BYTES,
        transport: if registry.plain_http { Transport::Plain } else { Transport::Tls },
        credentials: match &registry.credentials {
            Some(file) => Some(Credentials::read(file).map_err(WrongArgument::new)?),
            None => match docker_config() {
                Some(file) => {
                    Credentials::of_docker(&file, reference.registry()).map_err(WrongArgument::new)?
                }
                None => None,
            },
        },
    };
    runtime()?
        .block_on(oci::pull(&reference, &options))
        .with_context(|| format!("failed to pull {reference}"))
}

/// Where `docker login` writes, and those that do as it does.
fn docker_config() -> Option<PathBuf> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    folder.or_else(home).map(|folder| folder.join("config.json"))
}
