//! What authors' commands have compiled is kept for the next one: an interpreter takes seconds, and an author runs it again and again.

use std::env;
use std::path::PathBuf;

use sandbox::Cache;
use sandbox::cache::CacheError;

/// The cache of this user; none for who has no home.
pub fn of_author() -> Option<Cache> {
    let absolute =
        |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    match Cache::open(&caches.join("nephoscope/compiled")) {
        Ok(cache) => Some(cache),
        Err(error @ CacheError::NotOwn { .. }) => {
            tracing::warn!("compiled code is not kept: {error}");
            None
        }
        // A home that is read-only or not there is no news to whoever works in it.
        Err(error) => {
            tracing::debug!("compiled code is not kept: {:#}", anyhow::Error::from(error));
            None
        }
    }
}
