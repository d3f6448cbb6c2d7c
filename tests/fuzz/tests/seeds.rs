//! Every target takes its seeds: what was once found is not found again, on any toolchain and in a second.

use nephoscope_fuzz::{TARGETS, Target, seeds};

#[test]
fn every_target_takes_its_seeds() {
    for Target { name, run } in TARGETS {
        let mut count = 0;
        for file in std::fs::read_dir(seeds(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 2, "{name} has {count} seeds");
        run(b"");
        run(&[0xff; 64]);
    }
}
