//! PEM files: certificates and private keys, for whoever speaks TLS.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A file that cannot be read, or holds something else.
#[derive(Debug)]
pub struct PemFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: io::Error,
}

impl PemFault {
    fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// The certificates of a file, in its order; at least one.
///
/// # Errors
/// [`PemFault`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| PemFault::new(path, io::Error::other(fault)))?;
    if found.is_empty() {
        return Err(PemFault::new(path, io::Error::other("no certificate in it")));
    }
    Ok(found)
}

/// The first private key of a file; it must not be encrypted.
///
/// # Errors
/// [`PemFault`].
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemFault> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|fault| PemFault::new(path, io::Error::other(fault)))
}

/// A file's bytes.
///
/// # Errors
/// [`PemFault`].
pub fn read(path: &Path) -> Result<Vec<u8>, PemFault> {
    fs::read(path).map_err(|fault| PemFault::new(path, fault))
}
