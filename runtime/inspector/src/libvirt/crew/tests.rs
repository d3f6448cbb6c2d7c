use super::*;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

const CALL: Duration = Duration::from_millis(100);

/// A task's matter is its own name.
fn tasks<S: AsRef<str>>(uuids: &[S]) -> VecDeque<Task<String>> {
    uuids.iter().map(|uuid| (Arc::from(uuid.as_ref()), uuid.as_ref().to_owned())).collect()
}

fn numbered(count: usize) -> VecDeque<Task<String>> {
    let uuids: Vec<String> = (0..count).map(|number| format!("u{number}")).collect();
    tasks(&uuids)
}

fn orders(
    places: usize,
    perform: impl Fn(String) -> String + Send + Sync + 'static,
) -> Orders<String, String> {
    let end = Instant::now() + Duration::from_secs(30);
    Orders { places, call: CALL, end, connection: 1, perform: Box::new(perform) }
}

fn names(uuids: &[Arc<str>]) -> Vec<&str> {
    uuids.iter().map(AsRef::as_ref).collect()
}

/// Waits until the condition holds; fails after a long time.
fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "it does not come to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_task_is_done_once() {
    let asides = Arc::new(Asides::default());
    let outcome = work(numbered(500), orders(3, |uuid| uuid + "!"), &asides);
    let results: BTreeSet<&String> = outcome.done.iter().filter_map(|(_, result)| result.as_ref()).collect();
    assert_eq!((outcome.done.len(), results.len()), (500, 500));
    assert_eq!((outcome.late.len(), outcome.left.len(), asides.stuck()), (0, 0, 0));
}

#[test]
fn an_instance_that_hangs_is_set_aside_until_its_call_returns() {
    let gate = Arc::new(Barrier::new(2));
    let wait = Arc::clone(&gate);
    let hang = move |uuid: String| {
        if uuid == "hung" {
            wait.wait();
        }
        uuid
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["a", "hung", "b", "c", "d"]), orders(2, hang), &asides);
    assert_eq!(names(&outcome.late), ["hung"]);
    assert_eq!((outcome.done.len(), outcome.left.len()), (4, 0), "all others are read in the same round");
    assert!(asides.has("hung"));
    gate.wait();
    until(|| !asides.has("hung"));
}

#[test]
fn when_every_place_hangs_the_rest_is_left_for_another_connection() {
    let gate = Arc::new(Barrier::new(3));
    let wait = Arc::clone(&gate);
    let hang = move |uuid: String| {
        if uuid.starts_with("hung") {
            wait.wait();
        }
        uuid
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["hung1", "hung2", "c", "d"]), orders(2, hang), &asides);
    assert_eq!(outcome.late.len(), 2);
    let left: Vec<&str> = outcome.left.iter().map(|(uuid, _)| uuid.as_ref()).collect();
    assert_eq!(left, ["c", "d"]);
    gate.wait();
    until(|| asides.stuck() == 0);
}

#[test]
fn at_the_end_of_the_time_the_rest_is_left() {
    let slow = |uuid: String| {
        std::thread::sleep(Duration::from_millis(30));
        uuid
    };
    let asides = Arc::new(Asides::default());
    let started = Instant::now();
    let orders = Orders { end: started + Duration::from_millis(200), ..orders(2, slow) };
    let outcome = work(numbered(100), orders, &asides);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(outcome.done.len() + outcome.late.len() + outcome.left.len(), 100);
    assert!(!outcome.left.is_empty() && !outcome.done.is_empty());
    until(|| asides.stuck() == 0);
}

#[test]
fn calls_that_panic_cost_their_instance_only() {
    let fail = |uuid: String| {
        if uuid == "bad" {
            std::panic::panic_any("expected by the test");
        }
        uuid
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["a", "bad", "b"]), orders(1, fail), &asides);
    let failed = outcome.done.iter().filter(|(_, result)| result.is_none()).count();
    assert_eq!((outcome.done.len(), failed, asides.stuck()), (3, 1, 0));
}

#[test]
fn no_more_calls_are_under_way_than_there_are_places() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (Arc::clone(&now), Arc::clone(&most));
    let count = move |uuid: String| {
        peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
        counted.fetch_sub(1, Ordering::SeqCst);
        uuid
    };
    work(numbered(40), orders(3, count), &Arc::new(Asides::default()));
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}
