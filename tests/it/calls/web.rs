//! gRPC-Web by its bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use janua::grpc::Unwrapped;
use janua::message::Change as _;

use super::*;

const MESSAGE: &[u8] = b"\0\0\0\0\x02ab";
const LAST: &[u8] = b"\x80\0\0\0\x10grpc-status: 0\r\n";

async fn web(origin: &Served) -> Janua {
    let upstream = format!("[upstream.u]\nendpoints = \"{}\"\nprotocol = \"h2\"\n", origin.url);
    Setup::new(format!("{upstream}[[route]]\ntranslate = \"grpc-web\"\nto = \"u\"\n")).start().await
}

#[tokio::test]
async fn messages_pass_and_trailers_come_last() {
    let (origin, seen) = origin(|| grpc(&[MESSAGE, MESSAGE], &[("grpc-status", "0")])).await;
    let janua = web(&origin).await;
    let fields =
        "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\ngrpc-timeout: 1S\r\n";
    let answer = send(&janua, "POST /a.B/C", fields, MESSAGE).await;
    assert_eq!(answer.field("content-type").unwrap(), "application/grpc-web");
    assert_eq!(answer.body, [MESSAGE, MESSAGE, LAST].concat());
    let (head, body) = seen.lock()[0].clone();
    assert_eq!(body, MESSAGE);
    assert_eq!(head.headers["content-type"], "application/grpc+proto");
    assert_eq!(head.headers["te"], "trailers");
    assert!(head.headers.contains_key("grpc-timeout") && !head.headers.contains_key("x-grpc-web"));
}

#[tokio::test]
async fn base64_comes_off_and_goes_on() {
    let (origin, seen) =
        origin(|| grpc(&[MESSAGE, b"\0\0\0\0\x01c"], &[("grpc-status", "0")])).await;
    let janua = web(&origin).await;
    let text = [STANDARD.encode(MESSAGE), STANDARD.encode(b"\0\0\0\0\x01c")].concat();
    let fields = "Content-Type: application/grpc-web-text\r\n";
    let answer = send(&janua, "POST /a.B/C", fields, text.as_bytes()).await;
    assert_eq!(answer.field("content-type").unwrap(), "application/grpc-web-text");
    let bytes = Unwrapped::default().piece(&answer.body).unwrap();
    assert_eq!(bytes, [MESSAGE, b"\0\0\0\0\x01c", LAST].concat());
    assert_eq!(seen.lock()[0].1, [MESSAGE, b"\0\0\0\0\x01c"].concat());
    // What is no base64 ends the request, and so does what ends too early.
    for text in ["****", "AAAAA"] {
        let answer = send(&janua, "POST /a.B/C", fields, text.as_bytes()).await;
        answer.assert_refused(400, "body.syntax", text);
    }
}

#[tokio::test]
async fn what_is_not_grpc_web_is_not_touched() {
    let (origin, seen) = origin(|| grpc(&[MESSAGE], &[("grpc-status", "0")])).await;
    let janua = web(&origin).await;
    // gRPC itself passes on the same route; other posts do not.
    let answer = send(&janua, "POST /a.B/C", "Content-Type: application/grpc\r\n", MESSAGE).await;
    assert_eq!(
        (answer.field("content-type").unwrap().as_str(), &*answer.body),
        ("application/grpc", MESSAGE)
    );
    let answer = send(&janua, "POST /a.B/C", "Content-Type: application/json\r\n", b"{}").await;
    answer.assert_refused(415, "body.type", "it is neither");
    assert_eq!(send(&janua, "OPTIONS /a.B/C", "", b"").await.status(), 200);
    assert_eq!(seen.lock().len(), 2);
}

#[tokio::test]
async fn a_call_that_fails_at_once_says_so_in_its_head() {
    let failed = || {
        let mut reply = grpc(&[], &[]);
        reply.headers_mut().extend(fields(&[("grpc-status", "5"), ("grpc-message", "none")]));
        reply
    };
    let (origin, _) = origin(failed).await;
    let janua = web(&origin).await;
    let fields = "Content-Type: application/grpc-web\r\n";
    let answer = send(&janua, "POST /a.B/C", fields, MESSAGE).await;
    assert_eq!((answer.status(), answer.field("grpc-status").unwrap().as_str()), (200, "5"));
    assert_eq!(answer.body, b"");
}

#[tokio::test]
async fn a_stream_is_not_held_back() {
    let (say, origin) = told().await;
    let janua = web(&origin).await;
    let mut client = janua.client().await;
    client
        .send("POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n")
        .await;
    for _ in 0..3 {
        say.send(Bytes::from_static(MESSAGE)).await.unwrap();
        client.expect(MESSAGE).await;
    }
}
