//! Chromium: a page over TLS and HTTP/2 whose script does what pages do, and says what it saw.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Doors, Nginx, Server, alone, program};
use crate::support::Janua;

/// How long a browser may take from its start to the end of the page's script.
const LONGEST: Duration = Duration::from_secs(60);

/// A browser without a window, which is closed when the test ends.
pub(super) struct Browser(Child);

impl Browser {
    pub(super) fn open(doors: &Doors, path: &str) -> Self {
        Self::open_among(doors, &[], path)
    }

    /// One that goes to others, too.
    pub(super) fn open_among(doors: &Doors, others: &[&Doors], path: &str) -> Self {
        let mut chromium = chromium(&doors.janua);
        chromium.arg("--remote-debugging-port=0");
        let pins = [doors].into_iter().chain(others.iter().copied());
        let pins: Vec<_> = pins.map(|doors| doors.identity.pin()).collect();
        chromium.arg(format!("--ignore-certificate-errors-spki-list={}", pins.join(",")));
        chromium.arg(format!("{}{path}", doors.tls));
        Self(chromium.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

/// A browser that others drive by its DevTools, at this port.
pub(super) struct Driven {
    _browser: Browser,
    pub(super) port: u16,
}

impl Driven {
    pub(super) async fn open(beside: &Janua) -> Self {
        let mut chromium = chromium(beside);
        chromium.args(["--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank"]);
        let browser =
            Browser(chromium.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let file = beside.path("chromium").join("DevToolsActivePort");
        let said = || std::fs::read_to_string(&file).ok()?.lines().next()?.parse().ok();
        let end = Instant::now() + LONGEST;
        loop {
            if let Some(port) = said() {
                return Self { _browser: browser, port };
            }
            assert!(Instant::now() < end, "the browser does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Chromium without a window, which goes nowhere but to this machine. What it keeps is beside the gateway's files.
fn chromium(beside: &Janua) -> Command {
    let mut chromium = Command::new(program("chromium"));
    alone(&mut chromium);
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    chromium.args(["--no-first-run", "--disable-background-networking"]);
    chromium.arg("--disable-component-update");
    chromium.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2");
    chromium.arg(format!("--user-data-dir={}", beside.path("chromium").display()));
    chromium
}

/// A page as it is when its scripts have done what they do, and what the browser says of it.
pub(super) async fn shown(beside: &Janua, url: &str) -> (String, String) {
    let mut chromium = chromium(beside);
    chromium.args(["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", url]);
    let shown = tokio::task::spawn_blocking(move || chromium.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&shown.stdout), text(&shown.stderr))
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_page_works_as_without_janua() {
    let nginx = Nginx::start("gzip on; dav_methods PUT; client_max_body_size 64m;");
    nginx.file("page.html", include_str!("../../peers/page.html"));
    nginx.file("page.txt", "text");
    let (events, socket) =
        (Server::start("events_server.py"), Server::start("websocket_server.py"));
    let doors = Doors::before(format!(
        "[[route]]\nto = \"{}\"\n\
         [[route]]\npath = \"/ws\"\nto = \"{}\"\n\
         [[route]]\npath = [\"/events\", \"/go\", \"/hold\", \"/gone\"]\nto = \"{}\"\n",
        nginx.url, socket.url, events.url
    ))
    .await;
    let _browser = Browser::open(&doors, "/page.html");
    let end = Instant::now() + LONGEST;
    let seen = loop {
        // nginx moves it to its place when all of it is there.
        if let Ok(seen) = std::fs::read(nginx.file_at("seen")) {
            break serde_json::from_slice::<Value>(&seen).unwrap();
        }
        assert!(Instant::now() < end, "the page says nothing; {:#?}", doors.janua.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let wanted = json!({
        "protocol": "h2",
        "text": "text",
        "many": 100,
        "upload": 201,
        "aborted": "TimeoutError",
        "origin": "gone",
        "events": ["event 1", "event 2", "event 3"],
        "socket": ["one", "grüß dich", 4321, "as you wish"],
    });
    assert_eq!(seen, wanted);
}
