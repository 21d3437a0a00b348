//! Routes whose origin speaks GraphQL: to clients that ask it themselves, and to clients that speak JSON.

mod asked;
mod limits;
mod problems;
mod stored;

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Janua, Message, Origin, Setup};

/// The schema of the shop, as TOML.
fn shop() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/graphql/shop.graphql");
    format!("{:?}", file.display().to_string())
}

/// The shop before this URL, with these keys of the API and of its route.
fn setup(to: &str, keys: &str, route: &str) -> Setup {
    let api = format!("[api.shop]\ngraphql = {}\n{keys}\n", shop());
    Setup::new(format!("{api}[[route]]\napi = \"shop\"\nto = \"{to}\"\n{route}\n"))
}

/// An origin that answers everything so.
async fn origin(answer: &Value) -> Origin {
    let body = answer.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60";
    Origin::answering(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await
}

/// The shop at `/graphql`, before an origin that answers everything in the same way.
async fn before(keys: &str, route: &str) -> (Origin, Janua) {
    let origin = origin(&json!({ "data": { "version": "1" } })).await;
    let route = format!("path = \"/graphql\"\n{route}");
    let janua = setup(&origin.url, keys, &route).start().await;
    (origin, janua)
}

async fn post(client: &mut Client, fields: &str, body: &Value) -> Message {
    let fields = format!("Content-Type: application/json\r\n{fields}");
    client.request_with("POST /graphql", &fields, body.to_string()).await
}

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|_| panic!("{}", message.text()))
}

/// What a refusal says for the first: its code, and its reason.
fn first_error(message: &Message) -> (String, String) {
    let told = parsed(message);
    let text =
        |key: &str| told["errors"][0]["extensions"][key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("reason"))
}
