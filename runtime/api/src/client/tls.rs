//! Whom the client trusts.

use std::path::Path;
use std::sync::Arc;

use amqp::pem::certificates;
use rustls::crypto::ring;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::ClientError;

/// The authorities of this file, or the system's. Without TLS none is needed.
pub(super) fn config(ca: Option<&Path>, is_tls: bool) -> Result<TlsConfig, ClientError> {
    let roots = match ca {
        Some(path) => certificates(path)?,
        None if is_tls => rustls_native_certs::load_native_certs().certs,
        None => Vec::new(),
    };
    if roots.is_empty() && is_tls {
        return Err(ClientError::SystemRoots);
    }
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}
