//! Logins: from a file of their own, or from Docker's config. Never from the command line, where everybody on the host sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// A file larger than this holds no login; Docker's config has some for a registry each.
const MAX_BYTES: u64 = 256 * 1024;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsFault {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no login: {wanted}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
}

/// Docker's config, as far as it is read here.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Deserialize)]
struct DockerAuth {
    /// `user:password` in base64; absent where a helper keeps it.
    auth: Option<String>,
}

impl Credentials {
    /// Reads `user:password`, the one line of a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, CredentialsFault> {
        let wanted = "one line of `user:password` is wanted";
        let text = String::from_utf8(bytes(path)?).ok();
        text.and_then(|text| Self::of(text.trim_end_matches(['\r', '\n'])))
            .ok_or_else(|| CredentialsFault::Form { path: path.to_owned(), wanted })
    }

    /// What `docker login`, `oras login` or `podman login` have left for a registry in Docker's config, if anything.
    ///
    /// # Errors
    /// The file is there and cannot be read, or holds something else.
    pub fn of_docker(config: &Path, registry: &str) -> Result<Option<Self>, CredentialsFault> {
        let form = |wanted| CredentialsFault::Form { path: config.to_owned(), wanted };
        let bytes = match bytes(config) {
            Err(CredentialsFault::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        let found: DockerConfig =
            serde_json::from_slice(&bytes).map_err(|_| form("it is no config of Docker's"))?;
        let Some(auth) = found.auths.get(registry).and_then(|auth| auth.auth.as_deref()) else {
            return Ok(None);
        };
        let text = STANDARD.decode(auth).ok().and_then(|text| String::from_utf8(text).ok());
        let login = text.and_then(|text| Self::of(&text));
        login.map(Some).ok_or_else(|| form("`auth` is `user:password` in base64"))
    }

    fn of(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':')?;
        let is_whole = !user.is_empty() && !text.contains(char::is_control);
        is_whole.then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }

    pub(crate) fn auth(login: Option<&Self>) -> RegistryAuth {
        match login {
            Some(Self { user, password }) => RegistryAuth::Basic(user.clone(), password.clone()),
            None => RegistryAuth::Anonymous,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, CredentialsFault> {
    let mut bytes = Vec::new();
    // A pipe would be waited for, a device never ends.
    let read = path.metadata().and_then(|found| match found.is_file() {
        true => File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes),
        false => Err(io::Error::other("it is no regular file")),
    });
    read.map(|_| bytes).map_err(|source| CredentialsFault::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_login_is_one_line_and_not_shown() {
        let (_folder, path) = file("me:se:cret\n");
        let login = Credentials::read(&path).unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me", "se:cret"));
        assert!(!format!("{login:?}").contains("cret"));
        for wrong in ["", "me", ":secret", "me:secret\nmore"] {
            let (_folder, path) = file(wrong);
            let fault = Credentials::read(&path).unwrap_err().to_string();
            assert!(fault.contains("user:password") && !fault.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn dockers_config_has_a_login_for_each_registry() {
        let (_folder, path) = file(
            r#"{"auths": {"a:5000": {"auth": "bWU6c2VjcmV0"}, "b": {}, "c": {"auth": "!"}}, "credsStore": "x"}"#,
        );
        let login = Credentials::of_docker(&path, "a:5000").unwrap().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me", "secret"));
        assert_eq!(Credentials::of_docker(&path, "b").unwrap(), None);
        assert_eq!(Credentials::of_docker(&path, "a").unwrap(), None);
        assert!(Credentials::of_docker(&path, "c").is_err());
        assert_eq!(Credentials::of_docker(&path.with_extension("gone"), "a").unwrap(), None);
        let (_folder, path) = file("auths:");
        assert!(Credentials::of_docker(&path, "a").is_err());
    }
}
