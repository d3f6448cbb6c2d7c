//! How the inspector fares, for logs and for the agent's own metrics.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock;

/// How the inspector fares; a replay is always well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// libvirt connections, those included that hang or are being closed.
    pub connections: usize,
    /// Instances whose monitors do not answer, those first that have not for the longest time.
    pub set_aside: Vec<SetAside>,
    /// Instances that the last snapshot left out because their XML was refused or could not be read.
    pub left_out: usize,
    /// Domain XMLs that were asked for since the start.
    pub xml_calls: u64,
}

/// An instance that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The instance.
    pub uuid: String,
    /// libvirt's name of the domain.
    pub name: String,
    /// When the call was made that has not returned.
    pub since: SystemTime,
    /// How long ago that is, whatever was done to the host's clock meanwhile.
    pub lasting: Duration,
}

/// `instance-0000002a (b9c0…) since 2026-01-31T12:00:00Z`.
impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) since {}", self.name, self.uuid, clock::utc(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_named_with_its_time_in_utc() {
        let aside = SetAside {
            uuid: "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11".to_owned(),
            name: "instance-0000002a".to_owned(),
            since: SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_860_800_999),
            lasting: Duration::ZERO,
        };
        assert_eq!(
            aside.to_string(),
            "instance-0000002a (b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11) since 2026-01-31T12:00:00Z"
        );
    }
}
