//! Retention and sweeping.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use super::*;
use crate::tests::{DAY, noon, row, sound};
use crate::{Row, Swept};

const SECOND: i64 = 1_000_000;
const ALL: usize = 1_000_000;

/// Ten samples a day, from so many days before noon's to that one.
fn days(count: i64) -> Vec<Row> {
    let sample =
        |number: i64| row(number as usize, number as usize % 10, number * 3_600 - number / 10 * 10 * 3_600);
    (0..count * 10)
        .map(|number| {
            let mut row = sample(number);
            row.timestamp -= number / 10 * DAY;
            row
        })
        .collect()
}

#[test]
fn by_age_whole_days_go_and_then_single_samples() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    writer.append(&days(5)).unwrap();
    writer.append(&[row(100, 0, -9_000 * 86_400), row(101, 0, 9_000 * 86_400)]).unwrap();
    let oldest = |writer: &mut Box<dyn Writer>| writer.times().unwrap().unwrap().0;
    // Two days and a part of the third. The last one that may go is at two o'clock.
    let before = Some(noon() - 2 * DAY + 3 * 3_600 * SECOND);
    assert_eq!(writer.delete_oldest(before, ALL).unwrap(), 10 + 10 + 1 + 3);
    assert_eq!(oldest(&mut writer), noon() - 2 * DAY + 3 * 3_600 * SECOND);
    assert_eq!(writer.delete_oldest(before, ALL).unwrap(), 0);
    assert_eq!(place.count("pg_inherits WHERE inhparent = 'sample'::regclass"), 3);
    assert_eq!(sound(&place.store), 52 - 24);
    // So many at a time.
    let before = Some(noon() - 2 * DAY + 6 * 3_600 * SECOND);
    assert_eq!(writer.delete_oldest(before, 2).unwrap(), 2);
    assert_eq!(writer.delete_oldest(before, 2).unwrap(), 1);
    // A day that was dropped comes again.
    assert_eq!(writer.append(&days(5)).unwrap().stored, 10 + 10 + 6);
    assert_eq!(sound(&place.store), 51);
}

#[test]
fn for_space_whole_days_go_but_never_the_last() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    writer.append(&days(3)).unwrap();
    writer.append(&[row(100, 0, 9_000 * 86_400)]).unwrap();
    let full = writer.bytes().unwrap();
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 1, "what is of no sensible time goes first");
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 10);
    assert!(writer.bytes().unwrap() < full);
    assert_eq!(writer.times().unwrap().unwrap().0, noon() - DAY);
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 10);
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 0);
    assert_eq!(sound(&place.store), 10);
}

#[test]
fn what_no_sample_refers_to_goes_after_its_days() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    let old: Vec<Row> = (0..20).map(|number| row(number, number, -30 * 86_400)).collect();
    writer.append(&old).unwrap();
    writer.append(&[row(20, 3, 0), row(21, 30, 0), row(22, 4, -9_000 * 86_400)]).unwrap();
    assert_eq!(writer.sweep(ALL).unwrap(), Swept::default());
    assert_eq!(writer.delete_oldest(Some(noon() - 20 * DAY), 20).unwrap(), 20);
    // 3 has a sample today, 4 one of a wrong clock.
    assert_eq!(writer.sweep(7).unwrap(), Swept { metadata: 7, series: 7 });
    assert_eq!(writer.sweep(ALL).unwrap(), Swept { metadata: 11, series: 11 });
    assert_eq!(writer.sweep(ALL).unwrap(), Swept::default());
    assert_eq!((place.count("resource"), place.count("meter")), (3, 1));
    assert_eq!(sound(&place.store), 3);
    writer.append(&old).unwrap();
    assert_eq!(sound(&place.store), 23);
}

#[test]
fn deletion_gives_way_to_others_and_the_writer_is_as_good_as_before() {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    writer.append(&days(3)).unwrap();
    // A long query.
    let mut reader = place.store.reader().unwrap();
    reader.begin(Duration::from_secs(100)).unwrap();
    let error = writer.delete_oldest(None, 5).unwrap_err();
    assert_eq!((error.label(), writer.is_usable()), ("locked", true));
    reader.end();
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 10);
    // A long batch.
    let mut other = Client::connect(&place.url, NoTls).unwrap();
    let mut transaction = other.transaction().unwrap();
    schema::Writers::Together.lock(&mut transaction).unwrap();
    assert_eq!(writer.sweep(ALL).unwrap(), Swept::default());
    assert!(writer.is_usable());
    assert_eq!(writer.delete_oldest(None, 5).unwrap_err().label(), "locked");
    assert_eq!(writer.append(&[row(100, 1, 0)]).unwrap().stored, 1, "writers do not wait for each other");
    transaction.rollback().unwrap();
    // Another collector that deletes.
    let mut transaction = other.transaction().unwrap();
    assert!(schema::try_upkeep(&mut transaction).unwrap());
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 0);
    transaction.rollback().unwrap();
    assert_eq!(writer.delete_oldest(None, 5).unwrap(), 10);
}

#[test]
fn two_store_while_a_third_deletes_and_nothing_is_lost() {
    let place = Place::new();
    place.store.writer().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let store = |of: usize| {
            let mut writer = place.store.writer().unwrap();
            for round in 0..60 {
                // What goes and what comes refers to the same few entries.
                let rows: Vec<Row> = (0..40)
                    .map(|at| row((round * 2 + of) * 40 + at, (round + at) % 12, -(at as i64 % 9) * 86_400))
                    .collect();
                // A day may be dropped as often as it is made; that passes.
                while let Err(error) = writer.append(&rows) {
                    assert_eq!(error.label(), "locked");
                    writer = place.store.writer().unwrap();
                }
            }
        };
        let storing = [scope.spawn(move || store(0)), scope.spawn(move || store(1))];
        let deleting = scope.spawn(|| {
            let mut writer = place.store.writer().unwrap();
            let mut swept = 0;
            while !over.load(Relaxed) {
                let before = Some(noon() - DAY / 4);
                if let Err(error) = writer.delete_oldest(before, ALL) {
                    assert_eq!(error.label(), "locked");
                }
                swept += writer.sweep(ALL).unwrap().series;
                // Or the days would be dropped faster than anybody makes them.
                thread::sleep(Duration::from_millis(100));
            }
            swept
        });
        let stored = storing.map(|storing| storing.join());
        // First of all, or a failure would leave the other one deleting for ever.
        over.store(true, Relaxed);
        deleting.join().unwrap();
        assert!(stored.iter().all(Result::is_ok));
    });
    sound(&place.store);
}
