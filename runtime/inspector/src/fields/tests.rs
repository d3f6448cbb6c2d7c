use super::*;

fn unsigned(pairs: &[(&str, u64)]) -> Vec<(String, Field)> {
    pairs.iter().map(|(name, number)| ((*name).to_owned(), Field::Unsigned(*number))).collect()
}

#[test]
fn sizes_of_memory_become_bytes_and_counts_stay() {
    let fields = unsigned(&[
        ("balloon.maximum", 524_288),
        ("balloon.current", 262_144),
        ("balloon.swap_in", 4),
        ("balloon.major_fault", 219),
        ("balloon.last-update", 1_762_158_000),
        ("balloon.rss", u64::MAX / 1024 + 1),
    ]);
    let memory = memory(&Fields::new(&fields)).unwrap();
    assert_eq!(memory.maximum, 512 << 20);
    assert_eq!(memory.actual, Some(256 << 20));
    assert_eq!(memory.swap_in, Some(4096));
    assert_eq!(memory.major_faults, Some(219));
    assert_eq!(memory.last_update, Some(1_762_158_000));
    assert_eq!(memory.rss, None, "beyond 64 bits");
    assert_eq!((memory.usable, memory.unused, memory.swap_out), (None, None, None), "missing is not 0");
}

#[test]
fn memory_without_a_maximum_is_no_data() {
    let fields = unsigned(&[("balloon.current", 1)]);
    assert_eq!(memory(&Fields::new(&fields)), Err(Missing::NoData));
    let huge = unsigned(&[("balloon.maximum", u64::MAX)]);
    assert_eq!(memory(&Fields::new(&huge)), Err(Missing::NoData));
}

#[test]
fn a_domain_that_does_not_run_has_vcpus_and_no_times() {
    let fields = unsigned(&[
        ("cpu.time", 999),
        ("cpu.user", 1),
        ("vcpu.current", 2),
        ("vcpu.maximum", 4),
        ("vcpu.0.state", 1),
        ("vcpu.0.time", 5),
        ("vcpu.0.wait", 6),
        ("vcpu.3.state", 0),
    ]);
    let fields = Fields::new(&fields);
    let running = cpu(&fields, true).unwrap();
    assert_eq!((running.time, running.user, running.system), (Some(999), Some(1), None));
    let numbers: Vec<_> = running.vcpus.iter().map(|vcpu| (vcpu.number, vcpu.time, vcpu.wait)).collect();
    assert_eq!(numbers, [(0, Some(5), Some(6)), (3, None, None)]);
    let off = cpu(&fields, false).unwrap();
    assert_eq!(off, Cpu { current: 2, maximum: 4, ..Cpu::default() });
    assert_eq!(cpu(&Fields::default(), true), Err(Missing::NoData));
}

#[test]
fn disks_are_matched_by_target_in_the_order_of_the_xml() {
    let mut fields = unsigned(&[
        ("block.count", 2),
        ("block.0.rd.reqs", 10),
        ("block.0.capacity", 1 << 30),
        ("block.0.allocation", 7),
        ("block.0.physical", 8),
        ("block.1.wr.bytes", 20),
    ]);
    fields.push(("block.0.name".to_owned(), Field::Text("vdb".to_owned())));
    fields.push(("block.1.name".to_owned(), Field::Text("vda".to_owned())));
    fields.push(("block.1.errors".to_owned(), Field::Signed(-1)));
    let devices = ["vda", "vdb", "vdc"]
        .map(|device| DiskDevice { device: device.to_owned(), source: Some(format!("/{device}")) });
    let disks = disks(&Fields::new(&fields), &devices);
    let [vda, vdb, vdc] = disks.as_slice() else { panic!("three disks") };
    assert_eq!((vda.write_bytes, vda.errors, vda.source.as_deref()), (Some(20), None, Some("/vda")));
    assert_eq!((vdb.read_requests, vdb.capacity), (Some(10), Some(1 << 30)));
    assert_eq!((vdb.allocation, vdb.physical), (None, None), "bulk's are of another meaning");
    assert_eq!((vdc.device.as_str(), vdc.read_requests), ("vdc", None));
}

#[test]
fn an_interface_keeps_the_counters_that_it_has() {
    let names = ["rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop"];
    let mut fields = unsigned(&[("net.count", 3)]);
    for at in 0..3_u64 {
        fields.push((format!("net.{at}.name"), Field::Text(format!("tap{at}"))));
        let counted = names.iter().zip(1_u64..).filter(|(name, _)| at != 1 || **name != "tx.drop");
        fields.extend(
            counted.map(|(name, value)| (format!("net.{at}.{name}"), Field::Unsigned(at * 10 + value))),
        );
    }
    let device =
        |name: &str| VnicDevice { name: name.to_owned(), mac: "m".to_owned(), ..VnicDevice::default() };
    let devices = [device("tap0"), device("tap1"), device("gone")];
    let fields = Fields::new(&fields);
    let vnics = vnics(&fields, &devices);
    let [whole, partial, gone] = vnics.as_slice() else { panic!("three interfaces") };
    assert_eq!((whole.name.as_str(), whole.rx_bytes, whole.rx_drop), ("tap0", Some(1), Some(4)));
    let sent = (whole.tx_bytes, whole.tx_packets, whole.tx_errors, whole.tx_drop);
    assert_eq!(sent, (Some(5), Some(6), Some(7), Some(8)));
    assert_eq!((partial.tx_errors, partial.tx_drop), (Some(17), None));
    assert_eq!(
        (gone.name.as_str(), gone.mac.as_str(), gone.rx_bytes, gone.tx_drop),
        ("gone", "m", None, None)
    );
    assert!(has_unknown_vnic(&fields, &devices), "tap2 was plugged in after the XML was read");
    assert!(!has_unknown_vnic(&fields, &["tap0", "tap1", "tap2"].map(device)));
}

#[test]
fn perf_events_keep_libvirts_names() {
    let fields = unsigned(&[("perf.cpu_cycles", 5), ("state.state", 1), ("perf.cache_misses", 0)]);
    assert_eq!(perf(&fields), [("cpu_cycles".to_owned(), 5), ("cache_misses".to_owned(), 0)]);
}

#[test]
fn a_count_beyond_reason_does_not_make_a_long_loop() {
    let fields =
        unsigned(&[("net.count", u64::MAX), ("vcpu.current", 1), ("vcpu.maximum", u64::from(u32::MAX))]);
    let fields = Fields::new(&fields);
    assert_eq!(vnics(&fields, &[]), []);
    assert_eq!(cpu(&fields, true).unwrap().vcpus, []);
}
