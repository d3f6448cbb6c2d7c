//! What is pulled, and from where: `oci://HOST[:PORT]/REPOSITORY@sha256:DIGEST`.

use std::fmt;
use std::str::FromStr;

use trust::Sha256;

/// How a reference begins.
const SCHEME: &str = "oci://";

/// A registry, a repository, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub(crate) image: oci_client::Reference,
    pub(crate) version: Version,
}

/// Which of a repository's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// One, for ever.
    Digest(Sha256),
    /// Whichever has the tag just now.
    Tag,
}

/// A text that is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; a reference looks like oci://HOST[:PORT]/REPOSITORY@sha256:DIGEST")]
pub struct ReferenceFault(String);

impl Reference {
    /// The registry: `HOST[:PORT]`.
    pub fn registry(&self) -> &str {
        self.image.registry()
    }

    /// The same artifact, whatever becomes of the tag.
    pub(crate) fn at(&self, digest: &str) -> String {
        format!("{SCHEME}{}/{}@{digest}", self.image.registry(), self.image.repository())
    }
}

impl FromStr for Reference {
    type Err = ReferenceFault;

    fn from_str(text: &str) -> Result<Self, ReferenceFault> {
        let fault = |what: &str| ReferenceFault(what.to_owned());
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| fault("it does not begin with oci://"))?;
        let host = rest.split_once('/').map_or("", |(host, _)| host);
        if rest.contains('@') && host.contains('@') {
            return Err(fault("a login has no place in it (`--credentials`)"));
        }
        let image =
            oci_client::Reference::from_str(rest).map_err(|error| ReferenceFault(error.to_string()))?;
        // Docker's own registry stands in where a name has none.
        if host.is_empty() || image.registry() != host {
            return Err(fault("it names no registry"));
        }
        let version = match image.digest() {
            None => Version::Tag,
            Some(digest) => match digest.strip_prefix("sha256:").map(str::parse) {
                Some(Ok(hash)) => Version::Digest(hash),
                _ => return Err(fault("its digest is no sha256")),
            },
        };
        Ok(Self { image, version })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_one_artifact_and_a_tag_is_not() {
        let hash = Sha256::of(b"");
        let text = format!("oci://localhost:5000/guests/x@sha256:{hash}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!((reference.registry(), &reference.version), ("localhost:5000", &Version::Digest(hash)));
        assert_eq!(reference.to_string(), text);
        for tagged in ["oci://registry.example/x:1.0", "oci://registry.example/x"] {
            let reference: Reference = tagged.parse().unwrap();
            assert_eq!(reference.version, Version::Tag);
            assert_eq!(reference.at("sha256:1"), "oci://registry.example/x@sha256:1");
        }
    }

    #[test]
    fn what_is_no_reference_says_what_one_looks_like() {
        let long = format!("oci://registry.example/x@sha512:{}", "ab".repeat(64));
        for wrong in [
            "",
            "registry.example/x",
            "https://registry.example/x",
            "oci://",
            "oci://x",
            "oci://guests/x:1",
            "oci://registry.example/",
            "oci://registry.example/x@sha256:abc",
            "oci://user:secret@registry.example/x",
            "oci://registry.example/X Y",
            &long,
        ] {
            let fault = wrong.parse::<Reference>().unwrap_err().to_string();
            assert!(fault.contains("oci://HOST[:PORT]/REPOSITORY@sha256:DIGEST"), "{wrong}: {fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
    }
}
