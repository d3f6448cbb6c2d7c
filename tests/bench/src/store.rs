//! Each store by itself: appending ten million samples, what they take on the disk, and how soon queries over them are answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use sample::wire::{Received, ReceivedMetadata};
use sample::{Kind, Timestamp};
use serde_json::{Map, json};
use store::query::GroupBy;
use store::{Filter, Reader, Row, SampleQuery, Sqlite, StatisticsQuery, Store};

use crate::table::Table;

const INSTANCES: usize = 1_000;
const METERS: usize = 20;
const PROJECTS: usize = 50;
/// Samples of a polling cycle.
const CYCLE: usize = INSTANCES * METERS;
/// Ceilometer's default interval.
const INTERVAL: i64 = 300;
/// As many as the collector puts into a transaction.
const BATCH: usize = 10_000;
/// 2026-01-01T00:00:00
const BEGIN: i64 = 1_767_225_600_000_000;
/// Other sizes, for trying: `NEPHOSCOPE_BENCH_SAMPLES=1000000 cargo xtask bench store`.
const SAMPLES: &str = "NEPHOSCOPE_BENCH_SAMPLES";

/// A real server as an operator would run it for this: more memory and fewer checkpoints than the distribution's defaults.
pub const POSTGRES: [&str; 3] = ["shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=15min"];

pub fn measure(table: &mut Table) -> Result<()> {
    let samples = std::env::var(SAMPLES).ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let cycles = (samples / CYCLE).max(1);
    let folder = tempfile::tempdir_in(crate::disk())?;
    let sqlite = Sqlite::new(folder.path().join("samples.db"));
    of("SQLite", &sqlite, cycles, table)?;
    drop(folder);
    let server = lab::Postgres::with(&POSTGRES)?;
    of("PostgreSQL", &*store::at(&server.url())?, cycles, table)
}

fn of(name: &str, store: &dyn Store, cycles: usize, table: &mut Table) -> Result<()> {
    let many = format!("{:.1} million samples", (cycles * CYCLE) as f64 / 1e6);
    let instances: Vec<_> = (0..INSTANCES).map(Instance::new).collect();
    let mut writer = store.writer()?;
    let mut spent = Duration::ZERO;
    let mut stored = 0;
    let mut rows: Vec<Row> = Vec::with_capacity(BATCH);
    for cycle in 0..cycles {
        for number in 0..CYCLE {
            rows.push(row(&instances, cycle, number));
            if rows.len() == BATCH {
                let started = Instant::now();
                stored += writer.append(&rows)?.stored;
                spent += started.elapsed();
                rows.clear();
            }
        }
        if cycle % 50 == 0 {
            eprintln!("  {name}: {stored} samples, {:.0}/s", stored as f64 / spent.as_secs_f64());
        }
    }
    let rate = stored as f64 / spent.as_secs_f64();
    table.row(format!("samples/s appended by one thread, {name}"), format!("{rate:.0}"), "");
    let bytes = writer.bytes()? as f64 / stored as f64;
    table.row(format!("bytes per sample at rest, {many}, {name}"), format!("{bytes:.0}"), "");
    drop(writer);
    let mut reader = store.reader()?;
    for question in questions(&instances) {
        let (median, p99) = times(&mut *reader, &question)?;
        let figure = format!("{median:.1} / {p99:.1}");
        table.row(format!("{}, {name}: ms, median / p99", question.what), figure, question.goal);
    }
    Ok(())
}

struct Instance {
    id: String,
    project: String,
    metadata: Arc<ReceivedMetadata>,
}

impl Instance {
    /// With metadata of the genuine agent's size.
    fn new(number: usize) -> Self {
        let id = format!("{number:08x}-75d4-4c7e-8a6a-3a0f4d1b9f2e");
        let metadata = json!({
            "display_name": format!("web-{number}"), "name": format!("instance-{number:08x}"), "instance_id": id,
            "instance_type": "m1.small", "host": "5f".repeat(28), "instance_host": "compute-1", "status": "active",
            "flavor": {"id": "2", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 20, "ephemeral": 0, "swap": 0},
            "state": "running", "task_state": "", "image": {"id": "0e1f".repeat(8)}, "image_ref": "0e1f".repeat(8),
            "architecture": "x86_64", "os_type": "hvm", "vcpus": 1, "memory_mb": 2048, "disk_gb": 20,
            "ephemeral_gb": 0, "root_gb": 20, "user_metadata": {"stack": "production", "note": "n".repeat(300)},
        });
        let metadata = ReceivedMetadata::new(metadata.as_object().unwrap_or(&Map::new()));
        Self { id, project: format!("project-{:02}", number % PROJECTS), metadata }
    }
}

fn meter(number: usize) -> String {
    if number == 0 { "mem.max".to_owned() } else { format!("meter.{number:02}") }
}

fn row(instances: &[Instance], cycle: usize, number: usize) -> Row {
    // A pollster's samples of all instances come together, with one timestamp.
    let (meter_number, instance) = (number / INSTANCES, &instances[number % INSTANCES]);
    let serial = (cycle * CYCLE + number) as u64;
    Row::from(Received {
        source: "openstack".into(),
        meter: meter(meter_number),
        kind: Kind::Gauge,
        unit: "MiB".into(),
        volume: (serial * 7_919 % 1_000_003).into(),
        user_id: Some("755e00".into()),
        project_id: Some(instance.project.clone()),
        resource_id: instance.id.clone(),
        timestamp: Timestamp::from_micros(
            BEGIN + cycle as i64 * INTERVAL * 1_000_000 + meter_number as i64 * 50_000,
        )
        .unwrap_or_else(Timestamp::now),
        metadata: instance.metadata.clone(),
        // As uuid1 counts.
        message_id: format!(
            "{:08x}-{:04x}-11f0-8a3c-0242ac110002",
            serial & 0xffff_ffff,
            serial >> 32 & 0xffff
        ),
        monotonic_time: None,
    })
}

/// A question, and how often it is asked.
struct Question {
    what: &'static str,
    goal: &'static str,
    times: usize,
    ask: Ask,
}

type Ask = Box<dyn Fn(&mut dyn Reader, usize) -> Result<usize>>;

fn questions(instances: &[Instance]) -> Vec<Question> {
    let ids: Arc<[String]> = instances.iter().map(|instance| instance.id.clone()).collect();
    let pick = {
        let ids = ids.clone();
        move |turn: usize| ids[turn * 617 % ids.len()].clone()
    };
    let samples = |meter: Option<&'static str>, query: Box<dyn Fn(usize) -> String>| -> Ask {
        Box::new(move |reader, turn| {
            let query = SampleQuery::parse(meter, Some(&query(turn)), None)?;
            Ok(store::samples(reader, &query)?.len())
        })
    };
    let statistics =
        |query: Option<Box<dyn Fn(usize) -> String>>, period: Option<u64>, groups: Vec<GroupBy>| -> Ask {
            Box::new(move |reader, turn| {
                let filter =
                    query.as_ref().map(|query| Filter::parse(&query(turn))).transpose()?.unwrap_or_default();
                let mut query = StatisticsQuery::new("mem.max", filter)?.group_by(groups.iter().copied());
                if let Some(seconds) = period {
                    query = query.period(seconds)?;
                }
                Ok(store::statistics(reader, &query)?.len())
            })
        };
    let of_resource = |pick: Arc<dyn Fn(usize) -> String>| move |turn| format!("resource_id={}", pick(turn));
    let pick: Arc<dyn Fn(usize) -> String> = Arc::new(pick);
    let of_project = |turn: usize| format!("project_id=project-{:02}", turn % PROJECTS);
    vec![
        Question {
            what: "sample list -m mem.max -q resource_id=UUID",
            goal: "p99 ≤ 50",
            times: 500,
            ask: samples(Some("mem.max"), Box::new(of_resource(pick.clone()))),
        },
        Question {
            what: "sample list -q project_id=UUID",
            goal: "",
            times: 100,
            ask: samples(None, Box::new(of_project)),
        },
        Question {
            what: "sample list -m mem.max -q metadata.display_name=web-N",
            goal: "",
            times: 20,
            ask: samples(Some("mem.max"), Box::new(|turn| format!("metadata.display_name=web-{turn}"))),
        },
        Question {
            what: "statistics -m mem.max (all of its samples)",
            goal: "p99 ≤ 200",
            times: 100,
            ask: statistics(None, None, vec![]),
        },
        Question {
            what: "statistics -m mem.max -p 3600 -g resource_id, of three hours",
            goal: "",
            times: 20,
            ask: statistics(
                Some(Box::new(|_| "timestamp>=2026-01-01T01:00:00;timestamp<2026-01-01T04:00:00".into())),
                Some(3600),
                vec![GroupBy::ResourceId],
            ),
        },
        Question {
            what: "statistics -m mem.max -q resource_id=UUID -p 3600",
            goal: "p99 ≤ 200",
            times: 200,
            ask: statistics(Some(Box::new(of_resource(pick))), Some(3600), vec![]),
        },
        Question {
            what: "statistics -m mem.max -q project_id=UUID",
            goal: "p99 ≤ 200",
            times: 100,
            ask: statistics(Some(Box::new(of_project)), None, vec![]),
        },
        Question {
            what: "meter list --unique",
            goal: "",
            times: 50,
            ask: Box::new(|reader, _| Ok(store::meters(reader, &Filter::default(), true, 100)?.len())),
        },
        Question {
            what: "resource list",
            goal: "",
            times: 50,
            ask: Box::new(|reader, _| Ok(store::resources(reader, &Filter::default(), 100, true)?.len())),
        },
    ]
}

/// The median and the 99th percentile in milliseconds.
fn times(reader: &mut dyn Reader, question: &Question) -> Result<(f64, f64)> {
    // Once before, so that what the first one reads from the disk is in memory.
    let found = (question.ask)(reader, 0)?;
    anyhow::ensure!(found > 0, "{} found nothing", question.what);
    let mut times = Vec::new();
    for turn in 0..question.times {
        let started = Instant::now();
        (question.ask)(reader, turn)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    Ok((at(0.5), at(0.99)))
}
