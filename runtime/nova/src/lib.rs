//! The metadata that tenants gave their servers, from Nova, for the samples' `user_metadata`.
//!
//! libvirt does not have it, and Ceilometer asks Nova once for each instance, in the way of its polls. Here one thread asks once
//! for all instances of a host:
//!
//! ```text
//!            ┌── thread ──────────────────────────────────────────┐
//!  Keystone ◀┤ log in ─▶ list the servers of each host ─▶ table ──┼──get(uuid)──▶ a poll: a look at the table, no more
//!      Nova ◀┤    ▲           │ 401             │ failed          │
//!            │    └───────────┘                 └─▶ back off      │   the table stays as it was, and the log says since when
//!            └────────────────────────────────────────────────────┘
//! ```
//!
//! What fails costs freshness, never a sample: the last good table stays. The peer may be anybody who answers at that address, so
//! bytes, pages, servers and texts are bounded while they are read, no redirect is followed, and no address of an answer
//! is asked, but for the catalog's. Of the metadata only what [`Reserved`] names is kept: the rest may be anything
//! that tenants hide there.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | whom to ask, as whom, how often and how much |
//! | [`reserved`] | which metadata is a sample's, to the letter of Ceilometer |
//! | [`error`] | why nothing came, under fixed labels |
#![forbid(unsafe_code)]

pub mod error;
mod http;
mod keystone;
pub mod reserved;
mod secret;
mod servers;
pub mod settings;
mod table;
mod tenant_metadata;
mod tls;
mod url;

pub use error::NovaError;
pub use reserved::{Reserved, user_metadata};
pub use secret::Secret;
pub use settings::{Bounds, Domain, Interface, Login, Project, Scope, Settings, Tls, User};
pub use table::Metadata;
pub use tenant_metadata::{Health, TenantMetadata, Trouble};
pub use url::{BadUrl, BaseUrl};
