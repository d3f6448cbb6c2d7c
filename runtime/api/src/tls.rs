//! Our certificate.

use std::io;
use std::sync::Arc;

use amqp::pem::{PemFault, certificates, private_key};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio_rustls::TlsAcceptor;

use crate::settings::Tls;

/// What takes connections with this certificate. Reads the files.
pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, PemFault> {
    let unusable =
        |error: rustls::Error| PemFault { path: tls.certificate.clone(), source: io::Error::other(error) };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates(&tls.certificate)?, private_key(&tls.key)?)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
