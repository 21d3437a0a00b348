//! Bodies that are meant to hurt, at every parser that reads bodies of strangers: each is refused for its reason,
//! none gets to an origin, and what it takes of memory is bounded.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Daemon, Door, PATIENCE, daemon::JANUA};

/// Bytes of a body that is as large as may be.
const FULL: usize = (1 << 20) - 64;

/// The bodies for each parser, and the MiB that the process may take for any of them beyond what it has without:
/// some more than the worst took when this was measured, so that a parser that expands is seen.
const PARSERS: [(&str, fn() -> Vec<Row<'static>>, u64); 9] = [
    ("JSON", json, 56),
    ("forms and parts", forms, 20),
    ("queries", queries, 8),
    ("XML", xml, 18),
    ("envelopes", soap, 26),
    ("calls of SOAP", calls, 54),
    ("calls of gRPC", grpc, 84),
    ("GraphQL", graphql, 32),
    ("filters and schemas", filters, 64),
];

const CONFIG: &str = r#"
[server]
workers = 1

[[listener]]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[log]
access = "json"
access-file = "HOME/access.log"

# Nobody is there: whatever gets so far is a 502.
[upstream.nobody]
endpoints = ["http://127.0.0.1:9"]

[upstream.greeter]
endpoints = ["http://127.0.0.1:9"]
protocol = "h2"

[api.shop]
openapi = "ROOT/fuzz/contract.yaml"
[[route]]
api = "shop"
to = "nobody"

[[route]]
path = "/xml"
translate = { origin = "json" }
to = "nobody"

[[route]]
path = "/to-xml"
translate = "xml"
to = "nobody"

[api.bank]
wsdl = "ROOT/config/bank.wsdl"
base-path = "/rest"
[[route]]
api = "bank"
to = "nobody"

[api.door]
wsdl = "ROOT/config/bank.wsdl"
soap = { door = "/soap" }
base-path = "/behind"
[[route]]
api = "door"
to = "nobody"

[api.kinds]
proto = "ROOT/fuzz/kinds.proto"
unknown-query = "refuse"
[[route]]
api = "kinds"
to = "greeter"

[[route]]
path = "/web"
translate = "grpc-web"
to = "greeter"

[api.people]
graphql = "ROOT/config/shop.graphql"
[[route]]
api = "people"
path = "/graphql"
to = "nobody"

[[route]]
path = "/jq"
to = "nobody"
[route.transform]
request = "[.. | numbers] | add"

[[route]]
path = "/rec"
to = "nobody"
[route.transform]
request = "def f: f; f"

[[route]]
path = "/held"
to = "nobody"
[route.validate]
body = { type = "object", required = ["a"], properties = { a = { type = "array", maxItems = 3, uniqueItems = true } } }
"#;

/// A request line without its version, the type of its body, the body, and what comes of it.
type Row<'r> = (&'r str, &'r str, Vec<u8>, u16, &'r str);

const JSON: &str = "application/json";
const XML: &str = "application/xml";
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=X";

/// As much of something as a body may have, between two ends.
fn full(before: &str, again: &str, after: &str) -> Vec<u8> {
    let times = (FULL - before.len() - after.len()) / again.len();
    [before, &again.repeat(times), after].concat().into_bytes()
}

/// The same with a number in each.
fn counted(before: &str, again: impl Fn(usize) -> String, after: &str) -> Vec<u8> {
    let mut text = before.to_owned();
    for number in 0.. {
        let next = again(number);
        if text.len() + next.len() + after.len() > FULL {
            break;
        }
        text += &next;
    }
    (text + after).into_bytes()
}

fn json() -> Vec<Row<'static>> {
    let post = "POST /json/1";
    let member = |number: usize| format!("\"m{number}\":1,");
    vec![
        (post, JSON, full("", "[", ""), 400, "body.syntax"),
        (post, JSON, full("", "{\"a\":", ""), 400, "body.syntax"),
        (post, JSON, full("[", "[],", "0]"), 422, "contract.body"),
        (post, JSON, full("[", "0,", "0]"), 422, "contract.body"),
        (post, JSON, full("[", "{},", "0]"), 422, "contract.body"),
        (post, JSON, full("{\"children\":[", "{},", "0]}"), 422, "contract.body"),
        (post, JSON, full("{\"children\":[", "{\"name\":\"\"},", "0]}"), 422, "contract.body"),
        (post, JSON, counted("{", member, "\"name\":\"a\"}"), 422, "contract.body"),
        (post, JSON, full("{", "\"a\":1,", "\"a\":1}"), 400, "body.syntax"),
        (post, JSON, full("{\"name\":\"", "<", "\"}"), 422, "contract.body"),
        (post, JSON, full("{\"name\":\"", "\\u003c", "\"}"), 422, "contract.body"),
        (post, JSON, full("{\"", "n", "\":1}"), 422, "contract.body"),
        (post, JSON, full("{\"name\":\"a\",\"size\":1", "0", "}"), 400, "body.syntax"),
        (post, JSON, full("{\"name\":\"a\",\"size\":0.", "1", "}"), 422, "contract.body"),
        (post, JSON, b"{\"name\":\"a\",\"size\":1e999999999}".to_vec(), 400, "body.syntax"),
        (post, JSON, full("{\"name\":\"", "a", ""), 400, "body.syntax"),
        (post, JSON, full("", " ", ""), 400, "body.syntax"),
        (post, JSON, full("{\"name\":\"a\"}", " ", "x"), 400, "body.syntax"),
        (post, JSON, b"{\"name\":\"\\ud800\"}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"{\"name\":\"\xff\"}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"{\"name\":\"\0\"}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"\xef\xbb\xbf{\"name\":\"a\"}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"\xff\xfe{\0}\0".to_vec(), 400, "body.syntax"),
        (post, JSON, b"{\"name\":\"a\",}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"{\"name\":NaN}".to_vec(), 400, "body.syntax"),
        (post, JSON, b"{'name':'a'}".to_vec(), 400, "body.syntax"),
        (post, JSON, vec![b'['; FULL + 200], 413, "request.body_too_large"),
        (post, "application/xml", b"<a/>".to_vec(), 415, "body.type"),
        (post, "application/json; charset=utf-16", b"{\0}\0".to_vec(), 415, "body.type"),
    ]
}

fn forms() -> Vec<Row<'static>> {
    let post = "POST /forms";
    let field = |number: usize| format!("f{number}=1&");
    let part = |number: usize| {
        format!("--X\r\nContent-Disposition: form-data; name=\"p{number}\"\r\n\r\n1\r\n")
    };
    let begun = "--X\r\nContent-Disposition: form-data; name=\"file\"";
    vec![
        (post, FORM, counted("", field, "a=1"), 400, "body.syntax"),
        (post, FORM, full("", "a=1&", "a=1"), 400, "body.syntax"),
        (post, FORM, full("", "&", ""), 422, "contract.body"),
        (post, FORM, full("", "a", "=1"), 422, "contract.body"),
        (post, FORM, full("a=", "%31", ""), 422, "contract.body"),
        (post, FORM, full("a=", "1", ""), 422, "contract.body"),
        (post, FORM, b"a=%ff".to_vec(), 400, "body.syntax"),
        (post, FORM, b"a=1&a=2".to_vec(), 400, "body.syntax"),
        (post, FORM, b"a=1\xff".to_vec(), 400, "body.syntax"),
        (post, PARTS, counted("", part, "--X--\r\n"), 400, "body.syntax"),
        (post, PARTS, full(begun, "; x=\"1\"", "\r\n\r\n1\r\n--X--\r\n"), 400, "body.syntax"),
        (
            post,
            PARTS,
            full(&format!("{begun}\r\n"), "A: b\r\n", "\r\n1\r\n--X--\r\n"),
            400,
            "body.syntax",
        ),
        (post, PARTS, full(&format!("{begun}\r\n\r\n"), "\r\n--", ""), 400, "body.syntax"),
        (post, PARTS, full("", "--X\r\n", ""), 400, "body.syntax"),
        (post, PARTS, b"--X\r\n\r\n1\r\n--X--\r\n".to_vec(), 400, "body.syntax"),
        (post, PARTS, format!("{begun}\r\n\r\n1\r\n--X").into_bytes(), 400, "body.syntax"),
        (post, "multipart/form-data", b"--X--\r\n".to_vec(), 400, "body.syntax"),
        (post, "multipart/form-data; boundary=\"\"", b"----\r\n".to_vec(), 400, "body.syntax"),
        (
            post,
            "multipart/form-data; boundary=X; boundary=Y",
            b"--X--".to_vec(),
            400,
            "body.syntax",
        ),
    ]
}

fn queries() -> Vec<Row<'static>> {
    let none = Vec::new;
    vec![
        ("GET /label/.1,x", "", none(), 400, "contract.parameter"),
        ("GET /label/", "", none(), 404, "no_route"),
        ("GET /label/.%ff", "", none(), 400, "contract.parameter"),
        ("GET /matrix/;a", "", none(), 400, "contract.parameter"),
        ("GET /matrix/;a=1;a=2", "", none(), 400, "contract.parameter"),
        ("POST /json/0", JSON, b"{\"name\":\"a\"}".to_vec(), 400, "contract.parameter"),
        (
            "POST /json/1?list=1&list=2",
            JSON,
            b"{\"name\":\"a\"}".to_vec(),
            400,
            "contract.parameter",
        ),
        (
            "POST /json/1?deep[a][b]=1",
            JSON,
            b"{\"name\":\"a\"}".to_vec(),
            400,
            "contract.parameter",
        ),
        (
            "POST /json/1?free=[[[[[[[[[[[[[[[[[[[[",
            JSON,
            b"{\"name\":\"a\"}".to_vec(),
            400,
            "contract.parameter",
        ),
        (
            "POST /json/1?free=%7B%22name%22:%22a%22,%22name%22:%22b%22%7D",
            JSON,
            b"{\"name\":\"a\"}".to_vec(),
            400,
            "contract.parameter",
        ),
        ("GET /parts/a/2147483648", "", none(), 400, "contract.parameter"),
        ("GET /parts/a/1?by_name.x=1", "", none(), 400, "contract.parameter"),
        (
            "GET /parts/a/1?kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.kinds.bool=true",
            "",
            none(),
            400,
            "contract.parameter",
        ),
        ("GET /parts/a/1?time=yesterday", "", none(), 400, "contract.parameter"),
        ("GET /rest/accounts?account=nobody", "", none(), 404, "no_route"),
    ]
}

fn xml() -> Vec<Row<'static>> {
    let post = "POST /xml";
    let laughs = |number: usize| format!("<!ENTITY l{} \"&l{number};&l{number};\">", number + 1);
    let attribute = |number: usize| format!(" a{number}=\"1\"");
    let declared = |number: usize| format!(" xmlns:p{number}=\"u{number}\"");
    let nested = |number: usize| format!("<a xmlns:p{number}=\"u\">");
    let entity = "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>";
    vec![
        (
            post,
            XML,
            counted("<!DOCTYPE a [<!ENTITY l0 \"ha\">", laughs, "]><a>&l9;</a>"),
            400,
            "body.syntax",
        ),
        (post, XML, entity.into(), 400, "body.syntax"),
        (
            post,
            XML,
            b"<!DOCTYPE a SYSTEM \"http://127.0.0.1/a.dtd\"><a/>".to_vec(),
            400,
            "body.syntax",
        ),
        (post, XML, b"<a>&e;</a>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a>&#0;</a>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a>&#x110000;</a>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a>&#99999999999;</a>".to_vec(), 400, "body.syntax"),
        (post, XML, full("<a>", "&amp;", "&</a>"), 400, "body.syntax"),
        (post, XML, full("", "<a>", ""), 400, "body.syntax"),
        (post, XML, full("<r>", "<a/>", "</r>"), 400, "body.syntax"),
        (post, XML, counted("<a", attribute, "/>"), 400, "body.syntax"),
        (post, XML, counted("<a", declared, "/>"), 400, "body.syntax"),
        (post, XML, counted("", nested, ""), 400, "body.syntax"),
        (post, XML, full("<", "n", "/>"), 400, "body.syntax"),
        (post, XML, full("<a ", "n", "=\"1\"/>"), 400, "body.syntax"),
        (post, XML, full("<a>", "<!-- -->", ""), 400, "body.syntax"),
        (post, XML, full("<a><!--", "-", "--></a>"), 400, "body.syntax"),
        (post, XML, full("<a><![CDATA[", "]]", ""), 400, "body.syntax"),
        (post, XML, full("<a>", "]]>", "</a>"), 400, "body.syntax"),
        (post, XML, full("<a b=\"", "<", "\"/>"), 400, "body.syntax"),
        (post, XML, full("<a b='", "'", ""), 400, "body.syntax"),
        (post, XML, full("<?x ", "y ", "?><a/>"), 400, "body.syntax"),
        (post, XML, b"<a x=\"1\" x=\"2\"/>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<p:a/>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a xmlns:xml=\"u\"/>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a></b>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a/><b/>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a/>text".to_vec(), 400, "body.syntax"),
        (post, XML, b"\xff\xfe<\0a\0/\0>\0".to_vec(), 400, "body.syntax"),
        (post, XML, b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a>\x01</a>".to_vec(), 400, "body.syntax"),
        (post, XML, b"<a>\xff</a>".to_vec(), 400, "body.syntax"),
        (post, "application/xml; charset=utf-16", b"<a/>".to_vec(), 415, "body.type"),
        ("POST /to-xml", JSON, b"{\"a b\":1}".to_vec(), 422, "translate.request"),
        ("POST /to-xml", JSON, b"{\"a\":\"\\u0001\"}".to_vec(), 422, "translate.request"),
        ("POST /to-xml", JSON, b"{\"a\":[[1]]}".to_vec(), 422, "translate.request"),
        ("POST /to-xml", JSON, b"{\"a\":1,\"b\":2}".to_vec(), 422, "translate.request"),
        ("POST /to-xml", JSON, b"{\"a\":{\"@xmlns:p\":\"\"}}".to_vec(), 422, "translate.request"),
        ("POST /to-xml", JSON, full("", "{\"a\":", ""), 400, "body.syntax"),
    ]
}

fn soap() -> Vec<Row<'static>> {
    const OPEN: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
    const CLOSE: &str = "</s:Body></s:Envelope>";
    let (post, text) = ("POST /soap", "text/xml");
    let within = |inside: &str| format!("{OPEN}{inside}{CLOSE}").into_bytes();
    let call = "<b:GetBalance xmlns:b=\"urn:example:bank\">";
    vec![
        (post, text, full(OPEN, "<a>", ""), 500, "body.syntax"),
        (post, text, within("<x/>"), 500, "contract.body"),
        (post, text, within(""), 500, "contract.body"),
        (post, text, b"<a/>".to_vec(), 500, "body.syntax"),
        (
            post,
            text,
            within(&format!("{call}<b:account>{}</b:account></b:GetBalance>", "<c/>".repeat(9))),
            500,
            "contract.body",
        ),
        (
            post,
            text,
            full(
                &format!("{OPEN}{call}<b:account>"),
                "<c/>",
                &format!("</b:account></b:GetBalance>{CLOSE}"),
            ),
            500,
            "body.syntax",
        ),
        (post, text, full("<!DOCTYPE a [", " ", "]><a/>"), 500, "body.syntax"),
        (post, JSON, b"{}".to_vec(), 500, "body.type"),
        (
            post,
            text,
            within(&format!("{call}<b:account>nobody</b:account></b:GetBalance>")),
            500,
            "contract.body",
        ),
        (post, text, full(OPEN, "<a/>", CLOSE), 500, "body.syntax"),
        (post, text, vec![b' '; FULL + 200], 413, "request.body_too_large"),
    ]
}

/// Calls with JSON of a service that speaks SOAP.
fn calls() -> Vec<Row<'static>> {
    let transfer = "POST /rest/Transfer";
    let paid = |amount: &str| {
        format!("{{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":{amount}}}").into_bytes()
    };
    let notes = "{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":1,\"note\":[";
    vec![
        (transfer, JSON, paid("1"), 422, "contract.body"),
        (transfer, JSON, paid("{\"@currency\":\"EUR\",\"#text\":\"much\"}"), 422, "contract.body"),
        (
            transfer,
            JSON,
            paid("{\"@currency\":\"EUR\",\"#text\":1,\"@more\":1}"),
            422,
            "contract.body",
        ),
        (transfer, JSON, paid("{\"@currency\":\"\\u0001\",\"#text\":1}"), 422, "translate.request"),
        (
            transfer,
            JSON,
            paid("{\"@currency\":\"EUR\",\"#text\":1},\"note\":[[1]]"),
            422,
            "contract.body",
        ),
        (transfer, JSON, full(notes, "1,", "1]}"), 422, "contract.body"),
        (transfer, JSON, full("", "[", ""), 400, "body.syntax"),
        ("GET /rest/GetBalance", "", Vec::new(), 405, "method_not_allowed"),
    ]
}

fn grpc() -> Vec<Row<'static>> {
    let post = "POST /fuzz.Fuzz/Whole";
    let entry = |number: usize| format!("\"{number}\":\"\",");
    let any = "{\"@type\":\"type.googleapis.com/google.protobuf.Any\",\"value\":";
    vec![
        (post, JSON, full("", "{\"kinds\":", ""), 400, "body.syntax"),
        (post, JSON, full("{\"more\":[", "{},", "1]}"), 422, "contract.body"),
        (post, JSON, full("{\"more\":[", "{\"x\":1},", "{}]}"), 422, "contract.body"),
        (post, JSON, counted("{\"byNumber\":{", entry, "\"x\":\"\"}}"), 422, "contract.body"),
        (post, JSON, full("{\"bytes\":\"", "A", "*\"}"), 422, "contract.body"),
        (post, JSON, full("{\"string\":\"", "a", "\",\"string\":\"\"}"), 400, "body.syntax"),
        (post, JSON, full("{\"packed\":[", "1,", "\"x\"]}"), 422, "contract.body"),
        (post, JSON, full("{\"any\":", any, ""), 400, "body.syntax"),
        (
            post,
            JSON,
            b"{\"any\":{\"@type\":\"type.googleapis.com/no.Such\"}}".to_vec(),
            422,
            "contract.body",
        ),
        (post, JSON, b"{\"int32\":2147483648}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"uint32\":-1}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"int32\":1.5}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"float\":1e39}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"bool\":\"true\"}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"colour\":\"GREEN\"}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"one\":\"a\",\"other\":{}}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"time\":\"10000-01-01T00:00:00Z\"}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"duration\":\"999999999999999s\"}".to_vec(), 422, "contract.body"),
        (post, JSON, b"{\"byName\":{\"a\":{\"no\":1}}}".to_vec(), 422, "contract.body"),
        (post, JSON, b"[]".to_vec(), 422, "contract.body"),
        (post, "application/grpc", b"\0\0\0\0\0".to_vec(), 415, "body.type"),
        ("POST /web", JSON, b"{}".to_vec(), 415, "body.type"),
    ]
}

/// A document of GraphQL, as a client sends it.
fn document(text: &str) -> Vec<u8> {
    serde_json::json!({ "query": text }).to_string().into_bytes()
}

fn graphql() -> Vec<Row<'static>> {
    let post = "POST /graphql";
    let refused = |body: Vec<u8>, reason| (post, JSON, body, 400, reason);
    let many = |text: &str, times: usize| document(&format!("{{ {} }}", text.repeat(times)));
    vec![
        refused(b"[".repeat(100_000), "body.syntax"),
        refused(full("{\"query\":\"", " ", "\"}"), "graphql.syntax"),
        refused(full("{\"query\":\"{", " a", "}\"}"), "graphql.tokens"),
        refused(full("[", "{\"query\":\"{__typename}\"},", "{}]"), "graphql.batch"),
        refused(document("{"), "graphql.syntax"),
        refused(document("{ users(first: 1) { name } } }"), "graphql.syntax"),
        refused(document("query A { __typename } query B { __typename }"), "graphql.operation"),
        refused(
            many(&format!("user(id: 7) {{ {} }}", "a: name ".repeat(200)), 1),
            "graphql.aliases",
        ),
        refused(
            document(
                &("{ user(id: 7) ".to_owned()
                    + &"{ friends(first: 1) ".repeat(60)
                    + &"}".repeat(61)),
            ),
            "graphql.depth",
        ),
        refused(
            document("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
            "graphql.fragments",
        ),
        refused(document("{ nothing }"), "graphql.validation"),
        refused(document("query ($id: ID!) { user(id: $id) { name } }"), "graphql.variables"),
        (post, FORM, document("{ __typename }"), 415, "body.type"),
    ]
}

fn filters() -> Vec<Row<'static>> {
    let (jq, held) = ("POST /jq", "POST /held");
    vec![
        (jq, JSON, b"{".to_vec(), 400, "body.syntax"),
        (jq, JSON, b"{\"a\":1,\"a\":2}".to_vec(), 400, "body.syntax"),
        (jq, JSON, b"[".repeat(100_000), 400, "body.syntax"),
        (jq, JSON, full("[", "0,", "0]"), 422, "transform.request_steps"),
        (jq, "text/plain", b"1".to_vec(), 415, "body.type"),
        ("POST /rec", JSON, b"1".to_vec(), 422, "transform.request_steps"),
        (held, JSON, b"[]".to_vec(), 422, "contract.body"),
        (held, JSON, full("{\"a\":[", "{},", "{}]}"), 422, "contract.body"),
        (held, JSON, b"{\"a\":[1,1]}".to_vec(), 422, "contract.body"),
        (held, JSON, b"[".repeat(100_000), 400, "body.syntax"),
        (held, "text/plain", b"{}".to_vec(), 415, "body.type"),
    ]
}

/// Status and reason of an answer; of a fault of SOAP, whose it is.
fn ask(address: &Door, (line, kind, body, ..): &Row<'_>) -> (u16, String) {
    let Door::Tcp(address) = address else { panic!("a port is expected") };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    if !kind.is_empty() {
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // Who refuses it early does not read it to its end.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let reason = answer.split_once("\"reason\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let fault = answer.split_once("<faultcode>").and_then(|(_, rest)| rest.split_once('<'));
    let reason = reason.or(fault);
    (status.unwrap_or_default(), reason.map(|(reason, _)| reason.into()).unwrap_or_default())
}

/// The memory that a process has, and the most that it had since this was last asked.
fn memory(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}

/// The line of the access log with this in it.
fn logged(daemon: &Daemon, words: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let log = std::fs::read_to_string(daemon.home.path().join("access.log"));
        let log = log.unwrap_or_default();
        let found = log.lines().find(|line| line.contains(words));
        if let Some(line) = found {
            return line.to_owned();
        }
        assert!(Instant::now() < end, "no line with `{words}`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_is_refused_for_its_reason_and_takes_little() {
    let config = CONFIG.replace("ROOT", env!("CARGO_MANIFEST_DIR"));
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &config, |file| {
        let mut command = std::process::Command::new(JANUA);
        // What is free goes back at once, or what one body took would hide what the next one takes.
        command.env("MIMALLOC_PURGE_DELAY", "0").args(["run", "-c"]).arg(file);
        command
    });
    let mut wrong = Vec::new();
    let mut faults = Vec::new();
    let mut count = 0;
    for (parser, rows, most) in PARSERS {
        let mut worst = (0, String::new());
        for row in rows() {
            let (line, kind, body, status, reason) = &row;
            let shown = format!("{line:.60} {kind} {:.40}", String::from_utf8_lossy(body));
            // Of a fault, the log has the reason.
            let is_fault = *status == 500;
            let numbered = format!("{line}?row-{count}");
            let line = if is_fault { &numbered } else { *line };
            let (before, _) = memory(daemon.process());
            let said = ask(&daemon.public, &(line, *kind, body.clone(), *status, *reason));
            let (_, peak) = memory(daemon.process());
            worst = worst.max((peak.saturating_sub(before), shown.clone()));
            if is_fault {
                faults.push((format!("row-{count}\""), *reason, shown.clone()));
            }
            let reason = if is_fault { "soap:Client" } else { *reason };
            if said.0 != *status || said.1 != reason {
                wrong.push(format!("{shown}: {said:?}, not {status} {reason}"));
            }
            count += 1;
        }
        println!("{parser}: at most {} KiB, of {most} MiB, for {}", worst.0 >> 10, worst.1);
        if worst.0 > most << 20 {
            wrong.push(format!("{parser} took {} KiB for {}", worst.0 >> 10, worst.1));
        }
    }
    assert!(count >= 160, "{count}");
    for (row, reason, shown) in faults {
        let line = logged(&daemon, &row);
        if !line.contains(&format!("\"reason\":\"{reason}\"")) {
            wrong.push(format!("{shown}: {line}, not {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
