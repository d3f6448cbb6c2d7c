//! `vnics`: counters as the instance sees them.

use crate::contract::nephoscope::meter::types::Error;
use crate::contract::nephoscope::meter::vnics::{Host, Vnic};
use crate::host::missing;
use crate::poll::Poll;

impl Host for Poll {
    fn inspect(&mut self) -> wasmtime::Result<Result<Vec<Vnic>, Error>> {
        let reading = self.instance()?.vnics.as_ref();
        Ok(reading.map_err(missing).map(|vnics| vnics.iter().map(vnic).collect()))
    }
}

fn vnic(vnic: &inspector::snapshot::Vnic) -> Vnic {
    Vnic {
        name: vnic.name.clone(),
        mac: vnic.mac.clone(),
        bridge: vnic.bridge.clone(),
        filterref: vnic.filterref.clone(),
        interface_id: vnic.interface_id.clone(),
        parameters: vnic.parameters.clone(),
        rx_bytes: vnic.rx_bytes,
        rx_packets: vnic.rx_packets,
        rx_errors: vnic.rx_errors,
        rx_drop: vnic.rx_drop,
        tx_bytes: vnic.tx_bytes,
        tx_packets: vnic.tx_packets,
        tx_errors: vnic.tx_errors,
        tx_drop: vnic.tx_drop,
    }
}
