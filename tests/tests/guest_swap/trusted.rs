//! Who may run is asked at every swap, with the pins that hold then.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use trust::Sha256;

use super::agent::replace;
use super::{Agent, Version};

#[test]
fn a_module_waits_for_its_pin() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "")?;
    let pin = |volume| format!("{}  meter.wasm\n", Sha256::of(&Version::new("m", volume).component()));
    agent.site.write("PINS", pin(1))?;
    agent.pipeline.trust = "pins: PINS".into();
    agent.site.pipeline(&agent.pipeline)?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    replace(&agent.site.path("meter.wasm"), &Version::new("m", 2).component())?;
    agent.running()?.until_logged(&["ERROR", "generation 1 goes on", "may not run", "pin it with"])?;
    // A file of pins with a fault changes nothing.
    replace(&agent.site.path("PINS"), b"no pins")?;
    agent.running()?.until_logged(&["ERROR", "the pins stay as they were", "line 1"])?;
    replace(&agent.site.path("PINS"), (pin(1) + &pin(2)).as_bytes())?;
    agent.until_polled("m", 2)?;
    // An operator's word for a digest is a pin, of that digest.
    let third = agent.site.write("third.wasm", Version::new("m", 3).component())?;
    let (third, digest) =
        (third.display().to_string(), Sha256::of(&Version::new("m", 3).component()).to_string());
    agent.guest(&["install", "meter", &third])?.expect(1)?.line(&["refused:", "may not run"])?;
    let other = Sha256::of(b"another").to_string();
    agent.guest(&["install", "meter", &third, "--sha256", &other])?.expect(2)?.line(&["and not", &other])?;
    agent.guest(&["install", "meter", &third, "--sha256", &digest])?.expect(0)?;
    agent.until_polled("m", 3)?;
    // That holds after a restart; who is no longer pinned does not come back.
    agent.stop()?.expect(0)?;
    replace(&agent.site.path("PINS"), pin(2).as_bytes())?;
    agent.start()?;
    // With none to stand in for it that may still run, it is not on probation.
    assert_eq!(agent.until_state("meter", "good")?["generation"], 3);
    agent.guest(&["rollback", "meter", "--to", "1"])?.expect(1)?.line(&["refused:", "may not run"])?;
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn a_signed_module_polls_what_its_signer_may_claim() -> Result<()> {
    let mut agent =
        Agent::new(&[("meter", Version::new("m", 1))], "guest_folder: {path: guests, grants: [state]}")?;
    let keygen = |arguments: &[&str]| -> Result<()> {
        let told = Command::new("ssh-keygen").args(arguments).current_dir(agent.site.path("")).output()?;
        ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        Ok(())
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "somebody", "-f", "author"])?;
    let sign = |name: &str| keygen(&["-q", "-Y", "sign", "-n", trust::NAMESPACE, "-f", "author", name]);
    sign("meter.wasm")?;
    fs::create_dir(agent.site.path("guests"))?;
    for (name, meter) in [("signed.wasm", "m.more"), ("beyond.wasm", "cpu"), ("unsigned.wasm", "m.less")] {
        agent.site.write(name, Version::new(meter, 1).component())?;
    }
    sign("signed.wasm")?;
    sign("beyond.wasm")?;
    agent.pipeline.trust =
        r#"policy: signed, keys: [{name: acme, key: {file: author.pub}, meters: [m, "m.*"], grants: []}]"#
            .into();
    agent.site.pipeline(&agent.pipeline)?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    assert_eq!(agent.status("meter")?["signer"], "acme");
    let folder = agent.site.path("guests");
    for name in ["signed", "beyond", "unsigned"] {
        for ending in ["wasm.sig", "wasm"] {
            let _ = fs::rename(
                agent.site.path(&format!("{name}.{ending}")),
                folder.join(format!("{name}.{ending}")),
            );
        }
    }
    agent.until_polled("m.more", 1)?;
    agent.running()?.until_logged(&["ERROR", "beyond", "cpu"])?;
    agent.running()?.until_logged(&["ERROR", "unsigned", "may not run"])?;
    // A signature that comes later is another chance.
    fs::copy(folder.join("unsigned.wasm"), agent.site.path("unsigned.wasm"))?;
    let keygen = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", trust::NAMESPACE, "-f", "author", "unsigned.wasm"])
        .current_dir(agent.site.path(""))
        .status()?;
    ensure!(keygen.success());
    fs::rename(agent.site.path("unsigned.wasm.sig"), folder.join("unsigned.wasm.sig"))?;
    agent.until_polled("m.less", 1)?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    Ok(())
}
