//! What an operator can set about the inspector; every field has a default that suits a nova compute node.

use std::time::Duration;

/// The connection that a nova compute node has.
pub const DEFAULT_URI: &str = "qemu:///system";

/// A freshly started libvirtd probes qemu's capabilities on the first call, for 4 to 8 seconds, once.
pub const DEFAULT_OPEN: Duration = Duration::from_secs(10);

/// The calls that no instance can block: tens of milliseconds for a thousand instances, but see [`DEFAULT_OPEN`].
pub const DEFAULT_SWEEP: Duration = Duration::from_secs(10);

/// A monitor answers in 1 to 5 ms; a qemu that has not answered for a thousand times as long is stuck.
pub const DEFAULT_CALL: Duration = Duration::from_secs(3);

/// Long enough for a sweep, a thousand monitor reads on three threads and a few stuck instances; short beside the usual
/// interval of 300 s.
pub const DEFAULT_SNAPSHOT: Duration = Duration::from_secs(30);

/// libvirt tells of every change that matters, and the XML is read anew after it: this is the net for what nobody thought of,
/// a fraction of an XML per second on a host of a thousand instances.
pub const DEFAULT_XML_REFRESH: Duration = Duration::from_secs(3600);

/// The longest refresh period where the driver does not tell of some kind of change: two polls of the usual interval of 300 s.
pub const XML_REFRESH_WITHOUT_EVENTS: Duration = Duration::from_secs(600);

/// The first wait after a failed open: a restarting libvirtd is back within a second or two.
pub const DEFAULT_RECONNECT_FIRST: Duration = Duration::from_millis(500);

/// The longest wait between two opens. An attempt at a socket that is not there costs microseconds, and one that hangs waits for its
/// own deadline. A snapshot waits for the attempt that is due (within its own deadline), so a libvirtd that is back is found by the
/// first snapshot that begins then, some seconds after its beginning at most.
pub const DEFAULT_RECONNECT_MOST: Duration = Duration::from_secs(5);

/// Seconds between two keepalive probes of an idle connection.
pub const DEFAULT_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Unanswered probes after which the connection counts as dead: 20 to 25 s with the default interval.
pub const DEFAULT_KEEPALIVE_COUNT: u32 = 4;

/// The libvirt inspector's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The hypervisor's name in log lines, where there are several; none: the lines name none.
    pub name: Option<String>,
    /// libvirt's connection URI; it is opened read-only.
    pub uri: String,
    /// How long libvirt may take.
    pub deadlines: Deadlines,
    /// The project of instances without nova's metadata (plain libvirt hosts).
    pub default_project: Option<String>,
    /// The user of instances without nova's metadata.
    pub default_user: Option<String>,
    /// Every instance's XML is read anew at least this often, spread over the second half of the period; changes that libvirt
    /// tells of are read at once. At most [`XML_REFRESH_WITHOUT_EVENTS`] where it does not tell of all.
    pub xml_refresh: Duration,
    /// The waits between attempts to open the connection.
    pub reconnect: Reconnect,
    /// The connection's keepalive; drivers without a daemon ignore it.
    pub keepalive: Keepalive,
    /// Whether disks of instances that are shut off are read.
    pub stopped_disks: StoppedDisks,
}

/// What is read of the disks of an instance that is shut off. Of one that runs its qemu tells; of this one libvirt opens the images
/// at each call. Where their storage is dead such calls get stuck, and take the few places of stuck calls from instances that run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoppedDisks {
    /// Nothing: they are [`crate::Missing::ShutOff`], and no call is made that opens an image.
    #[default]
    Skipped,
    /// The images' sizes.
    Read,
}

/// How long libvirt may take. Whatever is late goes on in a thread of its own and holds up nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Opening the connection; past it the snapshot fails.
    pub open: Duration,
    /// Each call for the whole host, which no instance can block: past it the connection counts as hung, the snapshot fails.
    pub sweep: Duration,
    /// The calls for one instance, which its qemu can block: past it the instance is set aside until they return.
    pub call: Duration,
    /// The whole snapshot: an instance that was not read by then has no readings in it.
    pub snapshot: Duration,
}

/// Waits between attempts to open the connection: they double from `first` to `most`. Attempts are made by snapshots alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// After the first failure.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

/// libvirt's keepalive messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle time before a probe is sent, in whole seconds; zero turns keepalive off.
    pub interval: Duration,
    /// Unanswered probes after which the connection counts as dead.
    pub count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            uri: DEFAULT_URI.to_owned(),
            deadlines: Deadlines::default(),
            default_project: None,
            default_user: None,
            xml_refresh: DEFAULT_XML_REFRESH,
            reconnect: Reconnect::default(),
            keepalive: Keepalive::default(),
            stopped_disks: StoppedDisks::default(),
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { open: DEFAULT_OPEN, sweep: DEFAULT_SWEEP, call: DEFAULT_CALL, snapshot: DEFAULT_SNAPSHOT }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { first: DEFAULT_RECONNECT_FIRST, most: DEFAULT_RECONNECT_MOST }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: DEFAULT_KEEPALIVE_INTERVAL, count: DEFAULT_KEEPALIVE_COUNT }
    }
}
