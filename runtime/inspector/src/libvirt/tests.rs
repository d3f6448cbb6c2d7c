use super::*;

const UUID: &str = "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11";

/// A node of libvirt's test driver with one running domain of this title.
fn write_node(path: &std::path::Path, title: &str) {
    let node = format!(
        "<node><domain type='test'><name>vm</name><uuid>{UUID}</uuid><title>{title}</title>\
         <memory unit='KiB'>524288</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os></domain></node>"
    );
    std::fs::write(path, node).unwrap();
}

fn reader(path: &std::path::Path, deadlines: crate::settings::Deadlines) -> Reader {
    let uri = format!("test://{}", path.display());
    Reader::new(Settings { uri, deadlines, ..Settings::default() })
}

fn hang_up(reader: &Reader) {
    let mut cycle = reader.cycle.lock().unwrap();
    let link = Arc::clone(cycle.link.as_ref().unwrap());
    disconnect(&mut cycle, link);
    assert!(cycle.link.is_none() && cycle.stations.is_empty());
}

#[test]
fn xml_that_changed_while_there_was_no_connection_is_read_anew() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_node(file.path(), "before");
    let reader = reader(file.path(), crate::settings::Deadlines::default());
    let groups = Groups::from([Group::Memory]);
    let take = || {
        let snapshot = reader.snapshot(&groups).unwrap();
        let [instance] = snapshot.instances.as_slice() else { panic!("one instance") };
        Arc::clone(&instance.identity)
    };
    let first = take();
    assert!(first.xml.contains("before"));
    hang_up(&reader);
    let same = take();
    assert!(Arc::ptr_eq(&first, &same), "what is unchanged stays the same object");
    hang_up(&reader);
    // The daemon comes back, and numbers the run as before.
    write_node(file.path(), "after");
    assert!(take().xml.contains("after"));
}

#[test]
fn a_link_that_is_suspect_is_replaced_after_the_snapshot() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_node(file.path(), "vm");
    let reader = reader(file.path(), crate::settings::Deadlines::default());
    let groups = Groups::from([Group::Memory]);
    reader.snapshot(&groups).unwrap();
    reader.cycle.lock().unwrap().suspect = true;
    assert_eq!(reader.snapshot(&groups).unwrap().instances.len(), 1, "the snapshot is kept");
    let cycle = reader.cycle.lock().unwrap();
    assert!(cycle.link.is_none() && !cycle.suspect);
}

#[test]
fn no_connection_is_opened_when_the_snapshots_time_is_over() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_node(file.path(), "vm");
    let deadlines = crate::settings::Deadlines { snapshot: Duration::ZERO, ..Default::default() };
    let reader = reader(file.path(), deadlines);
    let error = reader.snapshot(&Groups::from([Group::Memory])).unwrap_err();
    assert!(matches!(error, InspectError::Deadline { call: "open a connection", .. }), "{error:?}");
    assert_eq!(reader.health().connections, 0);
}

#[test]
fn a_snapshot_waits_for_the_attempt_that_is_due() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write_node(file.path(), "vm");
    // Longer than a restart takes.
    let wait = RESTART_PATIENCE + Duration::from_millis(500);
    let uri = format!("test://{}", file.path().display());
    let reconnect = crate::settings::Reconnect { first: wait, most: wait };
    let reader = Reader::new(Settings { uri, reconnect, ..Settings::default() });
    let groups = Groups::from([Group::Memory]);
    reader.snapshot(&groups).unwrap();
    hang_up(&reader);
    std::fs::write(file.path(), "no node").unwrap();
    let error = reader.snapshot(&groups).unwrap_err();
    assert!(matches!(error, InspectError::Open { .. }), "{error:?}");
    write_node(file.path(), "vm");
    assert_eq!(reader.snapshot(&groups).unwrap().instances.len(), 1);
}
