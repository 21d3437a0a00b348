//! Clients that speak JSON, of a service that speaks GraphQL.

use janua::app::explain::{Arguments, explain_in};

use super::*;

const USER: &str = "[api.shop.operations.getUser]\nmethod = \"GET\"\npath = \"/users/{id}\"\nnull = 404\n\
    query = \"query User($id: ID!, $friends: Int = 3) { user(id: $id) { id name friends(first: $friends) { name } } }\"\n";
const ORDER: &str = "[api.shop.operations.order]\npath = \"/orders\"\n\
    query = \"mutation($order: NewOrder!) { order(order: $order) { id total } }\"\n";

async fn facade(answer: &Value, keys: &str) -> (Origin, Janua) {
    let origin = origin(answer).await;
    let janua = setup(&origin.url, &format!("base-path = \"/v1\"\n{keys}\n{USER}{ORDER}"), "")
        .start()
        .await;
    (origin, janua)
}

#[tokio::test]
async fn a_route_asks_the_stored_operation() {
    let user = json!({ "id": "7", "name": "Ada", "friends": [] });
    let (origin, janua) =
        facade(&json!({ "data": { "user": user } }), "answers = \"enforce\"").await;
    let mut client = janua.client().await;
    let got = client.request("GET /v1/users/a%22%7D?friends=2", "If-None-Match: \"1\"\r\n").await;
    assert_eq!((got.status(), parsed(&got)), (200, user), "{}", got.text());
    assert_eq!(got.field("content-type").as_deref(), Some("application/json"));
    let asked = origin.last();
    assert_eq!(asked.line, "POST /graphql HTTP/1.1");
    assert_eq!(asked.field("content-type").as_deref(), Some("application/json"));
    assert_eq!(asked.field("if-none-match"), None);
    let sent: Value = serde_json::from_str(&asked.text()).unwrap();
    assert_eq!(sent["variables"], json!({ "id": "a\"}", "friends": 2 }));
    assert_eq!(sent["operationName"], "User");
    assert!(sent["query"].as_str().unwrap().starts_with("query User("));
    // Nobody may ask anything else.
    let got = post(&mut client, "", &json!({ "query": "{ version }" })).await;
    got.assert_refused(404, "no_route", "there is no door");
}

#[tokio::test]
async fn what_does_not_fit_the_types_never_gets_to_the_service() {
    let (origin, janua) =
        facade(&json!({ "data": { "order": null } }), "unknown-query = \"refuse\"").await;
    let line = json!({ "article": "vase", "count": 2 });
    for (target, body, status) in [
        ("GET /v1/users/7?friends=many", String::new(), 400),
        ("GET /v1/users/7?friends=1&friends=2", String::new(), 400),
        ("GET /v1/users/7?fiends=1", String::new(), 400),
        ("POST /v1/orders", json!({}).to_string(), 422),
        ("POST /v1/orders", json!({ "order": { "lines": [{}] } }).to_string(), 422),
        ("POST /v1/orders", json!({ "order": { "lines": [line], "price": 0 } }).to_string(), 422),
        (
            "POST /v1/orders",
            json!({ "order": { "lines": [{ "article": "vase", "count": "2" }] } }).to_string(),
            422,
        ),
        (
            "POST /v1/orders",
            json!({ "order": { "lines": [line] }, "admin": true }).to_string(),
            422,
        ),
        ("POST /v1/orders", "{\"order\":".into(), 400),
    ] {
        let mut client = janua.client().await;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let got = client.request_with(target, kind, &body).await;
        assert_eq!(got.status(), status, "{target} {body}: {}", got.text());
        assert_eq!(got.field("content-type").as_deref(), Some("application/problem+json"));
    }
    assert_eq!(origin.requests().len(), 0);
    let body = json!({ "order": { "lines": [line], "note": null } });
    let mut client = janua.client().await;
    let got = client
        .request_with("POST /v1/orders", "Content-Type: application/json\r\n", body.to_string())
        .await;
    assert_eq!((got.status(), got.text().as_str()), (200, "null"));
}

#[tokio::test]
async fn errors_are_problems_with_a_status() {
    for (answer, status, code) in [
        (json!({ "data": { "user": null } }), 404, Value::Null),
        (
            json!({ "errors": [{ "message": "Who?", "extensions": { "code": "UNAUTHENTICATED" } }] }),
            401,
            json!("UNAUTHENTICATED"),
        ),
        (
            json!({ "data": null, "errors": [{ "message": "Gone", "extensions": { "code": "GONE" } }] }),
            410,
            json!("GONE"),
        ),
        (json!({ "data": null, "errors": [{ "message": "Oh" }] }), 502, Value::Null),
    ] {
        let (_origin, janua) = facade(&answer, "errors = { GONE = 410 }").await;
        let got = janua.client().await.get("/v1/users/7").await;
        let problem = parsed(&got);
        assert_eq!((got.status(), &problem["code"]), (status, &code), "{problem}");
        assert_eq!(got.field("content-type").as_deref(), Some("application/problem+json"));
    }
    let (_origin, janua) = facade(&json!(["no", "GraphQL"]), "").await;
    janua.client().await.get("/v1/users/7").await.assert_refused(
        502,
        "translate.answer",
        "no answer",
    );
}

#[tokio::test]
async fn a_door_and_routes_stand_beside_each_other_and_both_are_in_the_portal() {
    let origin = origin(&json!({ "data": { "user": { "id": "7" } } })).await;
    let docs = "path = \"/graphql\"\ncache = true\n[docs]\npath = \"/docs\"";
    let janua = setup(&origin.url, USER, docs).start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/users/7").await.status(), 200);
    assert_eq!(post(&mut client, "", &json!({ "query": "{ version }" })).await.status(), 200);
    let document = parsed(&client.get("/docs/shop/openapi.json").await);
    assert_eq!(document["paths"]["/users/{id}"]["get"]["operationId"], "getUser", "{document}");
    let got = client.request("HEAD /users/7", "").await;
    assert_eq!(got.status(), 200);

    let janua = setup(&origin.url, "", docs).start().await;
    let document = parsed(&janua.client().await.get("/docs/shop/openapi.json").await);
    assert_eq!(document["paths"]["/graphql"]["post"]["operationId"], "graphql", "{document}");
}

#[tokio::test]
async fn explain_shows_what_is_asked() {
    let (_origin, janua) = facade(&json!({}), "").await;
    let arguments = Arguments {
        method: "GET".into(),
        url: "http://a.example/v1/users/7".into(),
        ..Arguments::default()
    };
    let text = explain_in(janua.world(), &arguments).unwrap().to_string();
    assert!(text.contains("it asks the stored operation `getUser`"), "{text}");
    assert!(text.contains("POST /graphql HTTP"), "{text}");
}
