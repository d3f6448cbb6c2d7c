//! An instance's `resource_metadata`, as Ceilometer's compute agent writes it with its `libvirt_metadata` discovery.
//!
//! Same keys, same order. Two differences on purpose: where nova wrote no flavor id (before 2025.2) the flavor's name stands
//! in, as Ceilometer does when nova does not know the id either, and nova is not called; and a domain without nova's metadata has
//! what its XML tells instead of being skipped.

use inspector::Power;
use inspector::identity::{Flavor, Identity, Image, Nova};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha224};

/// The metadata of one instance on this host.
pub fn resource_metadata(identity: &Identity, power: Power, host: &str) -> Map<String, Value> {
    let nova = identity.nova.as_ref();
    let flavor = nova.and_then(|nova| nova.flavor.as_ref());
    let (state, status) = state_and_status(power);
    let display_name = nova.map_or_else(|| json!(identity.name), |nova| text(&nova.display_name));
    let image_ref = nova.and_then(|nova| nova.image_ref.as_ref());
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    put("display_name", display_name);
    put("name", json!(identity.name));
    put("instance_id", json!(identity.uuid));
    put("instance_type", json!(flavor.map(|flavor| &flavor.name)));
    put("host", json!(host_id(identity.project_id.as_deref().unwrap_or_default(), host)));
    put("instance_host", json!(host));
    put("flavor", flavor.map_or(Value::Null, flavor_object));
    put("status", json!(status));
    put("state", json!(state));
    put("task_state", json!(""));
    put("image", image_ref.map_or(Value::Null, |id| json!({ "id": id })));
    put("image_ref", json!(image_ref));
    put("image_ref_url", Value::Null);
    if let Some(meta) = nova.and_then(image_meta) {
        put("image_meta", meta);
    }
    if let Some(architecture) = &identity.architecture {
        put("architecture", json!(architecture));
    }
    if let Some(os_type) = &identity.os_type {
        put("os_type", json!(os_type));
    }
    if let Some(flavor) = flavor {
        put("vcpus", json!(flavor.vcpus));
        put("memory_mb", json!(flavor.ram_mib));
        put("disk_gb", json!(flavor.disk_gib));
        put("ephemeral_gb", json!(flavor.ephemeral_gib));
        put("root_gb", json!(i128::from(flavor.disk_gib) - i128::from(flavor.ephemeral_gib)));
    }
    fields
}

/// Nova's `hostId`: the host's name, hidden from tenants.
fn host_id(project: &str, host: &str) -> String {
    let digest = Sha224::new().chain_update(project).chain_update(host).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn flavor_object(flavor: &Flavor) -> Value {
    let id = flavor.id.as_ref().filter(|id| !id.is_empty());
    let mut object = json!({
        "id": id.unwrap_or(&flavor.name),
        "name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mib,
        "disk": flavor.disk_gib,
        "ephemeral": flavor.ephemeral_gib,
        "swap": flavor.swap_mib,
    });
    if let Some(specs) = &flavor.extra_specs {
        object["extra_specs"] = texts(specs);
    }
    object
}

/// Ceilometer leaves an empty one out.
fn image_meta(nova: &Nova) -> Option<Value> {
    let Image { uuid, meta } = nova.image.as_ref()?;
    let mut object = Map::new();
    if let Some(uuid) = uuid {
        object.insert("base_image_ref".to_owned(), json!(uuid));
    }
    for (key, value) in meta {
        object.insert(key.clone(), text(value));
    }
    (!object.is_empty()).then_some(Value::Object(object))
}

fn texts(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, value)| (key.clone(), text(value))).collect::<Map<_, _>>().into()
}

/// An element's text: to Ceilometer's XML library an empty one is none. (An empty attribute is empty.)
fn text(value: &str) -> Value {
    if value.is_empty() { Value::Null } else { json!(value) }
}

/// Nova's words for libvirt's states.
const fn state_and_status(power: Power) -> (&'static str, &'static str) {
    match power {
        Power::NoState => ("pending", "building"),
        Power::Running | Power::Blocked => ("running", "active"),
        Power::Paused => ("paused", "paused"),
        Power::Shutdown | Power::ShutOff => ("shutdown", "stopped"),
        Power::Crashed => ("crashed", "error"),
        Power::Suspended => ("suspended", "suspended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            uuid: "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01".into(),
            name: "instance-00000001".into(),
            project_id: Some("b1b29e3a0f0f4f2f8a3f6f0e0c0d0e0f".into()),
            user_id: Some("u".into()),
            architecture: Some("x86_64".into()),
            os_type: Some("hvm".into()),
            nova: Some(Nova {
                display_name: "wéb \"1\"".into(),
                flavor: Some(Flavor {
                    id: None,
                    name: "m1.tiny".into(),
                    vcpus: 1,
                    ram_mib: 512,
                    disk_gib: 5,
                    ephemeral_gib: 2,
                    swap_mib: 0,
                    extra_specs: Some(vec![("hw:cpu_policy".into(), "shared".into())]),
                }),
                image_ref: Some("img".into()),
                image: Some(Image { uuid: Some("img".into()), meta: vec![("min_disk".into(), "1".into())] }),
                ..Nova::default()
            }),
            ..Identity::default()
        }
    }

    #[test]
    fn an_instance_of_nova_has_ceilometers_keys_in_ceilometers_order() {
        let fields = resource_metadata(&identity(), Power::Running, "compute-1");
        let expected = json!({
            "display_name": "wéb \"1\"", "name": "instance-00000001",
            "instance_id": "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01", "instance_type": "m1.tiny",
            // python3: hashlib.sha224(b'b1b29e3a0f0f4f2f8a3f6f0e0c0d0e0fcompute-1').hexdigest()
            "host": "e6cab1a515c2015a7b7939ab4bc10106eebff1f0f5a12d424842ce30", "instance_host": "compute-1",
            "flavor": {"id": "m1.tiny", "name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 5, "ephemeral": 2, "swap": 0,
                       "extra_specs": {"hw:cpu_policy": "shared"}},
            "status": "active", "state": "running", "task_state": "",
            "image": {"id": "img"}, "image_ref": "img", "image_ref_url": null,
            "image_meta": {"base_image_ref": "img", "min_disk": "1"},
            "architecture": "x86_64", "os_type": "hvm",
            "vcpus": 1, "memory_mb": 512, "disk_gb": 5, "ephemeral_gb": 2, "root_gb": 3,
        });
        assert_eq!(serde_json::to_string(&fields).unwrap(), serde_json::to_string(&expected).unwrap());
    }

    #[test]
    fn empty_texts_are_null_and_empty_attributes_are_not() {
        let mut identity = identity();
        let nova = identity.nova.as_mut().unwrap();
        nova.display_name = String::new();
        nova.image_ref = Some(String::new());
        nova.image =
            Some(Image { uuid: Some(String::new()), meta: vec![("os_distro".into(), String::new())] });
        let flavor = nova.flavor.as_mut().unwrap();
        flavor.id = Some(String::new());
        flavor.extra_specs = Some(vec![("hw:mem_page_size".into(), String::new())]);
        let fields = resource_metadata(&identity, Power::Running, "compute-1");
        assert_eq!(fields["display_name"], Value::Null);
        assert_eq!((&fields["image"], &fields["image_ref"]), (&json!({"id": ""}), &json!("")));
        assert_eq!(fields["image_meta"], json!({"base_image_ref": "", "os_distro": null}));
        assert_eq!(fields["flavor"]["id"], "m1.tiny", "as where there is none");
        assert_eq!(fields["flavor"]["extra_specs"], json!({"hw:mem_page_size": null}));
    }

    #[test]
    fn a_plain_domain_has_what_its_xml_tells() {
        let plain = Identity { nova: None, ..identity() };
        let fields = resource_metadata(&plain, Power::ShutOff, "compute-1");
        assert_eq!(fields["display_name"], "instance-00000001");
        assert_eq!(fields["status"], "stopped");
        assert_eq!(fields["flavor"], Value::Null);
        assert!(!fields.contains_key("vcpus"), "what is not known is not claimed");
    }
}
