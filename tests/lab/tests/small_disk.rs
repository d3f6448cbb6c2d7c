//! The small disk: full when it is filled, with room when it is not, and gone when it is dropped.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};

use anyhow::Result;
use lab::SmallDisk;

const SIZE: u64 = 1024 * 1024;

/// The mounts of this process that are at this path or below it.
fn mounts(path: &str) -> Result<usize> {
    let mut all = String::new();
    File::open("/proc/self/mounts")?.read_to_string(&mut all)?;
    Ok(all.lines().filter(|line| line.split(' ').nth(1).is_some_and(|at| at.starts_with(path))).count())
}

#[test]
fn a_filled_disk_takes_nothing_until_it_is_freed() -> Result<()> {
    let disk = SmallDisk::mount(SIZE)?;
    assert_eq!(disk.available()?, SIZE);
    let (first, second) = (disk.path().join("first"), disk.path().join("second"));
    fs::write(&first, [1; 10_000])?;

    disk.fill()?;
    assert_eq!(disk.available()?, 0);
    let refused = fs::write(&second, [2; 1]).expect_err("a full disk took a byte");
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert_eq!(fs::read(&first)?, [1; 10_000]);
    // Filling a full one is no fault.
    disk.fill()?;

    disk.free()?;
    fs::write(&second, [2; 10_000])?;
    assert_eq!(fs::read(&second)?, [2; 10_000]);
    disk.free()?;
    Ok(())
}

#[test]
fn as_much_is_left_as_was_asked_for() -> Result<()> {
    let disk = SmallDisk::mount(SIZE)?;
    for bytes in [20_000, 100_000, 0, 1] {
        disk.leave(bytes)?;
        let available = disk.available()?;
        assert!((bytes..bytes + 4096).contains(&available), "{available} for {bytes}");
    }
    disk.leave(20_000)?;
    let mut file = File::create(disk.path().join("file"))?;
    file.write_all(&[3; 20_000])?;
    let refused = file.write_all(&[3; 20_000]).expect_err("more was taken than was left");
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert!(disk.leave(SIZE).is_err());
    Ok(())
}

#[test]
fn a_dropped_disk_is_unmounted_and_removed_while_it_is_used() -> Result<()> {
    let disk = SmallDisk::mount(SIZE)?;
    let path = disk.path().to_owned();
    let at = path.to_string_lossy().into_owned();
    assert_eq!(mounts(&at)?, 1);
    let mut open = File::create(path.join("open"))?;
    drop(disk);
    assert_eq!(mounts(&at)?, 0);
    assert!(!path.exists());
    assert!(path.parent().is_some_and(|folder| !folder.exists()));
    open.write_all(b"still there")?;
    Ok(())
}

#[test]
fn a_disk_needs_a_size() {
    assert!(SmallDisk::mount(0).is_err());
}
