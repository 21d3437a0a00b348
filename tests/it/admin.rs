//! The operator's door: who may come in, and what it answers.

use std::{
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Daemon, Door, daemon::JANUA};

const ROUTE: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\n\
    [[route]]\nname = \"orders\"\npath = \"/orders/{id}\"\nto = \"echo\"\n";

fn with(admin: &str) -> String {
    format!("[log]\naccess = \"off\"\n[admin]\n{admin}\n{ROUTE}")
}

fn run(file: PathBuf) -> Command {
    let mut command = Command::new(JANUA);
    command.args(["run", "-c"]).arg(file);
    command
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn every_page_answers() {
    let daemon = Daemon::start(&with("address = \"unix:HOME/admin.sock\""));
    let door = daemon.admin();
    assert_eq!(door.get("/livez").0, 200);
    assert_eq!(door.get("/readyz").0, 200);
    let (status, metrics) = door.get("/metrics");
    assert!(status == 200 && metrics.contains("# TYPE janua_"), "{metrics}");
    let (status, config) = door.get("/config");
    assert!(status == 200 && config.contains("[admin]"), "{config}");
    let routes: Value = serde_json::from_str(body(&door.get("/routes").1)).unwrap();
    assert_eq!(routes[0]["name"], "orders");
    assert_eq!(door.get("/nothing").0, 404);
    assert_eq!(door.get("/reload").0, 405);
    assert_eq!(door.ask("DELETE /metrics", "").0, 405);
    assert_eq!(door.ask("POST /reload", "").0, 200);
}

#[test]
fn a_refused_reload_says_why_and_changes_nothing() {
    let daemon = Daemon::start(&with("address = \"127.0.0.1:0\""));
    daemon.write("[[route]]\nto = \"nobody\"\n");
    let (status, answer) = daemon.admin().ask("POST /reload", "");
    assert_eq!(status, 422);
    let problem: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(problem["reason"], "config.invalid");
    assert_eq!(problem["problems"][0]["line"], 2, "{problem}");
    assert_eq!(daemon.public.get("/orders/7").0, 200);
}

#[test]
fn with_a_token_only_who_has_it_comes_in() {
    let token = "0123456789abcdef0123456789abcdef";
    let daemon = Daemon::start(&with(&format!("address = \"127.0.0.1:0\"\ntoken = \"{token}\"")));
    let door = daemon.admin();
    assert_eq!(door.get("/livez").0, 200);
    for wrong in ["", "Authorization: Bearer x\r\n", "Authorization: Basic eDp5\r\n"] {
        let (status, answer) = door.ask("GET /config", wrong);
        assert_eq!(status, 401, "{wrong}");
        assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
        assert_eq!(door.ask("GET /nothing", wrong).0, 401, "it tells what there is");
    }
    let right = format!("Authorization: bearer {token}\r\n");
    let (status, config) = door.ask("GET /config", &right);
    assert!(status == 200 && !config.contains(token), "{config}");
}

#[test]
fn a_token_that_changes_in_its_file_holds_from_the_next_reload_on() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, "the-first-token-of-all\n").unwrap();
    let admin = "address = \"unix:HOME/admin.sock\"\ntoken = { file = \"HOME/token\" }";
    let daemon = Daemon::start_in(home, &with(admin), run);
    let ask = |token: &str| {
        daemon.admin().ask("POST /reload", &format!("Authorization: Bearer {token}\r\n")).0
    };
    std::fs::write(&file, "another-token-than-that\n").unwrap();
    assert_eq!(ask("another-token-than-that"), 401);
    assert_eq!(ask("the-first-token-of-all"), 200);
    assert_eq!(ask("the-first-token-of-all"), 401);
    // The verbs bring the token along.
    assert_eq!(daemon.verb("reload").status.code(), Some(0));
}

#[test]
fn the_socket_is_its_owners_and_no_two_gateways_share_it() {
    let daemon = Daemon::start(&with("address = \"unix:HOME/made/admin.sock\""));
    let path = daemon.home.path().join("made/admin.sock");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let second = daemon.verb("run");
    assert_eq!(second.status.code(), Some(78));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another process listens there"), "{said}");
    assert_eq!(daemon.admin().get("/readyz").0, 200);
    // What a gateway that was killed leaves behind is no hindrance.
    let home = daemon.leave();
    assert!(path.exists());
    let daemon = Daemon::start_in(home, &with("address = \"unix:HOME/made/admin.sock\""), run);
    assert_eq!(daemon.admin().get("/readyz").0, 200);
    daemon.signal(Signal::TERM);
    daemon.ended();
}

#[test]
fn what_takes_too_long_or_too_much_is_sent_away() {
    let daemon = Daemon::start(&with("address = \"127.0.0.1:0\""));
    let Door::Tcp(address) = daemon.admin() else { panic!("not TCP") };
    // More than may be there at once, all of them silent: they are closed, and others get in.
    let silent: Vec<_> = (0..80).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(daemon.admin().get("/livez").0, 200);
    drop(silent);
    let huge = format!("Content-Length: {}\r\n", 1 << 20);
    assert_eq!(daemon.admin().ask("POST /reload", &huge).0, 413);
}

#[test]
fn a_page_of_the_web_does_not_come_in() {
    let daemon = Daemon::start(&with("address = \"127.0.0.1:0\""));
    let door = daemon.admin();
    assert_eq!(door.ask("GET /config", "Host: evil.example\r\n").0, 403);
    assert_eq!(door.ask("POST /reload", "Origin: https://evil.example\r\n").0, 403);
}

#[test]
fn a_reload_moves_the_door() {
    let mut daemon = Daemon::start(&with("address = \"unix:HOME/one.sock\""));
    daemon.write(&with("address = \"unix:HOME/two.sock\""));
    assert_eq!(daemon.admin().ask("POST /reload", "").0, 200, "the answer under way is given");
    daemon.until("reloaded");
    assert!(!daemon.home.path().join("one.sock").exists());
    let two = Door::Unix(daemon.home.path().join("two.sock"));
    assert_eq!(two.get("/readyz").0, 200);
    // One that cannot be had is refused, and the door stays where it is.
    daemon.write(&with("address = \"unix:HOME/janua.toml\""));
    assert_eq!(two.ask("POST /reload", "").0, 422);
    assert_eq!(two.get("/readyz").0, 200);
}

#[test]
fn readiness_fails_first_and_clients_are_still_taken() {
    let text = with("address = \"unix:HOME/admin.sock\"");
    let mut daemon = Daemon::start(&format!("{text}[server.drain]\nannounce = \"1h\"\n"));
    daemon.signal(Signal::TERM);
    daemon.until("the end begins");
    let not_ready = |daemon: &Daemon| daemon.admin().get("/readyz").0 == 503;
    // The log's line comes before the drain's first step.
    while !not_ready(&daemon) {}
    assert_eq!(daemon.admin().get("/livez").0, 200);
    assert_eq!(daemon.admin().ask("POST /reload", "").0, 503);
    assert_eq!(daemon.verb("healthcheck").status.code(), Some(1));
    assert_eq!(daemon.public.get("/orders/7").0, 200);
    daemon.signal(Signal::TERM);
    let (code, said) = daemon.ended();
    assert_eq!(code, Some(0), "{said}");
}
