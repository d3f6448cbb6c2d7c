//! Declarations of meters: [`gauge`], [`delta`], [`cumulative`].

use crate::{Kind, Meter};

/// A value at one moment, which may rise and fall.
pub fn gauge(name: &str, unit: &str, description: &str) -> Meter {
    declare(Kind::Gauge, name, unit, description)
}

/// The change since the previous sample.
pub fn delta(name: &str, unit: &str, description: &str) -> Meter {
    declare(Kind::Delta, name, unit, description)
}

/// A counter that only grows until the instance starts again.
pub fn cumulative(name: &str, unit: &str, description: &str) -> Meter {
    declare(Kind::Cumulative, name, unit, description)
}

fn declare(kind: Kind, name: &str, unit: &str, description: &str) -> Meter {
    Meter { name: name.into(), kind, unit: unit.into(), description: description.into() }
}
