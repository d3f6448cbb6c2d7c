//! Which modules may run: the policy, the file of pins, and the keys that may sign.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trust::{Key, KeyFault, Pins, Policy, PublicKey, Trust, key as keys, pins};

use super::guest::{Grant, grants};
use super::source::patterns;
use crate::fault::shown;
use crate::file::read_bounded;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Located, Place};

/// The most trusted keys: one for each author or team.
const MAX_KEYS: usize = 256;

const POLICIES: &[(&str, Policy)] =
    &[("signed", Policy::Signed), ("pinned", Policy::Pinned), ("any", Policy::Any)];

pub(crate) static TRUST: Section = Section {
    title: "the section `trust`",
    path: "trust",
    about: "Which modules may run. Absent: those that are pinned by their guest's `sha256`.",
    keys: &[
        key(
            "policy",
            "word",
            "pinned",
            "`pinned`: a module must be pinned, or signed by a key of `keys`. `signed`: it must be signed by one, and pins do not replace \
             that. `any`: every module that the file names. In each of them a guest's own `sha256` must be the module's, and but for `any` a \
             signature that is broken is worse than none.",
        ),
        key(
            "pins",
            "path",
            "",
            "A file of pins, as `sha256sum *.wasm` prints them. The hashes count; the names are for people.",
        ),
        key("keys", "list", "", "Keys whose signatures count."),
    ],
};

pub(crate) static TRUSTED_KEY: Section = Section {
    title: "a trusted key",
    path: "trust.keys[]",
    about: "A key whose signature (`ssh-keygen -Y sign -n nephoscope-guest`, in the file `MODULE.sig` beside the module) lets a module in, and \
            what a module that it has signed may claim.",
    keys: &[
        key(
            "name",
            "name",
            "",
            "Required. Its name in what is shown of the modules that it has signed; unique.",
        ),
        key(
            "key",
            "text, or mapping",
            "",
            "Required. The public key, of type ssh-ed25519: the line of its `.pub` file, or `{file: PATH}`.",
        ),
        key(
            "meters",
            "list of patterns",
            "",
            "Required. The meters that its modules may declare, by the rules of a source's `meters`.",
        ),
        key("grants", "list of words", "", "Required. The interfaces that its modules may import."),
    ],
};

static KEY_FILE: Section = Section {
    title: "a key's place",
    path: "trust.keys[].key",
    about: "Where the line stands.",
    keys: &[key("file", "path", "", "A `.pub` file.")],
};

/// None where something in the section has a fault: trust that is half read is none.
pub(super) fn trust(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<Trust> {
    let map = file.section(d, "trust", &TRUST)?;
    let mut policy = Some(Policy::default());
    if let Some(node) = map.get("policy") {
        policy = value::word(POLICIES)(d, node);
    }
    let pins = match map.get("pins") {
        Some(node) => pinned(d, node),
        None => Some(Pins::default()),
    };
    let keys = match map.get("keys") {
        Some(node) => trusted(d, node),
        None => Some(Vec::new()),
    };
    let unused = match policy {
        Some(Policy::Signed) => "policy: signed",
        Some(Policy::Any) => "policy: any",
        Some(Policy::Pinned) | None => "",
    };
    if !unused.is_empty() {
        map.idle(d, &["pins"], unused);
    }
    if policy == Some(Policy::Signed) && !map.has("keys") {
        let place = map.get("policy").map_or(map.place, |node| &node.place);
        d.faults.error(place, "`policy: signed` needs `keys`: without one no module can run");
    }
    Some(Trust { policy: policy?, pins: pins?, keys: keys? })
}

/// The file of pins that a pipeline file names.
pub(super) fn pins_file(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<PathBuf> {
    let Value::Mapping(entries) = &file.get("trust")?.value else { return None };
    let pins = entries.iter().find(|entry| entry.key == "pins")?;
    match &pins.node.value {
        Value::Scalar(path) => Some(d.resolve(path)),
        _ => None,
    }
}

/// Reads a file of pins anew, in an agent that runs.
///
/// # Errors
/// It cannot be read, or has faults: the first of them, in words.
pub fn read_pins(path: &Path) -> Result<Pins, String> {
    let text = read_bounded(path, pins::MAX_BYTES).map_err(|error| error.to_string())?;
    Pins::parse(&String::from_utf8_lossy(&text)).map_err(|faults| match faults.first() {
        Some(fault) => format!("line {}: {}", fault.line, fault.message),
        None => "it has faults".to_owned(),
    })
}

fn pinned(d: &mut Decoder<'_>, node: &Node) -> Option<Pins> {
    let path = value::path(d, node)?;
    let name = path.to_string_lossy();
    let text = match read_bounded(&path, pins::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            d.faults.error(&node.place, format!("cannot read {}: {error}", shown(&name)));
            return None;
        }
    };
    // Names of files need not be UTF-8, and only hashes count.
    match Pins::parse(&String::from_utf8_lossy(&text)) {
        Ok(pins) => {
            if pins.is_empty() {
                d.faults.warning(&node.place, format!("{} pins nothing", shown(&name)));
            }
            Some(pins)
        }
        Err(faults) => {
            for fault in faults {
                let place = Place { file: name.as_ref().into(), line: fault.line, column: 1 };
                d.faults.error(&place, fault.message);
            }
            None
        }
    }
}

fn trusted(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<Arc<Key>>> {
    let Value::Sequence(items) = &node.value else { return d.expected("a list of keys", node) };
    let read = d.list(node, "keys", trusted_key)?;
    // Those that have a fault are gone.
    let complete = read.len() == items.len();
    super::unique(d, "key", read.iter().map(|key| (key.name.as_str(), &key.place)));
    super::bounded(d, &node.place, "keys", read.len(), MAX_KEYS);
    for (at, key) in read.iter().enumerate().take(MAX_KEYS) {
        if let Some(first) = read[..at].iter().find(|first| first.public == key.public) {
            d.faults
                .error(&key.place, format!("this is the key {}, too: whose claims would count?", first.name));
        }
    }
    complete.then(|| read.into_iter().map(|key| Arc::new(key.value)).collect())
}

fn trusted_key(d: &mut Decoder<'_>, node: &Node) -> Option<Located<Key>> {
    let map = Map::open(d, node, &TRUSTED_KEY, Unknown::Refuse)?;
    let name = map.required(d, "name", value::name);
    let public = map.required(d, "key", public);
    let meters = map.required(d, "meters", |d, node| patterns(d, node, "meters"));
    let grants = map.required(d, "grants", grants);
    if let Some(Node { value: Value::Sequence(items), place, .. }) = map.get("grants")
        && items.is_empty()
    {
        d.faults.warning(place, "this key grants nothing: its modules can read nothing");
    }
    let grants: BTreeSet<String> =
        grants?.value.into_iter().map(|grant: Grant| grant.as_str().to_owned()).collect();
    let value = Key { name: name?, public: public?, meters: meters?.0.value, grants };
    Some(Located { value, place: node.place.clone() })
}

/// A public key's line is no secret, but who errs may have put the private half there: faults do not quote it.
fn public(d: &mut Decoder<'_>, node: &Node) -> Option<PublicKey> {
    match &node.value {
        Value::Scalar(line) => key_of(d, line, &node.place, None),
        Value::Mapping(_) => {
            let map = Map::open(d, node, &KEY_FILE, Unknown::Refuse)?;
            map.required(d, "file", |d, node| {
                let path = value::path(d, node)?;
                match read_bounded(&path, keys::MAX_LINE as u64) {
                    Ok(bytes) => key_of(d, &String::from_utf8_lossy(&bytes), &node.place, Some(&path)),
                    Err(error) => {
                        let path = shown(&path.to_string_lossy());
                        d.faults.error(&node.place, format!("cannot read {path}: {error}"));
                        None
                    }
                }
            })
        }
        Value::Null | Value::Sequence(_) => {
            d.expected("a public key: the line of a `.pub` file, or a mapping with `file`", node)
        }
    }
}

fn key_of(d: &mut Decoder<'_>, line: &str, place: &Place, from: Option<&Path>) -> Option<PublicKey> {
    let refuse = |fault: KeyFault| match from {
        Some(path) => format!("{}: {fault}", shown(&path.to_string_lossy())),
        None => fault.to_string(),
    };
    PublicKey::parse(line).map_err(|fault| d.faults.error(place, refuse(fault))).ok()
}
