//! `disks`: sizes in bytes, times in nanoseconds.

use crate::contract::nephoscope::meter::disks::{Disk, Host};
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn inspect(&mut self) -> wasmtime::Result<Result<Vec<Disk>, Error>> {
        let reading = self.instance()?.disks.as_ref();
        Ok(reading.map_err(missing).map(|disks| disks.iter().map(disk).collect()))
    }
}

fn disk(disk: &inspector::snapshot::Disk) -> Disk {
    Disk {
        device: disk.device.clone(),
        source: disk.source.clone(),
        read_requests: disk.read_requests,
        read_bytes: disk.read_bytes,
        read_time: disk.read_time,
        write_requests: disk.write_requests,
        write_bytes: disk.write_bytes,
        write_time: disk.write_time,
        flush_requests: disk.flush_requests,
        flush_time: disk.flush_time,
        errors: disk.errors,
        capacity: disk.capacity,
        allocation: disk.allocation,
        physical: disk.physical,
    }
}
