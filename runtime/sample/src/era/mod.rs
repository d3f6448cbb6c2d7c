//! The collector era: Ceilometer's releases whose *collector* consumes sample lists itself, before notification agents took
//! that over.
//!
//! | | Icehouse | Juno | Kilo | Liberty | Mitaka … Pike |
//! |---|---|---|---|---|---|
//! | the collector takes casts (`rpc://`) | yes | yes | yes | with `enable_rpc` | no |
//! | their queue, with the topic `metering` | `ceilometer.collector.metering` | `metering` | `metering` | `metering` | |
//! | it takes notifications (`notifier://`) | no | yes | yes | yes | yes |
//! | secret out of the box | …or be hacked | …or be hacked | …valid signing | the same | the same |
//! | `instance_type` | flavor's id | flavor's id | its name | its name | its name |
//! | metadata of a vnic's sample | the vnic's | the vnic's | the vnic's | the instance's too | the same |
//!
//! What they have in common: twelve keys in a sample dict, timestamps to the second with a `Z`, units of MB and GB (MiB and GiB
//! since 2025), and collectors that check signatures on Python 2, where numbers and lists print in other ways than on
//! Python 3; values are made such that both print the same (the module `steady`).

pub(crate) mod metadata;
pub(crate) mod steady;

use crate::signature::CEILOMETER_SECRET;

/// A release of Ceilometer that had a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// 2014.1; Havana's collector takes the same.
    Icehouse,
    /// 2014.2.
    Juno,
    /// 2015.1.
    Kilo,
    /// 5.
    Liberty,
    /// 6.
    Mitaka,
    /// 7.
    Newton,
    /// 8.
    Ocata,
    /// 9, the last one with a collector.
    Pike,
}

impl Release {
    /// All of them, with their names in lower case.
    pub const ALL: &[(&'static str, Self)] = &[
        ("icehouse", Self::Icehouse),
        ("juno", Self::Juno),
        ("kilo", Self::Kilo),
        ("liberty", Self::Liberty),
        ("mitaka", Self::Mitaka),
        ("newton", Self::Newton),
        ("ocata", Self::Ocata),
        ("pike", Self::Pike),
    ];

    /// Its name in lower case.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, release)| *release == self).map_or("", |(name, _)| name)
    }

    /// The secret that its packages come with: `metering_secret`, and `telemetry_secret` since Kilo.
    pub fn default_secret(self) -> &'static str {
        if self <= Self::Juno { "change this or be hacked" } else { CEILOMETER_SECRET }
    }

    /// Whether its collector consumes notifications: `notifier://` came with Juno.
    pub fn takes_notifications(self) -> bool {
        self >= Self::Juno
    }

    /// Whether its collector serves casts: `rpc://` went with Mitaka.
    pub fn takes_casts(self) -> bool {
        self <= Self::Liberty
    }

    /// The queue from which its collector serves casts of a topic.
    pub fn cast_queue(self, topic: &str) -> String {
        // Until Icehouse collectors formed a pool of workers with a name of its own.
        if self == Self::Icehouse { format!("ceilometer.collector.{topic}") } else { topic.to_owned() }
    }

    /// What `publisher_id` has before the host's name.
    pub(crate) fn publisher(self) -> &'static str {
        if self <= Self::Juno { "metering.publisher." } else { "telemetry.publisher." }
    }

    /// Of the request's context that a compute agent sent along as `_context_…`, the one key that was renamed. Since Liberty
    /// compute agents send no sample lists, and the notification agents, which do, came to send an empty context.
    pub(crate) fn context_uuid(self) -> Option<&'static str> {
        match self {
            Self::Icehouse | Self::Juno => Some("instance_uuid"),
            Self::Kilo => Some("resource_uuid"),
            _ => None,
        }
    }
}

/// A unit as it was called before release 26 made it MiB and GiB. Volumes are the same: it meant 2^20 and 2^30 bytes then, too.
pub(crate) fn unit(unit: &str) -> &str {
    match unit {
        "MiB" => "MB",
        "GiB" => "GB",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_has_a_name_and_a_way_in() {
        assert!(Release::ALL.is_sorted_by_key(|(_, release)| *release));
        for (name, release) in Release::ALL {
            assert_eq!(release.as_str(), *name);
            assert!(release.takes_casts() || release.takes_notifications(), "{name}");
        }
        let of = |has: fn(Release) -> bool| {
            Release::ALL
                .iter()
                .filter(|(_, release)| has(*release))
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Release::takes_casts), ["icehouse", "juno", "kilo", "liberty"]);
        assert_eq!(of(|release| !release.takes_notifications()), ["icehouse"]);
        assert_eq!(of(|release| release.cast_queue("m") != "m"), ["icehouse"]);
        assert_eq!(of(|release| release.default_secret().ends_with("hacked")), ["icehouse", "juno"]);
    }
}
