//! What documents seldom say, and clients seldom send: held to it all the same.

use std::path::Path;

use super::{assert_wrong, errors, partners};
use crate::support::{Janua, Message, Origin, Setup, keys, until};

/// The file of a document that has these paths, and these schemas.
fn document(home: &Path, paths: &str, schemas: &str) -> String {
    let file = home.join("a.yaml");
    let text = format!(
        "openapi: 3.1.0\ninfo: {{title: A, version: '1'}}\npaths:\n{paths}\ncomponents:\n  schemas:\n{schemas}\n  \
         securitySchemes: {{ key: {{type: apiKey, in: header, name: x-api-key}} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    format!("{:?}", file.display().to_string())
}

/// An API with these paths, before this origin.
async fn api(origin: &Origin, paths: &str, schemas: &str, (keys, route): (&str, &str)) -> Janua {
    let home = tempfile::tempdir().unwrap();
    let file = document(home.path(), paths, schemas);
    let text = format!(
        "{}[api.a]\nopenapi = {file}\n{keys}\n[[route]]\napi = \"a\"\nto = \"{}\"\n{route}\n",
        partners(),
        origin.url
    );
    Setup::new(text).start().await
}

/// What a `get` of `/a` says of its query, requests, and what is said of them.
const QUERIES: &[(&str, &str, &[(&str, &[&str])])] = &[
    (
        "{name: f, in: query, required: true, schema: {type: object, additionalProperties: {type: integer}}}",
        "",
        &[
            ("a=1", &[]),
            ("a=x", &["query f /a: it is not of type"]),
            ("", &["query f: is missing"]),
        ],
    ),
    (
        "{name: f, in: query, schema: {properties: {a: {}}, additionalProperties: {type: integer}}}, {name: g, in: query, schema: {}}",
        "unknown-query = \"refuse\"",
        &[("a=x&b=1&g=x", &[]), ("b=x", &["query f /b: it is not of type"])],
    ),
    (
        "{name: v, in: query, schema: {anyOf: [{type: integer, maximum: 9}, {enum: [latest]}]}}",
        "",
        &[
            ("v=7", &[]),
            ("v=latest", &[]),
            ("v=10", &["query v: it is not valid"]),
            ("v=x", &["query v: it"]),
        ],
    ),
    (
        "{name: v, in: query, schema: {enum: [1, all, true]}}",
        "",
        &[("v=1", &[]), ("v=all", &[]), ("v=true", &[]), ("v=2", &["query v: it is not one of"])],
    ),
    (
        "{name: v, in: query, schema: {anyOf: [{enum: [all]}, {type: array, items: {type: integer}}]}}",
        "",
        &[("v=all", &[]), ("v=1&v=2", &[]), ("v=some", &["query v: it is not valid"])],
    ),
];

#[tokio::test]
async fn a_query_may_be_an_object_of_any_names_or_one_of_several_kinds() {
    let origin = Origin::ok().await;
    for (parameters, keys, requests) in QUERIES {
        let paths = format!("  /a: {{get: {{parameters: [{parameters}], responses: {{}}}}}}");
        let janua = api(&origin, &paths, "    A: {}", (keys, "")).await;
        for (query, said) in *requests {
            let answer = janua.get(&format!("/a?{query}")).await;
            let status = if said.is_empty() { 200 } else { 400 };
            assert_wrong(&answer, status, said, &format!("{parameters} {query}"));
        }
    }
}

#[tokio::test]
async fn a_cookie_is_taken_as_browsers_send_it() {
    let origin = Origin::ok().await;
    let cookie = "{name: c, in: cookie, schema: {type: string, pattern: '^[A-Za-z0-9+/=]+$'}}";
    let paths = format!("  /a: {{get: {{parameters: [{cookie}], responses: {{}}}}}}");
    let janua = api(&origin, &paths, "    A: {}", ("", "")).await;
    for (cookie, status) in [("ab+c/d==", 200), ("ab%2Bc", 200), ("a%20b", 400)] {
        let fields = format!("Cookie: c={cookie}\r\n");
        assert_eq!(
            janua.client().await.request("GET /a", &fields).await.status(),
            status,
            "{cookie}"
        );
    }
}

/// A parameter of a path is looked for by its name, whatever stands before it and in whichever path.
#[tokio::test]
async fn a_paths_parameter_is_the_one_of_that_name() {
    let origin = Origin::ok().await;
    let paths = "  '/o/{or.der}/{line}': {get: {parameters: [{name: or.der, in: path, required: true, schema: {type: integer}},\
                 {name: line, in: path, required: true, schema: {type: string}}], responses: {}}}";
    let janua = api(&origin, paths, "    A: {}", ("base-path = \"/{tenant}/v1\"", "")).await;
    assert_eq!(janua.get("/acme/v1/o/7/x").await.status(), 200);
    assert_wrong(&janua.get("/7/v1/o/x/7").await, 400, &["path or.der: it is not"], "by name");

    let janua = Setup::new(format!(
        "[[route]]\npath = [\"/{{tenant}}/orders/{{id}}\", \"/orders/{{id}}\", \"/b/{{id}}/{{tenant}}\"]\nto = \"{}\"\n\
         validate = {{ path = {{ id = {{ type = \"integer\" }} }} }}\n",
        origin.url
    ));
    let janua = janua.start().await;
    for (path, status) in [
        ("/acme/orders/7", 200),
        ("/7/orders/x", 400),
        ("/orders/7", 200),
        ("/orders/x", 400),
        ("/b/7/acme", 200),
        ("/b/acme/7", 400),
    ] {
        assert_eq!(janua.get(path).await.status(), status, "{path}");
    }
}

/// A credential of the gateway's own in a query is no parameter of an operation's.
#[tokio::test]
async fn a_key_in_the_query_is_known_to_whoever_refuses_unknown_parameters() {
    let origin = Origin::ok().await;
    let auth = keys::section("q").replace("header = \"x-api-key\"", "query = \"key\"");
    let home = tempfile::tempdir().unwrap();
    let file = document(home.path(), "  /a: {get: {responses: {}}}", "    A: {}");
    let janua = Setup::new(format!(
        "{auth}[api.a]\nopenapi = {file}\nunknown-query = \"refuse\"\n\
         [[route]]\napi = \"a\"\nauth = \"q\"\nto = \"{url}\"\n\
         [[route]]\npath = \"/b\"\nauth = \"q\"\nto = \"{url}\"\nvalidate = {{ unknown-query = \"refuse\" }}\n",
        url = origin.url
    ));
    let janua = janua.start().await;
    for path in ["/a", "/b"] {
        let key = format!("{path}?key=0123456789abcdef0123456789abcdef");
        assert_eq!(janua.get(&key).await.status(), 200, "{path}");
        assert_wrong(
            &janua.get(&format!("{key}&x=1")).await,
            400,
            &["query x: is not known"],
            path,
        );
    }
}

const BODIES: &[(&str, &str, &[(&str, &str, u16)])] = &[
    // What says nothing of the type has a schema for what is JSON.
    (
        "'*/*': {schema: {type: object}}",
        "",
        &[
            ("application/json", "{}", 200),
            ("application/json", "[]", 422),
            ("application/x+json", "1", 422),
            ("text/plain", "[]", 200),
        ],
    ),
    (
        "'application/*+json': {schema: {type: object}}",
        "",
        &[
            ("application/vnd.x+json", "{}", 200),
            ("application/vnd.x+json", "[]", 422),
            ("application/json", "{}", 415),
        ],
    ),
    // Another charset would be read in another way than here.
    (
        "application/json: {schema: {additionalProperties: false, properties: {name: {}}}}",
        "",
        &[
            ("application/json; charset=UTF-8", "{\"name\":\"a\"}", 200),
            ("application/json; charset=utf-7", "{\"name\":\"a+ACI-,+ACI-admin+ACI-:true\"}", 415),
            ("application/json; charset=utf-16", "{\"name\":\"a\"}", 415),
        ],
    ),
    (
        "application/x-www-form-urlencoded: {schema: {properties: {ids: {type: array, items: {type: integer}}, o: {type: array}}}, \
         encoding: {ids: {style: form, explode: false}, o: {contentType: application/json}}}",
        "",
        &[
            ("application/x-www-form-urlencoded", "ids=1,2", 200),
            ("application/x-www-form-urlencoded", "ids=1,x", 422),
            ("application/x-www-form-urlencoded", "ids=1&ids=2", 400),
            ("application/x-www-form-urlencoded", "o=[1,2]", 200),
            ("application/x-www-form-urlencoded", "o=1&o={}", 200),
            ("application/x-www-form-urlencoded", "o=[", 400),
        ],
    ),
    // What the other side gives is asked of nobody, wherever that is said.
    (
        "application/json: {schema: {$ref: '#/components/schemas/New'}}",
        "    Id: {type: integer, readOnly: true}\n    Base: {properties: {id: {$ref: '#/components/schemas/Id'}, own: {$ref: '#/components/schemas/Any', readOnly: true}, name: {}}}\n    \
         Any: {}\n    New: {allOf: [{$ref: '#/components/schemas/Base'}, {required: [id, own, name]}]}",
        &[("application/json", "{\"name\":1}", 200), ("application/json", "{\"id\":1}", 422)],
    ),
];

#[tokio::test]
async fn bodies_are_held_to_what_is_seldom_said_of_them() {
    let origin = Origin::ok().await;
    for (content, schemas, requests) in BODIES {
        let paths = format!(
            "  /a: {{post: {{requestBody: {{required: true, content: {{{content}}}}}, responses: {{}}}}}}"
        );
        let schemas = if schemas.is_empty() { "    A: {}" } else { schemas };
        let janua = api(&origin, &paths, schemas, ("", "")).await;
        for (kind, body, status) in *requests {
            let answer = super::send(&janua, "POST /a", kind, body).await;
            assert_eq!(answer.status(), *status, "{content} {kind} {body}: {:?}", errors(&answer));
        }
    }
}

/// Two alternatives that both lead back: to tell all that is wrong along each way would take 2^60 steps.
#[tokio::test]
async fn a_small_body_that_is_wrong_in_very_many_ways_is_refused_at_once() {
    let origin = Origin::ok().await;
    let kind = |kind: &str| {
        format!(
            "{{required: [k], properties: {{k: {{const: {kind}}}, next: {{$ref: '#/components/schemas/Node'}}}}}}"
        )
    };
    let schemas = format!("    Node: {{oneOf: [{}, {}]}}", kind("a"), kind("b"));
    let paths = "  /a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Node'}}}}, \
                 responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Node'}}}}}}}";
    let janua = api(&origin, paths, &schemas, ("answers = \"enforce\"", "")).await;
    let chain = (0..60)
        .fold("{\"k\":\"x\"}".to_owned(), |next, _| format!("{{\"k\":\"a\",\"next\":{next}}}"));
    let answer = super::send(&janua, "POST /a", "application/json", &chain).await;
    assert_wrong(&answer, 422, &["body: is not valid, and too large or deep to say where"], "deep");
    let answer = super::send(&janua, "POST /a", "application/json", "{\"k\":\"x\"}").await;
    assert_wrong(&answer, 422, &["body: it is not valid under any of the schemas"], "shallow");
}

/// What a route asks for, its document asks for as well, and adds its own.
#[tokio::test]
async fn a_document_asks_for_more_than_its_route_and_never_for_less() {
    let origin = Origin::ok().await;
    let who = |id: &str, roles: &str, scopes: &str, sha256: &str| {
        format!(
            "{{ id = \"{id}\", roles = [{roles}], scopes = [{scopes}], sha256 = \"{sha256}\" }}, "
        )
    };
    let keys = [
        who(
            "both",
            "\"staff\"",
            "\"read\"",
            "60eb5e72ad489c76c22f5a2fd2e0055c15ccd209205e1b1b95d40d4fdda525bd",
        ),
        who(
            "role",
            "\"staff\"",
            "",
            "15ec68b57f225aeeb8c170f15f4a49d74919d7fc6c30677b879e3cbc2584f392",
        ),
        who(
            "scope",
            "",
            "\"read\"",
            "b07a5f110ad5f45b8fa02e07f59d1cdb3a03bbaa32d7f60a91d884d1fe31d655",
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let paths = "  /a: {get: {security: [{key: [read]}], responses: {}}}\n  \
                 /b: {get: {security: [{key: []}], responses: {}}}\n  \
                 /c: {get: {operationId: c, responses: {}}}";
    let file = document(home.path(), paths, "    A: {}");
    let janua = Setup::new(format!(
        "[auth.key]\napi-key = {{ header = \"x-api-key\", keys = [{}] }}\n\
         [auth.never]\napi-key = {{ header = \"x-other\", keys = [{}] }}\n\
         [api.a]\nopenapi = {file}\nsecurity = {{ key = \"key\" }}\n\
         operations.c.auth = [\"key\", \"never\"]\n\
         [[route]]\napi = \"a\"\nto = \"{}\"\nauth = [\"key\", \"never\"]\nrequire = \"all\"\n\
         allow = {{ role = \"staff\", GET = {{ role = \"staff\" }} }}\n",
        keys.concat(),
        who("nobody", "", "", keys::DIGEST),
        origin.url
    ));
    let janua = janua.start().await;
    for (path, statuses) in [
        ("/a", [200, 403, 403]),
        ("/b", [200, 200, 403]),
        // Another list of methods, and still all of them are asked for.
        ("/c", [401, 401, 401]),
    ] {
        for (last, status) in ["a", "b", "c"].into_iter().zip(statuses) {
            let fields = format!("X-Api-Key: 0123456789abcdef0123456789abcde{last}\r\n");
            let answer = janua.client().await.request(&format!("GET {path}"), &fields).await;
            assert_eq!(answer.status(), status, "{path} {last}");
        }
    }
}

/// An answer that cannot be looked at is none that keeps to its contract; so nobody may ask for one.
#[tokio::test]
async fn answers_that_are_looked_at_come_as_they_are() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}";
    let origin = Origin::answering(answer).await;
    let paths = "  /a: {get: {responses: {'200': {content: {application/json: {schema: {type: object}}}}}},\
                 head: {responses: {'200': {content: {application/json: {schema: {type: object}}}}}}}";
    for (answers, status) in [("off", 200), ("report", 200), ("enforce", 502)] {
        let keys = format!("answers = \"{answers}\"");
        let janua = api(&origin, paths, "    A: {}", (&keys, "")).await;
        let fields = "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n";
        let answer = janua.client().await.request("GET /a", fields).await;
        assert_eq!(answer.status(), status, "{answers}");
        let asked = origin.last();
        assert_eq!(asked.field("accept-encoding").is_some(), answers == "off", "{answers}");
        assert_eq!(asked.field("range").is_some(), answers == "off", "{answers}");
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    let origin = Origin::answering(head).await;
    let janua = api(&origin, paths, "    A: {}", ("answers = \"enforce\"", "")).await;
    let answer: Message = janua.client().await.request("HEAD /a", "").await;
    assert_eq!(answer.status(), 200, "a head alone breaks no promise");
    let drift = janua.world().apis[0].policies[1].operation.drift.clone();
    until("it is counted", || drift.counts().0 == 1).await;
    assert_eq!(drift.counts(), (1, 0));
}

/// What paths refer to are operations as any other, for the file and for the portal.
#[tokio::test]
async fn a_path_that_is_referred_to_is_one() {
    let origin = Origin::ok().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    let text = "openapi: 3.1.0\ninfo: {title: A, version: '1'}\n\
        paths: {/orders: {$ref: '#/components/pathItems/Orders'}}\n\
        components:\n  pathItems:\n    Orders:\n      servers: [{url: 'https://inside.example'}]\n      \
        get: {operationId: list, x-janua-limit: 1/h, responses: {}}\n      \
        post: {operationId: add, responses: {}}\n";
    std::fs::write(&file, text).unwrap();
    let text = |keys: &str| {
        format!(
            "[docs]\npath = \"/docs\"\n[api.a]\nopenapi = {:?}\n{keys}\n\
             [[route]]\nhost = \"shop.example\"\napi = \"a\"\nto = \"{}\"\n",
            file.display().to_string(),
            origin.url
        )
    };
    let janua = Setup::new(text("operations.add.enabled = false")).start().await;
    let shown = janua.get("/docs/a/openapi.json").await.text();
    assert!(
        !shown.contains("inside") && !shown.contains("janua") && !shown.contains("add"),
        "{shown}"
    );
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["paths"]["/orders"]["get"]["responses"]["429"].is_object(), "{shown}");
    assert_eq!(shown["servers"][0]["url"], "//shop.example", "the portal is at any host");
    let policy = janua.get("/docs/a").await.field("content-security-policy").unwrap();
    assert!(policy.ends_with("; connect-src 'self' shop.example"), "{policy}");
    let none =
        Setup::new(text("operations = { add = { enabled = false }, list = { enabled = false } }"));
    let janua = none.start().await;
    let shown = janua.get("/docs/a/openapi.json").await.text();
    assert!(!shown.contains("inside") && !shown.contains("/orders"), "nothing is a route: {shown}");
}
