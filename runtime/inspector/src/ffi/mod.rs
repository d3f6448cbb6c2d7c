//! libvirt's C library behind safe types: the only place of this project that may use `unsafe`.
//!
//! It stands on `virt-sys`, the plain bindings, and not on the `virt` crate above them: that one has no bulk statistics,
//! reads uninitialised memory where `virDomainGetBlockInfo` fails, panics on a text with a NUL and where a handle cannot be
//! freed, and folds the error numbers that it does not know into one.
//!
//! What the types here guarantee:
//! - a [`Connection`] and a [`Domain`] own one reference of libvirt's own count each and may be shared between threads, as
//!   libvirt allows; a domain keeps its connection open by itself;
//! - libvirt's last error is kept per thread: it is read on the calling thread, before the call returns to safe code;
//! - whatever libvirt allocates is copied into Rust's memory and freed here, on every path;
//! - a call blocks as long as libvirt blocks, which can be for ever: deadlines are the caller's business.
#![allow(
    unsafe_code,
    reason = "libvirt is a C library; every other module of the project builds on the safe types of this one"
)]

mod connection;
mod domain;
mod error;
mod events;
mod params;

use std::ffi::{CStr, c_char, c_void};
use std::sync::Once;
use std::time::Duration;

pub(crate) use connection::Connection;
pub(crate) use domain::{ControlInfo, Domain, Info};
pub(crate) use error::Error;
pub(crate) use events::{Changed, Changes};

/// How long the event thread rests where libvirt's event loop fails: it must not spin.
const EVENT_REST: Duration = Duration::from_secs(1);

/// Prepares the library, once per process: silences its error handler, which prints on stderr, and starts the thread that
/// runs its event loop, without which there is no keepalive and no event. Must precede every open.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: libvirt calls the handler with a null `userData` and an error that the handler does not touch.
        unsafe { virt_sys::virSetErrorFunc(std::ptr::null_mut(), Some(ignore)) };
        // SAFETY: no argument; called once, before any connection exists.
        if unsafe { virt_sys::virEventRegisterDefaultImpl() } < 0 {
            let error = Error::last();
            tracing::warn!(%error, "libvirt has no event loop: no keepalive, no events");
            return;
        }
        let thread = std::thread::Builder::new().name("libvirt-events".to_owned());
        if let Err(error) = thread.spawn(run_events) {
            tracing::warn!(%error, "the thread of libvirt's event loop did not start: no keepalive, no events");
        }
    });
}

/// Runs libvirt's event loop for as long as the process lives.
fn run_events() {
    loop {
        // SAFETY: no argument; the implementation was registered before this thread was started, and no other runs it.
        if unsafe { virt_sys::virEventRunDefaultImpl() } < 0 {
            let error = Error::last();
            tracing::debug!(%error, "libvirt's event loop failed");
            std::thread::sleep(EVENT_REST);
        }
    }
}

/// libvirt's error handler: errors are returned to callers, who log them with what they know.
unsafe extern "C" fn ignore(_: *mut c_void, _: virt_sys::virErrorPtr) {}

/// Copies a C text that libvirt owns; what is not UTF-8 in it is replaced. None for null.
///
/// # Safety
/// `text` is null or points to a text that ends with NUL and that nobody changes meanwhile.
unsafe fn borrowed_text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Copies and frees a C text that libvirt handed over. None for null.
///
/// # Safety
/// `text` is null or points to a text that ends with NUL, was allocated by libvirt, and belongs to the caller.
unsafe fn owned_text(text: *mut c_char) -> Option<String> {
    // SAFETY: the caller vouches for it.
    let copy = unsafe { borrowed_text(text) };
    // SAFETY: libvirt allocates with malloc; the text belongs to us and is not used after this; null is allowed.
    unsafe { libc::free(text.cast()) };
    copy
}
