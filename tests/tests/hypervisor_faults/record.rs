//! What the program has published so far, by cycle.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use lab::Guest;
use nephoscope_tests::Site;

/// One cycle's samples: volumes by meter and instance.
pub type Cycle = BTreeMap<(String, String), f64>;

/// Every cycle by its timestamp, in their order.
#[derive(Debug)]
pub struct Record {
    cycles: BTreeMap<String, Cycle>,
}

impl Record {
    /// What the site's file has. The last cycle may be half written, and is left out.
    pub fn of(site: &Site) -> Result<Record> {
        let mut cycles: BTreeMap<String, Cycle> = BTreeMap::new();
        for sample in site.taken()? {
            let text =
                |key: &str| sample[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            let volume = sample["counter_volume"].as_f64().context("no volume")?;
            let of = (text("counter_name")?, text("resource_id")?);
            let twice = cycles.entry(text("timestamp")?).or_default().insert(of.clone(), volume);
            ensure!(twice.is_none(), "{of:?} twice in a cycle");
        }
        cycles.pop_last();
        Ok(Record { cycles })
    }

    /// How many cycles there are.
    pub fn len(&self) -> usize {
        self.cycles.len()
    }

    /// The cycles from this one on.
    pub fn since(&self, cycle: usize) -> impl Iterator<Item = &Cycle> {
        self.cycles.values().skip(cycle)
    }

    /// An instance's volumes of a meter, over all cycles that have one.
    pub fn volumes(&self, meter: &str, uuid: &str) -> Vec<f64> {
        let key = (meter.to_owned(), uuid.to_owned());
        self.cycles.values().filter_map(|cycle| cycle.get(&key).copied()).collect()
    }

    /// Every cycle has the meter of every one of these instances.
    pub fn has_all(&self, meter: &str, guests: &[Guest]) -> Result<()> {
        self.has_all_but(0, meter, guests)
    }

    /// Every cycle but those that were cut short, so many at most, has the meter of every one of these instances.
    pub fn has_all_but(&self, cut: usize, meter: &str, guests: &[Guest]) -> Result<()> {
        let lacks = |cycle: &Cycle| guests.iter().any(|guest| volume(cycle, meter, &guest.uuid).is_none());
        let lacking: Vec<&String> =
            self.cycles.iter().filter(|(_, cycle)| lacks(cycle)).map(|(time, _)| time).collect();
        ensure!(lacking.len() <= cut, "{meter} is lacking at {lacking:?}, and {cut} cycles were cut short");
        Ok(())
    }
}

/// A volume of a cycle.
pub fn volume(cycle: &Cycle, meter: &str, uuid: &str) -> Option<f64> {
    cycle.get(&(meter.to_owned(), uuid.to_owned())).copied()
}
