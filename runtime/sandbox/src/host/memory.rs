//! `memory`: sizes in bytes.

use crate::contract::nephoscope::meter::memory::{Host, Stats};
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn inspect(&mut self) -> wasmtime::Result<Result<Stats, Error>> {
        let reading = self.instance()?.memory.as_ref();
        Ok(reading.map_err(missing).map(|memory| Stats {
            maximum: memory.maximum,
            actual: memory.actual,
            available: memory.available,
            usable: memory.usable,
            unused: memory.unused,
            rss: memory.rss,
            swap_in: memory.swap_in,
            swap_out: memory.swap_out,
            major_faults: memory.major_faults,
            minor_faults: memory.minor_faults,
            disk_caches: memory.disk_caches,
            hugetlb_pgalloc: memory.hugetlb_pgalloc,
            hugetlb_pgfail: memory.hugetlb_pgfail,
            last_update: memory.last_update,
        }))
    }
}
