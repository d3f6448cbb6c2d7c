//! Faults on whole processes for some minutes, and an account after each: `cargo xtask chaos`.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use nephoscope_tests::chaos::{Account, Chance, Fault, Setting, World};

const HELP: &str = "\
Usage: cargo xtask chaos [--minutes N] [--seed N] [single] [disks] [cluster]

Kills, stops and cuts off real agents, brokers and collectors at random moments, and compares the samples that were taken with
those that are stored. Ends with an error if one is lost or doubled.

  --minutes N   how long, all in all; 6 by default
  --seed N      decides what happens and when; by default the present second, which is shown
  single        one broker: processes killed and stopped, connections cut, halved, slow and silent
  disks         small disks for spool and store, which are full now and then; needs root
  cluster       three brokers with a quorum queue, of which one is killed";

struct Arguments {
    minutes: u64,
    seed: u64,
    settings: Vec<Setting>,
}

fn arguments() -> Result<Option<Arguments>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut found = Arguments { minutes: 6, seed: now, settings: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let text = words.next().with_context(|| format!("{word} needs a number"))?;
            text.parse().with_context(|| format!("{word} {text}: no number"))
        };
        match word.as_str() {
            "--minutes" => found.minutes = number()?,
            "--seed" => found.seed = number()?,
            "single" => found.settings.push(Setting::Single),
            "disks" => found.settings.push(Setting::SmallDisks),
            "cluster" => found.settings.push(Setting::Cluster),
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            _ => bail!("unknown argument {word}\n\n{HELP}"),
        }
    }
    if found.settings.is_empty() {
        found.settings = vec![Setting::Single, Setting::SmallDisks, Setting::Cluster];
    }
    Ok(Some(found))
}

fn main() -> ExitCode {
    let done = arguments().and_then(|arguments| match arguments {
        Some(arguments) => run(&arguments),
        None => Ok(()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    println!("seed {}", arguments.seed);
    let time = Duration::from_secs(60 * arguments.minutes) / u32::try_from(arguments.settings.len())?;
    let mut sum = Account::default();
    for setting in &arguments.settings {
        println!("\n{setting:?}\n| round | fault | settled after | account |\n|---|---|---|---|");
        let account = rounds(*setting, arguments.seed, time)?;
        sum.taken += account.taken;
        sum.stored += account.stored;
        sum.lost += account.lost;
        sum.doubled += account.doubled;
    }
    println!("\nAll in all: {sum}");
    Ok(())
}

/// Faults in random order, each of them once before one comes again.
fn rounds(setting: Setting, seed: u64, time: Duration) -> Result<Account> {
    let mut world = World::start(setting, seed)?;
    let mut chance = Chance::new(seed ^ 0x5EED);
    let (until, mut round) = (Instant::now() + time, 0);
    let mut left: Vec<Fault> = Vec::new();
    while Instant::now() < until {
        if left.is_empty() {
            left = Fault::of(setting).to_vec();
        }
        let fault = left.swap_remove(chance.below(left.len() as u64) as usize);
        round += 1;
        fault.happen(&mut world).with_context(|| format!("round {round}: {fault}"))?;
        let begun = Instant::now();
        let account = world.settle(false).with_context(|| format!("round {round}: {fault}"))?;
        println!("| {round} | {fault} | {:.1} s | {account} |", begun.elapsed().as_secs_f64());
    }
    world.end()
}
