use super::*;

const SECOND: u64 = 1_000_000_000;

fn vnic(rx_bytes: u64, tx_bytes: u64) -> Vnic {
    Vnic {
        name: "tap0".into(),
        mac: "fa:16:3e:00:00:01".into(),
        bridge: Some("br-int".into()),
        filterref: None,
        interface_id: Some("port".into()),
        parameters: Vec::new(),
        rx_bytes: Some(rx_bytes),
        rx_packets: Some(2),
        rx_errors: Some(3),
        rx_drop: Some(4),
        tx_bytes: Some(tx_bytes),
        tx_packets: Some(6),
        tx_errors: Some(7),
        tx_drop: Some(8),
    }
}

/// A poll of this vnic: its samples, and what is stored.
fn polled(taken_at: u64, stored: &[u8], vnic: &Vnic) -> (Vec<Sample>, Vec<u8>) {
    let mut history = History::of(taken_at, stored);
    let mut samples = Vec::new();
    sample(vnic, &Identity::new(vnic, "instance-00000001", "4e1c"), &mut history, &mut samples);
    (samples, history.into_bytes())
}

fn volumes(samples: &[Sample]) -> Vec<(&str, nephoscope_guest::Volume)> {
    samples.iter().map(|sample| (sample.meter.as_str(), sample.volume)).collect()
}

#[test]
fn the_second_poll_has_all_twelve_meters() {
    let (first, stored) = polled(SECOND, &[], &vnic(1 << 60, 500));
    assert_eq!(first.len(), METERS - 2, "no rates");
    assert!(volumes(&first).contains(&("network.incoming.bytes.delta", 0_u64.into())));
    let (second, _) = polled(3 * SECOND, &stored, &vnic((1 << 60) + 1, 100));
    let expected = [
        ("network.incoming.bytes", ((1_u64 << 60) + 1).into()),
        ("network.incoming.bytes.delta", 1_u64.into()),
        ("network.incoming.packets", 2_u64.into()),
        ("network.incoming.packets.drop", 4_u64.into()),
        ("network.incoming.packets.error", 3_u64.into()),
        ("network.outgoing.bytes", 100_u64.into()),
        ("network.outgoing.bytes.delta", 100_u64.into()),
        ("network.outgoing.packets", 6_u64.into()),
        ("network.outgoing.packets.drop", 8_u64.into()),
        ("network.outgoing.packets.error", 7_u64.into()),
        ("network.incoming.bytes.rate", 0.5.into()),
        ("network.outgoing.bytes.rate", 50.0.into()),
    ];
    assert_eq!(volumes(&second), expected);
    assert_eq!(expected.len(), METERS);
    assert!(second.iter().all(|sample| sample.resource_id.as_deref() == Some("instance-00000001-4e1c-tap0")));
}

#[test]
fn a_counter_that_is_missing_costs_its_own_meters_alone() {
    let (_, stored) = polled(SECOND, &[], &vnic(1, 1));
    let partial = Vnic { rx_bytes: None, tx_drop: None, ..vnic(2, 2) };
    let (samples, _) = polled(2 * SECOND, &stored, &partial);
    let meters: Vec<&str> = samples.iter().map(|sample| sample.meter.as_str()).collect();
    let expected = [
        "network.incoming.packets",
        "network.incoming.packets.drop",
        "network.incoming.packets.error",
        "network.outgoing.bytes",
        "network.outgoing.bytes.delta",
        "network.outgoing.packets",
        "network.outgoing.packets.error",
        "network.outgoing.bytes.rate",
    ];
    assert_eq!(meters, expected);
}
