//! How the inspector fares, for logs and for the agent's own metrics.

use std::time::Duration;

/// How the inspector fares; a replay is always well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// libvirt connections, those included that hang or are being closed.
    pub connections: usize,
    /// Instances whose monitors do not answer.
    pub set_aside: Vec<SetAside>,
    /// Instances that the last snapshot left out because their XML was refused.
    pub left_out: usize,
}

/// An instance that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The instance.
    pub uuid: String,
    /// How long ago the call was made that has not returned.
    pub since: Duration,
}
