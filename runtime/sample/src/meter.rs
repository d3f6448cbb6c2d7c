//! What a guest declares: a meter, and how its volumes relate.

use std::fmt;
use std::str::FromStr;

/// How successive volumes of a meter relate: Ceilometer's `counter_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value at one moment, which may rise and fall.
    Gauge,
    /// The change since the previous sample.
    Delta,
    /// A counter that only grows until the instance starts again.
    Cumulative,
}

impl Kind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is none of `gauge`, `delta`, `cumulative`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no sample type: gauge, delta or cumulative")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "gauge" => Ok(Self::Gauge),
            "delta" => Ok(Self::Delta),
            "cumulative" => Ok(Self::Cumulative),
            _ => Err(UnknownKind(text.to_owned())),
        }
    }
}

/// The amount that a sample reports: Ceilometer's `counter_volume`.
///
/// libvirt's counters are unsigned 64-bit integers, which a double alone would round above 2^53.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Volume {
    /// A non-negative integer.
    Count(u64),
    /// An integer.
    Signed(i64),
    /// A double; only finite ones are ever published.
    Real(f64),
}

/// A meter as a guest declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The name, by which sources select it: `mem.max`.
    pub name: String,
    /// How its volumes relate.
    pub kind: Kind,
    /// The unit on the wire: `MiB`, `ns`, `B`; may be empty.
    pub unit: String,
    /// One sentence for people.
    pub description: String,
}
