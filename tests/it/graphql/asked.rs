//! Clients that ask the service itself.

use janua::app::explain::{Arguments, explain_in};

use super::*;

#[tokio::test]
async fn what_may_be_asked_passes_as_it_came() {
    let (origin, janua) = before("", "strip-prefix = \"/graphql\"\nadd-prefix = \"/api\"").await;
    let mut client = janua.client().await;
    let body = json!({ "query": "query Version { version }", "operationName": "Version" });
    let got = post(&mut client, "", &body).await;
    assert_eq!((got.status(), got.text().as_str()), (200, "{\"data\":{\"version\":\"1\"}}"));
    let asked = origin.last();
    assert_eq!(asked.line, "POST /api/ HTTP/1.1");
    assert_eq!(asked.text(), body.to_string());
    let got = client.get("/graphql?query={version}").await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(origin.last().line, "GET /api/?query={version} HTTP/1.1");
}

#[tokio::test]
async fn what_may_not_never_gets_to_the_service_and_is_told_to_clients_of_graphql() {
    let (origin, janua) = before("", "").await;
    for (query, status, code, reason) in [
        ("{ version", 400, "GRAPHQL_PARSE_FAILED", "graphql.syntax"),
        ("{ password }", 400, "GRAPHQL_VALIDATION_FAILED", "graphql.validation"),
        (
            "{ users(first: 100) { friends(first: 100) { id } } }",
            400,
            "BAD_REQUEST",
            "graphql.cost",
        ),
        ("{ __schema { types { name } } }", 403, "FORBIDDEN", "graphql.introspection"),
        ("query($id: ID!) { user(id: $id) { id } }", 400, "BAD_USER_INPUT", "graphql.variables"),
    ] {
        for (accept, kind) in [
            ("", "application/json; charset=utf-8"),
            (
                "Accept: application/graphql-response+json\r\n",
                "application/graphql-response+json; charset=utf-8",
            ),
        ] {
            let mut client = janua.client().await;
            let got = post(&mut client, accept, &json!({ "query": query })).await;
            assert_eq!(got.status(), status, "{query}: {}", got.text());
            assert_eq!(got.field("content-type").as_deref(), Some(kind));
            assert_eq!(first_error(&got), (code.to_owned(), reason.to_owned()), "{}", got.text());
        }
        let mut client = janua.client().await;
        let got =
            post(&mut client, "Accept: application/problem+json\r\n", &json!({ "query": query }))
                .await;
        got.assert_refused(status, reason, query);
        assert_eq!(got.field("content-type").as_deref(), Some("application/problem+json"));
    }
    let line = janua.logged_reason("graphql.cost").await;
    assert_eq!(
        (&line["operation_kind"], &line["operation_cost"]),
        (&json!("query"), &json!(10_100))
    );
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn other_sites_can_ask_nothing_by_a_form() {
    let (origin, janua) = before("", "").await;
    for (line, fields, body, status, reason) in [
        (
            "POST /graphql",
            "Content-Type: text/plain\r\n",
            "{\"query\":\"{ version }\"}",
            415,
            "body.type",
        ),
        (
            "POST /graphql",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "query={version}",
            415,
            "body.type",
        ),
        ("POST /graphql", "", "{\"query\":\"{ version }\"}", 415, "body.type"),
        (
            "POST /graphql",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            "x",
            415,
            "body.type",
        ),
        (
            "POST /graphql?query={version}",
            "Content-Type: application/json\r\n",
            "{\"query\":\"{ version }\"}",
            400,
            "graphql.request",
        ),
        (
            "GET /graphql?query=mutation{rename(id:1,name:%22a%22){id}}",
            "",
            "",
            405,
            "graphql.method",
        ),
        (
            "GET /graphql?query={version}",
            "Content-Type: application/json\r\n",
            "{\"query\":\"mutation{rename(id:1,name:1){id}}\"}",
            400,
            "graphql.request",
        ),
        ("GET /graphql", "", "", 400, "graphql.request"),
    ] {
        let mut client = janua.client().await;
        let got = client.request_with(line, fields, body).await;
        assert_eq!((got.status(), first_error(&got).1.as_str()), (status, reason), "{line}");
        let allow = (status == 405).then_some("POST");
        assert_eq!(got.field("allow").as_deref(), allow);
    }
    let mut client = janua.client().await;
    assert_eq!(client.request("PUT /graphql", "").await.status(), 405);
    let large = json!({ "query": "x".repeat(2 << 20) });
    let mut client = janua.client().await;
    let got = post(&mut client, "", &large).await;
    assert_eq!((got.status(), first_error(&got).1.as_str()), (413, "request.body_too_large"));
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn a_query_by_get_is_kept_and_a_mutation_is_not() {
    let (origin, janua) = before("", "cache = true").await;
    let mut client = janua.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/graphql?query={version}").await.status(), 200);
    }
    assert_eq!(origin.requests().len(), 1);
    for _ in 0..2 {
        post(&mut client, "", &json!({ "query": "{ version }" })).await;
    }
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test]
async fn known_documents_are_asked_by_name() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ops.json");
    std::fs::write(&file, json!({ "v1": "query Version { version }" }).to_string()).unwrap();
    let (origin, janua) = before(&format!("persisted.file = {file:?}"), "cache = true").await;
    let mut client = janua.client().await;
    let got = post(&mut client, "", &json!({ "documentId": "v1" })).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(origin.last().text(), "{\"query\":\"query Version { version }\"}");
    for _ in 0..2 {
        assert_eq!(client.get("/graphql?id=v1").await.status(), 200);
    }
    assert_eq!(
        origin.last().line,
        "GET /graphql?query=query%20Version%20%7B%20version%20%7D HTTP/1.1"
    );
    assert_eq!(origin.requests().len(), 2);
    let got = post(&mut client, "", &json!({ "query": "{ version }" })).await;
    assert_eq!((got.status(), first_error(&got).1.as_str()), (403, "graphql.persisted"));
    let unknown =
        json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } });
    let got = post(&mut client, "", &unknown).await;
    assert_eq!(first_error(&got).0, "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(parsed(&got)["errors"][0]["message"], "PersistedQueryNotFound");
    let series = |outcome, operation| {
        format!(
            "janua_graphql_operations_total{{api=\"shop\",operation=\"{operation}\",outcome=\"{outcome}\"}}"
        )
    };
    assert_eq!(janua.counted(&series("passed", "Version")), 3);
    assert_eq!(janua.counted(&series("refused", "other")), 2);
}

const KEYS: &str = "[auth.keys]\napi-key.header = \"x-api-key\"\n[[auth.keys.api-key.keys]]\nid = \"dev\"\n\
    roles = [\"developer\"]\nsha256 = \"3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9\"\n\
    [[auth.keys.api-key.keys]]\nid = \"app\"\n\
    sha256 = \"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882\"\n";
const DEVELOPER: &str = "x-api-key: 0123456789abcdef0123456789abcdef\r\n";
const APP: &str = "x-api-key: 0123456789\r\n";

#[tokio::test]
async fn who_may_ask_for_the_schema_or_for_an_operation_is_decided_by_who_they_are() {
    let schema = json!({ "query": "query Look { __schema { types { name } } }" });
    let search = json!({ "query": "query Search { search(text: \"a\") { id } }" });
    for (keys, developer, app) in [
        ("guard.introspection = \"deny\"", 403, 403),
        ("guard.introspection = \"identified\"", 200, 200),
        ("guard.introspection = { role = \"developer\" }", 200, 403),
    ] {
        let own = "operations.Search.allow = { role = \"developer\" }";
        let (_origin, janua) =
            before(&format!("{keys}\n{own}"), &format!("auth = \"keys\"\n{KEYS}")).await;
        for (who, schemas, searches) in [(DEVELOPER, developer, 200), (APP, app, 403)] {
            let mut client = janua.client().await;
            assert_eq!(post(&mut client, who, &schema).await.status(), schemas, "{keys} {who}");
            let got = post(&mut client, who, &search).await;
            assert_eq!(got.status(), searches, "{keys} {who}: {}", got.text());
            if searches == 403 {
                assert_eq!(first_error(&got), ("FORBIDDEN".into(), "authz.role".into()));
            }
        }
        let mut client = janua.client().await;
        let got = post(&mut client, "", &search).await;
        assert_eq!((got.status(), first_error(&got).0.as_str()), (401, "UNAUTHENTICATED"));
    }
}

#[tokio::test]
async fn an_operation_has_limits_of_its_own_beside_the_routes() {
    let keys = "operations.Search.limit = { rate = \"2/h\", burst = 2, headers = \"always\" }";
    let route = "limit = { rate = \"1000/s\", headers = \"always\" }";
    let (origin, janua) = before(keys, route).await;
    let mut client = janua.client().await;
    let search = json!({ "query": "query Search { search(text: \"a\") { id } }" });
    let other = json!({ "query": "query Other { search(text: \"a\") { id } }" });
    for status in [200, 200, 429, 429] {
        let got = post(&mut client, "", &search).await;
        assert_eq!(got.status(), status, "{}", got.text());
        let told = got.values("ratelimit-policy");
        assert_eq!(told.last(), Some(&"\"default/Search\";q=2;w=3600"), "{told:?}");
        if status == 200 {
            assert_eq!(told[..told.len() - 1], ["\"default\";q=1000;w=1"]);
        } else {
            assert_eq!(first_error(&got), ("TOO_MANY_REQUESTS".into(), "limit.rate".into()));
            assert!(got.field("retry-after").is_some());
        }
        assert_eq!(post(&mut client, "", &other).await.status(), 200);
    }
    assert_eq!(origin.requests().len(), 6);
    let refused =
        "janua_graphql_operations_total{api=\"shop\",operation=\"Search\",outcome=\"refused\"}";
    assert_eq!(janua.counted(refused), 2);
    assert_eq!(janua.counted("janua_graphql_cost_total{api=\"shop\",operation=\"Search\"}"), 30);
}

/// Of several operations in one request, one is over its limit, or for others.
#[tokio::test]
async fn who_may_not_ask_one_operation_of_a_batch_pays_for_none() {
    let keys = "guard.max-batch = 5\noperations.Search.limit = \"2/h\"\noperations.Rare.limit = \"1/h\"\n\
        operations.Staff.allow = { role = \"developer\" }";
    let (origin, janua) = before(keys, &format!("auth = \"keys\"\n{KEYS}")).await;
    let mut client = janua.client().await;
    let asked = |name: &str| json!({ "query": format!("query {name} {{ version }}") });
    for (names, status, reason) in [
        (&["Search", "Rare"][..], 200, ""),
        (&["Search", "Rare"], 429, "limit.rate"),
        (&["Search", "Rare"], 429, "limit.rate"),
        (&["Search", "Staff"], 403, "authz.role"),
        (&["Search"], 200, ""),
        (&["Search"], 429, "limit.rate"),
    ] {
        let body = match names {
            [one] => asked(one),
            names => names.iter().map(|name| asked(name)).collect(),
        };
        let got = post(&mut client, APP, &body).await;
        assert_eq!(got.status(), status, "{names:?}: {}", got.text());
        if status != 200 {
            assert!(got.text().contains(reason), "{names:?}: {}", got.text());
        }
    }
    assert_eq!(origin.requests().len(), 2);
    let counted = |operation: &str, outcome: &str| {
        let labels = format!("api=\"shop\",operation=\"{operation}\",outcome=\"{outcome}\"");
        janua.counted(&format!("janua_graphql_operations_total{{{labels}}}"))
    };
    assert_eq!((counted("Search", "passed"), counted("Search", "refused")), (2, 1));
    assert_eq!((counted("Rare", "passed"), counted("Rare", "refused")), (1, 2));
}

#[tokio::test]
async fn on_trial_all_pass_and_the_log_tells() {
    let (origin, janua) = before("enforce = \"report\"", "").await;
    let mut client = janua.client().await;
    for body in [
        json!({ "query": "{ password }" }),
        json!([1]),
        json!({ "query": "{ __schema { types { name } } }" }),
    ] {
        assert_eq!(post(&mut client, "", &body).await.status(), 200, "{body}");
    }
    let got = client.request_with("POST /graphql", "Content-Type: text/plain\r\n", "x").await;
    assert_eq!(got.status(), 200);
    assert_eq!(origin.requests().len(), 4);
    for reason in ["graphql.validation", "graphql.batch", "graphql.introspection", "body.type"] {
        janua.logged(reason, |line| line["reported"] == reason).await;
    }
}

#[tokio::test]
async fn a_websocket_passes_only_if_it_may() {
    let origin = Origin::tunnels().await;
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (keys, status) in [("", 403), ("guard.websocket = true", 101)] {
        let janua = setup(&origin.url, keys, "path = \"/graphql\"").start().await;
        let mut client = janua.client().await;
        client.send(format!("GET /graphql HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert_eq!(client.head().await.status(), status, "{keys}");
    }
}

/// An origin that does not know of upgrades answers such a request as any other.
#[tokio::test]
async fn nothing_else_passes_as_a_websocket() {
    let (origin, janua) = before("guard.websocket = true", "").await;
    let body = "{\"query\":\"mutation { rename(id: 1, name: \\\"a\\\") { id } }\"}";
    let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let socket = "Upgrade: websocket\r\n";
    for (line, fields, body, status, reason) in [
        ("POST /graphql", format!("Upgrade: x\r\n{length}"), body, 400, "graphql.request"),
        ("POST /graphql", format!("{socket}{length}"), body, 400, "graphql.request"),
        ("GET /graphql", format!("{socket}{length}"), body, 400, "graphql.request"),
        ("GET /graphql", "Upgrade: x\r\n".into(), "", 400, "graphql.request"),
        ("GET /graphql", "Upgrade: websocket, x\r\n".into(), "", 400, "graphql.request"),
        ("GET /graphql?query=%7Bversion%7D", socket.into(), "", 400, "graphql.request"),
        ("GET /graphql?variables[a]=1", socket.into(), "", 400, "graphql.request"),
        ("GET /graphql?token=1", socket.into(), "", 502, "upstream.protocol"),
    ] {
        let mut client = janua.client().await;
        let fields = format!("Connection: Upgrade\r\nAccept: application/problem+json\r\n{fields}");
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")).await;
        client.answer().await.assert_refused(status, reason, line);
    }
    assert_eq!(origin.requests().len(), 1, "only the last one was a WebSocket");
}

#[tokio::test]
async fn a_subscription_passes_as_events_while_they_come() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
         19\r\nevent: next\ndata: {\"a\":1}\n\r\n",
    )
    .await;
    let janua = setup(&origin.url, "", "path = \"/graphql\"").start().await;
    let mut client = janua.client().await;
    let body = json!({ "query": "subscription { counted(to: 3) }" }).to_string();
    let fields = "Host: a\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n";
    client
        .send(format!(
            "POST /graphql HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    // The answer has no end.
    client.expect("event: next\ndata: {\"a\":1}").await;
}

#[tokio::test]
async fn a_reload_changes_what_may_be_asked() {
    let (origin, janua) = before("", "").await;
    let body = json!({ "query": "{ a: version b: version }" });
    let mut client = janua.client().await;
    assert_eq!(post(&mut client, "", &body).await.status(), 200);
    let tighter = setup(&origin.url, "guard.max-aliases = 1", "path = \"/graphql\"");
    janua.reload(&tighter).await.unwrap();
    let got = post(&mut client, "", &body).await;
    assert_eq!(first_error(&got).1, "graphql.aliases");
    let broken = setup(&origin.url, "guard.max-depth = 5000", "path = \"/graphql\"");
    assert!(janua.reload(&broken).await.is_err());
    assert_eq!(first_error(&post(&mut client, "", &body).await).1, "graphql.aliases");
    let passed =
        "janua_graphql_operations_total{api=\"shop\",operation=\"other\",outcome=\"passed\"}";
    assert_eq!(janua.counted(passed), 1, "counts go on over a reload");
}

#[tokio::test]
async fn explain_shows_the_operation() {
    let (_origin, janua) = before("operations.Search.limit = \"5/s\"", "").await;
    let asked = |target: &str| {
        let arguments = Arguments {
            method: "GET".into(),
            url: format!("http://a.example{target}"),
            ..Arguments::default()
        };
        explain_in(janua.world(), &arguments).unwrap().to_string()
    };
    let text = asked("/graphql?query=query+Search{search(text:%22a%22){friends{id}}}");
    assert!(text.contains("it asks the query `Search`, 3 deep, costs 115; "), "{text}");
    assert!(text.contains("leaves 4 of 5"), "{text}");
    let text = asked("/graphql?query={none}");
    assert!(text.contains("graphql.validation"), "{text}");
    let text = asked("/graphql?query={__schema{types{name}}}");
    assert!(text.contains("graphql.introspection"), "{text}");
}
