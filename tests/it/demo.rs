//! The demo: every line that it prints is run, and shows what it says.

use std::{net::SocketAddr, process::Command};

use futures_util::{SinkExt as _, StreamExt as _};
use janua::app::{
    Source,
    demo::{Arguments, Demo},
    explain::{self, explain},
};
use tokio_tungstenite::tungstenite::Message;

async fn demo() -> Demo {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    Demo::start(&Arguments { listen }, None).await.unwrap()
}

/// What a command says on standard output.
async fn say(command: &str) -> String {
    let shell = command.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("sh").args(["-c", &shell]).env("PATH", "/usr/bin:/bin").output().unwrap()
    });
    String::from_utf8_lossy(&output.await.unwrap().stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_shows_what_it_says() {
    let demo = demo().await;
    let printed = demo.to_string();
    let mut wrong = Vec::new();
    for line in demo.tries() {
        assert!(printed.contains(&format!("# {}: {}\n{}\n", line.title, line.shows, line.command)));
        let said = say(&line.command).await;
        for proof in line.proof.iter().filter(|proof| !said.contains(**proof)) {
            wrong.push(format!("{}: no {proof:?} in\n{said}", line.command));
        }
    }
    demo.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_gets_back_what_it_says() {
    let demo = demo().await;
    let address = demo.gateway().address("clear").await.unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for message in [Message::text("to and fro"), Message::binary(vec![7; 60_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(None)))));
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_can_be_explained_and_read_again() {
    let demo = demo().await;
    let asked = explain::Arguments {
        method: "GET".into(),
        url: "/api/orders/7".into(),
        ..explain::Arguments::default()
    };
    let explained = explain(&Source::File(demo.file().into()), &asked).unwrap();
    assert_eq!(explained.route(), Some("orders"));

    let text = std::fs::read_to_string(demo.file()).unwrap();
    std::fs::write(demo.file(), text.replace("Hello,", "Good day,")).unwrap();
    demo.gateway().reload().await.unwrap();
    let hello = demo.tries().into_iter().find(|line| line.title == "Answer").unwrap();
    assert_eq!(say(&hello.command).await, "Good day, Ada.\n");

    // A mistake changes nothing.
    std::fs::write(demo.file(), text.replace("to = \"dusk\"", "to = \"dust\"")).unwrap();
    assert!(demo.gateway().reload().await.is_err());
    assert_eq!(say(&hello.command).await, "Good day, Ada.\n");

    let folder = demo.file().parent().unwrap().to_owned();
    demo.stop().await;
    assert!(!folder.exists(), "{} stays behind", folder.display());
}
