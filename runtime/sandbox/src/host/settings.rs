//! `settings`: the guest's own, from the pipeline file.

use crate::contract::nephoscope::meter::settings::Host;
use crate::poll::Poll;

impl Host for Poll {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.profile.settings.get(&key).cloned())
    }
}
