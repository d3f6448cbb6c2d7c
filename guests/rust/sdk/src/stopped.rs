//! Whether an instance that is shut off is reported.

use crate::settings;

/// Ceilometer's option of the same name, `[compute]report_stopped_instance_metrics`.
const SETTING: &str = "report_stopped_instance_metrics";

/// Whether the operator wants what is known of an instance that is shut off: its sizes and its state. Without the setting that is
/// no, as in Ceilometer. It is a host call: ask it of such an instance only. The guest needs the grant `settings`.
pub fn report_stopped_instance_metrics() -> bool {
    settings::get(SETTING).is_some_and(|value| is_true(&value))
}

/// YAML's `true`, however it is written: settings come as texts.
fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use super::is_true;

    #[test]
    fn only_true_is_true() {
        assert_eq!(["true", "True", "false", "", "yes"].map(is_true), [true, true, false, false, false]);
    }
}
