//! The demo: every line that it prints is run, and shows what it says.

use std::{net::SocketAddr, process::Command};

use janua::app::{
    Source,
    demo::{Arguments, CONFIG, Demo},
    explain::{self, explain},
};

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
