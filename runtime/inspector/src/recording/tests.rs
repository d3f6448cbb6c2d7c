use std::sync::Arc;

use super::*;
use crate::identity::Identity;
use crate::replay::Replay;
use crate::snapshot::{Field, Group, Groups, Instance, LeftOut, Memory, Missing, Power};

const UUIDS: [&str; 2] = ["0d1c2b3a-4f5e-4d6c-8b7a-99a8b7c6d5e4", "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11"];

fn instance(uuid: &str) -> Instance {
    let raw = vec![
        ("a.unsigned".to_owned(), Field::Unsigned(u64::MAX)),
        ("a.signed".to_owned(), Field::Signed(i64::MIN)),
        ("a.real".to_owned(), Field::Real(0.1)),
        ("a.flag".to_owned(), Field::Flag(true)),
        ("a.text".to_owned(), Field::Text("qcow2 \u{1f327}".to_owned())),
    ];
    Instance {
        identity: Arc::new(Identity { uuid: uuid.to_owned(), ..Identity::default() }),
        power: Power::Running,
        taken_at: 5,
        memory: Ok(Memory { maximum: u64::MAX, actual: Some(1), ..Memory::default() }),
        cpu: Err(Missing::NotAsked),
        disks: Ok(Vec::new()),
        vnics: Err(Missing::Failed("late".to_owned())),
        perf: Ok(vec![("cpu_cycles".to_owned(), 1 << 60)]),
        raw: Ok(raw),
    }
}

fn snapshot(uuids: &[&str]) -> Snapshot {
    Snapshot {
        host: "compute-1".to_owned(),
        connection: "qemu:///system".to_owned(),
        taken_at: 5,
        groups: Groups::from([Group::Memory, Group::Disks, Group::Vnics, Group::Perf, Group::RawStats]),
        instances: uuids.iter().map(|uuid| Arc::new(instance(uuid))).collect(),
        left_out: Vec::new(),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_recording_gives_back_every_value() {
    let folder = folder();
    let path = folder.path().join("host.json");
    let recorded = snapshot(&UUIDS);
    record(&recorded, &path).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(format!("{recorded:?}"), format!("{loaded:?}"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_replay_is_taken_now_and_again() {
    let folder = folder();
    let path = folder.path().join("host.json");
    record(&snapshot(&UUIDS), &path).unwrap();
    let replay = Replay::load(&path).unwrap();
    let groups = Groups::from([Group::Memory, Group::Cpu]);
    let before = clock();
    let first = replay.snapshot(&groups);
    let second = replay.snapshot(&groups);
    assert!(before <= first.taken_at && first.taken_at <= second.taken_at);
    assert_eq!(first.groups, groups);
    for instance in &first.instances {
        assert_eq!(instance.taken_at, first.taken_at);
        assert_eq!(instance.memory.as_ref().unwrap().maximum, u64::MAX);
        assert!(matches!(instance.cpu, Err(Missing::Failed(_))), "asked for, not recorded");
        assert_eq!(instance.perf, Err(Missing::NotAsked), "recorded, not asked for");
    }
    assert!(Arc::ptr_eq(&first.instances[0].identity, &second.instances[0].identity));
}

fn clock() -> u64 {
    crate::clock::now()
}

#[test]
fn a_fault_in_a_recording_names_file_line_and_column() {
    let folder = folder();
    let path = folder.path().join("host.json");
    std::fs::write(&path, "{\n  \"host\": 7\n}").unwrap();
    let error = load(&path).unwrap_err();
    assert!(matches!(error, RecordingError::Parse { line: 2, column: 11, .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("{}:2:11: ", path.display())), "{error}");
    assert!(matches!(load(&folder.path().join("none")), Err(RecordingError::Read { .. })));
}

#[test]
fn instances_out_of_order_or_with_other_ids_are_refused() {
    let folder = folder();
    let path = folder.path().join("host.json");
    let refused = |uuids: &[&str]| {
        record(&snapshot(uuids), &path).unwrap();
        let RecordingError::Instance { number, .. } = load(&path).unwrap_err() else {
            panic!("another fault")
        };
        number
    };
    assert_eq!(refused(&[UUIDS[1], UUIDS[0]]), 2);
    assert_eq!(refused(&[UUIDS[0], UUIDS[0]]), 2);
    assert_eq!(refused(&["../../etc/passwd"]), 1);
    assert_eq!(refused(&[UUIDS[0], &UUIDS[1].to_uppercase()]), 2);
}

#[test]
fn instances_that_were_left_out_are_checked_as_well() {
    let folder = folder();
    let path = folder.path().join("host.json");
    let left_out = |uuid: &&str| LeftOut {
        uuid: (*uuid).to_owned(),
        name: "vm".to_owned(),
        power: Power::Running,
        why: "its XML".to_owned(),
    };
    let read = |uuids: &[&str], others: &[&str]| {
        let left_out = others.iter().map(left_out).collect();
        record(&Snapshot { left_out, ..snapshot(uuids) }, &path).unwrap();
        load(&path)
    };
    let refused = |uuids: &[&str], others: &[&str]| {
        let RecordingError::LeftOut { number, .. } = read(uuids, others).unwrap_err() else {
            panic!("another fault")
        };
        number
    };
    assert_eq!(read(&UUIDS[..1], &UUIDS[1..]).unwrap().left_out.len(), 1);
    assert_eq!(refused(&[], &[UUIDS[1], UUIDS[0]]), 2);
    assert_eq!(refused(&[], &[UUIDS[0], UUIDS[0]]), 2);
    assert_eq!(refused(&[], &["\u{1b}[2J"]), 1);
    assert_eq!(refused(&UUIDS[1..], &UUIDS), 2, "an instance of both kinds");
}

#[test]
fn a_file_beyond_the_bound_is_refused_unread() {
    let folder = folder();
    let path = folder.path().join("host.json");
    let file = File::create(&path).unwrap();
    file.set_len(MOST_BYTES + 1).unwrap();
    assert!(matches!(load(&path), Err(RecordingError::Large { .. })));
}

#[test]
fn a_recording_that_cannot_be_written_leaves_the_old_one() {
    let folder = folder();
    let path = folder.path().join("none").join("host.json");
    assert!(matches!(record(&snapshot(&[]), &path), Err(RecordingError::Write { .. })));
}

#[test]
fn a_pipe_is_refused_without_waiting_for_its_other_end() {
    let folder = folder();
    let path = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .unwrap();
    let RecordingError::Read { source, .. } = load(&path).unwrap_err() else { panic!("it could be read") };
    assert_eq!(source.to_string(), "it is no regular file");
}
