//! An instance's resource metadata, rendered once for its many samples.
//!
//! Each of an instance's samples repeats its metadata, some 1.3 kB on the wire and 1 kB in the signature's text: most of a
//! sample. Both texts are made when the metadata is, and per field, so that a sample that adds or replaces fields (a disk's,
//! a vnic's) takes the others as they are.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::bounds::Measure;
use crate::check::{self, Fault};
use crate::era::metadata::Variant;
use crate::json::{self, Form};
use crate::signature::{self, Signing};

/// The metadata's key in a sample, with which flattened names begin.
pub(crate) const OUTER: &str = "resource_metadata";

/// What a field takes beside its text: key, value, hash and index in the map, and its places in the texts.
const FIELD_WEIGHT: usize = 256;

/// Fields that are looked through one by one.
const FEW: usize = 8;

/// `resource_metadata` of an instance: a JSON object, with the forms in which every sample of the instance repeats it
/// (JSON text, text to sign) kept beside it.
#[derive(Debug)]
pub struct Metadata {
    fields: Map<String, Value>,
    /// `"key":value,"key":value` without the braces, in the fields' order.
    plain: Vec<u8>,
    /// The same as it stands inside a JSON string.
    quoted: Vec<u8>,
    /// `resource_metadata:keyvalue…`, in the order of the keys.
    signed: Vec<u8>,
    /// Where each field is in them, in the fields' order.
    parts: Vec<Part>,
    /// The parts in the order of their keys.
    by_key: Vec<usize>,
    measure: Measure,
    /// How the collector era had it, by [`Variant`]: rendered for the first sample that goes to such a collector. None inside
    /// where it is the same.
    eras: [OnceLock<Option<Box<Metadata>>>; Variant::COUNT],
}

#[derive(Debug)]
struct Part {
    key: String,
    plain: Range<usize>,
    quoted: Range<usize>,
    signed: Range<usize>,
}

/// What is rendered follows from the fields.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Metadata {
    /// Takes the object as it is to stand on the wire.
    pub fn new(fields: Map<String, Value>) -> Self {
        let (mut plain, mut quoted, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts: Vec<Part> = Vec::with_capacity(fields.len());
        for (key, value) in &fields {
            let part = Part {
                key: key.clone(),
                plain: append(&mut plain, |out| json::field(Form::Plain, key, value, out)),
                quoted: append(&mut quoted, |out| json::field(Form::Quoted, key, value, out)),
                signed: 0..0,
            };
            parts.push(part);
        }
        let mut by_key: Vec<usize> = (0..parts.len()).collect();
        by_key.sort_unstable_by(|left, right| parts[*left].key.cmp(&parts[*right].key));
        for index in &by_key {
            let part = &mut parts[*index];
            let start = signed.len();
            if let Some(value) = fields.get(&part.key) {
                sign_field(&part.key, value, &mut signed);
            }
            part.signed = start..signed.len();
        }
        let measure = Measure::of(&fields, OUTER.len() + 1);
        Self { fields, plain, quoted, signed, parts, by_key, measure, eras: Default::default() }
    }

    /// The same metadata as the collector era had it.
    pub(crate) fn in_era(&self, variant: Variant) -> &Self {
        let rewritten = self.eras[variant as usize].get_or_init(|| match variant.rewrite(&self.fields) {
            Cow::Borrowed(_) => None,
            Cow::Owned(fields) => Some(Box::new(Self::new(fields))),
        });
        rewritten.as_deref().unwrap_or(self)
    }

    /// Its JSON text. [`Metadata::parse`] makes the same of it, to the digit.
    pub fn json(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.length(Form::Plain));
        self.write(Form::Plain, None, &mut text);
        text
    }

    /// Reads what [`Metadata::json`] wrote.
    ///
    /// # Errors
    /// For what is no JSON object.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(Self::new)
    }

    /// The object.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// What a sample adds, as the collector era had it.
    pub(crate) fn added_in_era(&self, variant: Variant) -> &Self {
        let rewritten = self.eras[variant as usize].get_or_init(|| match variant.extra(&self.fields) {
            Cow::Borrowed(_) => None,
            Cow::Owned(fields) => Some(Box::new(Self::new(fields))),
        });
        rewritten.as_deref().unwrap_or(self)
    }

    /// Whether a sample with this metadata and these additions may be published.
    pub(crate) fn check(&self, extra: Option<&Self>) -> Result<(), Fault> {
        match extra {
            Some(added) => check::metadata(&self.measure.and(&added.measure)),
            None => check::metadata(&self.measure),
        }
    }

    /// About how much memory it takes: its texts in their forms, and what its fields take beside them.
    pub fn weight(&self) -> usize {
        self.plain.len() * 2 + self.quoted.len() + self.signed.len() + self.parts.len() * FIELD_WEIGHT
    }

    /// Bytes of the JSON text in this form.
    pub(crate) fn length(&self, form: Form) -> usize {
        self.text(form).len() + 2
    }

    fn text(&self, form: Form) -> &[u8] {
        match form {
            Form::Plain => &self.plain,
            Form::Quoted => &self.quoted,
        }
    }

    /// Writes the object, with the fields of `extra` added or in place of those of the same key.
    pub(crate) fn write(&self, form: Form, extra: Option<&Self>, out: &mut Vec<u8>) {
        out.push(b'{');
        match extra {
            None => out.extend_from_slice(self.text(form)),
            Some(extra) => {
                for part in self.parts.iter().filter(|part| !extra.has(&part.key)) {
                    let range = match form {
                        Form::Plain => &part.plain,
                        Form::Quoted => &part.quoted,
                    };
                    out.extend_from_slice(&self.text(form)[range.clone()]);
                    out.push(b',');
                }
                out.extend_from_slice(extra.text(form));
                if extra.parts.is_empty() && out.last() == Some(&b',') {
                    out.pop();
                }
            }
        }
        out.push(b'}');
    }

    /// Signs the object of [`Metadata::write`].
    pub(crate) fn sign(&self, extra: Option<&Self>, signing: &mut Signing, scratch: &mut Vec<u8>) {
        let Some(extra) = extra else { return signing.update(&self.signed) };
        scratch.clear();
        let mut added = extra.sorted().peekable();
        for part in self.sorted() {
            while let Some(other) = added.next_if(|other| other.key < part.key) {
                scratch.extend_from_slice(&extra.signed[other.signed.clone()]);
            }
            if added.peek().is_none_or(|other| other.key != part.key) {
                scratch.extend_from_slice(&self.signed[part.signed.clone()]);
            }
        }
        for other in added {
            scratch.extend_from_slice(&extra.signed[other.signed.clone()]);
        }
        signing.update(scratch);
    }

    /// The parts in the order of their keys.
    fn sorted(&self) -> impl Iterator<Item = &Part> {
        self.by_key.iter().map(|index| &self.parts[*index])
    }

    /// Whether it has the key. A sample adds a handful: looking through them is quicker than a hash.
    fn has(&self, key: &str) -> bool {
        if self.parts.len() <= FEW {
            self.parts.iter().any(|part| part.key == key)
        } else {
            self.fields.contains_key(key)
        }
    }
}

fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    if !out.is_empty() {
        out.push(b',');
    }
    let start = out.len();
    write(out);
    start..out.len()
}

fn sign_field(key: &str, value: &Value, out: &mut Vec<u8>) {
    let mut path = Vec::with_capacity(OUTER.len() + key.len() + 32);
    path.extend_from_slice(OUTER.as_bytes());
    path.push(b':');
    path.extend_from_slice(key.as_bytes());
    signature::flatten(&mut path, value, out);
}
