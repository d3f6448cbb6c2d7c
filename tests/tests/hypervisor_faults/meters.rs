//! Guests in WebAssembly text that hand on one reading of libvirt as it is, and its error where there is none.

use anyhow::Result;
use nephoscope_tests::{Guest, Site};
use wat_guests::{Kind, Wat};

/// One of the guests.
#[derive(Clone, Copy, Debug)]
pub enum Meter {
    /// `cpu.time`, nanoseconds: goes through the monitor.
    CpuTime,
    /// `disk.capacity`: the sum over the disks that have one, bytes; goes through the monitor.
    DiskCapacity,
    /// `vnic.count`: the interfaces; needs no monitor.
    VnicCount,
}

/// Where the reading's result is put.
const RESULT: u32 = 8192;

/// Returns no sample.
const NOTHING: &str = "(return (call $ok (i32.const 1024) (i32.const 0)))";

impl Meter {
    /// The guest, its module written into the site.
    pub fn guest(self, site: &Site) -> Result<Guest> {
        let interface = self.interface();
        let imports =
            format!(r#"(import "nephoscope:meter/{interface}@0.1.0" "inspect" (func $inspect (param i32)))"#);
        let items = format!(
            "(func $read (result i32) (local $at i32) (local $end i32) (local $sum i64)
             (call $inspect (i32.const {RESULT}))
             (if (i32.load8_u (i32.const {RESULT})) (then
               (i32.store8 (i32.const 512) (i32.const 1))
               (memory.copy (i32.const 516) (i32.const {}) (i32.const 12))
               (return (i32.const 512))))
             {}
             (i64.store (i32.const 1040) (local.get $sum))
             (call $ok (i32.const 1024) (i32.const 1)))",
            RESULT + self.payload(),
            self.sum(),
        );
        let meter = wat_guests::Meter { name: self.name(), kind: self.kind(), unit: "" };
        let wat = Wat { imports: &imports, items: &items, meter, poll: "(call $read)", ..Wat::default() };
        let module = wat.component();
        let file = site.write(&format!("{interface}.wasm"), module)?;
        Ok(Guest::new(&format!("{interface}-guest"), file, interface))
    }

    /// The meter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu.time",
            Self::DiskCapacity => "disk.capacity",
            Self::VnicCount => "vnic.count",
        }
    }

    const fn interface(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu",
            Self::DiskCapacity => "disks",
            Self::VnicCount => "vnics",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::CpuTime => Kind::Cumulative,
            Self::DiskCapacity | Self::VnicCount => Kind::Gauge,
        }
    }

    /// Where the result's payload begins: the record of `cpu` has 64-bit numbers, a list is two addresses.
    const fn payload(self) -> u32 {
        match self {
            Self::CpuTime => 8,
            Self::DiskCapacity | Self::VnicCount => 4,
        }
    }

    /// Puts the volume into `$sum`.
    fn sum(self) -> String {
        let word = |at: u32| format!("(i32.load (i32.const {}))", RESULT + at);
        match self {
            // The third field: `time`, an option.
            Self::CpuTime => format!(
                "(if (i32.eqz (i32.load8_u (i32.const {}))) (then {NOTHING}))
                 (local.set $sum (i64.load (i32.const {})))",
                RESULT + 16,
                RESULT + 24
            ),
            // A disk has 216 bytes, and at 168 its capacity, an option.
            Self::DiskCapacity => format!(
                "(local.set $at {})
                 (local.set $end (i32.add (local.get $at) (i32.mul (i32.const 216) {})))
                 (block $done (loop $next
                   (br_if $done (i32.eq (local.get $at) (local.get $end)))
                   (if (i32.load8_u offset=168 (local.get $at)) (then
                     (local.set $sum (i64.add (local.get $sum) (i64.load offset=176 (local.get $at))))))
                   (local.set $at (i32.add (local.get $at) (i32.const 216)))
                   (br $next)))",
                word(4),
                word(8)
            ),
            Self::VnicCount => format!("(local.set $sum (i64.extend_i32_u {}))", word(8)),
        }
    }
}
