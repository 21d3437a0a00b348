//! `explain --data`: what is shown of a body is what the origin gets, and what is wrong with it is what a client is
//! told.

use janua::{
    app::explain::{Arguments, Explanation, explain_in},
    chain::Outcome,
};
use serde_json::{Value, json};

use crate::support::{Janua, Origin, Setup};

const JSON: &str = "Content-Type: application/json";

fn asked(janua: &Janua, line: &str, fields: &[&str], body: Option<&str>) -> Explanation {
    let (method, url) = line.split_once(' ').unwrap();
    let arguments = Arguments {
        method: method.into(),
        url: url.into(),
        headers: fields.iter().map(|field| (*field).to_owned()).collect(),
        body: body.map(|body| body.as_bytes().to_vec()),
        ..Arguments::default()
    };
    explain_in(janua.world(), &arguments).unwrap()
}

fn file(name: &str) -> String {
    format!("{:?}", concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned() + name)
}

/// A gateway before an origin, with routes of every kind that changes bodies.
async fn gateway() -> (Origin, Janua) {
    let origin = Origin::ok().await;
    let to = &origin.url;
    let janua = Setup::new(format!(
        "[api.shop]\nopenapi = {shop}\n[api.bank]\nwsdl = {bank}\n[api.bank.operations]\n\
         GetBalance = {{ method = \"GET\", path = \"/accounts/{{account}}\" }}\n\
         [api.old]\nwsdl = {bank}\nsoap = {{ door = \"/soap/bank\" }}\n\
         [[route]]\napi = \"shop\"\nto = \"{to}\"\n[[route]]\napi = \"bank\"\nto = \"{to}\"\n\
         [[route]]\napi = \"old\"\nto = \"{to}\"\n\
         [[route]]\npath = \"/xml\"\ntranslate = \"xml\"\nto = \"{to}\"\n\
         [[route]]\npath = \"/jq\"\nto = \"{to}\"\n[route.transform]\nrequest = \"{{total: (map(.n) | add)}}\"\n",
        shop = file("config/shop.yaml"),
        bank = file("config/bank.wsdl"),
    ))
    .start()
    .await;
    (origin, janua)
}

#[tokio::test]
async fn the_body_that_is_shown_is_the_one_that_the_origin_gets() {
    let (origin, janua) = gateway().await;
    let transfer = "{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":{\"@currency\":\"EUR\",\"#text\":120.5}}";
    for (line, body, part) in [
        ("POST /xml", Some("{\"a\":{\"b\":[1,2]}}"), "<a><b>1</b><b>2</b></a>"),
        ("POST /jq", Some("[{\"n\":1},{\"n\":2}]"), "{\"total\":3}"),
        ("POST /Transfer", Some(transfer), ":amount currency=\"EUR\">120.5</"),
        ("GET /accounts/CH000001", None, ":account>CH000001</"),
    ] {
        let shown = asked(&janua, line, &[JSON], body);
        let sent = shown.plan().sent.as_ref().unwrap_or_else(|| panic!("{shown}"));
        let shown_body = sent.body().clone().unwrap_or_default();
        let text = String::from_utf8_lossy(&shown_body).into_owned();
        assert!(text.contains(part) && shown.to_string().contains(part), "{line}: {shown}");
        assert_eq!(shown.json()["sent"]["body"], text, "{line}");
        let mut client = janua.client().await;
        match body {
            Some(body) => client.request_with(line, &format!("{JSON}\r\n"), body).await,
            None => client.request(line, &format!("{JSON}\r\n")).await,
        };
        let got = origin.last();
        assert_eq!(got.text(), text, "{line}");
        assert_eq!(got.target(), sent.uri().to_string(), "{line}");
        assert_eq!(
            got.field("content-type").as_deref(),
            Some(sent.headers()["content-type"].to_str().unwrap())
        );
    }
    assert_eq!(janua.counted("janua_in_flight_bytes"), 0, "{}", janua.metrics());
}

#[tokio::test]
async fn a_body_that_is_to_come_in_chunks_is_shown_as_one_with_a_length() {
    let (_origin, janua) = gateway().await;
    for (line, body) in [("POST /xml", "{\"a\":{\"b\":1}}"), ("POST /jq", "[{\"n\":1}]")] {
        let whole = asked(&janua, line, &[JSON], Some(body));
        let chunked = asked(&janua, line, &[JSON, "Transfer-Encoding: chunked"], Some(body));
        assert!(chunked.plan().sent.is_some(), "{chunked}");
        assert_eq!(chunked.json()["sent"], whole.json()["sent"], "{line}: {chunked}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_what_a_client_is_told() {
    let (origin, janua) = gateway().await;
    for (line, body, reason, pointer) in [
        ("POST /shop/orders", "{\"customer\":\"\",\"lines\":[]}", "contract.body", "/customer"),
        ("POST /Transfer", "{\"from\":\"x\"}", "contract.body", "/from"),
        ("POST /xml", "{\"a\":{\"b c\":1}}", "translate.request", "/a/b c"),
        ("POST /jq", "{", "body.syntax", ""),
        ("POST /shop/orders", "{", "body.syntax", ""),
    ] {
        let shown = asked(&janua, line, &[JSON], Some(body));
        let Outcome::Refused { reject, .. } = &shown.plan().outcome else { panic!("{shown}") };
        assert_eq!(reject.reason(), reason, "{shown}");
        let answer = janua.client().await.request_with(line, &format!("{JSON}\r\n"), body).await;
        assert_eq!((answer.status(), &*answer.reason()), (reject.code(), reason), "{line}");
        let told: Value = serde_json::from_str(&answer.text()).unwrap();
        let facts = shown.json();
        let told = told["errors"].as_array().cloned().unwrap_or_default();
        let listed = facts["violations"].as_array().unwrap();
        assert_eq!(told.len(), listed.len(), "{line}: {told:?} {listed:?}");
        for (told, listed) in told.iter().zip(listed) {
            assert_eq!(
                (&told["pointer"], &told["detail"]),
                (&listed["pointer"], &listed["detail"])
            );
        }
        assert!(listed.iter().any(|it| it["pointer"] == pointer), "{line}: {listed:?}");
        assert!(shown.to_string().contains(listed[0]["detail"].as_str().unwrap()), "{shown}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn it_tells_which_operation_of_an_api_a_request_is() {
    let (_origin, janua) = gateway().await;
    for (line, operation) in [
        ("GET /shop/orders", json!("listOrders")),
        ("GET /accounts/CH000001", json!("GetBalance")),
        ("POST /xml", Value::Null),
    ] {
        let facts = asked(&janua, line, &[], None).json();
        assert_eq!(facts["operation"], operation, "{facts:#}");
        assert_eq!(facts["violations"], json!([]), "{facts:#}");
    }
    let facts = asked(&janua, "GET /shop/orders?limit=many", &[], None).json();
    assert_eq!(facts["violations"][0]["name"], "limit", "{facts:#}");
}

/// An envelope is the call that it becomes, or the fault.
#[tokio::test]
async fn an_envelope_is_shown_as_the_call_that_it_becomes() {
    let (_origin, janua) = gateway().await;
    let envelope = |inner: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{inner}</s:Body></s:Envelope>"
        )
    };
    let call =
        envelope("<GetBalance xmlns=\"urn:example:bank\"><account>CH000001</account></GetBalance>");
    let shown = asked(&janua, "POST /soap/bank", &["Content-Type: text/xml"], Some(&call));
    let sent = shown.plan().sent.as_ref().unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(
        String::from_utf8_lossy(sent.body().as_ref().unwrap()),
        "{\"account\":\"CH000001\"}"
    );
    let shown =
        asked(&janua, "POST /soap/bank", &["Content-Type: text/xml"], Some(&envelope("<No/>")));
    let Outcome::Answered(answer) = &shown.plan().outcome else { panic!("{shown}") };
    assert!(String::from_utf8_lossy(answer.body()).contains("faultcode"), "{shown}");
}

#[tokio::test]
async fn a_body_may_be_as_large_as_a_worker_takes_by_itself() {
    let (_origin, janua) = gateway().await;
    let asked = |length: usize| {
        let body = Some(vec![b' '; length]);
        let arguments =
            Arguments { method: "POST".into(), url: "/jq".into(), body, ..Arguments::default() };
        explain_in(janua.world(), &arguments).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(asked(janua::chain::MOST_REHEARSED), Ok(()));
    assert!(asked(janua::chain::MOST_REHEARSED + 1).unwrap_err().contains("131071 bytes"));
}

/// A call of gRPC, as the bytes that it is; and a stored operation of GraphQL.
#[tokio::test]
async fn a_call_is_shown_as_its_message() {
    let janua = Setup::new(format!(
        "[upstream.greeter]\nendpoints = [\"http://127.0.0.1:1\"]\nprotocol = \"h2\"\n\
         [api.greeter]\nproto = {}\n[[route]]\napi = \"greeter\"\nto = \"greeter\"\n",
        file("config/greeter.proto")
    ))
    .start()
    .await;
    let shown = asked(&janua, "GET /v1/hello/Ada", &[], None);
    assert!(shown.to_string().contains(" bytes: 00000000050a03416461\n"), "{shown}");
    assert_eq!(shown.json()["operation"], "greeter.v1.Greeter.Hello");
    let shown = asked(&janua, "GET /v1/hello/Ada?times=often", &[], None);
    assert_eq!(shown.json()["violations"][0]["name"], "times", "{shown}");
}
