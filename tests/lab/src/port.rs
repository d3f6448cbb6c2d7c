//! Free loopback ports.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range that the kernel gives to outgoing connections (32768 on), so that a neighbour that stops and starts
/// again finds its port still free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// More than enough: the range is nearly empty on any machine.
const ATTEMPTS: usize = 200;

/// A loopback port that nobody listens on at this moment, drawn at random so that tests running beside each other do
/// not meet.
pub fn free_port() -> Result<u16> {
    for _ in 0..ATTEMPTS {
        // RandomState is seeded differently for each value: the standard library's only source of randomness.
        let draw = RandomState::new().build_hasher().finish();
        let port = RANGE.start + (draw % RANGE.len() as u64) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end)
}
