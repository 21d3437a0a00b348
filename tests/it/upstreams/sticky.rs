//! A client keeps its endpoint by a cookie: when it is told one, who sees it, and what ends it.

use std::sync::Arc;

use super::upstream;
use crate::support::{Client, Origin, Setup};

async fn two() -> [Origin; 2] {
    [Origin::named("a").await, Origin::named("b").await]
}

fn sticky(origins: &[Origin], keys: &str) -> Setup {
    let urls: Vec<_> = origins.iter().map(|origin| &*origin.url).collect();
    upstream(&format!("endpoints = {urls:?}\n{keys}"))
}

/// Who answers a request with this cookie, and which cookie comes with the answer.
async fn ask(client: &mut Client, cookie: &str) -> (String, Option<String>) {
    let fields = match cookie {
        "" => String::new(),
        cookie => format!("Cookie: {cookie}\r\n"),
    };
    let answer = client.request("GET /", &fields).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    (answer.text(), answer.field("set-cookie"))
}

/// A client's cookie.
fn pair(set: &str) -> String {
    set.split(';').next().unwrap().into()
}

#[tokio::test]
async fn a_client_has_the_endpoint_that_it_had_and_is_told_once() {
    let origins = two().await;
    let janua = sticky(&origins, "sticky = \"node\"").start().await;
    let mut client = janua.client().await;
    let (first, told) = ask(&mut client, "").await;
    let told = told.unwrap();
    let value =
        told.strip_prefix("node=").unwrap().strip_suffix("; Path=/; HttpOnly; SameSite=Lax");
    let value = value.unwrap_or_else(|| panic!("{told}"));
    assert!(value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{told}");
    let (second, other) = ask(&mut client, "").await;
    assert_ne!((&first, &told), (&second, other.as_ref().unwrap()));
    for (name, told) in [(&first, told), (&second, other.unwrap())] {
        for _ in 0..5 {
            let cookies = format!("x=1; {}; y=2", pair(&told));
            assert_eq!(ask(&mut client, &cookies).await, (name.clone(), None));
        }
    }
    for origin in &origins {
        assert_eq!(origin.last().field("cookie").as_deref(), Some("x=1; y=2"), "it is ours alone");
    }
}

#[tokio::test]
async fn a_cookie_that_names_nobody_is_replaced() {
    let origins = two().await;
    let janua = sticky(&origins, "sticky = \"node\"").start().await;
    let mut client = janua.client().await;
    for cookie in
        ["node=", "node=0000000000000000", "node=http://10.0.0.1", "node=ffffffffffffffff"]
    {
        let (name, told) = ask(&mut client, cookie).await;
        let told = pair(&told.unwrap_or_else(|| panic!("{cookie} is kept")));
        assert_eq!(ask(&mut client, &told).await, (name, None), "{cookie}");
    }
}

#[tokio::test]
async fn it_holds_over_a_reload_and_a_restart_and_where_gateways_share_a_secret() {
    let origins = two().await;
    let plain = || sticky(&origins, "sticky = \"node\"");
    let janua = plain().start().await;
    let (name, told) = ask(&mut janua.client().await, "").await;
    let told = pair(&told.unwrap());
    janua
        .reload(&sticky(&origins, "sticky = \"node\"\nkeep-alive.idle = \"9s\""))
        .await
        .ok()
        .unwrap();
    assert_eq!(ask(&mut janua.client().await, &told).await, (name.clone(), None));
    let home: Arc<_> = janua.home.clone();
    janua.stop().await;
    let janua = plain().start_in(home).await;
    assert_eq!(ask(&mut janua.client().await, &told).await, (name, None));
    let stranger = plain().start().await;
    assert!(ask(&mut stranger.client().await, &told).await.1.is_some(), "it has a key of its own");
    let shared = "sticky = { cookie = \"node\", secret = \"0123456789abcdef\" }";
    let (one, other) = (sticky(&origins, shared), sticky(&origins, shared));
    let (one, other) = (one.start().await, other.start().await);
    let (name, told) = ask(&mut one.client().await, "").await;
    let told = pair(&told.unwrap());
    assert_eq!(ask(&mut other.client().await, &told).await, (name, None));
}

#[tokio::test]
async fn an_endpoint_that_takes_no_more_requests_loses_its_clients() {
    let origins = two().await;
    let janua = sticky(&origins, "sticky = \"node\"").start().await;
    let mut client = janua.client().await;
    let (name, told) = ask(&mut client, "").await;
    let told = pair(&told.unwrap());
    let own = &origins[usize::from(name == "b")].url;
    let world = janua.world();
    let upstream = world.upstream("u").unwrap();
    assert!(upstream.drain(own, true));
    let (other, anew) = ask(&mut client, &told).await;
    assert_ne!(other, name);
    let anew = pair(&anew.unwrap());
    assert!(upstream.drain(own, false));
    for _ in 0..3 {
        assert_eq!(ask(&mut client, &anew).await, (other.clone(), None), "it does not go back");
    }
    assert!(upstream.weigh(own, Some(0)));
    assert_eq!(ask(&mut client, &told).await.0, other);
    // Gone from the list.
    let left = &origins[usize::from(other == "b")];
    let keys = format!("endpoints = \"{}\"\nsticky = \"node\"", left.url);
    janua.reload(&super::upstream(&keys)).await.ok().unwrap();
    assert_eq!(
        ask(&mut client, &told).await,
        (other.clone(), Some(format!("{anew}; Path=/; HttpOnly; SameSite=Lax")))
    );
}

#[tokio::test]
async fn a_client_whose_endpoint_is_dead_has_another_at_once() {
    let mut origins = Vec::from(two().await);
    let janua = sticky(&origins, "sticky = \"node\"").start().await;
    let mut client = janua.client().await;
    let (name, told) = ask(&mut client, "").await;
    let told = pair(&told.unwrap());
    drop(origins.remove(usize::from(name == "b")));
    let (other, anew) = ask(&mut client, &told).await;
    assert!(other != name && anew.is_some(), "{other} {anew:?}");
}

#[tokio::test]
async fn the_cookie_is_as_it_was_asked_for() {
    let origins = two().await;
    for (keys, fields, expected) in [
        ("", "", "; Path=/; HttpOnly; SameSite=Lax"),
        ("", "x-forwarded-proto: https\r\n", "; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (", secure = false", "x-forwarded-proto: https\r\n", "; Path=/; HttpOnly; SameSite=Lax"),
        (", secure = true, path = \"/a\"", "", "; Path=/a; HttpOnly; SameSite=Lax; Secure"),
        (", ttl = \"1h\"", "", "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        (", same-site = \"strict\"", "", "; Path=/; HttpOnly; SameSite=Strict"),
        (", same-site = \"none\"", "", "; Path=/; HttpOnly; SameSite=None; Secure"),
    ] {
        let setup = sticky(&origins, &format!("sticky = {{ cookie = \"node\"{keys} }}"));
        let janua = setup.listener("trusted-proxies = [\"127.0.0.0/8\"]").start().await;
        let answer = janua.client().await.request("GET /", fields).await;
        let told = answer.field("set-cookie").unwrap();
        assert_eq!(&told["node=".len() + 16..], expected, "{keys}");
    }
}

#[tokio::test]
async fn the_origins_own_cookies_pass_beside_it() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
    );
    let origins = [origin.await];
    let janua = sticky(&origins, "sticky = \"node\"").start().await;
    let answer = janua.get("/").await;
    let told = answer.values("set-cookie");
    assert_eq!((told.len(), told[0], told[1]), (3, "a=1", "b=2"));
    assert!(told[2].starts_with("node="));
}
