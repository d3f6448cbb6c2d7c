//! From the queues into the store.
//!
//! ```text
//!  broker ─▶ session ──work──▶ decoders (threads) ──decoded──▶ committer (thread) ─▶ store
//!              ▲  │               signatures, rows                batches, back-off
//!              │  └─ dead letters, acknowledgements ◀──settled──────────┘
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `run` | from start to SIGTERM: connects, works, backs off |
//! | `session` | one connection: consumes, dead-letters, acknowledges |
//! | `ledger` | which messages are settled, and which acknowledgement says so |
//! | `decode` | a message body to rows and refusals |
//! | `commit` | rows to the store, in transactions |
//! | `upkeep` | when old samples are deleted, and how many at a time |
//! | `dead_letter` | what cannot be stored, to a queue of its own |
//! | `counters` | what happened so far |
//!
//! # A message's way
//! It is settled when its good samples are committed **and** its bad ones are confirmed by the broker as dead letters; only
//! then is it acknowledged. Whatever fails before that, the broker delivers it again, and samples that the store has by then are
//! known by their message_id. So nothing is lost and nothing is stored twice.
//!
//! # What fails, and what then happens
//! | failure | consequence |
//! |---|---|
//! | a body that cannot be read, a sample that is forged or malformed | dead-lettered with the reason; the other samples are stored |
//! | the store is locked, full, gone | the batch is tried again with back-off; nothing is acknowledged, so the broker keeps what comes |
//! | old samples cannot be deleted | it is said once and tried again with back-off; samples are stored meanwhile |
//! | a thread panics | the collector ends with an error, for a supervisor to start it anew; unsettled messages come again |
//! | the connection breaks, a queue is deleted | reconnected with back-off and jitter, declared anew; unsettled messages come again |
//! | the broker refuses a dead letter | its message stays unacknowledged, the session ends and begins anew |
//!
//! # Bounds
//! The broker hands out `prefetch` messages per queue and no more before they are acknowledged; every message between the
//! broker and the store is one of them. A body above `max_message_bytes` is cut to 64 KiB as soon as it is taken in, with its true
//! size in a header of the dead letter. So from there on, memory is bounded by `prefetch` × queues × `max_message_bytes`, and what a
//! body takes while it is decoded, in as many threads as decode: a few times its size as a rule, some sixty times if it is a list of
//! zeros. Messages that the client has received and that are not taken in yet are whole; they wait there only while the decoders have no
//! room, and the broker's own `max_message_size` bounds each. A decoding thread remembers at most 32 MiB of metadata. The ledger of a
//! connection has a byte for each delivery behind a dead letter that waits, and ends the connection at a million.

mod commit;
mod counters;
mod dead_letter;
mod decode;
#[cfg(test)]
mod fixture;
mod ledger;
mod run;
mod session;
mod upkeep;

pub use counters::Summary;
pub use run::{CollectError, run};
