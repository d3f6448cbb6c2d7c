//! Fields of readings, and what a change makes of them.
//!
//! A table per record says which keys a change may have and which field each of them is; the values are read here, once, and put into
//! as many instances as one likes.

use crate::section::{Decoder, Map};
use crate::value;
use crate::yaml::{Node, Value};

/// One field of a record.
pub(super) struct Field<T> {
    pub name: &'static str,
    pub slot: Slot<T>,
}

/// Where it lies, and what it holds.
pub(super) enum Slot<T> {
    /// A counter or a size that may be missing.
    Count(fn(&mut T) -> &mut Option<u64>),
    /// A text that may be missing.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A number that is always there.
    Number(fn(&mut T) -> &mut u64),
    /// The same, of 32 bits.
    Small(fn(&mut T) -> &mut u32),
    /// A text that is always there.
    Name(fn(&mut T) -> &mut String),
    /// Names and texts: a mapping changes some of them, a list of pairs, as recordings have it, replaces all.
    Pairs(fn(&mut T) -> &mut Vec<(String, String)>),
}

impl<T> Slot<T> {
    /// Whether a record without it is none.
    const fn is_needed(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Small(_) | Self::Name(_))
    }
}

/// A field with its new value.
pub(super) enum Set<T: 'static> {
    Count(fn(&mut T) -> &mut Option<u64>, Option<u64>),
    Text(fn(&mut T) -> &mut Option<String>, Option<String>),
    Number(fn(&mut T) -> &mut u64, u64),
    Small(fn(&mut T) -> &mut u32, u32),
    Name(fn(&mut T) -> &mut String, String),
    Pairs(fn(&mut T) -> &mut Vec<(String, String)>, Vec<(String, Option<String>)>),
    AllPairs(fn(&mut T) -> &mut Vec<(String, String)>, Vec<(String, String)>),
}

impl<T> Set<T> {
    pub fn put(&self, record: &mut T) {
        match self {
            Self::Count(field, value) => *field(record) = *value,
            Self::Text(field, value) => field(record).clone_from(value),
            Self::Number(field, value) => *field(record) = *value,
            Self::Small(field, value) => *field(record) = *value,
            Self::Name(field, value) => field(record).clone_from(value),
            Self::Pairs(field, changes) => merge(field(record), changes),
            Self::AllPairs(field, pairs) => field(record).clone_from(pairs),
        }
    }
}

/// Puts values in place of those of the same names, adds new ones, and removes those that have none.
pub(super) fn merge<V: Clone>(pairs: &mut Vec<(String, V)>, changes: &[(String, Option<V>)]) {
    for (name, value) in changes {
        let at = pairs.iter().position(|(other, _)| other == name);
        match (at, value) {
            (Some(at), Some(value)) => pairs[at].1 = value.clone(),
            (None, Some(value)) => pairs.push((name.clone(), value.clone())),
            (Some(at), None) => drop(pairs.remove(at)),
            (None, None) => {}
        }
    }
}

/// What a mapping says of a record.
pub(super) struct Patch<T: 'static> {
    sets: Vec<Set<T>>,
    /// Needed fields that it does not set.
    lacks: Vec<&'static str>,
}

impl<T> Patch<T> {
    /// Reads the fields of a table from a mapping.
    pub fn read(d: &mut Decoder<'_>, map: &Map<'_>, fields: &'static [Field<T>]) -> Self {
        let mut patch = Self { sets: Vec::new(), lacks: Vec::new() };
        for field in fields {
            match map.given(field.name) {
                Some(node) => patch.sets.extend(read(d, node, field)),
                None if field.slot.is_needed() => patch.lacks.push(field.name),
                None => {}
            }
        }
        patch
    }

    pub fn put(&self, record: &mut T) {
        self.sets.iter().for_each(|set| set.put(record));
    }

    /// The needed fields that a new record would lack: "`maximum`".
    pub fn lacks(&self) -> Option<String> {
        let names: Vec<_> = self.lacks.iter().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

fn read<T>(d: &mut Decoder<'_>, node: &Node, field: &Field<T>) -> Option<Set<T>> {
    if node.is_null() && field.slot.is_needed() {
        let message = format!("`{}` cannot be removed: the contract has it always", field.name);
        d.faults.error(&node.place, message);
        return None;
    }
    Some(match field.slot {
        Slot::Count(slot) => Set::Count(slot, nullable(d, node, value::number(0, u64::MAX))?),
        Slot::Text(slot) => Set::Text(slot, nullable(d, node, value::text_or_empty)?),
        Slot::Number(slot) => Set::Number(slot, value::number(0, u64::MAX)(d, node)?),
        Slot::Small(slot) => Set::Small(slot, value::number(0, u64::from(u32::MAX))(d, node)?),
        Slot::Name(slot) => Set::Name(slot, value::text(d, node)?),
        Slot::Pairs(slot) if matches!(node.value, Value::Sequence(_)) => {
            Set::AllPairs(slot, all_pairs(d, node)?)
        }
        Slot::Pairs(slot) => Set::Pairs(slot, pairs(d, node, value::text_or_empty)?),
    })
}

/// A list of names with their texts.
fn all_pairs(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<(String, String)>> {
    let Value::Sequence(items) = &node.value else { return None };
    let pair = |d: &mut Decoder<'_>, item: &Node| match &item.value {
        Value::Sequence(pair) => match &pair[..] {
            [name, text] => Some((value::text(d, name)?, value::text_or_empty(d, text)?)),
            _ => d.expected("a name and a text: [bridge, br-int]", item),
        },
        _ => d.expected("a name and a text: [bridge, br-int]", item),
    };
    Some(items.iter().filter_map(|item| pair(d, item)).collect())
}

/// A mapping of names to values, or to null.
pub(super) fn pairs<V>(
    d: &mut Decoder<'_>,
    node: &Node,
    mut each: impl FnMut(&mut Decoder<'_>, &Node) -> Option<V>,
) -> Option<Vec<(String, Option<V>)>> {
    let Value::Mapping(entries) = &node.value else {
        return d.expected("a mapping of names to values", node);
    };
    let pairs = entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), nullable(d, &entry.node, &mut each)?)))
        .collect();
    Some(pairs)
}

/// A value, or the null that removes it.
fn nullable<V>(
    d: &mut Decoder<'_>,
    node: &Node,
    read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<V>,
) -> Option<Option<V>> {
    if node.is_null() { Some(None) } else { read(d, node).map(Some) }
}
