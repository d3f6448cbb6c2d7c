//! TLS with an authority and a certificate of the operator's choice. A configured authority replaces the system's.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
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
    let unusable = |fault: &dyn std::fmt::Display| file_fault(key, io::Error::other(fault.to_string()));
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|fault| unusable(&fault))?;
    // ureq takes for granted that the two fit each other, so that is found out here.
    CertifiedKey::from_der(chain.clone(), private, provider).map_err(|fault| unusable(&fault))?;
    let private = PrivateKey::from_pem(&read(key)?).map_err(|fault| unusable(&fault))?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(ClientCert::new_with_certs(&chain, private))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NovaError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| file_fault(path, io::Error::other(fault)))?;
    if found.is_empty() {
        return Err(file_fault(path, io::Error::other("no certificate in it")));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, NovaError> {
    fs::read(path).map_err(|fault| file_fault(path, fault))
}

fn file_fault(path: &Path, source: io::Error) -> NovaError {
    NovaError::File { path: path.to_owned(), source }
}
