//! A door for clients that speak SOAP, before an origin that speaks JSON.

use crate::support::{Client, Janua, Message, Origin, Setup, daemon::on};

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
            "<t:GetBalance><t:account>CH000001</t:account><t:on>2026-11-29</t:on></t:GetBalance>",
        ),
    )
    .await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(got.field("content-type").as_deref(), Some("text/xml; charset=utf-8"));
    let text = got.text();
    let expected = "<n0:GetBalanceResponse><n0:balance currency=\"EUR\">10.5</n0:balance><n0:overdrawn>false</n0:overdrawn></n0:GetBalanceResponse>";
    assert!(text.contains(expected), "{text}");
    let asked = origin.last();
    assert_eq!(asked.line, "GET /v1/accounts/CH000001?on=2026-11-29 HTTP/1.1");
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
    let call = "<t:Transfer><t:from>CH000001</t:from><t:to>CH000002</t:to><t:amount currency='EUR'>1.10</t:amount><t:note>n</t:note></t:Transfer>";
    let got = send(&mut client, &envelope(call)).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert!(got.text().contains("<n0:id>18446744073709551615</n0:id>"), "{}", got.text());
    let asked = origin.last();
    assert_eq!(asked.line, "POST /v1/Transfer HTTP/1.1");
    assert_eq!(
        asked.text(),
        "{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":{\"@currency\":\"EUR\",\"#text\":1.10},\"note\":[\"n\"]}"
    );
    assert_eq!(asked.field("content-type").as_deref(), Some("application/json"));
}

#[tokio::test]
async fn what_does_not_go_well_is_a_fault() {
    let call = envelope("<t:GetBalance><t:account>CH000001</t:account></t:GetBalance>");
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
    let said = on(&format!("{api}[[route]]\nto = \"echo\"\n"), &["check"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("no route stands for the API `bank`"), "{said}");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/contract.yaml");
    let api = format!("[api.shop]\nopenapi = \"{document}\"\nsoap.door = \"/soap\"\n");
    let route = "[[route]]\napi = \"shop\"\nto = \"mock\"\n";
    Setup::new(api + route).fails_at("api.shop.soap", "nothing of `shop` is SOAP", "wsdl").await;
}

#[tokio::test]
async fn what_goes_into_a_path_is_escaped() {
    let answered =
        answer("200 OK", "application/json", "{\"day\":[\"2026-11-29\"],\"degrees\":[1.5]}");
    let origin = Origin::answering(answered).await;
    let api = format!(
        "[api.weather]\nwsdl = \"{WSDL}/weather.wsdl\"\nsoap = {{ door = \"/soap\" }}\n\
         operations = {{ Forecast = {{ method = \"GET\", path = \"/weather/{{place}}\" }} }}\n"
    );
    let route = format!("[[route]]\napi = \"weather\"\nto = \"{}\"\n", origin.url);
    let janua = Setup::new(api + &route).start().await;
    let call = "<a:Forecast xmlns:a=\"urn:example:weather:abstract\"><place>CH 1/2?</place><kind>a&amp;b</kind><kind>c</kind></a:Forecast>";
    let got = send(&mut janua.client().await, &envelope(call)).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(origin.last().line, "GET /weather/CH%201%2F2%3F?kind=a%26b&kind=c HTTP/1.1");
}

#[tokio::test]
async fn an_envelope_that_does_not_fit_its_types_is_the_clients_fault() {
    let origin = Origin::answering(answer("200 OK", "application/json", "{\"id\":1}")).await;
    let janua = gateway(&origin.url).await;
    let (from, to) = ("<t:from>CH000001</t:from>", "<t:to>CH000002</t:to>");
    let amount = "<t:amount currency='EUR'>1</t:amount>";
    let note = "<t:note>n</t:note>";
    for (inside, says) in [
        (format!("{from}{amount}"), "`to` is missing"),
        (format!("<t:from>somebody</t:from>{to}{amount}"), "`from` does not match its pattern"),
        (format!("<t:from xsi:nil='true'/>{to}{amount}"), "`from` must not be nil"),
        (
            format!("{from}{to}<t:amount currency='USD'>1</t:amount>"),
            "`@currency` is none of its values",
        ),
        (format!("{from}{to}<t:amount>1</t:amount>"), "`@currency` is missing"),
        (
            format!("{from}{to}<t:amount currency='EUR'>much</t:amount>"),
            "`amount` must be a number",
        ),
        (
            format!("{from}{to}{amount}{}", note.repeat(4)),
            "`note` has no place here, or is there too often",
        ),
        (format!("{from}{from}{to}{amount}"), "`from` has no place here, or is there too often"),
        (format!("{from}{to}{amount}<t:more/>"), "an element is not known here"),
        (format!("{from}{to}{amount}text"), "an element has text between elements"),
    ] {
        let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
        let call = envelope(&format!("<t:Transfer {xsi}>{inside}</t:Transfer>"));
        let got = send(&mut janua.client().await, &call).await;
        let text = got.text();
        let is_theirs = text.contains("<faultcode>soap:Client</faultcode>");
        assert!(got.status() == 500 && is_theirs && text.contains(says), "{inside}: {text}");
        assert!(text.contains("in line 1, column "), "{inside}: {text}");
    }
    // What goes into a path or a query is held to its type like everything else.
    for (inside, says) in [
        ("<t:account>nobody</t:account>", "`account` does not match its pattern"),
        ("<t:account>CH000001</t:account><t:on>soon</t:on>", "`on` does not match its pattern"),
    ] {
        let call = envelope(&format!("<t:GetBalance>{inside}</t:GetBalance>"));
        let got = send(&mut janua.client().await, &call).await;
        assert!(got.status() == 500 && got.text().contains(says), "{inside}: {}", got.text());
    }
    assert_eq!(origin.requests().len(), 0);
    janua.logged_reason("contract.body").await;
}

/// An envelope of SOAP 1.2.
fn envelope12(content: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:p=\"urn:example:people\"><e:Body>{content}</e:Body></e:Envelope>"
    )
}

/// The people of this port behind a door.
async fn people(port: &str, url: &str) -> Janua {
    let api = format!(
        "[api.people]\nwsdl = \"{WSDL}/people.wsdl\"\n\
         soap = {{ door = \"/soap\", port = \"{port}\" }}\n"
    );
    Setup::new(format!("{api}[[route]]\napi = \"people\"\nto = \"{url}\"\n")).start().await
}

#[tokio::test]
async fn a_client_is_answered_in_the_version_of_soap_that_it_speaks() {
    let person = "<p:who><p:name>Ada</p:name><p:born>1815-12-10</p:born></p:who>";
    let call = envelope12(&format!("<p:Hire>{person}</p:Hire>"));
    let answered = "{\"who\":{\"name\":\"Ada\",\"born\":null}}";
    let problem = "{\"title\":\"No\",\"detail\":\"She has a post\"}";
    let kind12 = "content-type: application/soap+xml; charset=utf-8; action=\"urn:hire\"\r\n";
    let json = "application/json";
    for port in ["P11", "P12"] {
        for (status, body, sent, got_status, says) in [
            (
                "200 OK",
                answered,
                call.clone(),
                200,
                "<n0:HireResponse><n0:who><n0:name>Ada</n0:name><n0:born xsi:nil=\"true\"/></n0:who></n0:HireResponse>",
            ),
            (
                "409 Conflict",
                problem,
                call.clone(),
                400,
                "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason><soap:Text xml:lang=\"en\">She has a post</soap:Text></soap:Reason></soap:Fault>",
            ),
            ("503 Later", "", call.clone(), 500, "<soap:Value>soap:Receiver</soap:Value>"),
            (
                "200 OK",
                answered,
                envelope12("<p:Hire/>"),
                400,
                "<soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason><soap:Text xml:lang=\"en\">`who` is missing",
            ),
            ("200 OK", answered, "<e/>".into(), 400, "<soap:Value>soap:Sender</soap:Value>"),
        ] {
            let origin = Origin::answering(answer(status, json, body)).await;
            let janua = people(port, &origin.url).await;
            let got = janua.client().await.request_with("POST /soap", kind12, &sent).await;
            let text = got.text();
            assert!(got.status() == got_status && text.contains(says), "{sent}: {text}");
            assert!(
                text.contains("xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\""),
                "{text}"
            );
            let kind = got.field("content-type");
            assert_eq!(kind.as_deref(), Some("application/soap+xml; charset=utf-8"), "{sent}");
        }
    }
}

#[tokio::test]
async fn a_door_by_a_port_of_1_2_answers_a_client_of_1_1() {
    let answered = "{\"who\":{\"name\":\"Ada\",\"born\":null}}";
    let origin = Origin::answering(answer("200 OK", "application/json", answered)).await;
    let janua = people("P12", &origin.url).await;
    let person = "<p:who><p:name>Ada</p:name><p:born>1815-12-10</p:born></p:who>";
    let call = format!("<p:Hire xmlns:p=\"urn:example:people\">{person}</p:Hire>");
    let got = send(&mut janua.client().await, &envelope(&call)).await;
    assert_eq!(got.field("content-type").as_deref(), Some("text/xml; charset=utf-8"));
    let text = got.text();
    assert!(
        got.status() == 200
            && text.contains("xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\""),
        "{text}"
    );
}
