//! The calls of a snapshot with nothing around them: no deadline, no thread, no cache. For measuring what the rest costs.

use std::time::{Duration, Instant};

use super::{bulk, percall};
use crate::domain_xml::{Known, identity};
use crate::error::InspectError;
use crate::ffi::{self, Connection, Domain};
use crate::identity::Identity;
use crate::settings::StoppedDisks;
use crate::snapshot::{Group, Groups};

/// A connection and the domains that it had when it was opened.
#[derive(Debug)]
pub struct Bare {
    connection: Connection,
    /// Each with its identity and whether it runs; none where the driver has bulk statistics.
    domains: Vec<(Domain, Identity, bool)>,
    has_bulk: bool,
}

impl Bare {
    /// Opens the connection.
    ///
    /// # Errors
    /// As of a snapshot; an XML that is refused leaves its domain out.
    pub fn open(uri: &str) -> Result<Self, InspectError> {
        let opened = || -> Result<Self, ffi::Error> {
            let connection = Connection::open_read_only(uri)?;
            let has_bulk = connection.has_stats(bulk::ALL)?;
            let mut domains = Vec::new();
            if !has_bulk {
                for domain in connection.domains()? {
                    let (uuid, name, xml) = (domain.uuid()?, domain.name()?, domain.xml()?);
                    let known = Known { uuid: &uuid, name: &name, default_project: None, default_user: None };
                    if let Ok(identity) = identity(xml, known) {
                        let active = domain.id().is_some();
                        domains.push((domain, identity, active));
                    }
                }
            }
            Ok(Self { connection, domains, has_bulk })
        };
        opened().map_err(|error| InspectError::Open { uri: uri.to_owned(), source: error.into() })
    }

    /// Makes the calls that these groups need, one after the other, and says how long they took: one bulk call for the whole host,
    /// or the calls for each domain.
    ///
    /// # Errors
    /// libvirt's.
    pub fn calls(&self, groups: &Groups) -> Result<Duration, InspectError> {
        let started = Instant::now();
        let made = if self.has_bulk {
            let perf = if groups.contains(&Group::Perf) { virt_sys::VIR_DOMAIN_STATS_PERF } else { 0 };
            self.connection.all_stats(bulk::ALL | perf, 0).map(drop)
        } else {
            self.connection.domains().and_then(|_| {
                self.domains.iter().try_for_each(|(domain, identity, active)| {
                    percall::read(domain, groups, identity, *active, StoppedDisks::default()).map(drop)
                })
            })
        };
        made.map_err(|error| InspectError::call("read the host", error))?;
        Ok(started.elapsed())
    }
}
