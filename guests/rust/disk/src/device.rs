//! The meters of one disk.

use nephoscope_guest::Sample;
use nephoscope_guest::disks::Disk;

/// Samples of a disk at most.
pub(crate) const METERS: usize = 9;

/// An instance that is shut off has no counters, only sizes.
pub(crate) fn sample(id: &str, disk: &Disk, samples: &mut Vec<Sample>) {
    let resource = [id, "-", &disk.device].concat();
    let mut push = |meter: &str, volume: Option<u64>| {
        if let Some(volume) = volume {
            samples.push(Sample::new(meter, volume).of(&*resource).with("disk_name", &disk.device));
        }
    };
    push("disk.device.read.requests", disk.read_requests);
    push("disk.device.read.bytes", disk.read_bytes);
    push("disk.device.read.latency", disk.read_time);
    push("disk.device.write.requests", disk.write_requests);
    push("disk.device.write.bytes", disk.write_bytes);
    push("disk.device.write.latency", disk.write_time);
    push("disk.device.capacity", capacity(disk));
    push("disk.device.allocation", disk.allocation);
    push("disk.device.usage", disk.physical);
}

/// libvirt rounds the capacity of a CD-ROM's image down, below the size of its file.
fn capacity(disk: &Disk) -> Option<u64> {
    disk.capacity.map(|capacity| capacity.max(disk.physical.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Disk = Disk {
        device: String::new(),
        source: None,
        read_requests: None,
        read_bytes: None,
        read_time: None,
        write_requests: None,
        write_bytes: None,
        write_time: None,
        flush_requests: None,
        flush_time: None,
        errors: None,
        capacity: None,
        allocation: None,
        physical: None,
    };

    fn samples(disk: &Disk) -> Vec<Sample> {
        let mut samples = Vec::new();
        sample("4e1c", disk, &mut samples);
        samples
    }

    fn of_vda(meter: &str, volume: u64) -> Sample {
        Sample::new(meter, volume).of("4e1c-vda").with("disk_name", "vda")
    }

    #[test]
    fn a_disk_has_nine_meters_under_a_resource_of_its_own() {
        let disk = Disk {
            device: "vda".into(),
            read_requests: Some(1),
            read_bytes: Some((1 << 53) + 1),
            read_time: Some(3),
            write_requests: Some(4),
            write_bytes: Some(5),
            write_time: Some(6),
            errors: Some(99),
            capacity: Some(70),
            allocation: Some(8),
            physical: Some(9),
            ..BARE
        };
        let expected = [
            of_vda("disk.device.read.requests", 1),
            of_vda("disk.device.read.bytes", (1 << 53) + 1),
            of_vda("disk.device.read.latency", 3),
            of_vda("disk.device.write.requests", 4),
            of_vda("disk.device.write.bytes", 5),
            of_vda("disk.device.write.latency", 6),
            of_vda("disk.device.capacity", 70),
            of_vda("disk.device.allocation", 8),
            of_vda("disk.device.usage", 9),
        ];
        assert_eq!(samples(&disk), expected);
        assert_eq!(expected.len(), METERS);
    }

    #[test]
    fn a_file_larger_than_its_capacity_is_the_capacity() {
        let disk = Disk { device: "vda".into(), capacity: Some(4096), physical: Some(5000), ..BARE };
        assert_eq!(samples(&disk), [of_vda("disk.device.capacity", 5000), of_vda("disk.device.usage", 5000)]);
    }

    #[test]
    fn what_is_missing_gives_no_sample() {
        assert_eq!(samples(&Disk { device: "vda".into(), ..BARE }), []);
        let idle = Disk { device: "vda".into(), read_bytes: Some(0), ..BARE };
        assert_eq!(samples(&idle), [of_vda("disk.device.read.bytes", 0)], "0 is a count");
    }
}
