//! Whose request it is, and what that may see.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, header};
use store::query::Filter;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::fault::Fault;
use crate::rate::{Guesses, Requests};
use crate::settings::Token;
use crate::token;

/// Where Keystone's clients put a token.
const TOKEN: &str = "x-auth-token";

/// The configured tokens, and how often each is used.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: Vec<([u8; 32], Arc<Caller>)>,
    requests: Requests,
    guesses: Guesses,
}

/// Whoever a token stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// For the log.
    pub name: String,
    /// None: all projects.
    pub projects: Option<Vec<String>>,
    /// Whether samples may be created.
    pub write: bool,
}

impl Access {
    pub(crate) fn new(tokens: &[Token], requests_per_second: u32) -> Self {
        let now = Instant::now();
        let caller = |token: &Token| {
            let Token { name, sha256, projects, write } = token.clone();
            (sha256, Arc::new(Caller { name, projects, write }))
        };
        Self {
            tokens: tokens.iter().map(caller).collect(),
            requests: Requests::new(tokens.len(), requests_per_second, now),
            guesses: Guesses::new(now),
        }
    }

    /// Whose request it is.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        now: Instant,
    ) -> Result<Arc<Caller>, Fault> {
        if !self.guesses.may_try(peer, now) {
            return Err(Fault::throttled(1));
        }
        let Some(given) = given(headers) else { return Err(Fault::unauthorized()) };
        let Some(found) = self.find(given) else {
            self.guesses.wrong(peer, now);
            return Err(Fault::unauthorized());
        };
        if !self.requests.take(found, now) {
            return Err(Fault::throttled(1));
        }
        self.tokens.get(found).map(|(_, caller)| Arc::clone(caller)).ok_or_else(Fault::unauthorized)
    }

    /// The token's place. All are compared, and each to its end, so that the time tells nothing of how near a guess was.
    fn find(&self, given: &str) -> Option<usize> {
        let hash = token::hash(given);
        let (mut found, mut place) = (Choice::from(0), 0_u64);
        for (index, (sha256, _)) in self.tokens.iter().enumerate() {
            let same = sha256.ct_eq(&hash);
            place.conditional_assign(&(index as u64), same);
            found |= same;
        }
        bool::from(found).then(|| usize::try_from(place).ok()).flatten()
    }
}

/// The token of a request, if it has one.
fn given(headers: &HeaderMap) -> Option<&str> {
    let text = match headers.get(TOKEN) {
        Some(token) => token.to_str().ok()?,
        None => {
            let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)?
        }
    };
    Some(text.trim()).filter(|text| !text.is_empty())
}

impl Caller {
    /// The filter, narrowed to what may be seen. One that names another project is refused, as Ceilometer refuses it: an empty answer
    /// would say that the project has no samples.
    pub(crate) fn scope(&self, filter: Filter) -> Result<Filter, Fault> {
        let Some(projects) = &self.projects else { return Ok(filter) };
        if let Some(other) =
            filter.projects_named().into_iter().find(|named| projects.iter().all(|own| own != named))
        {
            return Err(Fault::project(other));
        }
        Ok(filter.and(Filter::projects(projects)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn token(name: &str, text: &str) -> Token {
        Token { name: name.to_owned(), sha256: token::hash(text), projects: None, write: false }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_token_is_found_in_either_header() {
        let access = Access::new(&[token("one", "1"), token("two", "2"), token("three", "3")], 100);
        let now = Instant::now();
        let whose = |headers: &HeaderMap| {
            access.caller(headers, IpAddr::from([127, 0, 0, 1]), now).map(|caller| caller.name.clone()).ok()
        };
        assert_eq!(whose(&headers("x-auth-token", "1")).as_deref(), Some("one"));
        assert_eq!(whose(&headers("authorization", "bearer  3")).as_deref(), Some("three"));
        assert_eq!(whose(&headers("authorization", "Basic 3")), None);
        assert_eq!(whose(&headers("x-auth-token", "4")), None);
        assert_eq!(whose(&headers("x-auth-token", "")), None);
        assert_eq!(whose(&HeaderMap::new()), None);
    }

    #[test]
    fn who_guesses_is_soon_refused_with_a_right_token_too() {
        let access = Access::new(&[token("one", "1")], 100);
        let (peer, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Instant::now();
        for _ in 0..1_000 {
            assert!(access.caller(&headers("x-auth-token", "guess"), peer, now).is_err());
        }
        assert!(access.caller(&headers("x-auth-token", "1"), peer, now).is_err());
        assert!(access.caller(&headers("x-auth-token", "1"), other, now).is_ok());
    }
}
