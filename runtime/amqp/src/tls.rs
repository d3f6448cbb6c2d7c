//! TLS with an authority and a certificate of the operator's choice.
//!
//! lapin's own TLS settings add an authority to the system's; here a configured one *replaces* them, for that is what
//! an operator with a CA of the cloud means, and it works on a host without any root certificates.

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};

use crate::broker::Tls;
use crate::connect::ConnectError;
use crate::pem::{PemFault, certificates, private_key};

/// The connector that these settings ask for. Reads files: call it where blocking is allowed.
pub(crate) fn connector(tls: &Tls) -> Result<RustlsConnector, ConnectError> {
    let roots = match &tls.ca {
        Some(path) => RustlsConnectorConfig::default().with_parsable_certificates(certificates(path)?),
        None => RustlsConnectorConfig::new_with_native_certs().map_err(ConnectError::SystemRoots)?,
    };
    match (&tls.certificate, &tls.key) {
        (None, None) => roots.connector_with_no_client_auth().map_err(ConnectError::SystemRoots),
        (Some(certificate), Some(key)) => {
            let private = private_key(key)?;
            roots
                .connector_with_single_cert(certificates(certificate)?, private)
                .map_err(|source| ConnectError::File { path: certificate.clone(), source })
        }
        _ => Err(ConnectError::HalfIdentity),
    }
}

impl From<PemFault> for ConnectError {
    fn from(PemFault { path, source }: PemFault) -> Self {
        Self::File { path, source }
    }
}
