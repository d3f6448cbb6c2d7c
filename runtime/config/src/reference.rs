//! The tables of all keys: what the decoder accepts is what the documentation says, for both are made from these.

use std::fmt::Write;

use crate::secret::SECRET;
use crate::section::Section;
use crate::{broker, cases, collector_file, http_api, pipeline};

/// The mappings of a pipeline file.
pub fn pipeline_sections() -> Vec<&'static Section> {
    use pipeline::*;
    vec![
        &FILE,
        &LIBVIRT,
        &DEADLINES,
        &RECONNECT,
        &KEEPALIVE,
        &INSTANCES,
        &GUEST,
        &LIMITS,
        &TRUST,
        &TRUSTED_KEY,
        &FOLDER,
        &SWAP,
        &ASIDE,
        &SPOOL,
        &SOURCE,
        &SINK,
        &PUBLISHER,
        &AMQP,
        &COLLECTOR,
        &broker::TLS_SECTION,
        &POLLING,
        &COMMON,
        &NOVA,
        &SECRET,
    ]
}

/// The mappings of a collector's file.
pub fn collector_sections() -> Vec<&'static Section> {
    use collector_file::*;
    use http_api::{API, API_TLS, LIMITS, TOKEN};
    vec![
        &FILE,
        &AMQP,
        &broker::TLS_SECTION,
        &COMMIT,
        &DEAD_LETTER,
        &RETENTION,
        &API,
        &API_TLS,
        &TOKEN,
        &LIMITS,
        &SECRET,
    ]
}

/// The mappings of a case file. What a guest may use is told with the pipeline file.
pub fn case_sections() -> Vec<&'static Section> {
    use cases::*;
    vec![&FILE, &CASE, &POLL, &SAMPLE, &CHANGE, &MEMORY, &CPU, &VCPU, &DISK, &VNIC]
}

/// Sections as Markdown tables, each below a heading of the third level.
pub fn markdown(sections: &[&Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let heading =
            if section.path.is_empty() { "At the top".to_owned() } else { format!("`{}`", section.path) };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "### {heading}\n\n{}\n", section.about);
        text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name, key.kind, key.meaning);
        }
        text.push('\n');
    }
    text
}
