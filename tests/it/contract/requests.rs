//! Requests, held to a document: what passes, what is refused, and everything that is said of it.

use super::{assert_wrong, send, shop_of_all};

/// Target, header fields, and what is said of them.
const PARAMETERS: &[(&str, &str, &[&str])] = &[
    ("/v1/orders", "", &[]),
    ("/v1/orders?limit=100&state=open&state=closed", "", &[]),
    ("/v1/orders?limit=0", "", &["query limit: it is less than the minimum of 1"]),
    ("/v1/orders?limit=ten", "", &["query limit: it is not of type \"integer\""]),
    ("/v1/orders?limit=1.5", "", &["query limit: it is not of type \"integer\""]),
    ("/v1/orders?limit=1e1", "", &[]),
    ("/v1/orders?limit=", "", &["query limit: it is not of type \"integer\""]),
    ("/v1/orders?limit=1&limit=2", "", &["query limit: is given more than once"]),
    ("/v1/orders?li%6Dit=0", "", &["query limit: it is less"]),
    ("/v1/orders?state=open&state=lost", "", &["query state /1: it is not one of"]),
    ("/v1/orders?ids=1,2,3", "", &[]),
    ("/v1/orders?ids=1,two", "", &["query ids /1: it is not of type"]),
    ("/v1/orders?ids=1%2C2", "", &["query ids /0: it is not of type"]),
    ("/v1/orders?piped=1|2", "", &[]),
    ("/v1/orders?piped=1%7C2%7c3", "", &["query piped: it has more than 2 items"]),
    ("/v1/orders?spaced=1%202+3", "", &[]),
    ("/v1/orders?spaced=1%20x", "", &["query spaced /1: it is not of type"]),
    ("/v1/orders?filter[from]=2026-01-01&filter%5Bpaid%5D=true", "", &[]),
    ("/v1/orders?filter[from]=yesterday", "", &["query filter /from: it is not a \"date\""]),
    ("/v1/orders?filter[paid]=yes", "", &["query filter /paid: it is not of type"]),
    ("/v1/orders?filter[more]=1", "", &["query filter: Additional properties"]),
    ("/v1/orders?filter[a][b]=1", "", &["query filter: is not written as"]),
    ("/v1/orders?ids=&piped=&spaced=", "X-Ids: ", &[]),
    ("/v1/orders?counts[a]=1&counts[b]=-2", "", &[]),
    ("/v1/orders?counts[a]=1&counts[b]=x", "", &["query counts /b: it is not of type"]),
    ("/v1/orders?json={%22a%22:1}", "", &[]),
    ("/v1/orders?json={}", "", &["query json: \"a\" is a required property"]),
    ("/v1/orders?json={", "", &["query json: is not well-formed JSON"]),
    ("/v1/orders?json={%22a%22:1,%22a%22:2}", "", &["query json: is not well-formed JSON"]),
    ("/v1/orders?q=", "", &[]),
    ("/v1/orders?q", "", &[]),
    ("/v1/orders?q=a", "", &["query q: it is shorter than 2"]),
    ("/v1/orders?q=%C3%A4%F0%9F%90%88", "", &[]),
    ("/v1/orders?q=%FF%FF", "", &["query q: is not UTF-8"]),
    ("/v1/orders?unknown=1", "", &[]),
    ("/v1/orders", "Cookie: a=b; session=abcd", &[]),
    ("/v1/orders", "Cookie: session=abc", &["cookie session: it is shorter than 4"]),
    ("/v1/orders", "X-Ids: 1, 2,3", &[]),
    ("/v1/orders", "X-Ids: 1\r\nX-Ids: x", &["header x-ids /1: it is not of type"]),
    ("/v1/orders", "X-Request-Kind: dry", &["header x-request-kind: it is not one of"]),
    (
        "/v1/orders?limit=0&q=a",
        "X-Request-Kind: dry",
        &["query limit: ", "query q: ", "header x-request-kind: "],
    ),
    ("/v1/orders/7", "", &[]),
    ("/v1/orders/0", "", &["path order-id: it is less than"]),
    ("/v1/orders/%37", "", &[]),
    ("/v1/orders/x", "", &["path order-id: it is not of type"]),
    ("/v1/files/.5/;matrix=1;matrix=2/a,1", "", &[]),
    ("/v1/files/5/;matrix=1/a,1", "", &["path label: does not begin with `.`"]),
    ("/v1/files/.5/;other=1/a,1", "", &["path matrix: is not written as"]),
    ("/v1/files/.5/1/a,1", "", &["path matrix: is not written as"]),
    ("/v1/files/.5/;matrix=1;matrix=x/a,1", "", &["path matrix /1: it is not of type"]),
    ("/v1/files/.5/;matrix=1/a,x", "", &["path list /a: it is not of type"]),
    ("/v1/files/.5/;matrix=1/a", "", &["path list: has a name without a value"]),
    ("/v1/exploded/;a=1;b=2/a=1,%C3%A4=2", "", &[]),
    ("/v1/exploded/;a=1;b=x/a=1", "", &["path matrix /b: it is not of type"]),
    ("/v1/exploded/;a=1;b/a=1", "", &["path matrix: is not written as `name=value`"]),
    ("/v1/exploded/;a=1/a=1,b", "", &["path list: is not written as `name=value`"]),
];

#[tokio::test]
async fn parameters_are_held_to_their_schemas_in_every_style() {
    let (_origin, janua) = shop_of_all("").await;
    for (target, fields, said) in PARAMETERS {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        let answer = janua.client().await.request(&format!("GET {target}"), &fields).await;
        let status = if said.is_empty() { 200 } else { 400 };
        assert_wrong(&answer, status, said, &format!("{target} {fields}"));
        if status == 400 {
            assert_eq!(answer.reason(), "contract.parameter");
        }
    }
}

#[tokio::test]
async fn bodies_in_parts_are_held_to_their_schemas() {
    let (_origin, janua) = shop_of_all("").await;
    let multipart = "multipart/form-data; boundary=X";
    let part = |name: &str, more: &str, body: &str| {
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{body}\r\n")
    };
    let parts = |parts: &[String]| format!("{}--X--\r\n", parts.concat());
    let file = part("scan", "; filename=\"a.png\"", "\u{0}\u{1}");
    let more = part("more", "", "a");
    let line = |price: &str| {
        let json = "\r\nContent-Type: application/json";
        part("lines", json, &format!("{{\"price\":{price}}}"))
    };
    for (kind, body, status, said) in [
        (multipart, &*parts(&[part("id", "", "1"), file.clone()]), 200, &[][..]),
        (multipart, &*parts(&[part("id", "", "x"), file.clone()]), 422, &["body /id: it is not"]),
        (multipart, &*parts(&[part("id", "", "1")]), 422, &["body: \"scan\" is a required"]),
        (multipart, &*parts(&[more.clone(), part("id", "", "1"), file.clone(), more]), 200, &[]),
        (multipart, &*parts(&[part("id", "", "1"), file.clone(), line("1"), line("2")]), 200, &[]),
        (
            multipart,
            &*parts(&[part("id", "", "1"), file.clone(), line("1"), line("0")]),
            422,
            &["body /lines/1/price: "],
        ),
        (multipart, "--Y--", 400, &["body: it does not begin with its boundary"]),
    ] {
        let answer = send(&janua, "POST /v1/orders", kind, body).await;
        assert_wrong(&answer, status, said, &format!("{kind} {body:.80}"));
    }
}

#[tokio::test]
async fn bodies_are_held_to_their_schemas() {
    let (_origin, janua) = shop_of_all("max-body = \"2KiB\"\nmax-depth = 8").await;
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let deep = format!("{}1{}", "[".repeat(9), "]".repeat(9));
    let large = format!("{{\"id\":1,\"name\":\"a\",\"note\":\"{}\"}}", "x".repeat(3_000));
    for (kind, body, status, said) in [
        (json, r#"{"id":1,"name":"a"}"#, 200, &[][..]),
        ("application/json; charset=utf-8", r#"{"id":1,"name":"a"}"#, 200, &[]),
        ("APPLICATION/JSON", r#"{"id":1,"name":"a","note":null}"#, 200, &[]),
        (
            json,
            r#"{"id":"1","name":"A","more":1,"lines":[{"price":0},{}],"parent":{"id":1}}"#,
            422,
            &[
                "body /id: it is not of type \"integer\"",
                "body /name: it does not match",
                "body: Additional properties are not allowed",
                "body /lines/0/price: ",
                "body /lines/1: \"price\" is a required property",
                "body /parent: \"name\" is a required property",
            ],
        ),
        (json, "[]", 422, &["body: it is not of type \"object\""]),
        (json, "null", 422, &["body: it is not of type \"object\""]),
        (json, "", 422, &["body: is missing"]),
        (json, " ", 400, &["body: it ends too early"]),
        (json, "{", 400, &["body: it ends too early, in line 1, column 1"]),
        (json, r#"{"id":1,"id":2,"name":"a"}"#, 400, &["body: an object has a name twice"]),
        (json, &*deep, 400, &["body: it is nested too deeply"]),
        (json, "{\"id\":1,\"name\":\"a\"} x", 400, &["body: it is not well-formed JSON"]),
        (json, &*large, 413, &[]),
        (form, "id=1&name=a", 200, &[]),
        (form, "id=one&name=a", 422, &["body /id: it is not of type"]),
        (form, "name=a+b&id=1", 422, &["body /name: it does not match"]),
        (form, "id=1&id=2&name=a", 400, &["body: a field of it is given more than once"]),
        (form, "id=1&name=%FF", 400, &["body: it is not UTF-8"]),
        ("text/plain", "anything", 200, &[]),
        ("text/csv", "anything", 200, &[]),
        ("image/png", "anything", 415, &[]),
        ("nonsense", "anything", 415, &[]),
        ("", "anything", 415, &[]),
    ] {
        let answer = send(&janua, "POST /v1/orders", kind, body).await;
        assert_wrong(&answer, status, said, &format!("{kind} {body:.80}"));
    }
    let answer = janua.client().await.request("POST /v1/orders", "").await;
    assert_wrong(&answer, 422, &["body: is missing"], "no body at all");
    let mut client = janua.client().await;
    client.send("POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}").await;
    client.answer().await.assert_refused(415, "body.type", "a coding");
}

/// The origin gets the very bytes that were looked at, whatever pieces they came in.
#[tokio::test]
async fn what_passes_goes_on_as_it_came() {
    let (origin, janua) = shop_of_all("").await;
    let body = "{ \"id\" : 1.0 ,\"name\":\"a\" }";
    let mut client = janua.client().await;
    client.send("POST /v1/orders?x=%20+a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for piece in body.as_bytes().chunks(5) {
        let text = std::str::from_utf8(piece).unwrap();
        client.send(format!("{:x}\r\n{text}\r\n", piece.len())).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    let got = origin.last();
    assert_eq!((got.target(), &*got.text()), ("/v1/orders?x=%20+a", body));
    assert_eq!(got.field("content-length").as_deref(), Some("26"));
}

#[tokio::test]
async fn what_does_not_keep_to_it_reaches_no_origin_and_is_logged() {
    let (origin, janua) = shop_of_all("").await;
    let answer = send(&janua, "POST /v1/orders", "application/json", "{}").await;
    answer.assert_refused(422, "contract.body", "nothing required is there");
    assert!(origin.requests().is_empty());
    let line = janua.logged_reason("contract.body").await;
    assert_eq!(line["route"], "shop/addOrder");
    janua.rejected("shop/addOrder", "contract.body", 1).await;
}

#[tokio::test]
async fn on_trial_everything_passes_and_is_told() {
    let (origin, janua) = shop_of_all("enforce = \"report\"").await;
    let answer = send(&janua, "POST /v1/orders?limit=0", "application/json", "{}").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(origin.last().text(), "{}");
    let line = janua.logged("the request", |line| line["status"] == 200).await;
    assert_eq!(line["reported"], "contract.body");
}

#[tokio::test]
async fn parameters_that_nobody_knows_are_refused_if_that_is_asked_for() {
    let (_origin, janua) = shop_of_all("unknown-query = \"refuse\"").await;
    for (target, said) in [
        ("/v1/orders?limit=1&filter[paid]=true&ids=1", &[][..]),
        ("/v1/orders?limits=1", &["query limits: is not known"]),
        ("/v1/orders?a%26b=1&c", &["query a&b: is not known", "query c: is not known"]),
        ("/v1/orders/1?x=1", &["query x: is not known"]),
    ] {
        let answer = janua.get(target).await;
        let status = if said.is_empty() { 200 } else { 400 };
        assert_wrong(&answer, status, said, target);
    }
}

/// A page for people says the same, and what the client wrote stays text.
#[tokio::test]
async fn a_browser_gets_a_page_in_which_nothing_of_the_request_is_markup() {
    let (_origin, janua) = shop_of_all("unknown-query = \"refuse\"").await;
    let target = "/v1/orders?%3Cscript%3E=1";
    let answer =
        janua.client().await.request(&format!("GET {target}"), "Accept: text/html\r\n").await;
    let page = answer.text();
    assert!(page.contains("query &lt;script>: is not known"), "{page}");
    assert!(!page.contains("<script>"), "{page}");
}

/// A body of a megabyte is looked at beside the worker, which answers others meanwhile.
#[tokio::test]
async fn a_large_body_is_looked_at_whole() {
    let (origin, janua) = shop_of_all("max-body = \"8MiB\"").await;
    let lines = vec!["{\"price\":1}"; 300_000].join(",");
    let body = format!("{{\"id\":1,\"name\":\"a\",\"lines\":[{lines}]}}");
    let slow = send(&janua, "POST /v1/orders", "application/json", &body);
    // Meanwhile others are served.
    let answer = janua.serves_others_during("/v1/orders", slow).await;
    assert_wrong(&answer, 422, &["body /lines: it has more than 3 items"], "too many lines");
    let note = " ".repeat(1 << 20);
    let body = format!("{note}{{\"id\":1,\"name\":\"a\"}}");
    let answer = send(&janua, "POST /v1/orders", "application/json", &body).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(origin.last().text(), body);
}
