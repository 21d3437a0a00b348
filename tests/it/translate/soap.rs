//! JSON for clients of a service that speaks SOAP.

use serde_json::{Value, json};

use crate::support::{Client, Janua, Message, Origin, Setup, keys};

const WSDL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl");

fn envelope(status: &str, content: &str) -> String {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:t=\"urn:example:bank:types\"><s:Body>{content}</s:Body></s:Envelope>"
    );
    let length = body.len();
    let kind = "content-type: text/xml; charset=utf-8";
    format!("HTTP/1.1 {status}\r\n{kind}\r\netag: \"1\"\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The same in the other version, as long as it was.
fn of_1_2(answer: &str) -> String {
    let (old, new) = ("//schemas.xmlsoap.org/soap/envelope/", "//www.w3.org/2003/05/soap-envelope");
    let shorter = " ".repeat(old.len() - new.len());
    answer.replace(old, new).replace("</s:Envelope>", &format!("</s:Envelope>{shorter}"))
}

fn balance() -> String {
    envelope(
        "200 OK",
        "<t:GetBalanceResponse><t:balance currency=\"EUR\">10.50</t:balance>\
         <t:overdrawn>false</t:overdrawn></t:GetBalanceResponse>",
    )
}

async fn gateway(origin: &Origin, more: &str) -> Janua {
    let url = &origin.url;
    let api = format!("[api.bank]\nwsdl = \"{WSDL}/bank.wsdl\"\n{more}\n");
    Setup::new(format!("{api}[[route]]\napi = \"bank\"\nto = \"{url}\"\n")).start().await
}

async fn call(client: &mut Client, target: &str, body: &Value) -> Message {
    let body = body.to_string();
    let head = "host: a\r\ncontent-type: application/json\r\naccept-encoding: gzip";
    let length = body.len();
    client
        .send(format!("POST {target} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    client.answer().await
}

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|_| panic!("{}", message.text()))
}

#[tokio::test]
async fn a_call_with_json_is_a_call_with_an_envelope() {
    let origin = Origin::answering(balance()).await;
    let janua = gateway(&origin, "base-path = \"/bank\"").await;
    let mut client = janua.client().await;
    let got = call(&mut client, "/bank/GetBalance", &json!({"account": "CH000001"})).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    assert_eq!(
        got.text(),
        "{\"balance\":{\"@currency\":\"EUR\",\"#text\":10.50},\"overdrawn\":false}"
    );
    assert_eq!(got.field("content-type").as_deref(), Some("application/json"));
    assert_eq!(got.field("etag"), None);
    let asked = origin.last();
    assert_eq!(asked.line, "POST /services/bank HTTP/1.1");
    assert_eq!(asked.field("content-type").as_deref(), Some("text/xml; charset=utf-8"));
    assert_eq!(asked.field("soapaction").as_deref(), Some("\"urn:example:bank#GetBalance\""));
    assert_eq!(asked.field("accept-encoding"), None);
    let text = asked.text();
    assert!(
        text.contains("<n0:GetBalance><n0:account>CH000001</n0:account></n0:GetBalance>"),
        "{text}"
    );
}

#[tokio::test]
async fn a_call_that_the_types_do_not_allow_never_gets_to_the_service() {
    let origin = Origin::answering(balance()).await;
    let janua = gateway(&origin, "").await;
    let good =
        json!({"from": "CH000001", "to": "CH000002", "amount": {"@currency": "EUR", "#text": 1}});
    for (key, value, pointer) in [
        ("from", json!("somebody"), "/from"),
        ("from", json!(1), "/from"),
        ("amount", json!({"@currency": "USD", "#text": 1}), "/amount/@currency"),
        ("amount", json!({"@currency": "EUR", "#text": "1"}), "/amount/#text"),
        ("note", json!(["1", "2", "3", "4"]), "/note"),
        ("unknown", json!(1), ""),
    ] {
        let mut body = good.clone();
        body[key] = value;
        let mut client = janua.client().await;
        let got = call(&mut client, "/Transfer", &body).await;
        assert!(got.status() == 422, "{body}: {}", got.text());
        let pointers: Vec<_> = parsed(&got)["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].clone())
            .collect();
        assert!(
            pointers
                .iter()
                .any(|found| found.as_str().is_some_and(|found| found.starts_with(pointer))),
            "{body}: {}",
            got.text()
        );
    }
    let mut client = janua.client().await;
    client.request("GET /Transfer", "").await.assert_refused(405, "method_not_allowed", "GET");
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn a_fault_is_a_problem() {
    let fault = |code: &str, detail: &str| {
        let content = format!(
            "<s:Fault><faultcode>s:{code}</faultcode><faultstring>Not enough</faultstring>{detail}</s:Fault>"
        );
        envelope("500 Internal Server Error", &content)
    };
    let detail = "<detail><t:InsufficientFunds><t:missing currency=\"EUR\">3</t:missing></t:InsufficientFunds></detail>";
    for (answered, status, code) in [
        (fault("Client", detail), 409, "Client"),
        (fault("Client.Late", ""), 422, "Client.Late"),
        (fault("Server", ""), 502, "Server"),
    ] {
        let origin = Origin::answering(answered).await;
        let janua = gateway(&origin, "soap = { faults = { InsufficientFunds = 409 } }").await;
        let mut client = janua.client().await;
        let body = json!({"from": "CH000001", "to": "CH000002", "amount": {"@currency": "EUR", "#text": 1}});
        let got = call(&mut client, "/Transfer", &body).await;
        let problem = parsed(&got);
        assert_eq!(got.status(), status, "{problem}");
        assert_eq!(got.field("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        assert_eq!((&problem["detail"], &problem["code"]), (&json!("Not enough"), &json!(code)));
        if status == 409 {
            assert_eq!(problem["fault"]["InsufficientFunds"]["missing"]["#text"], 3);
        }
    }
}

#[tokio::test]
async fn an_operation_is_found_where_the_operator_puts_it() {
    let origin = Origin::answering(balance()).await;
    let operations = "operations = { GetBalance = { method = \"GET\", path = \"/accounts/{account}\" }, Transfer = { enabled = false } }";
    let janua = gateway(&origin, operations).await;
    let mut client = janua.client().await;
    let got = client.get("/accounts/CH000001?on=2026-11-29").await;
    assert_eq!(got.status(), 200, "{}", got.text());
    let asked = origin.last();
    assert_eq!(asked.line, "POST /services/bank HTTP/1.1");
    assert!(
        asked.text().contains("<n0:account>CH000001</n0:account><n0:on>2026-11-29</n0:on>"),
        "{}",
        asked.text()
    );
    client.get("/accounts/nobody").await.assert_refused(400, "contract.parameter", "the pattern");
    let mut client = janua.client().await;
    client.get("/accounts/CH000001?on=today").await.assert_refused(
        400,
        "contract.parameter",
        "no date",
    );
    let mut client = janua.client().await;
    assert_eq!(call(&mut client, "/Transfer", &json!({})).await.status(), 404);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn what_a_client_asks_of_its_answer_is_not_asked_of_the_envelope() {
    let origin = Origin::answering(balance()).await;
    let operations =
        "operations = { GetBalance = { method = \"GET\", path = \"/accounts/{account}\" } }";
    let janua = gateway(&origin, operations).await;
    let fields = "If-None-Match: \"1\"\r\nIf-Match: \"1\"\r\nRange: bytes=0-1\r\nIf-Range: \"1\"\r\n\
                  If-Modified-Since: Sun, 29 Nov 2026 12:00:00 GMT\r\nAccept-Encoding: gzip\r\n";
    let got = janua.client().await.request("GET /accounts/CH000001", fields).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    let asked = origin.last();
    for line in fields.lines() {
        let (name, _) = line.split_once(':').unwrap();
        assert_eq!(asked.field(&name.to_ascii_lowercase()), None, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_envelope_is_not_given_on() {
    for answered in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<h1>".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        envelope("200 OK", "<t:Other/>"),
        balance().replace("10.50", "ten50"),
        balance().replace("text/xml; charset=utf-8\r\n", "text/xml\r\ncontent-encoding: gzip\r\n"),
    ] {
        let origin = Origin::answering(answered.clone()).await;
        let janua = gateway(&origin, "").await;
        let mut client = janua.client().await;
        let got = call(&mut client, "/GetBalance", &json!({"account": "CH000001"})).await;
        got.assert_refused(502, "translate.answer", &answered);
    }
}

#[tokio::test]
async fn an_answer_is_held_to_the_document_that_is_made() {
    let origin = Origin::answering(balance().replace("\"EUR\"", "\"USD\"")).await;
    let janua = gateway(&origin, "answers = \"enforce\"").await;
    let mut client = janua.client().await;
    let got = call(&mut client, "/GetBalance", &json!({"account": "CH000001"})).await;
    got.assert_refused(502, "contract.answer", "an unknown currency");
}

#[tokio::test]
async fn a_service_that_is_not_understood_does_not_load() {
    let route = "[[route]]\napi = \"a\"\nto = \"http://127.0.0.1:1\"\n";
    for (api, more, path, message) in [
        (format!("wsdl = \"{WSDL}/none.wsdl\""), "", "api.a.wsdl", "none.wsdl"),
        (
            format!("wsdl = \"{WSDL}/types/bank.xsd\""),
            "",
            "api.a.wsdl",
            "bank.xsd:2:1: this is no WSDL 1.1",
        ),
        (format!("wsdl = \"{WSDL}/types/weather.wsdl\""), "", "api.a.wsdl", "describes no service"),
        (
            format!("wsdl = \"{WSDL}/bank.wsdl\"\nopenapi = \"a.yaml\""),
            "",
            "api.a.wsdl",
            "has two contracts",
        ),
        (
            format!("wsdl = \"{WSDL}/bank.wsdl\"\noperations = {{ Pay = {{ enabled = false }} }}"),
            "",
            "api.a.operations.Pay",
            "has no operation `Pay`",
        ),
        (
            format!("wsdl = \"{WSDL}/bank.wsdl\""),
            "translate = \"xml\"\n",
            "route[0].translate",
            "is translated already",
        ),
    ] {
        Setup::new(format!("[api.a]\n{api}\n{route}{more}")).fails_at(path, message, "").await;
    }
}

#[tokio::test]
async fn services_of_the_shapes_that_are_public_are_called_by_their_documents() {
    let orders = "<FindOrdersResponse xmlns=\"http://orders.example/ws/\"><FindOrdersResult>\
         <Order Version=\"2\"><Id>00000000-0000-0000-0000-0000000000ff</Id><Total>1.50</Total><State>Open</State></Order>\
         </FindOrdersResult></FindOrdersResponse>";
    let registry = "<m:LookupResponse xmlns:m=\"urn:example:registry:messages\" xmlns:p=\"urn:example:registry:party\">\
         <p:party><name>A</name><country>CH</country></p:party></m:LookupResponse>";
    let devices = "<d:ReportResponse xmlns:d=\"urn:example:devices\" unit=\"m\" quality=\"good\"><d:id>1</d:id></d:ReportResponse>";
    for (name, target, good, bad, answered, expected) in [
        (
            "orders",
            "/FindOrders",
            json!({"since": "2026-11-29T00:00:00", "flags": ["Read"], "states": {"string": [null]}}),
            json!({"since": "2026-11-29T00:00:00", "flags": ["Run"]}),
            orders,
            json!({"FindOrdersResult": {"Order": [{"@Version": 2, "Id": "00000000-0000-0000-0000-0000000000ff", "Total": 1.5, "State": "Open"}]}}),
        ),
        (
            "registry",
            "/Lookup",
            json!({"@release": "2026", "key": {"number": 7}}),
            json!({"@release": "2026", "key": {"number": 7, "vat": "CH12"}}),
            registry,
            json!({"party": [{"name": "A", "country": "CH"}]}),
        ),
        (
            "devices",
            "/Report",
            json!({"final": {"id": "1", "value": 1, "@unit": "m"}, "reading": {"id": "2", "@quality": "good"}, "level": "low", "extra": {"a": [1]}}),
            json!({"final": {"id": "1", "value": 1, "@unit": "m", "@quality": "good"}, "level": "low"}),
            devices,
            json!({"@unit": "m", "@quality": "good", "id": "1"}),
        ),
    ] {
        let answered = match name {
            "devices" => of_1_2(&envelope("200 OK", answered)),
            _ => envelope("200 OK", answered),
        };
        let origin = Origin::answering(answered).await;
        let api = format!("[api.a]\nwsdl = \"{WSDL}/{name}.wsdl\"\nanswers = \"enforce\"\n");
        let route = format!("[[route]]\napi = \"a\"\nto = \"{}\"\n", origin.url);
        let janua = Setup::new(api + &route).start().await;
        let mut client = janua.client().await;
        let got = call(&mut client, target, &good).await;
        assert_eq!((got.status(), parsed(&got)), (200, expected), "{name}");
        let got = call(&mut janua.client().await, target, &bad).await;
        got.assert_refused(422, "contract.body", name);
        assert_eq!(origin.requests().len(), 1, "{name}");
    }
}

/// And what is tried there is a call of the service.
#[tokio::test]
async fn the_portal_shows_a_service_as_this_gateway_means_it() {
    let origin = Origin::answering(balance()).await;
    let sections = keys::section("partners");
    let janua = gateway(
        &origin,
        &format!(
            "base-path = \"/bank\"\noperations.GetBalance = {{ method = \"GET\", path = \"/accounts/{{account}}\" }}\n\
             operations.Transfer = {{ auth = \"partners\", limit = \"5/h\" }}\n\
             {sections}[docs]\npath = \"/docs\""
        ),
    )
    .await;
    let first = janua.get("/docs").await.text();
    assert!(first.contains("href=\"/docs/bank\""), "{first}");
    let page = janua.get("/docs/bank").await.text();
    assert!(page.contains("data-url=\"/docs/bank/openapi.json\""), "{page}");
    let document = parsed(&janua.get("/docs/bank/openapi.json").await);
    assert_eq!(document["servers"], json!([{ "url": "/bank" }]));
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/accounts/{account}", "/Transfer"]);
    let get = &document["paths"]["/accounts/{account}"]["get"];
    assert_eq!((&get["operationId"], &get["security"]), (&json!("GetBalance"), &json!([])));
    assert_eq!(get["parameters"][0]["name"], "account");
    let transfer = &document["paths"]["/Transfer"]["post"];
    assert_eq!(transfer["security"], json!([{ "partners": [] }]));
    let told = transfer["description"].as_str().unwrap();
    assert!(told.contains("**Limit**: 5/h"), "{told}");
    assert_eq!(document["components"]["securitySchemes"]["partners"]["type"], "apiKey");
    // As the page would: the server's address, the path, and no key.
    let mut client = janua.client().await;
    let answer = client.get("/bank/accounts/CH000001").await;
    assert_eq!((answer.status(), &parsed(&answer)["overdrawn"]), (200, &json!(false)));
    let body = json!({"from": "CH000001", "to": "CH000002", "amount": 1});
    let answer = call(&mut client, "/bank/Transfer", &body).await;
    assert_eq!((answer.status(), origin.requests().len()), (401, 1));
}
