//! Statements that find samples along an index.
//!
//! Each asks the days' tables and `sample_other` on their own, in order, and merges the two: so PostgreSQL goes from day to day along
//! the index and stops as soon as it has enough. `OFFSET 0` keeps it from making one heap of all tables first.

use postgres::Row;

use super::incoming::{message_id, read_message_id};
use super::moment::Moment;
use crate::{Ends, Found, Order, Path, Range, Scan, StoreError, Volume};

/// Around the statement that declares a scan's cursor: PostgreSQL plans the two parts as if all of them was to be read, and would sort
/// what it knows little of. The plan is made there, so that other statements keep what they had.
pub(super) const ALONG_INDEXES: &str =
    "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off";
const ANY_WAY: &str =
    "SET LOCAL enable_sort = on; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_seqscan = on";

/// Declares the cursor `scan`.
pub(super) fn declare(scan: &Scan) -> String {
    format!("{ALONG_INDEXES}; DECLARE scan NO SCROLL CURSOR FOR {}; {ANY_WAY}", select(scan))
}

/// What [`found`] reads.
const COLUMNS: &str = "message_id, series, metadata, timestamp, recorded_at, amount, exact";
const TABLES: [&str; 2] = ["sample", "sample_other"];

/// The samples of a scan, in its order.
pub(super) fn select(scan: &Scan) -> String {
    let order = order(scan.order);
    let which = which(&scan.path, scan.range);
    let [days, other] = TABLES.map(|table| {
        format!("(SELECT {COLUMNS} FROM {table} WHERE {which} ORDER BY timestamp {order} OFFSET 0)")
    });
    format!("{days} UNION ALL {other} ORDER BY timestamp {order}")
}

/// The condition on samples.
pub(super) fn which(path: &Path, range: Range) -> String {
    let mut clauses = match path {
        Path::Message(id) => {
            let digits: String = message_id(id).iter().map(|byte| format!("{byte:02x}")).collect();
            vec![format!("message_id = '\\x{digits}'::bytea")]
        }
        Path::Resource { resource, meter: None } => vec![format!("resource = {resource}")],
        Path::Resource { resource, meter: Some(meter) } => {
            vec![format!("resource = {resource}"), format!("meter = {meter}")]
        }
        Path::Meter(meter) => vec![format!("meter = {meter}")],
        Path::Time => vec!["true".into()],
    };
    clauses.extend(range.from.map(|from| format!("timestamp >= {}", Moment::new(from).literal())));
    clauses.extend(range.until.map(|until| format!("timestamp < {}", Moment::new(until).literal())));
    clauses.join(" AND ")
}

fn order(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    }
}

/// The ends of the resources whose ids are the parameter.
pub(super) fn ends(range: Range) -> String {
    let which = which(&Path::Time, range);
    let end = |columns: &str, order: Order| {
        let order = self::order(order);
        let [days, other] = TABLES.map(|table| {
            format!(
                "(SELECT {columns} FROM {table} WHERE resource = wanted.id AND {which} ORDER BY timestamp {order} LIMIT 1)"
            )
        });
        format!("(SELECT * FROM ({days} UNION ALL {other}) AS either ORDER BY timestamp {order} LIMIT 1)")
    };
    format!(
        "SELECT wanted.id, first.timestamp, last.* FROM unnest($1::bigint[]) AS wanted (id) \
         CROSS JOIN LATERAL {} AS first CROSS JOIN LATERAL {} AS last",
        end("timestamp", Order::OldestFirst),
        end(COLUMNS, Order::NewestFirst),
    )
}

/// A row of [`ends`].
pub(super) fn ends_of(row: &Row) -> Result<Ends, StoreError> {
    Ok(Ends { resource: row.get(0), first: row.get::<_, Moment>(1).micros(), last: found(row, 2)? })
}

/// The sample whose columns begin there.
pub(super) fn found(row: &Row, at: usize) -> Result<Found, StoreError> {
    let message_id = read_message_id(row.get(at))
        .ok_or_else(|| StoreError::Damaged("its message_id is neither a UUID nor a text".into()))?;
    Ok(Found {
        message_id,
        series: row.get(at + 1),
        metadata: row.get(at + 2),
        timestamp: row.get::<_, Moment>(at + 3).micros(),
        recorded_at: row.get::<_, Moment>(at + 4).micros(),
        volume: Volume { amount: row.get(at + 5), exact: row.get(at + 6) },
    })
}
