//! Sample dicts, signed: today's, and the collector era's.
//!
//! Each sample's text and the text that is signed are written side by side; metadata comes ready-made (see
//! [`crate::metadata`]). What the two dialects write differently is settled in a [`View`] of the sample before, but for the
//! three keys that the era did not have.

use std::io::Write;
use std::ops::Range;

use uuid::Uuid;

use crate::era::metadata::Variant;
use crate::era::{self, Release, steady};
use crate::json::{self, Form};
use crate::python;
use crate::signature::{Secret, Signing};
use crate::{Metadata, Sample, Timestamp, Volume};

/// Bytes of a sample without its metadata: its fifteen keys, ids and the signature, all quotes escaped.
pub(super) const SAMPLE_SIZE: usize = 1024;

/// Which sample dict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Fifteen keys.
    Present,
    /// Twelve keys, and values that Python 2 prints as Python 3 does.
    Era(Release),
}

impl Dialect {
    fn moment(self, timestamp: Timestamp) -> String {
        match self {
            Self::Present => timestamp.to_string(),
            Self::Era(_) => timestamp.to_the_second(),
        }
    }
}

/// What is written of a sample, where dialects differ.
struct View<'a> {
    unit: &'a str,
    volume: Volume,
    metadata: &'a Metadata,
    extra: Option<&'a Metadata>,
}

impl<'a> View<'a> {
    fn of(sample: &'a Sample, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Present => Self {
                unit: &sample.unit,
                volume: sample.volume,
                metadata: &sample.metadata,
                extra: sample.extra.as_deref(),
            },
            Dialect::Era(release) => {
                let variant = Variant::of(sample, release);
                Self {
                    unit: era::unit(&sample.unit),
                    volume: steady::volume(sample.volume),
                    metadata: sample.metadata.in_era(variant),
                    extra: sample.extra.as_deref().map(|extra| extra.added_in_era(variant)),
                }
            }
        }
    }
}

/// Writes samples one after the other, with the buffers and texts that they share.
pub(super) struct Encoder<'a> {
    form: Form,
    dialect: Dialect,
    secret: &'a Secret,
    /// Of the text to sign, what does not come ready-made.
    signed: Vec<u8>,
    /// One moment's text serves a whole batch.
    moment: Option<(Timestamp, String)>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(form: Form, dialect: Dialect, secret: &'a Secret) -> Self {
        Self { form, dialect, secret, signed: Vec::with_capacity(1024), moment: None }
    }

    pub(super) fn sample(&mut self, sample: &Sample, out: &mut Vec<u8>) {
        let form = self.form;
        let view = View::of(sample, self.dialect);
        let present = self.dialect == Dialect::Present;
        let moment = match self.moment.take() {
            Some((moment, text)) if moment == sample.timestamp => (moment, text),
            _ => (sample.timestamp, self.dialect.moment(sample.timestamp)),
        };
        out.push(b'{');
        self.string(out, "source", &sample.source);
        self.string(out, "counter_name", &sample.meter);
        self.string(out, "counter_type", sample.kind.as_str());
        self.string(out, "counter_unit", view.unit);
        self.key(out, "counter_volume");
        let volume = appended(out, |out| volume(view.volume, out));
        out.push(b',');
        self.optional(out, "user_id", sample.user_id.as_deref());
        if present {
            self.optional(out, "user_name", sample.user_name.as_deref());
        }
        self.optional(out, "project_id", sample.project_id.as_deref());
        if present {
            self.optional(out, "project_name", sample.project_name.as_deref());
        }
        self.string(out, "resource_id", &sample.resource_id);
        self.string(out, "timestamp", &moment.1);
        self.key(out, "resource_metadata");
        view.metadata.write(form, view.extra, out);
        out.push(b',');
        self.key(out, "message_id");
        uuid(form, sample.message_id, out);
        out.push(b',');
        let mut monotonic_time = 0..0;
        if present {
            self.key(out, "monotonic_time");
            match sample.monotonic_time {
                Some(seconds) => monotonic_time = appended(out, |out| python::float(seconds, out)),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        self.key(out, "message_signature");
        out.extend_from_slice(form.quote());
        if let Some(signing) = self.secret.begin() {
            let numbers = Numbers { volume: &out[volume], monotonic_time: &out[monotonic_time] };
            let signature = self.sign(signing, sample, &view, numbers, &moment.1);
            out.extend_from_slice(&signature);
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
    fn sign(
        &mut self,
        mut signing: Signing,
        sample: &Sample,
        view: &View<'_>,
        numbers: Numbers<'_>,
        moment: &str,
    ) -> [u8; 64] {
        let present = self.dialect == Dialect::Present;
        let text = &mut self.signed;
        let put = |text: &mut Vec<u8>, key: &str, value: &str| {
            text.extend_from_slice(key.as_bytes());
            text.extend_from_slice(value.as_bytes());
        };
        text.clear();
        put(text, "counter_name", &sample.meter);
        put(text, "counter_type", sample.kind.as_str());
        put(text, "counter_unit", view.unit);
        text.extend_from_slice(b"counter_volume");
        text.extend_from_slice(numbers.volume);
        put(text, "message_id", sample.message_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        if present {
            text.extend_from_slice(b"monotonic_time");
            let none = sample.monotonic_time.is_none();
            text.extend_from_slice(if none { b"None" } else { numbers.monotonic_time });
        }
        put(text, "project_id", sample.project_id.as_deref().unwrap_or("None"));
        if present {
            put(text, "project_name", sample.project_name.as_deref().unwrap_or("None"));
        }
        put(text, "resource_id", &sample.resource_id);
        signing.update(text);
        view.metadata.sign(view.extra, &mut signing, text);
        text.clear();
        put(text, "source", &sample.source);
        put(text, "timestamp", moment);
        put(text, "user_id", sample.user_id.as_deref().unwrap_or("None"));
        if present {
            put(text, "user_name", sample.user_name.as_deref().unwrap_or("None"));
        }
        signing.update(text);
        signing.finish()
    }
}

/// Numbers as they stand on the wire, which is how they are signed: writing a double costs more than copying it.
struct Numbers<'a> {
    volume: &'a [u8],
    /// Empty where there is none.
    monotonic_time: &'a [u8],
}

/// Where something was written.
fn appended(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = out.len();
    write(out);
    start..out.len()
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

pub(super) fn uuid(form: Form, uuid: Uuid, out: &mut Vec<u8>) {
    out.extend_from_slice(form.quote());
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(form.quote());
}
