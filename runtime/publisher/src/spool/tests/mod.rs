//! The spool against what may happen to it.
//!
//! | module | what it holds |
//! |---|---|
//! | `damage` | damaged records, files and logs |
//! | `model` | everything in random order, against a model |

mod damage;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use sample::Volume;
use tempfile::TempDir;

use super::*;
use crate::amqp_worker::tests::samples;
use crate::batch::Batch;
use crate::queue::Taken;

/// A spool whose thread is the test.
struct Scene {
    folder: TempDir,
    settings: Settings,
    desk: Desk,
}

fn settings(folder: &TempDir) -> Settings {
    Settings { backlog_rate: 0, fsync: Fsync::Never, ..Settings::new(folder.path().join("mq-1.spool")) }
}

fn desk(settings: &Settings, capacity: usize) -> Desk {
    let opened = Opened::new(settings.clone()).unwrap();
    let shared = Arc::new(Shared::new(opened.queue(capacity)));
    opened.desk(shared)
}

impl Scene {
    fn new(capacity: usize, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        change(&mut settings);
        let desk = desk(&settings, capacity);
        Self { folder, settings, desk }
    }

    fn push(&self, mark: u64, count: usize) {
        self.push_of("all", mark, count);
    }

    /// A batch that is known by the volume of its samples.
    fn push_of(&self, source: &str, mark: u64, count: usize) {
        let lost = self.desk.shared.queue.push(batch(source, mark, count));
        self.desk.shared.count_lost(lost, "the queue is full");
    }

    /// Does what there is to do at this moment.
    fn attend(&mut self) {
        attend(&mut self.desk);
    }

    fn take(&self) -> Option<Taken> {
        take(&self.desk.shared.queue)
    }

    /// Takes and confirms whatever comes; gives the marks.
    fn deliver(&mut self) -> Vec<u64> {
        deliver(&mut self.desk)
    }

    /// An agent that ended, by whatever, and another that starts.
    fn restart(&mut self, capacity: usize) {
        let gone = std::mem::replace(&mut self.settings.path, self.folder.path().join("elsewhere.spool"));
        // The old one lets go of the file only when it is dropped.
        self.desk = desk(&self.settings, capacity);
        self.settings.path = gone;
        self.desk = desk(&self.settings, capacity);
    }
}

fn batch(source: &str, mark: u64, count: usize) -> Batch {
    let mut samples = samples(count);
    for sample in &mut samples {
        sample.volume = Volume::Count(mark);
    }
    Batch::new(source.into(), samples)
}

fn attend(desk: &mut Desk) {
    if desk.file.is_none() {
        desk.reopen();
    }
    let errand = desk.queue().errand(Some(Duration::ZERO), Duration::ZERO);
    desk.attend_or_fail(errand);
}

fn take(queue: &Queue) -> Option<Taken> {
    use futures_util::FutureExt;
    queue.next().now_or_never().flatten()
}

fn mark(taken: &Taken) -> u64 {
    match taken.samples()[0].volume {
        Volume::Count(mark) => mark,
        _ => unreachable!("marks are counts"),
    }
}

fn deliver(desk: &mut Desk) -> Vec<u64> {
    let (mut marks, mut quiet) = (Vec::new(), 0);
    while quiet < 5 {
        attend(desk);
        quiet += 1;
        while let Some(taken) = take(desk.queue()) {
            marks.push(mark(&taken));
            taken.done();
            quiet = 0;
        }
    }
    // One that settled waits for others.
    thread::sleep(Duration::from_millis(60));
    attend(desk);
    marks
}

#[test]
fn nothing_is_given_out_before_it_is_on_disk_and_nothing_stays_there_once_it_is_confirmed() {
    let mut scene = Scene::new(100, |_| {});
    scene.push(1, 50);
    assert!(scene.take().is_none());
    scene.attend();
    let taken = scene.take().unwrap();
    assert_eq!((taken.number(), scene.desk.file.as_ref().unwrap().contents().unwrap().samples), (1, 50));
    taken.done();
    // One that settled waits for others; the end does not.
    scene.desk.queue().end();
    scene.attend();
    assert_eq!(scene.desk.file.as_ref().unwrap().contents().unwrap().batches, 0);
    assert_eq!(scene.desk.shared.counters.read(0).spooled, 0);
}

#[test]
fn the_next_agent_sends_what_it_finds_oldest_first() {
    let mut scene = Scene::new(4, |_| {});
    for mark in 1..=20 {
        scene.push(mark, 3);
        scene.attend();
    }
    let (first, second) = (scene.take().unwrap(), scene.take().unwrap());
    assert_eq!((mark(&first), mark(&second)), (1, 2));
    second.done();
    drop(first);
    scene.attend();
    scene.restart(4);
    scene.push(21, 3);
    let marks = scene.deliver();
    // The second was confirmed, and was or was not deleted before the end.
    let mut found = marks.clone();
    found.retain(|mark| *mark != 2 && *mark != 21);
    assert_eq!(found, [vec![1], (3..=20).collect()].concat(), "{marks:?}");
    // What is fresh goes beside.
    assert!(marks.iter().position(|mark| *mark == 21).unwrap() < 10, "{marks:?}");
    assert_eq!(scene.desk.file.as_ref().unwrap().contents().unwrap().batches, 0);
}

#[test]
fn what_memory_has_no_room_for_is_on_disk_alone_and_is_read_in_its_turn() {
    let mut scene = Scene::new(2, |_| {});
    for mark in 1..=50 {
        scene.push(mark, 1);
        scene.attend();
    }
    assert_eq!(scene.desk.queue().waiting(), 2);
    assert_eq!(scene.deliver(), (1..=50).collect::<Vec<_>>());
    assert_eq!(scene.desk.shared.counters.read(0).dropped_samples(), 0);
}

#[test]
fn a_bounded_rate_lets_little_through_at_once() {
    let mut scene = Scene::new(100, |_| {});
    for mark in 1..=100 {
        scene.push(mark, 50);
    }
    scene.attend();
    scene.settings.backlog_rate = 1_000;
    scene.restart(100);
    let started = Instant::now();
    let mut samples = 0;
    while started.elapsed() < Duration::from_millis(1_000) {
        if !scene.desk.step() {
            break;
        }
        while let Some(taken) = scene.take() {
            samples += taken.samples().len();
            taken.done();
        }
    }
    // A burst of a fifth of a second, a second, and a batch.
    assert!((500..=1_300).contains(&samples), "{samples}");
}

#[test]
fn a_second_agent_is_refused_and_a_foreign_file_left_alone() {
    let scene = Scene::new(4, |_| {});
    // SQLite's locks are the process's: another connection of this one sees them, too.
    let second = Opened::new(scene.settings.clone());
    assert!(matches!(second.err(), Some(SpoolError::InUse(_))));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.spool");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let foreign = Opened::new(Settings::new(path));
    assert!(matches!(foreign.err(), Some(SpoolError::Foreign(_))));
}

#[test]
fn a_full_spool_drops_its_oldest_and_counts_them_by_source() {
    let mut scene = Scene::new(4, |settings| settings.max_bytes = 1 << 20);
    for mark in 1..=400 {
        scene.push_of(if mark % 2 == 0 { "even" } else { "odd" }, mark, 100);
        scene.attend();
    }
    let used = scene.desk.file.as_ref().unwrap().used().unwrap();
    assert!(used <= 1 << 20, "{used}");
    let dropped = scene.desk.shared.counters.read(0).dropped;
    let marks = scene.deliver();
    let kept = marks.len() as u64;
    assert!((40..360).contains(&kept), "{kept}");
    // What came last was in memory, and went beside what was read.
    let marks: BTreeSet<u64> = marks.into_iter().collect();
    assert_eq!(marks, (401 - kept..=400).collect(), "the newest are there");
    assert_eq!(dropped["even"] + dropped["odd"], (400 - kept) * 100);
    assert!(dropped["even"].abs_diff(dropped["odd"]) <= 100);
}

#[test]
fn a_full_spool_may_have_polling_pause_instead() {
    let mut scene = Scene::new(4, |settings| {
        settings.max_bytes = 1 << 20;
        settings.overflow = Overflow::Pause;
    });
    let mut mark = 0;
    while scene.desk.queue().has_room() {
        mark += 1;
        scene.push(mark, 100);
        scene.attend();
        assert!(mark < 1_000);
    }
    assert_eq!(scene.deliver(), (1..=mark).collect::<Vec<_>>());
    assert!(scene.desk.queue().has_room());
    assert_eq!(scene.desk.shared.counters.read(0).dropped_samples(), 0);
}

#[test]
fn metadata_alone_never_keep_polling_paused() {
    let mut scene = Scene::new(4, |settings| {
        settings.max_bytes = 1 << 20;
        settings.overflow = Overflow::Pause;
    });
    // Each time other instances, whose metadata together are more than the bound.
    for _ in 0..40 {
        for batch in damage::like_real_ones(1) {
            scene.desk.shared.queue.push(batch);
        }
        scene.attend();
    }
    assert!(!scene.desk.queue().has_room());
    scene.deliver();
    assert!(scene.desk.queue().has_room());
    assert!(scene.desk.file.as_ref().unwrap().parts() < 50);
    assert_eq!(scene.desk.shared.counters.read(0).dropped_samples(), 0);
}

#[test]
fn what_is_too_old_is_dropped_unless_it_is_being_sent() {
    let mut scene = Scene::new(1, |settings| settings.max_age = Duration::from_millis(200));
    for mark in 1..=3 {
        scene.push(mark, 10);
    }
    scene.attend();
    let sending = scene.take().unwrap();
    thread::sleep(Duration::from_millis(300));
    scene.push(4, 10);
    scene.attend();
    assert_eq!(scene.desk.shared.counters.read(0).dropped["all"], 20);
    sending.done();
    assert_eq!(scene.deliver(), [4]);
}

#[test]
fn a_wall_clock_that_jumps_ages_nothing_within_a_boot() {
    let mut scene = Scene::new(1, |settings| settings.max_age = Duration::from_secs(3_600));
    scene.push(1, 1);
    scene.attend();
    let file = scene.desk.file.as_ref().unwrap();
    file.execute("UPDATE batch SET wall = 0");
    assert!(file.oldest(1).unwrap()[0].age < Duration::from_secs(60));
    file.execute("UPDATE batch SET boot = 1");
    assert!(file.oldest(1).unwrap()[0].age > Duration::from_secs(86_400 * 365));
    // The clock went back since: it is new.
    file.execute("UPDATE batch SET wall = 1 << 61");
    assert_eq!(file.oldest(1).unwrap()[0].age, Duration::ZERO);
}

#[test]
fn shared_parts_go_with_the_last_batch_of_their_era() {
    let mut scene = Scene::new(10_000, |_| {});
    for mark in 0..9_000 {
        scene.push(mark, 1);
    }
    scene.attend();
    for mark in 9_000..9_010 {
        scene.push(mark, 1);
        scene.attend();
    }
    assert!(scene.desk.file.as_ref().unwrap().parts() > 9_000);
    scene.deliver();
    scene.push(9_999, 1);
    scene.deliver();
    assert!(scene.desk.file.as_ref().unwrap().parts() < 100);
}

#[test]
fn an_empty_spool_gives_its_pages_back() {
    let mut scene = Scene::new(10, |_| {});
    for mark in 0..400 {
        scene.push(mark, 1_000);
        scene.attend();
    }
    let pages = scene.desk.file.as_ref().unwrap().pages();
    assert!(pages > 2_000, "{pages}");
    scene.deliver();
    for _ in 0..20 {
        scene.attend();
    }
    let left = scene.desk.file.as_ref().unwrap().pages();
    assert!(left < 1_400, "{pages} pages, {left} are left");
    assert!(!scene.desk.shrinking, "it would be busy for ever");
}

#[test]
fn a_full_disk_has_batches_wait_in_memory_until_it_has_room() {
    let mut scene = Scene::new(100, |_| {});
    scene.push(1, 50);
    scene.attend();
    let file = scene.desk.file.as_ref().unwrap();
    file.limit_pages(file.pages());
    for mark in 2..=40 {
        scene.push(mark, 200);
    }
    scene.attend();
    assert_eq!(scene.desk.trouble, Some("disk-full"));
    assert_eq!(scene.desk.shared.counters.read(0).spool_errors, 1);
    // Polling and sending go on.
    scene.push(41, 1);
    let marks: Vec<u64> = std::iter::from_fn(|| scene.take())
        .take(5)
        .map(|taken| {
            let mark = mark(&taken);
            taken.done();
            mark
        })
        .collect();
    assert_eq!(marks, [1, 2, 3, 4, 5]);
    // The limit was the connection's: a new one has room, and what waits is written.
    scene.attend();
    scene.attend();
    assert_eq!(scene.desk.trouble, None);
    assert_eq!(scene.desk.file.as_ref().unwrap().contents().unwrap().batches, 36);
    assert_eq!(scene.deliver(), (6..=41).collect::<Vec<_>>());
}

/// A small generator of its own, so that a failure can be had again from its seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What tests do to a file beside its back.
impl File {
    pub(super) fn limit_pages(&self, pages: i64) {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }

    pub(super) fn pages(&self) -> i64 {
        self.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    }

    pub(super) fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    pub(super) fn parts(&self) -> i64 {
        self.connection.query_row("SELECT count(*) FROM shared", [], |row| row.get(0)).unwrap()
    }
}
