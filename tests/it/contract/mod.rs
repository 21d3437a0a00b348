//! APIs and their contracts: each operation is a route, whose requests and answers are held to the document.

mod answers;
mod corners;
mod policies;
mod portal;
mod problems;
mod requests;
mod strays;

use std::path::PathBuf;

use crate::support::{Janua, Message, Origin, Setup, daemon::on, keys};

/// The document of the shop, as a TOML string.
fn shop() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/contract/shop.yaml");
    format!("{:?}", file.display().to_string())
}

/// The shop before this URL, with these keys of the API.
fn setup(to: &str, keys: &str) -> Setup {
    Setup::new(format!(
        "{}[api.shop]\nopenapi = {}\nsecurity = {{ key = \"partners\" }}\n{keys}\n\
         [[route]]\napi = \"shop\"\nto = \"{to}\"\n",
        partners(),
        shop()
    ))
}

/// A section that knows somebody.
fn partners() -> String {
    keys::section("partners")
}

/// What `janua check` says of a configuration.
fn checked(text: impl AsRef<str>) -> String {
    String::from_utf8_lossy(&on(text.as_ref(), &["check"]).stderr).into_owned()
}

/// The shop before an origin that takes anything.
async fn shop_of_all(keys: &str) -> (Origin, Janua) {
    let origin = Origin::ok().await;
    let janua = setup(&origin.url, keys).start().await;
    (origin, janua)
}

/// A request with a body of this type.
async fn send(janua: &Janua, line: &str, kind: &str, body: &str) -> Message {
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    janua.client().await.request_with(line, &kind, body).await
}

/// Fails the test unless an answer is of this status, and these and no others are said to be wrong. Only the
/// beginning of what is said is looked at.
fn assert_wrong(answer: &Message, status: u16, said: &[&str], what: &str) {
    let told = errors(answer);
    assert_eq!(answer.status(), status, "{what}: {told:?}");
    assert_eq!(told.len(), said.len(), "{what}: {told:?}");
    for part in said {
        assert!(told.iter().any(|says| says.starts_with(part)), "{what}: {part}: {told:?}");
    }
}

/// What an answer says is wrong: `body /id: it is not of type "integer"`.
fn errors(answer: &Message) -> Vec<String> {
    let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    let text = |error: &serde_json::Value, key: &str| {
        error[key].as_str().map(|text| format!(" {text}")).filter(|text| text.len() > 1)
    };
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let told = errors.iter().map(|error| {
        let place = ["name", "pointer"].iter().filter_map(|key| text(error, key));
        let part = error["in"].as_str().unwrap_or_default();
        let place: String = place.collect();
        format!("{part}{place}: {}", error["detail"].as_str().unwrap_or_default())
    });
    told.collect()
}
