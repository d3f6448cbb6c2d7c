//! What was compiled is kept, and is not believed where anything about it is in doubt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Agent, Version};

#[test]
fn a_start_takes_what_was_compiled_and_throws_away_what_is_damaged() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    agent.stop()?.expect(0)?;
    let folder = agent.site.path("state/compiled");
    ensure!(fs::metadata(&folder)?.permissions().mode() & 0o777 == 0o700);
    let only = || -> Result<PathBuf> {
        let files: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
        ensure!(files.len() == 1, "{files:?}");
        Ok(files[0].path())
    };
    let code = only()?;
    let written = fs::metadata(&code)?.len();

    // Again: nothing new is written.
    let before = agent.cycles("m")?.len();
    agent.start()?;
    agent.until_cycles("m", 2)?;
    let ended = agent.stop()?.expect(0)?;
    ensure!(only()? == code && !ended.stderr.contains("thrown away"), "{}", ended.stderr);
    ensure!(agent.cycles("m")?.len() > before);

    // A byte in the middle is another one: it is compiled anew, and polls as ever.
    let mut bytes = fs::read(&code)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&code, &bytes)?;
    agent.start()?;
    agent.running()?.until_logged(&["WARN", "compiled code is thrown away", "it is not what was written"])?;
    agent.until_cycles("m", 2)?;
    agent.stop()?.expect(0)?;
    ensure!(fs::metadata(only()?)?.len() == written);

    // A folder that others may enter is none to load code from; polls do without.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    agent.start()?;
    agent.running()?.until_logged(&["WARN", "compiled code is not kept", "and 700 is wanted"])?;
    agent.until_cycles("m", 2)?;
    agent.stop()?.expect(0)?;
    Ok(())
}
