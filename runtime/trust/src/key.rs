//! Keys that the operator trusts, and what the modules that they sign may claim.

use std::collections::BTreeSet;
use std::fmt;

use sample::filter::Filter;
use ssh_key::{HashAlg, public::KeyData};

/// A public key's line longer than this is none: one of ed25519 has 80 characters and a comment.
pub const MAX_LINE: usize = 4096;

/// The public half of an ed25519 key; as text, its type and fingerprint, as `ssh-keygen -l` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(crate) ssh_key::PublicKey);

/// Why a text is no key that can be trusted here. It is not quoted: it may be the private half.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No public key's line.
    #[error(
        "this is no public key of OpenSSH's: it looks like `ssh-ed25519 AAAA… comment`, the one line of a `.pub` file"
    )]
    NotAKey,
    /// The other half.
    #[error("this is a private key, which belongs to its owner alone; the line of its `.pub` file is wanted")]
    Private,
    /// A key of another algorithm.
    #[error("this is a key of type {0}; only ssh-ed25519 is taken (`ssh-keygen -t ed25519` makes one)")]
    Algorithm(String),
}

/// A trusted key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name, in what is shown of the modules that it has signed.
    pub name: String,
    /// What it verifies with.
    pub public: PublicKey,
    /// The meters that its modules may declare.
    pub meters: Filter,
    /// The interfaces of the contract that its modules may import, by name.
    pub grants: BTreeSet<String>,
}

/// What a module wants beyond what its signer may claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The key's name.
    pub key: String,
    /// Meters.
    pub meters: Vec<String>,
    /// Grants.
    pub grants: Vec<String>,
}

impl PublicKey {
    /// Reads the line of a `.pub` file.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn parse(line: &str) -> Result<Self, KeyFault> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") {
            return Err(KeyFault::Private);
        }
        if line.len() > MAX_LINE {
            return Err(KeyFault::NotAKey);
        }
        match ssh_key::PublicKey::from_openssh(line) {
            Ok(key) => Self::of(key.key_data()),
            // The library is built with ed25519 alone and may not know what another type's line holds.
            Err(_) => Err(match line.split_whitespace().next() {
                Some(kind) if is_other_type(kind) => KeyFault::Algorithm(kind.to_owned()),
                _ => KeyFault::NotAKey,
            }),
        }
    }

    /// The key of these data. Its comment, which nobody has signed, is left out.
    pub(crate) fn of(data: &KeyData) -> Result<Self, KeyFault> {
        match data.ed25519() {
            Some(_) => Ok(Self(data.clone().into())),
            None => Err(KeyFault::Algorithm(data.algorithm().to_string())),
        }
    }
}

/// The names of OpenSSH's other key types; everything else is not repeated.
fn is_other_type(word: &str) -> bool {
    const TYPES: [&str; 7] = [
        "ssh-rsa",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    TYPES.contains(&word)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.algorithm(), self.0.fingerprint(HashAlg::Sha256))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Key {
    /// Whether a module that this key has signed may declare these meters and import these interfaces.
    ///
    /// # Errors
    /// What goes beyond the key.
    pub fn claims<'a>(
        &self,
        meters: impl IntoIterator<Item = &'a str>,
        grants: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Excess> {
        let meters: Vec<_> =
            meters.into_iter().filter(|meter| !self.meters.selects(meter)).map(str::to_owned).collect();
        let grants: Vec<_> =
            grants.into_iter().filter(|grant| !self.grants.contains(*grant)).map(str::to_owned).collect();
        if meters.is_empty() && grants.is_empty() {
            return Ok(());
        }
        Err(Excess { key: self.name.clone(), meters, grants })
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wants = [("declares", &self.meters), ("imports", &self.grants)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(verb, names)| format!("{verb} {}", names.join(", ")));
        write!(
            f,
            "it {}, which the key {} that has signed it may not claim: add to the key's `meters` or `grants`, or use another module",
            wants.collect::<Vec<_>>().join(" and "),
            self.key
        )
    }
}

impl std::error::Error for Excess {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public half of a key that nobody has.
    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHeUMtRPb4lyl4vnEmx3pIEbJt3fJk0bGvQqOb7oHqfY a comment";

    fn key(meters: &[&str], grants: &[&str]) -> Key {
        Key {
            name: "authors".into(),
            public: PublicKey::parse(LINE).unwrap(),
            meters: Filter::new(meters.iter().copied()).unwrap(),
            grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        }
    }

    #[test]
    fn a_key_is_its_line_whatever_the_comment() {
        let key = PublicKey::parse(&format!("{LINE}\n")).unwrap();
        let bare: Vec<_> = LINE.split(' ').take(2).collect();
        assert_eq!(PublicKey::parse(&bare.join(" ")), Ok(key.clone()));
        assert!(key.to_string().starts_with("ssh-ed25519 SHA256:"), "{key}");
    }

    #[test]
    fn what_is_no_such_key_is_told_apart() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQC3 x";
        assert_eq!(PublicKey::parse(rsa), Err(KeyFault::Algorithm("ssh-rsa".into())));
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----";
        assert_eq!(PublicKey::parse(private), Err(KeyFault::Private));
        let options = format!("restrict {LINE}");
        let long = format!("{LINE}{}", "x".repeat(MAX_LINE));
        for wrong in ["", "ssh-ed25519", "ssh-ed25519 AAAA", &options, &long, &LINE[..60]] {
            assert_eq!(PublicKey::parse(wrong), Err(KeyFault::NotAKey), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_bounds_what_its_modules_want() {
        let key = key(&["network.*"], &["vnics", "state"]);
        assert_eq!(key.claims(["network.drops", "network.errors"], ["vnics"]), Ok(()));
        let excess = key.claims(["network.drops", "cpu"], ["memory", "state"]).unwrap_err();
        assert_eq!((&*excess.meters, &*excess.grants), (&["cpu".to_owned()][..], &["memory".to_owned()][..]));
        assert!(
            excess.to_string().starts_with("it declares cpu and imports memory, which the key authors "),
            "{excess}"
        );
        let excess = key.claims([], ["log"]).unwrap_err();
        assert!(excess.to_string().starts_with("it imports log, which"), "{excess}");
    }
}
