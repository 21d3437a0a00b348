//! Logins in a store: two gateways that share their sessions, and what holds without the store.

use std::time::Instant;

use serde_json::json;

use super::{StoreServer, metric};
use crate::{
    auth::{
        self,
        oidc::{
            Browser, Idp, SESSION,
            sessions::{FORM, logout_token, post},
        },
    },
    support::{Janua, Message, Origin, PATIENCE, Setup, until},
};

const SECRET: &str = "a secret of all gateways, 32 characters at least";

/// Gateways that share a store, and what is before and behind them.
struct World {
    server: StoreServer,
    idp: Idp,
    origin: Origin,
}

impl World {
    async fn begin() -> Self {
        Self {
            server: StoreServer::start(),
            idp: Idp::start(|_| {}).await,
            origin: Origin::ok().await,
        }
    }

    /// A gateway's file, with these keys of `oidc` more.
    fn setup(&self, more: &str) -> Setup {
        self.setup_for(more, "")
    }

    /// .. and these of the route.
    fn setup_for(&self, more: &str, route: &str) -> Setup {
        let secret = match more.contains("store-secret") {
            true => String::new(),
            false => format!("store-secret = \"{SECRET}\""),
        };
        let store = format!("[store.shared]\ntimeout = \"2s\"\nurl = \"{}\"\n", self.server.url());
        let section = self.idp.section(&format!("store = \"shared\"\n{secret}\n{more}"));
        let route = format!("auth = \"corp\"\n{route}");
        auth::setup(&self.origin, &format!("{store}{section}"), &route)
    }

    async fn gateway(&self, more: &str) -> Janua {
        self.setup(more).start().await
    }

    async fn gateways(&self, more: &str) -> (Janua, Janua) {
        (self.gateway(more).await, self.gateway(more).await)
    }

    /// The keys of this kind in the store.
    fn keys(&self, kind: &str) -> Vec<String> {
        let keys = self.server.command(&["KEYS", &format!("janua:oidc:corp:{kind}:*")]);
        keys.lines().filter(|key| !key.is_empty()).map(String::from).collect()
    }
}

async fn page(browser: &Browser, janua: &Janua) -> Message {
    browser.clone().send(janua, "GET /", "").await
}

/// The first answer that is not 200, which has to come soon.
async fn refused(browser: &Browser, janua: &Janua) -> Message {
    let began = Instant::now();
    loop {
        let answer = page(browser, janua).await;
        if answer.status() != 200 {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it goes on for ever");
    }
}

#[tokio::test]
async fn a_login_begins_at_one_gateway_and_comes_back_at_another() {
    let world = World::begin().await;
    let (one, other) = world.gateways("").await;
    let mut browser = Browser::default();
    let asked = browser.begin(&one, &world.idp, "/a?b").await;
    let mut again = browser.clone();
    let back = browser.come_back(&other, &world.idp, &asked["state"]).await;
    assert_eq!(back.status(), 303, "{back:?}");
    assert_eq!(back.field("location").unwrap(), "http://a.example/a?b");
    let callback = format!("GET /.janua/corp/callback?code=c&state={}", asked["state"]);
    let replayed = again.send(&one, &callback, "").await;
    replayed.assert_refused(400, "auth.oidc.replayed", "it came back at the other");
    for janua in [&one, &other] {
        assert_eq!(page(&browser, janua).await.status(), 200);
        assert_eq!(world.origin.last().values("x-user"), ["alice"]);
    }
    // One that starts later knows it too, and one that loads another file.
    let third = world.gateway("").await;
    assert_eq!(page(&browser, &third).await.status(), 200);
    for (roles, status) in [("sid", 200), ("sub", 403)] {
        let setup = world.setup_for(&format!("roles = \"{roles}\""), "allow.role = \"s1\"");
        third.reload(&setup).await.unwrap();
        let answer = page(&browser, &third).await;
        assert_eq!(answer.status(), status, "it is seen by the rules that hold now: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_in_the_store_tells_nothing_and_is_not_asked_for_each_request() {
    let world = World::begin().await;
    world.idp.says.lock().tokens = json!({ "refresh_token": "a-refresh-token" });
    let janua = world.gateway("").await;
    let mut browser = Browser::default();
    browser.log_in(&janua, &world.idp, "/").await;
    let cookie = browser.cookies[SESSION].clone();
    let keys = world.server.command(&["KEYS", "*"]);
    let mut all = keys.clone();
    for key in keys.lines() {
        all += &match world.server.command(&["TYPE", key]).as_str() {
            "zset" => world.server.command(&["ZRANGE", key, "0", "-1"]),
            _ => world.server.command(&["GET", key]),
        };
        let time: i64 = world.server.command(&["PTTL", key]).parse().unwrap();
        assert!(0 < time && time <= 43_200_000, "{key} stays for {time}");
    }
    assert_eq!(world.keys("session").len(), 1, "{keys}");
    for word in [&*cookie, "alice", "refresh-token", "\"sub\"", "s1\"", SECRET] {
        assert!(!all.contains(word), "`{word}` is in the store: {all}");
    }
    let shown = janua::config::show(&janua.world().config);
    assert!(!shown.contains(SECRET) && !format!("{:?}", janua.world()).contains(SECRET));
    let commands = || metric(&janua, "janua_store_commands_total{store=\"shared\"}");
    let before = commands();
    for _ in 0..20 {
        assert_eq!(page(&browser, &janua).await.status(), 200);
    }
    // More than once only if this took longer than the time for which it is remembered.
    assert!(commands() - before < 10, "{} commands", commands() - before);
}

#[tokio::test]
async fn a_logout_at_one_gateway_is_one_at_all() {
    let world = World::begin().await;
    let (one, other) = world.gateways("remember = \"200ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&one, &world.idp, "/").await;
    assert_eq!(page(&browser, &other).await.status(), 200);
    let before = browser.clone();
    let answer =
        browser.send(&one, "GET /.janua/corp/logout", "Sec-Fetch-Site: same-origin\r\n").await;
    let to = answer.field("location").unwrap();
    assert!(to.contains("id_token_hint=ey"), "{to}");
    page(&before, &one).await.assert_refused(401, "auth.oidc.session", "at once where it was");
    refused(&before, &other).await.assert_refused(401, "auth.oidc.session", "soon elsewhere");
}

#[tokio::test]
async fn a_new_login_ends_the_session_before_at_all_gateways() {
    let world = World::begin().await;
    let (one, other) = world.gateways("remember = \"200ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&one, &world.idp, "/").await;
    let before = browser.clone();
    let mut fresh = Browser::default();
    let asked = fresh.begin(&other, &world.idp, "/").await;
    browser.cookies.extend(fresh.cookies);
    assert_eq!(browser.come_back(&other, &world.idp, &asked["state"]).await.status(), 303);
    refused(&before, &one).await.assert_refused(401, "auth.oidc.session", "the session before");
    assert_eq!(page(&browser, &one).await.status(), 200);
}

#[tokio::test]
async fn the_provider_logs_somebody_out_at_all_gateways() {
    let world = World::begin().await;
    let (one, other) = world.gateways("remember = \"200ms\"").await;
    let (mut alice, mut also, mut bob) =
        (Browser::default(), Browser::default(), Browser::default());
    for (browser, claims) in [
        (&mut alice, json!({})),
        (&mut also, json!({ "sid": "s2" })),
        (&mut bob, json!({ "sub": "bob", "sid": "s3" })),
    ] {
        world.idp.says.lock().claims = claims;
        browser.log_in(&one, &world.idp, "/").await;
    }
    let token = |claims| format!("logout_token={}", logout_token(&world.idp, &claims, &json!({})));
    let wrong = token(json!({ "sid": "s3", "jti": "j0" }));
    assert_eq!(post(&other, FORM, &wrong).await.status(), 200, "nobody's: alice has no s3");
    let first = token(json!({}));
    assert_eq!(post(&other, FORM, &first).await.status(), 200);
    refused(&alice, &one).await.assert_refused(401, "auth.oidc.session", "by sid and sub");
    for browser in [&also, &bob] {
        assert_eq!(page(browser, &one).await.status(), 200);
    }
    post(&one, FORM, &first).await.assert_refused(400, "auth.oidc.logout_token", "used before");
    let all = token(json!({ "sid": null, "jti": "j2" }));
    assert_eq!(post(&one, FORM, &all).await.status(), 200);
    page(&also, &one).await.assert_refused(401, "auth.oidc.session", "by sub");
    assert_eq!(page(&bob, &other).await.status(), 200);
    let his = token(json!({ "sub": null, "sid": "s3", "jti": "j3" }));
    assert_eq!(post(&one, FORM, &his).await.status(), 200);
    refused(&bob, &other).await.assert_refused(401, "auth.oidc.session", "by sid");
    assert_eq!(world.keys("session"), [""; 0]);
}

#[tokio::test]
async fn one_gateway_renews_a_session_and_the_others_go_on() {
    let world = World::begin().await;
    world.idp.says.lock().tokens = json!({ "refresh_token": "r1", "expires_in": 0 });
    let (one, other) = world.gateways("remember = \"100ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&one, &world.idp, "/").await;
    {
        let mut says = world.idp.says.lock();
        says.claims = json!({ "nonce": null, "roles": ["user"] });
        says.tokens = json!({ "refresh_token": "r2", "expires_in": 3_600 });
        says.hangs = true;
    }
    let renewing = page(&browser, &one);
    let meanwhile = async {
        until("the provider is asked", || world.idp.says.lock().held == 1).await;
        for _ in 0..3 {
            let answer = page(&browser, &other).await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            assert_eq!(world.origin.last().values("x-roles"), ["admin"]);
        }
        world.idp.says.lock().hangs = false;
    };
    let (answer, ()) = tokio::join!(renewing, meanwhile);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(world.origin.last().values("x-roles"), ["user"]);
    let began = Instant::now();
    while world.origin.last().values("x-roles") != ["user"] || began.elapsed().as_millis() < 200 {
        assert_eq!(page(&browser, &other).await.status(), 200);
        assert!(began.elapsed() < PATIENCE, "the other gateway does not see it");
    }
    let asked = world.idp.says.lock().asked.clone();
    assert_eq!(asked.len(), 2, "the token was used twice: {asked:?}");
    assert_eq!(asked[1].0["refresh_token"], "r1");
    assert_eq!(world.keys("turn"), [""; 0], "the turn was not given back");
}

#[tokio::test]
async fn a_session_that_the_provider_does_not_renew_ends_at_all_gateways() {
    let world = World::begin().await;
    world.idp.says.lock().tokens = json!({ "refresh_token": "r1", "expires_in": 0 });
    let (one, other) = world.gateways("remember = \"100ms\"").await;
    let mut browser = Browser::default();
    browser.log_in(&one, &world.idp, "/").await;
    {
        let mut says = world.idp.says.lock();
        says.head = "400 Bad";
        says.body = Some(r#"{"error":"invalid_grant"}"#.into());
    }
    for janua in [&one, &other] {
        let answer = page(&browser, janua).await;
        answer.assert_refused(401, "auth.oidc.session", "the provider says no");
    }
    assert_eq!(world.idp.says.lock().asked.len(), 2, "the token was used twice");
}

#[tokio::test]
async fn a_session_ends_by_its_time_at_all_gateways() {
    let world = World::begin().await;
    let (one, other) =
        world.gateways("remember = \"50ms\"\nidle = \"1h\"\nlifetime = \"2s\"").await;
    let mut browser = Browser::default();
    browser.log_in(&one, &world.idp, "/").await;
    // It is in use all the time.
    for janua in [&one, &other] {
        refused(&browser, janua).await.assert_refused(401, "auth.oidc.session", "its lifetime");
    }

    let (one, other) = world.gateways("remember = \"50ms\"\nidle = \"1h\"").await;
    browser.log_in(&one, &world.idp, "/").await;
    let key = world.keys("session")[0].clone();
    let left = || world.server.command(&["PTTL", &key]).parse::<u64>().unwrap();
    assert!((3_000_000..=3_600_000).contains(&left()), "{}", left());
    world.server.command(&["PEXPIRE", &key, "60000"]);
    let began = Instant::now();
    while left() <= 60_000 {
        assert_eq!(page(&browser, &other).await.status(), 200);
        assert!(began.elapsed() < PATIENCE, "a use of it does not count");
    }
    // Nobody uses it any more.
    world.server.command(&["PEXPIRE", &key, "1"]);
    for janua in [&one, &other] {
        refused(&browser, janua).await.assert_refused(401, "auth.oidc.session", "idle");
    }
}

#[tokio::test]
async fn without_the_store_who_is_remembered_goes_on_and_nobody_else() {
    let mut world = World::begin().await;
    let short = world.gateway("remember = \"50ms\"").await;
    let long = world.gateway("remember = \"1h\"\nidle = \"2h\"").await;
    let mut browser = Browser::default();
    browser.log_in(&short, &world.idp, "/").await;
    assert_eq!(page(&browser, &long).await.status(), 200);
    let mut late = Browser::default();
    let asked = late.begin(&short, &world.idp, "/").await;
    world.server.kill();
    let down = |janua: &Janua| metric(janua, "janua_store_up{store=\"shared\"}") == 0;
    until("the store is down", || down(&short) && down(&long)).await;
    assert_eq!(page(&browser, &long).await.status(), 200, "that one is remembered");
    let answer = refused(&browser, &short).await;
    answer.assert_refused(503, "auth.oidc.store_unavailable", "nobody can say");
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
    let callback = late.clone().come_back(&short, &world.idp, &asked["state"]).await;
    assert_eq!(callback.status(), 503);
    assert!(callback.text().contains("auth.oidc.store_unavailable"), "{callback:?}");
    let logout = "Sec-Fetch-Site: same-origin\r\n";
    let answer = browser.clone().send(&long, "GET /.janua/corp/logout", logout).await;
    answer.assert_refused(503, "auth.oidc.store_unavailable", "it would go on elsewhere");
    let token = format!("logout_token={}", logout_token(&world.idp, &json!({}), &json!({})));
    post(&short, FORM, &token).await.assert_refused(503, "auth.oidc.store_unavailable", "as well");
    assert!(metric(&short, "janua_auth_question_failures_total{auth=\"corp\"}") > 0);
    world.server.start_again();
    until("the store is up", || !down(&short) && !down(&long)).await;
    assert_eq!(page(&browser, &short).await.status(), 200, "it comes back without help");
    assert_eq!(late.come_back(&short, &world.idp, &asked["state"]).await.status(), 303);
    assert_eq!(post(&short, FORM, &token).await.status(), 200, "it may be sent again");
    refused(&browser, &short).await.assert_refused(401, "auth.oidc.session", "logged out");
}

#[tokio::test]
async fn nothing_in_the_store_lets_in_whom_no_gateway_let_in() {
    let world = World::begin().await;
    let janua = world.gateway("remember = \"1ms\"").await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    alice.log_in(&janua, &world.idp, "/").await;
    let hers = world.keys("session")[0].clone();
    world.idp.says.lock().claims = json!({ "sub": "bob" });
    bob.log_in(&janua, &world.idp, "/").await;
    let his = world.keys("session").into_iter().find(|key| *key != hers).unwrap();
    let command = |words: &[&str]| world.server.command(words);
    for (what, status, reason) in [
        ("her record", 401, "auth.oidc.session"),
        ("text", 401, "auth.oidc.session"),
        ("nothing", 401, "auth.oidc.session"),
        ("a hash", 503, "auth.oidc.store_unavailable"),
        ("huge", 503, "auth.oidc.store_unavailable"),
    ] {
        drop(match what {
            "her record" => command(&["COPY", &hers, &his, "REPLACE"]),
            "text" => command(&["SET", &his, "{\"claims\":{\"sub\":\"root\"}}"]),
            "nothing" => command(&["DEL", &his]),
            "a hash" => command(&["HSET", &his, "a", "b"]),
            _ => command(&["DEL", &his]) + &command(&["SETRANGE", &his, "1100000", "x"]),
        });
        refused(&bob, &janua).await.assert_refused(status, reason, what);
    }
    assert_eq!(page(&alice, &janua).await.status(), 200, "hers goes on");
    let strange = world.gateway(&format!("store-secret = \"{}\"", "x".repeat(32))).await;
    page(&alice, &strange).await.assert_refused(401, "auth.oidc.session", "by another secret");
    let mut late = Browser::default();
    let asked = late.begin(&strange, &world.idp, "/").await;
    let back = late.come_back(&janua, &world.idp, &asked["state"]).await;
    assert!(back.text().contains("auth.oidc.flow"), "{back:?}");
    let other = Browser { cookies: [(SESSION.to_owned(), "A".repeat(43))].into() };
    page(&other, &janua).await.assert_refused(401, "auth.oidc.session", "made up");
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let world = World::begin().await;
    let janua = world.gateway("").await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    first.log_in(&janua, &world.idp, "/").await;
    let list = world.keys("sub")[0].clone();
    let names: Vec<_> = (0..999).map(|number| format!("n{number}")).collect();
    let end = "9999999999999";
    let more = names.iter().flat_map(|name| [end, name]);
    world.server.command(&["ZADD", &list].into_iter().chain(more).collect::<Vec<_>>());
    second.log_in(&janua, &world.idp, "/").await;
    assert_eq!(world.server.command(&["ZCARD", &list]), "1000");
    assert_eq!(world.keys("session").len(), 1, "the oldest one goes on");
}
