use super::*;
use crate::fields::{self, Fields};
use crate::snapshot::Power;

const NOVA_1_1: &str = include_str!("samples/nova-1.1.xml");
const NOVA_1_0: &str = include_str!("samples/nova-1.0.xml");
const PLAIN: &str = include_str!("samples/plain.xml");

const UUID: &str = "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11";

fn known(uuid: &str) -> Known<'_> {
    Known {
        uuid,
        name: "instance-0000002a",
        default_project: Some("lab-project"),
        default_user: Some("lab-user"),
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// A domain of the expected UUID around some XML.
fn domain(inner: &str) -> String {
    format!("<domain><uuid>{UUID}</uuid>{inner}</domain>")
}

#[test]
fn novas_metadata_names_owner_flavor_and_image() {
    let identity = identity(NOVA_1_1.to_owned(), known(UUID)).unwrap();
    assert_eq!(identity.uuid, UUID);
    assert_eq!(identity.name, "instance-0000002a");
    assert_eq!(identity.project_id.as_deref(), Some("1f0e2d3c4b5a69788796a5b4c3d2e1f0"));
    assert_eq!(identity.user_id.as_deref(), Some("9d0a3f5e6c7b4a3e8f1c2b3a4d5e6f70"));
    assert_eq!(identity.architecture.as_deref(), Some("x86_64"));
    assert_eq!(identity.os_type.as_deref(), Some("hvm"));
    assert_eq!(identity.xml, NOVA_1_1);
    let nova = identity.nova.unwrap();
    assert_eq!(nova.display_name, "wéb <1> & \"co\"");
    assert_eq!(nova.user_name.as_deref(), Some("admin"));
    assert_eq!(nova.project_name.as_deref(), Some("weather"));
    assert_eq!(nova.image_ref.as_deref(), Some("155d900f-4e14-4e4c-a73d-069cbf4541e6"));
    let flavor = nova.flavor.unwrap();
    assert_eq!((flavor.name.as_str(), flavor.vcpus, flavor.ram_mib), ("m1.small", 2, 2048));
    assert_eq!((flavor.disk_gib, flavor.ephemeral_gib, flavor.swap_mib), (20, 5, 512));
    assert_eq!(flavor.id.as_deref(), Some("2f1d6b0e-7c0d-4d55-a1fd-0dfa0c6b6b9b"));
    assert_eq!(
        pairs(&flavor.extra_specs.unwrap()),
        [("hw:cpu_policy", "dedicated"), ("hw_rng:allowed", "True")]
    );
    let image = nova.image.unwrap();
    assert_eq!(image.uuid.as_deref(), Some("155d900f-4e14-4e4c-a73d-069cbf4541e6"));
    assert_eq!(
        pairs(&image.meta),
        [
            ("container_format", "bare"),
            ("disk_format", "qcow2"),
            ("min_disk", "20"),
            ("min_ram", "0"),
            ("hw_rng_model", "virtio"),
            ("os_distro", "debian"),
        ]
    );
}

#[test]
fn disks_have_a_source_and_interfaces_a_target() {
    let identity = identity(NOVA_1_1.to_owned(), known(UUID)).unwrap();
    let disks: Vec<_> =
        identity.disks.iter().map(|disk| (disk.device.as_str(), disk.source.as_deref())).collect();
    assert_eq!(
        disks,
        [
            ("vda", Some("/var/lib/nova/instances/b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11/disk")),
            ("vdb", Some("volumes/volume-77")),
            ("vdc", Some("/dev/dm-12")),
            ("vdd", Some("scratch")),
        ],
        "the empty cdrom is left out"
    );
    let names: Vec<_> = identity.vnics.iter().map(|vnic| vnic.name.as_str()).collect();
    assert_eq!(names, ["tap2b0405c7-5a", "tap44556677-01"], "the passed-through device is left out");
    let [ovs, filtered] = identity.vnics.as_slice() else { panic!("two interfaces") };
    assert_eq!((ovs.mac.as_str(), ovs.bridge.as_deref()), ("fa:16:3e:11:22:33", Some("br-int")));
    assert_eq!(ovs.interface_id.as_deref(), Some("2b0405c7-5a4f-4b52-9f7e-5b8d9f2c1f00"));
    assert_eq!((ovs.filterref.as_deref(), ovs.parameters.len()), (None, 0));
    assert_eq!(filtered.filterref.as_deref(), Some("nova-instance-instance-0000002a-fa163e445566"));
    assert_eq!(pairs(&filtered.parameters), [("ip", "10.0.0.13"), ("dhcpserver", "10.0.0.1")]);
}

#[test]
fn the_older_namespace_is_read_and_lacks_what_came_later() {
    let identity = identity(NOVA_1_0.to_owned(), known("0d1c2b3a-4f5e-4d6c-8b7a-99a8b7c6d5e4")).unwrap();
    assert_eq!(identity.project_id.as_deref(), Some("22223333444455556666777788889999"));
    let nova = identity.nova.unwrap();
    assert_eq!(nova.display_name, "db");
    assert_eq!((nova.image_ref, nova.image), (None, None), "booted from a volume");
    let flavor = nova.flavor.unwrap();
    assert_eq!((flavor.id, flavor.extra_specs, flavor.name.as_str()), (None, None, "m1.tiny"));
}

#[test]
fn a_plain_domain_belongs_to_the_configured_owner() {
    let uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f";
    let identity = identity(PLAIN.to_owned(), known(uuid)).unwrap();
    assert_eq!(identity.nova, None);
    assert_eq!(identity.uuid, uuid, "libvirt's form of the UUID, not the XML's");
    assert_eq!(identity.project_id.as_deref(), Some("lab-project"));
    assert_eq!(identity.user_id.as_deref(), Some("lab-user"));
    assert_eq!((identity.disks.len(), identity.vnics.len()), (0, 0));
}

#[test]
fn an_instance_of_nova_without_an_owner_is_not_given_to_the_configured_one() {
    let xml = domain(
        "<metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'>\
         <n:name>x</n:name><n:flavor name='f'><n:memory>lots</n:memory></n:flavor>\
         </n:instance></metadata>",
    );
    let identity = identity(xml, known(UUID)).unwrap();
    assert_eq!((identity.project_id, identity.user_id), (None, None));
    assert_eq!(identity.nova.unwrap().flavor, None, "half a flavor is none");
}

#[test]
fn nested_elements_of_other_namespaces_are_not_taken_for_novas() {
    let xml = domain(
        "<metadata><x:wrap xmlns:x='urn:x'>\
         <n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'><n:name>deep</n:name></n:instance>\
         </x:wrap><n:instance xmlns:n='urn:evil'><n:name>other</n:name></n:instance></metadata>",
    );
    assert_eq!(identity(xml, known(UUID)).unwrap().nova, None);
}

#[test]
fn novas_elements_are_found_with_their_namespace_and_without() {
    for instance in [
        "<instance xmlns='http://openstack.org/xmlns/libvirt/nova/1.1'><name>x</name><owner><user uuid='u'/></owner></instance>",
        "<n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'><name>x</name>\
         <owner><n:user uuid='u'/></owner></n:instance>",
    ] {
        let identity = identity(domain(&format!("<metadata>{instance}</metadata>")), known(UUID)).unwrap();
        assert_eq!(identity.user_id.as_deref(), Some("u"), "{instance}");
        assert_eq!(identity.nova.unwrap().display_name, "x", "{instance}");
    }
    let xml = domain(
        "<metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1' xmlns:o='urn:other'>\
         <o:name>other</o:name><n:name>x</n:name></n:instance></metadata>",
    );
    assert_eq!(identity(xml, known(UUID)).unwrap().nova.unwrap().display_name, "x");
}

#[test]
fn a_uuid_that_is_not_the_domains_is_refused() {
    let of = |uuid: &str| identity(format!("<domain>{uuid}</domain>"), known(UUID));
    assert!(matches!(of(""), Err(XmlError::Uuid(_))));
    assert!(matches!(of("<uuid/>"), Err(XmlError::Uuid(_))));
    assert!(matches!(of("<uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>"), Err(XmlError::Uuid(_))));
    assert!(matches!(of(&format!("<uuid>{UUID}0</uuid>")), Err(XmlError::Uuid(_))));
    assert!(of(&format!("<uuid> {} </uuid>", UUID.to_uppercase())).is_ok());
}

#[test]
fn hostile_xml_is_refused_and_bounded() {
    let refused = |xml: String| identity(xml, known(UUID)).unwrap_err();
    assert!(matches!(refused(domain(&" ".repeat(MOST_XML))), XmlError::Large(_)));
    assert!(matches!(refused(domain(&"<a/>".repeat(MOST_NODES as usize))), XmlError::Parse(_)));
    assert!(matches!(refused(domain(&"<a>".repeat(50_000))), XmlError::Parse(_)));
    let bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    assert!(matches!(refused(format!("{bomb}{}", domain("&b;"))), XmlError::Parse(_)));
    assert!(matches!(refused(domain("&undefined;")), XmlError::Parse(_)));
    assert!(matches!(refused("<network/>".to_owned()), XmlError::Root(_)));
    assert!(matches!(refused(String::new()), XmlError::Parse(_)));
    let disk = "<disk><source file='x'/><target dev='vda'/></disk>";
    let disks = domain(&format!("<devices>{}</devices>", disk.repeat(MOST_DEVICES + 1)));
    assert!(matches!(refused(disks), XmlError::Many { what: "disks", .. }));
}

#[test]
fn deep_nesting_is_read_without_recursion() {
    let depth = 45_000;
    let xml = domain(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)));
    assert!(identity(xml, known(UUID)).is_ok());
}

/// Refused before the parser sees it, and soon.
#[track_caller]
fn refused_soon(xml: String) -> XmlError {
    assert!(xml.len() <= MOST_XML);
    let started = std::time::Instant::now();
    let error = identity(xml, known(UUID)).unwrap_err();
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    error
}

#[test]
fn tags_that_the_parser_would_take_long_for_are_refused() {
    let attributes = |count| (0..count).map(|number| format!(" a{number}=''")).collect::<String>();
    let error = refused_soon(domain(&format!("<a{}/>", attributes(300_000))));
    assert!(matches!(error, XmlError::Many { what: "attributes in a tag", .. }), "{error:?}");
    identity(domain(&format!("<a{}/>", attributes(MOST_ATTRIBUTES))), known(UUID)).unwrap();
    let error = refused_soon(domain(&format!("<a b='{}'/>", ">".repeat(MOST_TAG))));
    assert!(matches!(error, XmlError::Tag), "{error:?}");
    let error = refused_soon(domain(&format!("<a{}/>", " ".repeat(MOST_TAG))));
    assert!(matches!(error, XmlError::Tag), "{error:?}");
    let declared: String = (0..90_000).map(|number| format!("<n xmlns:n{number}='u{number}'/>")).collect();
    let error = refused_soon(domain(&declared));
    assert!(matches!(error, XmlError::Many { what: "namespace declarations", .. }), "{error:?}");
}

#[test]
fn the_most_that_the_bounds_allow_is_parsed_soon() {
    let attributes: String = (0..MOST_ATTRIBUTES).map(|number| format!(" a{number}=''")).collect();
    let tag = format!("<a{attributes}/>");
    let xml = domain(&tag.repeat((MOST_XML - 100) / tag.len()));
    let started = std::time::Instant::now();
    identity(xml, known(UUID)).unwrap();
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn texts_of_a_tenant_count_neither_as_tags_nor_as_namespaces() {
    let words = "xmlns = &lt;a ".repeat(2 * MOST_NAMESPACES);
    let long = "y".repeat(2 * MOST_TAG);
    for inner in [
        format!("<title>{words}{long}</title>"),
        format!("<title a='> xmlns' b=\"{}\"/>", "xmlns = ".repeat(2 * MOST_NAMESPACES)),
        format!("<!-- <a {words}{long} -->"),
        format!("<title><![CDATA[ <a {words}{long} ]]></title>"),
        format!("<?note <a {words}{long} ?>"),
    ] {
        identity(domain(&inner), known(UUID)).unwrap();
    }
    for broken in ["<!-- ", "<![CDATA[", "<?", "<", "<a b='"] {
        let error = identity(domain(broken), known(UUID)).unwrap_err();
        assert!(matches!(error, XmlError::Parse(_)), "{broken}: {error:?}");
    }
}

#[test]
fn the_example_hosts_identities_and_readings_are_what_its_xml_and_statistics_say() {
    for content in [
        include_str!("../../../workbench/example/host.json"),
        include_str!("../../../workbench/example/host-later.json"),
    ] {
        let snapshot = crate::recording::parse(content.as_bytes(), std::path::Path::new("example")).unwrap();
        for instance in &snapshot.instances {
            let recorded = &*instance.identity;
            let known = Known {
                uuid: &recorded.uuid,
                name: &recorded.name,
                default_project: None,
                default_user: None,
            };
            assert_eq!(identity(recorded.xml.clone(), known).unwrap(), *recorded);
            let Ok(raw) = &instance.raw else { continue };
            let (fields, active) = (Fields::new(raw), instance.power != Power::ShutOff);
            assert_eq!(fields::memory(&fields), instance.memory, "{}", recorded.name);
            assert_eq!(fields::cpu(&fields, active), instance.cpu, "{}", recorded.name);
            if active {
                let mut disks = fields::disks(&fields, &recorded.disks);
                let with_sizes = disks.iter_mut().zip(instance.disks.as_ref().unwrap());
                with_sizes.for_each(|(disk, sizes)| {
                    (disk.allocation, disk.physical) = (sizes.allocation, sizes.physical);
                });
                assert_eq!(Ok(disks), instance.disks, "{}", recorded.name);
                assert_eq!(Ok(fields::vnics(&fields, &recorded.vnics)), instance.vnics, "{}", recorded.name);
                assert_eq!(Ok(fields::perf(raw)), instance.perf, "{}", recorded.name);
            }
        }
    }
}
