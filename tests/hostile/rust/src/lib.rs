//! Attacks that a compiler writes better than a person; the setting `attack` says which. `tests/tests/hostile_rust.rs` says what comes of each.

use nephoscope_guest::{Result, Sample, instance, meter, settings};

nephoscope_guest::pollster! {
    meters: [meter::gauge("hostile", "", "")],
    poll: poll,
}

fn poll() -> Result<Vec<Sample>> {
    match settings::get("attack").as_deref() {
        Some("panic") => panic!("\u{1b}[2J a panic with a message of {} bytes", "x".repeat(1 << 16).len()),
        Some("leak") => loop {
            Box::leak(vec![1u8; 1 << 16].into_boxed_slice());
        },
        Some("recurse") => Ok(vec![Sample::new("hostile", deeper(1) as f64)]),
        Some("nest") => {
            // A key of ten thousand parts: an object in an object in an object.
            let key = vec!["k"; 10_000].join(".");
            Ok(vec![Sample::new("hostile", 1.0).with(&key, "v")])
        }
        Some("metadata") => {
            // As much metadata as fits, under names that a consumer knows.
            let mut sample = Sample::new("hostile", 1.0);
            for number in 0..20_000 {
                sample = sample.with(&format!("display_name_{number}"), "x".repeat(64).as_str());
            }
            Ok(vec![sample])
        }
        Some("impersonate") => {
            // Its own UUID in front of another one.
            let id = format!("{}00000000-0000-4000-8000-000000000001", instance::id());
            Ok(vec![Sample::new("hostile", 1.0).of(id)])
        }
        Some("index") => {
            let nothing: Vec<f64> = Vec::new();
            Ok(vec![Sample::new("hostile", nothing[instance::id().len()])])
        }
        Some("overflow") => {
            let big = u32::MAX - instance::id().len() as u32;
            Ok(vec![Sample::new("hostile", f64::from(big) * f64::MAX)])
        }
        _ => Ok(vec![Sample::new("hostile", 1.0)]),
    }
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "that is the attack")]
fn deeper(depth: u64) -> u64 {
    let room = [depth; 64];
    std::hint::black_box(&room);
    deeper(depth + 1) + room[(depth % 64) as usize]
}
