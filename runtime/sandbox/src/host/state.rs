//! `state`: entries of the polled instance, kept if the poll succeeds.

use std::sync::Arc;

use crate::contract::nephoscope::meter::state::Host;
use crate::poll::Poll;
use crate::state::Entries;

impl Poll {
    /// The entries of the polled instance: read once, then worked on.
    fn entries(&mut self) -> wasmtime::Result<&mut Entries> {
        let instance = Arc::clone(self.instance()?);
        let stored = &self.state;
        Ok(self.entries.get_or_insert_with(|| stored.of(&instance.identity.uuid)))
    }
}

impl Host for Poll {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.entries()?.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<bool> {
        let quota = self.profile.limits.state_bytes;
        Ok(self.entries()?.set(key, value, quota))
    }
}
