//! `nephoscope token`: a token for the collector's API.

use anyhow::Context as _;
use api::token::{generate, hash};

use crate::cli::TokenArguments;
use crate::exit::WrongArgument;

pub fn token(arguments: &TokenArguments) -> anyhow::Result<()> {
    let TokenArguments { name, project, write } = arguments;
    let is_plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
    };
    if let Some(text) = std::iter::once(name).chain(project).find(|text| !is_plain(text)) {
        return Err(WrongArgument::of(format!(
            "{text:?} is no name: names and projects have letters, digits, hyphens, dots, @ and _"
        ))
        .into());
    }
    let token = generate().context("the system gives no random numbers")?;
    let sha256: String = hash(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    eprintln!("The token, which is not kept anywhere; hand it over by a safe way:");
    println!("{token}");
    eprintln!("\nIts entry in the collector's file:\n");
    eprintln!("api:\n  tokens:\n    - name: {name}\n      sha256: {sha256}");
    if !project.is_empty() {
        eprintln!("      projects: [{}]", project.join(", "));
    }
    if *write {
        eprintln!("      write: true");
    }
    Ok(())
}
