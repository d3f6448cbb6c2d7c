//! What the samples of one vnic share: the resource that they are of, and the keys that they add to the metadata.

use nephoscope_guest::vnics::Vnic;
use nephoscope_guest::{Sample, Value, Volume};

/// A vnic's resource id and metadata.
#[derive(Debug)]
pub(crate) struct Identity {
    resource: String,
    metadata: Vec<(String, Value)>,
}

impl Identity {
    /// The resource is the network filter where there is one, else `<domain>-<uuid>-<tap>`. `name` is the tap's, in place of the
    /// domain's. (All of this is Ceilometer's.)
    pub(crate) fn new(vnic: &Vnic, domain: &str, id: &str) -> Self {
        let resource = match &vnic.filterref {
            Some(filter) => filter.clone(),
            None => [domain, "-", id, "-", &vnic.name].concat(),
        };
        let mut metadata = Vec::with_capacity(6 + vnic.parameters.len());
        let mut put = |key: &str, value: Value| metadata.push((key.into(), value));
        put("name", (&vnic.name).into());
        put("mac", (&vnic.mac).into());
        put("fref", vnic.filterref.as_ref().into());
        put("vnic_name", vnic.filterref.as_ref().unwrap_or(&vnic.name).into());
        put("parameters.interfaceid", vnic.interface_id.as_ref().into());
        put("parameters.bridge", vnic.bridge.as_ref().into());
        for (at, (name, value)) in vnic.parameters.iter().enumerate() {
            let is_last = !vnic.parameters[at + 1..].iter().any(|(later, _)| later == name);
            if is_last && is_key(name) {
                put(&["parameters.", name].concat(), value.into());
            }
        }
        Self { resource, metadata }
    }

    pub(crate) fn sample(&self, meter: &str, volume: impl Into<Volume>) -> Sample {
        Sample::new(meter, volume).of(&*self.resource).with_all(&self.metadata)
    }
}

/// Whether a filter's parameter can be a key beside the others, whose own keys go before it. libvirt takes letters, digits
/// and `_`; of what is given twice (a list of addresses) Ceilometer keeps the last.
fn is_key(name: &str) -> bool {
    !name.is_empty()
        && !name.bytes().any(|byte| byte == b'.' || byte.is_ascii_control())
        && name != "interfaceid"
        && name != "bridge"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vnic(filterref: Option<&str>, parameters: &[(&str, &str)]) -> Vnic {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Vnic {
            name: "tap0".into(),
            mac: "fa:16:3e:00:00:01".into(),
            bridge: None,
            filterref: filterref.map(Into::into),
            interface_id: None,
            parameters: parameters.iter().map(own).collect(),
            rx_bytes: None,
            rx_packets: None,
            rx_errors: None,
            rx_drop: None,
            tx_bytes: None,
            tx_packets: None,
            tx_errors: None,
            tx_drop: None,
        }
    }

    fn sample(vnic: &Vnic) -> Sample {
        Identity::new(vnic, "instance-00000001", "4e1c").sample("m", 1_u64)
    }

    fn value<'a>(sample: &'a Sample, key: &str) -> Option<&'a Value> {
        let mut found = sample.metadata.iter().filter(|(known, _)| known == key);
        let value = found.next();
        assert!(found.next().is_none(), "{key} twice");
        value.map(|(_, value)| value)
    }

    #[test]
    fn a_vnic_without_a_filter_is_a_resource_of_domain_uuid_and_tap() {
        let sample = sample(&vnic(None, &[]));
        let expected = Sample::new("m", 1_u64)
            .of("instance-00000001-4e1c-tap0")
            .with("name", "tap0")
            .with("mac", "fa:16:3e:00:00:01")
            .with("fref", Value::Null)
            .with("vnic_name", "tap0")
            .with("parameters.interfaceid", Value::Null)
            .with("parameters.bridge", Value::Null);
        assert_eq!(sample, expected);
    }

    #[test]
    fn a_vnic_with_a_filter_is_the_filters_resource() {
        let sample = sample(&vnic(Some("nova-filter"), &[("dhcpserver", "10.0.0.1")]));
        assert_eq!(sample.resource_id.as_deref(), Some("nova-filter"));
        assert_eq!(value(&sample, "fref"), Some(&"nova-filter".into()));
        assert_eq!(value(&sample, "vnic_name"), Some(&"nova-filter".into()));
        assert_eq!(value(&sample, "name"), Some(&"tap0".into()));
        assert_eq!(value(&sample, "parameters.dhcpserver"), Some(&"10.0.0.1".into()));
    }

    #[test]
    fn ports_and_bridges_are_parameters_and_go_before_the_filters_own() {
        let vnic = Vnic {
            interface_id: Some("port".into()),
            bridge: Some("br-int".into()),
            ..vnic(Some("f"), &[("bridge", "forged"), ("interfaceid", "forged")])
        };
        let sample = sample(&vnic);
        assert_eq!(value(&sample, "parameters.interfaceid"), Some(&"port".into()));
        assert_eq!(value(&sample, "parameters.bridge"), Some(&"br-int".into()));
    }

    #[test]
    fn parameters_that_are_no_keys_do_not_cost_the_samples() {
        let parameters = [("ip", "10.0.0.1"), ("", "a"), ("a.b", "c"), ("d\n", "e"), ("ip", "10.0.0.2")];
        let sample = sample(&vnic(Some("f"), &parameters));
        assert_eq!(value(&sample, "parameters.ip"), Some(&"10.0.0.2".into()), "the last of a list");
        assert_eq!(sample.metadata.len(), 7);
    }
}
