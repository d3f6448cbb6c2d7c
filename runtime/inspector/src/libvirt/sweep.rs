//! The calls for the whole host, which no instance can block: an overdue one means that the daemon hangs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bulk;
use super::calls::within;
use super::link::{Bulk, Link};
use super::readings::reading;
use crate::error::InspectError;
use crate::ffi::{self, Domain};
use crate::fields::Fields;
use crate::snapshot::{Field, Groups, Memory, Power, Reading};

/// Something of each domain, by UUID.
type Each<T> = Vec<(Arc<str>, T)>;

/// A domain as the sweep found it.
#[derive(Debug)]
pub(super) struct Swept {
    pub(super) domain: Arc<Domain>,
    pub(super) name: Arc<str>,
    /// libvirt's number of this run; None while the domain does not run.
    pub(super) run: Option<u32>,
    pub(super) power: Power,
    /// The fields of the bulk call, where there was one.
    pub(super) fields: Vec<(String, Field)>,
}

impl Swept {
    /// Whether there is a process that runs it.
    pub(super) fn is_active(&self) -> bool {
        self.run.is_some()
    }
}

/// Every domain with its state, and with the groups that need no monitor where the driver has bulk statistics.
pub(super) fn host(
    link: &Arc<Link>,
    groups: &Groups,
    deadline: Duration,
) -> Result<BTreeMap<Arc<str>, Swept>, InspectError> {
    const CALL: &str = "list the domains";
    let stats = match link.bulk {
        Bulk::Full => Some(bulk::host_stats(groups)),
        Bulk::State => Some(bulk::STATE),
        Bulk::None => None,
    };
    let held = Arc::clone(link);
    let swept = within(deadline, CALL, move || match stats {
        Some(stats) => in_bulk(&held, stats),
        None => one_by_one(&held),
    })?;
    swept.map_err(|error| InspectError::call(CALL, error))
}

fn in_bulk(link: &Link, stats: u32) -> Result<BTreeMap<Arc<str>, Swept>, ffi::Error> {
    let records = link.line.connection.all_stats(stats, 0)?;
    let swept = records.into_iter().map(|record| {
        let state = Fields::new(&record.fields).number("state.state");
        let state = state.and_then(|state| u32::try_from(state).ok()).unwrap_or(0);
        swept(record.domain, state, record.fields)
    });
    swept.collect()
}

fn one_by_one(link: &Link) -> Result<BTreeMap<Arc<str>, Swept>, ffi::Error> {
    let mut all = BTreeMap::new();
    for domain in link.line.connection.domains()? {
        // A domain that vanishes in between is not there.
        if let Ok(info) = reading(domain.info())? {
            let (uuid, found) = swept(domain, info.state, Vec::new())?;
            all.insert(uuid, found);
        }
    }
    Ok(all)
}

fn swept(domain: Domain, state: u32, fields: Vec<(String, Field)>) -> Result<(Arc<str>, Swept), ffi::Error> {
    let uuid = domain.uuid()?;
    let (name, run) = (domain.name()?, domain.id());
    Ok((
        uuid.into(),
        Swept { domain: Arc::new(domain), name: name.into(), run, power: Power::from_libvirt(state), fields },
    ))
}

/// The XML of these domains; those that are gone, or refuse it, are left out.
pub(super) fn xml(
    link: &Arc<Link>,
    domains: Each<Arc<Domain>>,
    deadline: Duration,
) -> Result<Each<String>, InspectError> {
    per_domain("read the domains' XML", link, domains, deadline, |domain| reading(domain.xml())).map(|all| {
        let read = all.into_iter().filter_map(|(uuid, xml)| match xml {
            Ok(xml) => Some((uuid, xml)),
            Err(why) => {
                tracing::debug!(%uuid, %why, "no XML");
                None
            }
        });
        read.collect()
    })
}

/// What can be known of these domains' memory without their monitors.
pub(super) fn memory(
    link: &Arc<Link>,
    domains: Each<Arc<Domain>>,
    deadline: Duration,
) -> Result<Each<Reading<Memory>>, InspectError> {
    per_domain("read the domains' information", link, domains, deadline, bulk::memory_at_least)
}

/// libvirtd's view of its way into each domain.
pub(super) fn controls(
    link: &Arc<Link>,
    deadline: Duration,
) -> Result<Each<Reading<ffi::ControlInfo>>, InspectError> {
    const CALL: &str = "read the domains' control information";
    let held = Arc::clone(link);
    let all = within(deadline, CALL, move || {
        let domains = held.line.connection.domains()?;
        let control = |domain: Domain| Ok((domain.uuid()?.into(), reading(domain.control())?));
        domains.into_iter().map(control).collect::<Result<_, ffi::Error>>()
    })?;
    all.map_err(|error| InspectError::call(CALL, error))
}

fn per_domain<T: Send + 'static>(
    call: &'static str,
    link: &Arc<Link>,
    domains: Each<Arc<Domain>>,
    deadline: Duration,
    read: impl Fn(&Domain) -> Result<T, ffi::Error> + Send + 'static,
) -> Result<Each<T>, InspectError> {
    let held = Arc::clone(link);
    let all = within(deadline, call, move || {
        // The seat of the connection is held until the last call has returned.
        let _held = held;
        domains
            .into_iter()
            .map(|(uuid, domain)| Ok((uuid, read(&domain)?)))
            .collect::<Result<_, ffi::Error>>()
    })?;
    all.map_err(|error| InspectError::call(call, error))
}
