//! Storing and deleting.

use std::thread;

use super::{ALL, LONG, Random, SECOND, all, noon, row, sound};
use crate::{Appended, Row, Store};

/// A message_id is stored once, however often it comes, and the first one counts.
pub(crate) fn stores_once(store: &dyn Store) {
    let mut writer = store.writer().unwrap();
    assert_eq!(writer.append(&[]).unwrap(), Appended::default());
    let rows: Vec<Row> = [0, 1, 1, 2].map(|number| row(number, number, 0)).into();
    assert_eq!(writer.append(&rows).unwrap(), Appended { stored: 3, duplicates: 1 });
    assert_eq!(writer.append(&rows).unwrap(), Appended { stored: 0, duplicates: 4 });
    let mut again = store.writer().unwrap();
    let more: Vec<Row> = [2, 3, 0].map(|number| row(number, number, 0)).into();
    assert_eq!(again.append(&more).unwrap(), Appended { stored: 1, duplicates: 2 });
    // The same ids with other volumes, and an id that is no UUID.
    let mut other = super::received(1, 1, 0);
    other.volume = 77.into();
    let mut text = super::received(9, 9, 0);
    text.message_id = "eins\0, любой".into();
    let later: Vec<Row> = vec![other.into(), text.clone().into(), text.into()];
    assert_eq!(again.append(&later).unwrap(), Appended { stored: 1, duplicates: 2 });
    assert_eq!(writer.times().unwrap(), Some((noon(), noon())));
    let mut reader = store.reader().unwrap();
    reader.begin(LONG).unwrap();
    let found = all(&mut *reader);
    assert!(found.iter().any(|found| found.message_id.text() == "eins\0, любой"));
    assert!(found.iter().all(|found| found.volume.amount != 77.0));
    assert_eq!(sound(store), 5);
}

/// Two who store the same at once, in opposite orders, store it once together, and neither fails.
pub(crate) fn two_writers_store_once(store: &dyn Store) {
    const ROUNDS: usize = 12;
    const ROWS: usize = 400;
    store.writer().unwrap();
    let stored = |opposite: bool| {
        let mut writer = store.writer().unwrap();
        let mut stored = 0;
        for round in 0..ROUNDS {
            let mut rows: Vec<Row> =
                (0..ROWS).map(|at| row(round * ROWS + at, round * 20 + at % 50, at as i64 * 400)).collect();
            if opposite {
                rows.reverse();
            }
            stored += writer.append(&rows).unwrap().stored;
        }
        stored
    };
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| stored(false));
        let other = scope.spawn(|| stored(true));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one + other, ROUNDS * ROWS);
    assert_eq!(sound(store), ROUNDS * ROWS);
}

/// Whatever two writers do by turns, no sample loses what it refers to, and what none refers to goes in the end.
pub(crate) fn nothing_loses_its_metadata(store: &dyn Store) {
    let mut writers = [store.writer().unwrap(), store.writer().unwrap()];
    let mut random = Random(1);
    let (mut number, mut swept) = (0, 0);
    for round in 0..100_i64 {
        let writer = &mut writers[random.below(2)];
        // Time goes on by three hours a round, and retention follows it.
        let now = (round - 100) * 3 * 3_600;
        match random.below(5) {
            0 => swept += writer.sweep(1 + random.below(20)).unwrap().metadata,
            1 => {
                let before = noon() + (now - 30 * 3_600 - random.below(7_200) as i64) * SECOND;
                writer.delete_oldest(Some(before), 1 + random.below(2_500)).unwrap();
            }
            _ => {
                // Some are measured long before they come, some come twice, and some clocks are years off.
                let rows: Vec<Row> = (0..random.below(300))
                    .map(|at| {
                        let ago = match random.below(50) {
                            0 => 500 * 86_400,
                            1 => -900 * 86_400,
                            _ => random.below(80_000) as i64,
                        };
                        // The same one has the same time.
                        let number = number + at * 7 % 200;
                        row(number, (round / 4) as usize + random.below(9), now - ago)
                    })
                    .collect();
                number += 250;
                writer.append(&rows).unwrap();
            }
        }
        if round % 5 == 0 {
            sound(store);
        }
    }
    sound(store);
    let [one, _] = &mut writers;
    while one.delete_oldest(Some(i64::MAX), ALL).unwrap() > 0 {}
    swept += one.sweep(ALL).unwrap().metadata;
    let mut reader = store.reader().unwrap();
    reader.begin(LONG).unwrap();
    assert_eq!(all(&mut *reader), []);
    assert_eq!(reader.series(&crate::Catalogue::default(), 0, ALL).unwrap(), []);
    assert!(swept >= 33, "{swept}");
}
