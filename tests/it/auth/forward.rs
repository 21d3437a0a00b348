//! A service that decides who may come in: what it is told, what comes of its answers, and of none.

use super::{send, setup};
use crate::support::{Janua, Message, Origin};

/// A service that answers what a request asks it to, in `x-say`: a head, with `|` for the line's end.
async fn service() -> Origin {
    Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            match request.field("x-say").as_deref() {
                None | Some("") => peer.send("HTTP/1.1 204 X\r\nRemote-User: alice\r\n\r\n").await,
                Some("silence") => std::future::pending().await,
                Some("gone") => return,
                Some(said) => {
                    let head = said.replace('|', "\r\n");
                    peer.send(format!("HTTP/1.1 {head}\r\nContent-Length: 4\r\n\r\nbody")).await;
                }
            }
        }
    })
    .await
}

async fn gateway(service: &Origin, keys: &str) -> (Janua, Origin) {
    let origin = Origin::ok().await;
    (before(&origin, service, keys).await, origin)
}

async fn before(origin: &Origin, service: &Origin, keys: &str) -> Janua {
    let sections = format!(
        "[auth.sso]\nidentity-headers = {{ x-who = \"sub\" }}\n[auth.sso.forward]\n\
         url = \"{}/check?rd=1\"\nresponse-headers = [\"remote-user\", \"remote-groups\"]\n\
         subject = \"remote-user\"\nroles = \"remote-groups\"\n{keys}\n",
        service.url
    );
    setup(origin, &sections, "auth = \"sso\"\nallow = { role = \"a\" }").start().await
}

const SAY: &str = "headers = [\"x-say\", \"cookie\", \"authorization\"]";

async fn say(janua: &Janua, said: &str) -> Message {
    send(janua, "GET /a", &format!("X-Say: {said}\r\n")).await
}

#[tokio::test]
async fn what_the_service_answers_decides_and_nothing_else_lets_in() {
    let service = service().await;
    let keys = format!("{SAY}\nfetch = {{ timeout = \"1s\", max-size = \"1KiB\" }}");
    let (janua, origin) = gateway(&service, &keys).await;
    let huge = format!("200 OK|X-Huge: {}", "x".repeat(70_000));
    for (said, status, reason) in [
        ("200 OK|Remote-User: alice|Remote-Groups: a, b", 200, ""),
        ("204 X|Remote-User: alice|Remote-Groups: a", 200, ""),
        ("200 OK|Remote-User: alice|Remote-Groups: b", 403, "authz.role"),
        ("200 OK|Remote-User: alice", 403, "authz.role"),
        ("200 OK|Remote-Groups: a", 503, "auth.forward.unavailable"),
        ("200 OK|Remote-User: |Remote-Groups: a", 503, "auth.forward.unavailable"),
        ("302 Found|Location: https://login.example/", 503, "auth.forward.unavailable"),
        ("301 Moved|Location: https://login.example/", 503, "auth.forward.unavailable"),
        ("400 Bad", 503, "auth.forward.unavailable"),
        ("404 Not Found", 503, "auth.forward.unavailable"),
        ("407 X", 503, "auth.forward.unavailable"),
        ("429 X", 503, "auth.forward.unavailable"),
        ("500 X|Remote-User: alice|Remote-Groups: a", 503, "auth.forward.unavailable"),
        ("nonsense", 503, "auth.forward.unavailable"),
        ("gone", 503, "auth.forward.unavailable"),
        ("silence", 503, "auth.forward.unavailable"),
        (&huge[..16_000], 503, "auth.forward.unavailable"),
    ] {
        let answer = say(&janua, said).await;
        assert_eq!(answer.status(), status, "{said}: {answer:?}");
        if status == 200 {
            let seen = origin.last();
            let told = ["x-who", "remote-user"].map(|name| seen.field(name));
            assert_eq!(told, [Some("alice".into()), Some("alice".into())], "{seen:?}");
        } else {
            answer.assert_refused(status, reason, said);
        }
    }
    assert_eq!(origin.requests().len(), 2, "something got through");
}

#[tokio::test]
async fn a_refusal_is_the_services_own_word() {
    let service = service().await;
    let (janua, origin) = gateway(&service, &format!("{SAY}\nredirect = true")).await;
    for (said, status, reason, field, value) in [
        ("401 X|WWW-Authenticate: Negotiate", 401, "unauthorized", "www-authenticate", "Negotiate"),
        ("403 X|Content-Type: text/html", 403, "denied", "content-type", "text/html"),
        ("302 X|Location: https://login/?a", 302, "unauthorized", "location", "https://login/?a"),
        ("303 X|Location: /login|Set-Cookie: s=1", 303, "unauthorized", "set-cookie", "s=1"),
        ("401 X|X-Internal: 10.0.0.7", 401, "unauthorized", "cache-control", "no-store"),
    ] {
        let answer = say(&janua, said).await;
        assert_eq!(answer.status(), status, "{said}: {answer:?}");
        assert_eq!(answer.field(field).as_deref(), Some(value), "{said}: {answer:?}");
        assert_eq!((answer.body.as_slice(), answer.field("x-internal")), (&b"body"[..], None));
        let reason = format!("auth.forward.{reason}");
        let line = janua.logged(&reason, |line| line["reason"] == reason.as_str()).await;
        assert_eq!(line["path"], "/a");
    }
    // A redirect that leads nowhere is no answer.
    say(&janua, "302 X").await.assert_refused(503, "auth.forward.unavailable", "no location");
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn the_service_is_told_what_was_asked_for_and_nobody_can_forge_it() {
    let service = service().await;
    let (janua, origin) = gateway(&service, "headers = \"*\"").await;
    let fields = "Cookie: s=1\r\nX-Other: o\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Uri: /evil\r\n\
         X-Forwarded-Method: EVIL\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n\
         Remote-User: root\r\nRemote_Groups: a\r\nX-Who: root\r\nContent-Length: 2\r\n";
    let mut client = janua.client().await;
    client.send(format!("POST /a?b=c HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\nhi")).await;
    client.answer().await.assert_refused(403, "authz.role", "alice is no `a`");
    let asked = service.last();
    assert_eq!(asked.line, "GET /check?rd=1 HTTP/1.1");
    for (name, value) in [
        ("x-forwarded-method", Some("POST")),
        ("x-forwarded-uri", Some("/a?b=c")),
        ("x-forwarded-host", Some("shop.example")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("cookie", Some("s=1")),
        ("x-other", Some("o")),
        ("remote-user", None),
        ("remote_groups", None),
        ("x-who", None),
        ("content-length", None),
    ] {
        assert_eq!(asked.field(name).as_deref(), value, "{name}: {asked:?}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn only_the_named_fields_are_sent_and_a_connection_is_used_again() {
    let service = service().await;
    let (janua, _origin) = gateway(&service, SAY).await;
    let said = "200 OK|Remote-User: alice|Remote-Groups: a";
    let mut client = janua.client().await;
    for _ in 0..5 {
        let fields = format!("X-Say: {said}\r\nX-Other: o\r\nCookie: c=1\r\n");
        assert_eq!(client.request("GET /", &fields).await.status(), 200);
        assert_eq!(
            (service.last().field("x-other"), service.last().field("cookie").is_some()),
            (None, true)
        );
    }
    assert_eq!(service.requests().len(), 5, "it is asked for every request");
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn a_decision_is_remembered_by_what_it_depends_on() {
    let service = service().await;
    let keys = format!("{SAY}\nremember = \"1h\"\nremember-by = [\"cookie\", \"path\"]");
    let (janua, _origin) = gateway(&service, &keys).await;
    let yes = "200 OK|Remote-User: alice|Remote-Groups: a";
    for (target, cookie, said, status, asked) in [
        ("/a", "Cookie: s=1\r\n", yes, 200, 1),
        ("/a", "Cookie: s=1\r\n", "403 X", 200, 1),
        ("/b", "Cookie: s=1\r\n", "403 X", 403, 2),
        // A refusal is not remembered.
        ("/b", "Cookie: s=1\r\n", yes, 200, 3),
        ("/a", "Cookie: s=2\r\n", "403 X", 403, 4),
        ("/a?x", "Cookie: s=1\r\n", "403 X", 403, 5),
        // Who shows nothing is always asked about.
        ("/a", "", yes, 200, 6),
        ("/a", "", "403 X", 403, 7),
    ] {
        let fields = format!("{cookie}X-Say: {said}\r\n");
        let answer = send(&janua, &format!("GET {target}"), &fields).await;
        assert_eq!(answer.status(), status, "{target} {cookie} {said}: {answer:?}");
        assert_eq!(service.requests().len(), asked, "{target} {cookie} {said}");
    }
}

/// Cookies that an answer sets, in order.
fn set(answer: &Message) -> Vec<String> {
    let mut set: Vec<_> = answer.values("set-cookie").into_iter().map(String::from).collect();
    set.sort();
    set
}

#[tokio::test]
async fn cookies_of_an_answer_that_lets_in_are_the_clients_when_asked_for() {
    let (service, yes) = (service().await, "200 OK|Remote-User: alice|Remote-Groups: a");
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: s=origin; Path=/\r\nSet-Cookie: o=1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let said = format!("{yes}|Set-Cookie: s=new; HttpOnly|Set-Cookie: t=2|Set-Cookie: S=3");
    for (keys, expected) in [
        ("", &["o=1", "s=origin; Path=/"][..]),
        ("response-cookies = \"s\"", &["o=1", "s=new; HttpOnly"]),
        ("response-cookies = [\"t\", \"u\"]", &["o=1", "s=origin; Path=/", "t=2"]),
        ("response-cookies = \"*\"", &["S=3", "o=1", "s=new; HttpOnly", "t=2"]),
    ] {
        let janua = before(&origin, &service, &format!("{SAY}\n{keys}")).await;
        let answer = say(&janua, &said).await;
        assert_eq!(
            (answer.status(), set(&answer)),
            (200, expected.iter().map(|it| (*it).into()).collect()),
            "{keys}"
        );
        assert_eq!(
            set(&say(&janua, yes).await),
            ["o=1", "s=origin; Path=/"],
            "{keys}: the next one"
        );
    }
    assert!(origin.requests().iter().all(|seen| seen.field("set-cookie").is_none()));
}

#[tokio::test]
async fn cookies_go_along_with_a_refusal_that_comes_later_and_are_bounded() {
    let service = service().await;
    let (janua, origin) = gateway(&service, &format!("{SAY}\nresponse-cookies = \"*\"")).await;
    let answer = say(&janua, "200 OK|Remote-User: alice|Set-Cookie: s=1").await;
    answer.assert_refused(403, "authz.role", "no role");
    assert_eq!(set(&answer), ["s=1"], "a session that was renewed would be lost");
    let yes = "200 OK|Remote-User: alice|Remote-Groups: a";
    let cookies = |number: usize, length: usize| {
        let cookie = |number| format!("|Set-Cookie: c{number}={}", "x".repeat(length));
        format!("{yes}{}", (0..number).map(cookie).collect::<String>())
    };
    let answer = say(&janua, &cookies(16, 900)).await;
    assert_eq!((answer.status(), set(&answer).len()), (200, 16));
    for (number, length) in [(17, 1), (5, 3_300)] {
        let answer = say(&janua, &cookies(number, length)).await;
        answer.assert_refused(503, "auth.forward.unavailable", "too many, or too much");
        assert_eq!(set(&answer), [""; 0]);
    }
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn what_is_remembered_gives_nobody_cookies_again() {
    let service = service().await;
    let keys = "response-cookies = \"s\"\nremember = \"1h\"\nremember-by = \"cookie\"";
    let (janua, _origin) = gateway(&service, &format!("{SAY}\n{keys}")).await;
    let yes = "200 OK|Remote-User: alice|Remote-Groups: a";
    let renewed = format!("{yes}|Set-Cookie: s=2");
    for (said, cookies, asked) in
        [(&*renewed, 1, 1), (&*renewed, 1, 2), (yes, 0, 3), (&*renewed, 0, 3)]
    {
        let answer = send(&janua, "GET /", &format!("Cookie: s=1\r\nX-Say: {said}\r\n")).await;
        assert_eq!((answer.status(), set(&answer).len()), (200, cookies), "{said}");
        assert_eq!(service.requests().len(), asked, "{said}");
    }
}
