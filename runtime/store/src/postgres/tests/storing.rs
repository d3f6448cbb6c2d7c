//! What every store does, and the tables of days.

use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};
use serde_json::json;

use super::super::partitions::{self, Day};
use super::*;
use crate::tests::{
    DAY, answers_as_a_model_does, metadata, noon, nothing_loses_its_metadata, received, row, sound,
    stores_once, two_writers_store_once,
};
use crate::{Appended, Row};

#[test]
fn it_stores_once() {
    stores_once(&Place::new().store);
}

#[test]
fn two_writers_at_once_store_once() {
    two_writers_store_once(&Place::new().store);
}

#[test]
fn nothing_loses_what_it_refers_to() {
    nothing_loses_its_metadata(&Place::new().store);
}

#[test]
fn it_answers_as_a_model_does() {
    answers_as_a_model_does(&Place::new().store);
}

#[test]
fn its_answers_are_right() {
    crate::query::tests::answers_are_right(&Place::new().store);
}

#[test]
fn what_both_stores_have_in_common_is_kept_once() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    let rows: Vec<Row> = (0..1_000).map(|number| row(number, number % 5, 0)).collect();
    writer.append(&rows).unwrap();
    // Another session, which knows none of it.
    let rows: Vec<Row> = (1_000..2_000).map(|number| row(number, number % 6, 0)).collect();
    place.store.writer().unwrap().append(&rows).unwrap();
    for (table, count) in [("sample", 2_000), ("series", 6), ("metadata", 6), ("resource", 6), ("meter", 1)] {
        assert_eq!(place.count(table), count, "{table}");
    }
    assert_eq!(sound(&place.store), 2_000);
}

#[test]
fn each_day_near_now_has_a_table_and_no_other() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    // Noon is two days ago.
    let days = [0, 0, 1, 4, 5, -397, -399, 30, -10_000, 2_900_000];
    let rows: Vec<Row> =
        days.iter().enumerate().map(|(number, day)| row(number, number, day * 86_400)).collect();
    assert_eq!(writer.append(&rows).unwrap(), Appended { stored: rows.len(), duplicates: 0 });
    assert_eq!(place.count("pg_inherits WHERE inhparent = 'sample'::regclass"), 4);
    assert_eq!((place.count("sample"), place.count("sample_other")), (5, 5));
    assert_eq!(writer.append(&rows).unwrap(), Appended { stored: 0, duplicates: rows.len() });
    assert_eq!(sound(&place.store), rows.len());
    let (oldest, newest) = writer.times().unwrap().unwrap();
    assert_eq!((oldest, newest), (noon() - 10_000 * DAY, noon() + 2_900_000 * DAY));
}

#[test]
fn a_day_that_comes_takes_its_samples_with_it() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    let rows: Vec<Row> =
        (0..6).map(|number| row(number, number, 20 * 86_400 + number as i64 * 60_000)).collect();
    writer.append(&rows).unwrap();
    assert_eq!(place.count("sample_other"), 6);
    let day = Day::of(noon() + 20 * DAY);
    let make = || {
        let mut client = Client::connect(&place.url, NoTls).unwrap();
        partitions::make(&mut client, day).unwrap();
    };
    // Several collectors come to that day at once.
    thread::scope(|scope| (0..3).for_each(|_| _ = scope.spawn(make)));
    let moved = rows.iter().filter(|row| Day::of(row.timestamp) == day).count();
    assert!((1..6).contains(&moved));
    assert_eq!((place.count(&day.table()), place.count("sample_other")), (moved, 6 - moved));
    assert_eq!(sound(&place.store), 6);
    // From now on their ends say what the day's samples refer to: nothing is swept but what goes with the others.
    writer.delete_oldest(None, 1).unwrap();
    assert_eq!(writer.sweep(100).unwrap().metadata, 6 - moved);
    assert_eq!(sound(&place.store), moved);
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_batch_stores_nothing_of_it() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    writer.append(&[row(0, 0, 0)]).unwrap();
    // Somebody stores one of the batch's samples at this moment, and the batch waits for that.
    let table = Day::of(noon()).table();
    let mut other = Client::connect(&place.url, NoTls).unwrap();
    let copy = format!(
        "INSERT INTO {table} SELECT timestamp, recorded_at, series, metadata, resource, amount, meter, "
    );
    let mut transaction = other.transaction().unwrap();
    let id = "'\\x0011f0c7f60000000a8a3c0242ac110002'::bytea";
    transaction.batch_execute(&format!("{copy} {id}, exact FROM {table}")).unwrap();
    let error = thread::scope(|scope| {
        let rows: Vec<Row> = (1..100).map(|number| row(number, number, 0)).collect();
        let batch = scope.spawn(move || (writer.append(&rows).unwrap_err(), writer));
        let waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nephoscope' \
             AND datname = current_database() AND wait_event_type = 'Lock'";
        while place.psql(waiting).is_empty() {
            thread::sleep(Duration::from_millis(20));
            assert!(!batch.is_finished(), "nothing was waited for");
        }
        let (error, mut writer) = batch.join().unwrap();
        assert!(!writer.is_usable());
        assert_eq!(writer.append(&[row(0, 0, 0)]).unwrap_err().label(), "damaged");
        error
    });
    assert_eq!((error.label(), error.may_pass()), ("unreachable", true), "{error:?}");
    transaction.rollback().unwrap();
    assert_eq!((place.count("sample"), place.count("metadata")), (1, 1));
    let mut again = place.store.writer().unwrap();
    assert_eq!(again.append(&[row(10, 10, 0)]).unwrap().stored, 1);
}

#[test]
fn hostile_samples_are_stored_as_they_came() {
    let place = Place::new();
    let mut sample = received(1, 1, 0);
    sample.resource_id = "naïve-\u{1b}[31m'\";--\\x\u{1f409}".into();
    sample.metadata = metadata(&json!({"of": sample.resource_id, "vcpus": 2, "nul": "\0"}));
    sample.unit = String::new();
    sample.message_id = "i".repeat(255);
    place.store.writer().unwrap().append(&[sample.into()]).unwrap();
    assert_eq!(sound(&place.store), 1);
}
