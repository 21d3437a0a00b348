//! Requests that are held to schemas, without a document of OpenAPI.

use super::{errors, post, route};
use crate::support::Origin;

const ORDER: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/order",
    "type": "object", "required": ["lines"], "additionalProperties": false,
    "properties": { "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/line" } } },
    "$defs": { "line": { "type": "object", "required": ["article", "count"],
        "properties": { "article": { "type": "string" }, "count": { "type": "integer", "minimum": 1 } } } }
}"##;

fn written(text: &str) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("order.schema.json");
    std::fs::write(&file, text).unwrap();
    let name = format!("{:?}", file.display().to_string());
    (home, name)
}

#[tokio::test]
async fn a_body_is_held_to_a_schema_in_a_file() {
    let (_home, file) = written(ORDER);
    let origin = Origin::ok().await;
    let keys = format!("validate = {{ body = {file}, max-body = \"1KiB\" }}");
    let janua = route(&origin.url, &keys).start().await;
    let json = "application/json";
    let large = format!("{{\"lines\":[{{\"article\":\"{}\",\"count\":1}}]}}", "x".repeat(1024));
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    for (kind, body, status, reason, wrong) in [
        (json, "{\"lines\":[{\"article\":\"a\",\"count\":0},{}],\"x\":1}", 422, "contract.body", 4),
        (json, "[]", 422, "contract.body", 1),
        (json, "{\"lines\":1", 400, "body.syntax", 1),
        (json, "{\"lines\":[],\"lines\":[1]}", 400, "body.syntax", 1),
        (json, &deep, 400, "body.syntax", 1),
        (json, &large, 413, "request.body_too_large", 0),
        (json, "", 422, "contract.body", 1),
        ("text/plain", "x", 415, "body.type", 0),
        ("application/vnd.x+json", "{}", 415, "body.type", 0),
    ] {
        let got = post(&mut janua.client().await, kind, body).await;
        got.assert_refused(status, reason, body);
        assert_eq!(errors(&got).len(), wrong, "{body:.40}: {}", got.text());
    }
    assert_eq!(origin.requests().len(), 0);
    let good = "{ \"lines\": [{\"article\":\"a\",\"count\":1}] }";
    assert_eq!(post(&mut janua.client().await, json, good).await.status(), 200);
    assert_eq!(origin.last().text(), good, "it goes on byte for byte");
}

#[tokio::test]
async fn path_query_and_header_fields_are_held_to_theirs() {
    let origin = Origin::ok().await;
    let keys = r#"path = "/orders/{id}"
[route.validate]
unknown-query = "refuse"
path.id = { type = "integer" }
query.page = { type = "integer", minimum = 1, required = true }
query.tag = { type = "array", items = { enum = ["a", "b"] }, maxItems = 2 }
headers.x-tenant = { type = "string", pattern = "^[a-z]+$", required = true }
headers.x-flag = { type = "boolean" }
"#;
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    for (target, fields, wrong) in [
        ("/orders/7?page=1", "x-tenant: acme\r\n", &[][..]),
        ("/orders/7?page=2&tag=a&tag=b", "x-tenant: acme\r\nx-flag: true\r\n", &[]),
        (
            "/orders/x?page=0&tag=c&more=1",
            "x-flag: yes\r\n",
            &[
                "path|id",
                "query|page",
                "query|tag|/0",
                "query|more",
                "header|x-tenant",
                "header|x-flag",
            ],
        ),
        ("/orders/7", "x-tenant: acme\r\n", &["query|page"]),
        ("/orders/7?page=1&page=2", "x-tenant: acme\r\n", &["query|page"]),
        ("/orders/7?page=1&tag=a&tag=b&tag=a", "x-tenant: acme\r\n", &["query|tag"]),
        ("/orders/7?page=1", "x-tenant: ACME\r\n", &["header|x-tenant"]),
        ("/orders/7?page=%ff", "x-tenant: acme\r\n", &["query|page"]),
    ] {
        let got = client.request(&format!("GET {target}"), fields).await;
        if wrong.is_empty() {
            assert_eq!(got.status(), 200, "{target}: {}", got.text());
            continue;
        }
        got.assert_refused(400, "contract.parameter", target);
        let told = errors(&got);
        assert_eq!(told.len(), wrong.len(), "{target}: {told:?}");
        for part in wrong {
            assert!(told.iter().any(|told| told.starts_with(part)), "{target} {part}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_query_is_held_to_a_schema_of_all_of_it() {
    let (_home, file) = written(
        r#"{ "type": "object", "required": ["from", "to"],
        "properties": { "from": { "type": "integer" }, "to": { "type": "integer" }, "tag": { "type": "array", "items": { "type": "integer" } } },
        "dependentRequired": { "tag": ["from"] }, "maxProperties": 2 }"#,
    );
    let origin = Origin::ok().await;
    let keys = format!("validate = {{ query = {file}, unknown-query = \"refuse\" }}");
    let janua = route(&origin.url, &keys).start().await;
    let mut client = janua.client().await;
    for (target, good) in [
        ("/?from=1&to=2", true),
        ("/?from=1", false),
        ("/", false),
        ("/?from=x&to=2", false),
        ("/?from=1&to=2&tag=3", false),
        ("/?from=1&to=2&x=3", false),
    ] {
        let got = client.get(target).await;
        assert_eq!(got.status() == 200, good, "{target}: {}", got.text());
    }
}

#[tokio::test]
async fn schemas_are_of_the_version_that_they_name() {
    // In draft 4 `exclusiveMinimum` is a flag, in draft 7 `items` may be a list.
    for (schema, good, bad) in [
        (
            r#"{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}"#,
            "2",
            "1",
        ),
        (
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":false}"#,
            "[\"a\"]",
            "[\"a\",1]",
        ),
        (
            r#"{"$schema":"https://json-schema.org/draft/2019-09/schema","unevaluatedProperties":false}"#,
            "{}",
            "{\"a\":1}",
        ),
        (r#"{"prefixItems":[{"type":"string"}]}"#, "[\"a\"]", "[1]"),
        (
            r##"{"$defs":{"a":{"$id":"https://example.com/a","type":"string"}},"$ref":"https://example.com/a"}"##,
            "\"x\"",
            "1",
        ),
    ] {
        let (_home, file) = written(schema);
        let origin = Origin::ok().await;
        let janua = route(&origin.url, &format!("validate.body = {file}")).start().await;
        let mut client = janua.client().await;
        assert_eq!(post(&mut client, "application/json", good).await.status(), 200, "{schema}");
        assert_eq!(post(&mut client, "application/json", bad).await.status(), 422, "{schema}");
    }
}

#[tokio::test]
async fn a_trial_lets_pass_and_tells() {
    let origin = Origin::ok().await;
    let keys = "validate = { enforce = \"report\", body = { type = \"object\" }, required = false, types = [\"application/json\", \"application/x+json\"] }";
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(post(&mut client, "application/x+json", "[1]").await.status(), 200);
    let line = janua.logged("the trial", |line| line["reported"] == "contract.body").await;
    assert_eq!(line["status"], 200);
}
