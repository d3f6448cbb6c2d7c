//! Guests written in WebAssembly text and made into components within milliseconds, so that host tests need no guest
//! toolchain and can do what no compiler would let a guest do.
//!
//! ```text
//!  Wat { imports, items, meter, meters, poll } ─template─▶ core module ─encode─▶ component of the contract in wit/
//! ```
//!
//! The template keeps a module's memory in these places; a test reads and writes them by their names:
//!
//! | address | what lies there |
//! |---|---|
//! | 0 | the meter's name, and at 128 its unit |
//! | 256 | the record of the meter and the result of `meters` |
//! | 512 | the result of `poll` |
//! | [`SAMPLE`] | one good sample, written anew before each poll's body |
//! | [`SCRATCH`] | free for texts of the test |
//! | [`SAMPLES`] | what [`Samples`] lays out |
//! | 65,536 | what the host passes in |

#![forbid(unsafe_code)]

pub mod corpus;
mod samples;
mod template;

pub use samples::{Sample, Samples, Value, Volume};
pub use template::{Kind, Meter, Wat, encode};

use std::fmt::Write as _;

/// Where the template puts one good sample of its meter with the volume 42 and the instance's own resource id.
pub const SAMPLE: u32 = 1024;
/// Where the sample's volume lies: the discriminant, and the payload 8 bytes on.
pub const VOLUME: u32 = SAMPLE + 8;
/// Where the sample's resource id lies: the discriminant, then pointer and length.
pub const RESOURCE: u32 = SAMPLE + 24;
/// Free for texts of the test.
pub const SCRATCH: u32 = 2048;
/// Where [`Samples`] begin; they may take what is left of the first page.
pub const SAMPLES: u32 = 16_384;

/// A poll that returns the one good sample.
pub const GOOD: &str = "(call $ok (i32.const 1024) (i32.const 1))";

/// A data segment at [`SCRATCH`].
pub fn text_at_scratch(text: &str) -> String {
    data(SCRATCH, text.as_bytes())
}

/// A data segment.
pub(crate) fn data(address: u32, bytes: &[u8]) -> String {
    let mut text = format!("(data (i32.const {address}) \"");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\{byte:02x}");
    }
    text + "\")"
}
