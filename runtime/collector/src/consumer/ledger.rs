//! Which deliveries of a channel are settled, and which acknowledgement says so.
//!
//! Messages are settled out of order: decoders overtake each other, and a dead letter waits for the broker. AMQP can acknowledge all
//! deliveries up to a tag at once, which is worth using: one frame per batch instead of hundreds. So the ledger keeps the
//! open tags in order; whatever is settled from the front on goes with one acknowledgement, and only what is stuck behind a waiting
//! dead letter is acknowledged singly, lest one bad message hold up the rest.

use std::collections::VecDeque;

/// An acknowledgement to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// All deliveries up to the tag.
    UpTo(u64),
    /// The delivery alone.
    One(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Its dead letter is on the way.
    Waiting,
    Settled,
    /// Acknowledged on its own.
    Gone,
}

/// The deliveries between the oldest unacknowledged and the newest; at most as many as the broker hands out.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The tag of the front entry; tags are consecutive.
    first: u64,
    states: VecDeque<State>,
    open: usize,
}

impl Ledger {
    /// A delivery came in.
    pub(super) fn open(&mut self, tag: u64) {
        if self.states.is_empty() {
            self.first = tag;
        }
        self.states.push_back(State::Open);
        self.open += 1;
    }

    /// Its samples are committed, its dead letter is yet to be confirmed.
    pub(super) fn wait(&mut self, tag: u64) {
        self.set(tag, State::Waiting);
    }

    /// Nothing of it is left to do.
    pub(super) fn settle(&mut self, tag: u64) {
        self.set(tag, State::Settled);
    }

    /// Whether all deliveries are settled and acknowledged.
    pub(super) fn is_clear(&self) -> bool {
        self.open == 0
    }

    fn set(&mut self, tag: u64, state: State) {
        let entry = tag.checked_sub(self.first).and_then(|at| self.states.get_mut(usize::try_from(at).ok()?));
        if let Some(entry) = entry {
            *entry = state;
        }
    }

    /// What can be acknowledged now; each settled delivery is named once.
    pub(super) fn acknowledge(&mut self) -> Vec<Ack> {
        let mut acks = Vec::new();
        let mut up_to = None;
        while let Some(state @ (State::Settled | State::Gone)) = self.states.front().copied() {
            if state == State::Settled {
                up_to = Some(self.first);
                self.open -= 1;
            }
            self.states.pop_front();
            self.first += 1;
        }
        acks.extend(up_to.map(Ack::UpTo));
        if self.states.front() == Some(&State::Waiting) {
            for (tag, state) in (self.first..).zip(&mut self.states) {
                if *state == State::Settled {
                    *state = State::Gone;
                    self.open -= 1;
                    acks.push(Ack::One(tag));
                }
            }
        }
        acks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(tags: std::ops::RangeInclusive<u64>) -> Ledger {
        let mut ledger = Ledger::default();
        tags.for_each(|tag| ledger.open(tag));
        ledger
    }

    #[test]
    fn a_batch_goes_with_one_acknowledgement() {
        let mut ledger = ledger(1..=5);
        for tag in [3, 1, 4, 2] {
            ledger.settle(tag);
        }
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(4)]);
        assert_eq!(ledger.acknowledge(), []);
        ledger.settle(5);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(5)]);
        assert!(ledger.is_clear());
    }

    #[test]
    fn a_gap_is_never_acknowledged_with_its_successors() {
        let mut ledger = ledger(1..=4);
        ledger.settle(2);
        ledger.settle(4);
        assert_eq!(ledger.acknowledge(), [], "1 is still being decoded");
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(2)]);
        assert!(!ledger.is_clear());
    }

    #[test]
    fn a_waiting_dead_letter_does_not_hold_up_the_rest() {
        let mut ledger = ledger(1..=4);
        ledger.wait(1);
        ledger.settle(2);
        ledger.settle(3);
        assert_eq!(ledger.acknowledge(), [Ack::One(2), Ack::One(3)]);
        assert_eq!(ledger.acknowledge(), []);
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(1)], "2 and 3 were named already, 4 is open");
        ledger.settle(4);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(4)]);
        assert!(ledger.is_clear());
    }

    #[test]
    fn tags_go_on_after_the_ledger_was_clear() {
        let mut ledger = ledger(1..=1);
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(1)]);
        ledger.open(2);
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [], "a late word about an old tag");
        ledger.settle(2);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(2)]);
    }
}
