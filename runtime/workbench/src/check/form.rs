//! What a file is by its first bytes, for authors whose build gave something else than a component.

use std::fmt;
use std::path::Path;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It has no bytes.
    Empty,
    /// WebAssembly text.
    Text,
    /// A core module, the form before the component model.
    CoreModule,
    /// A component.
    Component,
    /// It begins as WebAssembly does, and goes on otherwise.
    Damaged,
    /// Something else.
    Other,
}

impl Form {
    /// What a file is that has these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Self::CoreModule,
            [b'\0', b'a', b's', b'm', 13, 0, 1, 0, ..] => Self::Component,
            [b'\0', b'a', b's', b'm', ..] => Self::Damaged,
            text if text.trim_ascii_start().starts_with(b"(")
                || text.trim_ascii_start().starts_with(b";;") =>
            {
                Self::Text
            }
            _ => Self::Other,
        }
    }

    /// What is wrong with a file that is no component, and how to mend it.
    pub(super) fn fault(self, path: &Path) -> (&'static str, String) {
        let out = path.with_extension("component.wasm");
        let componentize = format!(
            "make a component of it: nephoscope guest componentize {} --out {}",
            path.display(),
            out.display()
        );
        match self {
            Self::Empty => ("it is empty", "the build wrote nothing: look at what it said".to_owned()),
            Self::Text => ("it is WebAssembly text", componentize + " --wit wit"),
            Self::CoreModule => (
                "it is a core module: it does not say what it imports and exports in the terms of the contract",
                componentize + "; with `--wit wit` where the compiler did not put the world's type into it",
            ),
            Self::Damaged => (
                "it is no component that this runtime knows: the version after its first four bytes is another one",
                "it is damaged, or of a WebAssembly newer than this runtime: build it anew".to_owned(),
            ),
            Self::Component | Self::Other => (
                "it is no WebAssembly: it does not begin with the bytes `\\0asm`",
                "name the .wasm file that the build has written, not a source or an archive".to_owned(),
            ),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Text => "WebAssembly text",
            Self::CoreModule => "a core module",
            Self::Component => "a component",
            Self::Damaged => "damaged WebAssembly",
            Self::Other => "no WebAssembly",
        })
    }
}
