//! JSON that is copied as text while it is read, without a value for each of its parts.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::bounds::NUMBER_TOKEN;
use crate::json::{self, Form};

/// Appends whatever JSON comes, without spaces and with its characters unescaped. What it appends reads as what came; of a key that
/// comes twice, both are there.
pub(super) struct CopyTo<'a>(pub &'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for CopyTo<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CopyTo<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let start = self.0.len();
        self.0.push(b'{');
        let mut is_first = true;
        while let Some(kind) = fields.next_key_seed(CopyKeyTo { out: self.0, is_first })? {
            if is_first && kind == Key::Number {
                self.0.truncate(start);
                return number(&fields.next_value::<String>()?, self.0);
            }
            is_first = false;
            fields.next_value_seed(CopyTo(self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let start = self.0.len();
        while items.next_element_seed(CopyTo(self.0))?.is_some() {
            self.0.push(b',');
        }
        if self.0.len() > start {
            self.0.pop();
        }
        self.0.push(b']');
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        json::text(Form::Plain, text, self.0);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        // Writing to a vector does not fail.
        let _ = write!(self.0, "{value}");
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        let _ = write!(self.0, "{value}");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }
}

/// A number as it came, one that is neither a u64 nor an i64. An object may have been made to look like one.
fn number<E: Error>(text: &str, out: &mut Vec<u8>) -> Result<(), E> {
    let number = Number::from_str(text).map_err(E::custom)?;
    out.extend_from_slice(number.as_str().as_bytes());
    Ok(())
}

/// What a key says of the object that it begins.
#[derive(PartialEq, Eq)]
enum Key {
    /// It is none, but a number.
    Number,
    Usual,
}

/// Appends a key and its colon.
struct CopyKeyTo<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'de> DeserializeSeed<'de> for CopyKeyTo<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for CopyKeyTo<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        if !self.is_first {
            self.out.push(b',');
        }
        json::text(Form::Plain, key, self.out);
        self.out.push(b':');
        Ok(if key == NUMBER_TOKEN { Key::Number } else { Key::Usual })
    }
}
