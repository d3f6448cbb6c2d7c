//! Signatures as the real `ssh-keygen` makes them, and as it verifies them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nephoscope_trust as trust;

use sample::filter::Filter;
use trust::{Identity, Key, Pins, Policy, PublicKey, Refusal, Sha256, SignatureFault, Trust, signature};

const MODULE: &[u8] = b"\0asm, as far as anybody here looks";

/// A folder with a module and keys.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.module(), MODULE).unwrap();
        desk
    }

    fn module(&self) -> PathBuf {
        self.0.path().join("x.wasm")
    }

    /// Makes a key, and reads its public half.
    fn key(&self, name: &str, kind: &str) -> String {
        let file = self.0.path().join(name);
        keygen(&["-q", "-t", kind, "-N", "", "-C", "somebody", "-f", &file.display().to_string()], None);
        fs::read_to_string(file.with_extension("pub")).unwrap()
    }

    /// Signs the module, as the documentation says.
    fn sign(&self, key: &str, namespace: &str) -> Vec<u8> {
        let signature = signature::path(&self.module());
        let _ = fs::remove_file(&signature);
        let key = self.0.path().join(key).display().to_string();
        keygen(&["-Y", "sign", "-n", namespace, "-f", &key, &self.module().display().to_string()], None);
        fs::read(signature).unwrap()
    }
}

fn keygen(arguments: &[&str], input: Option<&Path>) -> String {
    let input = input.map_or_else(Stdio::null, |path| fs::File::open(path).unwrap().into());
    let told = Command::new("ssh-keygen")
        .args(arguments)
        .stdin(input)
        .output()
        .expect("ssh-keygen is missing: `cargo xtask setup` installs it");
    assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

fn trusting(policy: Policy, lines: &[&str]) -> Trust {
    let key = |(number, line): (usize, &&str)| {
        Arc::new(Key {
            name: format!("key-{number}"),
            public: PublicKey::parse(line).unwrap(),
            meters: Filter::all(),
            grants: Default::default(),
        })
    };
    Trust { policy, pins: Pins::default(), keys: lines.iter().enumerate().map(key).collect() }
}

fn signer(identity: &Identity) -> Option<&str> {
    identity.signer.as_ref().map(|key| key.name.as_str())
}

#[test]
fn a_signature_of_a_trusted_key_lets_a_module_in_and_ssh_keygen_agrees() {
    let desk = Desk::new();
    let (other, ours) = (desk.key("other", "ed25519"), desk.key("ours", "ed25519"));
    let made = desk.sign("ours", trust::NAMESPACE);
    let trust = trusting(Policy::Pinned, &[&other, &ours]);
    let identity = trust.judge(MODULE, Some(&made), None).unwrap();
    assert_eq!((signer(&identity), identity.pinned), (Some("key-1"), false));
    let both = trust.judge(MODULE, Some(&made), Some(Sha256::of(MODULE))).unwrap();
    assert_eq!((signer(&both), both.pinned), (Some("key-1"), true));
    assert_eq!(identity.sha256, Sha256::of(MODULE));
    let beside = trust.judge(MODULE, signature::beside(&desk.module()).unwrap().as_deref(), None).unwrap();
    assert_eq!(signer(&beside), Some("key-1"));
    assert_eq!(
        signer(&trusting(Policy::Signed, &[&ours]).judge(MODULE, Some(&made), None).unwrap()),
        Some("key-0")
    );

    let signers = desk.0.path().join("allowed_signers");
    fs::write(&signers, format!("them {ours}")).unwrap();
    let signature = signature::path(&desk.module());
    let [signers, signature] = [signers, signature].map(|path| path.display().to_string());
    let verify = ["-Y", "verify", "-n", trust::NAMESPACE, "-f", &signers, "-I", "them", "-s", &signature];
    assert!(keygen(&verify, Some(&desk.module())).contains("Good"));
}

#[test]
fn the_fingerprint_is_ssh_keygens() {
    let desk = Desk::new();
    let line = desk.key("ours", "ed25519");
    let shown = keygen(&["-l", "-f", &desk.0.path().join("ours.pub").display().to_string()], None);
    let key = PublicKey::parse(&line).unwrap().to_string();
    let fingerprint = key.strip_prefix("ssh-ed25519 ").unwrap();
    assert!(shown.contains(fingerprint), "{key}: {shown}");
}

#[test]
fn a_signature_that_proves_nothing_is_worse_than_none() {
    let desk = Desk::new();
    let ours = desk.key("ours", "ed25519");
    let stranger = desk.key("stranger", "ed25519");
    let sound = desk.sign("ours", trust::NAMESPACE);
    let refused = |module: &[u8], signature: &[u8]| {
        let pinned =
            Trust { pins: [Sha256::of(module)].into_iter().collect(), ..trusting(Policy::Pinned, &[&ours]) };
        let faults =
            [trusting(Policy::Pinned, &[&ours]), trusting(Policy::Signed, &[&ours]), pinned].map(|trust| {
                match trust.judge(module, Some(signature), None) {
                    Err(Refusal::Signature(fault)) => Some(fault),
                    Err(other) => panic!("{other}"),
                    Ok(_) => None,
                }
            });
        let any = trusting(Policy::Any, &[&ours]).judge(module, Some(signature), None).unwrap();
        assert!(any.signer.is_none());
        assert_eq!(any.warning, faults[0], "under `any` the same is a warning");
        assert_eq!(faults[0], faults[1]);
        faults
    };
    let [fault, _, pinned] = refused(b"another module", &sound);
    assert_eq!((&fault, &pinned), (&Some(SignatureFault::OtherFile), &fault));
    let [fault, _, pinned] = refused(MODULE, &desk.sign("ours", "git"));
    assert_eq!((&fault, &pinned), (&Some(SignatureFault::Namespace), &fault));
    let [fault, _, pinned] = refused(MODULE, b"-----BEGIN SSH SIGNATURE-----\n");
    assert_eq!((&fault, &pinned), (&Some(SignatureFault::NotASignature), &fault));
    let [fault, _, pinned] = refused(MODULE, &desk.sign("stranger", trust::NAMESPACE));
    assert_eq!(fault, Some(SignatureFault::Untrusted(PublicKey::parse(&stranger).unwrap())));
    assert_eq!(pinned, None, "a pin vouches for the file, whoever its author is");
}

#[test]
fn every_bit_of_key_and_signature_counts() {
    let desk = Desk::new();
    let ours = desk.key("ours", "ed25519");
    let trust = trusting(Policy::Signed, &[&ours]);
    let sound = desk.sign("ours", trust::NAMESPACE);
    assert!(trust.judge(MODULE, Some(&sound), None).is_ok());
    // Where the digits are: four of them, by lines of 70, hold three bytes. The key begins after 33 bytes and has 32, the signature
    // is the last 64.
    let text = std::str::from_utf8(&sound).unwrap();
    let body = text.find('\n').unwrap() + 1..text.rfind("\n-----END").unwrap();
    let digits: Vec<usize> = body.filter(|at| !matches!(sound[*at], b'\n' | b'=')).collect();
    let last = digits.len() - 64 * 4 / 3;
    for at in digits[44..86].iter().chain(&digits[last..]) {
        let mut changed = sound.clone();
        changed[*at] = if changed[*at] == b'A' { b'B' } else { b'A' };
        assert!(trust.judge(MODULE, Some(&changed), None).is_err(), "byte {at}");
    }
}

#[test]
fn keys_of_other_types_are_refused() {
    let desk = Desk::new();
    desk.key("old", "rsa");
    let made = desk.sign("old", trust::NAMESPACE);
    let refusal = trusting(Policy::Pinned, &[]).judge(MODULE, Some(&made), None).unwrap_err();
    assert_eq!(refusal, Refusal::Signature(SignatureFault::Algorithm("ssh-rsa".into())));
    desk.key("older", "ecdsa");
    let made = desk.sign("older", trust::NAMESPACE);
    let refusal = trusting(Policy::Pinned, &[]).judge(MODULE, Some(&made), None).unwrap_err();
    assert!(refusal.to_string().contains("is no ed25519 signature"), "{refusal}");
}

#[test]
fn pins_let_a_module_in_unless_the_policy_wants_a_signature() {
    let (hash, other) = (Sha256::of(MODULE), Sha256::of(b"another"));
    let trust = trusting(Policy::Pinned, &[]);
    assert_eq!(trust.judge(MODULE, None, None).unwrap_err(), Refusal::Unknown(hash));
    assert!(trust.judge(MODULE, None, Some(hash)).unwrap().pinned);
    let listed = Trust { pins: [hash].into_iter().collect(), ..trust };
    assert!(listed.judge(MODULE, None, None).unwrap().pinned);
    let signed = Trust { policy: Policy::Signed, ..listed.clone() };
    assert_eq!(signed.judge(MODULE, None, Some(hash)).unwrap_err(), Refusal::Unsigned(hash));
    for policy in [Policy::Signed, Policy::Pinned, Policy::Any] {
        let trust = Trust { policy, ..listed.clone() };
        let refusal = trust.judge(MODULE, None, Some(other)).unwrap_err();
        assert_eq!(refusal, Refusal::OtherFile { found: hash, pinned: other });
    }
    let any = Trust::any().judge(MODULE, None, None).unwrap();
    assert!(!any.pinned && any.signer.is_none() && any.warning.is_none());
}

#[test]
fn a_refusal_says_what_to_paste() {
    let text = trusting(Policy::Pinned, &[]).judge(MODULE, None, None).unwrap_err().to_string();
    assert!(text.contains(&format!("`sha256: {}`", Sha256::of(MODULE))), "{text}");
    assert!(text.contains("`trust: {policy: any}`"), "{text}");
}
