//! A door for clients that speak SOAP, before an origin that speaks JSON.

use crate::support::{Client, Janua, Message, Origin, Setup, daemon::janua};

const WSDL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl");

fn envelope(content: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:t=\"urn:example:bank:types\"><s:Body>{content}</s:Body></s:Envelope>"
    )
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn gateway(url: &str) -> Janua {
    let operations =
        "operations = { GetBalance = { method = \"GET\", path = \"/accounts/{account}\" } }";
    let api = format!(
        "[api.bank]\nwsdl = \"{WSDL}/bank.wsdl\"\nbase-path = \"/v1\"\nsoap = {{ door = \"/soap\" }}\n{operations}\n"
    );
    Setup::new(format!("{api}[[route]]\napi = \"bank\"\nto = \"{url}\"\n")).start().await
}

async fn send(client: &mut Client, body: &str) -> Message {
    let fields = "content-type: text/xml; charset=utf-8\r\nsoapaction: \"x\"\r\n";
    client.request_with("POST /soap", fields, body).await
}

#[tokio::test]
async fn an_envelope_is_a_call_of_an_origin_that_speaks_json() {
    let json = "{\"balance\":{\"@currency\":\"EUR\",\"#text\":10.5},\"overdrawn\":false}";
    let origin = Origin::answering(answer("200 OK", "application/json", json)).await;
    let janua = gateway(&origin.url).await;
    let mut client = janua.client().await;
    let got = send(
        &mut client,
        &envelope(
            "<t:GetBalance><t:account>CH 1/2</t:account><t:on>2026-11-29</t:on></t:GetBalance>",
        ),
    )
    .await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(got.field("content-type").as_deref(), Some("text/xml; charset=utf-8"));
    let text = got.text();
    let expected = "<n0:GetBalanceResponse><n0:balance currency=\"EUR\">10.5</n0:balance><n0:overdrawn>false</n0:overdrawn></n0:GetBalanceResponse>";
    assert!(text.contains(expected), "{text}");
    let asked = origin.last();
    assert_eq!(asked.line, "GET /v1/accounts/CH%201%2F2?on=2026-11-29 HTTP/1.1");
    assert_eq!(
        (asked.field("accept").as_deref(), asked.field("content-type")),
        (Some("application/json"), None)
    );
    assert_eq!(asked.field("soapaction"), None);
}

#[tokio::test]
async fn what_a_call_takes_is_the_body_of_a_post() {
    let origin = Origin::answering(answer(
        "201 Created",
        "application/json",
        "{\"id\":18446744073709551615}",
    ))
    .await;
    let janua = gateway(&origin.url).await;
    let mut client = janua.client().await;
    let call = "<t:Transfer><t:from>a</t:from><t:to>b</t:to><t:amount currency='EUR'>1.10</t:amount><t:note>n</t:note></t:Transfer>";
    let got = send(&mut client, &envelope(call)).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert!(got.text().contains("<n0:id>18446744073709551615</n0:id>"), "{}", got.text());
    let asked = origin.last();
    assert_eq!(asked.line, "POST /v1/Transfer HTTP/1.1");
    assert_eq!(
        asked.text(),
        "{\"from\":\"a\",\"to\":\"b\",\"amount\":{\"@currency\":\"EUR\",\"#text\":1.10},\"note\":[\"n\"]}"
    );
    assert_eq!(asked.field("content-type").as_deref(), Some("application/json"));
}

#[tokio::test]
async fn what_does_not_go_well_is_a_fault() {
    let call = envelope("<t:GetBalance><t:account>1</t:account></t:GetBalance>");
    for (answered, code, text) in [
        (
            answer(
                "404 Not Found",
                "application/problem+json",
                "{\"title\":\"Gone\",\"detail\":\"No <such> account\"}",
            ),
            "soap:Client",
            "No &lt;such&gt; account",
        ),
        (answer("409 Conflict", "text/html", "<h1>"), "soap:Client", "Conflict"),
        (answer("500 Oh", "application/json", "{}"), "soap:Server", "Internal Server Error"),
        (
            answer("200 OK", "application/json", "{\"balance\":1}"),
            "soap:Server",
            "The service gave an invalid answer.",
        ),
        (
            answer("200 OK", "text/plain", "10"),
            "soap:Server",
            "The service gave an invalid answer.",
        ),
    ] {
        let origin = Origin::answering(answered.clone()).await;
        let janua = gateway(&origin.url).await;
        let got = send(&mut janua.client().await, &call).await;
        assert_eq!(got.status(), 500, "{answered}");
        let fault = format!("<faultcode>{code}</faultcode><faultstring>{text}</faultstring>");
        assert!(got.text().contains(&fault), "{answered}: {}", got.text());
    }
    let janua = gateway("http://127.0.0.1:1").await;
    let got = send(&mut janua.client().await, &call).await;
    assert!(got.status() == 500 && got.text().contains("soap:Server"), "{}", got.text());
    for (body, says) in [
        ("<a/>".to_owned(), "it is no envelope"),
        (envelope("<t:Pay/>"), "there is no such operation"),
        (envelope("<t:GetBalance/>"), "`account` is missing"),
        (
            envelope("<t:GetBalance><t:account>..</t:account></t:GetBalance>"),
            "`account` is not allowed",
        ),
        (envelope("<t:Transfer><t:what/></t:Transfer>"), "an element is not known here, in line 1"),
        (format!("<!DOCTYPE a>{call}"), "a DOCTYPE is not taken"),
    ] {
        let got = send(&mut janua.client().await, &body).await;
        let text = got.text();
        assert!(
            got.status() == 500 && text.contains("soap:Client") && text.contains(says),
            "{body}: {text}"
        );
    }
}

#[tokio::test]
async fn the_description_names_this_door_and_the_files_that_it_needs() {
    let janua = gateway("http://127.0.0.1:1").await;
    let mut client = janua.client().await;
    let wsdl = client.get("/soap?wsdl").await;
    let text = wsdl.text();
    assert!(
        text.contains("<soap:address location=\"http://") && text.contains("/soap\"/>"),
        "{text}"
    );
    assert!(
        text.contains("schemaLocation=\"http://") && text.contains("/soap?file=1\"/>"),
        "{text}"
    );
    let types = client.get("/soap?file=1").await.text();
    assert!(
        types.contains("<xs:element name=\"GetBalance\">") && types.contains("/soap?file=2\""),
        "{types}"
    );
    assert_eq!(client.get("/soap?file=2").await.status(), 200);
    client.get("/soap?file=3").await.assert_refused(404, "no_route", "no such file");
    let mut client = janua.client().await;
    client.get("/soap").await.assert_refused(404, "no_route", "no envelope");
}

#[tokio::test]
async fn an_operation_that_is_off_is_not_called_and_not_described() {
    let origin = Origin::answering(answer("200 OK", "application/json", "{\"id\":1}")).await;
    let api = format!(
        "[api.bank]\nwsdl = \"{WSDL}/bank.wsdl\"\nsoap = {{ door = \"/soap\" }}\n\
         operations = {{ Transfer = {{ enabled = false }} }}\n"
    );
    let route = format!("[[route]]\napi = \"bank\"\nto = \"{}\"\n", origin.url);
    let janua = Setup::new(api + &route).start().await;
    let mut client = janua.client().await;
    let call = "<t:Transfer><t:from>CH000001</t:from><t:to>CH000002</t:to><t:amount currency='EUR'>1</t:amount></t:Transfer>";
    let got = send(&mut client, &envelope(call)).await;
    assert!(
        got.status() == 500 && got.text().contains("there is no such operation"),
        "{}",
        got.text()
    );
    assert_eq!(origin.requests().len(), 0);
    let wsdl = client.get("/soap?wsdl").await.text();
    assert!(!wsdl.contains("<wsdl:operation name=\"Transfer\">"), "{wsdl}");
    assert!(!wsdl.contains("<wsdl:fault") && !wsdl.contains("bank#Transfer"), "{wsdl}");
    assert_eq!(wsdl.matches("<wsdl:operation name=\"GetBalance\">").count(), 2, "{wsdl}");
    assert!(wsdl.contains("<wsdl:service name=\"Bank\">"), "{wsdl}");
}

#[tokio::test]
async fn what_is_said_of_a_door_that_it_does_not_do_is_an_error() {
    let own = |key: &str| format!("operations = {{ Transfer = {{ {key} }} }}");
    for (more, path, message, help) in [
        (own("auth = \"corp\""), "operations.Transfer.auth", "one route", "`auth` at the route"),
        (own("auth = []"), "operations.Transfer.auth", "one route", "`auth` at the route"),
        (
            own("allow = { role = \"teller\" }"),
            "operations.Transfer.allow",
            "one route",
            "`allow` at the route",
        ),
        (own("limit = \"1/s\""), "operations.Transfer.limit", "one route", "`limit` at the route"),
        (own("cache = true"), "operations.Transfer.cache", "is not kept", "take it away"),
        (own("to = \"mock\""), "operations.Transfer.to", "one origin", "`to` at the route"),
        (own("null = 404"), "operations.Transfer.null", "GraphQL", "graphql ="),
        (own("query = \"{ a }\""), "operations.Transfer.query", "GraphQL", "graphql ="),
        (
            "operations = { Tranfer = { enabled = false } }".into(),
            "operations.Tranfer",
            "there is no operation `Tranfer`",
            "did you mean `Transfer`?",
        ),
        (
            "operations = { Transfer = { enabled = false }, GetBalance = { enabled = false } }"
                .into(),
            "operations",
            "the door has no operation",
            "enabled",
        ),
        ("security = { key = \"corp\" }".into(), "security", "no security schemes", "`auth`"),
        ("enforce = \"report\"".into(), "enforce", "fit their types", "take it away"),
        ("answers = \"enforce\"".into(), "answers", "is a fault", "take it away"),
        ("unknown-query = \"refuse\"".into(), "unknown-query", "no query", "take it away"),
        ("max-depth = 3".into(), "max-depth", "how deep", "`max-body`"),
        ("audience = { auth = \"corp\" }".into(), "audience", "not in the portal", "`access`"),
        ("services = [\"Bank\"]".into(), "services", "gRPC", "service"),
        ("json = { defaults = true }".into(), "json", "gRPC", "take it away"),
        ("soap.addressing = true".into(), "soap.addressing", "the clients do", "take it away"),
        ("soap.timestamp = \"5m\"".into(), "soap.timestamp", "the clients do", "`auth`"),
        ("soap.faults = { A = 409 }".into(), "soap.faults", "the clients do", "statuses"),
        (
            "soap.username = { name = \"a\", password = \"b\" }".into(),
            "soap.username",
            "the clients do",
            "`auth`",
        ),
    ] {
        let api =
            format!("[api.bank]\nwsdl = \"{WSDL}/bank.wsdl\"\nsoap.door = \"/soap\"\n{more}\n");
        let route = "[[route]]\napi = \"bank\"\nto = \"http://127.0.0.1:1\"\n";
        let path = format!("api.bank.{path}");
        Setup::new(api + route).fails_at(&path, message, help).await;
    }
}

#[tokio::test]
async fn a_door_without_a_route_is_found_and_one_without_a_description_is_an_error() {
    let api = format!("[api.bank]\nwsdl = \"{WSDL}/bank.wsdl\"\nsoap.door = \"/soap\"\n");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    std::fs::write(&file, format!("{api}[[route]]\nto = \"echo\"\n")).unwrap();
    let said = janua(&["check", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("no route stands for the API `bank`"), "{said}");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/contract.yaml");
    let api = format!("[api.shop]\nopenapi = \"{document}\"\nsoap.door = \"/soap\"\n");
    let route = "[[route]]\napi = \"shop\"\nto = \"mock\"\n";
    Setup::new(api + route).fails_at("api.shop.soap", "nothing of `shop` is SOAP", "wsdl").await;
}
