//! Quotas that several gateways count together: what they let through, what the store knows, and what becomes
//! of both while it is away.

use std::time::{Duration, Instant};

use super::{
    StoreServer,
    limits::{get, load, setup, several, sum, waiting},
};
use crate::support::{Janua, Setup, until};

/// What the store knows that was used, by all keys.
fn used(server: &StoreServer) -> u64 {
    let keys = server.command(&["KEYS", "janua:quota:*"]);
    let values = keys.lines().map(|key| server.command(&["HVALS", key]));
    let fields = values.flat_map(|values| {
        let field = |line: &str| {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let [_, taken, back, earlier, returned] = numbers[..] else { panic!("{line}") };
            taken - back + earlier - returned
        };
        values.lines().map(field).collect::<Vec<_>>()
    });
    fields.sum()
}

/// Waits until the gateway knows what others used: it refuses.
async fn refuses(janua: &Janua) -> u64 {
    let mut let_in = 0;
    let end = Instant::now() + crate::support::PATIENCE;
    while get(janua).await.status() != 429 {
        assert!(Instant::now() < end, "it never hears of what others used");
        let_in += 1;
    }
    let_in
}

#[tokio::test]
async fn what_one_gateway_lets_through_the_others_hear_of() {
    let server = StoreServer::start();
    let setup = setup(&server, "quota = \"10/day\"\nlease = \"0s\"");
    let gateways = several(&setup, 2).await;
    for left in (0..10).rev() {
        assert_eq!(get(&gateways[0]).await.status(), 204, "{left} left");
    }
    get(&gateways[0]).await.assert_refused(429, "limit.quota", "by itself it is exact");
    until("the store knows", || used(&server) == 10).await;
    // A key that a gateway has not met yet is let in until it has heard of it, which is a moment.
    assert_eq!(get(&gateways[1]).await.status(), 204);
    until("the store was told", || used(&server) == 11).await;
    assert!(refuses(&gateways[1]).await < 9, "it was told, and did not hear");
    // One that is started anew knows it as well.
    let third = several(&setup, 1).await.remove(0);
    let known = used(&server);
    assert_eq!(get(&third).await.status(), 204);
    until("the store was told", || used(&server) == known + 1).await;
    assert!(refuses(&third).await < 9, "it was told, and did not hear");
    third.reload(&setup).await.unwrap();
    get(&third).await.assert_refused(429, "limit.quota", "a reload forgives nobody");
    gateways[1].reload(&super::limits::setup(&server, "quota = \"1000/day\"")).await.unwrap();
    assert_eq!(get(&gateways[1]).await.status(), 204, "a larger quota holds at once");
}

#[tokio::test]
async fn the_store_sees_no_key_and_forgets_a_day_that_is_over() {
    let server = StoreServer::start();
    let keys = "quota = \"10/month\"\nper = [\"header:x-t\", \"ip\"]\nlease = \"0s\"";
    let gateways = several(&setup(&server, keys), 2).await;
    for janua in &gateways {
        for value in ["a-secret", "b-secret"] {
            let answer = janua.client().await.request("GET /", &format!("X-T: {value}\r\n")).await;
            assert_eq!(answer.status(), 204);
        }
    }
    until("the store knows", || used(&server) == 4).await;
    let keys = server.command(&["KEYS", "*"]);
    assert_eq!(keys.lines().count(), 2, "one for each key, whichever gateway it came to: {keys}");
    assert!(!keys.contains("secret") && !keys.contains("127.0.0.1"), "{keys}");
    for key in keys.lines() {
        assert!(key.starts_with("janua:quota:l:month:"), "{key}");
        let expiry: u64 = server.command(&["PTTL", key]).parse().unwrap();
        assert!(expiry > 86_400_000 && expiry < 33 * 86_400_000, "{key} expires in {expiry} ms");
    }
}

/// What is said twice, or late, changes nothing; so what was not answered may be said again.
#[tokio::test]
async fn to_say_it_again_does_no_harm() {
    let server = StoreServer::start();
    let script = include_str!("../../../../src/limit/tell.lua");
    let expiry = "99999999999999";
    let tell = |gateway: &str, number: &str, taken: &str, back: &str| {
        let said =
            server.command(&["EVAL", script, "1", "k", gateway, number, taken, back, expiry]);
        let said: Vec<u64> = said.lines().map(|number| number.parse().unwrap()).collect();
        let [others, returned, own] = said[..] else { panic!("{said:?}") };
        (others, returned, own)
    };
    for (gateway, number, taken, back, said) in [
        ("1", "0", "5", "0", (0, 0, 5)),
        ("1", "0", "5", "0", (0, 0, 5)),
        ("2", "3", "7", "2", (5, 0, 5)),
        ("1", "0", "8", "1", (7, 2, 7)),
        // Those came late.
        ("1", "0", "5", "0", (7, 2, 7)),
        ("2", "3", "6", "0", (8, 1, 5)),
        ("18446744073709551615", "0", "1", "0", (15, 3, 1)),
        // The key was forgotten at the gateway, twice, and came back.
        ("1", "4", "2", "0", (8, 2, 9)),
        ("1", "4", "2", "0", (8, 2, 9)),
        ("1", "0", "8", "1", (8, 2, 9)),
        ("1", "7", "1", "1", (8, 2, 9)),
        ("1", "7", "3", "1", (8, 2, 11)),
        ("1", "4", "2", "0", (8, 2, 11)),
    ] {
        assert_eq!(tell(gateway, number, taken, back), said, "{gateway} {number} {taken} {back}");
    }
    assert_eq!(server.command(&["HLEN", "k"]), "3", "it grows with the gateways and nothing else");
}

#[tokio::test]
async fn under_load_they_are_over_by_what_others_let_through_meanwhile() {
    const QUOTA: u64 = 1_000;
    let server = StoreServer::start();
    let keys = format!("quota = \"{QUOTA}/day\"\nper = \"global\"");
    let gateways = several(&setup(&server, &keys), 3).await;
    let time = Duration::from_millis(1_500);
    let told = load(&gateways, 2, time, async {}).await;
    let admitted = told.admitted.len() as u64;
    let took = *told.admitted.last().unwrap() - told.admitted[0];
    // In 100 ms and the time of an answer, at the speed that they had.
    let moment = 0.1 + 0.1;
    // And those for which a machine that does much else had the store answer too late.
    let alone = sum(&gateways, "janua_limit_store_fallbacks_total{limit=\"l\"}");
    let bound = QUOTA as f64 * (1.0 + moment / took.as_secs_f64()) + alone as f64;
    println!("{admitted} of {QUOTA} in {took:?}, bound {bound:.0}, {alone} alone");
    assert!(admitted >= QUOTA && admitted as f64 <= bound, "{admitted} in {took:?}");
    until("the store knows", || used(&server) == admitted).await;
    for janua in &gateways {
        get(janua).await.assert_refused(429, "limit.quota", "all know");
    }
}

#[tokio::test]
async fn a_gateway_that_ends_tells_the_store_what_it_has_not_told() {
    let server = StoreServer::start();
    let keys = "quota = \"1000/day\"\nper = \"global\"\nlease = \"10s\"";
    let janua = several(&setup(&server, keys), 1).await.remove(0);
    for _ in 0..20 {
        assert_eq!(get(&janua).await.status(), 204);
    }
    assert!(used(&server) < 20, "the next lease would tell it");
    janua.stop().await;
    assert_eq!(used(&server), 20);
}

#[tokio::test]
async fn what_was_used_while_the_store_was_away_is_told_when_it_is_back() {
    let mut server = StoreServer::start();
    let gateways = several(&setup(&server, "quota = \"1000000/day\"\nper = \"global\""), 2).await;
    let down = "janua_limit_store_down{limit=\"l\"}";
    let mut admitted = 0;
    let act = async {
        server.kill();
        until("they go on by themselves", || sum(&gateways, down) == 2).await;
    };
    let told = load(&gateways, 2, Duration::from_secs(1), act).await;
    assert_eq!(told.statuses.keys().copied().collect::<Vec<_>>(), [204], "{:?}", told.statuses);
    println!("slowest while the store is away: {:?}", told.slowest);
    assert!(told.slowest < Duration::from_millis(500), "{:?}", told.slowest);
    admitted += told.admitted.len() as u64;
    server.start_again();
    until("they count together again", || sum(&gateways, down) == 0).await;
    until("nothing was lost, and nothing counted twice", || used(&server) == admitted).await;
    server.pause();
    let told = load(&gateways, 1, Duration::from_millis(300), async {}).await;
    admitted += told.admitted.len() as u64;
    server.go_on();
    until("nor while it stood still", || used(&server) == admitted).await;
}

/// As many keys are kept for a store that is away as there may be; what more use is lost, and counted.
#[tokio::test]
async fn what_there_is_no_room_for_while_the_store_is_away_is_counted() {
    let mut server = StoreServer::start();
    let keys = "quota = \"1000/day\"\nper = \"header:x-t\"\nmax-keys = 64\nlease = \"0s\"";
    let janua = several(&setup(&server, keys), 1).await.remove(0);
    server.kill();
    let down = "janua_limit_store_down{limit=\"l\"}";
    let (mut sent, mut client) = (0, janua.client().await);
    while janua.counted(down) == 0 || sent < 400 {
        let answer = client.request("GET /", &format!("X-T: {sent}\r\n")).await;
        assert_eq!(answer.status(), 204, "{sent}");
        sent += 1;
    }
    let lost = janua.counted("janua_limit_store_lost_total{limit=\"l\"}");
    assert!(lost > 0 && lost < sent, "{lost} of {sent}");
    server.start_again();
    until("all but that is told", || used(&server) == sent - lost).await;
}

/// Each value that a client makes up is a key, which a store holds until its day is over.
#[tokio::test]
async fn a_flood_of_keys_does_not_fill_the_store_and_who_uses_much_is_told_of_all_the_same() {
    let server = StoreServer::start();
    let keys = "quota = \"1000/day\"\nper = \"header:x-t\"\nmax-keys = 64\nlease = \"0s\"";
    let janua = several(&setup(&server, keys), 1).await.remove(0);
    let mut client = janua.client().await;
    for value in 0..1_000 {
        let answer = client.request("GET /", &format!("X-T: {value}\r\n")).await;
        assert_eq!(answer.status(), 204, "{value}");
    }
    let size = || server.command(&["DBSIZE"]).parse::<u64>().unwrap();
    let lost = janua.counted("janua_limit_store_lost_total{limit=\"l\"}");
    until("all is told that there is room for", || used(&server) == 1_000 - lost).await;
    let flood = size();
    assert!((64..=80).contains(&flood), "{flood} keys of 1000");
    for _ in 0..300 {
        assert_eq!(client.request("GET /", "X-T: busy\r\n").await.status(), 204);
    }
    until("who used a fourth is one of the store's keys", || size() == flood + 1).await;
    let mut more = 0;
    while client.request("GET /", "X-T: busy\r\n").await.status() == 204 {
        more += 1;
    }
    // It shares what is left of the table with the flood, so a little of that counts as its own.
    assert!((600..=700).contains(&more), "300 and {more}: here it was counted from the first on");
}

#[tokio::test]
async fn without_the_store_a_quota_does_as_it_was_told() {
    let server = StoreServer::down("");
    for (keys, statuses) in [
        ("", [204, 204, 429, 429]),
        ("gateways = 2", [204, 429, 429, 429]),
        ("on-failure = \"reject\"", [503; 4]),
        ("on-failure = \"allow\"", [204; 4]),
    ] {
        let janua = setup(&server, &format!("quota = \"2/day\"\n{keys}")).start().await;
        for (number, status) in statuses.into_iter().enumerate() {
            let answer = get(&janua).await;
            assert_eq!(answer.status(), status, "{keys} {number}");
            if status == 503 {
                answer.assert_refused(503, "limit.store_unavailable", keys);
            }
        }
        let fallbacks = "janua_limit_store_fallbacks_total{limit=\"l\"}";
        until("it is counted", || janua.counted(fallbacks) >= 4).await;
    }
}

#[tokio::test]
async fn a_gateway_alone_gives_its_part_of_what_was_left_when_the_store_went() {
    let mut server = StoreServer::start();
    let keys = "quota = \"10/day\"\ngateways = 3";
    let janua = several(&setup(&server, keys), 1).await.remove(0);
    for _ in 0..4 {
        assert_eq!(get(&janua).await.status(), 204);
    }
    until("it is told", || used(&server) == 4).await;
    server.kill();
    until("the store is down", || janua.counted("janua_store_up{store=\"shared\"}") == 0).await;
    for status in [204, 204, 429, 429] {
        assert_eq!(get(&janua).await.status(), status, "a third of six");
    }
}

#[tokio::test]
async fn what_another_limit_refuses_is_not_charged_to_a_quota_either() {
    let server = StoreServer::start();
    let text = Setup::new(format!(
        "[store.shared]\nurl = \"{}\"\n\
         [limit.a]\nquota = \"5/day\"\nrate = \"1000/s\"\nstore = \"shared\"\n[limit.b]\nrate = \"1/h\"\n\
         [[route]]\nlimit = [\"a\", \"b\"]\nto = {{ status = 204 }}\n",
        server.url()
    ));
    let janua = several(&text, 1).await.remove(0);
    assert_eq!(get(&janua).await.status(), 204);
    for _ in 0..10 {
        get(&janua).await.assert_refused(429, "limit.rate", "the other one");
    }
    until("the store knows of one", || used(&server) == 1).await;
}

/// What waits at another limit has taken its part of the quota, and gives it back if it goes away.
#[tokio::test]
async fn what_one_gateway_gives_back_the_others_have_again() {
    let server = StoreServer::start();
    let text = Setup::new(format!(
        "[store.shared]\nurl = \"{}\"\n\
         [limit.q]\nquota = \"5/day\"\nper = \"global\"\nstore = \"shared\"\nlease = \"0s\"\n\
         [limit.slow]\nrate = \"1/m\"\nburst = 1\nover = {{ delay = \"4m\" }}\n\
         [[route]]\npath = \"/slow\"\nlimit = [\"q\", \"slow\"]\nto = {{ status = 204 }}\n\
         [[route]]\npath = \"/\"\nlimit = \"q\"\nto = {{ status = 204 }}\n",
        server.url()
    ));
    let gateways = several(&text, 2).await;
    assert_eq!(gateways[0].get("/slow").await.status(), 204);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = gateways[0].client().await;
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(client);
    }
    until("the store knows of those who wait as well", || used(&server) == 3).await;
    assert_eq!(get(&gateways[1]).await.status(), 204);
    let let_in = 1 + refuses(&gateways[1]).await;
    until("the store knows all", || used(&server) == 3 + let_in).await;
    drop(waiting);
    until("it was given back", || used(&server) == 1 + let_in).await;
    let end = Instant::now() + crate::support::PATIENCE;
    for left in (0..4_u64.saturating_sub(let_in)).rev() {
        while get(&gateways[1]).await.status() != 204 {
            assert!(Instant::now() < end, "{left} and one more left, and it never hears of it");
        }
    }
    get(&gateways[1]).await.assert_refused(429, "limit.quota", "all that came back is used");
}

/// The way to the store is another; until it is there the one before is.
#[tokio::test]
async fn a_reload_that_changes_how_a_store_is_asked_is_no_outage() {
    let server = StoreServer::start();
    let keys = "quota = \"1000000/day\"\nper = \"global\"\non-failure = \"reject\"";
    let gateways = several(&waiting(&server, "250ms", keys), 1).await;
    let act = async {
        for timeout in 251..271 {
            let setup = waiting(&server, &format!("{timeout}ms"), keys);
            gateways[0].reload(&setup).await.unwrap();
        }
    };
    let told = load(&gateways, 4, Duration::from_secs(2), act).await;
    assert_eq!(told.statuses.keys().copied().collect::<Vec<_>>(), [204], "{:?}", told.statuses);
    until("the one before is let go", || {
        gateways[0].counted("janua_store_up{store=\"shared\"}") == 1
    })
    .await;
}

#[tokio::test]
async fn gateways_that_come_and_go_all_day_leave_nothing_each_in_the_store() {
    let server = StoreServer::start();
    let setup = setup(&server, "quota = \"100/day\"\nper = \"global\"\nlease = \"0s\"");
    let stays = several(&setup, 1).await.remove(0);
    assert_eq!(get(&stays).await.status(), 204);
    for turn in 1..=5 {
        let janua = several(&setup, 1).await.remove(0);
        for _ in 0..3 {
            assert_eq!(get(&janua).await.status(), 204);
        }
        janua.stop().await;
        until("the store knows", || used(&server) == 1 + 3 * turn).await;
    }
    let key = server.command(&["KEYS", "janua:quota:*"]);
    assert_eq!(server.command(&["HLEN", &key]), "2", "the one that is there, and all others");
    while get(&stays).await.status() == 204 {
        tokio::task::yield_now().await;
    }
    until("the store knows", || used(&server) >= 100).await;
    assert!(used(&server) <= 100 + 15, "it heard of the others: {}", used(&server));
}

#[tokio::test]
async fn what_was_not_told_of_a_quota_is_told_later_also_if_a_reload_took_it_out() {
    let mut server = StoreServer::start();
    let setup = setup(&server, "quota = \"100/day\"\nper = \"global\"\nlease = \"0s\"");
    let janua = several(&setup, 1).await.remove(0);
    assert_eq!(get(&janua).await.status(), 204);
    until("the store knows", || used(&server) == 1).await;
    server.kill();
    until("it is gone", || janua.counted("janua_store_up{store=\"shared\"}") == 0).await;
    for _ in 0..20 {
        assert_eq!(get(&janua).await.status(), 204);
    }
    let without = Setup::new("[[route]]\nname = \"r\"\nto = { status = 204 }\n");
    janua.reload(&without).await.unwrap();
    server.start_again();
    until("the store knows", || used(&server) >= 20).await;
}
