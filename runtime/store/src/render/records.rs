//! The records of Ceilometer's API, and the tables that its client makes of them.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::{Columns, Record};
use crate::query::{Meter, Resource, Statistics, StoredSample};

fn titles(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

fn field(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

fn optional(text: &Option<Arc<str>>) -> Value {
    text.as_deref().map_or(Value::Null, Value::from)
}

fn cell(text: &Option<Arc<str>>) -> String {
    text.as_deref().unwrap_or("None").to_owned()
}

/// A double in the form that Python and JSON have in common: `46.0`, not `46`.
fn real(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

impl Record for StoredSample {
    fn columns(_: &[Self]) -> Columns {
        let titles = titles(&["Resource ID", "Name", "Type", "Volume", "Unit", "Timestamp"]);
        // A vnic's id is long and its end is seldom needed; numbers and times are never cut.
        Columns { titles, cuttable: &[0, 1, 4], optional: 0 }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.resource_id.to_string(),
            self.meter.to_string(),
            self.kind.to_string(),
            self.volume.to_string(),
            self.unit.to_string(),
            self.timestamp.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(String, Value)> {
        vec![
            field("id", self.message_id.as_str()),
            field("meter", &*self.meter),
            field("type", self.kind.as_str()),
            field("unit", &*self.unit),
            field("volume", self.volume.clone()),
            field("resource_id", &*self.resource_id),
            field("project_id", optional(&self.project_id)),
            field("user_id", optional(&self.user_id)),
            field("source", &*self.source),
            field("timestamp", self.timestamp.to_string()),
            field("recorded_at", self.recorded_at.to_string()),
            field("metadata", Map::clone(&self.metadata)),
        ]
    }

    fn names() -> &'static [&'static str] {
        &[
            "id",
            "meter",
            "type",
            "unit",
            "volume",
            "resource_id",
            "project_id",
            "user_id",
            "source",
            "timestamp",
            "recorded_at",
            "metadata",
        ]
    }
}

impl Record for Meter {
    fn columns(all: &[Self]) -> Columns {
        match all.first() {
            Some(Self { resource_id: None, .. }) => {
                Columns { titles: titles(&["Name", "Type", "Unit"]), cuttable: &[0, 2], optional: 0 }
            }
            _ => {
                let titles = titles(&["Name", "Type", "Unit", "Resource ID", "User ID", "Project ID"]);
                Columns { titles, cuttable: &[4, 5, 3, 0, 2], optional: 0 }
            }
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.name.to_string(), self.kind.to_string(), self.unit.to_string()];
        if let Some(resource) = &self.resource_id {
            cells.extend([resource.to_string(), cell(&self.user_id), cell(&self.project_id)]);
        }
        cells
    }

    fn fields(&self) -> Vec<(String, Value)> {
        let mut fields =
            vec![field("name", &*self.name), field("type", self.kind.as_str()), field("unit", &*self.unit)];
        if let Some(resource) = &self.resource_id {
            fields.extend([
                field("resource_id", &**resource),
                field("project_id", optional(&self.project_id)),
                field("user_id", optional(&self.user_id)),
                field("source", optional(&self.source)),
            ]);
        }
        fields
    }

    fn names() -> &'static [&'static str] {
        &["name", "type", "unit", "resource_id", "project_id", "user_id", "source"]
    }
}

impl Record for Resource {
    fn columns(_: &[Self]) -> Columns {
        let titles = titles(&["Resource ID", "Source", "User ID", "Project ID", "Last sample"]);
        Columns { titles, cuttable: &[2, 3, 0, 1], optional: 0 }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.resource_id.to_string(),
            self.source.to_string(),
            cell(&self.user_id),
            cell(&self.project_id),
            self.last.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(String, Value)> {
        vec![
            field("resource_id", &*self.resource_id),
            field("project_id", optional(&self.project_id)),
            field("user_id", optional(&self.user_id)),
            field("source", &*self.source),
            field("first_sample_timestamp", self.first.to_string()),
            field("last_sample_timestamp", self.last.to_string()),
            field("metadata", Map::clone(&self.metadata)),
            field("meters", self.meters.iter().map(|meter| Value::from(&**meter)).collect::<Vec<_>>()),
        ]
    }

    fn names() -> &'static [&'static str] {
        &[
            "resource_id",
            "project_id",
            "user_id",
            "source",
            "first_sample_timestamp",
            "last_sample_timestamp",
            "metadata",
            "meters",
        ]
    }
}

impl Record for Statistics {
    fn columns(all: &[Self]) -> Columns {
        let mut titles = titles(&["Period", "Period Start", "Period End"]);
        if all.first().is_some_and(|first| !first.group.is_empty()) {
            titles.push("Group By".to_owned());
        }
        match all.first().filter(|first| !first.aggregates.is_empty()) {
            Some(first) => titles.extend(first.aggregates.iter().map(|(aggregate, _)| aggregate.to_string())),
            None => titles.extend(["Max", "Min", "Avg", "Sum", "Count"].map(str::to_owned)),
        }
        titles.extend(["Duration", "Duration Start", "Duration End"].map(str::to_owned));
        Columns { titles, cuttable: &[], optional: 3 }
    }

    fn cells(&self) -> Vec<String> {
        let plain = |value: f64| real(value).to_string();
        let mut cells =
            vec![self.period.to_string(), self.period_start.to_string(), self.period_end.to_string()];
        if !self.group.is_empty() {
            let group = |(field, value): &(crate::query::GroupBy, Option<Arc<str>>)| {
                format!("{}={}", field.as_str(), cell(value))
            };
            cells.push(self.group.iter().map(group).collect::<Vec<_>>().join(" "));
        }
        if self.aggregates.is_empty() {
            cells.extend([self.max, self.min, self.avg, self.sum].map(plain));
            cells.push(self.count.to_string());
        } else {
            cells.extend(self.aggregates.iter().map(|(_, value)| plain(*value)));
        }
        cells.extend([plain(self.duration), self.duration_start.to_string(), self.duration_end.to_string()]);
        cells
    }

    fn fields(&self) -> Vec<(String, Value)> {
        let group: Map<String, Value> =
            self.group.iter().map(|(group, value)| (group.as_str().to_owned(), optional(value))).collect();
        let aggregate: Map<String, Value> =
            self.aggregates.iter().map(|(aggregate, value)| (aggregate.to_string(), real(*value))).collect();
        vec![
            field("groupby", group),
            field("unit", &*self.unit),
            field("count", self.count),
            field("min", real(self.min)),
            field("max", real(self.max)),
            field("avg", real(self.avg)),
            field("sum", real(self.sum)),
            field("aggregate", aggregate),
            field("duration", real(self.duration)),
            field("duration_start", self.duration_start.to_string()),
            field("duration_end", self.duration_end.to_string()),
            field("period", self.period),
            field("period_start", self.period_start.to_string()),
            field("period_end", self.period_end.to_string()),
        ]
    }

    fn names() -> &'static [&'static str] {
        &[
            "groupby",
            "unit",
            "count",
            "min",
            "max",
            "avg",
            "sum",
            "aggregate",
            "duration",
            "duration_start",
            "duration_end",
            "period",
            "period_start",
            "period_end",
        ]
    }
}
