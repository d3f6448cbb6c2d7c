//! Hardware performance events: four meters of Ceilometer's compute agent.
//!
//! Only events that are enabled on the domain are counted (nova's `[libvirt]enabled_perf_events`); without any of the four there
//! is no data. Ceilometer sends them as gauges without a unit.

#![forbid(unsafe_code)]

use nephoscope_guest::{Error, Result, Sample, meter, perf};

nephoscope_guest::pollster! {
    meters: [
        meter::gauge("perf.cpu.cycles", "", "CPU cycles"),
        meter::gauge("perf.instructions", "", "Instructions"),
        meter::gauge("perf.cache.references", "", "Cache references"),
        meter::gauge("perf.cache.misses", "", "Cache misses"),
    ],
    poll: poll,
}

/// libvirt's names of the events and Ceilometer's of the meters.
const METERS: [(&str, &str); 4] = [
    ("cpu_cycles", "perf.cpu.cycles"),
    ("instructions", "perf.instructions"),
    ("cache_references", "perf.cache.references"),
    ("cache_misses", "perf.cache.misses"),
];

fn poll() -> Result<Vec<Sample>> {
    let samples = samples(&perf::inspect()?);
    if samples.is_empty() { Err(Error::NoData) } else { Ok(samples) }
}

fn samples(events: &[(String, u64)]) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(METERS.len());
    for (name, meter) in METERS {
        if let Some((_, count)) = events.iter().find(|(event, _)| event == name) {
            samples.push(Sample::new(meter, *count));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_events_are_sampled_and_no_others() {
        let events =
            [("cache_misses", 3), ("branch_misses", 9), ("cpu_cycles", u64::MAX), ("instructions", 0)];
        let expected = [
            Sample::new("perf.cpu.cycles", u64::MAX),
            Sample::new("perf.instructions", 0_u64),
            Sample::new("perf.cache.misses", 3_u64),
        ];
        assert_eq!(samples(&events.map(|(name, count)| (name.to_owned(), count))), expected);
        assert_eq!(samples(&[]), []);
    }
}
