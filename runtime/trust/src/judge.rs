//! The policies, and what is said of a module.

use std::sync::Arc;

use crate::Sha256;
use crate::key::Key;
use crate::pins::Pins;
use crate::signature::{self, NAMESPACE, SignatureFault};

/// What a module must have to run. In every policy, one whose own pin says another hash is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// A signature of a trusted key, whatever is pinned.
    Signed,
    /// A pin, or a signature of a trusted key.
    #[default]
    Pinned,
    /// Nothing.
    Any,
}

/// What the operator trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// What a module must have.
    pub policy: Policy,
    /// The modules that may run.
    pub pins: Pins,
    /// The keys that may sign.
    pub keys: Vec<Arc<Key>>,
}

/// Which module it is, and who vouches for it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its hash.
    pub sha256: Sha256,
    /// The trusted key that has signed it, whose claims bound it.
    pub signer: Option<Arc<Key>>,
    /// Whether it is pinned, by the guest or by the file of pins.
    pub pinned: bool,
    /// What the operator should know about its signature, which was not needed.
    pub warning: Option<SignatureFault>,
}

/// Why a module may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The guest's own pin is of another file.
    #[error("its sha256 is {found}, and the guest's `sha256` pins another: {pinned}")]
    OtherFile {
        /// The module's.
        found: Sha256,
        /// The guest's.
        pinned: Sha256,
    },
    /// Neither pinned nor signed.
    #[error(
        "it has neither a pin nor a signature of a trusted key; if it is the right one, pin it with `sha256: {0}`, or sign it \
         (`ssh-keygen -Y sign -n {NAMESPACE}`), or set `trust: {{policy: any}}`"
    )]
    Unknown(Sha256),
    /// Not signed, where that is wanted.
    #[error(
        "it has no signature, and `trust: {{policy: signed}}` wants one of a trusted key (`ssh-keygen -Y sign -n {NAMESPACE}`); its sha256 \
         is {0}"
    )]
    Unsigned(Sha256),
    /// Its signature is worse than none.
    #[error("{0}")]
    Signature(SignatureFault),
}

impl Trust {
    /// Trust in any module: for an author's own machine.
    pub fn any() -> Self {
        Self { policy: Policy::Any, ..Self::default() }
    }

    /// Judges a module by its bytes, its signature and the pin that the guest has.
    ///
    /// # Errors
    /// [`Refusal`] says what would be right.
    pub fn judge(
        &self,
        module: &[u8],
        signature: Option<&[u8]>,
        pin: Option<Sha256>,
    ) -> Result<Identity, Refusal> {
        let sha256 = Sha256::of(module);
        if let Some(pinned) = pin
            && pinned != sha256
        {
            return Err(Refusal::OtherFile { found: sha256, pinned });
        }
        let pinned = pin.is_some() || self.pins.contains(&sha256);
        let signer = signature.map(|signature| self.signer(module, signature)).transpose();
        let (signer, warning) = match (signer, self.policy) {
            (Ok(signer), _) => (signer, None),
            // The operator has vouched for this very file, and its author is nobody that the operator knows.
            (Err(fault @ SignatureFault::Untrusted(_)), Policy::Pinned) if pinned => (None, Some(fault)),
            (Err(fault), Policy::Any) => (None, Some(fault)),
            (Err(fault), Policy::Pinned | Policy::Signed) => return Err(Refusal::Signature(fault)),
        };
        match self.policy {
            Policy::Signed if signer.is_none() => Err(Refusal::Unsigned(sha256)),
            Policy::Pinned if signer.is_none() && !pinned => Err(Refusal::Unknown(sha256)),
            Policy::Signed | Policy::Pinned | Policy::Any => Ok(Identity { sha256, signer, pinned, warning }),
        }
    }

    fn signer(&self, module: &[u8], signature: &[u8]) -> Result<Arc<Key>, SignatureFault> {
        let signer = signature::signer(module, signature)?;
        self.keys.iter().find(|key| key.public == signer).cloned().ok_or(SignatureFault::Untrusted(signer))
    }
}
