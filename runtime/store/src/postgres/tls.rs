//! What each sslmode checks.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Tls;
use crate::{Source, StoreError};

/// What joins TLS to a connection. Reads files.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|fault| failed("set TLS up".into(), fault))?;
    let config = match tls {
        Tls::VerifyFull(authorities) => {
            builder.with_root_certificates(roots(authorities.as_deref())?).with_no_client_auth()
        }
        _ => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(authorities: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        // Some of a system's are beyond what rustls reads, and none of those is needed as a rule.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        Some(path) => {
            let action = || format!("read the certificates of {}", path.display());
            for der in CertificateDer::pem_file_iter(path).map_err(|fault| failed(action(), fault))? {
                let der = der.map_err(|fault| failed(action(), fault))?;
                roots.add(der).map_err(|fault| failed(action(), fault))?;
            }
        }
    }
    if roots.is_empty() {
        let place =
            authorities.map_or_else(|| "of this system".into(), |path| format!("in {}", path.display()));
        return Err(failed(
            format!("find a certificate authority {place}"),
            io::Error::from(io::ErrorKind::NotFound),
        ));
    }
    Ok(roots)
}

fn failed(action: String, source: impl Into<Source>) -> StoreError {
    StoreError::Failed { action, reason: "tls", source: source.into() }
}

/// Takes whoever holds the key of the certificate that it shows for the server: what `require` and `prefer` mean to libpq. It keeps
/// those out who only listen.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
