//! The private PostgreSQL: it starts, keeps to itself, comes back with its data, speaks TLS, and falters when told to.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::process::{Kept, Mark};
use lab::tls::Authority;
use lab::{Postgres, until};

const SHORTLY: Duration = Duration::from_secs(20);
/// What a client asks first; the answer is one letter.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A client in the background whose query ends long after every test.
fn busy_client(postgres: &Postgres) -> Result<Kept> {
    let mut psql = Command::new("psql");
    psql.args(["--dbname", &postgres.url(), "--command", "SELECT pg_sleep(3600)"]);
    let mut client = Kept::start(&psql, &postgres.folder().join("client.log"))?;
    let busy =
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)' AND state = 'active'";
    client.until(
        "the query",
        SHORTLY,
        || Ok((postgres.psql(&postgres.url(), busy)? == "1").then_some(())),
    )?;
    Ok(client)
}

fn marks(postgres: &Postgres) -> Result<Vec<Mark>> {
    Ok(postgres.pids()?.into_iter().filter_map(Mark::of).collect())
}

fn ended(marks: &[Mark]) -> Result<()> {
    until("the end of the server", SHORTLY, || Ok(marks.iter().all(|mark| !mark.is_running()).then_some(())))
}

/// The ids of the machine's pieces of System V shared memory.
fn segments() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/sysvipc/shm")?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect())
}

#[test]
fn databases_are_empty_and_their_text_is_sorted_by_bytes() -> Result<()> {
    let postgres = Postgres::start()?;
    let (first, second) = (postgres.database("first")?, postgres.database("second")?);
    postgres.psql(&first, "CREATE TABLE names (name text); INSERT INTO names VALUES ('ä'), ('a'), ('Z')")?;
    assert_eq!(postgres.psql(&first, "SELECT name, 1 FROM names ORDER BY name")?, "Z|1\na|1\nä|1");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    for url in [&second, &postgres.url()] {
        assert_eq!(postgres.psql(url, tables)?, "0");
        assert_eq!(
            postgres.psql(url, "SELECT current_setting('server_encoding'), current_setting('TimeZone')")?,
            "UTF8|UTC"
        );
    }
    assert!(postgres.database("first").is_err());
    for name in ["", "with-dash", "quo\"te", "Upper", &"x".repeat(64)] {
        assert!(postgres.database(name).is_err(), "{name:?} was taken");
    }
    Ok(())
}

#[test]
fn who_has_no_password_is_refused() -> Result<()> {
    let postgres = Postgres::start()?;
    assert!(postgres.authority().is_none());
    let stored =
        postgres.psql(&postgres.url(), "SELECT rolpassword FROM pg_authid WHERE rolname = 'nephoscope'")?;
    assert!(stored.starts_with("SCRAM-SHA-256$"), "{stored}");
    let url = postgres.url();
    let (_, place) = url.rsplit_once('@').context("an address without a user")?;
    for user in ["nephoscope", "nephoscope:wrong"] {
        let error =
            postgres.psql(&format!("postgresql://{user}@{place}"), "SELECT 1").expect_err("it was let in");
        assert!(format!("{error:#}").contains("password"), "{error:#}");
    }
    Ok(())
}

#[test]
fn what_is_committed_outlives_a_kill_and_a_stop() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let (url, port) = (postgres.url(), postgres.port());
    postgres.psql(&url, "CREATE TABLE rows (number int); INSERT INTO rows VALUES (1)")?;
    for round in 1..=2 {
        let _client = busy_client(&postgres)?;
        let before = marks(&postgres)?;
        assert!(before.len() > 2, "a postmaster, its workers and a client's backend: {before:?}");
        // A stop does not wait for the client, either.
        if round == 1 {
            postgres.kill()?
        } else {
            postgres.stop()?
        }
        ended(&before)?;
        assert!(postgres.pids()?.is_empty());
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect_err("somebody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        postgres.restart()?;
        assert_eq!((postgres.url(), postgres.port()), (url.clone(), port));
        assert_eq!(postgres.psql(&url, "SELECT count(*) FROM rows")?, round.to_string());
        postgres.psql(&url, "INSERT INTO rows VALUES (2)")?;
    }
    let log = fs::read_to_string(postgres.folder().join("log"))?;
    assert_eq!(log.matches("was not properly shut down").count(), 1, "{log}");
    Ok(())
}

#[test]
fn a_dropped_server_leaves_nothing_behind() -> Result<()> {
    let postgres = Postgres::start()?;
    let lock = fs::read_to_string(postgres.folder().join("data/postmaster.pid"))?;
    let segment =
        lock.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).context("no segment")?;
    assert!(segments()?.iter().any(|id| id == segment));
    let client = busy_client(&postgres)?;
    let (running, folder) = (marks(&postgres)?, postgres.folder().to_owned());
    assert!(running.len() > 2);
    drop(postgres);
    ended(&running)?;
    assert!(!folder.exists());
    assert!(!segments()?.iter().any(|id| id == segment));
    drop(client);
    Ok(())
}

#[test]
fn a_paused_server_takes_connections_and_answers_nothing() -> Result<()> {
    let postgres = Postgres::start()?;
    let _client = busy_client(&postgres)?;
    postgres.pause()?;
    let pids = postgres.pids()?;
    assert!(pids.len() > 2, "a postmaster, its workers and a client's backend: {pids:?}");
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        assert!(stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T ")), "{stat}");
    }
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, postgres.port()))?;
    stream.write_all(&TLS_REQUEST)?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    let mut answer = [0];
    let silent = stream.read_exact(&mut answer).expect_err("a paused server answered");
    assert_eq!(silent.kind(), ErrorKind::WouldBlock);
    postgres.resume()?;
    stream.set_read_timeout(Some(SHORTLY))?;
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, *b"N");
    assert_eq!(postgres.psql(&postgres.url(), "SELECT 1")?, "1");
    Ok(())
}

#[test]
fn settings_are_obeyed_and_an_unknown_one_is_told() -> Result<()> {
    let postgres = Postgres::with(&["fsync=off", "max_connections=7"])?;
    assert_eq!(
        postgres
            .psql(&postgres.url(), "SELECT current_setting('fsync'), current_setting('max_connections')")?,
        "off|7"
    );
    let error = Postgres::with(&["no_such_setting=1"]).expect_err("it was taken");
    assert!(
        format!("{error:#}").contains("unrecognized configuration parameter \"no_such_setting\""),
        "{error:#}"
    );
    Ok(())
}

#[test]
fn who_speaks_tls_can_tell_the_server_and_who_does_not_is_refused() -> Result<()> {
    let mut postgres = Postgres::start_tls()?;
    let authority = postgres.authority().context("no authority")?.certificate.display().to_string();
    let elsewhere = tempfile::tempdir()?;
    let foreign = Authority::make(elsewhere.path())?.certificate.display().to_string();
    let speaks_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for host in ["127.0.0.1", "localhost"] {
        let url = postgres.url().replace("127.0.0.1", host);
        let verified = |root: &str| format!("{url}?sslmode=verify-full&sslrootcert={root}");
        assert_eq!(postgres.psql(&verified(&authority), speaks_tls)?, "t");
        assert_eq!(postgres.psql(&format!("{url}?sslmode=require"), speaks_tls)?, "t");
        let error =
            postgres.psql(&verified(&foreign), speaks_tls).expect_err("another authority was believed");
        assert!(format!("{error:#}").contains("certificate verify failed"), "{error:#}");
        let error =
            postgres.psql(&format!("{url}?sslmode=disable"), "SELECT 1").expect_err("plain text was taken");
        assert!(format!("{error:#}").contains("no encryption"), "{error:#}");
    }
    postgres.restart()?;
    assert_eq!(postgres.psql(&postgres.url(), speaks_tls)?, "t");
    Ok(())
}
