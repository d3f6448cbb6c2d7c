//! From samples to a message body, in one pass over one buffer.
//!
//! A host of a thousand instances makes tens of thousands of samples per cycle, so nothing is built that is not sent: no
//! map per sample, no inner text that is escaped afterwards. What is around the samples is here, a [`Heading`]; the samples
//! themselves are written by [`super::dict`].

use uuid::Uuid;

use super::dict::{Dialect, Encoder, SAMPLE_SIZE, uuid};
use crate::era::Release;
use crate::json::{self, Form};
use crate::signature::Secret;
use crate::{Sample, Timestamp};

/// Bytes of a message without its samples.
const ENVELOPE_SIZE: usize = 1024;

/// What a message is, around its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading<'a> {
    /// A polling agent's notification `telemetry.polling`, since Liberty.
    Polling,
    /// A notification to a collector, as Ceilometer's publisher `notifier://` sent it.
    Notifier {
        /// The collector's release.
        release: Release,
        /// The sending host, for `publisher_id`.
        host: &'a str,
        /// `event_type`: the metering topic, or that and a meter's name.
        event_type: &'a str,
    },
    /// A remote call without an answer to a collector, as Ceilometer's publisher `rpc://` sent it.
    Cast {
        /// The collector's release.
        release: Release,
        /// The method that is called: `record_metering_data`.
        method: &'a str,
    },
}

impl Heading<'_> {
    fn dialect(self) -> Dialect {
        match self {
            Self::Polling => Dialect::Present,
            Self::Notifier { release, .. } | Self::Cast { release, .. } => Dialect::Era(release),
        }
    }
}

/// The body of one message (oslo.messaging envelope 2.0) that carries these samples.
///
/// The samples should have passed [`check`](crate::check::check): a volume that is not finite has no form in JSON and would make
/// the whole body unreadable.
pub fn encode(heading: Heading<'_>, samples: &[Sample], secret: &Secret) -> Vec<u8> {
    let size: usize = samples.iter().map(|sample| sample.metadata.length(Form::Quoted) + SAMPLE_SIZE).sum();
    let mut out = Vec::with_capacity(size + ENVELOPE_SIZE);
    out.extend_from_slice(br#"{"oslo.version":"2.0","oslo.message":"{"#);
    open(heading, &mut out);
    let mut encoder = Encoder::new(Form::Quoted, heading.dialect(), secret);
    for (index, sample) in samples.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encoder.sample(sample, &mut out);
    }
    close(heading, &mut out);
    out.extend_from_slice(br#",\"_unique_id\":\""#);
    out.extend_from_slice(Uuid::new_v4().simple().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(br#"\"}"}"#);
    out
}

/// What comes before the samples: the inner object without its brace, down to the list's bracket.
fn open(heading: Heading<'_>, out: &mut Vec<u8>) {
    match heading {
        Heading::Polling => {
            notification("ceilometer.polling", "", "telemetry.polling", out);
            out.extend_from_slice(br#"{\"samples\":["#);
        }
        Heading::Notifier { release, host, event_type } => {
            notification(release.publisher(), host, event_type, out);
            out.push(b'[');
        }
        Heading::Cast { method, .. } => {
            out.extend_from_slice(br#"\"method\":"#);
            json::text(Form::Quoted, method, out);
            out.extend_from_slice(br#",\"version\":\"1.0\",\"args\":{\"data\":["#);
        }
    }
}

/// A notification's own keys, down to its payload.
fn notification(publisher: &str, host: &str, event_type: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"\"message_id\":"#);
    uuid(Form::Quoted, Uuid::new_v4(), out);
    out.extend_from_slice(br#",\"publisher_id\":"#);
    json::text(Form::Quoted, &format!("{publisher}{host}"), out);
    out.extend_from_slice(br#",\"event_type\":"#);
    json::text(Form::Quoted, event_type, out);
    out.extend_from_slice(br#",\"priority\":\"SAMPLE\",\"payload\":"#);
}

/// What comes after the samples, from the list's bracket on.
fn close(heading: Heading<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(match heading {
        Heading::Polling | Heading::Cast { .. } => b"]}",
        Heading::Notifier { .. } => b"]",
    });
    if let Heading::Polling | Heading::Notifier { .. } = heading {
        out.extend_from_slice(br#",\"timestamp\":"#);
        json::text(Form::Quoted, &Timestamp::now().with_space(), out);
    }
    if let Heading::Notifier { release, .. } | Heading::Cast { release, .. } = heading
        && let Some(uuid_key) = release.context_uuid()
    {
        context(uuid_key, out);
    }
}

/// The request's context of a compute agent: the same for each, but for an id. Collectors read none of it.
fn context(uuid_key: &str, out: &mut Vec<u8>) {
    // The agent calls itself `admin`, and its token as well.
    out.extend_from_slice(br#",\"_context_user\":\"admin\",\"_context_auth_token\":\"admin\""#);
    for key in ["tenant", "domain", "user_domain", "project_domain", uuid_key] {
        out.extend_from_slice(format!(r#",\"_context_{key}\":null"#).as_bytes());
    }
    out.extend_from_slice(
        br#",\"_context_is_admin\":true,\"_context_read_only\":false,\"_context_show_deleted\":false"#,
    );
    out.extend_from_slice(br#",\"_context_user_identity\":\"admin - - - -\",\"_context_request_id\":\"req-"#);
    out.extend_from_slice(Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(br#"\""#);
}

/// Appends one signed sample dict as a line of JSON, as Ceilometer's file publisher writes it with `?json`.
///
/// The sample should have passed [`check`](crate::check::check).
pub fn encode_line(sample: &Sample, secret: &Secret, out: &mut Vec<u8>) {
    out.reserve(sample.metadata.length(Form::Plain) + SAMPLE_SIZE);
    Encoder::new(Form::Plain, Dialect::Present, secret).sample(sample, out);
    out.push(b'\n');
}
