//! A private PostgreSQL.
//!
//! Its own data, log and port, on 127.0.0.1 alone and without a Unix socket: it neither sees nor disturbs a cluster that the
//! machine runs. Its superuser `nephoscope` signs in with a password (SCRAM-SHA-256); its databases are UTF-8, sorted by
//! bytes (locale C), their times in UTC. A new cluster is kept in the [`cache`], so that a start waits for no `initdb`.
//!
//! PostgreSQL refuses to run as root; there it runs as the user `postgres`, who owns its folder.
//!
//! What can fail: PostgreSQL is not installed; the server does not answer a query within [`START_LIMIT`], as with a setting
//! that it does not know or a port that was taken between the choice and the start. The error carries the end of its log.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::{self, Kept, Mark, Signal};
use crate::tls::Authority;
use crate::{cache, command_exists, free_port, output, until};

/// Half a second on an idle machine; after a kill, it recovers what it had committed first.
const START_LIMIT: Duration = Duration::from_secs(90);
/// An orderly stop writes what is in memory to the disk.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// A killed server lets go of its port within milliseconds.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Seconds that `psql` tries to connect for: a paused server takes connections and never answers.
const CONNECT_LIMIT: &str = "10";

/// Debian and its derivatives put each version's programs in `VERSION/bin` of it, and not in PATH.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Whom the server runs as where root starts it: the package makes this user.
const ACCOUNT: &str = "postgres";
const SUPERUSER: &str = "nephoscope";
/// No secret: the server listens on the loopback alone.
const PASSWORD: &str = "lab";
/// PostgreSQL cuts longer names off.
const NAME_LIMIT: usize = 63;

const INITDB: [&str; 6] = [
    "--username=nephoscope",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--no-sync",
    "--pgdata=data",
];
/// With these alone, who does not speak TLS is refused.
const TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
/// Dynamic shared memory lies in files of the data folder: a killed server would leave any other kind on the machine.
const OWN: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "logging_collector=off",
    "shared_buffers=16MB",
    "dynamic_shared_memory_type=mmap",
];
const END: &str = include_str!("../assets/postgres-end.sh");

/// Whether the server speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    Required,
}

/// A running private PostgreSQL; dropping it ends it at once.
#[derive(Debug)]
pub struct Postgres {
    // The server goes before its folder.
    server: Option<Kept>,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    authority: Option<Authority>,
    folder: PathBuf,
    _temporary: TempDir,
}

impl Postgres {
    /// Starts a server with an empty database `nephoscope` and waits until it answers.
    pub fn start() -> Result<Postgres> {
        Postgres::with(&[])
    }

    /// The same with further settings, such as `fsync=off`.
    pub fn with(settings: &[&str]) -> Result<Postgres> {
        Postgres::make(settings, Tls::Off)
    }

    /// The same with TLS, which clients must speak: the certificate is for `localhost` and 127.0.0.1.
    pub fn start_tls() -> Result<Postgres> {
        Postgres::make(&[], Tls::Required)
    }

    fn make(settings: &[&str], tls: Tls) -> Result<Postgres> {
        let programs = programs()?;
        let cluster = new_cluster(&programs)?;
        let temporary = tempfile::Builder::new().prefix("nephoscope-postgres-").tempdir()?;
        // The processes are known by it, as the kernel writes it.
        let folder = temporary.path().canonicalize()?;
        output(
            Command::new("tar").arg("--extract").arg("--file").arg(cluster).arg("--directory").arg(&folder),
        )?;
        let mut settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let authority = match tls {
            Tls::Off => None,
            Tls::Required => Some(require_tls(&folder, &mut settings)?),
        };
        give(&folder)?;
        let port = free_port()?;
        let mut made =
            Postgres { server: None, programs, port, settings, authority, folder, _temporary: temporary };
        made.restart()?;
        made.database(SUPERUSER)?;
        Ok(made)
    }

    /// The address of the database `nephoscope`: `postgresql://nephoscope:PASSWORD@127.0.0.1:PORT/nephoscope`.
    pub fn url(&self) -> String {
        self.url_of(SUPERUSER)
    }

    /// Makes an empty database and gives its address: the place of one test. A name is of lower-case letters, digits and
    /// underscores; one that is taken is an error.
    pub fn database(&self, name: &str) -> Result<String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        ensure!(
            (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(is_plain),
            "{name:?} is no name for a database"
        );
        // From the template that nobody can be connected to, or making it would fail now and then.
        self.psql(&self.url_of("postgres"), &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"))?;
        Ok(self.url_of(name))
    }

    /// Runs SQL by `psql` on the database at this address, and gives what it prints: a line per row, columns separated by
    /// `|`, nothing else. The first error ends it.
    pub fn psql(&self, url: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        // Nobody's PGSSLMODE or psqlrc is to be obeyed.
        command.env_clear().env("PGCONNECT_TIMEOUT", CONNECT_LIMIT).env("LC_ALL", "C.UTF-8");
        command.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]);
        let printed = output(command.args(["--dbname", url, "--command", sql]))?;
        Ok(printed.trim_end().to_owned())
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate, where it speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Where its data (in `data`) and log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The ids of its processes: the postmaster, and those that it has for its connections and its own work.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let data = self.data();
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc").context("failed to read /proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // Others' folders cannot be read, nor those of a process that has just ended.
            if fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == data) {
                pids.push(pid);
            }
        }
        Ok(pids)
    }

    /// Stops the server in an orderly way: transactions are rolled back, clients told, and data written; the port refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.resume()?;
        let Some(server) = self.server.take() else { return Ok(()) };
        // To the signal that follows alone, it would wait until the last client has gone by itself.
        process::signal(server.pid(), Signal::INT);
        server.terminate(STOP_LIMIT)
    }

    /// Ends all of the server as a crash would: connections break off, and only what was committed is there afterwards.
    pub fn kill(&mut self) -> Result<()> {
        self.server = None;
        let address = (Ipv4Addr::LOCALHOST, self.port);
        until("the port of a killed PostgreSQL to close", KILL_LIMIT, || {
            Ok(TcpStream::connect(address).is_err().then_some(()))
        })
    }

    /// Stops the server where it runs, starts it again on the same port with the same data, and waits until it answers.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut server = Kept::start_with_last_words(&self.command(), &self.folder.join("log"), END)?;
        let url = self.url_of("postgres");
        server
            .until("an answer of PostgreSQL", START_LIMIT, || Ok(self.psql(&url, "SELECT 1").ok()))
            .context("PostgreSQL did not start")?;
        self.server = Some(server);
        Ok(())
    }

    /// Freezes all of the server: connections stay open and the port takes more, and nothing is answered. Returns once all
    /// of it stands still.
    pub fn pause(&self) -> Result<()> {
        // The postmaster first: nothing new comes about after it.
        self.server.as_ref().context("PostgreSQL does not run")?.pause()?;
        for pid in self.pids()? {
            // One that had been about to end has ended.
            if let Err(error) = process::pause(pid)
                && Mark::of(pid).is_some()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        for pid in self.pids()? {
            process::signal(pid, Signal::CONT);
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = unprivileged(&self.programs.join("postgres"));
        command.current_dir(&self.folder).env("POSTGRES_DATA", self.data()).env("LC_ALL", "C");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in OWN.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// The folder with the programs of the newest version.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, folder)| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists()))
        .max();
    if let Some((_, folder)) = newest {
        return Ok(folder);
    }
    if !command_exists("postgres") {
        bail!("PostgreSQL is not installed: `apt-get install postgresql`, or `cargo xtask setup`");
    }
    let folder = output(Command::new("pg_config").arg("--bindir"))?;
    Ok(PathBuf::from(folder.trim_end()))
}

/// A new cluster of the cache, packed: whoever unpacks it owns it.
fn new_cluster(programs: &Path) -> Result<PathBuf> {
    let version = output(Command::new(programs.join("postgres")).arg("--version"))?;
    let recipe = format!("{version}{INITDB:?} {PASSWORD}");
    let folder = cache::get_or_make("postgres", &recipe, |made| {
        // Not in the cache, which the server's user may have no way to.
        let temporary = tempfile::Builder::new().prefix("nephoscope-initdb-").tempdir()?;
        let folder = temporary.path();
        fs::write(folder.join("password"), PASSWORD)?;
        give(folder)?;
        let mut command = unprivileged(&programs.join("initdb"));
        output(
            command
                .current_dir(folder)
                .env("LC_ALL", "C")
                .env("TZ", "UTC")
                .args(INITDB)
                .arg("--pwfile=password"),
        )?;
        let packed = made.join("data.tar");
        output(
            Command::new("tar")
                .arg("--create")
                .arg("--file")
                .arg(packed)
                .arg("--directory")
                .arg(folder)
                .arg("data"),
        )?;
        Ok(())
    })?;
    Ok(folder.join("data.tar"))
}

/// Has a server whose data is in the folder take nobody without TLS.
fn require_tls(folder: &Path, settings: &mut Vec<String>) -> Result<Authority> {
    let authority = Authority::make(&folder.join("tls"))?;
    let server = authority.server()?;
    // It takes no key that others may read.
    fs::set_permissions(&server.key, fs::Permissions::from_mode(0o600))?;
    settings.push("ssl=on".to_owned());
    settings.push(format!("ssl_cert_file={}", server.certificate.display()));
    settings.push(format!("ssl_key_file={}", server.key.display()));
    fs::write(folder.join("data/pg_hba.conf"), TLS_ONLY)?;
    Ok(authority)
}

/// A program of PostgreSQL's, run by somebody else than root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"]).arg(program);
    command
}

/// Gives a folder to the user of [`unprivileged`].
fn give(folder: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        output(Command::new("chown").args(["-R", ACCOUNT]).arg(folder))?;
    }
    Ok(())
}
