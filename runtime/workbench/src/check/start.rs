//! Starting a component that is being checked: what it needs to start, and how it declares its meters.

use std::time::{Duration, Instant};

use sandbox::limits::{MEMORY_CEILING, STACK_BYTES, TABLE_CEILING};
use sandbox::{Engine, Failure, Guest, Limits, LoadError, Module};

use super::{Report, cause};
use crate::play::Terms;

/// What a component may use to show what it needs: the most that a pipeline file can set of memory and tables, and a poll's
/// time that gives start-up five seconds.
fn most(limits: &Limits) -> Limits {
    Limits { memory: MEMORY_CEILING, table: TABLE_CEILING, cpu: Duration::from_millis(250), ..limits.clone() }
}

/// Starts it with everything that it imports granted, and asks it for its meters.
pub(super) fn start(engine: &Engine, module: &Module, terms: &Terms, report: &mut Report) {
    let all = Terms { grants: None, ..terms.clone() };
    let LoadError::Meters { failure, .. } = (match load(engine, module, &all, report) {
        Ok(()) => return,
        Err(error) => error,
    }) else {
        return;
    };
    let limit = match failure {
        Failure::Memory => "memory",
        Failure::Table => "table",
        Failure::CpuTime => "cpu",
        other => {
            let (what, remedy) = (format!("it failed while it declared its meters: {other}"), remedy(&other));
            return report.fault(what, remedy);
        }
    };
    let what = format!("it cannot start: {failure}, which are {}", shown(limit, &terms.limits));
    let generous = Terms { limits: most(&terms.limits), ..all };
    let remedy = match load(engine, module, &generous, report) {
        Ok(()) => {
            format!("set `limits.{limit}` of the guest in the pipeline file: {}", needed(limit, report))
        }
        Err(_) => format!(
            "it cannot start with {} either: let it do less before its first poll",
            shown(limit, &generous.limits)
        ),
    };
    report.fault(what, remedy);
}

/// Loads it, and notes what is known then. A failure to start is given back, every other one noted.
fn load(engine: &Engine, module: &Module, terms: &Terms, report: &mut Report) -> Result<(), LoadError> {
    let started = Instant::now();
    let guest = Guest::of(engine, module, terms.spec("this", module));
    let took = started.elapsed();
    match guest {
        Ok(guest) => {
            report.start = Some(took);
            report.memory = Some(guest.start_memory());
            report.meters = guest.meters().to_vec();
            Ok(())
        }
        Err(LoadError::Declaration { faults, sound, .. }) => {
            report.meters = sound;
            for fault in faults {
                report.fault(format!("it declares {fault}"), declaration_remedy(&fault));
            }
            Ok(())
        }
        Err(error @ LoadError::Meters { .. }) => Err(error),
        Err(error) => {
            report.fault(
                format!("it does not fit the contract: {}", cause(&error)),
                "generate its bindings anew from the WIT of this contract, and build it with them",
            );
            Ok(())
        }
    }
}

fn declaration_remedy(fault: &str) -> &'static str {
    if fault == "no meter" {
        "let `meters` return at least one: samples of meters that are not declared are refused"
    } else if fault.ends_with(" twice") {
        "declare it once: kind and unit of a sample come from its meter's declaration"
    } else {
        "mend it in what `meters` returns"
    }
}

fn remedy(failure: &Failure) -> String {
    match failure {
        Failure::OutsidePoll => {
            "read in `poll` alone: while a component starts and declares its meters there is no instance".to_owned()
        }
        Failure::Stack => format!("recurse less: guest code has {} KiB of stack", STACK_BYTES / 1024),
        Failure::HostBytes => "declare fewer meters or shorter descriptions, or raise `limits.host_bytes`".to_owned(),
        _ => "it crashed in its own code (a panic, an exception that nobody caught, an `unreachable`): what it wrote before is \
              logged above"
            .to_owned(),
    }
}

/// A limit as it stands.
fn shown(limit: &str, limits: &Limits) -> String {
    match limit {
        "memory" => format!("{} MiB", limits.memory / 1024 / 1024),
        "table" => format!("{} elements", limits.table),
        _ => format!("{} ms of computing", limits.cpu.as_millis() * u128::from(sandbox::limits::LOAD_FACTOR)),
    }
}

/// What to set so that it starts with room to spare.
fn needed(limit: &str, report: &Report) -> String {
    const MIB: usize = 1024 * 1024;
    match limit {
        "memory" => {
            let used = report.memory.unwrap_or(MEMORY_CEILING);
            let room = (used + used / 4).next_power_of_two().clamp(MIB, MEMORY_CEILING);
            format!(
                "{}MiB would do, it has {:.1} MiB in use when it has started",
                room / MIB,
                used as f64 / MIB as f64
            )
        }
        "table" => format!("{TABLE_CEILING}, the most there is, would do"),
        _ => {
            let took = report.start.unwrap_or_default() / sandbox::limits::LOAD_FACTOR;
            format!(
                "{}ms would do, of which start-up has {} times as much",
                (took * 2).as_millis() + 1,
                sandbox::limits::LOAD_FACTOR
            )
        }
    }
}
