//! gRPC by Google's `grpcio`, on both sides.

use super::{Doors, Server, said, script};

/// In front of a gRPC server, with nothing said but that it speaks HTTP/2.
async fn before(server: &Server) -> Doors {
    let url = &server.url;
    let upstream = format!("[upstream.u]\nendpoints = \"{url}\"\nprotocol = \"h2\"\n");
    Doors::before(format!("{upstream}[[route]]\nto = \"u\"\n")).await
}

/// Does one thing of the client's script through Janua, in clear and over TLS.
async fn through(what: &str) {
    let server = Server::start("grpc_server.py");
    let doors = before(&server).await;
    let clear = doors.clear.trim_start_matches("http://");
    let tls = doors.tls.trim_start_matches("https://");
    said(script("grpc_client.py").args([what, clear]));
    said(script("grpc_client.py").args([what, tls, &doors.ca]));
}

#[tokio::test]
async fn a_call_is_answered() {
    through("unary").await;
}

#[tokio::test]
async fn metadata_pass_both_ways() {
    through("metadata").await;
}

#[tokio::test]
async fn streams_pass_both_ways() {
    through("streams").await;
}

#[tokio::test]
async fn a_conversation_goes_to_and_fro() {
    through("chat").await;
}

#[tokio::test]
async fn a_failure_says_its_status_and_details() {
    through("failure").await;
}

#[tokio::test]
async fn a_deadline_is_known_to_the_server_and_kept() {
    through("deadline").await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_ends_at_the_server() {
    through("cancel").await;
}

#[tokio::test]
async fn many_calls_go_beside_a_stream() {
    through("many").await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable() {
    let server = Server::start("grpc_server.py");
    let doors = before(&server).await;
    drop(server);
    let clear = doors.clear.trim_start_matches("http://");
    let told = said(script("grpc_client.py").args(["refused", clear]));
    assert!(told.starts_with("UNAVAILABLE "), "{told}");
}
