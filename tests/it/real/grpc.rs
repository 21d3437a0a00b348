//! gRPC by Google's `grpcio`, on both sides.

use super::{Doors, Server, said, script};
use crate::support::{Setup, until};

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

/// What a server says of a service by gRPC's own health protocol, and what its endpoint is then.
#[tokio::test]
async fn a_server_is_asked_how_its_services_are() {
    let server = Server::start("grpc_server.py");
    let address = server.url.trim_start_matches("http://").to_owned();
    let says = |what: &str| said(script("grpc_client.py").args([what, &address]));
    says("unwell");
    for (service, state, wrong) in [
        ("", "up", None),
        ("orders", "down", Some("it says NOT_SERVING")),
        ("nobody", "down", Some("it says NOT_FOUND")),
    ] {
        let health = format!("grpc = \"{service}\", every = \"20ms\", start = \"checked\"");
        let keys = format!("endpoints = \"{}\"\nhealth = {{ {health} }}", server.url);
        let janua = Setup::new(format!("[upstream.u]\n{keys}\n[[route]]\nto = \"u\"\n"));
        let janua = janua.start().await;
        let series =
            |state| format!("janua_upstream_endpoints{{upstream=\"u\",state=\"{state}\"}}");
        until(service, || janua.counted(&series(state)) == 1).await;
        let shown = serde_json::to_value(janua.world().upstream("u").unwrap().shown()).unwrap();
        assert_eq!(shown["endpoints"][0]["wrong"].as_str(), wrong, "{service}");
        if service == "orders" {
            says("well");
            until(service, || janua.counted(&series("up")) == 1).await;
            says("unwell");
            until(service, || janua.counted(&series("down")) == 1).await;
        }
    }
}

/// A server that speaks no gRPC is not well.
#[tokio::test]
async fn a_server_without_grpc_is_down() {
    let other = crate::support::Origin::ok().await;
    let health = "health = { grpc = \"\", every = \"20ms\", start = \"checked\" }";
    let keys = format!("endpoints = \"{}\"\n{health}", other.url);
    let janua = Setup::new(format!("[upstream.u]\n{keys}\n[[route]]\nto = \"u\"\n"));
    let janua = janua.start().await;
    let down = "janua_upstream_endpoints{upstream=\"u\",state=\"down\"}";
    until("it is down", || janua.counted(down) == 1).await;
}
