//! Signatures of OpenSSH's, and the file that holds one beside its module.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ssh_key::SshSig;

use crate::key::PublicKey;

/// What a signature must have been made for: `ssh-keygen -Y sign -n nephoscope-guest`.
pub const NAMESPACE: &str = "nephoscope-guest";

/// A signature's file larger than this is none: those of ed25519 have some three hundred bytes.
pub const MAX_BYTES: u64 = 16 * 1024;

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The file cannot be read.
    #[error("its signature cannot be read: {0}")]
    Unreadable(String),
    /// The file is larger than [`MAX_BYTES`].
    #[error("its signature's file is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    /// No signature.
    #[error(
        "the file beside it is no ed25519 signature of OpenSSH's: `ssh-keygen -Y sign -n {NAMESPACE} -f KEY MODULE` makes one"
    )]
    NotASignature,
    /// Made with a key of another algorithm.
    #[error("its signature is by a key of type {0}; only ssh-ed25519 is taken")]
    Algorithm(String),
    /// Made for something else.
    #[error(
        "its signature was made for something else: it must be of the namespace {NAMESPACE} (`ssh-keygen -Y sign -n {NAMESPACE}`)"
    )]
    Namespace,
    /// The signature does not fit the module.
    #[error("the signature beside it is of another file, or one of the two has been changed")]
    OtherFile,
    /// A sound signature of a stranger.
    #[error("its signature is by a key that is not trusted: {0}")]
    Untrusted(PublicKey),
}

/// Who has signed this module, trusted or not.
///
/// # Errors
/// The signature proves nothing.
pub fn signer(module: &[u8], signature: &[u8]) -> Result<PublicKey, SignatureFault> {
    if signature.len() as u64 > MAX_BYTES {
        return Err(SignatureFault::TooLarge);
    }
    // The version stands outside of what is signed.
    let signature = SshSig::from_pem(signature.trim_ascii_end())
        .ok()
        .filter(|signature| signature.version() == SshSig::VERSION)
        .ok_or(SignatureFault::NotASignature)?;
    let key = PublicKey::of(signature.public_key())
        .map_err(|_| SignatureFault::Algorithm(signature.public_key().algorithm().to_string()))?;
    if signature.namespace() != NAMESPACE {
        return Err(SignatureFault::Namespace);
    }
    key.0.verify(NAMESPACE, module, &signature).map_err(|_| SignatureFault::OtherFile)?;
    Ok(key)
}

/// Where a module's signature is: `module.wasm.sig`, as `ssh-keygen -Y sign` names it.
pub fn path(module: &Path) -> PathBuf {
    let mut path = OsString::from(module);
    path.push(".sig");
    path.into()
}

/// Reads the signature beside a module, if there is one.
///
/// # Errors
/// There is one that cannot be read, or is too large to be one.
pub fn beside(module: &Path) -> Result<Option<Vec<u8>>, SignatureFault> {
    let path = path(module);
    let mut bytes = Vec::new();
    // A pipe would be waited for, a device never ends.
    let read = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| SignatureFault::Unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SignatureFault::TooLarge);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_no_signature_and_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("x.wasm");
        assert_eq!(beside(&module), Ok(None));
        std::fs::write(folder.path().join("x.wasm.sig"), "text").unwrap();
        assert_eq!(beside(&module), Ok(Some(b"text".to_vec())));
    }

    #[test]
    fn what_cannot_be_one_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("x.wasm");
        let file = File::create(path(&module)).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(beside(&module), Err(SignatureFault::TooLarge));
        std::fs::remove_file(path(&module)).unwrap();
        std::fs::create_dir(path(&module)).unwrap();
        assert_eq!(beside(&module), Err(SignatureFault::Unreadable("it is no regular file".into())));
    }

    #[test]
    fn texts_that_are_no_signature_are_refused() {
        let begin = "-----BEGIN SSH SIGNATURE-----\n";
        let end = "-----END SSH SIGNATURE-----\n";
        for wrong in [
            String::new(),
            "hello".into(),
            begin.into(),
            format!("{begin}{end}"),
            format!("{begin}U1NIU0lH\n{end}"),
        ] {
            assert_eq!(signer(b"module", wrong.as_bytes()), Err(SignatureFault::NotASignature), "{wrong}");
        }
        assert_eq!(signer(b"", &[0; MAX_BYTES as usize + 1]), Err(SignatureFault::TooLarge));
    }
}
