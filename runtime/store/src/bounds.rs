//! How much a query may ask for, read and find.
//!
//! A query ends at its limit, and after [`DEADLINE`] in any case: a clause on metadata that nothing fulfils would otherwise read
//! the whole store. It fails where its samples have more than [`MAX_FOUND_METADATA`]: a limit alone would allow ten times that, and
//! what is read takes several times the memory of its text.

use std::time::Duration;

/// What a query finds at most unless it says otherwise: python-ceilometerclient's.
pub const DEFAULT_LIMIT: usize = 100;
/// The most that a query can ask for: about 15 MB as JSON with a genuine agent's metadata.
pub const MAX_LIMIT: usize = 10_000;
/// The most metadata that the samples or resources of a query may have together, in bytes of JSON, counted for each that has it, since
/// each one's is shown: a sample's own may have 64 KiB. Genuine ones have about 1 KiB.
pub const MAX_FOUND_METADATA: usize = 64 << 20;
/// The longest text of a query, in bytes.
pub const MAX_QUERY: usize = 8 << 10;
/// The most conditions of a query.
pub const MAX_CLAUSES: usize = 32;
/// The same with what is added to it: the meter, a token's projects. No more than a judge has bits.
pub const MAX_SCOPED_CLAUSES: usize = 64;
/// The most regular expressions of a query.
pub const MAX_PATTERNS: usize = 4;
/// How deep a complex query may be nested.
pub const MAX_DEPTH: usize = 16;
/// The most groups and periods of statistics.
pub const MAX_STATISTICS: usize = 10_000;
/// The most tallies that they may be made of: a cardinality has one for each value that it counts.
pub const MAX_TALLIES: usize = 1_000_000;
/// The most series that one meter's statistics may be made of.
pub const MAX_TALLIED_SERIES: usize = 1_000_000;
/// How long a query may read.
pub const DEADLINE: Duration = Duration::from_secs(10);
