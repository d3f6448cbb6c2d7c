//! Each answer, to the letter of Ceilometer's.

use serde_json::{Value, json};

use crate::server::{ADMIN, DISK, Server};

/// A sample, but for the time at which it was stored.
fn cpu_sample(minute: u32, volume: &str) -> Value {
    json!({
        "id": format!("00000000-0000-4000-8000-00000000000{minute}"),
        "meter": "cpu",
        "type": "cumulative",
        "unit": "ns",
        "volume": serde_json::from_str::<Value>(volume).unwrap(),
        "user_id": "u1",
        "project_id": "alpha",
        "resource_id": "r1",
        "source": "openstack",
        "timestamp": format!("2026-01-31T12:0{minute}:00"),
        "metadata": metadata(),
    })
}

fn metadata() -> Value {
    json!({"display_name": "web", "flavor.a:b": "True", "flavor.ram": "2048.0", "instance_type": "m1", "tags": "['x', None]"})
}

/// Takes `recorded_at` away, which must be a time.
fn without_recorded_at(mut samples: Value) -> Value {
    for sample in samples.as_array_mut().unwrap() {
        let recorded = sample.as_object_mut().unwrap().remove("recorded_at").unwrap();
        assert!(sample::Timestamp::parse(recorded.as_str().unwrap()).is_ok(), "{recorded}");
    }
    samples
}

#[test]
fn samples_in_both_forms_are_the_newest_first_and_exact() {
    let server = Server::start();
    let cpu = server.found("/v2/samples?q.field=meter&q.op=eq&q.type=&q.value=cpu&limit=2");
    let expected = json!([cpu_sample(2, "18446744073709551617"), cpu_sample(1, "2.5")]);
    assert_eq!(without_recorded_at(cpu), expected);
    let old = without_recorded_at(server.found("/v2/meters/cpu?limit=1"));
    let expected = json!([{
        "source": "openstack",
        "counter_name": "cpu",
        "counter_type": "cumulative",
        "counter_unit": "ns",
        "counter_volume": serde_json::from_str::<Value>("18446744073709551617").unwrap(),
        "user_id": "u1",
        "project_id": "alpha",
        "resource_id": "r1",
        "timestamp": "2026-01-31T12:02:00",
        "resource_metadata": metadata(),
        "message_id": "00000000-0000-4000-8000-000000000002",
    }]);
    assert_eq!(old, expected);
    assert_eq!(server.found("/v2/meters/nothing"), json!([]));
    let one = server.found("/v2/samples/not-a-uuid");
    assert_eq!(
        (&one["timestamp"], &one["user_id"], &one["metadata"]),
        (&json!("2026-01-31T12:03:00.000001"), &Value::Null, &json!({}))
    );
}

#[test]
fn meters_are_told_of_each_resource_or_once() {
    let server = Server::start();
    let meters = server.found("/v2/meters?q.field=resource_id&q.value=r1");
    let id = "cjErY3B1"; // r1+cpu
    let cpu = json!({"name": "cpu", "type": "cumulative", "unit": "ns", "resource_id": "r1", "project_id": "alpha", "user_id": "u1", "source": "openstack", "meter_id": id});
    assert_eq!(meters, json!([cpu]));
    let unique = server.found("/v2/meters?unique=True&limit=1");
    let id = "Tm9uZStjcHU="; // None+cpu
    let cpu = json!({"name": "cpu", "type": "cumulative", "unit": "ns", "resource_id": null, "project_id": null, "user_id": null, "source": null, "meter_id": id});
    assert_eq!(unique, json!([cpu]));
}

#[test]
fn resources_link_to_themselves_and_their_meters() {
    let server = Server::start();
    let resource = server.found("/v2/resources/r1");
    let here = "http://api.test:8777/v2";
    let mut expected = json!({
        "resource_id": "r1",
        "project_id": "alpha",
        "user_id": "u1",
        "first_sample_timestamp": "2026-01-31T12:00:00",
        "last_sample_timestamp": "2026-01-31T12:02:00",
        "metadata": metadata(),
        "links": [
            {"href": format!("{here}/resources/r1"), "rel": "self"},
            {"href": format!("{here}/meters/cpu?q.field=resource_id&q.value=r1"), "rel": "cpu"},
        ],
        "source": "openstack",
    });
    assert_eq!(resource, expected);
    expected["links"].as_array_mut().unwrap().pop();
    let few = server.found("/v2/resources?meter_links=0&q.field=project_id&q.value=alpha");
    assert_eq!(few, json!([expected]));
    assert_eq!(server.found("/v2/resources?limit=1").as_array().unwrap().len(), 1);
}

#[test]
fn a_resource_is_found_by_an_id_with_slashes_and_escapes() {
    let server = Server::start();
    for path in ["r2/disk%20%2541", "r2%2Fdisk%20%2541", "r2%252Fdisk%2520%252541"] {
        assert_eq!(server.found(&format!("/v2/resources/{path}"))["resource_id"], DISK, "{path}");
    }
    for path in ["..", "../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "r2", "r1%00", "r1/", "%2E%2E/r1"] {
        let answer = server.get(&format!("/v2/resources/{path}"));
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.fault().contains("Not Found"), "{}", answer.fault());
    }
    assert_eq!(server.get("/v2/resources/%FF").status, 400);
    let quotes = "%27%3B%20DROP%20TABLE%20samples%3B--";
    assert_eq!(server.get(&format!("/v2/samples/{quotes}")).status, 404);
}

#[test]
fn statistics_are_the_usual_ones_or_those_that_are_chosen() {
    let server = Server::start();
    let few = "q.field=timestamp&q.op=lt&q.value=2026-01-31T12:02:00";
    let expected = json!([{
        "groupby": null,
        "unit": "ns",
        "min": 1.0,
        "max": 2.5,
        "avg": 1.75,
        "sum": 3.5,
        "count": 2,
        "duration": 60.0,
        "duration_start": "2026-01-31T12:00:00",
        "duration_end": "2026-01-31T12:01:00",
        "period": 0,
        "period_start": "2026-01-31T12:00:00",
        "period_end": "2026-01-31T12:01:00",
    }]);
    assert_eq!(server.found(&format!("/v2/meters/cpu/statistics?{few}")), expected);
    let chosen = "aggregate.func=cardinality&aggregate.param=resource_id&aggregate.func=max&groupby=user_id&groupby=resource_metadata.instance_type";
    let chosen = server.found(&format!("/v2/meters/cpu/statistics?{few}&{chosen}"));
    let mut expected = expected[0].clone();
    let fields = expected.as_object_mut().unwrap();
    fields.retain(|name, _| !["min", "avg", "sum", "count"].contains(&name.as_str()));
    fields.insert("aggregate".to_owned(), json!({"cardinality/resource_id": 1.0, "max": 2.5}));
    fields.insert("groupby".to_owned(), json!({"user_id": "u1", "resource_metadata.instance_type": "m1"}));
    assert_eq!(chosen, json!([expected]));
    let periods = server.found(&format!("/v2/meters/cpu/statistics?period=60&{few}"));
    let starts: Vec<_> = periods.as_array().unwrap().iter().map(|period| &period["period_start"]).collect();
    assert_eq!(starts, [&json!("2026-01-31T12:00:00"), &json!("2026-01-31T12:01:00")]);
    assert_eq!(periods[0]["period"], 60);
    assert_eq!(server.found("/v2/meters/nothing/statistics"), json!([]));
}

#[test]
fn complex_queries_filter_order_and_limit() {
    let server = Server::start();
    let query = json!({
        "filter": json!({"or": [{"=": {"meter": "disk"}}, {"<": {"volume": 2}}]}).to_string(),
        "orderby": json!([{"volume": "desc"}]).to_string(),
        "limit": "5",
    });
    let found = server.post_as(ADMIN, "/v2/query/samples", &query).json();
    let volumes: Vec<_> = found.as_array().unwrap().iter().map(|sample| &sample["volume"]).collect();
    assert_eq!(volumes, [&json!(7), &json!(1)]);
    assert_eq!(server.post_as(ADMIN, "/v2/query/samples", &json!({})).json().as_array().unwrap().len(), 4);
}

#[test]
fn a_search_offset_widens_the_time() {
    let server = Server::start();
    let time = "q.field=timestamp&q.op=ge&q.value=2026-01-31T12:03:00";
    let count = |query: &str| server.found(&format!("/v2/samples?{query}")).as_array().unwrap().len();
    assert_eq!(count(time), 1);
    assert_eq!(count(&format!("{time}&q.field=search_offset&q.op=eq&q.value=2")), 3);

    // Of the same samples, the duration is that within the time that is asked for.
    let span = |time: &str, offset: u32| {
        let query = format!("{time}&q.field=search_offset&q.op=eq&q.value={offset}");
        let found = server.found(&format!("/v2/meters/cpu/statistics?{query}"));
        let found = &found.as_array().unwrap()[0];
        (found["count"].clone(), found["duration"].clone(), found["duration_start"].clone())
    };
    let since = "q.field=timestamp&q.op=ge&q.value=2026-01-31T12:02:00";
    assert_eq!(span(since, 0), (json!(1), json!(0.0), json!("2026-01-31T12:02:00")));
    assert_eq!(span(since, 1), (json!(2), json!(0.0), json!("2026-01-31T12:02:00")));
    let nothing = "q.field=timestamp&q.op=ge&q.value=2026-01-31T12:05:00";
    assert_eq!(span(nothing, 4), (json!(2), json!(null), json!(null)));
}

#[test]
fn versions_and_capabilities_are_what_clients_look_for() {
    let server = Server::start();
    let versions = server.found("/");
    assert_eq!(versions["versions"]["values"][0]["id"], "v2");
    assert_eq!(versions["versions"]["values"][0]["links"][0]["href"], "http://api.test:8777/v2");
    assert_eq!(server.found("/v2")["version"], versions["versions"]["values"][0]);
    let capabilities = server.found("/v2/capabilities");
    assert_eq!(capabilities["api"]["statistics:aggregation:selectable:cardinality"], true);
    assert_eq!(capabilities["storage"], json!({"storage:production_ready": true}));
}
