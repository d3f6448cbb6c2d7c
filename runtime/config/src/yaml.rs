//! YAML text to a tree of nodes that know their places.
//!
//! The parser's events are pulled one by one, so that every bound holds while the text is read, not after. Aliases are
//! copies that count against [`MAX_NODES`], long texts more than short ones; merge keys (`<<`) work as in PyYAML. Refused with a fault each: a second
//! document, a key that is given twice (PyYAML would take the last), a key that is no text, tags of programs
//! (`!!python/…`). After broken syntax nothing can be read and there is one fault; the others leave the rest of the
//! tree to be checked too.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::fault::{shown, shown_key};
use crate::{Faults, Place};

/// The largest file, in bytes: a hundred times what a host with dozens of guests needs.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// The most nodes, those that aliases and merge keys repeat included.
const MAX_NODES: usize = 20_000;

/// The longest single value or key, in bytes: twice the longest setting.
pub(crate) const MAX_SCALAR: usize = 8192;

/// A text of this many bytes, begun ones left out, counts as one value more: so copies of long texts are bounded too.
const BYTES_OF_A_VALUE: usize = 256;

/// How deep nodes may be nested; the deepest setting stands at 7.
const MAX_DEPTH: usize = 32;

/// A value of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
    /// Whether it is a scalar without quotes: most settings are read alike with and without, but where a value has a type of its own,
    /// quotes make it a text.
    pub plain: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `~`, `null`, or nothing at all.
    Null,
    /// A text as it was written, without its quotes; what it means is for who reads it to say.
    Scalar(String),
    Sequence(Vec<Node>),
    /// Keys are unique; in the order of the file.
    Mapping(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Node {
    /// What this is, for faults: "a list".
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What this tree counts as, in nodes, and its height.
    fn extent(&self) -> (usize, usize) {
        let deeper = |(count, height): (usize, usize), node: &Self| {
            let (below, deep) = node.extent();
            (count + below, height.max(deep + 1))
        };
        match &self.value {
            Value::Null => (1, 1),
            Value::Scalar(text) => (weight(text), 1),
            Value::Sequence(items) => items.iter().fold((1, 1), deeper),
            Value::Mapping(entries) => {
                let keys: usize = entries.iter().map(|entry| weight(&entry.key)).sum();
                entries.iter().map(|entry| &entry.node).fold((1 + keys, 1), deeper)
            }
        }
    }
}

/// Reads the one document of a file. None where the text cannot be read on; the reason is among the faults then.
pub(crate) fn parse(file: &Arc<str>, text: &str, faults: &mut Faults) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(place) = forbidden(file, text) {
        faults.error(&place, "a control character: YAML files are plain text");
        return None;
    }
    let mut tree = Tree { file, faults, open: Vec::new(), anchors: HashMap::new(), spent: 0, root: None };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => {
                if let Err(reason) = tree.take(event, span.start) {
                    let place = tree.place(span.start);
                    faults.error(&place, reason);
                    return None;
                }
            }
            Err(fault) => {
                let place = tree.place(*fault.marker());
                if fault.info().contains("recursion limit") {
                    // The scanner's own bound, where it looks far ahead of the events.
                    faults.error(&place, too_deep());
                    return None;
                }
                let alias = fault.info().contains("anchor");
                let hint = if alias { "; a text that begins with `*` or `&` needs quotes" } else { "" };
                faults.error(&place, format!("this is no YAML: {}{hint}", fault.info()));
                return None;
            }
        }
    }
    let root = tree.root;
    if root.is_none() {
        faults.error(&Place::file(file.clone()), "the file is empty");
    }
    root
}

/// The first character that YAML does not allow; the parser would take a NUL for the end of the file.
fn forbidden(file: &Arc<str>, text: &str) -> Option<Place> {
    let bad = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let at = text.find(bad)?;
    let line = text[..at].matches('\n').count() as u32 + 1;
    let column = text[..at].rsplit('\n').next().map_or(0, |start| start.chars().count()) as u32 + 1;
    Some(Place { file: file.clone(), line, column })
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// In a mapping: the key whose value comes next. `None` inside: a key that was refused; its value is dropped.
    key: Option<Option<(String, Place)>>,
    /// In a mapping: where each key stands, and the values of its merge keys.
    seen: HashMap<String, u32>,
    merges: Vec<Node>,
}

struct Tree<'a> {
    file: &'a Arc<str>,
    faults: &'a mut Faults,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    spent: usize,
    root: Option<Node>,
}

impl Tree<'_> {
    fn place(&self, mark: Marker) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            file: self.file.clone(),
            line: number(mark.line()),
            column: number(mark.col()).saturating_add(1),
        }
    }

    /// One event; an error ends the reading.
    fn take(&mut self, event: Event<'_>, mark: Marker) -> Result<(), String> {
        let place = self.place(mark);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err("a second document: a configuration file holds one".into())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if text.len() > MAX_SCALAR {
                    return Err(format!("a text of {} bytes; at most {MAX_SCALAR}", text.len()));
                }
                self.spend(weight(&text))?;
                let text_wanted = self.check_tag(tag.as_deref(), &place);
                let plain = style == ScalarStyle::Plain && !text_wanted;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.close(Node { place, value, plain }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(place, Value::Sequence(Vec::new()), anchor, tag.as_deref())
            }
            Event::MappingStart(anchor, tag) => {
                self.open(place, Value::Mapping(Vec::new()), anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(mut done) => {
                    self.merge(&mut done)?;
                    self.close(done.node, done.anchor)
                }
                None => Err("a collection ends that did not begin".into()),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err("an alias inside of what it names".into());
                };
                let (count, height) = node.extent();
                self.spend(count)?;
                if self.open.len() + height > MAX_DEPTH {
                    return Err(too_deep());
                }
                self.close(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn spend(&mut self, nodes: usize) -> Result<(), String> {
        self.spent += nodes;
        if self.spent > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values, what aliases repeat included"));
        }
        Ok(())
    }

    /// Whether a tag makes a scalar a text whatever it looks like.
    fn check_tag(&mut self, tag: Option<&Tag>, place: &Place) -> bool {
        let Some(tag) = tag else { return false };
        let core = tag.is_yaml_core_schema()
            && matches!(&*tag.suffix, "str" | "int" | "float" | "bool" | "null" | "seq" | "map");
        if !core && !tag.suffix.is_empty() {
            let (name, hint) = match &*tag.handle {
                "!" => (format!("!{}", tag.suffix), "; a text that begins with `!` needs quotes"),
                _ if tag.is_yaml_core_schema() => (format!("!!{}", tag.suffix), ""),
                _ => (tag.to_string(), ""),
            };
            self.faults.error(place, format!("the tag {} has no meaning here{hint}", shown(&name)));
        }
        core && tag.suffix == "str"
    }

    fn open(&mut self, place: Place, value: Value, anchor: usize, tag: Option<&Tag>) -> Result<(), String> {
        self.spend(1)?;
        self.check_tag(tag, &place);
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let node = Node { place, value, plain: false };
        self.open.push(Open { node, anchor, key: None, seen: HashMap::new(), merges: Vec::new() });
        Ok(())
    }

    /// A node is complete: it goes to the collection that it stands in.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            // The copy that aliases are made from is paid for like one.
            self.spend(node.extent().0)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let entries = match &mut parent.node.value {
            Value::Sequence(items) => {
                items.push(node);
                return Ok(());
            }
            Value::Mapping(entries) => entries,
            Value::Null | Value::Scalar(_) => return Ok(()),
        };
        match parent.key.take() {
            None => {
                parent.key = Some(match node.value {
                    Value::Scalar(key) => Some((key, node.place)),
                    Value::Null => Some(("null".into(), node.place)),
                    Value::Sequence(_) | Value::Mapping(_) => {
                        self.faults
                            .error(&node.place, format!("a key must be a text, this is {}", node.kind()));
                        None
                    }
                });
            }
            Some(None) => {}
            Some(Some((key, _))) if key == "<<" => parent.merges.push(node),
            Some(Some((key, place))) => match parent.seen.get(&key) {
                Some(line) => {
                    self.faults
                        .error(&place, format!("{} is given twice, first on line {line}", shown_key(&key)));
                }
                None => {
                    parent.seen.insert(key.clone(), place.line);
                    entries.push(Entry { key, place, node });
                }
            },
        }
        Ok(())
    }

    /// Adds what merge keys bring and the mapping does not say itself.
    fn merge(&mut self, done: &mut Open) -> Result<(), String> {
        let Value::Mapping(entries) = &mut done.node.value else { return Ok(()) };
        for merged in std::mem::take(&mut done.merges) {
            let several = match merged.value {
                Value::Sequence(items) => items,
                _ => vec![merged],
            };
            for mapping in several {
                let Value::Mapping(more) = mapping.value else {
                    self.faults
                        .error(&mapping.place, format!("`<<` merges mappings, this is {}", mapping.kind()));
                    continue;
                };
                for entry in more {
                    if done.seen.insert(entry.key.clone(), entry.place.line).is_none() {
                        entries.push(entry);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a text counts as, in nodes.
fn weight(text: &str) -> usize {
    1 + text.len() / BYTES_OF_A_VALUE
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}
