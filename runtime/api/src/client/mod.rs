//! x
/// x
pub struct Client;
/// x
pub struct ClientError;
