//! What a guest may use, from what the file says of it.

use sandbox::Limits;

/// The sandbox's limits with what the file sets in their place.
pub fn limits(set: &config::LimitOverrides) -> Limits {
    let default = Limits::default();
    Limits {
        memory: set.memory.unwrap_or(default.memory),
        table: set.table.unwrap_or(default.table),
        cpu: set.cpu.unwrap_or(default.cpu),
        samples: set.samples.unwrap_or(default.samples),
        sample_bytes: set.sample_bytes.unwrap_or(default.sample_bytes),
        host_bytes: set.host_bytes.unwrap_or(default.host_bytes),
        log_bytes: set.log_bytes.unwrap_or(default.log_bytes),
        state_bytes: set.state_bytes.unwrap_or(default.state_bytes),
        failures_per_cycle: set.failures_per_cycle.unwrap_or(default.failures_per_cycle),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// As a pipeline file would say it.
    fn size(bytes: usize) -> String {
        match (bytes.is_multiple_of(1 << 20), bytes.is_multiple_of(1 << 10)) {
            (true, _) => format!("{}MiB", bytes >> 20),
            (_, true) => format!("{}KiB", bytes >> 10),
            _ => bytes.to_string(),
        }
    }

    #[test]
    fn the_documented_limits_are_the_sandboxs() {
        let Limits {
            memory,
            table,
            cpu,
            samples,
            sample_bytes,
            host_bytes,
            log_bytes,
            state_bytes,
            failures_per_cycle,
        } = Limits::default();
        assert_eq!(cpu.subsec_nanos() % 1_000_000, 0);
        let expected = BTreeMap::from([
            ("memory", size(memory)),
            ("table", table.to_string()),
            ("cpu", format!("{}ms", cpu.as_millis())),
            ("samples", samples.to_string()),
            ("sample_bytes", size(sample_bytes)),
            ("host_bytes", size(host_bytes)),
            ("log_bytes", size(log_bytes)),
            ("state_bytes", size(state_bytes)),
            ("failures_per_cycle", failures_per_cycle.to_string()),
        ]);
        let sections = config::reference::pipeline_sections();
        let limits = sections.iter().find(|section| section.path == "guests[].limits").unwrap();
        let documented =
            limits.keys.iter().map(|key| (key.name, key.default.to_owned())).collect::<BTreeMap<_, _>>();
        assert_eq!(documented, expected);
    }

    #[test]
    fn what_a_file_sets_replaces_a_limit_and_nothing_else() {
        let set = config::LimitOverrides { cpu: Some(Duration::from_millis(7)), ..Default::default() };
        assert_eq!(limits(&set), Limits { cpu: Duration::from_millis(7), ..Limits::default() });
    }
}
