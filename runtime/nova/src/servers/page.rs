//! A page of Nova's list, bounded while it is read: texts are borrowed from the body, lists have a most, and what is not asked for is
//! passed over.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most servers of a page: what Nova never passes by default (`[api]max_limit`), and more than are asked for.
const MAX_SERVERS: usize = 1_000;

/// Most links behind a page: there is one.
const MAX_LINKS: usize = 16;

/// Most metadata items of a server that are looked at: eight times Nova's default quota.
const MAX_ITEMS: usize = 1_024;

/// Longest key and value of Nova's metadata, in characters.
pub(super) const MAX_TEXT: usize = 255;

/// `GET /servers/detail`.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    /// The servers.
    #[serde(borrow)]
    pub servers: AtMost<Server<'a>, MAX_SERVERS>,
    /// What leads on.
    #[serde(default)]
    pub servers_links: AtMost<Link, MAX_LINKS>,
}

impl<'a> Page<'a> {
    /// Reads an answer; none where it is something else.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A server, as far as it is looked at.
#[derive(Deserialize)]
pub(super) struct Server<'a> {
    /// Its UUID, as it came.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its host, where the user may know it.
    #[serde(default, rename = "OS-EXT-SRV-ATTR:host")]
    pub host: Option<String>,
    /// What its tenant gave it.
    #[serde(default, borrow)]
    pub metadata: Items<'a>,
}

/// A link behind a page. Its address is not used.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    rel: String,
}

impl AtMost<Link, MAX_LINKS> {
    /// Whether there is another page.
    pub(super) fn have_next(&self) -> bool {
        self.0.iter().any(|link| link.rel == "next")
    }
}

/// A list of at most `N` elements; a longer one is refused where it becomes so.
pub(super) struct AtMost<T, const N: usize>(pub Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
            type Value = AtMost<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    if elements.len() == N {
                        return Err(A::Error::invalid_length(N + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(AtMost(elements))
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// The items of a server's metadata that are texts; `null` is none.
#[derive(Default)]
pub(super) struct Items<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a server's metadata")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Items::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut items = Items::default();
                while let Some((key, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if let (Text(Some(key)), Text(Some(value))) = (key, value)
                        && items.0.len() < MAX_ITEMS
                    {
                        items.0.push((key, value));
                    }
                }
                Ok(items)
            }
        }

        deserializer.deserialize_any(Pairs)
    }
}

/// A text, or nothing in place of any other value.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_far_as_it_matters() {
        let body = r#"{"servers": [
            {"id": "a", "metadata": {"k": "v", "\u006b2": "w", "n": 18446744073709551616, "f": -1.5e3, "b": true, "o": {"a": [1]}, "u": null}},
            {"id": "b", "flavor": {"vcpus": 99999999999999999999}, "OS-EXT-SRV-ATTR:host": "h", "metadata": null},
            {"id": "c", "OS-EXT-SRV-ATTR:host": null}
        ], "servers_links": [{"href": "http://elsewhere/", "rel": "next"}], "unknown": [[]]}"#;
        let page = Page::read(body.as_bytes()).unwrap();
        let [a, b, c] = &page.servers.0[..] else { panic!("three servers") };
        assert_eq!(a.metadata.0, [("k".into(), "v".into()), ("k2".into(), "w".into())]);
        assert!(b.metadata.0.is_empty() && c.metadata.0.is_empty());
        assert_eq!((b.host.as_deref(), c.host.as_deref()), (Some("h"), None));
        assert!(page.servers_links.have_next());
        assert!(!Page::read(b"{\"servers\": []}").unwrap().servers_links.have_next());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let deep = "[".repeat(1_000_000);
        for body in [
            "",
            "{}",
            "[]",
            "<html>",
            "{\"servers\": {}}",
            "{\"servers\": [1]}",
            "{\"servers\": [{}]}",
            "{\"servers\": [{\"id\": 1}]}",
            "{\"servers\": [{\"id\": \"a\", \"metadata\": []}]}",
            "{\"servers\": []",
            "{\"servers\": []} x",
            "{\"servers\": [], \"servers\": []}",
            deep.as_str(),
        ] {
            assert!(Page::read(body.as_bytes()).is_none(), "{}", &body[..body.len().min(80)]);
        }
        assert!(Page::read(b"{\"servers\": [{\"id\": \"\xff\"}]}").is_none());
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let body = format!(r#"{{"x": {deep}, "servers": [{{"id": "a", "metadata": {{"k": {deep}}}}}]}}"#);
        assert!(Page::read(body.as_bytes()).unwrap().servers.0[0].metadata.0.is_empty());
    }

    #[test]
    fn lists_are_bounded_while_they_are_read() {
        let servers = |count| format!("{{\"servers\": [{}]}}", vec!["{\"id\":\"\"}"; count].join(","));
        assert_eq!(Page::read(servers(MAX_SERVERS).as_bytes()).unwrap().servers.0.len(), MAX_SERVERS);
        assert!(Page::read(servers(MAX_SERVERS + 1).as_bytes()).is_none());
        let items = vec!["\"k\":\"\""; MAX_ITEMS + 1].join(",");
        let body = format!("{{\"servers\": [{{\"id\": \"\", \"metadata\": {{{items}}}}}]}}");
        assert_eq!(Page::read(body.as_bytes()).unwrap().servers.0[0].metadata.0.len(), MAX_ITEMS);
    }
}
