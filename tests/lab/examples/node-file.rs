//! Prints a node file of nova-like instances for libvirt's test driver: `node-file [COUNT] >node.xml`, a dozen by default.
//! `pipelines/demo/node.xml` is made by it.

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(12);
    print!("{}", lab::node_file(&lab::instances(count)));
}
