//! Logins that hold: who is sent to log in, with what, where they come back, and what the origin sees.

use super::{Browser, FLOW, Idp, SESSION, metric};
use crate::support::Origin;

#[tokio::test]
async fn a_browser_logs_in_and_comes_back_to_the_page_that_it_asked_for() {
    let idp = Idp::start(|_| {}).await;
    let (janua, origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    let asked = browser.begin(&janua, &idp, "/a/b?c=d%20e").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "janua"),
        ("redirect_uri", "http://a.example/.janua/corp/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    let back = browser.come_back(&janua, &idp, &asked["state"]).await;
    assert_eq!(back.status(), 303, "{back:?}");
    assert_eq!(back.field("location").unwrap(), "http://a.example/a/b?c=d%20e");
    assert_eq!(back.field("cache-control").unwrap(), "no-store");
    let set = back.values("set-cookie");
    let session = set.iter().find(|it| it.starts_with(&format!("{SESSION}="))).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{session}");
    assert_eq!(browser.flows(), [""; 0], "the login's cookie stays");

    let (form, proof) = idp.says.lock().asked[0].clone();
    assert!(proof.starts_with("Basic "), "{proof}");
    assert_eq!(form["redirect_uri"], asked["redirect_uri"]);
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(super::super::jwt::base64(digest), asked["code_challenge"]);

    browser.cookies.insert("theme".into(), "dark".into());
    let page = browser.send(&janua, "GET /a/b", "X-User: root\r\n").await;
    assert_eq!(page.status(), 200);
    let seen = origin.last();
    assert_eq!(seen.field("cookie").as_deref(), Some("theme=dark"), "the session's went on");
    assert_eq!(seen.values("x-user"), ["alice"]);
    assert_eq!(seen.values("x-roles"), ["admin"]);
    assert_eq!(metric(&janua, "janua_auth_logins_total{auth=\"corp\",outcome=\"ok\"}"), 1);
    assert_eq!(metric(&janua, "janua_auth_sessions{auth=\"corp\"}"), 1);
    let line = janua.logged("the page", |line| line["status"] == 200).await;
    assert_eq!((&line["user"], &line["auth"]), (&"alice".into(), &"corp".into()));
}

#[tokio::test]
async fn two_tabs_log_in_at_the_same_time() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    let first = browser.begin(&janua, &idp, "/first").await;
    let second = browser.begin(&janua, &idp, "/second").await;
    for (tab, page) in [(&first, "/first"), (&second, "/second")] {
        idp.says.lock().nonce = tab["nonce"].clone();
        let back = browser.come_back(&janua, &idp, &tab["state"]).await;
        assert_eq!(back.status(), 303, "{back:?}");
        assert_eq!(back.field("location").unwrap(), format!("http://a.example{page}"));
    }
    assert_eq!(browser.flows(), [""; 0]);
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
}

#[tokio::test]
async fn logins_that_never_come_back_do_not_pile_up_in_a_browser() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    let stale = format!("{FLOW}~AAAAAAAA");
    browser.cookies.insert(stale.clone(), "no login of this gateway's".into());
    let mut last = browser.begin(&janua, &idp, "/0").await;
    assert!(!browser.cookies.contains_key(&stale), "what nobody can open stays");
    for number in 1..20 {
        last = browser.begin(&janua, &idp, &format!("/{number}")).await;
        assert!(browser.flows().len() <= 5, "{:?}", browser.flows());
    }
    assert_eq!(browser.flows().len(), 5);
    let back = browser.come_back(&janua, &idp, &last["state"]).await;
    assert_eq!(back.field("location").unwrap(), "http://a.example/19", "the last one goes on");
    // Many that were begun at once are fewer after the next one.
    let mut many = Browser::default();
    for number in 0..10 {
        let mut tab = Browser::default();
        tab.begin(&janua, &idp, &format!("/{number}")).await;
        many.cookies.extend(tab.cookies);
    }
    assert_eq!(many.flows().len(), 10);
    many.begin(&janua, &idp, "/").await;
    assert_eq!(many.flows().len(), 5);
}

#[tokio::test]
async fn whatever_is_no_browser_that_asks_for_a_page_gets_401() {
    let idp = Idp::start(|_| {}).await;
    let (janua, origin) = idp.gateway("").await;
    for (line, fields) in [
        ("GET /", ""),
        ("GET /", "Accept: */*\r\n"),
        ("GET /", "Accept: application/json, text/html\r\n"),
        ("GET /", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n"),
        ("POST /", "Accept: text/html\r\nContent-Length: 0\r\n"),
        ("DELETE /", "Accept: text/html\r\n"),
    ] {
        let answer = crate::auth::send(&janua, line, fields).await;
        assert_eq!(answer.status(), 401, "{line} {fields}");
        assert_eq!(answer.field("www-authenticate").unwrap(), "Cookie realm=\"corp\"");
        assert!(answer.field("location").is_none() && answer.values("set-cookie").is_empty());
    }
    assert_eq!(origin.requests().len(), 0);
    let head = janua.client().await.request("HEAD /", "Accept: text/html\r\n").await;
    assert_eq!(head.status(), 302);
    let line = janua.logged("a login", |line| line["status"] == 302).await;
    assert_eq!(line["reason"], "auth.missing");
}

#[tokio::test]
async fn no_page_leads_a_browser_to_another_host() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    for page in [
        "//evil.example/x",
        "///evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/?next=https://evil.example",
        "/%0d%0aset-cookie:x",
        "/.//evil.example",
    ] {
        let mut browser = Browser::default();
        let first = browser.get(&janua, page).await;
        if first.status() == 400 {
            continue;
        }
        let mut browser = Browser::default();
        let back = browser.log_in(&janua, &idp, page).await;
        let to = back.field("location").unwrap();
        let rest = to.strip_prefix("http://a.example/").unwrap_or_else(|| panic!("{page}: {to}"));
        assert!(!rest.starts_with(['/', '\\']), "{page}: {to}");
    }
}

#[tokio::test]
async fn every_login_has_a_session_of_its_own_and_nobody_chooses_it() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.cookies.insert(SESSION.into(), "A".repeat(43));
    browser.log_in(&janua, &idp, "/").await;
    let first = browser.clone();
    assert_ne!(first.cookies[SESSION], "A".repeat(43), "a session that somebody else knows");
    // He logs in once more: the session before is over.
    let asked = Browser::default().begin(&janua, &idp, "/").await;
    drop(asked);
    let mut other = Browser::default();
    let asked = other.begin(&janua, &idp, "/").await;
    browser.cookies.extend(other.cookies);
    assert_eq!(browser.come_back(&janua, &idp, &asked["state"]).await.status(), 303);
    assert_ne!(browser.cookies[SESSION], first.cookies[SESSION]);
    let answer = first.clone().send(&janua, "GET /", "").await;
    answer.assert_refused(401, "auth.oidc.session", "the session before");
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
}

#[tokio::test]
async fn forged_and_doubled_cookies_are_nobodys() {
    let idp = Idp::start(|_| {}).await;
    let (janua, origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    let good = browser.cookies[SESSION].clone();
    for (cookie, status, reason) in [
        (format!("{SESSION}={}", "A".repeat(43)), 401, "auth.oidc.session"),
        (format!("{SESSION}="), 401, "auth.oidc.session"),
        (format!("{SESSION}={good}A"), 401, "auth.oidc.session"),
        (format!("{SESSION}={good}; {SESSION}={good}"), 400, "auth.ambiguous"),
        (format!("janua-corp={good}"), 401, "auth.missing"),
        (format!("{FLOW}~AAAAAAAA={good}"), 401, "auth.missing"),
        (format!("{SESSION}={}", "A".repeat(5_000)), 401, "auth.oidc.session"),
    ] {
        let answer = crate::auth::send(&janua, "GET /", &format!("Cookie: {cookie}\r\n")).await;
        answer.assert_refused(status, reason, &cookie);
    }
    assert_eq!(origin.requests().len(), 0);
    // A browser with a session that is over logs in again.
    let mut browser = Browser::default();
    browser.cookies.insert(SESSION.into(), "A".repeat(43));
    assert_eq!(browser.get(&janua, "/").await.status(), 302);
}

#[tokio::test]
async fn userinfo_adds_claims_and_overrides_none() {
    let idp = Idp::start(|_| {}).await;
    let section = idp.section("userinfo = true");
    let route = "auth = \"corp\"\nallow.claim.department = \"sales\"";
    let (janua, origin) = super::super::gateway(&section, route).await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
    assert_eq!(origin.last().values("x-roles"), ["admin"]);
}

#[tokio::test]
async fn doors_are_on_the_hosts_of_the_routes_and_nowhere_else() {
    let idp = Idp::start(|_| {}).await;
    let origin = Origin::named("other").await;
    let more = format!("[[route]]\nhost = \"b.example\"\nto = \"{}\"\n", origin.url);
    let (janua, _origin) = super::super::gateway(
        &format!("{}{more}", idp.section("callback = \"/back\"")),
        "host = \"a.example\"\nauth = \"corp\"",
    )
    .await;
    let mut client = janua.client().await;
    client.request("GET /back", "").await.assert_refused(400, "auth.oidc.flow", "no login");
    client.send("GET /back HTTP/1.1\r\nHost: b.example\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "other");
    // The session's cookie goes to no other origin of the host either.
    client
        .send(format!("GET / HTTP/1.1\r\nHost: b.example\r\nCookie: a=b; {SESSION}=x; {FLOW}~AAAAAAAA=y\r\n\r\n"))
        .await;
    client.answer().await;
    assert_eq!(origin.last().field("cookie").as_deref(), Some("a=b"));
}

#[tokio::test]
async fn a_trusted_proxy_says_how_the_browser_came() {
    let idp = Idp::start(|_| {}).await;
    let origin = Origin::ok().await;
    for (trusted, back) in [
        ("trusted-proxies = [\"127.0.0.1\"]", "https://app.example/.janua/corp/callback"),
        ("", "http://a.example/.janua/corp/callback"),
    ] {
        let janua = idp.setup(&origin, "").listener(trusted).start().await;
        let fields =
            "Accept: text/html\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example\r\n";
        let answer = crate::auth::send(&janua, "GET /", fields).await;
        let location = answer.field("location").unwrap();
        assert_eq!(super::form(location.split_once('?').unwrap().1)["redirect_uri"], back);
    }
    let janua = idp.setup(&origin, "public-url = \"https://app.example:8443\"").start().await;
    let answer = crate::auth::send(&janua, "GET /", "Accept: text/html\r\n").await;
    let location = answer.field("location").unwrap();
    let back = super::form(location.split_once('?').unwrap().1)["redirect_uri"].clone();
    assert_eq!(back, "https://app.example:8443/.janua/corp/callback");
}
