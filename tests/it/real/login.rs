//! Chromium logs in at `oidc-provider`, comes back to the page that it asked for, and logs out.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{Doors, Server, alone, browser::Browser, program};
use crate::support::Origin;

/// How long a browser may take.
const LONGEST: Duration = Duration::from_secs(60);

/// The page, which logs out.
const PAGE: &str = "<!doctype html><script>location = '/.janua/people/logout'</script>";

fn provider() -> Server {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let peers = std::env::var_os("JANUA_PEERS");
    let peers = peers.map_or_else(|| root.join("target/peers"), Into::into);
    let at = peers.join("node_modules/oidc-provider");
    assert!(at.exists(), "there is no `{}`: run tests/run, which installs it", at.display());
    let mut node = Command::new(program("node"));
    alone(&mut node);
    node.arg(root.join("tests/peers/oidc_provider.mjs")).env("JANUA_PEERS", peers);
    let mut child = node.stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    Server { child, url: format!("http://127.0.0.1:{}", port.trim()) }
}

#[tokio::test]
async fn a_browser_logs_in_and_out() {
    let provider = provider();
    let length = PAGE.len();
    let origin = Origin::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{PAGE}"
    ))
    .await;
    let doors = Doors::before(format!(
        "[auth.people]\nidentity-headers = {{ x-user = \"sub\", x-name = \"name\", x-roles = \"roles\" }}\n\
         [auth.people.oidc]\nissuer = \"{}\"\nclient-id = \"janua\"\n\
         client-secret = \"a secret/with:odd %+ characters\"\nuserinfo = true\n\
         [[route]]\nauth = \"people\"\nto = \"{}\"\n",
        provider.url, origin.url
    ))
    .await;
    let _browser = Browser::open(&doors, "/a/page?of=mine");
    let logged_out = async {
        loop {
            let log = doors.janua.log();
            let out = |line: &&serde_json::Value| line["path"] == "/.janua/people/logout";
            if let Some(line) = log.iter().find(out) {
                break line.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let line = tokio::time::timeout(LONGEST, logged_out).await;
    let line = line.unwrap_or_else(|_| panic!("nobody logged out; {:#?}", doors.janua.log()));
    assert_eq!(line["status"], 303, "{line}");
    let seen = origin.requests();
    let page = seen.iter().find(|it| it.target() == "/a/page?of=mine").unwrap();
    assert_eq!(page.values("x-user"), ["alice"]);
    assert_eq!(page.values("x-name"), ["Alice"]);
    assert_eq!(page.values("x-roles"), ["admin"]);
    assert_eq!(page.field("cookie"), None, "the session's cookie went on");
    let metrics = doors.janua.world().metrics.encode(&janua::metrics::Outside::default());
    assert!(metrics.contains("janua_auth_logouts_total{auth=\"people\"} 1\n"), "{metrics}");
}
