//! What a sample costs, from libvirt to the store: `cargo xtask bench`.

mod poll;

fn main() -> anyhow::Result<()> {
    poll::measure()
}
