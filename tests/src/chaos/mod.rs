//! Whole agents, brokers and collectors, and what may happen to them; and a running account of samples taken against samples stored.
//!
//! ```text
//!  sequence guest ─▶ agent ─▶ spool ─▶ proxy ─▶ broker(s) ─▶ proxy ─▶ collector ─▶ store
//!        │             └─ its log: cycles whose samples are on disk                  │
//!        └── a number in each sample, one more with each poll ──────── account ◀─────┘
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | the processes, and their end and new start |
//! | `account` | taken, stored, lost, doubled |
//! | `fault` | what happens to them |

mod account;
mod fault;
mod world;

pub use account::Account;
pub use fault::{Chance, Fault};
pub use world::{Setting, World, sequence};
