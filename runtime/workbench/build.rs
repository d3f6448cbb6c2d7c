//! Lists the files of `nephoscope guest new` for the compiler to embed.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

#[path = "src/project/walk.rs"]
mod walk;

fn main() -> Result<(), Box<dyn Error>> {
    let own = env::var("CARGO_MANIFEST_DIR")?;
    let repository = Path::new(&own).join("../..").canonicalize()?;
    let mut source = String::from("&[\n");
    for language in walk::LANGUAGES {
        writeln!(source, "    ({language:?}, &[")?;
        for (name, path) in walk::files(&repository, language)? {
            // Files and not folders: cargo looks through all of a folder, and what is built there is not of the template. That a file is
            // new, a test tells.
            println!("cargo::rerun-if-changed={}", path.display());
            writeln!(source, "        ({name:?}, include_bytes!({path:?})),")?;
        }
        source.push_str("    ]),\n");
    }
    source.push(']');
    for file in ["build.rs", "src/project/walk.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("templates.rs"), source)?;
    Ok(())
}
