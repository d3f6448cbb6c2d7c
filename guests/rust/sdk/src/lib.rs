//! Write Nephoscope pollsters in Rust: declare meters, read the instance, return samples.
//!
//! ```no_run
//! use nephoscope_guest::{Result, Sample, memory, meter};
//!
//! nephoscope_guest::pollster! {
//!     meters: [meter::gauge("mem.max", "MiB", "Maximum memory of the instance")],
//!     poll: poll,
//! }
//!
//! fn poll() -> Result<Vec<Sample>> {
//!     let memory = memory::inspect()?;
//!     Ok(vec![Sample::new("mem.max", memory.maximum as f64 / 1048576.0)])
//! }
//! # fn main() {}
//! ```
//!
//! A guest imports what it calls and nothing else: the modules [`instance`], [`memory`], [`cpu`], [`disks`], [`vnics`], [`perf`],
//! [`raw_stats`], [`domain_xml`], [`state`], [`settings`] and [`log`] are the interfaces of the contract, and each one that is called
//! needs a grant of its name in the pipeline file. The contract's own text documents them: `wit/v0.1.0`.
//!
//! A reading that is missing is an [`Error`]; handing it on with `?` is the right thing to do: the runtime then skips the
//! instance or reports it, as Ceilometer's pollsters do. A guest of several readings takes each through [`Gaps`], so that one that
//! is missing costs its own meters alone.

mod gaps;
#[cfg(all(feature = "heap", target_family = "wasm"))]
mod heap;
pub mod meter;
mod sample;
mod stopped;

#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "wit",
        world: "full",
        pub_export_macro: true,
        export_macro_name: "export_pollster",
        default_bindings_module: "nephoscope_guest::bindings",
        // For authors' tests: what a poll makes of a record can be compared.
        additional_derives: [PartialEq],
    });
}

pub use gaps::Gaps;
pub use stopped::report_stopped_instance_metrics;

pub use bindings::nephoscope::meter::types::{Error, Kind, Meter, Sample, Value, Volume};
pub use bindings::nephoscope::meter::{
    cpu, disks, domain_xml, instance, log, memory, perf, raw_stats, settings, state, vnics,
};

/// What a poll returns: samples, or why there are none.
pub type Result<T> = core::result::Result<T, Error>;

/// Exports a pollster: `meters` is a list of declarations, `poll` a function `fn() -> Result<Vec<Sample>>`.
#[macro_export]
macro_rules! pollster {
    (meters: [$($meter:expr),+ $(,)?], poll: $poll:path $(,)?) => {
        struct Pollster;

        impl $crate::bindings::exports::nephoscope::meter::pollster::Guest for Pollster {
            fn meters() -> Vec<$crate::Meter> {
                vec![$($meter),+]
            }

            fn poll() -> $crate::Result<Vec<$crate::Sample>> {
                $poll()
            }
        }

        $crate::bindings::export_pollster!(Pollster with_types_in $crate::bindings);
    };
}
