//! Sessions after the login: renewed, ended by their time, by their user, by the provider; and not by others.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Browser, Idp, SESSION, change, metric, now};
use crate::{
    auth::send,
    support::{Janua, Message, Origin, PATIENCE, soon, until},
};

const CORP: &str = "{auth=\"corp\"}";

#[tokio::test]
async fn a_session_outlives_a_reload_and_is_seen_by_the_rules_that_hold_now() {
    let idp = Idp::start(|_| {}).await;
    let origin = Origin::ok().await;
    let janua = idp.setup(&origin, "").start().await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    let section = |more, role: &str| {
        let route = format!("auth = \"corp\"\nallow.role = \"{role}\"");
        super::super::setup(&origin, &idp.section(more), &route)
    };
    janua.reload(&section("roles = \"sid\"", "s1")).await.unwrap();
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
    janua.reload(&section("request-scopes = \"openid\"", "s1")).await.unwrap();
    browser.send(&janua, "GET /", "").await.assert_refused(403, "authz.role", "no role any more");
    janua.reload(&section("request-scopes = \"openid\"", "admin")).await.unwrap();
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("lifetime = \"300ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    // It is in use all the time.
    let answer = first_refusal(&mut browser, &janua).await;
    answer.assert_refused(401, "auth.oidc.session", "its lifetime");
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_for_long_enough() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("idle = \"300ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    let mut pause = Duration::from_millis(20);
    let answer = loop {
        let answer = browser.send(&janua, "GET /", "").await;
        if answer.status() != 200 {
            break answer;
        }
        assert!(pause < PATIENCE, "it is never idle for too long");
        tokio::time::sleep(pause).await;
        pause *= 2;
    };
    answer.assert_refused(401, "auth.oidc.session", "idle");
}

/// The first answer that is not 200, which has to come soon.
async fn first_refusal(browser: &mut Browser, janua: &Janua) -> Message {
    soon("a refusal", async {
        loop {
            let answer = browser.send(janua, "GET /", "").await;
            if answer.status() != 200 {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_session_is_renewed_by_one_request_and_ends_when_the_provider_says_no() {
    let tokens = json!({ "refresh_token": "r1", "expires_in": 0 });
    let idp = Idp::start(|says| says.tokens = tokens).await;
    let (janua, origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    {
        let mut says = idp.says.lock();
        says.claims = json!({ "nonce": null, "roles": ["user"] });
        says.tokens = json!({ "refresh_token": "r2", "expires_in": 0 });
    }
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
    assert_eq!(origin.last().values("x-roles"), ["user"], "the claims are the old ones");
    let asked = idp.says.lock().asked.clone();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        (&*asked[1].0["grant_type"], &*asked[1].0["refresh_token"]),
        ("refresh_token", "r1")
    );
    assert_eq!(
        metric(&janua, "janua_auth_session_refreshes_total{auth=\"corp\",outcome=\"ok\"}"),
        1
    );
    {
        let mut says = idp.says.lock();
        says.head = "400 Bad";
        says.body = Some(r#"{"error":"invalid_grant"}"#.into());
    }
    // Its time is over once more a second later.
    let answer = first_refusal(&mut browser, &janua).await;
    answer.assert_refused(401, "auth.oidc.session", "the provider says no");
    let asked = idp.says.lock().asked.clone();
    assert_eq!(asked[2].0["refresh_token"], "r2", "the new token is used");
    assert_eq!(metric(&janua, &format!("janua_auth_sessions{CORP}")), 0);
}

#[tokio::test]
async fn while_the_provider_is_not_there_a_session_goes_on() {
    let tokens = json!({ "refresh_token": "r1", "expires_in": 0 });
    let idp = Idp::start(|says| says.tokens = tokens).await;
    let section = idp.section("").replace("\"3s\"", "\"300ms\"");
    let (janua, _origin) = super::super::gateway(&section, "auth = \"corp\"").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    idp.says.lock().hangs = true;
    let (mut one, mut other) = (browser.clone(), browser.clone());
    let (one, other) = tokio::join!(one.send(&janua, "GET /", ""), other.send(&janua, "GET /", ""));
    assert_eq!((one.status(), other.status()), (200, 200));
    let failed = "janua_auth_session_refreshes_total{auth=\"corp\",outcome=\"failed\"}";
    assert_eq!(metric(&janua, failed), 1, "it was asked twice");
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
    assert_eq!(metric(&janua, failed), 1, "it is asked again and again");
}

#[tokio::test]
async fn a_refresh_that_brings_somebody_else_ends_the_session() {
    let tokens = json!({ "refresh_token": "r1", "expires_in": 0 });
    let idp = Idp::start(|says| says.tokens = tokens).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    idp.says.lock().claims = json!({ "sub": "mallory" });
    let answer = browser.send(&janua, "GET /", "").await;
    answer.assert_refused(401, "auth.oidc.session", "somebody else");
}

#[tokio::test]
async fn a_user_logs_out_here_and_at_the_provider() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("after-logout = \"/bye\"").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    let before = browser.clone();
    let answer =
        browser.send(&janua, "GET /.janua/corp/logout", "Sec-Fetch-Site: same-origin\r\n").await;
    assert_eq!(answer.status(), 303);
    let to = answer.field("location").unwrap();
    assert!(to.starts_with(&format!("{}/end?x=y&", idp.at.url)), "{to}");
    let asked = super::form(to.split_once('?').unwrap().1);
    assert_eq!(asked["post_logout_redirect_uri"], "http://a.example/bye");
    assert_eq!(asked["id_token_hint"].matches('.').count(), 2);
    assert!(!browser.cookies.contains_key(SESSION), "the cookie stays");
    let answer = before.clone().send(&janua, "GET /", "").await;
    answer.assert_refused(401, "auth.oidc.session", "logged out");
    assert_eq!(metric(&janua, &format!("janua_auth_logouts_total{CORP}")), 1);
    // Nobody is logged out: where it leads all the same.
    let answer = browser
        .send(
            &janua,
            "POST /.janua/corp/logout",
            "Origin: http://a.example\r\nContent-Length: 0\r\n",
        )
        .await;
    assert_eq!(answer.field("location").unwrap(), "http://a.example/bye");
}

#[tokio::test]
async fn another_site_logs_nobody_out() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    for (line, fields) in [
        ("GET /.janua/corp/logout", ""),
        ("GET /.janua/corp/logout", "Sec-Fetch-Site: cross-site\r\n"),
        ("GET /.janua/corp/logout", "Sec-Fetch-Site: same-site\r\n"),
        ("GET /.janua/corp/logout", "Referer: http://evil.example/\r\n"),
        ("POST /.janua/corp/logout", "Origin: http://evil.example\r\nContent-Length: 0\r\n"),
        ("POST /.janua/corp/logout", "Origin: null\r\nContent-Length: 0\r\n"),
    ] {
        let answer = browser.send(&janua, line, fields).await;
        answer.assert_refused(403, "auth.oidc.cross_site", fields);
    }
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200);
}

/// A logout token that holds but for these claims and this header.
pub(crate) fn logout_token(idp: &Idp, claims: &Value, header: &Value) -> String {
    let good = json!({
        "iss": idp.at.url, "aud": "janua", "sub": "alice", "sid": "s1", "iat": now(), "exp": now() + 60,
        "jti": "j1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let head = json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" });
    let says = idp.says.lock();
    says.signer.raw(&change(head, header).to_string(), &change(good, claims).to_string())
}

pub(crate) async fn post(janua: &Janua, kind: &str, body: &str) -> Message {
    let line = "POST /.janua/corp/backchannel-logout";
    janua.client().await.request_with(line, &format!("Content-Type: {kind}\r\n"), body).await
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
#[rustfmt::skip]
async fn a_logout_token_that_does_not_hold_logs_nobody_out() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &idp, "/").await;
    let none = json!({});
    for (what, claims, header) in [
        ("no event", json!({ "events": null }), &none),
        ("another event", json!({ "events": { "x": {} } }), &none),
        ("an event that is none", json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } }), &none),
        ("a nonce", json!({ "nonce": "x" }), &none),
        ("nobody", json!({ "sub": null, "sid": null }), &none),
        ("a number", json!({ "sub": 7 }), &none),
        ("without a name", json!({ "jti": null }), &none),
        ("without a time", json!({ "iat": null }), &none),
        ("long ago", json!({ "iat": now() - 3_600 }), &none),
        ("expired", json!({ "exp": now() - 60 }), &none),
        ("for others", json!({ "aud": "other" }), &none),
        ("by others", json!({ "iss": "https://evil.example" }), &none),
        ("alg none", none.clone(), &json!({ "alg": "none" })),
        ("an access token", none.clone(), &json!({ "typ": "at+jwt" })),
        ("an unknown key", none.clone(), &json!({ "kid": "b" })),
    ] {
        let body = format!("logout_token={}", logout_token(&idp, &claims, header));
        post(&janua, FORM, &body).await.assert_refused(400, "auth.oidc.logout_token", what);
    }
    let good = format!("logout_token={}", logout_token(&idp, &none, &none));
    let (rest, end) = good.split_at(good.len() - 2);
    let forged = format!("{rest}{}", if end == "AA" { "BA" } else { "AA" });
    let id_token = idp.says.lock().id_token(&idp.at.url);
    for (what, kind, body) in [
        ("nothing", FORM, ""),
        ("not a form", "application/json", &*good),
        ("two", FORM, &*format!("{good}&{good}")),
        ("forged", FORM, &*forged),
        ("an ID token", FORM, &*format!("logout_token={id_token}")),
    ] {
        post(&janua, kind, body).await.assert_refused(400, "auth.oidc.logout_token", what);
    }
    let huge = format!("logout_token={}", "a".repeat(40_000));
    post(&janua, FORM, &huge).await.assert_refused(413, "request.body_too_large", "huge");
    assert_eq!(browser.send(&janua, "GET /", "").await.status(), 200, "logged out");
}

#[tokio::test]
async fn the_provider_logs_somebody_out_once() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let (mut alice, mut also, mut bob) =
        (Browser::default(), Browser::default(), Browser::default());
    alice.log_in(&janua, &idp, "/").await;
    idp.says.lock().claims = json!({ "sid": "s2" });
    also.log_in(&janua, &idp, "/").await;
    idp.says.lock().claims = json!({ "sub": "bob", "sid": "s3" });
    bob.log_in(&janua, &idp, "/").await;
    let body = format!("logout_token={}", logout_token(&idp, &json!({}), &json!({})));
    let answer = post(&janua, FORM, &body).await;
    assert_eq!(
        (answer.status(), answer.field("cache-control").as_deref()),
        (200, Some("no-store"))
    );
    alice.send(&janua, "GET /", "").await.assert_refused(401, "auth.oidc.session", "logged out");
    assert_eq!(also.send(&janua, "GET /", "").await.status(), 200, "another session of hers");
    post(&janua, FORM, &body).await.assert_refused(400, "auth.oidc.logout_token", "again");
    let all = logout_token(&idp, &json!({ "sid": null, "jti": "j2" }), &json!({}));
    assert_eq!(post(&janua, FORM, &format!("logout_token={all}")).await.status(), 200);
    also.send(&janua, "GET /", "").await.assert_refused(401, "auth.oidc.session", "all of hers");
    assert_eq!(bob.send(&janua, "GET /", "").await.status(), 200);
    until("the count", || metric(&janua, &format!("janua_auth_sessions{CORP}")) == 1).await;
    drop(send(&janua, "GET /", "").await);
}
