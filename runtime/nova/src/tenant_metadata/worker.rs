//! The thread that asks: when which host is due, what comes of a listing, what is said of one that failed.
//!
//! ```text
//!  wait for the host that is due first ─▶ (log in) ─▶ list ──good──▶ merge; due again in a period
//!    ▲                                                   └─failed──▶ leave all as it is; due again after a back-off
//!    └── an unknown id was asked for: due now, but not within SOONEST of the listing before; and some times more while it
//!        stays unknown, less and less often
//! ```
//!
//! A fault that only an operator can mend (a wrong password, a missing right) is tried again once a period and not sooner:
//! Keystone may lock a user out for too many tries.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use amqp::Backoff;
use chrono::{DateTime, SecondsFormat, Utc};
use tracing::{debug, info, warn};

use super::{Shared, Trouble, lock};
use crate::error::NovaError;
use crate::keystone::Session;
use crate::servers::{self, Listed};
use crate::settings::Settings;
use crate::table::SOONEST;

/// Ceiling of the first wait after a failure: a restarted Nova is found within seconds.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// A listing that goes on failing is a warning again after this long.
const REMIND: Duration = Duration::from_secs(3_600);

pub(super) struct Worker {
    settings: Settings,
    hosts: Vec<Host>,
    session: Option<Session>,
    /// Spreads the hosts of a cloud over a period.
    spread: Backoff,
    /// Whether it was said that Nova shows no server's host.
    told_unplaced: bool,
    shared: Arc<Shared>,
}

struct Host {
    name: String,
    due: Instant,
    /// When the listing before began.
    last: Option<Instant>,
    backoff: Backoff,
    warned: Option<Instant>,
    /// Whether it was said that Nova lists nothing here.
    told_empty: bool,
}

/// What failed, which says who is concerned.
enum Failure {
    /// The login: every host.
    Login(NovaError),
    /// The listing: its host.
    List(NovaError),
}

impl Worker {
    pub(super) fn new(settings: Settings, hosts: Vec<String>, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let backoff = Backoff::new(FIRST_RETRY.min(settings.refresh), settings.refresh);
        let hosts = hosts
            .into_iter()
            .map(|name| Host {
                name,
                due: now,
                last: None,
                backoff: backoff.clone(),
                warned: None,
                told_empty: false,
            })
            .collect();
        let tenth = settings.refresh / 10;
        Self {
            settings,
            hosts,
            session: None,
            spread: Backoff::new(tenth, tenth),
            told_unplaced: false,
            shared,
        }
    }

    pub(super) fn run(mut self) {
        while let Some(index) = self.wait() {
            self.hosts[index].last = Some(Instant::now());
            match self.list(index) {
                Ok(listed) => self.good(index, listed),
                Err(Failure::List(NovaError::Stopped)) => break,
                Err(Failure::List(error)) => self.failed(&[index], &error),
                Err(Failure::Login(error)) => {
                    let all: Vec<_> = (0..self.hosts.len()).collect();
                    self.failed(&all, &error);
                }
            }
        }
        lock(&self.shared.signal).ended = true;
        self.shared.changed.notify_all();
    }

    /// Waits for the host that is due first; none when the thread is to end, or there is no host.
    fn wait(&mut self) -> Option<usize> {
        let shared = Arc::clone(&self.shared);
        let mut signal = lock(&shared.signal);
        loop {
            if signal.stop {
                return None;
            }
            let now = Instant::now();
            let next_reason = self.hurry(now);
            let (index, host) = self.hosts.iter().enumerate().min_by_key(|(_, host)| host.due)?;
            if host.due <= now {
                return Some(index);
            }
            let until = next_reason.map_or(host.due, |next| next.min(host.due));
            let left = until.saturating_duration_since(now);
            signal = shared.changed.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Brings the next listings of hosts forward whose instances are not known, but for those that back off. Gives when there is the next
    /// reason to.
    fn hurry(&mut self, now: Instant) -> Option<Instant> {
        let mut missed = lock(&self.shared.missed);
        let reasons = missed.reasons(now);
        let next = missed.next();
        drop(missed);
        let health = lock(&self.shared.health);
        for index in reasons {
            let host = &mut self.hosts[index];
            if let (Some(last), None) = (host.last, &health[index].trouble) {
                host.due = host.due.min(now.max(last + SOONEST));
            }
        }
        next
    }

    /// A host's servers. A token that Nova no longer takes is renewed, once.
    fn list(&mut self, index: usize) -> Result<Listed, Failure> {
        loop {
            let held = self.session.take().filter(|session| !session.is_stale());
            let fresh = held.is_none();
            let session = match held {
                Some(session) => session,
                None => Session::open(&self.settings).map_err(Failure::Login)?,
            };
            let go_on = || !lock(&self.shared.signal).stop;
            let listed = servers::list(&session, &self.settings, &self.hosts[index].name, go_on);
            match listed {
                Err(NovaError::Unauthorized { .. }) if !fresh => {
                    debug!("nova does not take the token any more; logging in again");
                }
                // Perhaps Nova has moved, or has other certificates: the next login finds out.
                Err(
                    error @ (NovaError::Unauthorized { .. }
                    | NovaError::Unreachable { .. }
                    | NovaError::Tls { .. }),
                ) => {
                    return Err(Failure::List(error));
                }
                listed => {
                    self.session = Some(session);
                    return listed.map_err(Failure::List);
                }
            }
        }
    }

    fn good(&mut self, index: usize, listed: Listed) {
        self.doubt(index, &listed);
        let now = Instant::now();
        let early = self.spread.next_wait();
        let host = &mut self.hosts[index];
        host.due = now + self.settings.refresh.saturating_sub(early);
        host.backoff.reset();
        host.warned = None;
        let mut table = self.shared.table.write().unwrap_or_else(PoisonError::into_inner);
        table.merge(index, listed.servers, self.settings.bounds.servers, now);
        let servers = table.count(index);
        lock(&self.shared.missed).known(&table);
        drop(table);
        let mut all = lock(&self.shared.health);
        let health = &mut all[index];
        if let Some(trouble) = health.trouble.take() {
            info!(
                host = host.name,
                servers,
                since = shown(trouble.since),
                "tenants' metadata is up to date again"
            );
        } else if health.last_success.is_none() {
            info!(host = host.name, servers, "tenants' metadata is there");
        } else {
            debug!(host = host.name, servers, "tenants' metadata is up to date");
        }
        health.last_success = Some(SystemTime::now());
        health.servers = servers;
    }

    /// Says, once, what looks like a mistake in a listing that succeeded.
    fn doubt(&mut self, index: usize, Listed { servers, placed }: &Listed) {
        let host = &mut self.hosts[index];
        if !servers.is_empty() {
            host.told_empty = false;
        } else if lock(&self.shared.missed).of(index) && !std::mem::replace(&mut host.told_empty, true) {
            warn!(
                host = host.name,
                "Nova lists no server on this host, which has instances of Nova's: is `host` what Nova calls it?"
            );
        }
        if !servers.is_empty() && *placed == 0 && !std::mem::replace(&mut self.told_unplaced, true) {
            warn!(
                host = host.name,
                "Nova shows no server's host, so whether it filters by host cannot be seen: that needs an administrator's role, or the \
                 policy `os-extended-server-attributes`"
            );
        }
    }

    /// Notes a failure of these hosts; what is known of them stays.
    fn failed(&mut self, hosts: &[usize], error: &NovaError) {
        let (now, label, words) = (Instant::now(), error.label(), error.in_words());
        let mut health = lock(&self.shared.health);
        for &index in hosts {
            let (host, health) = (&mut self.hosts[index], &mut health[index]);
            host.due = now + wait(error, &mut host.backoff, self.settings.refresh);
            let before = health.trouble.take();
            let is_news = before.as_ref().is_none_or(|before| before.label != label)
                || host.warned.is_none_or(|warned| now.duration_since(warned) >= REMIND);
            let since = before.map_or_else(SystemTime::now, |before| before.since);
            if is_news {
                host.warned = Some(now);
                let known = health.last_success.map_or("never".to_owned(), shown);
                warn!(
                    host = host.name,
                    since = shown(since),
                    known_as_of = known,
                    servers = health.servers,
                    error = label,
                    "tenants' metadata stays as it was: {words}"
                );
            } else {
                debug!(host = host.name, error = label, "tenants' metadata stays as it was: {words}");
            }
            health.trouble = Some(Trouble { since, label, words: words.clone() });
        }
    }
}

/// How long to wait after a failure.
fn wait(error: &NovaError, backoff: &mut Backoff, refresh: Duration) -> Duration {
    let wait = backoff.next_wait();
    match error {
        NovaError::Later { after: Some(after), .. } => wait.max(*after),
        error if error.is_for_the_operator() => refresh,
        _ => wait,
    }
}

fn shown(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Health, Login, Metadata, Scope, Secret, TenantMetadata, User};

    fn worker(hosts: &[&str]) -> (TenantMetadata, Worker) {
        let login =
            Login::Password { user: User::Id("u".into()), password: Secret::new("p"), scope: Scope::System };
        let settings = Settings::new("http://127.0.0.1:9".parse().unwrap(), login);
        // A handle without hosts has a thread that ends at once; the worker here stands in for it.
        let mut tenants = TenantMetadata::start(settings.clone(), []).unwrap();
        tenants.thread.take().unwrap().join().unwrap();
        let idle =
            |host: &&str| Health { host: (*host).to_owned(), last_success: None, trouble: None, servers: 0 };
        let shared = Arc::get_mut(&mut tenants.shared).unwrap();
        shared.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        shared.health = Mutex::new(hosts.iter().map(idle).collect());
        let names = hosts.iter().map(|host| (*host).to_owned()).collect();
        let worker = Worker::new(settings, names, Arc::clone(&tenants.shared));
        (tenants, worker)
    }

    #[test]
    fn an_unknown_server_brings_the_next_listing_forward_but_not_where_one_failed() {
        let (tenants, mut worker) = worker(&["good", "failed"]);
        let now = Instant::now();
        for index in 0..2 {
            worker.hosts[index].last = Some(now);
            worker.good(index, Listed::default());
        }
        worker.failed(&[1], &NovaError::Unauthorized { url: String::new() });
        let before: Vec<_> = worker.hosts.iter().map(|host| host.due).collect();
        assert!(before.iter().all(|due| *due > now + SOONEST));

        for host in ["good", "failed", "another"] {
            assert!(tenants.get(host, &format!("unknown of {host}")).is_none());
        }
        let asked = Instant::now();
        assert!(worker.hurry(asked).is_some());
        assert_eq!((worker.hosts[0].due, worker.hosts[1].due), (now + SOONEST, before[1]));
        assert!(tenants.get("good", "unknown of good").is_none());
        assert!(lock(&worker.shared.missed).reasons(asked).is_empty(), "the same one is no reason at once");

        // The listing of half a minute later does not have it either.
        let later = |seconds| asked + Duration::from_secs(seconds);
        worker.hosts[0].last = Some(later(30));
        worker.good(0, Listed::default());
        assert_eq!(worker.hurry(later(31)), Some(later(31 + 60)));
        assert_eq!(worker.hosts[0].due, later(60), "a second reason, within SOONEST");
    }

    /// One server, which may show its host.
    fn listed(placed: usize) -> Listed {
        Listed { servers: [("id".to_owned(), Metadata::new())].into(), placed }
    }

    #[test]
    fn a_host_without_servers_is_doubted_once_and_only_where_it_has_instances() {
        let (tenants, mut worker) = worker(&["a", "b"]);
        let told = |worker: &Worker| [worker.hosts[0].told_empty, worker.hosts[1].told_empty];
        worker.good(0, Listed::default());
        assert_eq!(told(&worker), [false; 2], "nobody has asked for an instance of it");
        assert!(tenants.get("a", "unknown").is_none());
        worker.good(0, Listed::default());
        worker.good(1, Listed::default());
        assert_eq!(told(&worker), [true, false]);
        worker.good(0, listed(1));
        assert_eq!(told(&worker), [false; 2], "what is right now may be wrong again");
    }

    #[test]
    fn servers_without_hosts_are_doubted() {
        let (_tenants, mut worker) = worker(&["a"]);
        worker.good(0, Listed::default());
        worker.good(0, listed(1));
        assert!(!worker.told_unplaced);
        worker.good(0, listed(0));
        assert!(worker.told_unplaced);
    }

    #[test]
    fn a_login_that_failed_concerns_every_host_and_a_row_of_failures_has_one_beginning() {
        let (tenants, mut worker) = worker(&["a", "b"]);
        worker.good(0, listed(1));
        worker.failed(&[0, 1], &NovaError::Unauthorized { url: "http://k".into() });
        let first = tenants.health();
        worker.failed(&[0], &NovaError::Status { url: "http://n".into(), status: 500 });
        let second = tenants.health();
        let trouble = |health: &[Health], host: usize| health[host].trouble.clone().unwrap();
        assert_eq!(trouble(&first, 1).label, "unauthorized");
        assert_eq!(trouble(&second, 0).label, "status");
        assert_eq!(trouble(&second, 0).since, trouble(&first, 0).since);
        assert_eq!((second[0].servers, second[1].servers), (1, 0));
        assert!(tenants.get("a", "id").is_some());
        worker.good(0, Listed::default());
        assert_eq!(tenants.health()[0].trouble, None);
    }

    #[test]
    fn how_long_it_waits_is_up_to_what_failed() {
        let (refresh, url) = (Duration::from_secs(300), String::new);
        let mut backoff = Backoff::new(FIRST_RETRY, refresh);
        let after = Some(Duration::from_secs(400));
        let later = NovaError::Later { url: url(), status: 429, after };
        assert_eq!(wait(&later, &mut backoff, refresh), Duration::from_secs(400));
        backoff.reset();
        let soon = NovaError::Later { url: url(), status: 503, after: Some(Duration::ZERO) };
        assert!(wait(&soon, &mut backoff, refresh) >= amqp::backoff::LEAST);
        backoff.reset();
        assert!(wait(&NovaError::Status { url: url(), status: 500 }, &mut backoff, refresh) <= FIRST_RETRY);
        assert_eq!(wait(&NovaError::Forbidden { url: url() }, &mut backoff, refresh), refresh);
    }
}
