//! `perf`: enabled events and their counts.

use crate::contract::nephoscope::meter::perf::Host;
use crate::contract::nephoscope::meter::types::Error;
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn inspect(&mut self) -> wasmtime::Result<Result<Vec<(String, u64)>, Error>> {
        Ok(self.instance()?.perf.clone().map_err(|why| missing(&why)))
    }
}
