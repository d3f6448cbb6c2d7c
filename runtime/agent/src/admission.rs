//! Admission: a module is read once, judged, and only then compiled; what its signer may claim bounds what it wants.

use config::{Faults, Place};
use sandbox::{Engine, Guest, LoadError, Module, Spec, module};
use trust::{Identity, Refusal, Trust};

/// Loads a guest whose module may run. None where it may not: the reason is among the faults then, at the place that names it.
///
/// # Errors
/// As [`Guest::load`].
pub fn load(
    engine: &Engine,
    described: &config::Guest,
    trust: &Trust,
    spec: Spec,
    faults: &mut Faults,
) -> Result<Option<(Guest, Identity)>, LoadError> {
    // The bytes that were judged are those that are compiled: the file may be another one by then.
    let bytes = module::bytes(&described.module)?;
    let Some(identity) = admit(described, &bytes, trust, faults) else { return Ok(None) };
    let guest = Guest::of(engine, &Module::compile(engine, &bytes, &described.module)?, spec)?;
    let meters = guest.meters().iter().map(|meter| meter.name.as_str());
    let grants = guest.capabilities().iter().map(|capability| capability.as_str());
    if let Some(key) = &identity.signer
        && let Err(excess) = key.claims(meters, grants)
    {
        faults.error(&described.module.place, format!("guest {}: {excess}", described.name));
        return Ok(None);
    }
    Ok(Some((guest, identity)))
}

fn admit(described: &config::Guest, bytes: &[u8], trust: &Trust, faults: &mut Faults) -> Option<Identity> {
    let guest = &described.name;
    let pin = described.sha256.as_ref();
    match trust.admit(&described.module, bytes, pin.map(|pin| pin.value)) {
        Ok(identity) => {
            if let Some(warning) = &identity.warning {
                faults.warning(&described.module.place, format!("guest {guest}: {warning}"));
            }
            Some(identity)
        }
        Err(refusal) => {
            faults.error(
                place(described, &refusal),
                format!("the module of guest {guest} may not run: {refusal}"),
            );
            None
        }
    }
}

/// What would have to change.
fn place<'a>(described: &'a config::Guest, refusal: &Refusal) -> &'a Place {
    match (refusal, &described.sha256) {
        (Refusal::OtherFile { .. }, Some(pin)) => &pin.place,
        _ => &described.module.place,
    }
}
