//! JSON for clients of an origin that speaks XML, and the other way round.

use crate::support::{Client, Janua, Message, Origin, Setup};

const XML: &str = "<order id=\"7\"><item>a&amp;b</item><item/></order>";
const JSON: &str = "{\"order\":{\"@id\":\"7\",\"item\":[\"a&b\",\"\"]}}";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn answer(kind: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{fields}content-length: {length}\r\n\r\n{body}"
    )
}

async fn gateway(origin: &Origin, translate: &str) -> Janua {
    let url = &origin.url;
    Setup::new(format!("[[route]]\nto = \"{url}\"\ntranslate = {translate}\n")).start().await
}

async fn post(client: &mut Client, fields: &str, body: &str) -> Message {
    client.request_with("POST /orders", fields, body).await
}

#[tokio::test]
async fn a_client_of_json_and_an_origin_of_xml_understand_each_other() {
    let origin = Origin::answering(answer("application/xml", "etag: \"1\"\r\n", XML)).await;
    let janua = gateway(&origin, "\"xml\"").await;
    let mut client = janua.client().await;
    let got =
        post(&mut client, "content-type: application/json\r\naccept-encoding: gzip\r\n", JSON)
            .await;
    assert_eq!((got.status(), got.text()), (200, JSON.to_owned()));
    assert_eq!(got.field("content-type").as_deref(), Some("application/json"));
    assert_eq!(got.field("content-length"), Some(JSON.len().to_string()));
    assert_eq!(got.field("etag").as_deref(), Some("W/\"1\""));
    assert_eq!(got.field("vary").as_deref(), Some("accept"));
    let asked = origin.last();
    assert_eq!(asked.text(), format!("{DECLARATION}{XML}"));
    assert_eq!(asked.field("content-type").as_deref(), Some("application/xml"));
    assert_eq!(asked.field("accept").as_deref(), Some("application/xml, text/xml;q=0.9"));
    assert_eq!(asked.field("accept-encoding"), None);
}

#[tokio::test]
async fn a_client_of_xml_and_an_origin_of_json_understand_each_other() {
    let origin =
        Origin::answering(answer("application/json", "", "{\"id\":7,\"open\":true}")).await;
    let janua =
        gateway(&origin, "{ origin = \"json\", root = \"order\", numbers = \"infer\" }").await;
    let mut client = janua.client().await;
    let sent = "<order><id>7</id><note>x</note></order>";
    let got = post(&mut client, "content-type: text/xml; charset=utf-8\r\n", sent).await;
    assert_eq!(got.text(), format!("{DECLARATION}<order><id>7</id><open>true</open></order>"));
    assert_eq!(got.field("content-type").as_deref(), Some("application/xml"));
    assert_eq!(origin.last().text(), "{\"id\":7,\"note\":\"x\"}");
    assert_eq!(origin.last().field("content-type").as_deref(), Some("application/json"));
}

#[tokio::test]
async fn what_a_client_gets_is_what_it_likes_best() {
    let origin = Origin::answering(answer("text/xml; charset=UTF-8", "", XML)).await;
    let janua = gateway(&origin, "\"xml\"").await;
    let mut client = janua.client().await;
    for (accept, gets) in [
        (None, "application/json"),
        (Some("*/*"), "application/json"),
        (Some("application/*"), "application/json"),
        (Some("application/json"), "application/json"),
        (Some("application/xml"), "text/xml; charset=UTF-8"),
        (Some("text/xml"), "text/xml; charset=UTF-8"),
        (Some("text/*"), "text/xml; charset=UTF-8"),
        (Some("application/json;q=0.5, text/xml;q=0.6"), "text/xml; charset=UTF-8"),
        (Some("application/json;q=0.6, text/xml;q=0.5"), "application/json"),
        (Some("application/json;q=0, */*;q=0.1"), "text/xml; charset=UTF-8"),
        (Some("text/html, application/xml;q=0.9, */*;q=0.8"), "text/xml; charset=UTF-8"),
        (Some("TEXT/HTML, Application/JSON"), "application/json"),
    ] {
        let fields = accept.map(|accept| format!("accept: {accept}\r\n")).unwrap_or_default();
        let got = client.request("GET /orders/7", &fields).await;
        assert_eq!(got.field("content-type").as_deref(), Some(gets), "{accept:?}");
        let text = if gets == "application/json" { JSON } else { XML };
        assert_eq!(got.text(), text, "{accept:?}");
    }
    // Whoever sends XML reads it, unless it says something else.
    let sent = "content-type: application/xml\r\n";
    assert_eq!(post(&mut client, sent, XML).await.text(), XML);
    assert_eq!(origin.last().text(), XML);
    let asks = "content-type: application/xml\r\naccept: application/json\r\n";
    assert_eq!(post(&mut client, asks, XML).await.text(), JSON);
}

#[tokio::test]
async fn a_request_that_cannot_be_translated_never_gets_to_the_origin() {
    let origin = Origin::answering(answer("application/xml", "", XML)).await;
    let janua = gateway(&origin, "{ origin = \"xml\", max-body = \"1KiB\" }").await;
    let json = "content-type: application/json\r\n";
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1024));
    let deep = format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(80), "}".repeat(80));
    for (fields, body, status, reason, says) in [
        (json, "{\"a\":1", 400, "body.syntax", "it ends too early"),
        (json, "{\"a\":{\"b\":1,\"b\":2}}", 400, "body.syntax", "an object has a name twice"),
        (json, &deep, 400, "body.syntax", "it is nested too deeply"),
        (json, &large, 413, "request.body_too_large", ""),
        (json, "[1]", 422, "translate.request", "must be an object with one member"),
        (json, "{\"a\":{\"b c\":1}}", 422, "translate.request", "\"pointer\":\"/a/b c\""),
        (json, "{\"a\":\"\\u0000\"}", 422, "translate.request", "a character that XML cannot hold"),
        (json, "{\"a><!--\":1}", 422, "translate.request", "is not a name in XML"),
        ("", "{\"a\":1}", 415, "body.type", ""),
        ("content-type: text/plain\r\n", "a", 415, "body.type", ""),
        ("content-type: application/json; charset=utf-16\r\n", "{\"a\":1}", 415, "body.type", ""),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", "x", 415, "body.type", ""),
        (
            "content-type: application/json\r\ncontent-type: text/plain\r\n",
            "{}",
            415,
            "body.type",
            "",
        ),
        (
            "content-type: application/json\r\naccept: text/html\r\n",
            "{\"a\":1}",
            406,
            "translate.accept",
            "",
        ),
        (
            "content-type: application/json\r\naccept: application/json;q=0\r\n",
            "{\"a\":1}",
            406,
            "translate.accept",
            "",
        ),
    ] {
        let mut client = janua.client().await;
        let got = post(&mut client, fields, body).await;
        let text = got.text();
        assert!(
            got.status() == status && text.contains(reason) && text.contains(says),
            "{fields}{body}: {text}"
        );
    }
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn xml_that_is_meant_to_hurt_is_refused() {
    let origin = Origin::answering(answer("application/json", "", "{}")).await;
    let janua = gateway(&origin, "\"json\"").await;
    let deep = format!("{}{}", "<a>".repeat(500), "</a>".repeat(500));
    for (body, says) in [
        (
            "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>",
            "a DOCTYPE is not taken",
        ),
        ("<!DOCTYPE a SYSTEM \"http://127.0.0.1/\"><a/>", "a DOCTYPE is not taken"),
        ("<a>&x;</a>", "an entity is not one of the five of XML"),
        ("<?xml-stylesheet href='x'?><a/>", "a processing instruction is not taken"),
        (&deep, "it is nested too deeply"),
        ("<a b='1' b='2'/>", "an element has an attribute twice"),
        ("<a><b></a></b>", "an end tag is not the one of its start tag"),
        ("<a/><b/>", "there is more than one document element"),
    ] {
        let mut client = janua.client().await;
        let got = post(&mut client, "content-type: application/xml\r\n", body).await;
        got.assert_refused(400, "body.syntax", body);
        assert!(got.text().contains(says), "{body}: {}", got.text());
    }
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_translated_is_not_given_by_halves() {
    let large = format!("<a>{}</a>", "x".repeat(2048));
    for (answered, reason) in [
        (answer("application/xml", "", "<a>"), "translate.answer"),
        (answer("application/xml", "", "<!DOCTYPE a><a/>"), "translate.answer"),
        (answer("application/xml", "content-encoding: gzip\r\n", "x"), "translate.answer"),
        (answer("application/xml; charset=utf-8", "", "<a>\u{b}</a>"), "translate.answer"),
        (answer("application/xml", "", &large), "translate.too_large"),
        (
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nconnection: close\r\n\r\n{large}"
            ),
            "translate.too_large",
        ),
    ] {
        let origin = Origin::answering(answered.clone()).await;
        let janua = gateway(&origin, "{ origin = \"xml\", max-body = \"1KiB\" }").await;
        let got = janua.client().await.get("/").await;
        got.assert_refused(502, reason, &answered);
    }
}

#[tokio::test]
async fn what_is_no_body_of_the_origin_s_language_passes() {
    for (answered, body) in [
        (answer("text/html", "", "<p>hello"), "<p>hello"),
        (answer("application/json", "", "{}"), "{}"),
        ("HTTP/1.1 204 No Content\r\ncontent-type: text/xml\r\n\r\n".into(), ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-type: text/xml\r\netag: \"1\"\r\n\r\n".into(), ""),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 0\r\n\r\n".into(), ""),
        (answer("text/xml; charset=iso-8859-1", "", "<a/>"), "<a/>"),
    ] {
        let origin = Origin::answering(answered.clone()).await;
        let janua = gateway(&origin, "\"xml\"").await;
        let got = janua.client().await.get("/").await;
        assert_eq!(got.text(), body, "{answered}");
        assert!(got.status() < 400, "{answered}");
    }
    let origin = Origin::answering("HTTP/1.1 404 Not Found\r\ncontent-type: text/xml\r\ncontent-length: 13\r\n\r\n<e>none</e>  ").await;
    let janua = gateway(&origin, "\"xml\"").await;
    let got = janua.client().await.get("/").await;
    assert_eq!((got.status(), got.text()), (404, "{\"e\":\"none\"}".into()));
}

#[tokio::test]
async fn the_head_of_an_answer_says_the_same_without_its_body() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 4\r\n\r\n")
            .await;
    let janua = gateway(&origin, "\"xml\"").await;
    let mut client = janua.client().await;
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let got = client.answer_to_head().await;
    assert_eq!(got.field("content-type").as_deref(), Some("application/json"));
    assert_eq!(got.field("content-length"), None);
}

#[tokio::test]
async fn what_is_kept_is_the_origin_s_and_is_translated_for_each() {
    let origin = Origin::answering(answer("text/xml", "cache-control: max-age=60\r\n", XML)).await;
    let url = &origin.url;
    let route = format!("[[route]]\nto = \"{url}\"\ntranslate = \"xml\"\ncache = true\n");
    let janua = Setup::new(route).start().await;
    let mut client = janua.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), JSON);
    }
    assert_eq!(client.request("GET /", "accept: text/xml\r\n").await.text(), XML);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_large_body_is_translated_beside_the_worker() {
    let text = "x".repeat(300 << 10);
    let origin = Origin::answering(answer("text/xml", "", &format!("<a>{text}</a>"))).await;
    let janua = gateway(&origin, "\"xml\"").await;
    let json = format!("{{\"a\":\"{text}\"}}");
    let mut client = janua.client().await;
    let got = post(&mut client, "content-type: application/json\r\n", &json).await;
    assert!(got.text() == json, "{}", got.status());
    assert!(origin.last().text() == format!("{DECLARATION}<a>{text}</a>"));
}

#[tokio::test]
async fn a_route_that_would_confuse_does_not_load() {
    let route = |translate: &str| {
        Setup::new(format!("[[route]]\nto = \"http://127.0.0.1:1\"\ntranslate = {translate}\n"))
    };
    let cases = [
        (
            "{ origin = \"xml\", root = \"a b\" }",
            "route[0].translate.root",
            "is no name of an element",
            "without a prefix",
        ),
        (
            "{ origin = \"xml\", attributes = \"_\" }",
            "route[0].translate.attributes",
            "could be an element",
            "like `@`",
        ),
        (
            "{ origin = \"xml\", text = \"@t\" }",
            "route[0].translate.text",
            "is also an attribute",
            "another sign",
        ),
        (
            "{ origin = \"xml\", arrays = [\"a/\"] }",
            "route[0].translate.arrays",
            "is no element",
            "order/item",
        ),
    ];
    for (translate, path, message, help) in cases {
        route(translate).fails_at(path, message, help).await;
    }
    for wrong in [
        "\"yaml\"",
        "{ root = \"a\" }",
        "{ origin = \"xml\", rot = \"a\" }",
        "{ origin = \"xml\", max-body = \"1\" }",
    ] {
        route(wrong).fails_to_start().await;
    }
}

#[tokio::test]
async fn others_are_served_while_a_large_body_is_translated() {
    let origin = Origin::answering(answer("application/json", "", "{}")).await;
    let keys = "{ origin = \"json\", root = \"r\", max-body = \"8MiB\" }";
    let janua = gateway(&origin, keys).await;
    let mut client = janua.client().await;
    let body = format!("<r>{}</r>", "<a b=\"1\">x</a>".repeat(90_000));
    let slow = post(&mut client, "content-type: application/xml\r\n", &body);
    let got = janua.serves_others_during("/", slow).await;
    assert_eq!(got.status(), 200, "{}", got.text());
}
