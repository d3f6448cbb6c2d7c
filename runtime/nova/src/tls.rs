//! TLS with an authority and a certificate of the operator's choice. A configured authority replaces the system's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use amqp::pem::{PemFault, certificates, private_key, read};
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use crate::error::NovaError;
use crate::settings::Settings;

/// What these settings ask for. Reads files.
pub(crate) fn config(settings: &Settings) -> Result<TlsConfig, NovaError> {
    let tls = &settings.tls;
    let provider = Arc::new(ring::default_provider());
    let roots = match &tls.cafile {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // Without TLS none is needed.
    if roots.is_empty() && settings.auth_url.is_tls() {
        return Err(NovaError::SystemRoots);
    }
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let identity = match (&tls.certfile, &tls.keyfile) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(identity(certificate, key, &provider)?),
        _ => return Err(NovaError::HalfIdentity),
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(identity)
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

fn identity(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<ClientCert, NovaError> {
    let chain = certificates(certificate)?;
    let unusable = |fault: &dyn std::fmt::Display| PemFault {
        path: key.to_owned(),
        source: io::Error::other(fault.to_string()),
    };
    // ureq takes for granted that the two fit each other, so that is found out here.
    CertifiedKey::from_der(chain.clone(), private_key(key)?, provider).map_err(|fault| unusable(&fault))?;
    let private = PrivateKey::from_pem(&read(key)?).map_err(|fault| unusable(&fault))?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(ClientCert::new_with_certs(&chain, private))
}

impl From<PemFault> for NovaError {
    fn from(PemFault { path, source }: PemFault) -> Self {
        Self::File { path, source }
    }
}
