//! What is in the files.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;

use super::*;
use crate::Row;
use crate::contract::Writer as _;
use crate::sqlite::tests::{Fixture, received};

fn days(from: &str, until: &str) -> Vec<Day> {
    Days::parse(from, Some(until)).unwrap().collect()
}

#[test]
fn a_day_is_a_file_with_every_sample_to_the_digit() {
    let mut fixture = Fixture::new();
    // Two days: the fixture's samples are a second apart and begin with the first of January 2026.
    let mut exact = received(7);
    exact.volume = "18446744073709551615".parse().unwrap();
    let mut rows: Vec<Row> = (0..7).chain(8..20).map(|number| received(number).into()).collect();
    rows.push(exact.clone().into());
    rows.extend((0..3).map(|number| Row::from(received(86_400 + number))));
    fixture.writer.append(&rows).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    let write = |day, filter: &Filter| {
        export(&mut fixture.reader(), filter, day, folder.path(), &mut |samples| {
            said.borrow_mut().push(samples)
        })
        .unwrap()
    };
    let [before, first, second, after] = <[Day; 4]>::try_from(days("2025-12-31", "2026-01-04")).unwrap();
    assert_eq!(write(before, &Filter::default()), Written::default());
    assert_eq!(write(second, &Filter::default()).samples, 3);
    assert_eq!(write(after, &Filter::default()), Written::default());
    let written = write(first, &Filter::default());
    let path = written.file.unwrap();
    assert_eq!((written.samples, path.file_name().unwrap()), (20, "samples-2026-01-01.parquet".as_ref()));
    assert_eq!(path.metadata().unwrap().len(), written.bytes);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o007, 0);
    assert_eq!(said.borrow().last(), Some(&20));

    let read = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let rows: Vec<_> = read.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 20);
    for (number, row) in rows.iter().enumerate() {
        let sent = if number == 7 { exact.clone() } else { received(number) };
        assert_eq!(row.get_timestamp_micros(0).unwrap(), sent.timestamp.micros());
        assert_eq!(
            (row.get_string(2).unwrap(), row.get_string(3).unwrap()),
            (&sent.meter, &"cumulative".to_owned())
        );
        assert_eq!(row.get_double(5).unwrap(), sent.volume.as_str().parse::<f64>().unwrap());
        assert_eq!(row.get_string(6).ok(), (number == 7).then(|| sent.volume.to_string()).as_ref());
        assert_eq!(row.get_string(7).unwrap(), &sent.resource_id);
        assert_eq!(row.get_string(8).ok(), sent.project_id.as_ref());
        assert_eq!(row.get_string(11).unwrap(), &sent.message_id);
        let metadata: serde_json::Value = serde_json::from_str(row.get_string(12).unwrap()).unwrap();
        assert_eq!(metadata.as_object(), Some(&sent.metadata.fields()));
    }
    // Again, of fewer: the file is replaced.
    let some = Filter::parse("resource=instance-3;metadata.display_name=web-3").unwrap();
    assert_eq!(write(first, &some).samples, 4);
    let read = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(read.metadata().file_metadata().num_rows(), 4);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn more_samples_than_a_row_group_are_written_in_several() {
    let mut fixture = Fixture::new();
    let rows: Vec<Row> = (0..GROUP + 10)
        .map(|number| {
            let mut sample = received(number);
            sample.timestamp = received(number / 2).timestamp;
            sample.into()
        })
        .collect();
    for batch in rows.chunks(20_000) {
        fixture.writer.append(batch).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let [day] = <[Day; 1]>::try_from(days("2026-01-01", "2026-01-02")).unwrap();
    let written =
        export(&mut fixture.reader(), &Filter::meter("cpu"), day, folder.path(), &mut |_| {}).unwrap();
    let read = SerializedFileReader::new(File::open(written.file.unwrap()).unwrap()).unwrap();
    assert_eq!(read.num_row_groups(), 2);
    assert_eq!(read.metadata().file_metadata().num_rows() as usize, GROUP + 10);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let fixture = Fixture::with(5);
    let [day] = <[Day; 1]>::try_from(days("2026-01-01", "2026-01-02")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = export(&mut fixture.reader(), &Filter::default(), day, &absent, &mut |_| {}).unwrap_err();
    assert!(error.to_string().ends_with("absent/samples-2026-01-01.parquet"), "{error}");
    // A name that cannot be taken.
    std::fs::create_dir(folder.path().join("samples-2026-01-01.parquet")).unwrap();
    let error =
        export(&mut fixture.reader(), &Filter::default(), day, folder.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, ExportError::Write { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
