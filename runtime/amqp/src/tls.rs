//! TLS with an authority and a certificate of the operator's choice.
//!
//! lapin's own TLS settings add an authority to the system's; here a configured one *replaces* them, for that is what
//! an operator with a CA of the cloud means, and it works on a host without any root certificates.

use std::fs;
use std::io;
use std::path::Path;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::broker::Tls;
use crate::connect::ConnectError;

/// The connector that these settings ask for. Reads files: call it where blocking is allowed.
pub(crate) fn connector(tls: &Tls) -> Result<RustlsConnector, ConnectError> {
    let roots = match &tls.ca {
        Some(path) => RustlsConnectorConfig::default().with_parsable_certificates(certificates(path)?),
        None => RustlsConnectorConfig::new_with_native_certs().map_err(ConnectError::SystemRoots)?,
    };
    match (&tls.certificate, &tls.key) {
        (None, None) => roots.connector_with_no_client_auth().map_err(ConnectError::SystemRoots),
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|fault| file_fault(key, io::Error::other(fault)))?;
            roots
                .connector_with_single_cert(certificates(certificate)?, private)
                .map_err(|fault| file_fault(certificate, fault))
        }
        _ => Err(ConnectError::HalfIdentity),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| file_fault(path, io::Error::other(fault)))?;
    if found.is_empty() {
        return Err(file_fault(path, io::Error::other("no certificate in it")));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    fs::read(path).map_err(|fault| file_fault(path, fault))
}

fn file_fault(path: &Path, source: io::Error) -> ConnectError {
    ConnectError::File { path: path.to_owned(), source }
}
