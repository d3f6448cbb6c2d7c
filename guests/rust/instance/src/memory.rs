//! The meters of memory: doubles in MiB, so that whole KiB keep their fraction, as Ceilometer's are.

use nephoscope_guest::Sample;
use nephoscope_guest::memory::Stats;

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn sample(memory: &Stats, samples: &mut Vec<Sample>) {
    let mut push = |meter: &str, bytes: Option<f64>| {
        if let Some(bytes) = bytes {
            samples.push(Sample::new(meter, bytes / BYTES_PER_MIB));
        }
    };
    push("memory", real(memory.actual));
    push("memory.available", real(memory.available));
    push("memory.usage", usage(memory));
    push("memory.resident", real(memory.rss));
    // Ceilometer reports neither without the other.
    if memory.swap_in.is_some() && memory.swap_out.is_some() {
        push("memory.swap.in", real(memory.swap_in));
        push("memory.swap.out", real(memory.swap_out));
    }
}

/// Of an instance that is shut off `memory` is its maximum.
pub(crate) fn sample_shut_off(memory: &Stats, samples: &mut Vec<Sample>) {
    samples.push(Sample::new("memory", memory.maximum as f64 / BYTES_PER_MIB));
}

/// What the guest OS has and could not use at once; where it does not tell, what it has and did not leave free. An old driver that
/// reports more usable than available memory makes it negative, in Ceilometer too.
fn usage(memory: &Stats) -> Option<f64> {
    let available = memory.available?;
    let free = memory.usable.or(memory.unused)?;
    // The difference of the integers: one of two large doubles would be rounded twice.
    Some(match available.checked_sub(free) {
        Some(used) => used as f64,
        None => -((free - available) as f64),
    })
}

fn real(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;

    const NOTHING: Stats = Stats {
        maximum: 512 * MIB,
        actual: None,
        available: None,
        usable: None,
        unused: None,
        rss: None,
        swap_in: None,
        swap_out: None,
        major_faults: None,
        minor_faults: None,
        disk_caches: None,
        hugetlb_pgalloc: None,
        hugetlb_pgfail: None,
        last_update: None,
    };

    fn samples(memory: &Stats) -> Vec<Sample> {
        let mut samples = Vec::new();
        sample(memory, &mut samples);
        samples
    }

    #[test]
    fn a_balloon_that_tells_everything_gives_every_meter_in_mib() {
        let memory = Stats {
            actual: Some(512 * MIB),
            available: Some(500 * MIB + 512 * KIB),
            usable: Some(300 * MIB),
            unused: Some(100 * MIB),
            rss: Some(KIB),
            swap_in: Some(0),
            swap_out: Some(3 * MIB),
            ..NOTHING
        };
        let expected = [
            Sample::new("memory", 512.0),
            Sample::new("memory.available", 500.5),
            Sample::new("memory.usage", 200.5),
            Sample::new("memory.resident", 1.0 / 1024.0),
            Sample::new("memory.swap.in", 0.0),
            Sample::new("memory.swap.out", 3.0),
        ];
        assert_eq!(samples(&memory), expected);
    }

    #[test]
    fn usage_goes_by_usable_and_else_by_unused() {
        let (available, unused) = (Some(10 * MIB), Some(4 * MIB));
        assert_eq!(usage(&Stats { available, unused, usable: Some(5 * MIB), ..NOTHING }), Some(5242880.0));
        assert_eq!(usage(&Stats { available, unused, ..NOTHING }), Some(6291456.0));
        assert_eq!(usage(&Stats { available, ..NOTHING }), None);
        assert_eq!(usage(&Stats { unused, usable: Some(1), ..NOTHING }), None);
        assert_eq!(usage(&Stats { available: Some(0), usable: Some(MIB), ..NOTHING }), Some(-1048576.0));
    }

    #[test]
    fn what_is_missing_gives_no_sample() {
        assert_eq!(samples(&NOTHING), []);
        assert_eq!(samples(&Stats { swap_in: Some(1), ..NOTHING }), [], "no swap.in without swap.out");
        assert_eq!(samples(&Stats { swap_out: Some(1), ..NOTHING }), []);
        assert_eq!(samples(&Stats { actual: Some(0), ..NOTHING }), [Sample::new("memory", 0.0)]);
    }

    #[test]
    fn memory_of_an_instance_that_is_shut_off_is_its_maximum() {
        let mut samples = Vec::new();
        sample_shut_off(&Stats { actual: Some(256 * MIB), ..NOTHING }, &mut samples);
        assert_eq!(samples, [Sample::new("memory", 512.0)]);
    }
}
