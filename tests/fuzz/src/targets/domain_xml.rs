//! A domain's XML, which holds a tenant's texts.

use inspector::domain_xml::{Known, MOST_DEVICES, identity};

use super::UUID;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known =
        Known { uuid: UUID, name: "instance-00000001", default_project: Some("p"), default_user: None };
    let Ok(identity) = identity(text.to_owned(), known) else { return };
    assert_eq!(
        (identity.uuid.as_str(), identity.name.as_str()),
        (UUID, "instance-00000001"),
        "libvirt's, and never the XML's"
    );
    assert!(identity.disks.len() <= MOST_DEVICES && identity.vnics.len() <= MOST_DEVICES);
    if identity.nova.is_some() && !text.contains("owner") {
        assert!(identity.project_id.is_none() && identity.user_id.is_none(), "an owner that nobody named");
    }
}
