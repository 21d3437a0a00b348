//! Filters that change bodies, rules that change the query, schemas that requests are held to without a document.

mod answers;
mod problems;
mod query;
mod requests;
mod validate;

use crate::support::{Client, Janua, Message, Origin, Setup};

/// A route with these keys before this URL.
fn route(to: &str, keys: &str) -> Setup {
    Setup::new(format!("[[route]]\nname = \"r\"\nto = \"{to}\"\n{keys}\n"))
}

/// An origin that answers 200 with this type, these fields and this body.
async fn origin(kind: &str, fields: &str, body: &str) -> Origin {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{fields}");
    Origin::answering(format!("{head}content-length: {length}\r\n\r\n{body}")).await
}

/// An origin that answers with this JSON, and a gateway with these keys of its route.
async fn gateway(answer: &str, keys: &str) -> (Origin, Janua) {
    let origin = origin("application/json", "", answer).await;
    let janua = route(&origin.url, keys).start().await;
    (origin, janua)
}

async fn post(client: &mut Client, kind: &str, body: &str) -> Message {
    client.request_with("POST /a?page=2", &format!("content-type: {kind}\r\n"), body).await
}

/// What an answer says is wrong.
fn errors(answer: &Message) -> Vec<String> {
    let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let text = |error: &serde_json::Value, key: &str| error[key].as_str().unwrap_or("").to_owned();
    let told = errors
        .iter()
        .map(|error| ["in", "name", "pointer", "detail"].map(|key| text(error, key)).join("|"));
    told.collect()
}
