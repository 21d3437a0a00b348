//! `graphql-yoga` behind the guard and behind routes of JSON; the audits of `graphql-http` hold both it and
//! Janua before it to GraphQL over HTTP.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{Server, alone, command, program, said};
use crate::support::{Client, Janua, Message, Setup};

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/graphql/shop.graphql")
}

/// A script of `tests/peers`, where its libraries are.
fn node(mut node: Command, name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let peers = std::env::var_os("JANUA_PEERS");
    let peers = peers.map_or_else(|| root.join("target/peers"), PathBuf::from);
    let at = peers.join("node_modules/graphql-yoga");
    assert!(at.exists(), "there is no `{}`: run tests/run, which installs it", at.display());
    alone(&mut node);
    node.arg(root.join("tests/peers").join(name)).env("JANUA_PEERS", peers);
    node
}

fn yoga() -> Server {
    let mut server = node(Command::new(program("node")), "graphql_server.mjs");
    let mut child = server.arg(schema()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    Server { child, url: format!("http://127.0.0.1:{}", port.trim()) }
}

async fn before(server: &Server, keys: &str) -> Janua {
    let (url, schema) = (&server.url, schema());
    let api = format!("[api.shop]\ngraphql = {:?}\n{keys}\n", schema.display().to_string());
    let route = format!("[[route]]\napi = \"shop\"\npath = \"/graphql\"\nto = \"{url}\"\n");
    Setup::new(api + &route).start().await
}

async fn send(client: &mut Client, line: &str, fields: &str, body: &Value) -> Message {
    let fields = format!("Content-Type: application/json\r\n{fields}");
    client.request_with(line, &fields, body.to_string()).await
}

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|_| panic!("{}", message.text()))
}

#[tokio::test]
async fn what_is_asked_is_answered_and_what_is_refused_never_gets_there() {
    let server = yoga();
    let janua = before(&server, "").await;
    let mut client = janua.client().await;
    let query = "query User($id: ID!) { user(id: $id) { name friends(first: 1) { name role } } }";
    let body = json!({ "query": query, "variables": { "id": "1" } });
    let got = send(&mut client, "POST /graphql", "", &body).await;
    let friends = json!([{ "name": "Ben", "role": "BUYER" }]);
    assert_eq!(parsed(&got)["data"]["user"], json!({ "name": "Ada", "friends": friends }));
    let got = client.get("/graphql?query=%7B%20version%20%7D").await;
    assert_eq!(parsed(&got), json!({ "data": { "version": "1" } }));
    // What the service itself does not like passes as it says it.
    let body = json!({ "query": "{ user(id: \"secret\") { name } }" });
    let got = send(&mut client, "POST /graphql", "", &body).await;
    assert_eq!(parsed(&got)["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let body = json!({ "query": "{ __schema { types { name } } }" });
    let got = send(&mut client, "POST /graphql", "", &body).await;
    assert_eq!(
        (got.status(), &parsed(&got)["errors"][0]["extensions"]["reason"]),
        (403, &json!("graphql.introspection"))
    );
}

#[tokio::test]
async fn events_of_a_subscription_come_through() {
    let server = yoga();
    let janua = before(&server, "").await;
    let mut client = janua.client().await;
    let body = json!({ "query": "subscription { counted(to: 3) }" });
    let got = send(&mut client, "POST /graphql", "Accept: text/event-stream\r\n", &body).await;
    assert_eq!(got.status(), 200);
    assert!(got.text().contains("data: {\"data\":{\"counted\":3}}"), "{}", got.text());
}

#[tokio::test]
async fn stored_operations_are_routes_of_json() {
    let server = yoga();
    let keys = "answers = \"enforce\"\n\
        [api.shop.operations.user]\nmethod = \"GET\"\npath = \"/users/{id}\"\nnull = 404\n\
        query = \"query($id: ID!) { user(id: $id) { name role } }\"\n\
        [api.shop.operations.users]\nmethod = \"GET\"\npath = \"/users\"\n\
        query = \"query($first: Int = 1) { users(first: $first) { id } version }\"\n\
        [api.shop.operations.order]\npath = \"/orders\"\n\
        query = \"mutation($order: NewOrder!) { order(order: $order) { id total lines { count } } }\"\n";
    let janua = before(&server, keys).await;
    let mut client = janua.client().await;
    for (target, status, body) in [
        ("/users/1", 200, json!({ "name": "Ada", "role": "SELLER" })),
        ("/users", 200, json!({ "users": [{ "id": "1" }], "version": "1" })),
        ("/users?first=2", 200, json!({ "users": [{ "id": "1" }, { "id": "2" }], "version": "1" })),
    ] {
        let got = client.get(target).await;
        assert_eq!((got.status(), parsed(&got)), (status, body), "{target}");
    }
    for (target, status) in [("/users/3", 404), ("/users/secret", 403), ("/users?first=x", 400)] {
        let got = client.get(target).await;
        assert_eq!((got.status(), &parsed(&got)["status"]), (status, &json!(status)), "{target}");
    }
    let lines = json!([{ "article": "vase" }, { "article": "bowl", "count": 3 }]);
    let got = send(&mut client, "POST /orders", "", &json!({ "order": { "lines": lines } })).await;
    assert_eq!(
        parsed(&got),
        json!({ "id": "7", "total": 9.5, "lines": [{ "count": 1 }, { "count": 3 }] })
    );
    let got = send(&mut client, "POST /orders", "", &json!({ "order": { "lines": [] } })).await;
    let problem = parsed(&got);
    assert_eq!((got.status(), &problem["detail"]), (400, &json!("Nothing ordered")), "{problem}");
}

/// Where a service says with 200 what is wrong with a document, and the client takes `application/json`: these
/// say that it should. Janua refuses with 400, so that logs, metrics and retries see a refusal.
const OURS: [&str; 3] = ["572B ", "7B9B ", "FDE2 "];

/// Whatever else the audits find, they find no less through Janua.
#[tokio::test]
async fn it_keeps_to_graphql_over_http_as_the_server_does() {
    let server = yoga();
    let janua = before(&server, "guard.introspection = \"allow\"").await;
    let audits = |url: &str| -> BTreeMap<String, String> {
        let mut client = node(command(program("node")), "graphql_client.mjs");
        serde_json::from_str(&said(client.arg(format!("{url}/graphql")))).unwrap()
    };
    let (straight, through) = (audits(&server.url), audits(&format!("http://{}", janua.address)));
    assert!(straight.len() > 40, "{straight:?}");
    let worse: Vec<_> = straight
        .iter()
        .filter(|(audit, result)| *result == "ok" && through[*audit] != "ok")
        .filter(|(audit, _)| !OURS.iter().any(|ours| audit.starts_with(ours)))
        .map(|(audit, _)| (audit, &through[audit]))
        .collect();
    assert!(worse.is_empty(), "{worse:#?}");
}
