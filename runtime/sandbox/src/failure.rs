//! The fixed labels of everything that can go wrong with a poll: the log line, the counter and the test share them.

use std::fmt;

/// Why a poll came to nothing through the guest's fault. It costs that poll; the store is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It computed for longer than its limit.
    CpuTime,
    /// It wanted more linear memory than its limit.
    Memory,
    /// It wanted larger tables than its limit.
    Table,
    /// It recursed until its stack was full.
    Stack,
    /// It handed the host more bytes in one call than its limit.
    HostBytes,
    /// It returned more samples than its limit.
    Samples,
    /// Its samples carried more bytes than their limit.
    SampleBytes,
    /// It asked for a reading outside a poll.
    OutsidePoll,
    /// It trapped: `unreachable`, an access out of bounds, a panic. The text is the first line of what wasmtime says.
    Trap(String),
    /// It returned the error `failed` with this text.
    Failed(String),
}

impl Failure {
    /// The label of counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::CpuTime => "cpu_time",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::HostBytes => "host_bytes",
            Self::Samples => "samples",
            Self::SampleBytes => "sample_bytes",
            Self::OutsidePoll => "outside_poll",
            Self::Trap(_) => "trap",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the guest went over a bound or crashed, rather than reported an error in good order.
    pub const fn is_misconduct(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuTime => f.write_str("it computed for longer than limits.cpu allows"),
            Self::Memory => f.write_str("it wanted more memory than limits.memory allows"),
            Self::Table => f.write_str("it wanted larger tables than limits.table allows"),
            Self::Stack => f.write_str("its stack overflowed"),
            Self::HostBytes => {
                f.write_str("it passed more bytes to the host in one call than limits.host_bytes allows")
            }
            Self::Samples => f.write_str("it returned more samples than limits.samples allows"),
            Self::SampleBytes => f.write_str("its samples are larger than limits.sample_bytes allows"),
            Self::OutsidePoll => f.write_str("it asked for a reading outside poll"),
            Self::Trap(text) => write!(f, "it trapped: {text}"),
            Self::Failed(text) => write!(f, "it reported: {text}"),
        }
    }
}

/// Why a poll gave nothing without anybody's fault: Ceilometer's pollsters skip such an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The instance vanished.
    NotFound,
    /// The instance is shut off.
    ShutOff,
    /// The hypervisor does not implement the reading.
    Unsupported,
    /// No value at present.
    NoData,
}

impl Skip {
    /// The label of counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ShutOff => "shut_off",
            Self::Unsupported => "unsupported",
            Self::NoData => "no_data",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the instance vanished",
            Self::ShutOff => "the instance is shut off",
            Self::Unsupported => "not implemented by this hypervisor",
            Self::NoData => "no value at present",
        })
    }
}

/// Why one sample of a poll is refused. The others of that poll go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The guest did not declare the meter.
    UndeclaredMeter(String),
    /// The volume is NaN or infinite.
    NotFinite(String),
    /// The resource id is another instance's, or nobody's.
    ForeignResource(String),
    /// The metadata cannot stand on the wire: an empty or doubled key, a key under a scalar, a number that is not finite.
    Metadata(String),
}

impl Refusal {
    /// The label of counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::UndeclaredMeter(_) => "undeclared_meter",
            Self::NotFinite(_) => "not_finite",
            Self::ForeignResource(_) => "foreign_resource",
            Self::Metadata(_) => "metadata",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UndeclaredMeter(meter) => write!(f, "the guest did not declare the meter {meter:?}"),
            Self::NotFinite(meter) => write!(f, "the volume of {meter:?} is not finite"),
            Self::ForeignResource(id) => write!(f, "resource_id {id:?} is not of the polled instance"),
            Self::Metadata(fault) => write!(f, "metadata: {fault}"),
        }
    }
}
