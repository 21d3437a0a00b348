//! A SOAP server by PyPI's `spyne`, called with JSON; and what PyPI's `zeep` gets straight from it.

use serde_json::{Value, json};

use super::{Server, said, script};
use crate::support::{Client, Janua, Message, Origin, Setup};

/// Janua before the server, by the description that it gives of itself.
async fn before(server: &Server) -> Janua {
    let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let url = &server.url;
    let mut client = Client::connect(url.trim_start_matches("http://").parse().unwrap()).await;
    let wsdl = client.get("/?wsdl").await;
    assert_eq!(wsdl.status(), 200, "{}", wsdl.text());
    let file = home.path().join("bank.wsdl");
    std::fs::write(&file, &wsdl.body).unwrap();
    let operations =
        "operations = { balance = { method = \"GET\", path = \"/accounts/{account}\" } }";
    let api =
        format!("[api.bank]\nwsdl = \"{}\"\nanswers = \"enforce\"\n{operations}\n", file.display());
    let route = format!("[[route]]\napi = \"bank\"\nto = \"{url}\"\n");
    Setup::new(api + &route).start_in(home).await
}

async fn call(janua: &Janua, target: &str, body: &Value) -> Message {
    let body = body.to_string();
    let mut client = janua.client().await;
    let fields =
        format!("host: a\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    client.send(format!("POST {target} HTTP/1.1\r\n{fields}\r\n\r\n{body}")).await;
    client.answer().await
}

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|_| panic!("{}", message.text()))
}

async fn speaks(version: &str) {
    let server = Server::start_with("soap_server.py", &[version]);
    // The server says of itself that it is where it was asked first.
    let by_zeep = said(script("soap_client.py").arg(format!("{}/?wsdl", server.url)));
    let janua = before(&server).await;
    let by_zeep: Value = serde_json::from_str(&by_zeep).unwrap();
    let body = json!({"text": "a<b> & \"ü\"", "number": -7, "ratio": 0.1, "flag": true, "day": "2026-11-29", "more": ["x", ""]});
    let got = call(&janua, "/say", &body).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(parsed(&got)["sayResult"]["string"], by_zeep["say"]);

    let got = janua.client().await.get("/accounts/1?on=2026-11-29").await;
    assert_eq!(
        got.text(),
        "{\"balanceResult\":{\"@currency\":\"EUR\",\"amount\":1234567890123456.10}}"
    );
    assert_eq!(by_zeep["balance"]["amount"], "1234567890123456.10");

    let entry = |id: u64| json!({"id": id, "at": "2026-11-29T12:00:00Z", "text": null, "money": {"@currency": "CHF", "amount": 0.5}});
    let body = json!({"account": "1", "entries": {"Entry": [entry(1), entry(u64::MAX)]}});
    let got = call(&janua, "/post", &body).await;
    let entries = &parsed(&got)["postResult"]["Entry"];
    assert_eq!(entries[1]["id"], u64::MAX, "{}", got.text());
    assert_eq!(entries[0]["money"], json!({"@currency": "CHF", "amount": 0.5}));
    // A list of one is a list.
    let body = json!({"account": "1", "entries": {"Entry": [entry(1)]}});
    assert!(parsed(&call(&janua, "/post", &body).await)["postResult"]["Entry"].is_array());
}

#[tokio::test]
async fn a_server_of_soap_1_1_is_called_with_json() {
    speaks("11").await;
}

#[tokio::test]
async fn a_server_of_soap_1_2_is_called_with_json() {
    speaks("12").await;
}

#[tokio::test]
async fn a_fault_of_a_server_is_a_problem() {
    for version in ["11", "12"] {
        let server = Server::start_with("soap_server.py", &[version]);
        let janua = before(&server).await;
        let got = janua.client().await.get("/accounts/none").await;
        let problem = parsed(&got);
        assert_eq!(
            (got.status(), &problem["detail"]),
            (422, &json!("There is no such account")),
            "{problem}"
        );
        let got = janua.client().await.get("/accounts/down").await;
        let problem = parsed(&got);
        assert_eq!(
            (got.status(), &problem["detail"]),
            (502, &json!("The vault is <shut> & locked")),
            "{problem}"
        );
        let wrong =
            json!({"account": "1", "entries": {"Entry": [{"money": {"@currency": "USD"}}]}});
        let got = call(&janua, "/post", &wrong).await;
        got.assert_refused(422, "contract.body", "a currency that the description does not know");
    }
}

/// An origin of JSON behind a door for clients that speak SOAP.
async fn door() -> (Origin, Janua) {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let (status, body) = match request.line.split(' ').nth(1).unwrap_or_default() {
                "/accounts/CH000001?on=2026-11-29" => (
                    "200 OK",
                    "{\"balance\":{\"@currency\":\"EUR\",\"#text\":10.5},\"overdrawn\":true}",
                ),
                "/Transfer" => ("200 OK", "{\"id\":7}"),
                _ => ("404 Not Found", "{\"detail\":\"There is nobody\"}"),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}"
            );
            peer.send(format!("{head}\r\n\r\n{body}")).await;
        }
    })
    .await;
    let url = &origin.url;
    let wsdl = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl/bank.wsdl");
    let operations =
        "operations = { GetBalance = { method = \"GET\", path = \"/accounts/{account}\" } }";
    let api =
        format!("[api.bank]\nwsdl = \"{wsdl}\"\nsoap = {{ door = \"/bank\" }}\n{operations}\n");
    let janua =
        Setup::new(format!("{api}[[route]]\napi = \"bank\"\nto = \"{url}\"\n")).start().await;
    (origin, janua)
}

/// Clients that read the door's own description: PyPI's `zeep` and npm's `soap`.
#[tokio::test]
async fn clients_of_soap_call_an_origin_of_json() {
    for (client, expected) in [
        ("soap_door.py", "10.5 EUR True\n7\nsoap:Client There is nobody\n"),
        ("soap_door.mjs", "10.5 EUR true\n7\nsoap:Client There is nobody\n"),
    ] {
        let (_origin, janua) = door().await;
        let url = format!("http://{}/bank", janua.address);
        let told = tokio::task::spawn_blocking(move || said(script(client).arg(url)));
        assert_eq!(told.await.unwrap(), expected, "{client}");
    }
}

/// One door for clients of both versions, by the description that names both ports.
#[tokio::test]
async fn clients_of_both_versions_come_by_one_door() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            let (status, body) = match asked["who"]["name"].as_str() {
                Some("Ada") => ("200 OK", json!({"who": {"name": "Ada", "born": null}})),
                Some("Nobody") => ("404 Not Found", json!({"detail": "There is nobody"})),
                _ => ("503 Service Unavailable", json!({"title": "Later"})),
            };
            let body = body.to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}"
            );
            peer.send(format!("{head}\r\n\r\n{body}")).await;
        }
    })
    .await;
    let wsdl = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl/people.wsdl");
    let api = format!("[api.people]\nwsdl = \"{wsdl}\"\nsoap = {{ door = \"/people\" }}\n");
    let route = format!("[[route]]\napi = \"people\"\nto = \"{}\"\n", origin.url);
    let janua = Setup::new(api + &route).start().await;
    let url = format!("http://{}/people", janua.address);
    let told = tokio::task::spawn_blocking(move || said(script("soap_hire.py").arg(url)));
    assert_eq!(
        told.await.unwrap(),
        "Ada None\nsoap:Client There is nobody\nsoap:Server Later\n\
         Ada None\nsoap:Sender There is nobody\nsoap:Receiver Later\n"
    );
}

/// What WS-Security and WS-Addressing say is understood by who did not write it here.
#[tokio::test]
async fn a_server_knows_who_calls_by_ws_security() {
    let wsdl = concat!(env!("CARGO_MANIFEST_DIR"), "/config/bank.wsdl");
    let server = Server::start_with("soap_server.mjs", &[wsdl, "gate", "s3<ret"]);
    let all = "timestamp = \"5m\", addressing = true";
    for (soap, status) in [
        (format!("username = {{ name = \"gate\", password = \"s3<ret\" }}, {all}"), 200),
        (
            format!(
                "username = {{ name = \"gate\", password = \"s3<ret\", digest = true }}, {all}"
            ),
            200,
        ),
        (
            format!("username = {{ name = \"gate\", password = \"wrong\", digest = true }}, {all}"),
            502,
        ),
        (format!("username = {{ name = \"other\", password = \"s3<ret\" }}, {all}"), 502),
        (all.to_owned(), 502),
        ("username = { name = \"gate\", password = \"s3<ret\" }".to_owned(), 502),
    ] {
        let api = format!("[api.bank]\nwsdl = \"{wsdl}\"\nsoap = {{ {soap} }}\n");
        let route = format!("[[route]]\napi = \"bank\"\nto = \"{}\"\n", server.url);
        let janua = Setup::new(api + &route).start().await;
        let got = call(&janua, "/GetBalance", &json!({"account": "CH000001"})).await;
        assert_eq!(got.status(), status, "{soap}: {}", got.text());
    }
}

/// A server by npm's `soap`, which reads the description that Janua reads.
#[tokio::test]
async fn a_server_by_npm_is_called_with_json() {
    let wsdl = concat!(env!("CARGO_MANIFEST_DIR"), "/config/bank.wsdl");
    let server = Server::start_with("soap_server.mjs", &[wsdl]);
    let api = format!(
        "[api.bank]\nwsdl = \"{wsdl}\"\nanswers = \"enforce\"\nsoap = {{ faults = {{ InsufficientFunds = 409 }} }}\n\
         operations = {{ GetBalance = {{ method = \"GET\", path = \"/accounts/{{account}}\" }} }}\n"
    );
    let route = format!("[[route]]\napi = \"bank\"\nto = \"{}\"\n", server.url);
    let janua = Setup::new(api + &route).start().await;
    let got = janua.client().await.get("/accounts/CH000001").await;
    assert_eq!(got.text(), "{\"balance\":{\"@currency\":\"EUR\",\"#text\":120.50}}");
    let transfer = |amount: f64| json!({"from": "CH000001", "to": "CH000002", "amount": {"@currency": "EUR", "#text": amount}, "note": ["<a>", "b"]});
    let got = call(&janua, "/Transfer", &transfer(20.5)).await;
    assert_eq!((got.status(), &*got.text()), (200, "{\"id\":2}"));
    let got = call(&janua, "/Transfer", &transfer(120.5)).await;
    let problem = parsed(&got);
    assert_eq!(got.status(), 409, "{problem}");
    assert_eq!(problem["detail"], "Not <that> much for CH000002");
    let missing = json!({"@currency": "EUR", "#text": 20.5});
    assert_eq!(problem["fault"]["InsufficientFunds"]["missing"], missing);
}
