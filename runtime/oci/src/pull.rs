//! Pulling.

use std::error::Error;
use std::time::Duration;

use futures_util::TryStreamExt;
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError};
use serde::Deserialize;
use tokio::time::timeout;
use trust::{Sha256, signature};

use crate::credentials::Credentials;
use crate::reference::{Reference, Version};

/// The layers that are modules: of the CNCF's artifacts for WebAssembly (`wkg`, `oras`), and of what came before them.
pub const MODULE_TYPES: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// The layer that is a module's signature.
pub const SIGNATURE_TYPE: &str = "application/vnd.nephoscope.signature";

const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// A registry that answers does so in a fraction of this.
const CONNECT: Duration = Duration::from_secs(10);

/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(20);

/// A manifest or a tag's digest, logging in included.
const MANIFEST: Duration = Duration::from_secs(30);

/// A layer: the largest in this time needs 2 Mbit/s.
const LAYER: Duration = Duration::from_secs(300);

/// How one pulls.
#[derive(Clone, Debug)]
pub struct Options {
    /// A module that is larger is not read to its end.
    pub module_bytes: u64,
    /// With TLS or without.
    pub transport: Transport,
    /// The login; none: as anybody.
    pub credentials: Option<Credentials>,
}

/// How one talks to a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS, with the authorities that the system trusts.
    #[default]
    Tls,
    /// HTTP, for a registry on this host or in a lab.
    Plain,
}

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The module.
    pub module: Vec<u8>,
    /// Its signature.
    pub signature: Option<Vec<u8>>,
}

/// Why nothing was pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A tag may be another artifact tomorrow.
    #[error("it names a tag, which may be something else tomorrow; what it is now: {0}")]
    Tag(String),
    /// The registry has no such thing.
    #[error("the registry has no such {0}")]
    NotFound(&'static str),
    /// The registry wants a login, or another one.
    #[error(
        "the registry refuses it: a login that may read it is needed (`--credentials FILE`, or Docker's config)"
    )]
    Unauthorized,
    /// What came is not what was asked for.
    #[error("the {0} that the registry gave is not of its digest: it was changed, there or on the way")]
    Digest(&'static str),
    /// No manifest of an artifact.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// No module, or several.
    #[error("it holds {found} modules; one layer of type {} is wanted, and its layers are {layers}", MODULE_TYPES.join(" or "))]
    Modules {
        /// How many.
        found: usize,
        /// The types of all.
        layers: String,
    },
    /// Several signatures.
    #[error("it holds several signatures")]
    Signatures,
    /// A layer larger than its bound.
    #[error("its {what} is larger than {most} bytes")]
    TooLarge {
        /// Module or signature.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// The registry takes too long.
    #[error("the registry did not give the {0} in time")]
    Late(&'static str),
    /// The registry cannot be talked to.
    #[error("failed to get the {what}: {reason}")]
    Registry {
        /// What was asked for.
        what: &'static str,
        /// Why, with what it came from.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u64,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

/// Pulls a module, and its signature where the artifact has one.
///
/// # Errors
/// [`PullError`]; a tag is one, too, and tells the digest that it has now.
pub async fn pull(reference: &Reference, options: &Options) -> Result<Pulled, PullError> {
    let client = client(options)?;
    let auth = Credentials::auth(options.credentials.as_ref());
    let image = &reference.image;
    let Version::Digest(digest) = &reference.version else {
        let found = timeout(MANIFEST, client.fetch_manifest_digest(image, &auth)).await;
        let found = found.map_err(|_| PullError::Late("tag"))?.map_err(|error| failure("tag", &error))?;
        return Err(PullError::Tag(reference.at(&found)));
    };
    let pulled = timeout(MANIFEST, client.pull_manifest_raw(image, &auth, &MANIFEST_TYPES)).await;
    let (bytes, _) =
        pulled.map_err(|_| PullError::Late("manifest"))?.map_err(|error| failure("manifest", &error))?;
    if Sha256::of(&bytes) != *digest {
        return Err(PullError::Digest("manifest"));
    }
    let (module, signature) = layers(&bytes)?;
    let module = layer(&client, reference, &module, "module", options.module_bytes).await?;
    let signature = match signature {
        Some(digest) => Some(layer(&client, reference, &digest, "signature", signature::MAX_BYTES).await?),
        None => None,
    };
    Ok(Pulled { module, signature })
}

fn client(options: &Options) -> Result<Client, PullError> {
    // Where the process has one already, it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ClientConfig {
        protocol: match options.transport {
            Transport::Tls => ClientProtocol::Https,
            Transport::Plain => ClientProtocol::Http,
        },
        connect_timeout: Some(CONNECT),
        read_timeout: Some(SILENCE),
        user_agent: concat!("nephoscope/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| failure("connection", &error))
}

/// The digests of the layers that are wanted.
fn layers(manifest: &[u8]) -> Result<(String, Option<String>), PullError> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| PullError::Manifest(error.to_string()))?;
    if manifest.schema_version != 2 {
        return Err(PullError::Manifest(format!("its schema is {} and not 2", manifest.schema_version)));
    }
    let of = |types: &[&str]| -> Vec<&Layer> {
        manifest.layers.iter().filter(|layer| types.contains(&layer.media_type.as_str())).collect()
    };
    let modules = of(&MODULE_TYPES);
    let [module] = modules[..] else {
        let types = manifest.layers.iter().map(|layer| layer.media_type.escape_debug().take(100).collect());
        let layers = types.take(10).collect::<Vec<String>>().join(", ");
        return Err(PullError::Modules { found: modules.len(), layers });
    };
    let signature = match of(&[SIGNATURE_TYPE])[..] {
        [] => None,
        [signature] => Some(signature.digest.clone()),
        _ => return Err(PullError::Signatures),
    };
    Ok((module.digest.clone(), signature))
}

async fn layer(
    client: &Client,
    reference: &Reference,
    digest: &str,
    what: &'static str,
    most: u64,
) -> Result<Vec<u8>, PullError> {
    let wanted: Sha256 = digest
        .strip_prefix("sha256:")
        .and_then(|digest| digest.parse().ok())
        .ok_or_else(|| PullError::Manifest(format!("the digest of its {what} is no sha256")))?;
    let read = async {
        // By its digest alone: the addresses that a manifest may have for a layer are not asked.
        let digest = format!("sha256:{wanted}");
        let mut stream = client
            .pull_blob_stream(&reference.image, digest.as_str())
            .await
            .map_err(|error| failure(what, &error))?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await.map_err(|error| failure(what, &error))? {
            if (bytes.len() + piece.len()) as u64 > most {
                return Err(PullError::TooLarge { what, most });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    let bytes = timeout(LAYER, read).await.map_err(|_| PullError::Late(what))??;
    if Sha256::of(&bytes) != wanted {
        return Err(PullError::Digest(what));
    }
    Ok(bytes)
}

/// What an error of the client's means.
fn failure(what: &'static str, error: &(dyn Error + 'static)) -> PullError {
    let mut reason = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<DigestError>() {
            return PullError::Digest(what);
        }
        match cause.downcast_ref::<OciDistributionError>() {
            Some(OciDistributionError::DigestError(_)) => return PullError::Digest(what),
            Some(
                OciDistributionError::UnauthorizedError { .. }
                | OciDistributionError::AuthenticationFailure(_),
            ) => {
                return PullError::Unauthorized;
            }
            Some(OciDistributionError::ImageManifestNotFoundError(_)) => return PullError::NotFound(what),
            Some(OciDistributionError::ServerError { code: 404, .. }) => return PullError::NotFound(what),
            Some(OciDistributionError::ServerError { code: 403, .. }) => return PullError::Unauthorized,
            Some(OciDistributionError::RegistryError { envelope, .. }) => {
                use oci_client::errors::OciErrorCode as Code;
                match envelope.errors.first().map(|error| &error.code) {
                    Some(Code::ManifestUnknown | Code::BlobUnknown | Code::NameUnknown | Code::NotFound) => {
                        return PullError::NotFound(what);
                    }
                    Some(Code::Unauthorized | Code::Denied) => return PullError::Unauthorized,
                    _ => {}
                }
            }
            _ => {}
        }
        // The registry's own words may be anything, and long.
        let text: String = cause.to_string().chars().filter(|char| !char.is_control()).take(300).collect();
        if !reason.contains(&text) {
            let colon = if reason.is_empty() { "" } else { ": " };
            reason = format!("{reason}{colon}{text}");
        }
        // An io::Error hides what it holds from `source`.
        next = match cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    PullError::Registry { what, reason }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(list: serde_json::Value) -> Result<(String, Option<String>), PullError> {
        layers(json!({ "schemaVersion": 2, "layers": list }).to_string().as_bytes())
    }

    #[test]
    fn the_module_is_the_one_layer_of_its_type() {
        for kind in MODULE_TYPES {
            let other = json!({ "mediaType": "text/plain", "digest": "c" });
            let module =
                json!({ "mediaType": kind, "digest": "a", "size": 1, "urls": ["http://elsewhere/"] });
            let signature = json!({ "mediaType": SIGNATURE_TYPE, "digest": "b" });
            assert_eq!(of(json!([other, module])).unwrap(), ("a".to_owned(), None));
            assert_eq!(of(json!([module, signature])).unwrap(), ("a".to_owned(), Some("b".to_owned())));
            assert!(matches!(of(json!([module, module])), Err(PullError::Modules { found: 2, .. })));
            assert!(matches!(of(json!([module, signature, signature])), Err(PullError::Signatures)));
            let error = of(json!([other])).unwrap_err().to_string();
            assert!(error.contains("its layers are text/plain"), "{error}");
        }
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion": 2, "manifests": []}"#,
            r#"{"schemaVersion": 1, "layers": []}"#,
        ] {
            assert!(matches!(layers(wrong.as_bytes()), Err(PullError::Manifest(_))), "{wrong}");
        }
    }

    #[test]
    fn a_registrys_words_are_bounded_and_are_no_terminals_commands() {
        let error = OciDistributionError::GenericError(Some("\u{1b}[2J".repeat(1000)));
        let text = failure("module", &error).to_string();
        assert!(text.len() < 500 && !text.contains('\u{1b}'), "{text}");
    }
}
