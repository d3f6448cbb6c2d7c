//! Samples laid out in a guest's memory as the canonical ABI has them: what a test wants on the wire, to the bit.

use crate::{SAMPLES, data};

/// Where the first page ends, and with it what the template leaves to samples.
const END: usize = 65_536;
/// Bytes of the contract's `sample`, and of one entry of its metadata.
const SAMPLE_SIZE: usize = 48;
const ENTRY_SIZE: usize = 24;

/// A sample of the template's meter.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The meter's name.
    pub meter: &'a str,
    /// The volume.
    pub volume: Volume,
    /// None: the instance's UUID.
    pub resource_id: Option<&'a str>,
    /// Keys, dotted ones included, and their values.
    pub metadata: &'a [(&'a str, Value<'a>)],
}

/// The contract's `volume`.
#[derive(Clone, Copy, Debug)]
pub enum Volume {
    /// A non-negative integer.
    Count(u64),
    /// An integer.
    Signed(i64),
    /// A double.
    Real(f64),
}

/// The contract's `value`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// An integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// No value.
    Null,
}

/// Samples in memory: the data segment for [`Wat::items`](crate::Wat::items) and the text for
/// [`Wat::poll`](crate::Wat::poll).
#[derive(Clone, Debug)]
pub struct Samples {
    /// The data segment.
    pub items: String,
    /// Returns them.
    pub poll: String,
}

impl Samples {
    /// Lays samples out from [`SAMPLES`] on.
    ///
    /// # Panics
    /// Where they do not fit into the first page.
    pub fn new(samples: &[Sample<'_>]) -> Self {
        let mut memory = Memory::default();
        let list = memory.reserve(samples.len() * SAMPLE_SIZE);
        for (number, sample) in samples.iter().enumerate() {
            let at = list + number * SAMPLE_SIZE;
            memory.text(at, sample.meter);
            let (case, bits) = match sample.volume {
                Volume::Count(count) => (0, count),
                Volume::Signed(number) => (1, number as u64),
                Volume::Real(number) => (2, number.to_bits()),
            };
            memory.variant(at + 8, case, bits);
            if let Some(id) = sample.resource_id {
                memory.bytes[at + 24] = 1;
                memory.text(at + 28, id);
            }
            let entries = memory.reserve(sample.metadata.len() * ENTRY_SIZE);
            memory.list(at + 36, entries, sample.metadata.len());
            for (number, (key, value)) in sample.metadata.iter().enumerate() {
                memory.entry(entries + number * ENTRY_SIZE, key, value);
            }
        }
        assert!(SAMPLES as usize + memory.bytes.len() <= END, "samples of {} bytes", memory.bytes.len());
        let poll = format!("(call $ok (i32.const {SAMPLES}) (i32.const {}))", samples.len());
        Self { items: data(SAMPLES, &memory.bytes), poll }
    }
}

/// What stands from [`SAMPLES`] on; positions count from there.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
}

impl Memory {
    /// Room for this many bytes, aligned for everything.
    fn reserve(&mut self, length: usize) -> usize {
        let at = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(at + length, 0);
        at
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn list(&mut self, at: usize, items: usize, count: usize) {
        let address = u32::try_from(SAMPLES as usize + items).unwrap_or(u32::MAX);
        self.put(at, &address.to_le_bytes());
        self.put(at + 4, &u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, at: usize, text: &str) {
        let bytes = self.reserve(text.len());
        self.put(bytes, text.as_bytes());
        self.list(at, bytes, text.len());
    }

    /// A variant whose largest case has 8 bytes.
    fn variant(&mut self, at: usize, case: u8, bits: u64) {
        self.bytes[at] = case;
        self.put(at + 8, &bits.to_le_bytes());
    }

    fn entry(&mut self, at: usize, key: &str, value: &Value<'_>) {
        self.text(at, key);
        match *value {
            Value::Text(text) => {
                self.bytes[at + 8] = 0;
                self.text(at + 16, text);
            }
            Value::Integer(number) => self.variant(at + 8, 1, number as u64),
            Value::Real(number) => self.variant(at + 8, 2, number.to_bits()),
            Value::Flag(flag) => self.variant(at + 8, 3, u64::from(flag)),
            Value::Null => self.variant(at + 8, 4, 0),
        }
    }
}
