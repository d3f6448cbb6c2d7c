//! The servers of a host and their metadata: `GET /servers/detail`, page by page.
//!
//! ```text
//!  …?all_tenants=True&host=H&limit=200 ──▶ {servers: […], servers_links: [{rel: next}]} ──▶ …&marker=LAST ──▶ … ──▶ no `next`
//! ```
//!
//! That there is a next page is what `servers_links` says; its address is made here, of Nova's own and the last server's id. The link's
//! is not used: behind a proxy it often names another scheme or host, and the token must go nowhere else.
//!
//! Of a page's servers ids and reserved metadata are kept; [`page`] bounds what the rest costs while it is read.

mod page;

use crate::error::NovaError;
use crate::http::bare;
use crate::keystone::Session;
use crate::reserved::Reserved;
use crate::settings::{Bounds, Settings};
use crate::table::{Listing, Metadata};
use crate::url::encode;

use page::{MAX_TEXT, Page, Server};

/// Servers of a page that are asked for: a page of usual servers is below 1 MB.
const PAGE: usize = 200;

/// Kept texts of one server, in bytes: half of what a sample's whole metadata may have. What is more is left out.
const SERVER_BYTES: usize = 32 * 1024;

/// Kept texts of a listing, in bytes: four thousand servers with 8 kB each.
const LISTING_BYTES: usize = 32 * 1024 * 1024;

/// What Nova lists for a host.
#[derive(Default)]
pub(crate) struct Listed {
    /// The servers.
    pub servers: Listing,
    /// Servers that show which host they are on.
    pub placed: usize,
}

/// A host's servers. `go_on` is asked before each page.
pub(crate) fn list(
    session: &Session,
    settings: &Settings,
    host: &str,
    go_on: impl Fn() -> bool,
) -> Result<Listed, NovaError> {
    let bounds = &settings.bounds;
    let first =
        session.nova.join(&format!("/servers/detail?all_tenants=True&host={}&limit={PAGE}", encode(host)));
    let malformed = |expected| NovaError::Malformed { url: bare(&first), expected };
    let (mut url, mut listing, mut placed, mut bytes) = (first.clone(), Listing::new(), 0, 0);
    for _ in 0..bounds.pages {
        if !go_on() {
            return Err(NovaError::Stopped);
        }
        let answer = session.client.get(&url, &session.token)?;
        let page = Page::read(&answer.body).ok_or_else(|| malformed("a list of servers"))?;
        let (known, mut last) = (listing.len(), None);
        for server in page.servers.0 {
            let id = id(&server.id).ok_or_else(|| malformed("servers with UUIDs"))?;
            match server.host.as_deref() {
                Some(shown) if shown == host => placed += 1,
                Some(_) => return Err(NovaError::Unfiltered { url: bare(&first) }),
                None => {}
            }
            let metadata = kept(&server, &settings.reserved, bounds);
            bytes += size(&metadata);
            last = Some(id.clone());
            listing.insert(id, metadata);
        }
        if listing.len() > bounds.servers {
            return Err(NovaError::TooManyServers { most: bounds.servers });
        }
        if bytes > LISTING_BYTES {
            return Err(NovaError::TooLarge { url: bare(&first), most: LISTING_BYTES });
        }
        if !page.servers_links.have_next() {
            return Ok(Listed { servers: listing, placed });
        }
        match last {
            Some(last) if listing.len() > known => url = format!("{first}&marker={last}"),
            _ => return Err(malformed("pages that come to an end")),
        }
    }
    Err(NovaError::TooManyPages { most: bounds.pages })
}

/// A server's id as libvirt writes it.
fn id(text: &str) -> Option<String> {
    let fits = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    fits.then(|| text.to_ascii_lowercase())
}

/// What is kept of a server's metadata: what is reserved and what Nova itself would let a tenant set; of too much the first by name,
/// so that it is the same at each listing.
fn kept(server: &Server<'_>, reserved: &Reserved, bounds: &Bounds) -> Metadata {
    let mut kept = Metadata::new();
    for (key, value) in &server.metadata.0 {
        if reserved.has(key) && is_key(key) && is_value(value) {
            kept.insert(key.clone().into_owned(), value.clone().into_owned());
        }
    }
    while kept.len() > bounds.metadata {
        kept.pop_last();
    }
    let mut bytes = size(&kept);
    while bytes > SERVER_BYTES
        && let Some((key, value)) = kept.pop_last()
    {
        bytes -= key.len() + value.len();
    }
    kept
}

fn size(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Nova's rule for keys. Others come from somebody else, and some of them would make a sample that consumers refuse.
fn is_key(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:. ".contains(&byte);
    (1..=MAX_TEXT).contains(&key.len()) && key.bytes().all(fits)
}

/// Nova's rule for values, and no NUL, which stores do not hold.
fn is_value(value: &str) -> bool {
    value.chars().count() <= MAX_TEXT && !value.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(metadata: &str, reserved: &Reserved, bounds: &Bounds) -> Metadata {
        let body = format!("{{\"servers\": [{{\"id\": \"\", \"metadata\": {metadata}}}]}}");
        kept(&Page::read(body.as_bytes()).unwrap().servers.0[0], reserved, bounds)
    }

    #[test]
    fn only_what_is_reserved_and_legal_is_kept() {
        let reserved = Reserved { keys: vec!["fqdn".into(), "$x".into()], ..Reserved::default() };
        let long = "é".repeat(MAX_TEXT);
        let metadata = format!(
            r#"{{"metering.a": "{long}", "metering.long": "{long}é", "metering.nul": "\u0000", "metering.\u0000": "x",
                "metering.n": 1.5, "metering.o": {{"a": [null, 1]}}, "fqdn": "h", "$x": "x", "secret": "hunter2"}}"#
        );
        let kept = keep(&metadata, &reserved, &Bounds::default());
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["fqdn", "metering.a"]);
    }

    #[test]
    fn of_too_much_the_first_by_name_is_kept() {
        let bounds = Bounds { metadata: 2, ..Bounds::default() };
        let kept =
            keep(r#"{"metering.c": "", "metering.a": "", "metering.b": ""}"#, &Reserved::default(), &bounds);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["metering.a", "metering.b"]);

        let value = "\u{1F600}".repeat(MAX_TEXT);
        let many: Vec<_> = (0..100).map(|item| format!("\"metering.{item:03}\": \"{value}\"")).collect();
        let kept = keep(&format!("{{{}}}", many.join(",")), &Reserved::default(), &Bounds::default());
        assert_eq!(kept.len(), SERVER_BYTES / (MAX_TEXT * 4 + "metering.000".len()));
        assert!(kept.contains_key("metering.000"));
    }

    #[test]
    fn ids_are_uuids_in_libvirts_form() {
        let upper = "F5DC173B-6804-445A-A6D8-C705DAD5B5EB";
        assert_eq!(id(upper).unwrap(), upper.to_lowercase());
        for wrong in
            ["", "f5dc173b", "f5dc173b-6804-445a-a6d8-c705dad5b5e&", "é5dc173b-6804-445a-a6d8-c705dad5b5e"]
        {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
