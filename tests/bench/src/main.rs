//! What a sample costs, from libvirt to the store: `cargo xtask bench`.
//!
//! All figures come from one run on one machine; between machines, and between runs on a busy one, compare the ratios.

mod authors;
mod collect;
mod cycle;
mod delivery;
mod guests;
mod poll;
mod publish;
mod samples;
mod store;
mod swap;
mod table;

use anyhow::{Result, bail};

use table::Table;

const HELP: &str = "\
Usage: cargo xtask bench [poll] [guests] [publish] [collect] [store] [delivery] [cycle] [real] [swap]     all of them by default

  poll      a poll of mem.max, fresh and warm, and a host call
  guests    every component in target/guests, of every language: size, compiling, loading, polls, memory
  publish   samples per second, signed, published and confirmed by a private RabbitMQ
  collect   samples per second from the queue to each store, signatures checked
  store     each store by itself: appending ten million samples, their bytes, and how soon queries are answered
  delivery  samples per second by spool, fsync, window, size of messages and kind of queue; bytes in the spool; idle cost
  cycle     all of Ceilometer's meters at 10 to 5,000 instances of libvirt's test driver, in process and through
            libvirtd: time, CPU per sample, memory, and the bare calls beside it; needs root for the libvirtd
  real      the same at real qemu guests; needs root
  swap      from a new module's file to its first poll, what a swap costs the polls, what limits cost, and a start from
            compiled code";

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // What `cycle` runs in a process of its own, to read that process's peak of memory.
        ["one-host", uri, broker] => return cycle::one(uri, broker),
        ["--help" | "-h"] => {
            println!("{HELP}");
            return Ok(());
        }
        _ => {}
    }
    const PARTS: [&str; 9] =
        ["poll", "guests", "publish", "collect", "store", "delivery", "cycle", "real", "swap"];
    if let Some(unknown) = arguments.iter().find(|word| !PARTS.contains(word)) {
        bail!("unknown argument {unknown}\n\n{HELP}");
    }
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: its figures say nothing. Use `cargo xtask bench`.");
    }
    let wanted = |part| arguments.is_empty() || arguments.contains(&part);
    let mut table = Table::default();
    if wanted("poll") {
        poll::measure(&mut table)?;
    }
    if wanted("guests") {
        authors::measure()?;
    }
    if wanted("publish") {
        publish::measure(&mut table)?;
    }
    if wanted("collect") {
        collect::measure(&mut table)?;
    }
    if wanted("store") {
        store::measure(&mut table)?;
    }
    if wanted("delivery") {
        delivery::measure(&mut table)?;
    }
    if wanted("cycle") {
        cycle::measure(&mut table)?;
    }
    if wanted("real") {
        cycle::measure_real(&mut table)?;
    }
    if wanted("swap") {
        swap::measure(&mut table)?;
    }
    if !table.is_empty() {
        println!("\n{table}");
    }
    Ok(())
}

/// A folder on a disk, for what a temporary one may have in memory: the project's own `target`.
fn disk() -> std::path::PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(Into::into))
        .unwrap_or_else(std::env::temp_dir)
}
