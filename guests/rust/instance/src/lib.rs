//! Processors, memory and power state: nine meters of Ceilometer's compute agent, to the letter of its libvirt inspector.
//!
//! A reading that is missing costs its own meters and no other: `power.state` is known of an instance whose qemu does not answer.
//! A failure is then a warning in the agent's log (see [`Gaps`]); an operator wants both, the samples that there are and
//! the reason why the others are not.
//!
//! Of an instance that is shut off Ceilometer says nothing, unless `report_stopped_instance_metrics` is set: then the state, the
//! vCPUs and, as `memory`, the maximum.

#![forbid(unsafe_code)]

mod memory;
mod processors;

use nephoscope_guest::instance::{self, PowerState};
use nephoscope_guest::{Error, Gaps, Result, Sample, cpu, meter, report_stopped_instance_metrics};

nephoscope_guest::pollster! {
    meters: [
        meter::gauge("power.state", "", "libvirt's state of the instance: 1 running, 3 paused, 5 shut off"),
        meter::cumulative("cpu", "ns", "CPU time used"),
        meter::gauge("vcpus", "vcpu", "Online virtual processors"),
        meter::gauge("memory", "MiB", "Memory that the balloon leaves the instance"),
        meter::gauge("memory.available", "MiB", "Memory that the guest OS sees"),
        meter::gauge("memory.usage", "MiB", "Memory that the guest OS uses"),
        meter::gauge("memory.resident", "MiB", "Memory of the hypervisor's process on the host"),
        meter::cumulative("memory.swap.in", "MiB", "Memory swapped in by the guest OS"),
        meter::cumulative("memory.swap.out", "MiB", "Memory swapped out by the guest OS"),
    ],
    poll: poll,
}

/// Samples of a poll at most: the meters.
const MOST_SAMPLES: usize = 9;

fn poll() -> Result<Vec<Sample>> {
    let power = instance::power();
    let is_shut_off = power == PowerState::ShutOff;
    if is_shut_off && !report_stopped_instance_metrics() {
        return Err(Error::ShutOff);
    }
    let mut gaps = Gaps::default();
    let mut samples = Vec::with_capacity(MOST_SAMPLES);
    samples.push(power_state(power));
    if let Some(cpu) = gaps.note("cpu", cpu::inspect()) {
        processors::sample(&cpu, &mut samples);
    }
    if let Some(stats) = gaps.note("memory", nephoscope_guest::memory::inspect()) {
        if is_shut_off {
            memory::sample_shut_off(&stats, &mut samples);
        } else {
            memory::sample(&stats, &mut samples);
        }
    }
    gaps.beside(samples)
}

/// The contract's states stand in the order of libvirt's numbers, which are Ceilometer's volumes.
fn power_state(power: PowerState) -> Sample {
    Sample::new("power.state", power as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_of_power_state_is_libvirts_number() {
        use PowerState::*;
        let states = [NoState, Running, Blocked, Paused, Shutdown, ShutOff, Crashed, Suspended];
        for (state, number) in states.into_iter().zip(0_u64..) {
            assert_eq!(power_state(state), Sample::new("power.state", number));
        }
    }
}
