use super::*;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Long beside what a loaded machine takes for a task that does nothing.
const CALL: Duration = Duration::from_secs(1);

fn who(uuid: &str) -> Who {
    Who { uuid: uuid.into(), name: format!("vm {uuid}").into() }
}

fn tasks<S: AsRef<str>>(uuids: &[S]) -> VecDeque<Task<u32>> {
    uuids.iter().zip(0..).map(|(uuid, number)| (who(uuid.as_ref()), number)).collect()
}

fn numbered(count: usize) -> VecDeque<Task<u32>> {
    let uuids: Vec<String> = (0..count).map(|number| format!("u{number}")).collect();
    tasks(&uuids)
}

type Order = Orders<usize, u32, u32>;

fn orders(perform: impl Fn(&str, u32) -> u32 + Send + Sync + 'static) -> Order {
    let end = Instant::now() + Duration::from_secs(30);
    Orders { call: CALL, end, perform: Box::new(move |_, uuid, number| perform(uuid, number)) }
}

/// As many tools as there are places: numbers.
fn tools(places: usize) -> Vec<usize> {
    (0..places).collect()
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
    let outcome = work(numbered(500), tools(3), orders(|_, number| number * 2), &asides);
    let results: BTreeSet<u32> = outcome.done.iter().filter_map(|(_, result)| *result).collect();
    assert_eq!((outcome.done.len(), results.len()), (500, 500));
    assert_eq!((outcome.late.len(), outcome.left.len(), asides.stuck()), (0, 0, 0));
    assert_eq!(outcome.tools.iter().sum::<usize>(), 3, "every tool comes back");
}

#[test]
fn an_instance_that_hangs_is_set_aside_until_its_call_returns() {
    let gate = Arc::new(Barrier::new(2));
    let wait = Arc::clone(&gate);
    let hang = move |uuid: &str, number| {
        if uuid == "hung" {
            wait.wait();
        }
        number
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["a", "hung", "b", "c", "d"]), tools(2), orders(hang), &asides);
    assert_eq!(names(&outcome.late), ["hung"]);
    assert_eq!((outcome.done.len(), outcome.left.len()), (4, 0), "all others are read in the same round");
    assert_eq!(outcome.tools.len(), 1, "the other's connection is stuck with its call");
    assert!(asides.has("hung"));
    gate.wait();
    until(|| !asides.has("hung"));
}

#[test]
fn when_every_place_hangs_the_rest_is_left_for_another_connection() {
    let gate = Arc::new(Barrier::new(3));
    let wait = Arc::clone(&gate);
    let hang = move |uuid: &str, number| {
        if uuid.starts_with("hung") {
            wait.wait();
        }
        number
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["hung1", "hung2", "c", "d"]), tools(2), orders(hang), &asides);
    assert_eq!(outcome.late.len(), 2);
    let left: Vec<&str> = outcome.left.iter().map(|(who, _)| who.uuid.as_ref()).collect();
    assert_eq!(left, ["c", "d"]);
    gate.wait();
    until(|| asides.stuck() == 0);
}

#[test]
fn at_the_end_of_the_time_the_rest_is_left() {
    let slow = |_: &str, number| {
        std::thread::sleep(Duration::from_millis(30));
        number
    };
    let asides = Arc::new(Asides::default());
    let started = Instant::now();
    let orders = Orders { end: started + Duration::from_millis(200), ..orders(slow) };
    let outcome = work(numbered(100), tools(2), orders, &asides);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(outcome.done.len() + outcome.late.len() + outcome.left.len(), 100);
    assert!(!outcome.left.is_empty() && !outcome.done.is_empty());
    until(|| asides.stuck() == 0);
}

#[test]
fn calls_that_panic_cost_their_instance_only() {
    let fail = |uuid: &str, number| {
        if uuid == "bad" {
            std::panic::panic_any("expected by the test");
        }
        number
    };
    let asides = Arc::new(Asides::default());
    let outcome = work(tasks(&["a", "bad", "b"]), tools(1), orders(fail), &asides);
    let failed = outcome.done.iter().filter(|(_, result)| result.is_none()).count();
    assert_eq!((outcome.done.len(), failed, asides.stuck()), (3, 1, 0));
}

#[test]
fn no_more_calls_are_under_way_than_there_are_places() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (Arc::clone(&now), Arc::clone(&most));
    let count = move |_: &str, number| {
        peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
        counted.fetch_sub(1, Ordering::SeqCst);
        number
    };
    work(numbered(40), tools(3), orders(count), &Arc::new(Asides::default()));
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn results_of_a_place_that_is_given_up_later_are_kept() {
    let asides = Arc::new(Asides::default());
    let now = Instant::now();
    let places = vec![Place::At { who: who("b"), since: now }];
    let room = Room {
        orders: Orders { end: now, ..orders(|_, number| number) },
        asides: Arc::clone(&asides),
        board: Mutex::new(Board { queue: tasks(&["c"]), places }),
    };
    let (sender, receiver) = channel();
    sender.send(Message::Done(Arc::from("a"), Some(7))).unwrap();
    let outcome = room.oversee(1, &receiver);
    assert_eq!(outcome.done, [(Arc::from("a"), Some(7))]);
    assert_eq!(names(&outcome.late), ["b"]);
    assert_eq!(outcome.left.len(), 1);
}
