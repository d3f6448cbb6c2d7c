//! What a guest declares, checked: names and units that can stand on the wire, each name once.

use std::collections::BTreeSet;

use sample::{Kind, Meter};

use crate::contract::nephoscope::meter::types;
use crate::limits;
use crate::samples::excerpt;

/// The declared meters, parted.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Those that can be used.
    pub(crate) sound: Vec<Meter>,
    /// What is wrong with each of the others; empty where the declaration as a whole can be used.
    pub(crate) faults: Vec<String>,
}

/// Checks every meter, so that an author hears of all faults at once.
pub(crate) fn check(meters: Vec<types::Meter>) -> Declared {
    let fault = |fault: String| Declared { faults: vec![fault], ..Declared::default() };
    if meters.is_empty() {
        return fault("no meter".into());
    }
    if meters.len() > limits::METERS {
        return fault(format!("{} meters, more than {}", meters.len(), limits::METERS));
    }
    let mut names = BTreeSet::new();
    let mut declared = Declared::default();
    for meter in meters {
        match fault_of(&meter) {
            Some(fault) => declared.faults.push(fault),
            None if !names.insert(meter.name.clone()) => {
                declared.faults.push(format!("the meter {:?} twice", excerpt(&meter.name)));
            }
            None => declared.sound.push(Meter {
                name: meter.name,
                kind: match meter.kind {
                    types::Kind::Gauge => Kind::Gauge,
                    types::Kind::Delta => Kind::Delta,
                    types::Kind::Cumulative => Kind::Cumulative,
                },
                unit: meter.unit,
                description: meter.description,
            }),
        }
    }
    declared
}

fn fault_of(meter: &types::Meter) -> Option<String> {
    let name = excerpt(&meter.name);
    let odd = |char: char| char.is_control() || char.is_whitespace();
    if meter.name.is_empty() || meter.name.len() > limits::NAME_BYTES || meter.name.contains(odd) {
        return Some(format!(
            "a meter named {name:?}: a name is 1 to {} bytes without white space and control characters",
            limits::NAME_BYTES
        ));
    }
    if meter.unit.len() > limits::NAME_BYTES
        || meter.description.len() > limits::TEXT_BYTES
        || meter.unit.contains(char::is_control)
    {
        return Some(format!(
            "{name:?} with a unit of more than {} bytes or with control characters, or a description of more than {}",
            limits::NAME_BYTES,
            limits::TEXT_BYTES
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(name: &str, unit: &str) -> types::Meter {
        types::Meter {
            name: name.into(),
            kind: types::Kind::Gauge,
            unit: unit.into(),
            description: String::new(),
        }
    }

    #[test]
    fn every_fault_is_named_and_the_sound_meters_stay() {
        let declared = check(vec![meter("a", "B"), meter("a b", ""), meter("a", "B"), meter("c", "\n")]);
        let sound: Vec<_> = declared.sound.iter().map(|meter| meter.name.as_str()).collect();
        assert_eq!(sound, ["a"]);
        let [space, twice, unit] = declared.faults.as_slice() else { panic!("{:?}", declared.faults) };
        assert!(space.starts_with("a meter named \"a b\""), "{space}");
        assert_eq!(twice, "the meter \"a\" twice");
        assert!(unit.starts_with("\"c\" with a unit"), "{unit}");
    }
}
