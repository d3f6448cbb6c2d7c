//! `resource_metadata` as the compute agents of the collector era wrote it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Release, steady};
use crate::Sample;

/// A key by which a vnic's sample is known: no other sample adds a hardware address.
const MAC: &str = "mac";
/// What a vnic's sample has for its name since Liberty.
const VNIC_NAME: &str = "vnic_name";
/// Of the instance, what a vnic's sample had until Kilo, beside the flavor's id.
const OF_THE_INSTANCE: [&str; 2] = ["instance_id", "user_metadata"];
const INSTANCE_TYPE: &str = "instance_type";

/// The forms of an instance's metadata; each is kept with it once it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// `instance_type` is the flavor's id: until Juno.
    FlavorId,
    /// `instance_type` is its name, as today.
    FlavorName,
    /// What a vnic's sample has of its instance until Kilo: little, and the flavor's id.
    Vnic,
}

impl Variant {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// Which of them a release's sample has.
    pub(crate) fn of(sample: &Sample, release: Release) -> Self {
        if release <= Release::Kilo
            && sample.extra.as_ref().is_some_and(|extra| extra.fields().contains_key(MAC))
        {
            Self::Vnic
        } else if release <= Release::Juno {
            Self::FlavorId
        } else {
            Self::FlavorName
        }
    }

    /// An instance's metadata in this form.
    pub(crate) fn rewrite(self, fields: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
        // A flavor whose id is not known goes by its name, as always.
        let id = fields.get("flavor").and_then(|flavor| flavor.get("id")).or(fields.get(INSTANCE_TYPE));
        let mut made = match self {
            Self::FlavorName => return steady::fields(fields),
            Self::FlavorId => fields.clone(),
            Self::Vnic => {
                let kept = OF_THE_INSTANCE.iter().filter_map(|key| fields.get_key_value(*key));
                kept.map(|(key, value)| (key.clone(), value.clone())).collect()
            }
        };
        if let Some(id) = id {
            made.insert(INSTANCE_TYPE.to_owned(), id.clone());
        }
        Cow::Owned(steady::fields(&made).into_owned())
    }

    /// What the sample itself adds to it.
    pub(crate) fn extra(self, extra: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
        let mut extra = steady::fields(extra);
        if self == Self::Vnic && extra.contains_key(VNIC_NAME) {
            extra.to_mut().shift_remove(VNIC_NAME);
        }
        extra
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rewritten(variant: Variant, fields: &Value) -> Value {
        Value::Object(variant.rewrite(fields.as_object().unwrap()).into_owned())
    }

    #[test]
    fn the_flavor_goes_by_its_id_or_its_name_and_a_vnic_knows_little() {
        let fields = json!({
            "display_name": "vm", "instance_id": "b9", "instance_type": "m1.tiny", "flavor": {"id": "42", "ram": 1.0 / 3.0},
            "user_metadata": {"stack": "s"}, "tags": ["a"],
        });
        let instance = |flavor: &str| {
            json!({
                "display_name": "vm", "instance_id": "b9", "instance_type": flavor, "flavor": {"id": "42", "ram": 0.333333333333},
                "user_metadata": {"stack": "s"}, "tags": "[\"a\"]",
            })
        };
        assert_eq!(rewritten(Variant::FlavorName, &fields), instance("m1.tiny"));
        assert_eq!(rewritten(Variant::FlavorId, &fields), instance("42"));
        let vnic = json!({"instance_id": "b9", "user_metadata": {"stack": "s"}, "instance_type": "42"});
        assert_eq!(rewritten(Variant::Vnic, &fields), vnic);
        let plain = json!({"instance_id": "b9", "instance_type": null, "flavor": null});
        assert_eq!(rewritten(Variant::FlavorId, &plain), plain);
        let nameless =
            json!({"instance_id": "b9", "instance_type": "m1.tiny", "flavor": {"name": "m1.tiny"}});
        assert_eq!(rewritten(Variant::FlavorId, &nameless), nameless);
        let extra = json!({"name": "tap0", "mac": "fa:16", "vnic_name": "tap0"});
        let kept = Variant::Vnic.extra(extra.as_object().unwrap()).into_owned();
        assert_eq!(Value::Object(kept), json!({"name": "tap0", "mac": "fa:16"}));
        assert!(matches!(Variant::FlavorId.extra(extra.as_object().unwrap()), Cow::Borrowed(_)));
    }
}
