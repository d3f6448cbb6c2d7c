//! The queue without a spool; with one it is in the spool's own tests.

use super::*;
use crate::amqp_worker::tests::samples as made;

fn samples(count: usize) -> Batch {
    Batch::new("source".into(), made(count))
}

/// How many samples were lost.
fn lost(lost: &Lost) -> usize {
    lost.values().sum()
}

fn count(taken: &Taken) -> usize {
    taken.samples().len()
}

#[tokio::test]
async fn the_oldest_is_dropped_and_its_samples_are_counted() {
    let queue = Queue::new(2);
    assert_eq!(lost(&queue.push(samples(1))), 0);
    assert_eq!(lost(&queue.push(samples(2))), 0);
    assert_eq!(lost(&queue.push(samples(3))), 1);
    assert_eq!(count(&queue.next().await.unwrap()), 2);
}

#[test]
fn heavy_samples_are_bounded_by_their_weight() {
    let queue = Queue::new(1_000);
    let heavy = || {
        let mut batch = made(1);
        // It is kept as the object, and in three forms.
        let text = "x".repeat(MAX_BYTES / 12).into();
        let fields = [("text".to_owned(), text)].into_iter().collect();
        batch[0].extra = Some(Arc::new(sample::Metadata::new(fields)));
        Batch::new("source".into(), batch)
    };
    let gone: Vec<usize> = (0..4).map(|_| lost(&queue.push(heavy()))).collect();
    assert_eq!(gone, [0, 0, 1, 1]);
    assert_eq!(queue.waiting(), 2);
    assert_eq!(lost(&queue.drain()), 2);
    assert_eq!(queue.0.state.lock().unwrap().bytes, 0);
}

#[tokio::test]
async fn a_poll_that_is_far_ahead_waits_for_a_target_that_takes_and_for_no_other() {
    let queue = Queue::new(10 * AHEAD);
    let far = Instant::now() + Duration::from_secs(3_600);
    (0..AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
    queue.pace(far);
    queue.push(samples(1));
    // Nobody takes: it is waited for once.
    let started = Instant::now();
    queue.pace(far);
    assert!(started.elapsed() >= STALL);
    assert_eq!(queue.state().stalled_at, Some(0));
    queue.pace(far);
    assert_eq!(queue.waiting(), AHEAD + 1);
    // Somebody does: it is waited for as long as that takes.
    (0..2 * AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
    queue.next().await.unwrap().done();
    let taking = {
        let queue = queue.clone();
        tokio::spawn(async move {
            while queue.waiting() > 0 {
                queue.next().await.unwrap().done();
                tokio::task::yield_now().await;
            }
        })
    };
    let pacing = queue.clone();
    tokio::task::spawn_blocking(move || {
        pacing.pace(far);
        assert!(pacing.waiting() <= AHEAD);
    })
    .await
    .unwrap();
    taking.await.unwrap();
    // One that is closed is not waited for, nor is a deadline passed.
    (0..2 * AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
    queue.pace(Instant::now());
    queue.close();
    queue.pace(far);
}

#[tokio::test]
async fn what_is_not_done_returns_to_its_place() {
    let queue = Queue::new(8);
    (1..=3).for_each(|size| assert_eq!(lost(&queue.push(samples(size))), 0));
    let (first, second) = (queue.next().await.unwrap(), queue.next().await.unwrap());
    drop(second);
    drop(first);
    assert_eq!(queue.waiting(), 3);
    for size in 1..=3 {
        let taken = queue.next().await.unwrap();
        assert_eq!(count(&taken), size);
        taken.done();
    }
    queue.settled().await;
    assert_eq!(queue.waiting(), 0);
}

#[tokio::test]
async fn a_batch_that_returns_into_a_full_queue_is_the_oldest_and_goes() {
    let queue = Queue::new(1);
    queue.push(samples(5));
    let taken = queue.next().await.unwrap();
    assert_eq!(lost(&queue.push(samples(1))), 0);
    drop(taken);
    assert_eq!(queue.waiting(), 1);
    assert_eq!(lost(&queue.push(samples(1))), 6, "five that returned, one that waited");
    assert_eq!(lost(&queue.drain()), 1);
}

#[tokio::test]
async fn waiting_ends_when_a_batch_comes_settles_or_the_queue_closes() {
    let queue = Queue::new(2);
    let other = queue.clone();
    let consumer = tokio::spawn(async move {
        let mut sizes = Vec::new();
        while let Some(taken) = other.next().await {
            sizes.push(count(&taken));
            tokio::task::yield_now().await;
            taken.done();
        }
        sizes
    });
    for size in [1, 2] {
        queue.push(samples(size));
        queue.settled().await;
    }
    queue.close();
    queue.closed().await;
    assert_eq!(consumer.await.unwrap(), [1, 2]);
    assert!(queue.next().await.is_none());
}
