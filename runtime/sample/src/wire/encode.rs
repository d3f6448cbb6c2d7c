//! From samples to a message body, in one pass over one buffer.
//!
//! A host of a thousand instances makes tens of thousands of samples per cycle, so nothing is built that is not sent: no
//! map per sample, no inner text that is escaped afterwards. Each sample's text and the text that is signed are written side
//! by side; metadata comes ready-made (see [`crate::metadata`]).

use std::io::Write;

use uuid::Uuid;

use crate::json::{self, Form};
use crate::python;
use crate::signature::{Secret, Signing};
use crate::{Sample, Timestamp, Volume};

/// Bytes of a sample without its metadata: its fifteen keys, ids and the signature, all quotes escaped.
const SAMPLE_SIZE: usize = 1024;
/// Bytes of a notification without its samples.
const ENVELOPE_SIZE: usize = 512;

/// The body of one notification (oslo.messaging envelope 2.0, event type `telemetry.polling`) that carries these samples.
///
/// The samples should have passed [`check`](crate::check::check): a volume that is not finite has no form in JSON and would make
/// the whole body unreadable.
pub fn encode(samples: &[Sample], secret: &Secret) -> Vec<u8> {
    let size: usize = samples.iter().map(|sample| sample.metadata.length(Form::Quoted) + SAMPLE_SIZE).sum();
    let mut out = Vec::with_capacity(size + ENVELOPE_SIZE);
    out.extend_from_slice(br#"{"oslo.version":"2.0","oslo.message":"{\"message_id\":"#);
    uuid(Form::Quoted, Uuid::new_v4(), &mut out);
    out.extend_from_slice(
        br#",\"publisher_id\":\"ceilometer.polling\",\"event_type\":\"telemetry.polling\",\"priority\":\"SAMPLE\",\"payload\":{\"samples\":["#,
    );
    let mut encoder = Encoder::new(Form::Quoted, secret);
    for (index, sample) in samples.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encoder.sample(sample, &mut out);
    }
    out.extend_from_slice(br#"]},\"timestamp\":"#);
    json::text(Form::Quoted, &Timestamp::now().with_space(), &mut out);
    out.extend_from_slice(br#",\"_unique_id\":\""#);
    out.extend_from_slice(Uuid::new_v4().simple().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(br#"\"}"}"#);
    out
}

/// Appends one signed sample dict as a line of JSON, as Ceilometer's file publisher writes it with `?json`.
///
/// The sample should have passed [`check`](crate::check::check).
pub fn encode_line(sample: &Sample, secret: &Secret, out: &mut Vec<u8>) {
    out.reserve(sample.metadata.length(Form::Plain) + SAMPLE_SIZE);
    Encoder::new(Form::Plain, secret).sample(sample, out);
    out.push(b'\n');
}

/// Writes samples one after the other, with the buffers and texts that they share.
struct Encoder<'a> {
    form: Form,
    secret: &'a Secret,
    /// Of the text to sign, what does not come ready-made.
    signed: Vec<u8>,
    /// One moment's text serves a whole batch.
    moment: Option<(Timestamp, String)>,
}

impl<'a> Encoder<'a> {
    fn new(form: Form, secret: &'a Secret) -> Self {
        Self { form, secret, signed: Vec::with_capacity(1024), moment: None }
    }

    fn sample(&mut self, sample: &Sample, out: &mut Vec<u8>) {
        let form = self.form;
        let moment = match self.moment.take() {
            Some((moment, text)) if moment == sample.timestamp => (moment, text),
            _ => (sample.timestamp, sample.timestamp.to_string()),
        };
        out.push(b'{');
        self.string(out, "source", &sample.source);
        self.string(out, "counter_name", &sample.meter);
        self.string(out, "counter_type", sample.kind.as_str());
        self.string(out, "counter_unit", &sample.unit);
        self.key(out, "counter_volume");
        volume(sample.volume, out);
        out.push(b',');
        self.optional(out, "user_id", sample.user_id.as_deref());
        self.optional(out, "user_name", sample.user_name.as_deref());
        self.optional(out, "project_id", sample.project_id.as_deref());
        self.optional(out, "project_name", sample.project_name.as_deref());
        self.string(out, "resource_id", &sample.resource_id);
        self.string(out, "timestamp", &moment.1);
        self.key(out, "resource_metadata");
        sample.metadata.write(form, &sample.extra, out);
        out.push(b',');
        self.key(out, "message_id");
        uuid(form, sample.message_id, out);
        out.push(b',');
        self.key(out, "monotonic_time");
        match sample.monotonic_time {
            Some(seconds) => python::float(seconds, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        self.key(out, "message_signature");
        out.extend_from_slice(form.quote());
        if let Some(signing) = self.secret.begin() {
            out.extend_from_slice(&self.sign(signing, sample, &moment.1));
        }
        out.extend_from_slice(form.quote());
        out.push(b'}');
        self.moment = Some(moment);
    }

    fn key(&self, out: &mut Vec<u8>, key: &str) {
        out.extend_from_slice(self.form.quote());
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(self.form.quote());
        out.push(b':');
    }

    fn string(&self, out: &mut Vec<u8>, key: &str, text: &str) {
        self.key(out, key);
        json::text(self.form, text, out);
        out.push(b',');
    }

    fn optional(&self, out: &mut Vec<u8>, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.string(out, key, text),
            None => {
                self.key(out, key);
                out.extend_from_slice(b"null,");
            }
        }
    }

    /// Signs the sample: its keys in their order, the metadata in its place among them.
    fn sign(&mut self, mut signing: Signing, sample: &Sample, moment: &str) -> [u8; 64] {
        let text = &mut self.signed;
        let put = |text: &mut Vec<u8>, key: &str, value: &str| {
            text.extend_from_slice(key.as_bytes());
            text.extend_from_slice(value.as_bytes());
        };
        text.clear();
        put(text, "counter_name", &sample.meter);
        put(text, "counter_type", sample.kind.as_str());
        put(text, "counter_unit", &sample.unit);
        put(text, "counter_volume", "");
        volume(sample.volume, text);
        put(text, "message_id", sample.message_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        match sample.monotonic_time {
            Some(seconds) => {
                put(text, "monotonic_time", "");
                python::float(seconds, text);
            }
            None => put(text, "monotonic_time", "None"),
        }
        put(text, "project_id", sample.project_id.as_deref().unwrap_or("None"));
        put(text, "project_name", sample.project_name.as_deref().unwrap_or("None"));
        put(text, "resource_id", &sample.resource_id);
        signing.update(text);
        sample.metadata.sign(&sample.extra, &mut signing, text);
        text.clear();
        put(text, "source", &sample.source);
        put(text, "timestamp", moment);
        put(text, "user_id", sample.user_id.as_deref().unwrap_or("None"));
        put(text, "user_name", sample.user_name.as_deref().unwrap_or("None"));
        signing.update(text);
        signing.finish()
    }
}

/// The same text on the wire and in the signature: a double is one in Python too, `2048.0`.
fn volume(volume: Volume, out: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    let _ = match volume {
        Volume::Count(count) => write!(out, "{count}"),
        Volume::Signed(integer) => write!(out, "{integer}"),
        Volume::Real(real) => {
            python::float(real, out);
            Ok(())
        }
    };
}

fn uuid(form: Form, uuid: Uuid, out: &mut Vec<u8>) {
    out.extend_from_slice(form.quote());
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(form.quote());
}
