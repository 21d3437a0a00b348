//! Chromium logs in at `oidc-provider`, comes back to the page that it asked for, and logs out: at one
//! gateway, and at two that share their sessions.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{Doors, Server, browser::Browser, store::StoreServer};
use crate::support::Origin;

/// How long a browser may take.
const LONGEST: Duration = Duration::from_secs(60);

/// The page, which logs out.
const PAGE: &str = "<!doctype html><script>location = '/.janua/people/logout'</script>";

/// The first request for this path that a gateway logged.
async fn logged(doors: &Doors, path: &str) -> serde_json::Value {
    let found = async {
        loop {
            if let Some(line) = doors.janua.log().iter().find(|line| line["path"] == path) {
                break line.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let line = tokio::time::timeout(LONGEST, found).await;
    line.unwrap_or_else(|_| panic!("nobody came to {path}; {:#?}", doors.janua.log()))
}

#[tokio::test]
async fn a_browser_that_logged_in_at_one_gateway_is_known_at_another_and_logs_out_there() {
    let (provider, server) = (Server::start("oidc_provider.mjs"), StoreServer::start());
    // From the first gateway to the second, and from there to the logout.
    let second = Arc::new(OnceLock::<String>::new());
    let next = second.clone();
    let origin = Origin::script(move |mut peer| {
        let next = next.clone();
        async move {
            while let Some(request) = peer.request().await {
                let to = match request.target() {
                    "/first" => format!("{}/second", next.get().unwrap()),
                    _ => "/.janua/people/logout".into(),
                };
                let page = format!("<!doctype html><script>location = '{to}'</script>");
                let length = page.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html";
                peer.send(format!("{head}\r\nContent-Length: {length}\r\n\r\n{page}")).await;
            }
        }
    })
    .await;
    let config = format!(
        "[store.shared]\nurl = \"{}\"\ntimeout = \"2s\"\n\
         [auth.people]\nidentity-headers = {{ x-user = \"sub\" }}\n\
         [auth.people.oidc]\nissuer = \"{}\"\nclient-id = \"janua\"\n\
         client-secret = \"a secret/with:odd %+ characters\"\n\
         store = \"shared\"\nstore-secret = \"what all gateways know and nobody else\"\n\
         [[route]]\nauth = \"people\"\nto = \"{}\"\n",
        server.url(),
        provider.url,
        origin.url
    );
    let (one, other) = (Doors::before(&*config).await, Doors::before(&*config).await);
    second.set(other.tls.clone()).unwrap();
    let _browser = Browser::open_among(&one, &[&other], "/first");
    let line = logged(&other, "/.janua/people/logout").await;
    assert_eq!(line["status"], 303, "{line}");
    let seen = origin.requests();
    let users = |target| {
        let page = seen.iter().find(|it| it.target() == target).unwrap();
        page.values("x-user")
    };
    assert_eq!((users("/first"), users("/second")), (vec!["alice"], vec!["alice"]));
    let back = logged(&one, "/.janua/people/callback").await;
    assert_eq!(back["status"], 303, "{back}");
    let logins = |doors: &Doors| {
        doors.janua.counted("janua_auth_logins_total{auth=\"people\",outcome=\"ok\"}")
    };
    assert_eq!((logins(&one), logins(&other)), (1, 0));
    assert_eq!(server.command(&["KEYS", "janua:oidc:people:session:*"]), "", "the session goes on");
}

#[tokio::test]
async fn a_browser_logs_in_and_out() {
    let provider = Server::start("oidc_provider.mjs");
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
    let line = logged(&doors, "/.janua/people/logout").await;
    assert_eq!(line["status"], 303, "{line}");
    let seen = origin.requests();
    let page = seen.iter().find(|it| it.target() == "/a/page?of=mine").unwrap();
    assert_eq!(page.values("x-user"), ["alice"]);
    assert_eq!(page.values("x-name"), ["Alice"]);
    assert_eq!(page.values("x-roles"), ["admin"]);
    assert_eq!(page.field("cookie"), None, "the session's cookie went on");
    assert_eq!(doors.janua.counted("janua_auth_logouts_total{auth=\"people\"}"), 1);
}
