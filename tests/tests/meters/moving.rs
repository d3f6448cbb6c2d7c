//! Several cycles on the test driver, whose counters move with the clock: deltas add up, rates are theirs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lab::instances;
use nephoscope_tests::{Pipeline, Site};
use serde_json::Value;

use super::recorded::guests;

const CYCLES: usize = 4;

/// The samples of a meter of one vnic, in their order: when their snapshot was taken, and the volume.
fn series(samples: &[Value], meter: &str, resource: &str) -> Result<Vec<(f64, Value)>> {
    let of = |sample: &&Value| sample["counter_name"] == meter && sample["resource_id"] == resource;
    let point = |sample: &Value| Some((sample["monotonic_time"].as_f64()?, sample["counter_volume"].clone()));
    samples.iter().filter(of).map(|sample| point(sample).context("no number")).collect()
}

#[test]
fn deltas_and_rates_are_those_of_the_counters_from_cycle_to_cycle() -> Result<()> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(2))?;
    let pipeline = Pipeline { guests: guests(""), ..Pipeline::mem_max(&uri, &[&site.file_sink()]) };
    site.pipeline(&pipeline)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let last = "network.outgoing.bytes.rate";
    agent.until("some cycles", || {
        let rates = site.taken()?.iter().filter(|sample| sample["counter_name"] == last).count();
        // Of the three vnics that two instances have.
        Ok((rates >= 3 * (CYCLES - 1)).then_some(()))
    })?;
    agent.stop()?.expect(0)?;

    let samples = site.taken()?;
    let vnics: BTreeMap<&str, usize> = samples.iter().filter(|sample| sample["counter_name"] == last).fold(
        BTreeMap::new(),
        |mut of, sample| {
            *of.entry(sample["resource_id"].as_str().unwrap_or_default()).or_default() += 1;
            of
        },
    );
    assert_eq!(vnics.len(), 3, "{vnics:?}");
    for vnic in vnics.keys() {
        for direction in ["incoming", "outgoing"] {
            let bytes = series(&samples, &format!("network.{direction}.bytes"), vnic)?;
            let deltas = series(&samples, &format!("network.{direction}.bytes.delta"), vnic)?;
            let rates = series(&samples, &format!("network.{direction}.bytes.rate"), vnic)?;
            assert_eq!((deltas.len(), rates.len()), (bytes.len(), bytes.len() - 1));
            assert_eq!(deltas[0].1, 0, "the first");
            for (at, pair) in bytes.windows(2).enumerate() {
                let [(before, from), (now, to)] = pair else { continue };
                let delta = to.as_u64().context("no count")? - from.as_u64().context("no count")?;
                assert!(delta > 0, "the test driver's counters move");
                assert_eq!(deltas[at + 1], (*now, delta.into()));
                let rate = rates[at].1.as_f64().context("no rate")?;
                let expected = delta as f64 / (now - before);
                assert!((rate / expected - 1.0).abs() < 1e-6, "{rate} for {expected}");
            }
        }
    }
    Ok(())
}
