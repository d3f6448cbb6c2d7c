//! `disk.root.size` and `disk.ephemeral.size`, in GiB.

use nephoscope_guest::instance::Flavor;
use nephoscope_guest::{Sample, Volume};

/// Samples of a flavor.
pub(crate) const METERS: usize = 2;

pub(crate) fn sample(flavor: &Flavor, samples: &mut Vec<Sample>) {
    if let Some(size) = root(flavor) {
        samples.push(Sample::new("disk.root.size", size));
    }
    samples.push(Sample::new("disk.ephemeral.size", flavor.ephemeral_gib));
}

/// What Ceilometer reports: it takes the flavor's `disk` for the sum of both. Where an operator's flavor has more ephemeral disk than
/// `disk` that is negative, and sent so.
fn root(flavor: &Flavor) -> Option<Volume> {
    let Flavor { disk_gib: disk, ephemeral_gib: ephemeral, .. } = flavor;
    match disk.checked_sub(*ephemeral) {
        Some(size) => Some(size.into()),
        None => i64::try_from(ephemeral - disk).ok().map(|size| (-size).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(disk_gib: u64, ephemeral_gib: u64) -> Vec<Sample> {
        let flavor = Flavor {
            id: String::new(),
            name: "m1.small".into(),
            vcpus: 1,
            ram_mib: 2048,
            disk_gib,
            ephemeral_gib,
            swap_mib: 0,
        };
        let mut samples = Vec::new();
        sample(&flavor, &mut samples);
        samples
    }

    #[test]
    fn the_root_disk_is_what_the_ephemeral_disk_leaves_of_the_flavors() {
        let of = |root: Volume, ephemeral: u64| {
            vec![Sample::new("disk.root.size", root), Sample::new("disk.ephemeral.size", ephemeral)]
        };
        assert_eq!(samples(20, 0), of(20_u64.into(), 0));
        assert_eq!(samples(50, 10), of(40_u64.into(), 10));
        assert_eq!(samples(0, 10), of((-10_i64).into(), 10), "negative, as Ceilometer's");
        assert_eq!(samples(u64::MAX, 0), of(u64::MAX.into(), 0));
    }

    #[test]
    fn a_size_that_no_integer_holds_is_none() {
        assert_eq!(samples(0, u64::MAX), [Sample::new("disk.ephemeral.size", u64::MAX)]);
    }
}
