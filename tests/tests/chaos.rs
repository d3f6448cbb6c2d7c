//! Each fault of `cargo xtask chaos` once, on real processes: what was taken is stored, each sample once.

use anyhow::{Context, Result, ensure};
use nephoscope_tests::chaos::{Fault, Setting, World};

/// What happens is the same each time, as far as it is not the machine's.
const SEED: u64 = 6;

fn each_fault_once(setting: Setting) -> Result<()> {
    let mut world = World::start(setting, SEED)?;
    for fault in Fault::of(setting) {
        fault.happen(&mut world).with_context(|| fault.to_string())?;
        let account = world.settle(false).with_context(|| fault.to_string())?;
        println!("{fault}: {account}");
    }
    let account = world.end()?;
    ensure!(account.taken > 200, "hardly anything was taken: {account}");
    Ok(())
}

#[test]
fn nothing_is_lost_or_doubled_whatever_is_killed_stopped_or_cut_off() -> Result<()> {
    each_fault_once(Setting::Single)
}

#[test]
fn nothing_is_lost_or_doubled_by_a_full_disk_of_the_spool_or_the_store() -> Result<()> {
    each_fault_once(Setting::SmallDisks)
}

#[test]
fn nothing_is_lost_or_doubled_by_the_loss_of_a_node_of_a_cluster() -> Result<()> {
    each_fault_once(Setting::Cluster)
}
