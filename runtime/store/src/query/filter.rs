//! Conditions as a tree, and what of it an index can answer.

use sample::Timestamp;

use super::{Clause, Operator, QueryError, TextField, TimeField};
use crate::bounds::MAX_SCOPED_CLAUSES;
use crate::contract::{Catalogue, Range};

/// Which samples, series or resources; the default is all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(pub(super) Node);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Is(Clause),
}

impl Default for Filter {
    fn default() -> Self {
        Self(Node::All(Vec::new()))
    }
}

impl Filter {
    /// Samples of this meter.
    pub fn meter(name: &str) -> Self {
        Self::text(TextField::Meter, name)
    }

    /// Samples of one of these projects: what a token may see.
    pub fn projects(ids: &[String]) -> Self {
        Self(Node::Any(ids.iter().map(|id| Self::text(TextField::ProjectId, id).0).collect()))
    }

    /// Samples of this resource.
    pub fn resource(id: &str) -> Self {
        Self::text(TextField::ResourceId, id)
    }

    pub(super) fn message(id: &str) -> Self {
        Self::text(TextField::MessageId, id)
    }

    fn text(field: TextField, value: &str) -> Self {
        Self(Node::Is(Clause::Text { field, operator: Operator::Equal, value: value.to_owned() }))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Node::All(mut nodes), Node::All(more)) => {
                nodes.extend(more);
                Self(Node::All(nodes))
            }
            (Node::All(mut nodes), node) => {
                nodes.push(node);
                Self(Node::All(nodes))
            }
            (node, Node::All(nodes)) => Self(Node::All(std::iter::once(node).chain(nodes).collect())),
            (node, other) => Self(Node::All(vec![node, other])),
        }
    }

    /// The ids of projects that comparisons with `project_id` name, wherever they stand.
    pub fn projects_named(&self) -> Vec<&str> {
        let mut named = Vec::new();
        self.0.each(&mut |clause| {
            if let Clause::Text { field: TextField::ProjectId, value, .. } = clause {
                named.push(value.as_str());
            }
        });
        named
    }

    /// Parsing has bounded what was asked; this bounds what came to it: the meter, a token's projects.
    pub(super) fn checked(self) -> Result<Self, QueryError> {
        let mut clauses = 0;
        self.0.each(&mut |_| clauses += 1);
        if clauses > MAX_SCOPED_CLAUSES {
            return Err(QueryError::TooManyClauses);
        }
        Ok(self)
    }

    /// Series that are in none of these lists are not of the filter.
    pub(super) fn catalogue(&self) -> Catalogue {
        // No name has a NUL, and a database takes none in a text.
        let names = |field| {
            self.0.names(field).map(|names| names.into_iter().filter(|name| !name.contains('\0')).collect())
        };
        Catalogue {
            meters: names(TextField::Meter),
            resources: names(TextField::ResourceId),
            projects: names(TextField::ProjectId),
        }
    }

    /// The only ids that samples of the filter can have; none where that is not said.
    pub(super) fn message_ids(&self) -> Option<Vec<String>> {
        self.0.names(TextField::MessageId)
    }

    /// Samples of other times are not of the filter.
    pub(super) fn range(&self) -> Range {
        self.0.range()
    }

    /// Whether a series and the range tell it all of a sample.
    pub(super) fn is_of_series_and_range(&self) -> bool {
        self.0.is_of_series_and_range()
    }

    /// Whether a series tells it all.
    pub(super) fn is_of_series(&self) -> bool {
        let mut all = true;
        self.0.each(&mut |clause| all &= clause.is_of_series());
        all
    }
}

impl Clause {
    pub(super) fn is_of_series(&self) -> bool {
        use super::Subject;
        match self {
            Self::Text { field, .. } | Self::Matches { subject: Subject::Text(field), .. } => {
                *field != TextField::MessageId
            }
            _ => false,
        }
    }

    pub(super) fn is_of_metadata(&self) -> bool {
        use super::Subject;
        matches!(self, Self::Metadata { .. } | Self::Matches { subject: Subject::Metadata(_), .. })
    }
}

impl Node {
    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Clause)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.each(visit)),
            Self::Not(node) => node.each(visit),
            Self::Is(clause) => visit(clause),
        }
    }

    /// The only values that the field can have; none where any is possible.
    fn names(&self, wanted: TextField) -> Option<Vec<String>> {
        match self {
            Self::Is(Clause::Text { field, operator: Operator::Equal, value }) if *field == wanted => {
                Some(vec![value.clone()])
            }
            Self::Is(_) | Self::Not(_) => None,
            Self::All(nodes) => {
                let mut lists = nodes.iter().filter_map(|node| node.names(wanted));
                let first = lists.next()?;
                Some(lists.fold(first, |mut names, list| {
                    names.retain(|name| list.contains(name));
                    names
                }))
            }
            Self::Any(nodes) => {
                let mut names = Vec::new();
                for node in nodes {
                    names.extend(node.names(wanted)?);
                }
                names.sort_unstable();
                names.dedup();
                Some(names)
            }
        }
    }

    fn range(&self) -> Range {
        match self {
            Self::Is(Clause::Time { field: TimeField::Timestamp, operator, value }) => {
                bounds(*operator, *value)
            }
            Self::Is(_) | Self::Not(_) => Range::default(),
            Self::All(nodes) => nodes.iter().map(Self::range).fold(Range::default(), |range, other| Range {
                from: range.from.max(other.from),
                until: [range.until, other.until].into_iter().flatten().min(),
            }),
            Self::Any(nodes) => nodes
                .iter()
                .map(Self::range)
                .reduce(|range, other| Range {
                    from: range.from.min(other.from),
                    until: range.until.zip(other.until).map(|(one, other)| one.max(other)),
                })
                .unwrap_or_default(),
        }
    }

    fn is_of_series_and_range(&self) -> bool {
        match self {
            Self::Is(Clause::Time { field: TimeField::Timestamp, operator, .. }) => {
                *operator != Operator::NotEqual
            }
            Self::All(nodes) => nodes.iter().all(Self::is_of_series_and_range),
            node => {
                let mut all = true;
                node.each(&mut |clause| all &= clause.is_of_series());
                all
            }
        }
    }
}

fn bounds(operator: Operator, value: Timestamp) -> Range {
    let at = value.micros();
    let (from, until) = match operator {
        Operator::Equal => (Some(at), Some(at + 1)),
        Operator::NotEqual => (None, None),
        Operator::Less => (None, Some(at)),
        Operator::LessOrEqual => (None, Some(at + 1)),
        Operator::Greater => (Some(at + 1), None),
        Operator::GreaterOrEqual => (Some(at), None),
    };
    Range { from, until }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap()
    }

    fn at(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().micros()
    }

    #[test]
    fn names_are_those_that_are_left_possible() {
        let names = |filter: &Filter| filter.catalogue().projects;
        let (a, b) = (Some(vec!["a".to_owned()]), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(&filter("project=a;meter=cpu")), a);
        assert_eq!(names(&filter("project!=a")), None);
        assert_eq!(names(&filter("project=a;project=b")), Some(vec![]));
        let complex = |text: &str| Filter::complex(text).unwrap();
        assert_eq!(names(&complex(r#"{"or": [{"=": {"project": "a"}}, {"=": {"project_id": "b"}}]}"#)), b);
        assert_eq!(names(&complex(r#"{"or": [{"=": {"project": "a"}}, {"=": {"meter": "cpu"}}]}"#)), None);
        assert_eq!(names(&complex(r#"{"not": {"=": {"project": "a"}}}"#)), None);
        assert_eq!(names(&complex(r#"{"in": {"project": ["b", "a"]}}"#)), b);
        let scoped =
            complex(r#"{"in": {"project": ["b", "a"]}}"#).and(Filter::projects(&["a".into(), "c".into()]));
        assert_eq!(names(&scoped), a);
        assert_eq!(scoped.projects_named(), ["b", "a", "a", "c"]);
        // A token without projects sees nothing.
        assert_eq!(names(&filter("meter=cpu").and(Filter::projects(&[]))), Some(vec![]));
    }

    #[test]
    fn ranges_hold_every_time_that_is_left_possible() {
        let range =
            |from: Option<&str>, until: Option<&str>| Range { from: from.map(at), until: until.map(at) };
        assert_eq!(
            filter("timestamp>=2026-01-01;timestamp<2026-01-03;timestamp<2026-01-02").range(),
            range(Some("2026-01-01"), Some("2026-01-02"))
        );
        let next = "2026-01-01T00:00:00.000001";
        assert_eq!(filter("timestamp>2026-01-01").range(), range(Some(next), None));
        assert_eq!(filter("timestamp=2026-01-01").range(), range(Some("2026-01-01"), Some(next)));
        let either = r#"{"or": [{"and": [{">=": {"timestamp": "2026-01-01"}}, {"<": {"timestamp": "2026-01-02"}}]},
                                {"and": [{">=": {"timestamp": "2026-01-05"}}, {"<": {"timestamp": "2026-01-06"}}]}]}"#;
        let either = Filter::complex(either).unwrap();
        assert_eq!(either.range(), range(Some("2026-01-01"), Some("2026-01-06")));
        assert!(!either.is_of_series_and_range());
        assert!(filter("timestamp>2026-01-01;project!=a").is_of_series_and_range());
        assert!(!filter("timestamp!=2026-01-01").is_of_series_and_range());
        assert!(!filter("metadata.a=b").is_of_series_and_range() && !filter("message_id=b").is_of_series());
    }
}
