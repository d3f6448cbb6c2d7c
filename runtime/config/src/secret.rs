//! Secrets: in the file, in a file of their own, or in the environment.
//!
//! A secret that is read from elsewhere must be there: an empty file or variable is a fault, for it is rather a mishap (a file
//! that was not filled in yet) than the wish to do without. Only the text `""` in the configuration itself says that.
//!
//! What was read leaves this module as a `String` for a type that hides it at once; no fault quotes it.

use std::ffi::OsString;
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

/// A secret; empty only where the text stands here.
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
            let shown = shown(&path.to_string_lossy());
            match read(&path) {
                Ok((text, others_may_read)) => match filled(text) {
                    Ok(text) => {
                        if others_may_read {
                            let warning = format!("everybody on this host may read {shown} (chmod o-r)");
                            d.faults.warning(&file.place, warning);
                        }
                        Some(text)
                    }
                    Err(problem) => {
                        d.faults.error(&file.place, format!("the secret in {shown} {problem}"));
                        None
                    }
                },
                Err(problem) => {
                    d.faults.error(&file.place, format!("cannot read the secret in {shown}: {problem}"));
                    None
                }
            }
        }
        (None, Some(variable)) => {
            let name = value::text(d, variable)?;
            let found = from_variable(std::env::var_os(&name));
            found
                .map_err(|problem| {
                    let name = shown(&name);
                    d.faults.error(&variable.place, format!("the environment variable {name} {problem}"));
                })
                .ok()
        }
        _ => {
            d.faults.error(&node.place, "a secret's place is one of `file` and `env`");
            None
        }
    }
}

/// A secret that is not empty; what is wrong otherwise.
fn filled(text: String) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty; write \"\" here to do without one".to_owned());
    }
    Ok(text)
}

/// The secret in an environment variable; what is wrong otherwise, without what it holds.
fn from_variable(value: Option<OsString>) -> Result<String, String> {
    let value = value.ok_or("is not set")?;
    if value.len() as u64 > MAX_SECRET {
        return Err(format!("is larger than {MAX_SECRET} bytes"));
    }
    filled(value.into_string().map_err(|_| "is not UTF-8")?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_variable_is_a_secret_only_where_it_holds_a_bounded_text() {
        let read = |bytes: &[u8]| from_variable(Some(OsString::from_vec(bytes.to_vec())));
        assert_eq!(read(b"hunter2").as_deref(), Ok("hunter2"));
        assert_eq!(from_variable(None).unwrap_err(), "is not set");
        assert_eq!(read(b"").unwrap_err(), "is empty; write \"\" here to do without one");
        assert_eq!(read(b"hunter2\xff").unwrap_err(), "is not UTF-8");
        assert!(read(&[b'x'; 4096]).is_ok());
        assert_eq!(read(&[b'x'; 4097]).unwrap_err(), "is larger than 4096 bytes");
    }
}
