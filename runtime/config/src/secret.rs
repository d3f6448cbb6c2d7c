//! Secrets: in the file, in a file of their own, or in the environment.
//!
//! What was read leaves this module as a `String` for a type that hides it at once; no fault quotes it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fault::shown;
use crate::file::read_bounded;
use crate::section::{Decoder, Key, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};

/// The largest secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// A secret that stands elsewhere.
pub(crate) static SECRET: Section = Section {
    title: "a secret's place",
    path: "SECRET",
    about: "What keeps a password out of this file. Exactly one of the two keys; the text itself may stand in place of the mapping.",
    keys: KEYS,
};

const KEYS: &[Key] = &[
    key(
        "file",
        "path",
        "",
        "A file that holds nothing but the secret; a newline at its end is not part of it. Others should not be able to read it.",
    ),
    key("env", "text", "", "The environment variable that holds the secret."),
];

/// A secret; it may be empty.
pub(crate) fn secret(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(text) if text.len() as u64 <= MAX_SECRET => Some(text.clone()),
        Value::Scalar(_) => {
            d.faults.error(&node.place, format!("a secret of more than {MAX_SECRET} bytes"));
            None
        }
        Value::Mapping(_) => elsewhere(d, node),
        Value::Null | Value::Sequence(_) => {
            d.expected("a secret: a text, or a mapping with `file` or `env`", node)
        }
    }
}

fn elsewhere(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    if let Value::Mapping(entries) = &node.value
        && entries.iter().any(|entry| SECRET.keys.iter().all(|key| key.name != entry.key))
    {
        // Its keys are not quoted: they may be the secret.
        d.faults.error(&node.place, "a secret's place has the key `file` or `env`, and no other");
        return None;
    }
    let map = Map::open(d, node, &SECRET, Unknown::Refuse)?;
    match (map.get("file"), map.get("env")) {
        (Some(file), None) => {
            let path = value::path(d, file)?;
            match read(&path) {
                Ok((text, others_may_read)) => {
                    if others_may_read {
                        let path = shown(&path.to_string_lossy());
                        d.faults.warning(
                            &file.place,
                            format!("everybody on this host may read {path} (chmod o-r)"),
                        );
                    }
                    Some(text)
                }
                Err(problem) => {
                    let path = shown(&path.to_string_lossy());
                    d.faults.error(&file.place, format!("cannot read the secret in {path}: {problem}"));
                    None
                }
            }
        }
        (None, Some(variable)) => {
            let name = value::text(d, variable)?;
            let found = std::env::var(&name).ok();
            if found.is_none() {
                let name = shown(&name);
                d.faults.error(&variable.place, format!("the environment variable {name} is not set"));
            }
            found
        }
        _ => {
            d.faults.error(&node.place, "a secret's place is one of `file` and `env`");
            None
        }
    }
}

/// The secret in a file, and whether everybody may read it.
fn read(path: &Path) -> Result<(String, bool), String> {
    let bytes = read_bounded(path, MAX_SECRET).map_err(|error| error.to_string())?;
    let others = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0);
    let mut text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok((text, others))
}
