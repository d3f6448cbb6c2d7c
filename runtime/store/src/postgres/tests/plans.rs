//! What PostgreSQL does for a query: it goes along an index, day by day, and stops when there is enough.

use postgres::{Client, NoTls};

use super::super::scan::{ALONG_INDEXES, ends, select};
use super::*;
use crate::tests::{noon, row};
use crate::{MessageId, Order, Path, Range, Row, Scan};

const DAYS: i64 = 12;

/// Days with thousands of samples, of which PostgreSQL knows nothing yet.
fn large() -> (Place, Client) {
    let place = Place::new();
    let mut writer = place.store.writer().unwrap();
    for day in 0..DAYS {
        let rows: Vec<Row> = (0..4_000)
            .map(|at| row(day as usize * 4_000 + at, at % 100, at as i64 / 100 * 60 - day * 86_400))
            .collect();
        writer.append(&rows).unwrap();
    }
    let mut client = Client::connect(&place.url, NoTls).unwrap();
    client.batch_execute("SET jit = off").unwrap();
    client.batch_execute(&ALONG_INDEXES.replace("LOCAL", "SESSION")).unwrap();
    (place, client)
}

fn plan(client: &mut Client, statement: &str) -> String {
    let rows = client.query_typed(&format!("EXPLAIN {statement}"), &[]).unwrap();
    rows.iter().map(|row| row.get::<_, &str>(0).to_owned() + "\n").collect()
}

#[test]
fn every_path_goes_along_its_index_and_sorts_nothing() {
    let (place, mut client) = large();
    for analyzed in [false, true] {
        if analyzed {
            place.psql("ANALYZE");
        }
        for path in [
            Path::Resource { resource: 7, meter: None },
            Path::Resource { resource: 7, meter: Some(1) },
            Path::Meter(1),
            Path::Time,
        ] {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                for range in
                    [Range::default(), Range { from: Some(noon() - 5 * 86_400_000_000), until: None }]
                {
                    let scan = Scan { path: path.clone(), range, order };
                    let plan = plan(&mut client, &format!("DECLARE scan CURSOR FOR {}", select(&scan)));
                    assert!(
                        !plan.contains("Sort  ") && !plan.contains("Seq Scan on sample_2"),
                        "{scan:?}\n{plan}"
                    );
                    // From day to day, without a look at all of them first: the days are no part of the merge.
                    assert_eq!(plan.matches("Merge Append").count(), 1, "{scan:?}\n{plan}");
                    let days = plan.matches("Scan using sample_2").count()
                        + plan.matches("Scan Backward using sample_2").count();
                    let expected = if range.from.is_some() { 6 } else { DAYS as usize };
                    assert_eq!(days, expected, "{scan:?}\n{plan}");
                }
            }
        }
        let scan = Scan {
            path: Path::Message(MessageId::new("x")),
            range: Range::default(),
            order: Order::NewestFirst,
        };
        let plan = plan(&mut client, &format!("DECLARE scan CURSOR FOR {}", select(&scan)));
        assert!(!plan.contains("Seq Scan on sample_2"), "{plan}");
    }
    let statement = ends(Range::default()).replace("$1", "'{1,2,3}'");
    let plan = plan(&mut client, &statement);
    assert!(!plan.contains("Sort  ") && !plan.contains("Seq Scan on sample_2"), "{plan}");
}

#[test]
fn the_newest_samples_are_read_without_the_rest() {
    let (_place, mut client) = large();
    for path in [Path::Meter(1), Path::Time, Path::Resource { resource: 7, meter: None }] {
        let scan = Scan { path, range: Range::default(), order: Order::NewestFirst };
        let statement = format!("(ANALYZE, TIMING OFF, SUMMARY OFF) {} LIMIT 20", select(&scan));
        let plan = plan(&mut client, &statement);
        assert_eq!(plan.matches("(never executed)").count(), DAYS as usize - 1, "{plan}");
    }
}
