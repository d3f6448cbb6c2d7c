//! A few threads that make calls for one instance each, of which any can hang.
//!
//! ```text
//!   queue ──▶ place 1: at instance a since t ──▶ done
//!         ──▶ place 2: at instance b since t ──▶ done
//!         ──▶ place 3: at instance c since t …… past the deadline: the place is given up, c is set aside
//!                                               └ the thread returns, some day: c is polled again, the thread ends
//! ```
//!
//! Each thread takes the next instance from the queue when it is done with one, so a slow instance costs its own time and
//! no other's. A place has a tool of its own (a connection), which comes back when the work is done, and is lost with a place
//! that is given up: the thread drops it when it returns. There is one call at a time per instance and per place, and the
//! caller gives no more places than may get stuck.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tracing::Span;

use super::aside::{Asides, Who};

/// How long the overseer rests at least, so that it does not spin while the last threads leave.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What is to be done for an instance.
pub(super) type Task<T> = (Who, T);

/// The calls for one instance: with the place's tool, for the UUID and what else is known of the instance.
pub(super) type Perform<W, T, R> = Box<dyn Fn(&mut W, &str, T) -> R + Send + Sync>;

/// What a crew does, and within which bounds.
pub(super) struct Orders<W, T, R> {
    /// How long the calls for one instance may take.
    pub(super) call: Duration,
    /// When to stop.
    pub(super) end: Instant,
    /// The calls.
    pub(super) perform: Perform<W, T, R>,
}

/// What came of the tasks.
#[derive(Debug)]
pub(super) struct Outcome<W, T, R> {
    /// Results, in no order; None where the calls panicked.
    pub(super) done: Vec<(Arc<str>, Option<R>)>,
    /// Instances that were set aside.
    pub(super) late: Vec<Arc<str>>,
    /// Tasks that nobody came to: every place was given up, or the time was over.
    pub(super) left: VecDeque<Task<T>>,
    /// The tools of the places that were not given up.
    pub(super) tools: Vec<W>,
}

enum Place {
    Free,
    At { who: Who, since: Instant },
    GivenUp,
}

struct Board<T> {
    queue: VecDeque<Task<T>>,
    places: Vec<Place>,
}

struct Room<W, T, R> {
    orders: Orders<W, T, R>,
    asides: Arc<Asides>,
    board: Mutex<Board<T>>,
}

enum Message<W, R> {
    Done(Arc<str>, Option<R>),
    /// A thread found nothing more to do.
    Left(W),
}

/// Does the tasks, with a thread per tool; returns when all are done, late or left.
pub(super) fn work<W, T, R>(
    queue: VecDeque<Task<T>>,
    tools: Vec<W>,
    orders: Orders<W, T, R>,
    asides: &Arc<Asides>,
) -> Outcome<W, T, R>
where
    W: Send + 'static,
    T: Send + 'static,
    R: Send + 'static,
{
    let places = tools.iter().map(|_| Place::Free).collect();
    let board = Mutex::new(Board { queue, places });
    let room = Arc::new(Room { orders, asides: Arc::clone(asides), board });
    let (sender, receiver) = channel();
    let mut present = 0;
    for (place, tool) in tools.into_iter().enumerate() {
        let (room, sender, span) = (Arc::clone(&room), sender.clone(), Span::current());
        let thread = Builder::new().name(format!("libvirt-read-{place}"));
        match thread.spawn(move || span.in_scope(|| room.serve(place, tool, &sender))) {
            Ok(_) => present += 1,
            Err(error) => tracing::warn!(%error, "a thread to read instances did not start"),
        }
    }
    drop(sender);
    room.oversee(present, &receiver)
}

impl<W, T, R> Room<W, T, R> {
    /// What a thread does.
    fn serve(&self, place: usize, mut tool: W, sender: &Sender<Message<W, R>>) {
        while let Some((who, task)) = self.take(place) {
            let result =
                catch_unwind(AssertUnwindSafe(|| (self.orders.perform)(&mut tool, &who.uuid, task))).ok();
            if !self.keep(place) {
                self.asides.returned(&who.uuid);
                return;
            }
            if sender.send(Message::Done(who.uuid, result)).is_err() {
                return;
            }
        }
        // Nobody listens only where the overseer stopped, which it does not before every thread has left.
        let _ = sender.send(Message::Left(tool));
    }

    /// The next task, with the place marked as being at it.
    fn take(&self, place: usize) -> Option<Task<T>> {
        let mut board = self.lock();
        let task = board.queue.pop_front()?;
        if let Some(mark) = board.places.get_mut(place) {
            *mark = Place::At { who: task.0.clone(), since: Instant::now() };
        }
        Some(task)
    }

    /// Frees the place after a task; false where it was given up meanwhile.
    fn keep(&self, place: usize) -> bool {
        match self.lock().places.get_mut(place) {
            Some(Place::GivenUp) | None => false,
            Some(mark) => {
                *mark = Place::Free;
                true
            }
        }
    }

    /// Collects results and gives places up, until every one of `present` threads has left or was given up.
    fn oversee(&self, mut present: usize, receiver: &Receiver<Message<W, R>>) -> Outcome<W, T, R> {
        let mut outcome =
            Outcome { done: Vec::new(), late: Vec::new(), left: VecDeque::new(), tools: Vec::new() };
        while present > 0 {
            // Before each result, not only when none comes: the others' results must not hide one that is late.
            let now = Instant::now();
            if now >= self.next_expiry(now) {
                let late = self.give_up(now, &mut outcome.left);
                present = present.saturating_sub(late.len());
                outcome.late.extend(late);
                if present == 0 {
                    break;
                }
            }
            let wait = self.next_expiry(now).saturating_duration_since(now).max(SHORTEST_WAIT);
            match receiver.recv_timeout(wait) {
                Ok(Message::Done(uuid, result)) => outcome.done.push((uuid, result)),
                Ok(Message::Left(tool)) => {
                    present -= 1;
                    outcome.tools.push(tool);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // A thread that was not given up sends its results before it leaves. One that was may have sent results before: they are
        // in the channel, where giving up the last place left them.
        for message in receiver.try_iter() {
            match message {
                Message::Done(uuid, result) => outcome.done.push((uuid, result)),
                Message::Left(tool) => outcome.tools.push(tool),
            }
        }
        outcome.left.append(&mut self.lock().queue);
        outcome
    }

    /// When the next place can be late, or the time is over.
    fn next_expiry(&self, now: Instant) -> Instant {
        let board = self.lock();
        let expiries = board.places.iter().filter_map(|place| match place {
            Place::At { since, .. } => Some(*since + self.orders.call),
            Place::Free | Place::GivenUp => None,
        });
        // A thread between two tasks is not at one; whatever it takes next cannot be late before this.
        expiries.chain([now + self.orders.call, self.orders.end]).min().unwrap_or(now)
    }

    /// Gives up the places that are late, all of them when the time is over; sets their instances aside.
    fn give_up(&self, now: Instant, left: &mut VecDeque<Task<T>>) -> Vec<Arc<str>> {
        let mut board = self.lock();
        let over = now >= self.orders.end;
        if over {
            left.append(&mut board.queue);
        }
        let mut late = Vec::new();
        for place in &mut board.places {
            let Place::At { who, since } = place else { continue };
            if over || now >= *since + self.orders.call {
                self.asides.put(who, *since);
                late.push(Arc::clone(&who.uuid));
                *place = Place::GivenUp;
            }
        }
        late
    }

    fn lock(&self) -> MutexGuard<'_, Board<T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
