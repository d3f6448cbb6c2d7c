//! A domain's XML as an [`Identity`].
//!
//! The XML holds a tenant's texts (display names, image properties), so it is read as hostile: of bounded size and number of
//! elements and devices, without DTD and so without entities, with tags that the parser does not take long for (`tags`);
//! nothing here recurses. The UUID is the one that libvirt gave,
//! never the XML's: an XML that names another one is refused.

mod devices;
mod nova;
mod tags;

use roxmltree::{Document, Node, ParsingOptions};

use crate::identity::Identity;

/// The largest XML that is read: libvirt writes about 1 KiB per device, and qemu takes some hundreds of them.
pub const MOST_XML: usize = 4 << 20;

/// The most elements, attributes' owners and texts in an XML: one per 40 bytes of the largest.
pub const MOST_NODES: u32 = 100_000;

/// The most bytes between a `<` and its `>`: the longest attribute of nova's has some hundreds.
pub const MOST_TAG: usize = 16 << 10;

/// The most attributes of an element; libvirt writes some twenty.
pub const MOST_ATTRIBUTES: usize = 256;

/// The most declarations of namespaces; libvirt and nova write a handful.
pub const MOST_NAMESPACES: usize = 256;

/// The most disks, and the most interfaces, of an instance.
pub const MOST_DEVICES: usize = 1024;

/// The most extra specs of a flavor, properties of an image, parameters of a filter.
pub const MOST_PROPERTIES: usize = 1024;

/// What libvirt says of a domain beside its XML, and what stands in where nova's metadata is missing.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The UUID, lower-case and hyphenated.
    pub uuid: &'a str,
    /// The domain's name.
    pub name: &'a str,
    /// The project of a domain without nova's metadata.
    pub default_project: Option<&'a str>,
    /// The user of a domain without nova's metadata.
    pub default_user: Option<&'a str>,
}

/// Why an XML is refused.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// Larger than [`MOST_XML`].
    #[error("the domain XML has {0} bytes, more than {MOST_XML}")]
    Large(usize),
    /// Not XML, with a DTD, or of more than [`MOST_NODES`] nodes.
    #[error("the domain XML cannot be parsed")]
    Parse(#[source] roxmltree::Error),
    /// Something else than a domain.
    #[error("the domain XML's root element is <{0}>")]
    Root(String),
    /// The UUID is missing, or is not the domain's.
    #[error("the domain XML names the UUID {0:?}, libvirt another one")]
    Uuid(String),
    /// A tag of more than [`MOST_TAG`].
    #[error("the domain XML has a tag of more than {MOST_TAG} bytes")]
    Tag,
    /// More than [`MOST_DEVICES`], [`MOST_PROPERTIES`], [`MOST_ATTRIBUTES`] or [`MOST_NAMESPACES`].
    #[error("the domain XML has more than {most} {what}")]
    Many {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
}

/// Reads a domain's XML.
///
/// A domain with nova's metadata belongs to the owner that it names, or to nobody where it names none; only one without that
/// metadata belongs to the configured project and user.
pub fn identity(xml: String, known: Known<'_>) -> Result<Identity, XmlError> {
    if xml.len() > MOST_XML {
        return Err(XmlError::Large(xml.len()));
    }
    tags::check(&xml)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let mut identity = {
        let document = Document::parse_with_options(&xml, options).map_err(XmlError::Parse)?;
        read(document.root_element(), known)?
    };
    identity.xml = xml;
    Ok(identity)
}

fn read(domain: Node<'_, '_>, known: Known<'_>) -> Result<Identity, XmlError> {
    if domain.tag_name().name() != "domain" {
        return Err(XmlError::Root(shortened(domain.tag_name().name())));
    }
    let named = child(domain, "uuid").map(text).unwrap_or_default();
    if !same_uuid(&named, known.uuid) {
        return Err(XmlError::Uuid(shortened(&named)));
    }
    let nova = match child(domain, "metadata") {
        Some(metadata) => nova::read(metadata)?,
        None => None,
    };
    let (project_id, user_id) = match &nova {
        Some(nova) => (nova.project_id.clone(), nova.user_id.clone()),
        None => (known.default_project.map(str::to_owned), known.default_user.map(str::to_owned)),
    };
    let os_type = child(domain, "os").and_then(|os| child(os, "type"));
    let devices = child(domain, "devices");
    Ok(Identity {
        uuid: known.uuid.to_owned(),
        name: known.name.to_owned(),
        nova,
        project_id,
        user_id,
        architecture: os_type.and_then(|kind| owned(kind, "arch")),
        os_type: os_type.map(text),
        disks: devices.map_or_else(|| Ok(Vec::new()), devices::disks)?,
        vnics: devices.map_or_else(|| Ok(Vec::new()), devices::vnics)?,
        xml: String::new(),
    })
}

/// Whether two texts are one UUID, whatever their case and hyphens.
fn same_uuid(one: &str, other: &str) -> bool {
    let digits =
        |text: &str| -> Vec<u8> { text.trim().bytes().filter(|byte| *byte != b'-').take(33).collect() };
    digits(one).eq_ignore_ascii_case(&digits(other))
}

/// A text short enough for an error.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The first child element without a namespace, or of the parent's namespace, by that name.
fn child<'a, 'input>(parent: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    children(parent, name).next()
}

/// The child elements of the parent's namespace by that name.
fn children<'a, 'input>(parent: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    let namespace = parent.tag_name().namespace();
    parent.children().filter(move |node| {
        node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == namespace
    })
}

/// The element's text; empty where it has none.
fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

/// An attribute, copied.
fn owned(node: Node<'_, '_>, attribute: &str) -> Option<String> {
    node.attribute(attribute).map(str::to_owned)
}

/// Collects what is bounded.
fn bounded<T>(what: &'static str, most: usize, items: impl Iterator<Item = T>) -> Result<Vec<T>, XmlError> {
    let items: Vec<T> = items.take(most + 1).collect();
    if items.len() > most {
        return Err(XmlError::Many { what, most });
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
