//! The heap of a guest: a static arena first, `memory.grow` when it is full.
//!
//! A fresh instance per poll makes the first allocation a cost of every poll, and growing the memory is the greater part
//! of it: within the arena a poll never grows it. Guests with an allocator of their own switch the feature `heap` off.

use core::alloc::Layout;
use core::mem::MaybeUninit;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// As much as the first page has beside the stack and some constants. Ceilometer's meters of five vnics, or of thirteen disks, fit.
const ARENA_BYTES: usize = 48 * 1024;
const PAGE_BYTES: usize = 64 * 1024;
/// What an allocation may need beside itself: alignment and the allocator's own words.
const MARGIN_BYTES: usize = 1024;

static mut ARENA: [MaybeUninit<u8>; ARENA_BYTES] = [MaybeUninit::uninit(); ARENA_BYTES];

#[global_allocator]
static HEAP: TalcSyncCell<ArenaThenGrow, WasmBinning> =
    TalcSyncCell::new_wasm(ArenaThenGrow { claimed: false });

#[derive(Debug)]
struct ArenaThenGrow {
    claimed: bool,
}

// SAFETY: acquire touches the allocator through `talc` alone and allocates nothing itself.
unsafe impl Source for ArenaThenGrow {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.claimed {
            talc.source.claimed = true;
            // SAFETY: the arena is the allocator's alone, and this claims it once.
            return unsafe { talc.claim((&raw mut ARENA).cast(), ARENA_BYTES) }.map(drop).ok_or(());
        }
        let pages = (layout.size() + layout.align() + MARGIN_BYTES).div_ceil(PAGE_BYTES);
        let before = core::arch::wasm32::memory_grow::<0>(pages);
        if before == usize::MAX {
            return Err(());
        }
        // SAFETY: the pages are fresh from the runtime, so nobody else knows them.
        unsafe { talc.claim((before * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES) }.map(drop).ok_or(())
    }
}
