use super::*;
use axum::http::{Method, header};
use serde_json::Value;
use store::Sqlite;
use tower::ServiceExt as _;

use crate::settings::Token;

const TOKEN: &str = "token";

fn routed() -> Router {
    let token = Token { name: "test".into(), sha256: crate::token::hash(TOKEN), projects: None, write: true };
    let mut settings = Settings::new(vec![token]);
    settings.limits.requests_per_second = 10_000;
    router(Arc::new(App::new(settings, Arc::new(Sqlite::new("/nonexistent/samples.sqlite")), None)))
}

/// The OpenAPI document's paths and methods.
fn documented() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods =
        |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn every_route_is_documented_and_there_are_no_others() {
    let mut routed: Vec<String> = routes().into_iter().map(|(path, _)| path.replace('*', "")).collect();
    let mut documented: Vec<String> = documented().into_iter().map(|(path, _)| path).collect();
    routed.sort_unstable();
    documented.sort_unstable();
    assert_eq!(routed, documented);
}

#[tokio::test]
async fn every_route_takes_the_documented_methods() {
    let router = routed();
    for (path, methods) in documented() {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path.replace(['{', '}'], ""))
            .header("x-auth-token", TOKEN)
            .extension(Peer(IpAddr::from([127, 0, 0, 1])))
            .body(Body::empty())
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = response.headers()[header::ALLOW].to_str().unwrap();
        // Whoever takes GET takes HEAD as well.
        let mut allowed: Vec<&str> =
            allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        let mut methods: Vec<&str> = methods.iter().map(String::as_str).collect();
        allowed.sort_unstable();
        methods.sort_unstable();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(value: &Value, document: &Value, seen: &mut usize) {
        if let Some(reference) = value["$ref"].as_str() {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
            *seen += 1;
        }
        let fields = value.as_object().into_iter().flat_map(|fields| fields.values());
        let items = value.as_array().into_iter().flatten();
        fields.chain(items).for_each(|value| walk(value, document, seen));
    }
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 50, "{seen}");
}
