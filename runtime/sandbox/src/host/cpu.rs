//! `cpu`: times in nanoseconds.

use crate::contract::nephoscope::meter::cpu::{Host, Stats, Vcpu};
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn inspect(&mut self) -> wasmtime::Result<Result<Stats, Error>> {
        let reading = self.instance()?.cpu.as_ref();
        Ok(reading.map_err(missing).map(|cpu| Stats {
            current: cpu.current,
            maximum: cpu.maximum,
            time: cpu.time,
            user: cpu.user,
            system: cpu.system,
            vcpus: cpu
                .vcpus
                .iter()
                .filter_map(|vcpu| {
                    Some(Vcpu {
                        number: vcpu.number,
                        state: vcpu.state,
                        time: vcpu.time?,
                        wait: vcpu.wait,
                        delay: vcpu.delay,
                    })
                })
                .collect(),
        }))
    }
}
