//! A sample's `message_id` in the form in which stores keep it.
//!
//! It is a UUID nearly always (Ceilometer's are uuid1), which takes 16 bytes instead of 36 characters. A uuid1's text begins
//! with the fastest part of its time, so that the keys of one cycle would fall all over the index; with the slow parts
//! first they fall beside each other at its end, and a large store takes samples as fast as a small one.

/// Where the bytes of a UUID go: time_hi and version, time_mid, time_low, then the rest as it is.
const ORDER: [usize; 16] = [6, 7, 4, 5, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15];
/// Where the hyphens of a UUID's text are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A message_id as a key. Two are equal exactly if their texts are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A UUID in lower case with hyphens, its bytes with the time first.
    Uuid([u8; 16]),
    /// Any other text.
    Text(String),
}

impl MessageId {
    /// The key of a text.
    pub fn new(text: &str) -> Self {
        uuid(text.as_bytes()).map_or_else(|| Self::Text(text.to_owned()), Self::Uuid)
    }

    /// The text again.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Uuid(bytes) => {
                let mut plain = [0; 16];
                for (byte, place) in bytes.iter().zip(ORDER) {
                    plain[place] = *byte;
                }
                let mut text = String::with_capacity(36);
                for byte in plain {
                    if HYPHENS.contains(&text.len()) {
                        text.push('-');
                    }
                    for digit in [byte >> 4, byte & 15] {
                        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
                    }
                }
                text
            }
        }
    }
}

/// The bytes of a UUID's canonical text, time first. Upper case is another text, hence another message_id.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut digits = [0_u8; 32];
    let mut count = 0;
    for (place, &byte) in text.iter().enumerate() {
        let digit = match byte {
            b'-' if HYPHENS.contains(&place) => continue,
            _ if HYPHENS.contains(&place) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        digits[count] = digit;
        count += 1;
    }
    Some(ORDER.map(|place| digits[2 * place] << 4 | digits[2 * place + 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in [
            "8cb06b5e-c7f6-11f0-8a3c-0242ac110002",
            "8CB06B5E-c7f6-11f0-8a3c-0242ac110002",
            "8cb06b5ec7f611f08a3c0242ac110002",
            "8cb06b5e-c7f6-11f0-8a3c-0242ac11000g",
            "8cb06b5e-c7f6-11f0-8a3c-0242ac11-002",
            "8cb06b5e0c7f6011f008a3c00242ac110002",
            "",
            "любой текст",
            "\0",
        ] {
            assert_eq!(MessageId::new(text).text(), text);
        }
        assert!(matches!(MessageId::new("8cb06b5e-c7f6-11f0-8a3c-0242ac110002"), MessageId::Uuid(_)));
    }

    #[test]
    fn keys_of_uuid1_order_by_their_time() {
        let texts = [
            "ffffffff-0000-11f0-8a3c-0242ac110002",
            "00000000-0001-11f0-8a3c-0242ac110002",
            "00000000-0000-11f1-8a3c-0242ac110002",
        ];
        let keys: Vec<_> = texts
            .iter()
            .map(|text| match MessageId::new(text) {
                MessageId::Uuid(bytes) => bytes,
                MessageId::Text(text) => panic!("{text}"),
            })
            .collect();
        assert!(keys.is_sorted());
    }
}
