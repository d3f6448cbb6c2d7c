//! The part of a query that SQLite answers.
//!
//! The text is put together from constants alone; every value is bound. The index is named (`INDEXED BY`) instead of left to
//! SQLite's planner, which knows nothing of a young store: each query reads the newest end of the index whose leading column
//! it fixes, and stops at the limit.

use rusqlite::types::Value as Bound;

use super::{Clause, Operator, SampleQuery, TextField};
use crate::store::MessageId;

/// A statement and its values in order.
#[derive(Debug)]
pub(super) struct Statement {
    pub text: String,
    pub values: Vec<Bound>,
}

/// What [`super::select`] reads of each sample. Names are left as ids, which it resolves once each.
const COLUMNS: &str = "\
    s.message_id, s.timestamp, s.recorded_at, s.volume, s.resource, s.meter, s.project, s.account, s.form, s.metadata";

impl SampleQuery {
    /// The statement that finds all samples of the query, newest first, among others that only the clauses on volume and
    /// metadata exclude. It has no LIMIT, for the reader stops.
    pub(super) fn statement(&self) -> Statement {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for clause in &self.clauses {
            let Some((condition, value)) = condition(clause) else { continue };
            values.push(value);
            conditions.push(condition.replace('?', &format!("?{}", values.len())));
        }
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let index = self.index();
        let text = format!(
            "SELECT {COLUMNS} FROM sample s INDEXED BY {index}{filter} ORDER BY s.timestamp DESC, s.id DESC"
        );
        Statement { text, values }
    }

    /// The index that leaves the fewest entries to read.
    fn index(&self) -> &'static str {
        let fixes = |wanted| {
            self.clauses.iter().any(|clause| {
                matches!(clause, Clause::Text { field, operator: Operator::Equal, .. } if *field == wanted)
            })
        };
        [
            (TextField::MessageId, "sample_by_message"),
            (TextField::ResourceId, "sample_by_resource"),
            (TextField::ProjectId, "sample_by_project"),
            (TextField::Meter, "sample_by_meter"),
        ]
        .into_iter()
        .find_map(|(field, index)| fixes(field).then_some(index))
        .unwrap_or("sample_by_time")
    }
}

/// A clause as a condition with one `?`; none for those that SQLite cannot answer exactly.
fn condition(clause: &Clause) -> Option<(String, Bound)> {
    match clause {
        Clause::Text { field: TextField::MessageId, value, .. } => {
            let value = match MessageId::new(value) {
                MessageId::Uuid(bytes) => Bound::Blob(bytes.to_vec()),
                MessageId::Text(text) => Bound::Text(text),
            };
            Some(("s.message_id = ?".to_owned(), value))
        }
        Clause::Text { field, operator, value } => {
            let (column, table, name) = match field {
                TextField::ResourceId => ("resource", "resource", "name"),
                TextField::ProjectId => ("project", "project", "name"),
                TextField::UserId => ("account", "account", "name"),
                TextField::Meter => ("meter", "meter", "name"),
                TextField::Source | TextField::MessageId => ("form", "form", "source"),
            };
            let ids = format!("(SELECT id FROM {table} WHERE {name} {} ?)", operator.as_str());
            // A name has one id, a source has many.
            let among = if *operator == Operator::Equal && name == "name" { "=" } else { "IN" };
            Some((format!("s.{column} {among} {ids}"), Bound::Text(value.clone())))
        }
        Clause::Timestamp { operator, value } => {
            Some((format!("s.timestamp {} ?", operator.as_str()), Bound::Integer(value.micros())))
        }
        Clause::Volume { .. } | Clause::Metadata { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Fixture;

    /// SQLite's plan for a query over a store that has some samples.
    fn plan(meter: Option<&str>, query: Option<&str>) -> Vec<String> {
        let fixture = Fixture::with(50);
        let Statement { text, values } = SampleQuery::parse(meter, query, None).unwrap().statement();
        let store = fixture.reader();
        let mut statement = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let rows =
            statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn each_kind_of_query_reads_its_index_from_the_newest_end() {
        for (meter, query, expected) in [
            (None, None, "SCAN s USING INDEX sample_by_time"),
            (Some("cpu"), None, "SEARCH s USING INDEX sample_by_meter (meter=?)"),
            (
                Some("cpu"),
                Some("timestamp>2026-01-01;timestamp<=2026-02-01"),
                "SEARCH s USING INDEX sample_by_meter (meter=? AND timestamp>? AND timestamp<?)",
            ),
            (None, Some("resource_id=a"), "SEARCH s USING INDEX sample_by_resource (resource=?)"),
            (Some("cpu"), Some("resource_id=a"), "SEARCH s USING INDEX sample_by_resource (resource=?)"),
            (
                Some("cpu"),
                Some("resource_id=a;project_id=p;timestamp>=2026-01-01"),
                "SEARCH s USING INDEX sample_by_resource (resource=? AND timestamp>?)",
            ),
            (None, Some("project=p"), "SEARCH s USING INDEX sample_by_project (project=?)"),
            (None, Some("timestamp<2026-01-01"), "SEARCH s USING INDEX sample_by_time (timestamp<?)"),
            (
                Some("cpu"),
                Some("metadata.display_name=web;volume>3"),
                "SEARCH s USING INDEX sample_by_meter (meter=?)",
            ),
            (Some("cpu"), Some("resource_id!=a"), "SEARCH s USING INDEX sample_by_meter (meter=?)"),
            (None, Some("user_id=u;source=openstack"), "SCAN s USING INDEX sample_by_time"),
            (None, Some("message_id=m"), "SEARCH s USING INDEX sample_by_message (message_id=?)"),
        ] {
            let plan = plan(meter, query);
            assert_eq!(plan[0], expected, "{meter:?} {query:?}: {plan:#?}");
            // Rows come in the index's order; at most those of one timestamp are sorted among themselves.
            assert!(!plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY"), "{query:?}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("AUTOMATIC")), "{query:?}: {plan:#?}");
        }
    }

    #[test]
    fn no_value_stands_in_the_text() {
        let query = "resource_id=canary;project=canary;user=canary;source=canary;message_id=canary;meter!=canary;metadata.canary=canary";
        let Statement { text, values } =
            SampleQuery::parse(Some("canary"), Some(query), None).unwrap().statement();
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(values.len(), 7);
    }
}
