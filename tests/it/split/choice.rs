//! Which way requests go.

use super::{Versions, asks, of_v2};
use crate::support::{Janua, Message, Setup};

/// The cookie that an answer sets, as a client sends it back.
fn cookie(answer: &Message) -> Option<String> {
    let told = answer.field("set-cookie")?;
    Some(format!("Cookie: {}\r\n", told.split(';').next().unwrap()))
}

/// How a client is answered that keeps its cookie.
async fn stays(janua: &Janua, cookie: &str) -> String {
    let answer = janua.client().await.request("GET /", cookie).await;
    assert_eq!(answer.field("set-cookie"), None, "it is told once");
    answer.text()
}

#[tokio::test]
async fn each_upstream_gets_its_share() {
    let versions = Versions::new().await;
    for (weights, bounds) in [([20, 80], 130..=270), ([0, 1], 0..=0), ([7, 0], 1_000..=1_000)] {
        let [v2, v1] = weights;
        let to = format!(
            "[{{ upstream = \"v2\", weight = {v2} }}, {{ upstream = \"v1\", weight = {v1} }}]"
        );
        let janua = Setup::new(versions.route(&to, "")).start().await;
        let count = of_v2(&janua, 1_000, "").await;
        assert!(bounds.contains(&count), "{weights:?}: {count}");
    }
}

#[tokio::test]
async fn a_way_may_be_a_url_and_has_the_times_of_the_route() {
    let versions = Versions::new().await;
    let to = format!("[{{ upstream = \"{}\" }}]", versions.v1.url);
    let setup = Setup::new(format!("[[route]]\nto = {to}\ntimeout.total = \"7s\"\n"));
    let janua = setup.start().await;
    assert_eq!(asks(&janua, "").await, "v1");
    let world = janua.world();
    let way = world.routes.targets()[0].target.way(0).unwrap();
    assert_eq!(way.timeout.total, Some(std::time::Duration::from_secs(7)));
}

#[tokio::test]
async fn a_header_or_a_cookie_decides_before_the_shares() {
    let versions = Versions::new().await;
    let to = "[{ upstream = \"v2\", headers = { x-canary = \"always\" } }, \
               { upstream = \"v1\", weight = 1, headers = { x-canary = \"never\" } }, \
               { upstream = \"v2\", cookies = { canary = { regex = \"^v2\" } } }]";
    let janua = Setup::new(versions.route(to, "")).start().await;
    for (fields, expected) in [
        ("", "v1"),
        ("X-Canary: always\r\n", "v2"),
        ("X-Canary: perhaps\r\n", "v1"),
        ("Cookie: a=b; canary=v2.1\r\n", "v2"),
        ("Cookie: canary=v1\r\n", "v1"),
        ("Cookie: canary=v2\r\nX-Canary: never\r\n", "v1"),
    ] {
        assert_eq!(asks(&janua, fields).await, expected, "{fields}");
    }
    assert_eq!(versions.v2.last().field("cookie").as_deref(), Some("a=b; canary=v2.1"));
}

/// What the client sent decides, not what rules make of it.
#[tokio::test]
async fn a_header_that_the_route_changes_decides_as_it_came() {
    let versions = Versions::new().await;
    let to = "[{ upstream = \"v2\", headers = { x-canary = true } }, { upstream = \"v1\" }]";
    for rule in
        ["request-headers.remove = \"x-canary\"", "request-headers.set = { x-canary = \"x\" }"]
    {
        let janua = Setup::new(versions.route(to, rule)).start().await;
        assert_eq!(asks(&janua, "X-Canary: 1\r\n").await, "v2", "{rule}");
        assert_eq!(asks(&janua, "").await, "v1", "{rule}");
    }
}

#[tokio::test]
async fn a_cookie_keeps_a_client_on_its_side_over_reloads_and_restarts() {
    let versions = Versions::new().await;
    let setup = |v2: u16| {
        let v1 = 100 - v2;
        let ways = format!(
            "{{ upstream = \"v2\", weight = {v2} }}, {{ upstream = \"v1\", weight = {v1} }}"
        );
        Setup::new(versions.route(&format!("[{ways}]"), "sticky = \"cookie\""))
    };
    let janua = setup(50).start().await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let answer = janua.get("/").await;
        let told = answer.field("set-cookie").unwrap();
        assert!(told.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{told}");
        clients.push((answer.text(), cookie(&answer).unwrap()));
    }
    let on_v2 =
        |clients: &[(String, String)]| clients.iter().filter(|(side, _)| side == "v2").count();
    assert!((3..38).contains(&on_v2(&clients)), "{clients:?}");
    for (side, cookie) in &clients {
        assert_eq!(stays(&janua, cookie).await, *side, "{cookie}");
    }
    assert_eq!(versions.v1.last().field("cookie"), None, "no origin sees it");
    let more = format!("{}; a=b\r\n", clients[0].1.trim_end());
    let side = asks(&janua, &more).await;
    let origin = if side == "v1" { &versions.v1 } else { &versions.v2 };
    assert_eq!(origin.last().field("cookie").as_deref(), Some("a=b"));
    // Another gateway, and one that was started anew, know them too.
    janua.reload(&setup(50)).await.unwrap();
    let again = setup(50).start().await;
    for (side, cookie) in &clients {
        assert_eq!(stays(&janua, cookie).await, *side);
        assert_eq!(stays(&again, cookie).await, *side);
    }
    // A canary that grows wins clients, and loses none.
    janua.reload(&setup(75)).await.unwrap();
    for (side, cookie) in &clients {
        let now = stays(&janua, cookie).await;
        assert!(now == *side || now == "v2", "{side} became {now}");
    }
    janua.reload(&setup(0)).await.unwrap();
    for (_, cookie) in &clients {
        assert_eq!(stays(&janua, cookie).await, "v1", "a weight of 0 takes nobody");
    }
}

#[tokio::test]
async fn a_cookie_has_the_name_and_the_age_that_are_written_and_is_not_told_to_who_has_one() {
    let versions = Versions::new().await;
    let to = "[{ upstream = \"v2\", headers = { x-canary = true } }, { upstream = \"v1\" }]";
    let sticky = "sticky = { cookie = \"side\", max-age = \"1h\" }";
    let setup =
        Setup::new(versions.route(to, sticky)).listener("trusted-proxies = [\"127.0.0.1\"]");
    let janua = setup.start().await;
    let answer = janua.client().await.request("GET /", "X-Forwarded-Proto: https\r\n").await;
    let told = answer.field("set-cookie").unwrap();
    assert!(told.starts_with("side=") && told.ends_with("; Max-Age=3600; Secure"), "{told}");
    let forged = janua.client().await.request("GET /", "Cookie: side=v2\r\n").await;
    assert!(forged.field("set-cookie").is_some(), "what is no cookie of ours is told anew");
    let forced = janua.client().await.request("GET /", "X-Canary: 1\r\n").await;
    assert_eq!((&*forced.text(), forced.field("set-cookie")), ("v2", None));
}

#[tokio::test]
async fn a_client_is_known_by_what_it_has() {
    let versions = Versions::new().await;
    for (sticky, one, other) in [
        ("header:x-team", "X-Team: ", "X-Other: "),
        ("cookie:app", "Cookie: app=", "Cookie: other="),
    ] {
        let to = "[{ upstream = \"v2\" }, { upstream = \"v1\" }]";
        let setup = Setup::new(versions.route(to, &format!("sticky = \"{sticky}\"")));
        let janua = setup.start().await;
        let mut sides = String::new();
        for team in 0..30 {
            let fields = format!("{one}{team}\r\n");
            let side = asks(&janua, &fields).await;
            assert_eq!(asks(&janua, &fields).await, side, "{sticky}: {team}");
            sides += &side;
        }
        assert!(sides.contains("v1") && sides.contains("v2"), "{sticky}: {sides}");
        // All of one address.
        let count = of_v2(&janua, 20, &format!("{other}1\r\n")).await;
        assert!(count == 0 || count == 20, "{sticky}: {count}");
    }
}

#[tokio::test]
async fn somebody_who_is_known_goes_the_same_way_from_everywhere() {
    let versions = Versions::new().await;
    let to = "[{ upstream = \"v2\" }, { upstream = \"v1\" }]";
    let keys: Vec<_> = (0..16)
        .map(|key| {
            let digest =
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("k{key}").as_bytes());
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{{ id = \"key{key}\", sha256 = \"{hex}\" }}")
        })
        .collect();
    let auth = format!("[auth.keys]\napi-key = {{ keys = [{}] }}\n", keys.join(", "));
    let route = versions.route(to, "auth = \"keys\"\nsticky = \"identity\"");
    let setup = Setup::new(route + &auth).listener("trusted-proxies = [\"127.0.0.1\"]");
    let janua = setup.start().await;
    let mut sides = String::new();
    for key in 0..16 {
        let fields = |ip: u8| format!("X-Api-Key: k{key}\r\nX-Forwarded-For: 192.0.2.{ip}\r\n");
        let side = asks(&janua, &fields(1)).await;
        for ip in 2..5 {
            assert_eq!(asks(&janua, &fields(ip)).await, side, "{key} from {ip}");
        }
        sides += &side;
    }
    assert!(sides.contains("v1") && sides.contains("v2"), "{sides}");
}

#[tokio::test]
async fn each_way_has_the_bound_of_its_own_upstream() {
    let versions = Versions::new().await;
    let stuck = crate::support::Origin::script(|mut peer| async move {
        peer.request().await;
        std::future::pending::<()>().await;
    })
    .await;
    let to = "[{ upstream = \"full\", headers = { x-full = true } }, { upstream = \"v1\" }]";
    let full = format!("[upstream.full]\nendpoints = \"{}\"\nmax-in-flight = 1\n", stuck.url);
    let janua = Setup::new(versions.route(to, "priority = \"high\"") + &full).start().await;
    let mut first = janua.client().await;
    first.send("GET / HTTP/1.1\r\nHost: a\r\nX-Full: 1\r\n\r\n").await;
    crate::support::until("it is there", || stuck.requests().len() == 1).await;
    let answer = janua.client().await.request("GET /", "X-Full: 1\r\n").await;
    answer.assert_refused(503, "overload.upstream", "no room");
    assert_eq!(asks(&janua, "").await, "v1");
    drop(first);
    let line = janua.logged("client gone", |line| line["reason"] == "client.gone").await;
    assert_eq!(line["upstream"], "full");
    // Its place is free again.
    let mut next = janua.client().await;
    next.send("GET / HTTP/1.1\r\nHost: a\r\nX-Full: 1\r\n\r\n").await;
    crate::support::until("it is there too", || stuck.requests().len() == 2).await;
}
