//! Which deliveries of a channel are settled, and which acknowledgement says so.
//!
//! A channel numbers its deliveries from 1 on, over all of its consumers together. They come in out of order, for each consumer has
//! a buffer of its own, and are settled out of order: decoders overtake each other, and a dead letter waits for the broker. AMQP can
//! acknowledge all deliveries up to a tag at once, which is worth using: one frame per batch instead of hundreds. So the ledger keeps
//! the tags in order, with a place for those that are yet to come in; whatever is settled from the front on goes with one
//! acknowledgement, and only what is stuck behind a waiting dead letter or an unseen delivery is acknowledged singly, lest one
//! message hold up the rest.

use std::collections::VecDeque;

/// The longest ledger, a byte for each tag: it grows while a dead letter at its front waits and the rest goes on.
const MAX_TAGS: usize = 1 << 20;

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
    /// The broker has sent it, for it has sent a later one; it is not with the decoders yet.
    Unseen,
    Open,
    /// Its dead letter is on the way.
    Waiting,
    Settled,
    /// Acknowledged on its own.
    Gone,
}

/// A tag that the broker cannot have given, or one that is too far from the oldest that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the delivery tag {tag} does not follow; the oldest unacknowledged is {first}")]
pub(super) struct Astray {
    pub tag: u64,
    pub first: u64,
}

/// The deliveries between the oldest unacknowledged and the newest.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The tag of the front entry; tags are consecutive.
    first: u64,
    states: VecDeque<State>,
    /// How many are open, waiting, or settled and yet to be acknowledged.
    open: usize,
    /// Unacknowledged messages that the broker hands out at most: a tag skips no more than these.
    window: usize,
}

impl Ledger {
    /// The ledger of a new channel.
    pub(super) fn new(window: usize) -> Self {
        Self { first: 1, states: VecDeque::new(), open: 0, window }
    }

    /// A delivery goes to the decoders. A tag that was there before, or that skips more than the broker may have handed out, could
    /// never be acknowledged.
    pub(super) fn open(&mut self, tag: u64) -> Result<(), Astray> {
        let astray = Astray { tag, first: self.first };
        let at = tag.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()).ok_or(astray)?;
        if at >= self.states.len() {
            if at - self.states.len() > self.window || at >= MAX_TAGS {
                return Err(astray);
            }
            self.states.resize(at + 1, State::Unseen);
        }
        if self.states[at] != State::Unseen {
            return Err(astray);
        }
        self.states[at] = State::Open;
        self.open += 1;
        Ok(())
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
        // What was never opened, or is acknowledged already, stays as it is.
        if let Some(entry @ (State::Open | State::Waiting)) = entry {
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
        if matches!(self.states.front(), Some(State::Waiting | State::Unseen)) {
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
        let mut ledger = Ledger::new(10);
        tags.for_each(|tag| ledger.open(tag).unwrap());
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
        ledger.open(2).unwrap();
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [], "a late word about an old tag");
        ledger.settle(2);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(2)]);
    }

    #[test]
    fn two_consumers_deliveries_are_acknowledged_by_their_own_tags() {
        let mut ledger = Ledger::new(10);
        for tag in [1, 3, 2] {
            ledger.open(tag).unwrap();
        }
        ledger.settle(3);
        assert_eq!(ledger.acknowledge(), []);
        ledger.settle(1);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(1)], "2 is open");
        ledger.settle(2);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(3)]);
        assert!(ledger.is_clear());
    }

    #[test]
    fn a_later_tag_on_an_empty_ledger_does_not_acknowledge_an_earlier_one() {
        let mut ledger = ledger(1..=9);
        (1..=9).for_each(|tag| ledger.settle(tag));
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(9)]);
        ledger.open(11).unwrap();
        ledger.settle(11);
        assert_eq!(ledger.acknowledge(), [Ack::One(11)], "10 is yet to be decoded");
        assert!(ledger.is_clear(), "a stopping collector leaves 10 to the broker");
        ledger.open(10).unwrap();
        assert_eq!(ledger.acknowledge(), []);
        ledger.settle(10);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(10)]);
        ledger.open(12).unwrap();
        ledger.settle(12);
        assert_eq!(ledger.acknowledge(), [Ack::UpTo(12)]);
    }

    #[test]
    fn a_tag_that_the_broker_cannot_have_given_is_told() {
        let mut ledger = Ledger::new(10);
        for wrong in [0, 12, u64::MAX] {
            assert_eq!(ledger.open(wrong), Err(Astray { tag: wrong, first: 1 }));
        }
        assert!(ledger.states.is_empty() && ledger.is_clear(), "nothing was made room for");
        ledger.open(11).unwrap();
        assert!(ledger.open(11).is_err(), "twice");
        ledger.settle(5);
        assert_eq!(ledger.acknowledge(), [], "5 was never opened");
    }

    #[test]
    fn a_ledger_behind_a_stuck_dead_letter_does_not_grow_without_end() {
        let mut ledger = ledger(1..=1);
        ledger.wait(1);
        let last = (2..).find(|tag| ledger.open(*tag).is_err()).unwrap();
        assert_eq!(last as usize, MAX_TAGS + 1);
    }

    /// A small generator of its own, so that a failure can be had again from its seed (xorshift64).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    /// A broker, two consumers' buffers, decoders and burials, in random order.
    fn interleaving(seed: u64) {
        const WINDOW: usize = 12;
        const MESSAGES: u64 = 200;
        let mut chance = Chance(seed);
        let mut ledger = Ledger::new(WINDOW);
        let mut next = 1;
        let mut buffers = [VecDeque::new(), VecDeque::new()];
        let (mut open, mut waiting) = (Vec::new(), Vec::new());
        let mut unacknowledged = std::collections::BTreeSet::new();
        let mut settled = std::collections::BTreeSet::new();
        for step in 0.. {
            assert!(step < 100_000, "seed {seed}: stalled");
            if next > MESSAGES && unacknowledged.is_empty() {
                break;
            }
            match chance.below(6) {
                0 | 1 if next <= MESSAGES && unacknowledged.len() < WINDOW => {
                    unacknowledged.insert(next);
                    buffers[chance.below(2)].push_back(next);
                    next += 1;
                }
                2 => {
                    if let Some(tag) = buffers[chance.below(2)].pop_front() {
                        ledger.open(tag).unwrap();
                        open.push(tag);
                    }
                }
                3 if !open.is_empty() => {
                    let tag = open.swap_remove(chance.below(open.len()));
                    if chance.below(4) == 0 {
                        ledger.wait(tag);
                        waiting.push(tag);
                    } else {
                        ledger.settle(tag);
                        settled.insert(tag);
                    }
                }
                4 if !waiting.is_empty() => {
                    let tag = waiting.swap_remove(chance.below(waiting.len()));
                    ledger.settle(tag);
                    settled.insert(tag);
                }
                5 => {
                    for ack in ledger.acknowledge() {
                        let (Ack::UpTo(tag) | Ack::One(tag)) = ack;
                        assert!(unacknowledged.contains(&tag), "seed {seed}: {ack:?} twice");
                        let acknowledged: Vec<u64> = match ack {
                            Ack::One(tag) => vec![tag],
                            Ack::UpTo(tag) => unacknowledged.range(..=tag).copied().collect(),
                        };
                        for tag in acknowledged {
                            assert!(settled.contains(&tag), "seed {seed}: {ack:?} took the unsettled {tag}");
                            unacknowledged.remove(&tag);
                        }
                    }
                }
                _ => {}
            }
        }
        assert!(ledger.is_clear() && ledger.states.is_empty(), "seed {seed}");
    }

    #[test]
    fn whatever_the_order_nothing_unsettled_is_acknowledged_and_all_is_in_the_end() {
        for seed in 1..=500 {
            interleaving(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        }
    }
}
