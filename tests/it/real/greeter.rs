//! A service of gRPC by Google's `grpcio`, for clients that speak JSON, and for browsers.

use std::path::Path;

use serde_json::{Value, json};

use super::{Server, browser, command, said, script};
use crate::support::{Janua, Message, Setup};

/// The files of the service.
fn proto() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/greeter.proto");
    format!("{:?}", file.display().to_string())
}

async fn before(server: &Server) -> Janua {
    let url = &server.url;
    let upstream = format!("[upstream.greeter]\nendpoints = \"{url}\"\nprotocol = \"h2\"\n");
    let api = format!("[api.greeter]\nproto = {}\n", proto());
    let routes = "[[route]]\napi = \"greeter\"\nto = \"greeter\"\n\
                  [[route]]\nhost = \"web.example\"\ntranslate = \"grpc-web\"\nto = \"greeter\"\n";
    Setup::new(format!("{upstream}{api}{routes}")).start().await
}

async fn ask(janua: &Janua, line: &str, fields: &str, body: &str) -> Message {
    let mut client = janua.client().await;
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nHost: a.example\r\n{fields}Content-Length: {length}\r\n\r\n");
    client.send(format!("{head}{body}")).await;
    client.answer().await
}

fn value(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

#[tokio::test]
async fn a_call_by_json_is_answered_in_json() {
    let server = Server::start("greeter_server.py");
    let janua = before(&server).await;
    let get =
        "GET /v1/hello/Ada%20L?big=9007199254740993&moods=HAPPY&moods=2&at=2030-01-31T12:00:00Z";
    let answer = ask(&janua, get, "X-Who: me\r\nCookie: a=b\r\n", "").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.field("content-type").unwrap(), "application/json");
    assert_eq!(answer.field("x-initial").unwrap(), "yes");
    assert_eq!(answer.field("grpc-status"), None);
    let said = value(&answer);
    assert_eq!(said["text"], "Hello, Ada L!");
    assert_eq!(
        said["request"],
        json!({ "name": "Ada L", "big": "9007199254740993", "moods": ["HAPPY", "SAD"], "at": "2030-01-31T12:00:00Z" })
    );
    assert_eq!(
        (&said["metadata"]["x-who"], &said["metadata"]["cookie"]),
        (&json!("me"), &json!("a=b"))
    );
    let body = json!({ "name": "☂", "raw": "AP8=", "counts": { "a": 1 }, "big": -1 });
    let json_type = "Content-Type: application/json\r\n";
    let answer = ask(&janua, "POST /v1/hello", json_type, &body.to_string()).await;
    let expected = json!({ "name": "☂", "raw": "AP8=", "counts": { "a": 1 }, "big": "-1" });
    assert_eq!(value(&answer)["request"], expected);
    // HEAD is GET without its body.
    let mut client = janua.client().await;
    client.send("HEAD /v1/hello/Ada HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let head = client.answer_to_head().await;
    assert_eq!(
        (head.status(), head.field("content-type").unwrap().as_str()),
        (200, "application/json")
    );
    // One larger than is translated on a worker.
    let long = "x".repeat(400_000);
    let answer =
        ask(&janua, "POST /v1/hello", json_type, &json!({ "name": long }).to_string()).await;
    assert_eq!(value(&answer)["request"]["name"], long);
}

#[tokio::test]
async fn a_failure_is_a_problem_with_its_status_and_details() {
    let server = Server::start("greeter_server.py");
    let janua = before(&server).await;
    for (code, status, word) in [
        (3, 400, "INVALID_ARGUMENT"),
        (5, 404, "NOT_FOUND"),
        (7, 403, "PERMISSION_DENIED"),
        (14, 503, "UNAVAILABLE"),
    ] {
        let body = json!({ "code": code, "message": "not today: 100 % ☂" }).to_string();
        let answer = ask(&janua, "POST /v1/fail", "", &body).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.field("content-type").unwrap(), "application/problem+json");
        let problem = value(&answer);
        assert_eq!(
            (&problem["code"], &problem["detail"]),
            (&json!(word), &json!("not today: 100 % ☂"))
        );
        let detail = &problem["details"][0];
        assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
        assert_eq!(detail["reason"], "TOLD_TO");
    }
    // What never comes to the service.
    let answer = ask(&janua, "POST /v1/fail", "", "{\"code\":\"x\",\"none\":1}").await;
    answer.assert_refused(422, "contract.body", "types");
    assert_eq!(value(&answer)["errors"][0]["pointer"], "/code");
}

#[tokio::test]
async fn a_stream_comes_as_lines_or_events() {
    let server = Server::start("greeter_server.py");
    let janua = before(&server).await;
    let answer = ask(&janua, "GET /v1/count/2000", "", "").await;
    assert_eq!(answer.field("content-type").unwrap(), "application/x-ndjson");
    let lines: Vec<_> =
        std::str::from_utf8(&answer.body).unwrap().lines().map(String::from).collect();
    assert_eq!((lines.len(), &*lines[1999]), (2000, r#"{"text":"2000"}"#));
    let events = "Accept: text/event-stream\r\n";
    let answer = ask(&janua, "GET /v1/count/3?failAfter=2", events, "").await;
    assert_eq!(answer.field("content-type").unwrap(), "text/event-stream");
    let text = answer.text();
    assert!(
        text.starts_with(
            "data: {\"text\":\"1\"}\n\ndata: {\"text\":\"2\"}\n\nevent: error\ndata: {"
        ),
        "{text}"
    );
    assert!(text.contains("\"RESOURCE_EXHAUSTED\"") && text.contains("TOLD_TO"), "{text}");
    let answer = ask(&janua, "GET /v1/count/3", "Accept: text/html\r\n", "").await;
    assert_eq!(answer.status(), 406);
    assert_eq!(ask(&janua, "GET /v1/count/0", "", "").await.body, b"");
}

#[tokio::test]
async fn the_clients_time_is_the_calls_time() {
    let server = Server::start("greeter_server.py");
    let janua = before(&server).await;
    let started = std::time::Instant::now();
    let answer = ask(&janua, "POST /greeter.v1.Greeter/Slow", "grpc-timeout: 500m\r\n", "{}").await;
    assert_eq!(answer.status(), 504, "{}", answer.text());
    assert!(started.elapsed() < std::time::Duration::from_secs(3));
}

#[tokio::test]
async fn a_browsers_client_calls_by_grpc_web() {
    let server = Server::start("greeter_server.py");
    let url = &server.url;
    let upstream = format!("[upstream.greeter]\nendpoints = \"{url}\"\nprotocol = \"h2\"\n");
    let route = "[[route]]\ntranslate = \"grpc-web\"\nto = \"greeter\"\n";
    let janua = Setup::new(format!("{upstream}{route}")).start().await;
    let set = janua.path("greeter.pb");
    said(script("greeter_types.py").arg(&set));
    let url = format!("http://{}", janua.address);
    let said =
        tokio::task::spawn_blocking(move || said(script("grpc_web_client.mjs").arg(set).arg(url)));
    said.await.unwrap();
}

/// Chromium calls it, from a page of the same origin, and from one of another that may or may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_calls_by_grpc_web() {
    let server = Server::start("greeter_server.py");
    // A body is a template, in a file that has variables of its own.
    let page = include_str!("../../peers/grpc_web.html").replace('$', "$$");
    let page = page.replace('{', "{{").replace('}', "}}");
    let before = |cors: &str| {
        Setup::new(format!(
            "[upstream.greeter]\nendpoints = \"{}\"\nprotocol = \"h2\"\n\
             [[route]]\npath = \"/page\"\nto = {{ status = 200, content-type = \"text/html\", body = \'\'\'{page}\'\'\' }}\n\
             [[route]]\npath = \"/greeter.v1.Greeter/{{method}}\"\ntranslate = \"grpc-web\"\nto = \"greeter\"\n{cors}\n",
            server.url
        ))
    };
    let own = before("").start().await;
    let site = format!("http://{}", own.address);
    let other = before(&format!("cors.origins = \"{site}\"")).start().await;
    let closed = before("cors.origins = \"https://other.example\"").start().await;
    let called = ["bytes", "text"].map(|form| {
        format!(
            "{form}.hello=Hello, Ada!/0/; {form}.count=1,2,3/0/; {form}.broken=1,2/8/enough; \
             {form}.fail=/9/not today ☂;"
        )
    });
    let called = format!("{} done", called.join(" "));
    let calls = ["hello", "count", "broken", "fail"];
    let blocked = ["bytes", "text"].map(|form| calls.map(|call| format!("{form}.{call}=blocked;")));
    let blocked = format!("{} done", blocked.concat().join(" "));
    for (to, told) in [(&own, &called), (&other, &called), (&closed, &blocked)] {
        let (shown, said) = browser::shown(to, &format!("{site}/page#http://{}", to.address)).await;
        assert!(shown.contains(told), "{told}\n{shown}\n{said}");
    }
}

/// What `janua proto pull` says, and whether it went well.
fn pull(arguments: &[&str]) -> (bool, String) {
    let mut janua = command(env!("CARGO_BIN_EXE_janua"));
    let output = janua.args(["proto", "pull"]).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn types_are_pulled_from_the_server_itself() {
    let server = Server::start("greeter_server.py");
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("greeter.pb").display().to_string();
    let address = server.url.trim_start_matches("http://");
    for from in [address, &server.url] {
        let said = pull(&["--from", from, "--out", &set]);
        assert_eq!(said, (true, "greeter.v1.Greeter\n".into()));
    }
    let url = &server.url;
    let upstream = format!("[upstream.greeter]\nendpoints = \"{url}\"\nprotocol = \"h2\"\n");
    let api = format!("[api.greeter]\ndescriptors = \"{set}\"\n");
    let route = "[[route]]\napi = \"greeter\"\nto = \"greeter\"\n";
    let janua = Setup::new(format!("{upstream}{api}{route}")).start().await;
    let body = json!({ "name": "Ada", "at": "2030-01-31T12:00:00Z" }).to_string();
    let answer = ask(&janua, "POST /greeter.v1.Greeter/Hello", "", &body).await;
    assert_eq!(value(&answer)["request"]["at"], "2030-01-31T12:00:00Z");
    // What cannot be pulled is said, and nothing is written.
    let none = folder.path().join("none.pb").display().to_string();
    let plain = Server::start("grpc_server.py");
    for (arguments, says) in [
        (vec!["--from", address, "--out", &none, "--service", "none.None"], "the server says"),
        (vec!["--from", &plain.url, "--out", &none], "has no reflection"),
        (vec!["--from", "127.0.0.1:1", "--out", &none], "refused"),
        (vec!["--from", "a b", "--out", &none], "is not a URL"),
    ] {
        let (well, said) = pull(&arguments);
        assert!(!well && said.contains(says), "{arguments:?}: {said}");
    }
    assert!(!Path::new(&none).exists());
}

/// Node's server makes one file of each package, says of none what it imports, and copies what everybody knows.
#[tokio::test]
async fn types_are_pulled_by_either_version_of_reflection() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (proto, set) = (file("greeter.proto"), file("greeter.pb"));
    std::fs::write(&proto, GREETER).unwrap();
    std::fs::write(file("people.proto"), PEOPLE).unwrap();
    for version in ["v1", "v1alpha"] {
        let server = Server::start_with("reflection_server.mjs", &[&proto, version]);
        let said = pull(&["--from", &server.url, "--out", &set]);
        assert_eq!(said, (true, "greeter.v1.Greeter\n".into()), "{version}");
        let url = &server.url;
        let upstream = format!("[upstream.greeter]\nendpoints = \"{url}\"\nprotocol = \"h2\"\n");
        let api = format!("[api.greeter]\ndescriptors = \"{set}\"\n");
        let route = "[[route]]\napi = \"greeter\"\nto = \"greeter\"\n";
        let janua = Setup::new(format!("{upstream}{api}{route}")).start().await;
        let request = json!({
            "who": { "name": "Ada", "moods": ["HAPPY"], "counts": { "a": 1 }, "number": 7, "title": "" },
            "at": "2030-01-31T12:00:00Z",
        });
        let answer = ask(&janua, "POST /greeter.v1.Greeter/Hello", "", &request.to_string()).await;
        assert_eq!(
            value(&answer),
            json!({ "text": "Hello, Ada!", "request": request }),
            "{version}"
        );
    }
    let server = Server::start_with("reflection_server.mjs", &[&proto]);
    let (well, said) = pull(&["--from", &server.url, "--out", &set]);
    assert!(!well && said.contains("has no reflection"), "{said}");
}

const GREETER: &str = r#"syntax = "proto3";
package greeter.v1;
import "google/protobuf/descriptor.proto";
import "google/protobuf/timestamp.proto";
import "people.proto";
extend google.protobuf.MethodOptions { string note = 50000; }
service Greeter {
  rpc Hello(HelloRequest) returns (HelloReply) { option (note) = "loud"; }
}
message HelloRequest {
  people.v1.Person who = 1;
  google.protobuf.Timestamp at = 2;
}
message HelloReply {
  string text = 1;
  HelloRequest request = 2;
}
"#;

const PEOPLE: &str = r#"syntax = "proto3";
package people.v1;
enum Mood {
  MOOD_UNSPECIFIED = 0;
  HAPPY = 1;
}
message Person {
  string name = 1;
  repeated Mood moods = 2;
  map<string, int32> counts = 3;
  optional string title = 4;
  oneof id {
    string key = 5;
    int32 number = 6;
  }
}
"#;
