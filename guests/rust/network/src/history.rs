//! What is remembered between polls: the byte counters of each vnic when they were last read, by the name of its tap.
//!
//! ```text
//!  version (1), then for each vnic:
//!  length of the name (1) │ name │ received │ sent         a counter: 0, or 1 │ count (8) │ taken at (8), little endian
//! ```
//!
//! What does not read so to the last byte is as if it were not there. A counter that is missing in a poll keeps its last reading and
//! the time of it, so that the deltas of a vnic add up; a vnic that is missing is forgotten.

use crate::change::{Change, Reading};

/// The first byte. A form of another meaning gets another one, for a newer guest finds what an older one stored.
const VERSION: u8 = 1;

/// Bytes of a vnic beside its name.
const VNIC_BYTES: usize = 1 + 2 * COUNTER_BYTES;
const COUNTER_BYTES: usize = 1 + 8 + 8;

/// A tap's name has at most 15 bytes in Linux.
const TYPICAL_NAME_BYTES: usize = 15;

/// Received and sent.
type Counters = [Option<Reading>; 2];

/// The last poll's readings, and this one's as they are recorded.
#[derive(Debug)]
pub(crate) struct History<'a> {
    taken_at: u64,
    before: Vec<(&'a [u8], Counters)>,
    bytes: Vec<u8>,
}

impl<'a> History<'a> {
    /// What was stored, for a poll of a snapshot that was taken now.
    pub(crate) fn of(taken_at: u64, stored: &'a [u8]) -> Self {
        let before = parse(stored).unwrap_or_default();
        let mut bytes = Vec::with_capacity(1 + (before.len() + 1) * (VNIC_BYTES + TYPICAL_NAME_BYTES));
        bytes.push(VERSION);
        Self { taken_at, before, bytes }
    }

    /// Records a vnic's counters and tells their changes.
    pub(crate) fn record(&mut self, name: &str, counts: [Option<u64>; 2]) -> [Option<Change>; 2] {
        let name = name.as_bytes();
        let last = self.before.iter().find(|(known, _)| *known == name).map_or([None; 2], |(_, last)| *last);
        let now = counts.map(|count| count.map(|count| Reading { count, taken_at: self.taken_at }));
        // A longer name than any system has is not remembered.
        if let Ok(length) = u8::try_from(name.len()) {
            self.bytes.push(length);
            self.bytes.extend_from_slice(name);
            write(&mut self.bytes, now[0].or(last[0]));
            write(&mut self.bytes, now[1].or(last[1]));
        }
        [now[0].map(|now| Change::since(last[0], now)), now[1].map(|now| Change::since(last[1], now))]
    }

    /// What to store.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn write(bytes: &mut Vec<u8>, counter: Option<Reading>) {
    match counter {
        Some(Reading { count, taken_at }) => {
            bytes.push(1);
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&taken_at.to_le_bytes());
        }
        None => bytes.push(0),
    }
}

fn parse(stored: &[u8]) -> Option<Vec<(&[u8], Counters)>> {
    let (&version, mut rest) = stored.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut vnics = Vec::with_capacity(rest.len() / VNIC_BYTES);
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length))?;
        let (received, after) = counter(after)?;
        let (sent, after) = counter(after)?;
        vnics.push((name, [received, sent]));
        rest = after;
    }
    Some(vnics)
}

fn counter(bytes: &[u8]) -> Option<(Option<Reading>, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => Some((None, rest)),
        (1, rest) => {
            let (count, rest) = rest.split_first_chunk()?;
            let (taken_at, rest) = rest.split_first_chunk()?;
            let reading =
                Reading { count: u64::from_le_bytes(*count), taken_at: u64::from_le_bytes(*taken_at) };
            Some((Some(reading), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records these vnics; their deltas, received and sent, and what is stored.
    fn poll(
        taken_at: u64,
        stored: &[u8],
        vnics: &[(&str, Option<u64>, Option<u64>)],
    ) -> (Vec<[Option<u64>; 2]>, Vec<u8>) {
        let mut history = History::of(taken_at, stored);
        let deltas = vnics.iter().map(|(name, rx, tx)| {
            history.record(name, [*rx, *tx]).map(|change| change.map(|change| change.delta))
        });
        let deltas = deltas.collect();
        (deltas, history.into_bytes())
    }

    #[test]
    fn deltas_go_from_poll_to_poll_by_the_name_of_the_tap() {
        let (first, stored) = poll(1, &[], &[("tap0", Some(10), Some(20)), ("tap1", Some(30), Some(40))]);
        assert_eq!(first, [[Some(0); 2]; 2]);
        let (second, _) = poll(2, &stored, &[("tap1", Some(31), Some(42)), ("tap0", Some(13), Some(24))]);
        assert_eq!(second, [[Some(1), Some(2)], [Some(3), Some(4)]]);
    }

    #[test]
    fn a_vnic_that_is_gone_is_forgotten() {
        let (_, stored) = poll(1, &[], &[("tap0", Some(10), Some(20)), ("tap1", Some(30), Some(40))]);
        let (_, stored) = poll(2, &stored, &[("tap1", Some(31), Some(41))]);
        assert_eq!(stored.len(), 1 + VNIC_BYTES + "tap1".len());
        let (back, _) = poll(3, &stored, &[("tap0", Some(15), Some(25))]);
        assert_eq!(back, [[Some(0); 2]]);
    }

    #[test]
    fn a_counter_that_is_missing_once_loses_no_bytes() {
        let (_, stored) = poll(1, &[], &[("tap0", Some(10), Some(20))]);
        let (gap, stored) = poll(2, &stored, &[("tap0", None, Some(25))]);
        assert_eq!(gap, [[None, Some(5)]]);
        let mut history = History::of(1 + 2_000_000_000, &stored);
        let [received, sent] = history.record("tap0", [Some(50), Some(25)]);
        assert_eq!(received, Some(Change { delta: 40, rate: Some(20.0) }), "since both polls before");
        assert_eq!(sent.map(|change| change.delta), Some(0));
    }

    #[test]
    fn what_does_not_read_to_the_last_byte_is_as_if_it_were_not_there() {
        let (_, stored) = poll(1, &[], &[("tap0", Some(10), Some(20)), ("tap1", None, Some(40))]);
        let whole = parse(&stored).unwrap();
        assert_eq!(whole.len(), 2);
        let one = stored.len() - (1 + 4 + 1 + COUNTER_BYTES);
        for end in 0..stored.len() {
            // Only where a vnic ends is a shorter text whole.
            assert_eq!(parse(&stored[..end]).is_some(), end == 1 || end == one, "{end}");
        }
        for (at, byte) in [(0, 0), (0, 2), (1, 255), (6, 2)] {
            let mut damaged = stored.clone();
            damaged[at] = byte;
            assert_eq!(parse(&damaged), None, "{at}");
            assert_eq!(poll(2, &damaged, &[("tap0", Some(50), None)]).0, [[Some(0), None]]);
        }
    }

    #[test]
    fn a_name_of_any_length_is_polled() {
        let long = "t".repeat(256);
        let (first, stored) = poll(1, &[], &[(&long, Some(1), Some(1)), ("tap0", Some(1), Some(1))]);
        assert_eq!(first, [[Some(0); 2]; 2]);
        let (second, _) = poll(2, &stored, &[(&long, Some(5), Some(5)), ("tap0", Some(5), Some(5))]);
        assert_eq!(second, [[Some(0); 2], [Some(4); 2]]);
    }
}
