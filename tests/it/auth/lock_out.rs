//! Those who fail again and again have to wait; others do not, and a reload does not help.

use super::{basic, gateway, hash, hashes, key, send, setup};
use crate::support::{Janua, Message, Origin};

const TRUSTED: &str = "trusted-proxies = [\"127.0.0.0/8\"]";

/// From an address that a trusted peer tells.
async fn from(janua: &Janua, address: &str, fields: &str) -> Message {
    send(janua, "GET /", &format!("X-Forwarded-For: {address}\r\n{fields}")).await
}

fn staff() -> String {
    let hash = hash();
    format!(
        "[auth.staff]\nlock-out = {{ attempts = 3, delay = \"1h\", max-delay = \"1d\" }}\n\
         basic = {{ users = {{ alice = \"{hash}\", bob = \"{hash}\" }} }}"
    )
}

#[track_caller]
fn assert_locked(answer: &Message, why: &str) {
    answer.assert_refused(429, "auth.locked_out", why);
    let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{why}: {seconds}");
}

#[tokio::test]
async fn an_address_that_fails_again_and_again_waits_and_others_do_not() {
    let origin = Origin::ok().await;
    let setup = setup(&origin, &staff(), "auth = \"staff\"").listener(TRUSTED);
    let janua = setup.clone().start().await;
    let right = basic("bob", "secret");
    for attempt in 0..3 {
        // Another account each time.
        let wrong = basic(&format!("user{attempt}"), "wrong");
        let answer = from(&janua, "203.0.113.1", &wrong).await;
        answer.assert_refused(401, "auth.basic.wrong", "not locked out yet");
    }
    let before = hashes(&janua);
    for fields in [&right, &basic("alice", "wrong")] {
        assert_locked(&from(&janua, "203.0.113.1", fields).await, fields);
    }
    assert_eq!(hashes(&janua), before, "nothing is tried meanwhile");
    assert_eq!(from(&janua, "203.0.113.2", &right).await.status(), 200, "the neighbour");
    let missing = from(&janua, "203.0.113.1", "").await;
    missing.assert_refused(401, "auth.missing", "nothing was tried");

    janua.reload(&setup).await.unwrap();
    assert_locked(&from(&janua, "203.0.113.1", &right).await, "after a reload");
}

#[tokio::test]
async fn an_ipv6_client_is_its_64() {
    let (janua, _origin) = {
        let origin = Origin::ok().await;
        let janua = setup(&origin, &staff(), "auth = \"staff\"").listener(TRUSTED).start().await;
        (janua, origin)
    };
    for attempt in 0..3 {
        let address = format!("2001:db8::{attempt}:1");
        from(&janua, &address, &basic(&format!("user{attempt}"), "wrong")).await;
    }
    let right = basic("bob", "secret");
    assert_locked(&from(&janua, "2001:db8::ffff:ffff", &right).await, "the same /64");
    assert_eq!(from(&janua, "2001:db8:0:1::1", &right).await.status(), 200, "another /64");
}

/// Known or not: or the lock-out would tell which accounts there are.
#[tokio::test]
async fn an_account_that_is_guessed_at_from_everywhere_waits_whether_it_exists_or_not() {
    let origin = Origin::ok().await;
    let janua = setup(&origin, &staff(), "auth = \"staff\"").listener(TRUSTED).start().await;
    // Where she has been lately, she stays welcome, whatever others try.
    let right = basic("alice", "secret");
    assert_eq!(from(&janua, "198.51.100.1", &right).await.status(), 200);
    for user in ["alice", "mallory"] {
        for attempt in 1..4 {
            let answer =
                from(&janua, &format!("203.0.113.{attempt}0"), &basic(user, "wrong")).await;
            answer.assert_refused(401, "auth.basic.wrong", user);
        }
        let answer = from(&janua, "203.0.113.99", &basic(user, "wrong")).await;
        assert_locked(&answer, user);
    }
    assert_locked(&from(&janua, "203.0.113.98", &right).await, "even with the right password");
    assert_eq!(from(&janua, "198.51.100.1", &right).await.status(), 200, "at home");
    let other = basic("bob", "secret");
    assert_eq!(from(&janua, "203.0.113.98", &other).await.status(), 200, "another account");
}

#[tokio::test]
async fn wrong_keys_lock_their_address_out_and_are_counted() {
    let sections = format!(
        "[auth.keys]\nlock-out = {{ attempts = 2, delay = \"1h\", max-delay = \"1d\" }}\n\
         api-key = {{ keys = [{}] }}",
        key("good", "k-good", "")
    );
    let (janua, _origin) = gateway(&sections, "auth = \"keys\"").await;
    for _ in 0..2 {
        let answer = send(&janua, "GET /", "X-Api-Key: guess\r\n").await;
        answer.assert_refused(401, "auth.key.unknown", "a guess");
    }
    assert_locked(&send(&janua, "GET /", "X-Api-Key: k-good\r\n").await, "the good key");
    let page = janua.metrics();
    for line in [
        "janua_auth_lock_out_entries{auth=\"keys\"} 1",
        "janua_rejects_total{route=\"r\",reason=\"auth.key.unknown\"} 2",
        "janua_rejects_total{route=\"r\",reason=\"auth.locked_out\"} 1",
    ] {
        assert!(page.lines().any(|known| known == line), "no {line}: {page}");
    }
}

/// Without being told, the fifth failure costs a second.
#[tokio::test]
async fn lock_out_is_on_unless_it_is_turned_off() {
    let sections = format!("[auth.keys]\napi-key = {{ keys = [{}] }}", key("good", "k", ""));
    let (janua, _origin) = gateway(&sections, "auth = \"keys\"").await;
    let mut client = janua.client().await;
    for _ in 0..5 {
        client.request("GET /", "X-Api-Key: guess\r\n").await;
    }
    let answer = client.request("GET /", "X-Api-Key: guess\r\n").await;
    answer.assert_refused(429, "auth.locked_out", "by default");
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
}
