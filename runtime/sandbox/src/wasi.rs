//! WASI preview 2, linked and closed: language runtimes want to find it there.
//!
//! No files, no network, no arguments, no environment. Clocks and random numbers answer, for runtimes need them to start.
//! What is written on stdout and stderr goes into the log under the guest's limit. Nothing waits: a timer that could be waited
//! for traps.

mod output;

use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::poll::Poll;
use output::Output;

/// The clock interface of the WASI that wasmtime links; a guest's older 0.2 is matched with it.
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// Random bytes that one call gives.
const RANDOM_BYTES: u64 = 4096;

/// Streams and other resources that a guest may hold: a language's runtime holds a handful.
const RESOURCES: usize = 1024;

/// The WASI of one store.
pub(crate) struct ClosedWasi {
    context: WasiCtx,
    table: ResourceTable,
    output: Output,
}

impl ClosedWasi {
    pub(crate) fn new(log_bytes: usize) -> Self {
        let output = Output::new(log_bytes);
        let context = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self { context, table, output }
    }

    /// Takes what the guest has written on stdout and stderr since the last time, and whether some of it was cut off.
    pub(crate) fn take_output(&self) -> (String, bool) {
        self.output.take()
    }
}

impl WasiView for Poll {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let log_bytes = self.profile.limits.log_bytes;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(ClosedWasi::new(log_bytes)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

/// Links all of WASI p2, then takes away what could wait.
pub(crate) fn link(linker: &mut Linker<Poll>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    let mut clock = linker.instance(MONOTONIC_CLOCK)?;
    for timer in ["subscribe-duration", "subscribe-instant"] {
        clock.func_wrap(timer, |_, (_,): (u64,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Err(wasmtime::Error::msg("a guest cannot wait: timers are closed"))
        })?;
    }
    linker.allow_shadowing(false);
    Ok(())
}
