//! WebSockets by Python's `websockets`, on both sides.

use super::{Doors, Server, said, script};

/// Does one thing of the client's script through Janua, in clear and over TLS.
async fn through(what: &str) {
    let server = Server::start("websocket_server.py");
    let doors = Doors::to(&server.url).await;
    let [clear, tls] = [&doors.clear, &doors.tls].map(|url| url.replacen("http", "ws", 1) + "/ws");
    said(script("websocket_client.py").args([what, &clear]));
    said(script("websocket_client.py").args([what, &tls, &doors.ca]));
}

#[tokio::test]
async fn messages_come_back_as_they_were() {
    through("messages").await;
}

#[tokio::test]
async fn a_message_of_megabytes_comes_back() {
    through("big").await;
}

#[tokio::test]
async fn a_message_in_fragments_comes_back() {
    through("fragments").await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    through("ping").await;
}

#[tokio::test]
async fn both_sides_learn_why_the_other_closes() {
    through("close").await;
}

#[tokio::test]
async fn the_server_chooses_the_subprotocol() {
    through("subprotocol").await;
}

#[tokio::test]
async fn messages_may_be_compressed() {
    through("deflate").await;
}

#[tokio::test]
async fn a_hundred_talk_at_once() {
    through("many").await;
}
