//! libvirt's errors.

use std::ffi::{CString, c_int};

/// An error of libvirt: what a call of this thread left as its last error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (libvirt error {code} of domain {domain})")]
pub(crate) struct Error {
    /// virErrorNumber.
    pub(crate) code: u32,
    /// virErrorDomain: the part of libvirt that raised it.
    pub(crate) domain: u32,
    /// libvirt's text.
    pub(crate) message: String,
}

impl Error {
    /// The calling thread's last error, which is then forgotten.
    pub(super) fn last() -> Self {
        // SAFETY: no argument; the result is null or points to this thread's own error, which only calls of this thread change.
        let error = unsafe { virt_sys::virGetLastError() };
        if error.is_null() {
            return Self { code: 0, domain: 0, message: "libvirt failed without saying why".to_owned() };
        }
        // SAFETY: not null, and valid until this thread's next call.
        let (code, domain, message) = unsafe { ((*error).code, (*error).domain, (*error).message) };
        // SAFETY: null or a text of the error, copied before the error is reset.
        let message = unsafe { super::borrowed_text(message) }.unwrap_or_else(|| "no text".to_owned());
        // SAFETY: no argument; frees what `error` points to, which is not used any more.
        unsafe { virt_sys::virResetLastError() };
        Self { code: code.try_into().unwrap_or(0), domain: domain.try_into().unwrap_or(0), message }
    }

    /// The connection is gone for good, or could not be made: every further call on it would fail in the same way.
    ///
    /// A libvirtd that was killed gives code 1 of domain 7, one that is not there code 38 of domain 7.
    pub(crate) fn is_disconnect(&self) -> bool {
        let by_link = matches!(self.domain, virt_sys::VIR_FROM_RPC | virt_sys::VIR_FROM_REMOTE);
        let by_loss = matches!(
            self.code,
            virt_sys::VIR_ERR_INTERNAL_ERROR | virt_sys::VIR_ERR_SYSTEM_ERROR | virt_sys::VIR_ERR_RPC
        );
        by_link && by_loss
    }

    /// The domain does not exist any more (code 42).
    pub(crate) fn is_no_domain(&self) -> bool {
        self.code == virt_sys::VIR_ERR_NO_DOMAIN
    }

    /// The domain is not running, and the call needs that (code 55).
    pub(crate) fn is_not_running(&self) -> bool {
        self.code == virt_sys::VIR_ERR_OPERATION_INVALID
    }

    /// The driver does not have the call (codes 3 and 84).
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self.code, virt_sys::VIR_ERR_NO_SUPPORT | virt_sys::VIR_ERR_OPERATION_UNSUPPORTED)
    }
}

/// A text as C takes it; a text with a NUL is libvirt's "invalid argument".
pub(super) fn c_text(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error {
        code: virt_sys::VIR_ERR_INVALID_ARG,
        domain: virt_sys::VIR_FROM_NONE,
        message: "a text for libvirt has a NUL in it".to_owned(),
    })
}

/// libvirt's way to fail: a negative result.
pub(super) fn check(result: c_int) -> Result<usize, Error> {
    usize::try_from(result).map_err(|_| Error::last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u32, domain: u32) -> Error {
        Error { code, domain, message: String::new() }
    }

    #[test]
    fn only_errors_of_the_link_itself_mean_that_it_is_gone() {
        assert!(error(1, 7).is_disconnect());
        assert!(error(38, 7).is_disconnect());
        assert!(error(38, 13).is_disconnect());
        assert!(!error(1, 10).is_disconnect(), "an internal error of the qemu driver");
        assert!(!error(42, 10).is_disconnect());
        assert!(!error(3, 7).is_disconnect());
    }

    #[test]
    fn a_text_with_a_nul_is_refused_before_libvirt_sees_it() {
        assert_eq!(c_text("vda\0x").unwrap_err().code, virt_sys::VIR_ERR_INVALID_ARG);
        assert!(c_text("vda").is_ok());
    }
}
