//! Nova's element in a domain's metadata, as nova's libvirt driver writes it and Ceilometer finds it.
//!
//! Ceilometer has the element from libvirt, which keeps one for each namespace, whatever its name, and hands it out with that namespace
//! taken off every element within: so one of no namespace is as good.

use roxmltree::Node;

use super::{MOST_PROPERTIES, XmlError, bounded, owned, text};
use crate::identity::{Flavor, Image, Nova};

/// Nova's namespaces in the order in which they are looked for: a domain from before an upgrade has the older one.
const NAMESPACES: [&str; 2] =
    ["http://openstack.org/xmlns/libvirt/nova/1.1", "http://openstack.org/xmlns/libvirt/nova/1.0"];

/// Image elements that Ceilometer's `image_meta` renames, as nova's own tables have them.
const IMAGE_FIELDS: [(&str, &str); 4] = [
    ("containerFormat", "container_format"),
    ("diskFormat", "disk_format"),
    ("minDisk", "min_disk"),
    ("minRam", "min_ram"),
];

/// Nova's metadata; None where there is none.
pub(super) fn read(metadata: Node<'_, '_>) -> Result<Option<Nova>, XmlError> {
    let found = NAMESPACES.iter().find_map(|namespace| {
        metadata.children().find(|node| node.is_element() && node.tag_name().namespace() == Some(namespace))
    });
    let Some(instance) = found else { return Ok(None) };
    let owner = child(instance, "owner");
    let user = owner.and_then(|owner| child(owner, "user"));
    let project = owner.and_then(|owner| child(owner, "project"));
    let root = children(instance, "root").find(|root| root.attribute("type") == Some("image"));
    Ok(Some(Nova {
        display_name: child(instance, "name").map(text).unwrap_or_default(),
        flavor: child(instance, "flavor").map(flavor).transpose()?.flatten(),
        user_id: user.and_then(|user| owned(user, "uuid")),
        user_name: user.map(text),
        project_id: project.and_then(|project| owned(project, "uuid")),
        project_name: project.map(text),
        image_ref: root.and_then(|root| owned(root, "uuid")),
        image: child(instance, "image").map(image).transpose()?,
    }))
}

/// A flavor; None where its name is missing or one of its sizes is no number. A size that is missing is 0, as for Ceilometer: nova
/// leaves none out, but older releases did not know all of them.
fn flavor(flavor: Node<'_, '_>) -> Result<Option<Flavor>, XmlError> {
    let size = |name: &str| match child(flavor, name) {
        Some(size) => size.text()?.trim().parse::<u64>().ok(),
        None => Some(0),
    };
    let sizes = (size("vcpus"), size("memory"), size("disk"), size("ephemeral"), size("swap"));
    let (Some(vcpus), Some(ram_mib), Some(disk_gib), Some(ephemeral_gib), Some(swap_mib)) = sizes else {
        return Ok(None);
    };
    let (Some(name), Ok(vcpus)) = (owned(flavor, "name"), u32::try_from(vcpus)) else { return Ok(None) };
    let extra_specs = child(flavor, "extraSpecs").map(|specs| properties("extra specs", specs, "extraSpec"));
    Ok(Some(Flavor {
        id: owned(flavor, "id"),
        name,
        vcpus,
        ram_mib,
        disk_gib,
        ephemeral_gib,
        swap_mib,
        extra_specs: extra_specs.transpose()?,
    }))
}

fn image(image: Node<'_, '_>) -> Result<Image, XmlError> {
    let mut meta: Vec<(String, String)> = IMAGE_FIELDS
        .iter()
        .filter_map(|(element, key)| Some(((*key).to_owned(), text(child(image, element)?))))
        .collect();
    if let Some(list) = child(image, "properties") {
        meta.extend(properties("image properties", list, "property")?);
    }
    Ok(Image { uuid: owned(image, "uuid"), meta })
}

/// Elements with a name and a text.
fn properties(
    what: &'static str,
    list: Node<'_, '_>,
    element: &str,
) -> Result<Vec<(String, String)>, XmlError> {
    let pairs = children(list, element).filter_map(|node| Some((owned(node, "name")?, text(node))));
    bounded(what, MOST_PROPERTIES, pairs)
}

/// The first child element by that name.
fn child<'a, 'input>(parent: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    children(parent, name).next()
}

/// The child elements by that name, of nova's namespaces or of none.
fn children<'a, 'input>(parent: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |node| {
        let tag = node.tag_name();
        node.is_element()
            && tag.name() == name
            && tag.namespace().is_none_or(|namespace| NAMESPACES.contains(&namespace))
    })
}
