//! `instance`: who is polled, from the identity that the inspector read.

use inspector::Power;

use crate::contract::nephoscope::meter::instance::{Flavor, Host, PowerState};
use crate::poll::Poll;

impl Host for Poll {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.instance()?.identity.uuid.clone())
    }

    fn name(&mut self) -> wasmtime::Result<String> {
        Ok(self.instance()?.identity.name.clone())
    }

    fn display_name(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.instance()?.identity.nova.as_ref().map(|nova| nova.display_name.clone()))
    }

    fn project_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.instance()?.identity.project_id.clone())
    }

    fn user_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.instance()?.identity.user_id.clone())
    }

    fn flavor_of(&mut self) -> wasmtime::Result<Option<Flavor>> {
        let flavor = self.instance()?.identity.nova.as_ref().and_then(|nova| nova.flavor.as_ref());
        Ok(flavor.map(|flavor| Flavor {
            id: flavor.id.clone().unwrap_or_default(),
            name: flavor.name.clone(),
            vcpus: flavor.vcpus,
            ram_mib: flavor.ram_mib,
            disk_gib: flavor.disk_gib,
            ephemeral_gib: flavor.ephemeral_gib,
            swap_mib: flavor.swap_mib,
        }))
    }

    fn power(&mut self) -> wasmtime::Result<PowerState> {
        Ok(match self.instance()?.power {
            Power::NoState => PowerState::NoState,
            Power::Running => PowerState::Running,
            Power::Blocked => PowerState::Blocked,
            Power::Paused => PowerState::Paused,
            Power::Shutdown => PowerState::Shutdown,
            Power::ShutOff => PowerState::ShutOff,
            Power::Crashed => PowerState::Crashed,
            Power::Suspended => PowerState::Suspended,
        })
    }

    fn taken_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.instance()?.taken_at)
    }
}
