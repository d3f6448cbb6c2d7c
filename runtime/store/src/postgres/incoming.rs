//! A batch as binary COPY has it.
//!
//! Written by hand, for the client's own writer asks each of the nine values of each row for its type.

use super::dictionary::{Dictionary, SeriesIds};
use super::moment::Moment;
use crate::{MessageId, Row};

/// Where a batch is before it is known which of its samples are new; of the session alone, and empty between transactions.
pub(super) const TABLE: &str = "CREATE TEMPORARY TABLE incoming (LIKE sample) ON COMMIT DELETE ROWS";
/// Takes [`encode`]'s bytes.
pub(super) const COPY: &str = "COPY incoming (timestamp, recorded_at, series, metadata, resource, amount, meter, message_id, exact) \
     FROM STDIN (FORMAT binary)";

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COLUMNS: i16 = 9;
/// No length: NULL.
const NULL: i32 = -1;
/// No columns: the end.
const END: i16 = -1;
/// Bytes of a row, as a rule.
const USUAL: usize = 116;

/// The batch's samples, those whose entries the dictionary knows: all of them, after it has learnt them.
pub(super) fn encode(rows: &[&Row], recorded_at: Moment, dictionary: &Dictionary) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER.len() + rows.len() * USUAL);
    bytes.extend_from_slice(HEADER);
    for row in rows {
        let (Some(series), Some(metadata)) =
            (dictionary.series.get(&row.series.sha256), dictionary.metadata.get(row.metadata.sha256()))
        else {
            continue;
        };
        let SeriesIds { id, meter, resource } = series.ids;
        bytes.extend_from_slice(&COLUMNS.to_be_bytes());
        value(&mut bytes, &Moment::new(row.timestamp).bytes());
        value(&mut bytes, &recorded_at.bytes());
        value(&mut bytes, &id.to_be_bytes());
        value(&mut bytes, &metadata.ids.to_be_bytes());
        value(&mut bytes, &resource.to_be_bytes());
        value(&mut bytes, &row.volume.amount.to_be_bytes());
        value(&mut bytes, &meter.to_be_bytes());
        value(&mut bytes, &message_id(&row.message_id));
        match &row.volume.exact {
            Some(text) => value(&mut bytes, text.as_bytes()),
            None => bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
    }
    bytes.extend_from_slice(&END.to_be_bytes());
    bytes
}

fn value(bytes: &mut Vec<u8>, value: &[u8]) {
    // No value is as long as that: a text has some hundred bytes.
    bytes.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    bytes.extend_from_slice(value);
}

/// A message_id as the store has it.
pub(super) fn message_id(id: &MessageId) -> Vec<u8> {
    match id {
        MessageId::Uuid(bytes) => [&[0], &bytes[..]].concat(),
        MessageId::Text(text) => [&[1], text.as_bytes()].concat(),
    }
}

/// And back; none of what no collector wrote.
pub(super) fn read_message_id(bytes: &[u8]) -> Option<MessageId> {
    match bytes.split_first()? {
        (0, uuid) => Some(MessageId::Uuid(uuid.try_into().ok()?)),
        (1, text) => Some(MessageId::Text(String::from_utf8(text.to_vec()).ok()?)),
        _ => None,
    }
}
