//! A request's query, as WSME reads it.
//!
//! Of `q.field=a&q.value=1&q.field=b&q.value=2` the first field goes with the first value and so on, wherever they stand; that is
//! also how aggregates come. A parameter that a request does not have is refused, as there: a misspelt `limit` would answer something
//! else than was asked.

use sample::Timestamp;
use store::bounds::{DEFAULT_LIMIT, MAX_CLAUSES, MAX_QUERY};
use store::query::{Condition, Filter, check_limit};

use crate::fault::{Fault, shown};

/// Parameters whose values are lists.
const LISTS: [&str; 7] =
    ["q.field", "q.op", "q.value", "q.type", "groupby", "aggregate.func", "aggregate.param"];
/// The most a search_offset may be, in minutes: a year.
const MAX_OFFSET: i64 = 366 * 24 * 60;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Which times a query's conditions may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Allowed,
    /// A meter has none.
    Refused,
}

/// The first and the last time that are asked for, without what a search_offset adds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Asked {
    /// What of a span is within; none where nothing is.
    pub(crate) fn within(self, first: Timestamp, last: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let first = self.from.map_or(first, |from| first.max(from));
        let last = self.until.map_or(last, |until| last.min(until));
        (first <= last).then_some((first, last))
    }
}

impl Parameters {
    /// Splits a query; `known` are the parameters that the request has.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Fault> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(Fault::bad(format!("The query is longer than {MAX_QUERY} bytes")));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // `q.` stands for all of its fields.
            let is_known = |known: &&str| *known == name || known.ends_with('.') && name.starts_with(known);
            let is_field = name.contains('.');
            if !known.iter().any(is_known) || is_field && !LISTS.contains(&name.as_ref()) {
                return Err(Fault::unknown(&name));
            }
            if !LISTS.contains(&name.as_ref()) && pairs.iter().any(|(other, _)| *other == name) {
                return Err(Fault::bad(format!("The parameter {name} is given more than once")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, if it is given and not empty.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        match self.one(name).map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Fault::input(name, text, "It is no whole number")),
            },
        }
    }

    /// A flag, as oslo's `bool_from_string` reads it: what is no yes is a no.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let yes = ["1", "t", "true", "on", "y", "yes"];
        self.one(name).is_some_and(|text| yes.contains(&text.trim().to_lowercase().as_str()))
    }

    /// How many at most.
    pub(crate) fn limit(&self) -> Result<usize, Fault> {
        limit(self.number("limit")?)
    }

    /// What groups are made by.
    pub(crate) fn group_by(&self) -> Vec<&str> {
        self.all("groupby")
    }

    /// Functions, with what they are of.
    pub(crate) fn aggregates(&self) -> Result<Vec<(&str, Option<&str>)>, Fault> {
        let (functions, of) = (self.all("aggregate.func"), self.all("aggregate.param"));
        if of.len() > functions.len() {
            return Err(Fault::bad("An aggregate.param has no aggregate.func"));
        }
        if functions.len() > MAX_CLAUSES {
            return Err(Fault::bad(format!("More than {MAX_CLAUSES} aggregates")));
        }
        let of = of.into_iter().map(Some).chain(std::iter::repeat(None));
        Ok(functions.into_iter().zip(of.map(|of| of.filter(|of| !of.is_empty()))).collect())
    }

    /// The times of the conditions, of which [`Self::filter`] says whether they are any.
    pub(crate) fn asked(&self) -> Result<Asked, Fault> {
        let mut asked = Asked::default();
        for condition in self.conditions()?.iter().filter(|condition| condition.field == "timestamp") {
            match condition.operator {
                "gt" | "ge" => asked.from = Timestamp::parse(condition.value).ok(),
                "lt" | "le" => asked.until = Timestamp::parse(condition.value).ok(),
                _ => {}
            }
        }
        Ok(asked)
    }

    /// The filter that all conditions make together.
    pub(crate) fn filter(&self, times: Times) -> Result<Filter, Fault> {
        filter(&self.conditions()?, times)
    }

    fn conditions(&self) -> Result<Vec<Condition<'_>>, Fault> {
        let (fields, values) = (self.all("q.field"), self.all("q.value"));
        let (operators, kinds) = (self.all("q.op"), self.all("q.type"));
        if fields.len() != values.len() || operators.len() > fields.len() || kinds.len() > fields.len() {
            return Err(Fault::bad(
                "Each condition needs one q.field and one q.value, and at most one q.op and q.type",
            ));
        }
        if fields.len() > MAX_CLAUSES {
            return Err(Fault::bad(format!("The query has more than {MAX_CLAUSES} conditions")));
        }
        let conditions = (0..fields.len())
            .map(|at| Condition {
                field: fields[at],
                operator: operators.get(at).copied().unwrap_or_default(),
                value: values[at],
                kind: kinds.get(at).copied().unwrap_or_default(),
            })
            .collect();
        Ok(conditions)
    }
}

/// How many at most; the usual number where nothing is said.
pub(crate) fn limit(given: Option<i64>) -> Result<usize, Fault> {
    match given.map(usize::try_from) {
        None => Ok(DEFAULT_LIMIT),
        Some(Ok(0) | Err(_)) => Err(Fault::bad("Limit must be positive")),
        Some(Ok(limit)) => Ok(check_limit(limit)?),
    }
}

fn filter(conditions: &[Condition<'_>], times: Times) -> Result<Filter, Fault> {
    let is_time = |condition: &&Condition<'_>| matches!(condition.field, "timestamp" | "search_offset");
    if let (Times::Refused, Some(condition)) = (times, conditions.iter().find(is_time)) {
        return Err(Fault::bad(format!(
            "Unknown argument: {}: not valid for this resource",
            shown(condition.field)
        )));
    }
    let offset = offset(conditions)?;
    let conditions: Vec<_> = conditions
        .iter()
        .filter(|condition| condition.field != "search_offset")
        .map(|condition| (condition, moved(condition, offset)))
        .collect();
    let moved = conditions.iter().map(|(condition, moved)| Condition {
        value: moved.as_deref().unwrap_or(condition.value),
        ..**condition
    });
    Ok(Filter::conditions(moved)?)
}

/// Ceilometer's `search_offset`: minutes by which the time is wider at both of its ends.
fn offset(conditions: &[Condition<'_>]) -> Result<i64, Fault> {
    let mut offset = 0;
    for condition in conditions.iter().filter(|condition| condition.field == "search_offset") {
        if !matches!(condition.operator, "" | "eq") {
            return Err(Fault::input("op", condition.operator, "search_offset takes eq alone"));
        }
        if !conditions.iter().any(|other| other.field == "timestamp") {
            return Err(Fault::input(
                "field",
                "search_offset",
                "search_offset cannot be used without timestamp",
            ));
        }
        offset = match condition.value.parse() {
            Ok(minutes @ 0..=MAX_OFFSET) => minutes,
            _ => return Err(Fault::input("search_offset", condition.value, "It is a number of minutes")),
        };
    }
    Ok(offset)
}

/// A time that the offset moves; none where there is nothing to move, or no time: that is for the filter to say.
fn moved(condition: &Condition<'_>, offset: i64) -> Option<String> {
    let by = match condition.operator {
        _ if condition.field != "timestamp" => 0,
        "lt" | "le" => offset,
        "gt" | "ge" => -offset,
        _ => 0,
    };
    if by == 0 {
        return None;
    }
    let micros = Timestamp::parse(condition.value).ok()?.micros().checked_add(by * 60_000_000)?;
    Timestamp::from_micros(micros).map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["q.", "limit", "unique", "groupby", "aggregate."];

    fn parse(query: &str) -> Result<Parameters, String> {
        Parameters::parse(Some(query), KNOWN).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn repeated_keys_go_together_by_their_order() {
        let query = "q.field=a&q.field=b&q.op=le&q.op=&q.type=&q.type=string&q.value=3%204&q.value=f+o&limit=7&groupby=x&groupby=y";
        let parameters = parse(query).unwrap();
        assert_eq!(parameters.all("q.field"), ["a", "b"]);
        assert_eq!(parameters.all("q.value"), ["3 4", "f o"]);
        assert_eq!(parameters.limit().ok(), Some(7));
        assert_eq!(parameters.group_by(), ["x", "y"]);
    }

    #[test]
    fn aggregates_with_a_parameter_come_first() {
        let parameters =
            parse("aggregate.func=cardinality&aggregate.param=user_id&aggregate.func=max").unwrap();
        assert_eq!(parameters.aggregates().unwrap(), [("cardinality", Some("user_id")), ("max", None)]);
        assert!(parse("aggregate.param=user_id").unwrap().aggregates().is_err());
    }

    #[test]
    fn what_is_no_parameter_or_no_condition_is_refused() {
        assert!(parse("limits=1").unwrap_err().contains("Unknown argument"));
        assert!(parse("q.fields=1").is_err() && parse("q=1").is_err() && parse("q.=1").is_err());
        assert!(parse("limit=1&limit=2").is_err());
        assert!(parse(&"x".repeat(MAX_QUERY + 1)).is_err());
        for query in
            ["q.field=a", "q.value=a", "q.field=a&q.value=1&q.op=eq&q.op=eq", "q.field=a&q.field=b&q.value=1"]
        {
            assert!(parse(query).unwrap().filter(Times::Allowed).is_err(), "{query}");
        }
        for limit in ["0", "-1", "x", "1e3", "99999999999999999999"] {
            assert!(parse(&format!("limit={limit}")).unwrap().limit().is_err(), "{limit}");
        }
        assert_eq!(parse("").unwrap().limit().ok(), Some(DEFAULT_LIMIT));
    }

    #[test]
    fn flags_are_read_as_oslo_reads_them() {
        for (query, flag) in [
            ("unique=True", true),
            ("unique=1", true),
            ("unique=", false),
            ("unique=nein", false),
            ("", false),
        ] {
            assert_eq!(parse(query).unwrap().flag("unique"), flag, "{query}");
        }
    }

    #[test]
    fn a_search_offset_widens_the_time_at_both_ends() {
        let at =
            |operator| Condition { field: "timestamp", operator, value: "2026-01-31T12:00:00", kind: "" };
        assert_eq!(moved(&at("ge"), 10).as_deref(), Some("2026-01-31T11:50:00"));
        assert_eq!(moved(&at("lt"), 10).as_deref(), Some("2026-01-31T12:10:00"));
        assert_eq!(moved(&at("lt"), 0), None);
        let offset_of = |value| Condition { field: "search_offset", operator: "", value, kind: "" };
        assert_eq!(offset(&[at("ge"), offset_of("10")]).ok(), Some(10));
        assert!(offset(&[offset_of("10")]).is_err() && offset(&[at(""), offset_of("ten")]).is_err());
        assert!(filter(&[at("ge")], Times::Refused).is_err());
    }
}
