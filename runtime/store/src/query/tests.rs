//! The same answers from every store.

use serde_json::json;

use sample::wire::Received;
use sample::{Kind, Timestamp};

use super::*;
use crate::sqlite::tests::Fixture;
use crate::{Row, Store, StoreError};

const SECOND: i64 = 1_000_000;
/// 2026-01-01T00:00:00
const BEGIN: i64 = 1_767_225_600 * SECOND;

/// Two projects: `p1` has the resources a and b, `p2` has c. Each has `cpu`, and a and c have `memory`, ten times, a minute apart.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for minute in 0..10_usize {
        for (place, (resource, project)) in [("a", "p1"), ("b", "p1"), ("c", "p2")].into_iter().enumerate() {
            for meter in ["cpu", "memory"] {
                if meter == "memory" && resource == "b" {
                    continue;
                }
                let flavor = if minute < 5 { "m1.small" } else { "m1.large" };
                let metadata = json!({"display_name": format!("web-{resource}"), "instance_type": flavor, "host": {"az": resource}});
                rows.push(Row::from(Received {
                    source: "openstack".into(),
                    meter: meter.into(),
                    kind: if meter == "cpu" { Kind::Cumulative } else { Kind::Gauge },
                    unit: if meter == "cpu" { "ns".into() } else { "MiB".into() },
                    volume: (minute * 10 + place).into(),
                    user_id: Some(format!("u{place}")),
                    project_id: Some(project.into()),
                    resource_id: resource.into(),
                    timestamp: Timestamp::from_micros(BEGIN + minute as i64 * 60 * SECOND).unwrap(),
                    metadata: crate::tests::metadata(&metadata),
                    message_id: format!("{meter}-{resource}-{minute}"),
                    monotonic_time: None,
                }));
            }
        }
    }
    rows
}

/// Stores what the checks below ask for.
pub(crate) fn fill(store: &dyn Store) {
    let mut writer = store.writer().unwrap();
    let rows = rows();
    assert_eq!(writer.append(&rows).unwrap().stored, rows.len());
}

fn ids(store: &dyn Store, query: &SampleQuery) -> Vec<String> {
    let found = samples(&mut *store.reader().unwrap(), query).unwrap();
    found.into_iter().map(|sample| sample.message_id).collect()
}

fn complex(store: &dyn Store, filter: &str) -> usize {
    ids(store, &SampleQuery::new(Filter::complex(filter).unwrap(), 100).unwrap()).len()
}

pub(crate) fn complex_filters_are_trees(store: &dyn Store) {
    for (filter, expected) in [
        (r#"{"=": {"meter": "cpu"}}"#, 30),
        (r#"{"not": {"=": {"meter": "cpu"}}}"#, 20),
        (r#"{"or": [{"=": {"resource": "b"}}, {"=": {"meter": "memory"}}]}"#, 30),
        (r#"{"and": [{"=": {"project": "p1"}}, {"=": {"meter": "memory"}}, {">=": {"volume": 50}}]}"#, 5),
        (r#"{"in": {"resource_id": ["a", "c", "nobody"]}}"#, 40),
        (r#"{"=~": {"metadata.display_name": "-[bc]$"}}"#, 30),
        (r#"{"=~": {"resource_id": "^(a|b)"}}"#, 30),
        (r#"{"not": {"=~": {"metadata.absent": "x"}}}"#, 0),
        (r#"{"not": {"=": {"metadata.absent": "x"}}}"#, 0),
        (r#"{"or": [{"=": {"metadata.absent": "x"}}, {"=": {"unit": "MiB"}}]}"#, 20),
        (r#"{"and": [{"=": {"type": "gauge"}}, {"!=": {"metadata.host.az": "c"}}]}"#, 10),
        (
            r#"{"or": [{"<": {"timestamp": "2026-01-01T00:01:00"}}, {">": {"timestamp": "2026-01-01T00:08:00"}}]}"#,
            10,
        ),
        (
            r#"{"not": {"or": [{"<": {"timestamp": "2026-01-01T00:01:00"}}, {"=": {"message_id": "cpu-a-3"}}]}}"#,
            44,
        ),
        (r#"{"or": [{"=": {"message_id": "cpu-a-3"}}, {"=": {"message_id": "cpu-a-4"}}]}"#, 2),
    ] {
        assert_eq!(complex(store, filter), expected, "{filter}");
    }
}

pub(crate) fn samples_come_in_the_order_that_is_asked_for(store: &dyn Store) {
    let ordered = |filter: &str, orderby: &str, limit| {
        let query = SampleQuery::new(Filter::parse(filter).unwrap(), limit).unwrap();
        ids(store, &query.ordered(orderby).unwrap())
    };
    let asc = r#"[{"timestamp": "asc"}]"#;
    assert_eq!(ordered("meter=cpu;resource=a", asc, 3), ["cpu-a-0", "cpu-a-1", "cpu-a-2"]);
    assert_eq!(ordered("meter=cpu;resource=a", r#"[{"timestamp": "desc"}]"#, 2), ["cpu-a-9", "cpu-a-8"]);
    let by_volume = r#"[{"volume": "desc"}, {"meter": "asc"}]"#;
    assert_eq!(ordered("project!=p3", by_volume, 3), ["cpu-c-9", "memory-c-9", "cpu-b-9"]);
    let by_names = r#"[{"resource_id": "desc"}, {"meter": "desc"}, {"timestamp": "asc"}]"#;
    assert_eq!(ordered("volume<20", by_names, 3), ["memory-c-0", "memory-c-1", "cpu-c-0"]);
    // Over several resources one after the other, the newest of all come first.
    let newest = SampleQuery::parse(None, Some("project_id=p1"), Some(4)).unwrap();
    let mut found = ids(store, &newest);
    let last = found.pop().unwrap();
    found.sort();
    assert_eq!(found, ["cpu-a-9", "cpu-b-9", "memory-a-9"]);
    assert!(last.ends_with("-8"), "{last}");
}

pub(crate) fn meters_are_listed_once_or_for_each_resource(store: &dyn Store) {
    let list = |filter: &str, unique, limit| {
        let filter = if filter.is_empty() { Filter::default() } else { Filter::parse(filter).unwrap() };
        let found = meters(&mut *store.reader().unwrap(), &filter, unique, limit).unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|meter| format!("{} {}", meter.name, meter.resource_id.as_deref().unwrap_or("-")))
            .collect();
        found.sort();
        found
    };
    assert_eq!(list("", false, 100), ["cpu a", "cpu b", "cpu c", "memory a", "memory c"]);
    assert_eq!(list("", true, 100), ["cpu -", "memory -"]);
    assert_eq!(list("", false, 2).len(), 2);
    assert_eq!(list("project=p1", false, 100), ["cpu a", "cpu b", "memory a"]);
    assert_eq!(list("resource=b", true, 100), ["cpu -"]);
    assert_eq!(list("metadata.display_name=web-c", false, 100), ["cpu c", "memory c"]);
    // The newest sample decides; or, where a time is given, the newest of it.
    assert!(list("metadata.instance_type=m1.small", false, 100).is_empty());
    let early = "metadata.instance_type=m1.small;timestamp<2026-01-01T00:03:00";
    assert_eq!(list(early, false, 100).len(), 5);
    assert!(
        list("timestamp>2027-01-01", false, 100).is_empty() && list("meter=other", false, 100).is_empty()
    );
    let all = meters(&mut *store.reader().unwrap(), &Filter::resource("c"), false, 100).unwrap();
    let memory = all.iter().find(|meter| &*meter.name == "memory").unwrap();
    assert_eq!((memory.kind, &*memory.unit), (Kind::Gauge, "MiB"));
    assert_eq!((memory.project_id.as_deref(), memory.user_id.as_deref()), (Some("p2"), Some("u2")));
}

pub(crate) fn resources_are_as_their_newest_sample_has_them(store: &dyn Store) {
    let list =
        |filter: &Filter, limit| resources(&mut *store.reader().unwrap(), filter, limit, true).unwrap();
    let names = |filter: &str| {
        list(&Filter::parse(filter).unwrap(), 100)
            .iter()
            .map(|found| found.resource_id.to_string())
            .collect::<Vec<_>>()
    };
    let all = list(&Filter::default(), 100);
    assert_eq!(all.len(), 3);
    let a = all.iter().find(|resource| &*resource.resource_id == "a").unwrap();
    assert_eq!((a.first.micros(), a.last.micros()), (BEGIN, BEGIN + 540 * SECOND));
    assert_eq!(a.metadata["instance_type"], "m1.large");
    assert_eq!(
        (a.project_id.as_deref(), a.user_id.as_deref(), &*a.source),
        (Some("p1"), Some("u0"), "openstack")
    );
    assert_eq!(a.meters.iter().map(|meter| &**meter).collect::<Vec<_>>(), ["cpu", "memory"]);
    assert_eq!(list(&Filter::default(), 2).len(), 2);
    assert_eq!(names("project=p1"), ["a", "b"]);
    assert_eq!(names("meter=memory"), ["a", "c"]);
    assert_eq!(names("metadata.display_name=web-b"), ["b"]);
    assert!(names("metadata.instance_type=m1.small").is_empty() && names("timestamp>2027-01-01").is_empty());
    let early = list(&Filter::parse("resource=a;timestamp<2026-01-01T00:03:00").unwrap(), 100);
    assert_eq!(
        (early[0].metadata["instance_type"].as_str(), early[0].last.micros()),
        (Some("m1.small"), BEGIN + 120 * SECOND)
    );
}

pub(crate) fn statistics_are_of_groups_and_periods(store: &dyn Store) {
    let ask = |query: StatisticsQuery| statistics(&mut *store.reader().unwrap(), &query).unwrap();
    let new = |filter: &str| {
        let filter = if filter.is_empty() { Filter::default() } else { Filter::parse(filter).unwrap() };
        StatisticsQuery::new("cpu", filter).unwrap()
    };
    let aggregate = |function, parameter| Aggregate::parse(function, parameter).unwrap();
    let all =
        ask(new("").aggregates([aggregate("stddev", None), aggregate("cardinality", Some("project_id"))]));
    let [all] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((all.count, all.min, all.max, all.sum, all.avg), (30, 0.0, 92.0, 1380.0, 46.0));
    assert_eq!((all.period, all.duration, &*all.unit), (0, 540.0, "ns"));
    assert_eq!((all.period_start.micros(), all.duration_end.micros()), (BEGIN, BEGIN + 540 * SECOND));
    // Volumes 10 m + r with m of 0..10 and r of 0..3: variances 825 and 2/3.
    assert!((all.aggregates[0].1 - (825.0_f64 + 2.0 / 3.0).sqrt()).abs() < 1e-9, "{:?}", all.aggregates);
    assert_eq!(
        (all.aggregates[1].0.to_string().as_str(), all.aggregates[1].1),
        ("cardinality/project_id", 2.0)
    );

    let periods = ask(new("project=p1").period(240).unwrap());
    let found: Vec<_> =
        periods.iter().map(|one| (one.period_start.micros() - BEGIN, one.count, one.min)).collect();
    assert_eq!(found, [(0, 8, 0.0), (240 * SECOND, 8, 40.0), (480 * SECOND, 4, 80.0)]);
    assert_eq!(periods[2].period_end.micros() - BEGIN, 720 * SECOND);
    // Periods begin with the time that is asked for.
    let shifted =
        ask(new("timestamp>=2026-01-01T00:01:30;timestamp<2026-01-01T00:04:00").period(60).unwrap());
    let found: Vec<_> = shifted.iter().map(|one| (one.period_start.micros() - BEGIN, one.count)).collect();
    assert_eq!(found, [(90 * SECOND, 3), (150 * SECOND, 3)]);

    let by = |name: &str| GroupBy::parse(name).unwrap();
    let grouped = ask(new("").group_by([by("project_id"), by("project_id")]));
    let mut found: Vec<_> = grouped
        .iter()
        .map(|one| (one.group[0].1.as_deref().unwrap().to_owned(), one.count, one.max))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, [("p1".to_owned(), 20, 91.0), ("p2".to_owned(), 10, 92.0)]);
    let ask_again = || {
        let groups = ask(new("").period(120).unwrap().group_by([by("resource_id")]));
        groups.iter().map(|one| (one.period_start, one.group[0].1.clone())).collect::<Vec<_>>()
    };
    let first = ask_again();
    assert_eq!(first.len(), 15);
    assert!((0..5).all(|_| ask_again() == first), "the order of groups is another one each time");
    let flavors = ask(new("").group_by([by("resource_metadata.instance_type")]));
    let mut found: Vec<_> =
        flavors.iter().map(|one| (one.group[0].1.as_deref().unwrap(), one.count, one.max)).collect();
    found.sort_by_key(|one| one.0.to_owned());
    assert_eq!(found, [("m1.large", 15, 92.0), ("m1.small", 15, 42.0)]);

    // Conditions that no index answers.
    assert_eq!(ask(new("metadata.display_name=web-b"))[0].sum, 460.0);
    assert_eq!(ask(new("volume>90"))[0].count, 2);
    assert_eq!(ask(new("resource=a;timestamp!=2026-01-01"))[0].count, 9);
    for nothing in ["resource=nobody", "timestamp>2027-01-01", "metadata.absent=x", "meter=memory"] {
        assert!(ask(new(nothing).period(60).unwrap()).is_empty(), "{nothing}");
    }
    let scoped = Filter::projects(&["p2".into()]);
    assert_eq!(ask(StatisticsQuery::new("cpu", scoped).unwrap())[0].count, 10);
    assert!(ask(StatisticsQuery::new("cpu", Filter::projects(&[])).unwrap()).is_empty());
}

pub(crate) fn a_sample_is_shown_within_its_scope(store: &dyn Store) {
    let show = |id, scope: &Filter| {
        sample(&mut *store.reader().unwrap(), id, scope).unwrap().map(|found| found.volume.to_string())
    };
    assert_eq!(show("cpu-c-4", &Filter::default()).as_deref(), Some("42"));
    assert_eq!(show("cpu-c-4", &Filter::projects(&["p2".into()])).as_deref(), Some("42"));
    assert_eq!(show("cpu-c-4", &Filter::projects(&["p1".into()])), None);
    assert_eq!(show("nobody", &Filter::default()), None);
}

/// Whoever may create samples may name any resource: neither project learns of the other's samples, nor hides them.
pub(crate) fn projects_that_share_a_resource_stay_apart(store: &dyn Store) {
    let at = |meter: &str, project: &str, minute: i64| {
        Row::from(Received {
            source: "openstack".into(),
            meter: meter.into(),
            kind: Kind::Gauge,
            unit: "B".into(),
            volume: 1.into(),
            user_id: None,
            project_id: Some(project.into()),
            resource_id: "shared".into(),
            timestamp: Timestamp::from_micros(BEGIN + minute * 60 * SECOND).unwrap(),
            metadata: crate::tests::metadata(&json!({"display_name": project})),
            message_id: format!("shared-{meter}-{project}-{minute}"),
            monotonic_time: None,
        })
    };
    let rows = [
        at("own", "p8", 1),
        at("secret", "p8", 2),
        at("own", "p9", 3),
        at("own", "p8", 5),
        at("own", "p9", 7),
    ];
    store.writer().unwrap().append(&rows).unwrap();
    let of = |project: &str, filter: &str| {
        let filter = Filter::resource("shared").and(if filter.is_empty() {
            Filter::default()
        } else {
            Filter::parse(filter).unwrap()
        });
        let filter = filter.and(Filter::projects(&[project.into()]));
        let mut reader = store.reader().unwrap();
        let found = resources(&mut *reader, &filter, 10, true).unwrap();
        let mut meters: Vec<_> = meters(&mut *reader, &filter, false, 10)
            .unwrap()
            .into_iter()
            .map(|meter| meter.name.to_string())
            .collect();
        meters.sort();
        let found: Vec<_> = found
            .into_iter()
            .map(|one| {
                let minutes = [one.first, one.last].map(|time| (time.micros() - BEGIN) / 60 / SECOND);
                let names = one.meters.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ");
                (minutes, one.metadata["display_name"].as_str().unwrap().to_owned(), names)
            })
            .collect();
        (found, meters)
    };
    assert_eq!(of("p9", ""), (vec![([3, 7], "p9".into(), "own".into())], vec!["own".to_owned()]));
    assert_eq!(
        of("p8", ""),
        (vec![([1, 5], "p8".into(), "own secret".into())], vec!["own".to_owned(), "secret".to_owned()])
    );
    // Nor does a time, or a condition that always holds, tell when the other's are.
    assert_eq!(of("p9", "timestamp<2026-01-01T00:02:30"), (vec![], vec![]));
    assert_eq!(of("p8", "timestamp<2026-01-01T00:04:00").0, [([1, 2], "p8".into(), "own secret".into())]);
    assert_eq!(of("p8", "volume>=0;meter=own").0[0].0, [1, 5]);
    assert_eq!(of("p8", "volume>=0").1, ["own", "secret"]);
    assert_eq!(of("p9", "metadata.display_name=p8"), (vec![], vec![]));
    assert_eq!(of("p7", ""), (vec![], vec![]));

    // What is missing is neither equal nor different, in statistics as in samples.
    for (query, expected) in [("user_id=u", 0), ("user_id!=u", 0), ("user_id!=u;volume>0", 0), ("", 3)] {
        let filter = if query.is_empty() { Filter::default() } else { Filter::parse(query).unwrap() };
        let filter = filter.and(Filter::projects(&["p8".into()]));
        let mut reader = store.reader().unwrap();
        let counted =
            statistics(&mut *reader, &StatisticsQuery::new("own", filter.clone()).unwrap()).unwrap();
        assert_eq!(counted.first().map_or(0, |one| one.count), if expected == 0 { 0 } else { 2 }, "{query}");
        let found = samples(&mut *reader, &SampleQuery::new(filter.clone(), 10).unwrap()).unwrap();
        assert_eq!(found.len(), expected, "{query}");
        assert_eq!(meters(&mut *reader, &filter, false, 10).unwrap().is_empty(), expected == 0, "{query}");
    }
    let either = Filter::complex(r#"{"or": [{"=": {"user_id": "u"}}, {">": {"volume": 0}}]}"#).unwrap();
    let query = StatisticsQuery::new("own", either).unwrap();
    assert_eq!(statistics(&mut *store.reader().unwrap(), &query).unwrap()[0].count, 4);
}

pub(crate) fn names_that_no_text_of_a_database_has_are_nobodys(store: &dyn Store) {
    let mut reader = store.reader().unwrap();
    for text in ["\0", "a\0", "\u{fffe}"] {
        let filter =
            Filter::conditions(["resource_id", "project_id", "user_id", "meter"].map(|field| Condition {
                field,
                value: text,
                ..Condition::default()
            }));
        assert!(samples(&mut *reader, &SampleQuery::new(filter.unwrap(), 10).unwrap()).unwrap().is_empty());
        assert!(resources(&mut *reader, &Filter::resource(text), 10, true).unwrap().is_empty());
        assert!(meters(&mut *reader, &Filter::meter(text), false, 10).unwrap().is_empty());
        assert!(
            statistics(&mut *reader, &StatisticsQuery::new(text, Filter::default()).unwrap())
                .unwrap()
                .is_empty()
        );
        assert_eq!(sample(&mut *reader, text, &Filter::default()).unwrap(), None);
    }
}

/// All of the above, over a store that has nothing yet.
pub(crate) fn answers_are_right(store: &dyn Store) {
    fill(store);
    complex_filters_are_trees(store);
    samples_come_in_the_order_that_is_asked_for(store);
    meters_are_listed_once_or_for_each_resource(store);
    resources_are_as_their_newest_sample_has_them(store);
    statistics_are_of_groups_and_periods(store);
    a_sample_is_shown_within_its_scope(store);
    projects_that_share_a_resource_stay_apart(store);
    names_that_no_text_of_a_database_has_are_nobodys(store);
}

#[test]
fn sqlite_answers_right() {
    let fixture = Fixture::new();
    answers_are_right(&crate::Sqlite::new(&fixture.path));
}

#[test]
fn what_is_asked_of_statistics_is_checked() {
    for (text, expected) in [
        (Aggregate::parse("median", None).unwrap_err().to_string(), "\"median\" is no function"),
        (Aggregate::parse("max", Some("x")).unwrap_err().to_string(), "\"max/x\" is no function"),
        (Aggregate::parse("cardinality", None).unwrap_err().to_string(), "\"cardinality\" is no function"),
        (GroupBy::parse("meter").unwrap_err().to_string(), "statistics are not grouped by \"meter\""),
        (
            StatisticsQuery::new("cpu", Filter::default()).unwrap().period(0).unwrap_err().to_string(),
            "the period 0 is not between 1 and",
        ),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn metadata_is_counted_for_each_sample_that_has_it() {
    let fixture = Fixture::with(10);
    let mut reader = fixture.reader();
    use crate::contract::{Order, Reader as _};
    let mut ask = |limit, budget| {
        reader.begin(crate::bounds::DEADLINE).unwrap();
        let found = search::first(&mut reader, &Filter::default(), Order::NewestFirst, limit).unwrap();
        samples::complete(&mut reader, found, budget).map(|found| found.len())
    };
    let once: i64 = fixture
        .reader()
        .connection
        .query_row("SELECT sum(length(fields)) FROM metadata", [], |row| row.get(0))
        .unwrap();
    let once = once as usize;
    // Ten samples of five resources: each metadata is shown twice.
    assert_eq!(ask(10, 2 * once).unwrap(), 10);
    assert!(matches!(ask(10, 2 * once - 1), Err(StoreError::TooMuch)));
    assert_eq!(ask(5, once).unwrap(), 5, "what lies beyond the limit does not count");
}

#[test]
fn limits_are_bounded() {
    use crate::bounds::MAX_LIMIT;
    assert_eq!(check_limit(MAX_LIMIT), Ok(MAX_LIMIT));
    for wrong in [0, MAX_LIMIT + 1, usize::MAX] {
        assert_eq!(check_limit(wrong), Err(QueryError::Limit(wrong)));
    }
}
