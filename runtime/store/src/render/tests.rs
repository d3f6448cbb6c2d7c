//! What people and programs read, to the letter.

use std::sync::Arc;

use sample::{Kind, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::query::{Aggregate, GroupBy};
use crate::{Statistics, StoredSample};

fn stored(resource: &str, volume: &str, unit: &str) -> StoredSample {
    StoredSample {
        resource_id: resource.into(),
        meter: "mem.max".into(),
        kind: Kind::Gauge,
        volume: volume.parse().unwrap(),
        unit: unit.into(),
        timestamp: Timestamp::parse("2026-01-31T23:59:59.000001").unwrap(),
        project_id: Some("p1".into()),
        user_id: None,
        source: "openstack".into(),
        metadata: Arc::new(json!({"display_name": "web", "vcpus": 2}).as_object().unwrap().clone()),
        message_id: "m1".into(),
        recorded_at: Timestamp::parse("2026-02-01T00:00:00").unwrap(),
    }
}

fn text(samples: &[StoredSample], output: Output, width: Option<usize>) -> String {
    let mut out = Vec::new();
    render(&mut out, samples, output, width).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table_is_the_genuine_clients() {
    let samples = [
        stored("b9c03180-75d4-4c7e-8a6a-3a0f4d1b9f2e", "2048.0", "MiB"),
        stored("b9c03180-75d4-4c7e-8a6a-3a0f4d1b9f2e", "18446744073709551615", ""),
    ];
    assert_eq!(
        text(&samples, Output::Table, None),
        "\
+--------------------------------------+---------+-------+----------------------+------+----------------------------+
| Resource ID                          | Name    | Type  | Volume               | Unit | Timestamp                  |
+--------------------------------------+---------+-------+----------------------+------+----------------------------+
| b9c03180-75d4-4c7e-8a6a-3a0f4d1b9f2e | mem.max | gauge | 2048.0               | MiB  | 2026-01-31T23:59:59.000001 |
| b9c03180-75d4-4c7e-8a6a-3a0f4d1b9f2e | mem.max | gauge | 18446744073709551615 |      | 2026-01-31T23:59:59.000001 |
+--------------------------------------+---------+-------+----------------------+------+----------------------------+
"
    );
    assert_eq!(
        text(&[], Output::Table, None),
        "\
+-------------+------+------+--------+------+-----------+
| Resource ID | Name | Type | Volume | Unit | Timestamp |
+-------------+------+------+--------+------+-----------+
+-------------+------+------+--------+------+-----------+
"
    );
}

#[test]
fn a_narrow_terminal_cuts_texts_but_no_number() {
    let samples = [stored("b9c03180-75d4-4c7e-8a6a-3a0f4d1b9f2e", "18446744073709551615", "MiB")];
    assert_eq!(
        text(&samples, Output::Table, Some(100)),
        "\
+---------------------+---------+-------+----------------------+------+----------------------------+
| Resource ID         | Name    | Type  | Volume               | Unit | Timestamp                  |
+---------------------+---------+-------+----------------------+------+----------------------------+
| b9c03180-75d4-4c7e… | mem.max | gauge | 18446744073709551615 | MiB  | 2026-01-31T23:59:59.000001 |
+---------------------+---------+-------+----------------------+------+----------------------------+
"
    );
    for width in [0, 1, 40] {
        let narrow = text(&samples, Output::Table, Some(width));
        assert!(
            narrow.contains("18446744073709551615") && narrow.contains("2026-01-31T23:59:59.000001"),
            "{narrow}"
        );
    }
}

#[test]
fn wide_characters_keep_the_columns_straight() {
    let samples = [stored("测量仪器", "1", "MiB"), stored("é", "2", "MiB")];
    let table = text(&samples, Output::Table, None);
    let widths: Vec<_> = table.lines().map(unicode_width::UnicodeWidthStr::width).collect();
    assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    let table = text(&[stored(&"测".repeat(40), "1", "MiB")], Output::Table, Some(80));
    assert!(table.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80), "{table}");
}

#[test]
fn nothing_that_tenants_write_steers_a_terminal() {
    let hostile = "a\u{1b}[2J\u{9b}31m\u{7f}\r\n\t\u{202e}\u{200b}\u{e0041}z";
    let mut sample = stored(hostile, "1", hostile);
    sample.metadata = Arc::new(json!({ hostile: [hostile] }).as_object().unwrap().clone());
    for output in [Output::Table, Output::Json, Output::Csv] {
        let text = text(std::slice::from_ref(&sample), output, None);
        let steering: String =
            text.chars().filter(|character| *character != '\n' && steers(*character)).collect();
        assert_eq!(steering, "", "{output:?}");
    }
    let table = text(std::slice::from_ref(&sample), Output::Table, None);
    assert!(table.contains(r"a\u{1b}[2J\u{9b}31m\u{7f}\u{d}\u{a}\u{9}\u{202e}\u{200b}\u{e0041}z"), "{table}");
    // JSON says the same as before, to whoever parses it.
    let parsed: Value = serde_json::from_str(&text(&[sample], Output::Json, None)).unwrap();
    assert_eq!(parsed[0]["resource_id"], hostile);
    assert_eq!(parsed[0]["metadata"][hostile][0], hostile);
}

#[test]
fn json_has_the_apis_names_and_exact_numbers() {
    assert_eq!(
        text(&[stored("r1", "18446744073709551615", "MiB")], Output::Json, None),
        r#"[
  {
    "id": "m1",
    "meter": "mem.max",
    "type": "gauge",
    "unit": "MiB",
    "volume": 18446744073709551615,
    "resource_id": "r1",
    "project_id": "p1",
    "user_id": null,
    "source": "openstack",
    "timestamp": "2026-01-31T23:59:59.000001",
    "recorded_at": "2026-02-01T00:00:00",
    "metadata": {
      "display_name": "web",
      "vcpus": 2
    }
  }
]
"#
    );
    assert_eq!(text(&[], Output::Json, None), "[]\n");
    let real = text(&[stored("r1", "2048.0", "MiB")], Output::Json, None);
    assert!(real.contains("\"volume\": 2048.0,"), "{real}");
}

#[test]
fn csv_has_a_header_and_no_formulas() {
    let samples = [stored("r,1\"x\"", "-5", "MiB"), stored("=cmd()", "1e300", "-B")];
    assert_eq!(
        text(&samples, Output::Csv, None),
        "\
id,meter,type,unit,volume,resource_id,project_id,user_id,source,timestamp,recorded_at,metadata
m1,mem.max,gauge,MiB,-5,\"r,1\"\"x\"\"\",p1,,openstack,2026-01-31T23:59:59.000001,2026-02-01T00:00:00,\"{\"\"display_name\"\":\"\"web\"\",\"\"vcpus\"\":2}\"
m1,mem.max,gauge,'-B,1e+300,'=cmd(),p1,,openstack,2026-01-31T23:59:59.000001,2026-02-01T00:00:00,\"{\"\"display_name\"\":\"\"web\"\",\"\"vcpus\"\":2}\"
"
    );
}

#[test]
fn forms_of_output_have_names() {
    assert_eq!("csv".parse(), Ok(Output::Csv));
    let error = "yaml".parse::<Output>().unwrap_err();
    assert_eq!(error.to_string(), "\"yaml\" is no form of output: table, json or csv");
}

#[test]
fn statistics_leave_out_their_last_columns_where_they_do_not_fit() {
    let time = |text| Timestamp::parse(text).unwrap();
    let one = Statistics {
        group: vec![(GroupBy::ProjectId, Some("p1".into())), (GroupBy::UserId, None)],
        unit: "MiB".into(),
        count: 3,
        min: 0.5,
        max: 2048.0,
        avg: 683.0,
        sum: 2049.0,
        aggregates: Vec::new(),
        duration: 60.0,
        duration_start: time("2026-01-31T23:59:00"),
        duration_end: time("2026-02-01T00:00:00"),
        period: 3600,
        period_start: time("2026-01-31T23:00:00"),
        period_end: time("2026-02-01T00:00:00"),
    };
    let table = |one: &Statistics, width| {
        let mut out = Vec::new();
        render(&mut out, std::slice::from_ref(one), Output::Table, width).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        table(&one, Some(120)),
        "\
+--------+---------------------+---------------------+----------------------------+--------+-----+-------+--------+-------+
| Period | Period Start        | Period End          | Group By                   | Max    | Min | Avg   | Sum    | Count |
+--------+---------------------+---------------------+----------------------------+--------+-----+-------+--------+-------+
| 3600   | 2026-01-31T23:00:00 | 2026-02-01T00:00:00 | project_id=p1 user_id=None | 2048.0 | 0.5 | 683.0 | 2049.0 | 3     |
+--------+---------------------+---------------------+----------------------------+--------+-----+-------+--------+-------+
"
    );
    assert!(table(&one, None).contains("| Duration Start      | Duration End        |"));
    let count = Aggregate::parse("cardinality", Some("resource_id")).unwrap();
    let chosen = Statistics { group: Vec::new(), aggregates: vec![(count, 2.0)], ..one };
    assert!(table(&chosen, None).contains("| Period End          | cardinality/resource_id | Duration |"));
}
