//! Databases that are away, of others, or of other versions, and who is let in.

use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use super::super::schema::{MIGRATIONS, migrate};
use super::*;
use crate::tests::{noon, row, sound};
use crate::{Order, Path, Range, Row, Scan, StoreError};

/// An error with all that it says.
fn words(error: &StoreError) -> String {
    let mut words = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words += &format!(": {error}");
        source = error.source();
    }
    words
}

/// Why neither reader nor writer can be had, without a password.
fn refusal(url: &str) -> &'static str {
    let store = store(url);
    let errors = [store.writer().map(drop).unwrap_err(), store.reader().map(drop).unwrap_err()];
    for error in &errors {
        assert!(!words(error).contains("hunter2") && !words(error).contains(":lab@"), "{}", words(error));
    }
    assert_eq!(errors[0].label(), errors[1].label());
    errors[0].label()
}

#[test]
fn whoever_is_not_let_in_is_told_why_and_shown_no_password() {
    let place = Place::new();
    let port = place.server.port();
    assert_eq!(refusal(&format!("postgresql://nephoscope:hunter2@127.0.0.1:{port}/nephoscope")), "login");
    assert_eq!(refusal(&format!("postgresql://nephoscope@127.0.0.1:{port}/nephoscope")), "postgresql");
    assert_eq!(refusal(&format!("postgresql://nephoscope:lab@127.0.0.1:{port}/nowhere")), "no-database");
    let closed = lab::free_port().unwrap();
    assert_eq!(refusal(&format!("postgresql://nephoscope:hunter2@127.0.0.1:{closed}/n")), "unreachable");
    assert_eq!(refusal(&format!("{}?sslmode=require", place.url)), "tls");
    assert_eq!(refusal(&format!("{}?sslrootcert=/nowhere/hunter3", place.url)), "tls");
    // On this machine TLS is not needed.
    place.store.writer().unwrap();
    store(&format!("{}?sslmode=prefer", place.url)).reader().unwrap();
    store(&format!("{}?sslmode=disable", place.url)).reader().unwrap();
}

#[test]
fn tls_is_checked_as_far_as_its_mode_says() {
    let server = lab::Postgres::start_tls().unwrap();
    let authority = server.authority().unwrap().certificate.display().to_string();
    let url = |options: &str| format!("{}?{options}", server.url());
    assert_eq!(refusal(&url("sslmode=disable")), "login");
    assert_eq!(refusal(&url("sslmode=verify-full")), "tls");
    for options in ["", "sslmode=prefer", "sslmode=require"] {
        store(&url(options)).writer().unwrap();
    }
    let mut writer = store(&url(&format!("sslmode=verify-full&sslrootcert={authority}"))).writer().unwrap();
    assert_eq!(writer.append(&[row(1, 1, 0)]).unwrap().stored, 1);
    // A server of another name.
    let elsewhere = server.url().replace("127.0.0.1", "127.0.0.2");
    assert!(["tls", "unreachable"].contains(&refusal(&format!("{elsewhere}?sslrootcert={authority}"))));
}

#[test]
fn a_server_that_was_killed_has_what_was_acknowledged() {
    let mut server = lab::Postgres::start().unwrap();
    let store = store(&server.url());
    let mut writer = store.writer().unwrap();
    let mut reader = store.reader().unwrap();
    let rows: Vec<Row> = (0..2_000).map(|number| row(number, number % 9, 0)).collect();
    writer.append(&rows).unwrap();
    server.kill().unwrap();
    let error = writer.append(&[row(9_999, 1, 0)]).unwrap_err();
    assert_eq!((error.label(), error.may_pass(), writer.is_usable()), ("unreachable", true, false));
    assert_eq!(reader.begin(Duration::from_secs(9)).unwrap_err().label(), "unreachable");
    assert_eq!(store.writer().map(drop).unwrap_err().label(), "unreachable");
    server.restart().unwrap();
    assert_eq!(store.writer().unwrap().append(&rows).unwrap().duplicates, 2_000);
    // The reader connects anew by itself.
    reader.begin(Duration::from_secs(100)).unwrap();
    assert!(reader.meter("cpu").unwrap().is_some());
    assert_eq!(sound(&store), 2_000);
}

#[test]
fn a_server_that_answers_nothing_is_unreachable() {
    let server = lab::Postgres::start().unwrap();
    server.pause().unwrap();
    assert_eq!(refusal(&format!("{}?connect_timeout=1", server.url())), "unreachable");
    server.resume().unwrap();
}

#[test]
fn a_query_that_reads_for_too_long_is_too_broad() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    let rows: Vec<Row> = (0..5_000).map(|number| row(number, number, number as i64)).collect();
    writer.append(&rows).unwrap();
    let mut reader = place.store.reader().unwrap();
    let scan = Scan { path: Path::Time, range: Range::default(), order: Order::NewestFirst };
    // Statements that are short each: time is over between them.
    reader.begin(Duration::from_millis(200)).unwrap();
    reader.scan(&scan).unwrap();
    let error = loop {
        if let Err(error) = reader.meter("cpu") {
            break error;
        }
    };
    assert!(matches!(error, StoreError::TooBroad), "{error:?}");
    // A statement that waits.
    let mut other = Client::connect(&place.url, NoTls).unwrap();
    let mut transaction = other.transaction().unwrap();
    transaction.batch_execute("LOCK TABLE series").unwrap();
    reader.begin(Duration::from_millis(300)).unwrap();
    let error = reader.series_by_id(&[1]).unwrap_err();
    assert!(matches!(error, StoreError::TooBroad), "{error:?}");
    transaction.rollback().unwrap();
    // The next one starts anew.
    reader.begin(Duration::from_secs(100)).unwrap();
    reader.scan(&scan).unwrap();
    assert_eq!(reader.next(10).unwrap().len(), 10);
}

#[test]
fn what_is_read_is_of_one_moment() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    writer.append(&[row(1, 1, 0)]).unwrap();
    let mut reader = place.store.reader().unwrap();
    reader.begin(Duration::from_secs(100)).unwrap();
    writer.append(&[row(2, 1, 0)]).unwrap();
    assert_eq!(crate::tests::all(&mut *reader).len(), 1);
    reader.begin(Duration::from_secs(100)).unwrap();
    assert_eq!(crate::tests::all(&mut *reader).len(), 2);
}

#[test]
fn databases_without_a_store_of_this_version_are_told_apart() {
    let place = Place::new();
    let missing = place.store.reader().map(drop).unwrap_err();
    assert_eq!(missing.label(), "missing");
    assert!(missing.to_string().contains(&place.store.to_string()), "{missing}");
    place.psql("CREATE TABLE sample (theirs text)");
    assert_eq!(place.store.writer().map(drop).unwrap_err().label(), "foreign");
    assert_eq!(place.count("pg_tables WHERE schemaname = 'public'"), 1, "it is left as it was");
    place.psql("DROP TABLE sample");
    let (mut writer, mut reader) = (place.store.writer().unwrap(), place.store.reader().unwrap());
    writer.append(&[row(1, 1, 0)]).unwrap();
    // A newer collector comes, and this one acknowledges nothing more.
    place.psql("UPDATE nephoscope_schema SET version = version + 1");
    assert_eq!(writer.append(&[row(2, 1, 0)]).unwrap_err().label(), "too-new");
    assert!(!writer.is_usable());
    assert_eq!(place.count("sample"), 1);
    assert_eq!(reader.begin(Duration::from_secs(9)).unwrap_err().label(), "too-new");
    assert_eq!(refusal(&place.url), "too-new");
}

#[test]
fn an_older_store_is_migrated_once_however_many_come_at_once() {
    let place = Place::new();
    let mut client = Client::connect(&place.url, NoTls).unwrap();
    migrate(&mut client, &MIGRATIONS[..1]).unwrap();
    let day = partitions::Day::of(noon());
    let from = moment::Moment::new(day.start()).literal();
    let until = moment::Moment::new(day.end()).literal();
    let (table, time) = (day.table(), moment::Moment::new(noon()).literal());
    place.psql(&format!(
        "CREATE TABLE {table} PARTITION OF sample FOR VALUES FROM ({from}) TO ({until});
         CREATE UNIQUE INDEX {table}_by_message ON {table} (message_id);
         INSERT INTO meter (name) VALUES ('cpu'); INSERT INTO resource (name) VALUES ('instance-1');
         INSERT INTO series (sha256, meter, resource, kind, unit, source, kept_until)
         VALUES ('\\x01', 1, 1, 'gauge', '', 'openstack', DATE '1970-01-01' + {day});
         INSERT INTO metadata (sha256, fields, kept_until)
         VALUES ('\\x01', '{{\"of\": \"instance-1\"}}', DATE '1970-01-01' + {day});
         INSERT INTO {table} VALUES ({time}, {time}, 1, 1, 1, 17, 1, '\\x0161', NULL);",
        day = day.0
    ));
    let error = place.store.reader().map(drop).unwrap_err();
    assert!(matches!(error, StoreError::TooOld { found: 1, known: 2 }), "{error:?}");
    thread::scope(|scope| {
        for number in 0..3 {
            let store = &place.store;
            scope.spawn(move || store.writer().unwrap().append(&[row(number, number, 0)]).unwrap());
        }
    });
    assert_eq!(place.psql("SELECT version FROM nephoscope_schema"), "2");
    assert_eq!(sound(&place.store), 4);
    // The days of before have the indexes, too.
    assert_eq!(place.count(&format!("pg_indexes WHERE tablename = '{table}'")), 4);
}

#[test]
fn three_who_come_first_at_once_make_one_store() {
    let place = Place::new();
    thread::scope(|scope| {
        for number in 0..3 {
            let store = &place.store;
            scope.spawn(move || store.writer().unwrap().append(&[row(number, number, 0)]).unwrap());
        }
    });
    assert_eq!(sound(&place.store), 3);
}
