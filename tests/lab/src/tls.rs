//! Certificates for a test: an authority of its own, a server on the loopback, a client. Made by `openssl`, valid for two
//! days, with P-256 keys (the quickest to make).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::output;

const DAYS: &str = "2";

/// An authority and what it has signed; PEM files in one folder.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The authority's certificate.
    pub certificate: PathBuf,
    key: PathBuf,
    folder: PathBuf,
}

/// A certificate and its key, PEM (the key as PKCS #8).
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority in a new folder.
    pub fn make(folder: &Path) -> Result<Authority> {
        fs::create_dir_all(folder)?;
        let (certificate, key) = (folder.join("ca.pem"), folder.join("ca.key"));
        output(
            openssl(folder)
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(["-days", DAYS, "-subj", "/CN=Lab authority", "-out", "ca.pem", "-keyout", "ca.key"])
                .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]),
        )?;
        Ok(Authority { certificate, key, folder: folder.to_owned() })
    }

    /// A server's certificate for `localhost` and 127.0.0.1.
    pub fn server(&self) -> Result<Identity> {
        self.sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    }

    /// A client's certificate of this common name (also the name of its files).
    pub fn client(&self, name: &str) -> Result<Identity> {
        self.sign(name, "extendedKeyUsage=clientAuth\n")
    }

    fn sign(&self, name: &str, extensions: &str) -> Result<Identity> {
        let file = |ending: &str| self.folder.join(format!("{name}.{ending}"));
        let (certificate, key, request, extension_file) =
            (file("pem"), file("key"), file("csr"), file("ext"));
        // X.509 version 3 and a certificate that is no authority: rustls refuses others.
        fs::write(&extension_file, format!("basicConstraints=critical,CA:FALSE\n{extensions}"))?;
        output(
            openssl(&self.folder)
                .args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(["-subj", &format!("/CN={name}")])
                .arg("-out")
                .arg(&request)
                .arg("-keyout")
                .arg(&key),
        )?;
        output(
            openssl(&self.folder)
                .args(["x509", "-req", "-days", DAYS, "-CAcreateserial", "-in"])
                .arg(&request)
                .arg("-CA")
                .arg(&self.certificate)
                .arg("-CAkey")
                .arg(&self.key)
                .arg("-extfile")
                .arg(&extension_file)
                .arg("-out")
                .arg(&certificate),
        )?;
        Ok(Identity { certificate, key })
    }
}

fn openssl(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder);
    command
}
