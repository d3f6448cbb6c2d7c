//! Modules from an OCI registry: Debian's docker-registry, as it is and with what somebody has tampered with.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use lab::{Access, Registry, output};
use nephoscope_tests::program::lines;
use nephoscope_tests::{Guest, Pipeline, Site, guest, root};
use oci::pull::SIGNATURE_TYPE;
use oci::{Options, PullError, Transport};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use serde_json::json;
use tokio::runtime::Runtime;
use trust::Sha256;

const WASM: &str = "application/wasm";
const OLDER_WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry, and an author who pushes to it.
struct Shelf {
    registry: Registry,
    client: Client,
    login: RegistryAuth,
    runtime: Runtime,
}

impl Shelf {
    fn new(access: Access) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ClientConfig {
            protocol: ClientProtocol::Http,
            use_monolithic_push: true,
            ..ClientConfig::default()
        };
        let login = match access {
            Access::Open => RegistryAuth::Anonymous,
            Access::Login => RegistryAuth::Basic("reader".into(), "shelf".into()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { registry: Registry::start(access)?, client: Client::try_from(config)?, login, runtime })
    }

    /// Pushes an artifact of these layers, and gives the reference that pulls it.
    fn push(&self, layers: &[(&str, &[u8])]) -> Result<String> {
        let image: oci_client::Reference =
            format!("{}/guests/mem-max:1.0", self.registry.address()).parse()?;
        let config = ("application/vnd.wasm.config.v0+json", &b"{}"[..]);
        let described = |(kind, bytes): &(&str, &[u8])| json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(&config),
            "layers": layers.iter().map(described).collect::<Vec<_>>(),
        })
        .to_string();
        self.runtime.block_on(async {
            self.client.auth(&image, &self.login, RegistryOperation::Push).await?;
            for (_, bytes) in layers.iter().chain([&config]) {
                self.client.push_blob(&image, bytes.to_vec(), &digest(bytes)).await?;
            }
            self.client.push_manifest_raw(&image, manifest.clone().into_bytes(), MANIFEST.parse()?).await?;
            anyhow::Ok(())
        })?;
        Ok(self.reference(&format!("@{}", digest(manifest.as_bytes()))))
    }

    fn reference(&self, version: &str) -> String {
        format!("oci://{}/guests/mem-max{version}", self.registry.address())
    }

    /// Changes what the registry has under a digest, on its disk.
    fn tamper(&self, sha256: &str) -> Result<()> {
        let path = self.registry.blob(sha256);
        let mut bytes = fs::read(&path).with_context(|| format!("no {}", path.display()))?;
        let last = bytes.last_mut().context("an empty blob")?;
        *last ^= 1;
        Ok(fs::write(path, bytes)?)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::of(bytes))
}

fn pull<'a>(reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["guest", "pull", reference, "--out", "x.wasm", "--plain-http"], more].concat()
}

/// The words that the program ends with.
fn refused(site: &Site, reference: &str) -> Result<String> {
    let ended = site.run(&pull(reference, &[]))?.expect(1)?;
    assert!(!site.path("x.wasm").exists() && !site.path("x.wasm.sig").exists(), "something was written");
    Ok(ended.stderr)
}

#[test]
fn a_module_is_pulled_by_its_digest_and_runs_where_it_is_pinned() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let module = fs::read(guest("mem_max"))?;
    for kind in [WASM, OLDER_WASM] {
        let reference = shelf.push(&[("text/markdown", b"# mem.max"), (kind, &module)])?;
        // Left by a pull of another module.
        site.write("x.wasm.sig", "of another")?;
        let told = site.run(&pull(&reference, &[]))?.expect(0)?.stdout;
        assert_eq!(fs::read(site.path("x.wasm"))?, module);
        assert!(!site.path("x.wasm.sig").exists());
        let pin = Sha256::of(&module);
        assert!(told.contains(&format!("sha256: {pin}")), "{told}");

        let uri = site.test_driver(&lab::instances(2))?;
        let guests = vec![Guest::new("mem-max", site.path("x.wasm"), "memory")];
        let pipeline =
            Pipeline { guests, trust: "pins: PINS".into(), ..Pipeline::mem_max(&uri, &[&site.file_sink()]) };
        site.pipeline(&pipeline)?;
        site.write("PINS", "# none yet\n")?;
        let refused = site.run(&["check", "pipeline.yaml"])?.expect(2)?.stdout;
        assert!(refused.contains(&format!("pin it with `sha256: {pin}`")), "{refused}");
        site.write("PINS", format!("{pin}  x.wasm\n"))?;
        let checked = site.run(&["check", "pipeline.yaml"])?.expect(0)?;
        assert_eq!(lines(&checked.stdout, &["mem-max", "memory", &pin.short(), "nobody"]).len(), 1);
        site.run_once()?.expect(0)?;
        assert_eq!(site.taken()?.len(), 2);
        fs::remove_file(site.path("samples.json"))?;
    }
    Ok(())
}

#[test]
fn a_running_agent_is_given_a_module_by_its_digest_in_a_registry() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let uri = site.test_driver(&lab::instances(2))?;
    let pipeline = Pipeline {
        trust: format!("pins: {}", root().join("target/guests/SHA256SUMS").display()),
        more: "state: state\nsocket: agent.sock".into(),
        ..Pipeline::mem_max(&uri, &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    // The same guest with a section that means nothing: another digest, which is pinned nowhere.
    let module = [&fs::read(guest("mem_max"))?[..], &[0, 5, 1, b'n', 1, 2, 3]].concat();
    let reference = shelf.push(&[(WASM, &module)])?;
    let tag = reference.split('@').next().unwrap_or_default().to_owned() + ":1.0";
    let mut running = site.start(&["run", "pipeline.yaml"])?;
    running.until_logged(&["polled", "samples=2"])?;
    let install = |what: &str| {
        site.run(&["guest", "install", "mem-max", what, "--plain-http", "--socket", "agent.sock"])
    };
    // A tag is nobody's word for anything.
    assert_ne!(install(&tag)?.code, Some(0));
    let done = install(&reference)?.expect(0)?;
    assert_eq!(done.stdout, "generation 2 polls in place of 1, on probation\n");
    let listed = site.run(&["guest", "list", "--socket", "agent.sock"])?.expect(0)?;
    assert_eq!(
        lines(&listed.stdout, &["mem-max", "2", &Sha256::of(&module).short()]).len(),
        1,
        "{}",
        listed.stdout
    );
    running.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn a_signature_comes_along_and_its_key_bounds_the_module() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let module = fs::read(guest("mem_max"))?;
    let (signed, key) = (site.write("signed.wasm", &module)?, site.path("key"));
    output(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
    let sign = ["-Y", "sign", "-n", trust::NAMESPACE, "-f"];
    output(Command::new("ssh-keygen").args(sign).arg(&key).arg(&signed))?;
    let signature = fs::read(site.path("signed.wasm.sig"))?;
    let reference = shelf.push(&[(WASM, &module), (SIGNATURE_TYPE, &signature)])?;
    site.run(&pull(&reference, &[]))?.expect(0)?;
    assert_eq!(fs::read(site.path("x.wasm.sig"))?, signature);

    let uri = site.test_driver(&lab::instances(2))?;
    let check = |meters: &str, grants: &str| -> Result<String> {
        let guests = vec![Guest::new("mem-max", site.path("x.wasm"), "memory")];
        let key =
            format!("{{name: authors, key: {{file: key.pub}}, meters: [{meters}], grants: [{grants}]}}");
        let trust = format!("policy: signed, keys: [{key}]");
        site.pipeline(&Pipeline { guests, trust, ..Pipeline::mem_max(&uri, &[&site.file_sink()]) })?;
        let ended = site.run(&["check", "pipeline.yaml"])?;
        Ok(ended.stdout.lines().filter(|line| line.contains(" error: ")).collect())
    };
    assert_eq!(check("mem.*", "memory")?, "");
    let fault = check("network.*", "vnics")?;
    assert!(fault.contains("declares mem.max and imports memory, which the key authors"), "{fault}");
    site.write("x.wasm", [&module[..], b"\0"].concat())?;
    let fault = check("mem.*", "memory")?;
    assert!(fault.contains("pipeline.yaml:5:13: error: ") && fault.contains("is of another file"), "{fault}");
    Ok(())
}

#[test]
fn a_tag_is_refused_with_the_digest_that_it_has_now() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let reference = shelf.push(&[(WASM, b"a module")])?;
    let words = refused(&site, &shelf.reference(":1.0"))?;
    assert!(words.contains(&reference), "{words}");
    assert!(refused(&site, &shelf.reference(":2.0"))?.contains("the registry has no such tag"));
    Ok(())
}

#[test]
fn what_was_tampered_with_at_the_registry_is_refused() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let reference = shelf.push(&[(WASM, b"a module"), (SIGNATURE_TYPE, b"a signature")])?;
    shelf.tamper(&Sha256::of(b"a signature").to_string())?;
    assert!(
        refused(&site, &reference)?.contains("the signature that the registry gave is not of its digest")
    );
    shelf.tamper(&Sha256::of(b"a module").to_string())?;
    assert!(refused(&site, &reference)?.contains("the module that the registry gave is not of its digest"));
    let manifest = reference.rsplit(':').next().context("a digest")?;
    shelf.tamper(manifest)?;
    refused(&site, &reference)?;
    Ok(())
}

#[test]
fn what_is_no_module_is_refused_and_so_is_what_is_not_there() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let reference = shelf.push(&[("application/vnd.oci.image.layer.v1.tar+gzip", b"a container")])?;
    let words = refused(&site, &reference)?;
    assert!(words.contains("it holds 0 modules") && words.contains("tar+gzip"), "{words}");
    let reference = shelf.push(&[(WASM, b"one"), (OLDER_WASM, b"two")])?;
    assert!(refused(&site, &reference)?.contains("it holds 2 modules"));
    let nothing = shelf.reference(&format!("@{}", digest(b"nothing")));
    assert!(refused(&site, &nothing)?.contains("the registry has no such manifest"));
    let reference = shelf.push(&[(WASM, b"a module")])?;
    fs::remove_file(shelf.registry.blob(&Sha256::of(b"a module").to_string()))?;
    assert!(refused(&site, &reference)?.contains("no such module"));
    Ok(())
}

#[test]
fn reading_stops_at_the_bounds() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Open)?, Site::new()?);
    let reference = shelf.push(&[(WASM, &[b'm'; 100_001])])?;
    let options = |module_bytes| Options { module_bytes, transport: Transport::Plain, credentials: None };
    let pulled = shelf.runtime.block_on(oci::pull(&reference.parse()?, &options(100_001)))?;
    assert_eq!(pulled.module.len(), 100_001);
    let error = shelf.runtime.block_on(oci::pull(&reference.parse()?, &options(100_000))).unwrap_err();
    assert!(matches!(error, PullError::TooLarge { what: "module", most: 100_000 }), "{error}");
    let reference = shelf.push(&[(WASM, b"a module"), (SIGNATURE_TYPE, &[b's'; 16 * 1024 + 1])])?;
    assert!(refused(&site, &reference)?.contains("its signature is larger than 16384 bytes"));
    Ok(())
}

#[test]
fn a_registry_that_wants_a_login_gets_it_from_a_file_or_dockers_config() -> Result<()> {
    let (shelf, site) = (Shelf::new(Access::Login)?, Site::new()?);
    let reference = shelf.push(&[(WASM, b"a module")])?;
    assert!(refused(&site, &reference)?.contains("a login that may read it is needed"));
    site.write("login", "reader:wrong\n")?;
    let words = site.run(&pull(&reference, &["--credentials", "login"]))?.expect(1)?.stderr;
    assert!(words.contains("a login that may read it is needed") && !words.contains("wrong"), "{words}");
    site.write("login", "reader:shelf\n")?;
    site.run(&pull(&reference, &["--credentials", "login"]))?.expect(0)?;
    assert_eq!(fs::read(site.path("x.wasm"))?, b"a module");

    fs::remove_file(site.path("x.wasm"))?;
    let config = json!({ "auths": { shelf.registry.address(): { "auth": "cmVhZGVyOnNoZWxm" } } });
    site.write("config.json", config.to_string())?;
    let folder = site.path("").display().to_string();
    let ended = site.start_with(&pull(&reference, &[]), &[("DOCKER_CONFIG", &folder)])?.wait()?;
    ended.expect(0)?;
    assert_eq!(fs::read(site.path("x.wasm"))?, b"a module");
    Ok(())
}
