//! Reading JSON of which one does not know beforehand what it is: an object, a list or something else.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::bounds::NUMBER_TOKEN;

/// What can be made of whatever stands there.
pub(super) trait Shape: Sized {
    /// An object, whose first key has been read; none: it is empty.
    fn object<'de, A: MapAccess<'de>>(first: Option<String>, rest: A) -> Result<Self, A::Error>;

    /// A list.
    fn list<'de, A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error>;

    /// Neither.
    fn other(value: Value) -> Self;

    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// All items of a list.
pub(super) fn items<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Vec<Value>, A::Error> {
    let mut read = Vec::new();
    while let Some(item) = items.next_element()? {
        read.push(item);
    }
    Ok(read)
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Shape> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<T, A::Error> {
        let first: Option<String> = fields.next_key()?;
        if first.as_deref() != Some(NUMBER_TOKEN) {
            return T::object(first, fields);
        }
        let text: String = fields.next_value()?;
        let number = Number::from_str(&text).map_err(Error::custom)?;
        Ok(T::other(Value::Number(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::list(items)
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::other(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::other(value.into()))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::other(Value::Null))
    }
}
