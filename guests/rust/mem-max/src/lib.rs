//! `mem.max`: the maximum memory of an instance, in MiB.
//!
//! libvirt's `virDomainGetInfo.maxMem`. An instance that vanished, or a hypervisor that does not implement the reading, is skipped
//! at debug level; any other error is logged and polling goes on with the next instance: `?` hands the reading's error to
//! the runtime, which does just that.

use nephoscope_guest::{Result, Sample, memory, meter};

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

nephoscope_guest::pollster! {
    meters: [meter::gauge("mem.max", "MiB", "Maximum memory of the instance")],
    poll: poll,
}

fn poll() -> Result<Vec<Sample>> {
    let memory = memory::inspect()?;
    // As Ceilometer's memory meters do: a double, so that a maximum of whole KiB keeps its fraction of a MiB.
    let mib = memory.maximum as f64 / BYTES_PER_MIB;
    Ok(vec![Sample::new("mem.max", mib)])
}
