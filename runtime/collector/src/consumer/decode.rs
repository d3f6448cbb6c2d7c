//! From a message body to rows and refusals, on threads of its own.
//!
//! Most of what a sample costs is here: JSON twice (the envelope's text holds the inner object's), the signature, and the metadata, which
//! each thread remembers. It is CPU time only, so OS threads do it and tokio's stay free for the broker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use sample::signature::Secret;
use sample::wire::{self, Notification, Refusal, SampleReader};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use super::counters::Counters;
use super::dead_letter::DeadLetter;
use store::Row;

/// Bytes that are kept of a body that is too long to be read: enough to see whose it is.
const KEPT: usize = 64 << 10;

/// Which delivery of which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Counts connections: a delivery tag means nothing on another one.
    pub session: u64,
    pub tag: u64,
}

/// A message as it was delivered.
#[derive(Debug)]
pub(super) struct Message {
    pub token: Token,
    pub origin: Origin,
    pub body: Vec<u8>,
    /// The body's length as it was delivered, where it was cut.
    pub cut_from: Option<usize>,
}

impl Message {
    /// A body longer than `longest` is cut to [`KEPT`] bytes at once, so that it holds no memory on its way to the dead letters.
    pub(super) fn new(token: Token, origin: Origin, mut body: Vec<u8>, longest: usize) -> Self {
        let cut_from = (body.len() > longest).then_some(body.len());
        if cut_from.is_some() {
            body.truncate(KEPT);
            body.shrink_to_fit();
        }
        Self { token, origin, body, cut_from }
    }
}

/// Where a message was published to, and as what; a dead letter tells it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub exchange: String,
    pub routing_key: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
}

/// What became of a message.
#[derive(Debug)]
pub(super) struct Decoded {
    pub token: Token,
    pub rows: Vec<Row>,
    pub dead_letter: Option<DeadLetter>,
}

/// What all decoders share.
#[derive(Debug)]
pub(super) struct Decoder {
    pub secret: Secret,
    /// What [`Message::new`] was told; a fault names it.
    pub longest_body: usize,
    /// The number of the connection that works.
    pub session: Arc<AtomicU64>,
    pub counters: Arc<Counters>,
}

impl Decoder {
    /// Starts the threads. They end when the sender of `work` is gone, or nobody receives what they decoded. Messages of a
    /// connection that is gone are left out. If a thread panics, `work` is closed: its message would stay open for ever, so
    /// nobody shall send any more.
    pub(super) fn start(
        self: Arc<Self>,
        threads: usize,
        work: Receiver<Message>,
        decoded: &SyncSender<Decoded>,
    ) -> io::Result<()> {
        let work = Arc::new(Mutex::new(work));
        for number in 0..threads {
            let (decoder, work, decoded) = (self.clone(), work.clone(), decoded.clone());
            thread::Builder::new().name(format!("decode-{number}")).spawn(move || {
                let _end = CloseOnPanic(&work);
                let mut reader = SampleReader::new(decoder.secret.clone());
                loop {
                    let message = work.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(message) = message else { break };
                    if message.token.session != decoder.session.load(Relaxed) {
                        continue;
                    }
                    if decoded.send(decoder.decode(message, &mut reader)).is_err() {
                        break;
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Reads a message. Whatever is in it, there is an answer.
    pub(super) fn decode(&self, message: Message, reader: &mut SampleReader) -> Decoded {
        let Message { token, origin, body, cut_from } = message;
        let refuse = |label: &'static str, fault: String| {
            self.counters.refuse(label);
            DeadLetter::whole(origin.clone(), label, &fault)
        };
        if let Some(size) = cut_from {
            let fault = format!("the body has {size} bytes, {} are read at most", self.longest_body);
            let letter = DeadLetter { cut_from, ..refuse("body-too-large", fault).with_body(body) };
            return Decoded { token, rows: Vec::new(), dead_letter: Some(letter) };
        }
        let samples = match wire::decode(&body) {
            Ok(Notification { samples, .. }) => samples,
            Err(error) => {
                let letter = refuse(error.label(), chain(&error)).with_body(body);
                return Decoded { token, rows: Vec::new(), dead_letter: Some(letter) };
            }
        };
        let mut rows = Vec::with_capacity(samples.len());
        let mut refused = Vec::new();
        for (index, sample) in samples.into_iter().enumerate() {
            match reader.read(sample) {
                Ok(sample) => rows.push(Row::from(sample)),
                Err(refusal) => {
                    self.counters.refuse(refusal.label());
                    refused.push((index, refusal));
                }
            }
        }
        let dead_letter = (!refused.is_empty()).then(|| Self::letter(origin, &body, &refused));
        Decoded { token, rows, dead_letter }
    }

    /// The refused samples, each with its reason. They were taken apart to be read, so the body is decoded once more: good messages
    /// need no copy of theirs.
    fn letter(origin: Origin, body: &[u8], refused: &[(usize, Refusal)]) -> DeadLetter {
        let samples = wire::decode(body).map(|notification| notification.samples).unwrap_or_default();
        let mut samples = samples.into_iter().enumerate();
        let bad: Vec<Refused> = refused
            .iter()
            .map(|(index, refusal)| Refused {
                index: *index,
                reason: refusal.label(),
                fault: words(refusal),
                sample: samples
                    .find(|(at, _)| at == index)
                    .map_or(Value::Null, |(_, sample)| sample.into_value()),
            })
            .collect();
        let (_, first) = &refused[0];
        let fault = match refused.len() {
            1 => format!("sample {}: {}", bad[0].index, words(first)),
            count => format!("{count} samples; the first, {}: {}", bad[0].index, words(first)),
        };
        DeadLetter::samples(origin, first.label(), &fault, &bad)
    }
}

/// Tells the sender that a decoder is gone.
struct CloseOnPanic<'a>(&'a Mutex<Receiver<Message>>);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).close();
        }
    }
}

/// A bad sample in a dead letter's body.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    /// Its place in the message.
    index: usize,
    /// The reason's label.
    reason: &'static str,
    /// What is wrong, for people.
    fault: String,
    /// The sample dict as it came.
    sample: Value,
}

/// What is wrong with a sample, for people. A wrong signature is seldom a forgery.
fn words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Signature => {
            format!("{refusal}: is it signed with another `telemetry_secret` than this collector's?")
        }
        _ => refusal.to_string(),
    }
}

/// An error with its sources.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sample::signature::sign;
    use serde_json::json;

    const LONGEST: usize = 100_000;

    fn decoder() -> Decoder {
        Decoder {
            secret: Secret::new("s3cr3t"),
            longest_body: LONGEST,
            session: Arc::new(1.into()),
            counters: Arc::default(),
        }
    }

    fn decode(decoder: &Decoder, message: Message) -> Decoded {
        decoder.decode(message, &mut SampleReader::new(decoder.secret.clone()))
    }

    fn signed(number: u64) -> Value {
        let mut sample = json!({
            "source": "openstack", "counter_name": "mem.max", "counter_type": "gauge", "counter_unit": "MiB",
            "counter_volume": number, "user_id": "u", "project_id": "p", "resource_id": "r",
            "timestamp": "2026-01-01T00:00:00", "resource_metadata": {"display_name": "web"},
            "message_id": format!("{number:08x}-c7f6-11f0-8a3c-0242ac110002"),
        });
        let signature = sign(sample.as_object().unwrap(), &Secret::new("s3cr3t"));
        sample["message_signature"] = signature.into();
        sample
    }

    fn message(samples: &Value) -> Message {
        let inner = json!({"event_type": "telemetry.polling", "payload": {"samples": samples}});
        let body = json!({"oslo.version": "2.0", "oslo.message": inner.to_string()});
        raw(body.to_string().as_bytes())
    }

    fn raw(body: &[u8]) -> Message {
        let origin = Origin {
            exchange: "ceilometer".into(),
            routing_key: "notifications.sample".into(),
            content_type: Some("application/json".into()),
            content_encoding: None,
        };
        Message::new(Token { session: 1, tag: 1 }, origin, body.to_vec(), LONGEST)
    }

    #[test]
    fn good_samples_are_rows_and_bad_ones_dead_letters_with_reasons() {
        let decoder = decoder();
        let mut forged = signed(2);
        forged["counter_volume"] = json!(3);
        let mut malformed = signed(4);
        malformed["timestamp"] = json!("soon");
        malformed["message_signature"] = sign(malformed.as_object().unwrap(), &decoder.secret).into();
        let decoded = decode(&decoder, message(&json!([signed(1), forged, malformed, 5, signed(6)])));
        assert_eq!(decoded.rows.len(), 2);
        let letter = decoded.dead_letter.unwrap();
        assert_eq!(letter.reason, "signature");
        let body: Value = serde_json::from_slice(&letter.body).unwrap();
        let reasons: Vec<_> =
            body["refused"].as_array().unwrap().iter().map(|bad| bad["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, ["signature", "timestamp", "not-an-object"]);
        assert_eq!(body["refused"][0]["index"], 1);
        assert_eq!(body["refused"][0]["sample"], forged);
        let cause = "another `telemetry_secret`";
        assert!(
            letter.fault.contains(cause) && body["refused"][0]["fault"].as_str().unwrap().contains(cause)
        );
        assert!(!body["refused"][1]["fault"].as_str().unwrap().contains(cause));
        assert_eq!(decoder.counters.summary().refused["signature"], 1);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_dead_lettered_whole() {
        let decoder = decoder();
        for (body, reason) in [
            (&b"\xff\x00 no JSON"[..], "not-json"),
            (b"", "not-json"),
            (b"[]", "not-an-object"),
            (b"{}", "event-type"),
            (br#"{"oslo.version":"3.0","oslo.message":"{}"}"#, "envelope-version"),
            (&[b'['; 50_000], "not-json"),
        ] {
            let decoded = decode(&decoder, raw(body));
            let letter = decoded.dead_letter.unwrap();
            assert_eq!((letter.reason, decoded.rows.len()), (reason, 0));
            assert_eq!(letter.body, body);
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_cut_at_once_and_its_size_told() {
        let body: Vec<u8> = (0..=LONGEST).map(|at| at as u8).collect();
        let message = raw(&body);
        assert_eq!((message.body.len(), message.cut_from), (KEPT, Some(LONGEST + 1)));
        assert!(message.body.capacity() < LONGEST, "the rest is given back");
        let letter = decode(&decoder(), message).dead_letter.unwrap();
        assert_eq!((letter.reason, letter.cut_from), ("body-too-large", Some(LONGEST + 1)));
        assert_eq!(letter.body, body[..KEPT]);
        let message = raw(&body[1..]);
        assert_eq!((message.body.len(), message.cut_from), (LONGEST, None));
        assert_ne!(decode(&decoder(), message).dead_letter.unwrap().reason, "body-too-large");
        let short = Message::new(Token { session: 1, tag: 1 }, raw(b"").origin, vec![b' '; 11], 10);
        assert_eq!((short.body.len(), short.cut_from), (11, Some(11)), "nothing to cut, yet not read");
        assert_eq!(decode(&decoder(), short).dead_letter.unwrap().reason, "body-too-large");
    }

    #[test]
    fn casts_of_the_collector_era_are_read_under_the_same_rules() {
        let cast = |method: &str, samples: Value| {
            let inner = json!({
                "method": method, "version": "1.0", "args": {"data": samples}, "_unique_id": "1", "_context_user": "admin",
            });
            raw(json!({"oslo.version": "2.0", "oslo.message": inner.to_string()}).to_string().as_bytes())
        };
        let decoder = decoder();
        let mut forged = signed(2);
        forged["counter_volume"] = json!(3);
        let decoded = decode(&decoder, cast("record_metering_data", json!([signed(1), forged])));
        assert_eq!(decoded.rows.len(), 1);
        let letter = decoded.dead_letter.unwrap();
        let body: Value = serde_json::from_slice(&letter.body).unwrap();
        assert_eq!((letter.reason, &body["refused"][0]["sample"]), ("signature", &forged));
        for (message, reason) in [
            (cast("record_events", json!([signed(1)])), "method"),
            (cast("record_metering_data", json!({"samples": [signed(1)]})), "payload"),
        ] {
            let body = message.body.clone();
            let decoded = decode(&decoder, message);
            let letter = decoded.dead_letter.unwrap();
            assert_eq!((letter.reason, decoded.rows.len(), letter.body), (reason, 0, body));
        }
    }

    #[test]
    fn a_good_message_leaves_no_dead_letter() {
        let decoded = decode(&decoder(), message(&json!([signed(1), signed(2)])));
        assert!(decoded.dead_letter.is_none());
        assert_eq!(decoded.rows.len(), 2);
        let empty = decode(&decoder(), message(&json!([])));
        assert!(empty.dead_letter.is_none() && empty.rows.is_empty());
    }

    #[test]
    fn messages_of_a_connection_that_is_gone_are_left_out() {
        let decoder = Arc::new(decoder());
        let (work, messages) = tokio::sync::mpsc::channel(8);
        let (sender, decoded) = std::sync::mpsc::sync_channel(8);
        for (session, tag) in [(1, 7), (2, 1), (1, 8), (2, 2)] {
            work.blocking_send(Message { token: Token { session, tag }, ..raw(b"{}") }).unwrap();
        }
        decoder.session.store(2, Relaxed);
        decoder.clone().start(1, messages, &sender).unwrap();
        drop((work, sender));
        let tokens: Vec<_> =
            decoded.iter().map(|decoded| (decoded.token.session, decoded.token.tag)).collect();
        assert_eq!(tokens, [(2, 1), (2, 2)]);
    }

    #[test]
    fn a_decoder_that_panics_closes_the_way_to_all() {
        let (work, messages) = tokio::sync::mpsc::channel::<Message>(8);
        let messages = Mutex::new(messages);
        let panicked = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _end = CloseOnPanic(&messages);
                panic!("on purpose");
            });
            thread.join().is_err()
        });
        assert!(panicked && work.is_closed());
    }
}
