//! Bounds on tags, checked before the XML is parsed.
//!
//! The parser compares each attribute of an element with those before it, and copies the namespaces of a parent to each child
//! that declares one: a few MiB of such XML would cost it minutes. Here the tags are walked once, byte by byte. Only what
//! stands outside of quotes, texts, comments and CDATA counts as an attribute or a declaration, so that no tenant's text can
//! get its instance refused. Where the XML is not well-formed the two may disagree; the parser goes no further than there.

use super::{MOST_ATTRIBUTES, MOST_NAMESPACES, MOST_TAG, XmlError};

/// How what is no tag begins after its `<`, and ends.
const NO_TAGS: [(&str, &str); 3] = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];

/// Refuses XML that the parser would take long for.
pub(super) fn check(xml: &str) -> Result<(), XmlError> {
    let mut namespaces = 0;
    let mut rest = xml;
    while let Some((_, tag)) = rest.split_once('<') {
        let other = NO_TAGS.iter().find_map(|(begin, end)| Some((tag.strip_prefix(begin)?, end)));
        let after = match other {
            Some((inside, end)) => inside.split_once(end).map(|(_, after)| after),
            None => walk(tag, &mut namespaces)?,
        };
        // What never ends is not well-formed.
        let Some(after) = after else { break };
        rest = after;
    }
    Ok(())
}

/// Walks a tag from behind its `<`; gives what follows its `>`, None where there is none.
fn walk<'a>(tag: &'a str, namespaces: &mut usize) -> Result<Option<&'a str>, XmlError> {
    let mut quote = None;
    let mut attributes = 0;
    for (at, byte) in tag.bytes().enumerate() {
        if at >= MOST_TAG {
            return Err(XmlError::Tag);
        }
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Ok(tag.get(at + 1..)),
            (None, b'=') => {
                attributes += 1;
                if attributes > MOST_ATTRIBUTES {
                    return Err(XmlError::Many { what: "attributes in a tag", most: MOST_ATTRIBUTES });
                }
            }
            (None, b'x') if tag.get(at..).is_some_and(|rest| rest.starts_with("xmlns")) => {
                *namespaces += 1;
                if *namespaces > MOST_NAMESPACES {
                    return Err(XmlError::Many { what: "namespace declarations", most: MOST_NAMESPACES });
                }
            }
            (None, _) => {}
        }
    }
    Ok(None)
}
