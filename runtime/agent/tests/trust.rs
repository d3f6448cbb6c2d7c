//! What a plan makes of modules that may not run.

use std::fs;
use std::path::Path;

use nephoscope_agent::{Means, Plan};
use trust::Sha256;
use wat_guests::Wat;

/// The faults of a pipeline of one guest, with these keys of its own and this trust.
fn faults(folder: &Path, guest: &str, trust: &str) -> String {
    let file = folder.join("pipeline.yaml");
    let text = format!(
        "libvirt: {{uri: \"test:///default\"}}\nguests:\n  - name: x\n    module: x.wasm\n    grants: []\n{guest}trust: {trust}\n\
         sources: [{{name: a, interval: 60, meters: [\"*\"]}}]\nsinks: [{{name: s, publishers: [\"stdout:\"]}}]\n"
    );
    fs::write(&file, text).unwrap();
    let text = match config::load_pipeline(&file).and_then(|file| Plan::make(file, Means::default())) {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(faults) => faults.to_string(),
    };
    text.replace(&format!("{}:", file.display()), "")
}

#[test]
fn what_is_not_trusted_is_a_fault_where_the_guest_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let module = Wat::default().component();
    fs::write(folder.path().join("x.wasm"), &module).unwrap();
    let hash = Sha256::of(&module);
    let other = Sha256::of(b"");
    let pin = |hash| format!("    sha256: {hash}\n");

    let found = faults(folder.path(), "", "{}");
    assert!(
        found.starts_with("4:13: error: the module of guest x may not run: it has neither a pin"),
        "{found}"
    );
    assert!(found.contains(&format!("`sha256: {hash}`")), "{found}");
    assert_eq!(faults(folder.path(), &pin(hash), "{}"), "");
    assert_eq!(faults(folder.path(), "", "{policy: any}"), "");
    let found = faults(folder.path(), &pin(other), "{policy: any}");
    assert!(found.starts_with("6:13: error: "), "{found}");
    assert!(found.contains(&hash.to_string()) && found.contains(&other.to_string()), "{found}");

    fs::write(folder.path().join("x.wasm.sig"), "of nothing").unwrap();
    let found = faults(folder.path(), &pin(hash), "{}");
    assert!(found.starts_with("4:13: error: ") && found.contains("no ed25519 signature"), "{found}");
    assert_eq!(faults(folder.path(), "", "{policy: any}"), "");
    fs::remove_file(folder.path().join("x.wasm.sig")).unwrap();
    fs::create_dir(folder.path().join("x.wasm.sig")).unwrap();
    let found = faults(folder.path(), &pin(hash), "{}");
    assert!(found.contains("no ed25519 signature"), "one that cannot be read is not none: {found}");
}

#[test]
fn a_module_that_may_not_run_is_not_even_parsed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.wasm"), "no module").unwrap();
    let found = faults(folder.path(), "", "{}");
    assert!(found.contains("may not run") && !found.contains("no WebAssembly"), "{found}");
    assert!(faults(folder.path(), "", "{policy: any}").contains("no WebAssembly"));
}
