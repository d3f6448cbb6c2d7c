//! Network interfaces: twelve meters of Ceilometer's compute agent, to the letter of its libvirt inspector.
//!
//! ```text
//!  vnics ──▶ counters ─────────────────────────────▶ cumulative meters
//!                │
//!                └─▶ against the history of `state` ─▶ *.bytes.delta, *.bytes.rate
//! ```
//!
//! The first delta of a vnic is 0, and of a counter that went back it is the new value: Ceilometer's rules. A rate is such a delta by
//! the seconds between the two snapshots; there is none at first. (Ceilometer declares the two rates too, but its libvirt inspector
//! does not give them.)
//!
//! There is one reading, so a poll without it returns its error, and the history stays as it was: of an instance that was shut
//! off in between, the next delta is what its new counters say.

#![forbid(unsafe_code)]

mod change;
mod history;
mod identity;

use nephoscope_guest::vnics::{self, Vnic};
use nephoscope_guest::{Result, Sample, instance, meter, state};

use crate::change::Change;
use crate::history::History;
use crate::identity::Identity;

nephoscope_guest::pollster! {
    meters: [
        meter::cumulative("network.incoming.bytes", "B", "Bytes that a vnic received"),
        meter::delta("network.incoming.bytes.delta", "B", "Bytes that a vnic received since the last sample"),
        meter::gauge("network.incoming.bytes.rate", "B/s", "Bytes that a vnic received per second since the last sample"),
        meter::cumulative("network.incoming.packets", "packet", "Packets that a vnic received"),
        meter::cumulative("network.incoming.packets.drop", "packet", "Packets dropped while a vnic received"),
        meter::cumulative("network.incoming.packets.error", "packet", "Errors while a vnic received"),
        meter::cumulative("network.outgoing.bytes", "B", "Bytes that a vnic sent"),
        meter::delta("network.outgoing.bytes.delta", "B", "Bytes that a vnic sent since the last sample"),
        meter::gauge("network.outgoing.bytes.rate", "B/s", "Bytes that a vnic sent per second since the last sample"),
        meter::cumulative("network.outgoing.packets", "packet", "Packets that a vnic sent"),
        meter::cumulative("network.outgoing.packets.drop", "packet", "Packets dropped while a vnic sent"),
        meter::cumulative("network.outgoing.packets.error", "packet", "Errors while a vnic sent"),
    ],
    poll: poll,
}

/// Samples of a vnic at most.
const METERS: usize = 12;

/// Of all vnics: those that are gone vanish with the next poll.
const STATE_KEY: &str = "vnics";

fn poll() -> Result<Vec<Sample>> {
    let vnics = vnics::inspect()?;
    if vnics.is_empty() {
        state::set(STATE_KEY, &[]);
        return Ok(Vec::new());
    }
    let (id, domain, taken_at) = (instance::id(), instance::name(), instance::taken_at());
    let stored = state::get(STATE_KEY).unwrap_or_default();
    let mut history = History::of(taken_at, &stored);
    let mut samples = Vec::with_capacity(vnics.len() * METERS);
    for vnic in &vnics {
        sample(vnic, &Identity::new(vnic, &domain, &id), &mut history, &mut samples);
    }
    if !state::set(STATE_KEY, &history.into_bytes()) {
        // Beyond the quota. What is stored is older than this poll: counted from there, the next delta would hold bytes twice.
        state::set(STATE_KEY, &[]);
    }
    Ok(samples)
}

fn sample(vnic: &Vnic, identity: &Identity, history: &mut History<'_>, samples: &mut Vec<Sample>) {
    let [rx, tx] = history.record(&vnic.name, [vnic.rx_bytes, vnic.tx_bytes]);
    let mut count = |meter: &str, volume: Option<u64>| {
        samples.extend(volume.map(|volume| identity.sample(meter, volume)));
    };
    count("network.incoming.bytes", vnic.rx_bytes);
    count("network.incoming.bytes.delta", rx.map(|change| change.delta));
    count("network.incoming.packets", vnic.rx_packets);
    count("network.incoming.packets.drop", vnic.rx_drop);
    count("network.incoming.packets.error", vnic.rx_errors);
    count("network.outgoing.bytes", vnic.tx_bytes);
    count("network.outgoing.bytes.delta", tx.map(|change| change.delta));
    count("network.outgoing.packets", vnic.tx_packets);
    count("network.outgoing.packets.drop", vnic.tx_drop);
    count("network.outgoing.packets.error", vnic.tx_errors);
    let mut rate = |meter: &str, change: Option<Change>| {
        samples.extend(change.and_then(|change| change.rate).map(|rate| identity.sample(meter, rate)));
    };
    rate("network.incoming.bytes.rate", rx);
    rate("network.outgoing.bytes.rate", tx);
}

#[cfg(test)]
mod tests;
