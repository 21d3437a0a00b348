//! What is wrong with filters, rules and schemas is said at load, and `explain` says what they would do.

use janua::app::explain::{Arguments, explain_in};

use super::{gateway, route};
use crate::support::Setup;

const NOWHERE: &str = "http://127.0.0.1:1";

/// Keys of a route, the place of the problem, what is said of it, and what to do.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("transform.request = '.a |'", "transform.request", "1:5: expected term, found its end", ""),
    (
        "transform.response = '''\n.a\n| foo'''",
        "transform.response",
        "2:3: there is no filter `foo`",
        "",
    ),
    (
        "transform.status = '$x'",
        "transform.status",
        "there is no variable `$x`",
        "there are $headers",
    ),
    (
        "transform.request = '$status'",
        "transform.request",
        "there is no variable `$status`",
        "$identity",
    ),
    (
        "transform.request = 'env.HOME'",
        "transform.request",
        "`env` is not for filters here",
        "nothing else",
    ),
    ("transform.request = 'now'", "transform.request", "`now` is not for filters here", ""),
    ("transform.request = 'input'", "transform.request", "`input` is not for filters here", ""),
    (
        "transform.request.file = '/nowhere/a.jq'",
        "transform.request",
        "cannot read `/nowhere/a.jq`",
        "",
    ),
    ("transform = {}", "transform", "there is no filter", ".items"),
    (
        "request-query.set = { a = \"{nothing}\" }",
        "request-query.set.a",
        "there is no variable `nothing`",
        "identity.NAME",
    ),
    (
        "request-query.add = { a = \"{path.id}\" }",
        "request-query.add.a",
        "has no parameter `id`",
        "",
    ),
    ("request-query.set = { a = \"{\" }", "request-query.set.a", "is not closed", ""),
    ("validate.body = '/nowhere/a.json'", "validate.body", "cannot read `/nowhere/a.json`", ""),
    ("validate.body = { type = \"strin\" }", "validate.body", "/type: \"strin\" is not valid", ""),
    (
        "validate.body = { pattern = \"(?=a)\" }",
        "validate.body",
        "/pattern: ",
        "without going back",
    ),
    (
        "validate.body = { \"$ref\" = \"other.json\" }",
        "validate.body",
        "`other.json` leads out of the schema",
        "$defs",
    ),
    (
        "validate.body = { \"$ref\" = \"http://127.0.0.1/a\" }",
        "validate.body",
        "leads out of the schema",
        "$defs",
    ),
    (
        "validate.body = { \"$ref\" = \"#/$defs/none\" }",
        "validate.body",
        "'/$defs/none' does not exist",
        "",
    ),
    (
        "validate.body = { \"$schema\" = \"urn:x\" }",
        "validate.body",
        "`$schema` is `urn:x`",
        "draft-07",
    ),
    (
        "validate = { body = {}, types = [\"text/plain\"] }",
        "validate.types[0]",
        "is no type of JSON",
        "+json",
    ),
    ("validate = { body = {}, types = [] }", "validate.types", "is none", "application/json"),
    ("validate.query = { a = { type = 1 } }", "validate.query.a", "/type: 1 is not valid", ""),
    (
        "validate.headers = { a = { type = \"x\" } }",
        "validate.headers.a",
        "/type: \"x\" is not valid",
        "",
    ),
    ("validate.path = { id = {} }", "validate.path.id", "has no parameter `id`", "every path"),
];

#[tokio::test]
async fn a_route_that_would_confuse_does_not_load() {
    for (keys, path, message, help) in WRONG {
        let setup = route(NOWHERE, keys);
        setup.fails_at(&format!("route[0].{path}"), message, help).await;
    }
    for wrong in [
        "transform = 'x'",
        "transform = { request = 1 }",
        "transform = { reqest = '.' }",
        "transform = { request = '.', max-steps = 10 }",
        "transform = { request = '.', other = \"drop\" }",
        "request-query = { sett = {} }",
        "validate = { unknown-query = \"pass\" }",
        "validate = 1",
    ] {
        route(NOWHERE, wrong).fails_to_start().await;
    }
}

#[tokio::test]
async fn filters_are_for_clients_of_json() {
    let wsdl = concat!(env!("CARGO_MANIFEST_DIR"), "/config/bank.wsdl");
    for (sections, keys, clients) in [
        (
            "[upstream.u]\nendpoints = [\"http://127.0.0.1:1\"]\nprotocol = \"h2\"\n".to_owned(),
            "translate = \"grpc-web\"",
            "gRPC-Web",
        ),
        (
            format!(
                "[upstream.u]\nendpoints = [\"http://127.0.0.1:1\"]\n\
                 [api.bank]\nwsdl = {wsdl:?}\nsoap = {{ door = \"/soap\" }}\n"
            ),
            "api = \"bank\"",
            "SOAP",
        ),
    ] {
        let route = format!("[[route]]\nto = \"u\"\n{keys}\ntransform.request = '.'\n");
        let said = format!("clients of this route speak {clients}");
        Setup::new(sections + &route).fails_at("route[0].transform", &said, "take it away").await;
    }
}

#[tokio::test]
async fn schemas_in_files_say_what_is_wrong_with_them() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.json");
    for (key, text, message) in [
        ("body", "{\n \"type\": }", "a.json:2:10: it is not well-formed JSON"),
        ("body", "{\"type\":1,\"type\":2}", "a.json:1:19: an object has a name twice"),
        ("body", "{\"$ref\":\"b.json#/x\"}", "`b.json#/x` leads out of the schema"),
        ("query", "{\"type\":\"string\"}", "one of an object with `properties`"),
        ("query", "[]", "one of an object with `properties`"),
    ] {
        std::fs::write(&file, text).unwrap();
        let keys = format!("validate.{key} = {:?}", file.display().to_string());
        route(NOWHERE, &keys).fails_at(&format!("route[0].validate.{key}"), message, "").await;
    }
}

#[tokio::test]
async fn a_document_and_schemas_on_one_route_are_one_too_many() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    let document = "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths: {/a: {get: {responses: {default: {description: a}}}}}\n";
    std::fs::write(&file, document).unwrap();
    let setup = Setup::new(format!(
        "[api.a]\nopenapi = {:?}\n[[route]]\napi = \"a\"\nto = \"{NOWHERE}\"\nvalidate.body = {{}}\n",
        file.display().to_string()
    ));
    setup
        .fails_at(
            "route[0].validate",
            "the document of `a` says what requests have to be",
            "take it away",
        )
        .await;
}

#[tokio::test]
async fn explain_says_what_goes_through_a_filter_and_what_the_origin_gets() {
    let keys = "request-query.set = { by = \"janua\" }\ntransform = { request = '.', response = '.' }\nvalidate = { query = { page = { type = \"integer\" } } }";
    let (_origin, janua) = gateway("{}", keys).await;
    let ask = |url: &str, headers: &[&str]| {
        let headers = headers.iter().map(|field| (*field).to_owned()).collect();
        let arguments =
            Arguments { method: "POST".into(), url: url.into(), headers, ..Arguments::default() };
        explain_in(janua.world(), &arguments).unwrap().to_string()
    };
    let json = ["content-type: application/json", "content-length: 2", "accept-encoding: gzip"];
    let said = ask("/a?page=1", &json);
    for part in [
        "held to `validate` of its route",
        "the body goes through a filter, and so does the answer",
        "/a?page=1&by=janua",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let sent = said.split("the origin sees").nth(1).unwrap_or_default();
    assert!(sent.contains("/a?page=1&by=janua") && !sent.contains("accept-encoding"), "{said}");
    let said = ask("/a?page=x", &json);
    assert!(said.contains("400 contract.parameter") && said.contains("query page"), "{said}");
    let said = ask("/a", &["content-type: text/plain", "content-length: 2"]);
    assert!(said.contains("415 body.type"), "{said}");
    assert!(ask("/a", &[]).contains("the answer goes through a filter"));
}
