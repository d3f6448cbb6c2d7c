//! How fast samples are stored: `cargo test --release -p nephoscope-store how_fast -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::*;
use crate::Row;
use crate::tests::received;

const RESOURCES: usize = 1_000;
const METERS: usize = 10;
const ROUNDS: usize = 60;

fn batch(round: usize) -> Vec<Row> {
    let sample = |at: usize| {
        let (resource, meter) = (at / METERS, at % METERS);
        let mut sample = received(0, resource, round as i64 * 60 + resource as i64 % 60);
        sample.message_id = format!("{:08x}-c7f6-11f0-8a3c-0242ac110002", round * RESOURCES * METERS + at);
        sample.meter = format!("meter.{meter}");
        sample.volume = (round * at).into();
        sample.metadata.insert("more".into(), "x".repeat(1_400).into());
        sample.into()
    };
    (0..RESOURCES * METERS).map(sample).collect()
}

#[test]
#[ignore = "measures, and takes a minute"]
fn how_fast_samples_are_stored() {
    let server = lab::Postgres::with(&["shared_buffers=256MB", "max_wal_size=4GB"]).unwrap();
    let mut writer = store(&server.url()).writer().unwrap();
    let mut took = Duration::ZERO;
    for round in 0..ROUNDS {
        let rows = batch(round);
        let begun = Instant::now();
        assert_eq!(writer.append(&rows).unwrap().stored, rows.len());
        if round > 0 {
            took += begun.elapsed();
        } else {
            println!("the first batch, of new series alone: {:?}", begun.elapsed());
        }
    }
    let samples = (ROUNDS - 1) * RESOURCES * METERS;
    println!(
        "{:.1} µs a sample, {:.0} bytes a sample",
        took.as_micros() as f64 / samples as f64,
        writer.bytes().unwrap() as f64 / (ROUNDS * RESOURCES * METERS) as f64
    );
}
