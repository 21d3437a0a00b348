//! Tokens that an authorization server is asked about: one that answers, lies, sleeps, and goes away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};

use super::{
    jwt::{bearer, metric, now},
    send, setup,
};
use crate::support::{Janua, Message, Origin, until};

/// An answer of HTTP with this body.
fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An authorization server that says of each token what stands in it: `STATUS:JSON`, percent-encoded.
async fn server() -> Origin {
    Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let body = String::from_utf8(request.body).unwrap();
            let token = body.strip_prefix("token=").unwrap().split('&').next().unwrap();
            let said = percent_encoding::percent_decode_str(token).decode_utf8().unwrap();
            match said.split_once(':') {
                Some((status, json)) => peer.send(answer(&format!("{status} X"), json)).await,
                // It says nothing more.
                None => std::future::pending().await,
            }
        }
    })
    .await
}

fn says(changed: Value) -> String {
    let mut claims = json!({
        "active": true, "sub": "alice", "aud": "orders", "iss": "https://idp.example",
        "exp": now() + 600, "scope": "read write", "roles": ["admin"],
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    format!("200:{claims}")
}

async fn gateway(server: &Origin, keys: &str) -> (Janua, Origin) {
    let origin = Origin::ok().await;
    let sections = format!(
        "[auth.corp]\nidentity-headers = {{ x-user = \"sub\" }}\nlock-out.attempts = 0\n\
         [auth.corp.introspection]\nurl = \"{}/introspect\"\nclient-id = \"jan:ua\"\n\
         client-secret = \"s ec&ret\"\naudience = \"orders\"\n{keys}\n",
        server.url
    );
    (setup(&origin, &sections, "auth = \"corp\"").start().await, origin)
}

async fn ask(janua: &Janua, token: &str) -> Message {
    send(janua, "GET /", &bearer(token)).await
}

#[tokio::test]
async fn a_token_lets_in_for_what_the_server_says_of_it_and_for_nothing_else() {
    let server = server().await;
    let keys =
        "issuer = \"https://idp.example\"\nfetch = { timeout = \"1s\", max-size = \"4KiB\" }";
    let (janua, origin) = gateway(&server, keys).await;
    let huge = says(json!({ "x": "x".repeat(5_000) }));
    for (token, status, reason) in [
        (says(json!({})), 200, ""),
        (says(json!({ "iss": null })), 200, ""),
        (says(json!({ "exp": null })), 200, ""),
        (says(json!({ "aud": ["x", "orders"] })), 200, ""),
        ("200:{\"active\":false}".into(), 401, "auth.introspection.inactive"),
        (says(json!({ "active": false })), 401, "auth.introspection.inactive"),
        (says(json!({ "token_use": "refresh_token" })), 401, "auth.introspection.inactive"),
        (says(json!({ "typ": "Refresh" })), 401, "auth.introspection.inactive"),
        (says(json!({ "exp": 1 })), 401, "auth.introspection.expired"),
        (says(json!({ "nbf": now() + 600 })), 401, "auth.introspection.not_yet"),
        (says(json!({ "iss": "https://evil" })), 401, "auth.introspection.issuer"),
        (says(json!({ "aud": "others" })), 401, "auth.introspection.audience"),
        (says(json!({ "aud": null })), 401, "auth.introspection.audience"),
        (says(json!({ "sub": null })), 401, "auth.introspection.claims"),
        (says(json!({ "sub": "" })), 401, "auth.introspection.claims"),
        (says(json!({ "exp": "soon" })), 401, "auth.introspection.claims"),
        (says(json!({ "scope": 7 })), 401, "auth.introspection.claims"),
        (says(json!({ "active": "true" })), 503, "auth.introspection.unavailable"),
        (says(json!({ "active": 1 })), 503, "auth.introspection.unavailable"),
        (says(json!({ "active": null })), 503, "auth.introspection.unavailable"),
        ("200:{\"active\":false,\"active\":true}".into(), 503, "auth.introspection.unavailable"),
        ("200:[true]".into(), 503, "auth.introspection.unavailable"),
        ("200:".into(), 503, "auth.introspection.unavailable"),
        ("401:{\"active\":true}".into(), 503, "auth.introspection.unavailable"),
        ("500:{\"active\":true}".into(), 503, "auth.introspection.unavailable"),
        ("302:{\"active\":true}".into(), 503, "auth.introspection.unavailable"),
        (huge, 503, "auth.introspection.unavailable"),
        ("silence".into(), 503, "auth.introspection.unavailable"),
        (String::new(), 401, "auth.introspection.malformed"),
        ("t".repeat(17_000), 401, "auth.introspection.malformed"),
    ] {
        let answer = ask(&janua, &token).await;
        assert_eq!(answer.status(), status, "{token}: {answer:?}");
        if status == 200 {
            assert_eq!(origin.last().field("x-user").as_deref(), Some("alice"));
            assert_eq!(origin.last().field("authorization"), None);
        } else {
            answer.assert_refused(status, reason, &token);
            let told = answer.field("www-authenticate").unwrap_or_default();
            assert_eq!(told.contains("invalid_token"), status == 401, "{token}: {told}");
        }
    }
    assert_eq!(origin.requests().len(), 4);
    send(&janua, "GET /", "").await.assert_refused(401, "auth.missing", "nothing shown");
}

#[tokio::test]
async fn the_gateway_proves_who_asks_as_the_server_wants_it() {
    let server = server().await;
    let (janua, _origin) = gateway(&server, "").await;
    assert_eq!(ask(&janua, &says(json!({}))).await.status(), 200);
    let asked = server.last();
    assert_eq!(asked.line, "POST /introspect HTTP/1.1");
    // RFC 6749 section 2.3.1: each is encoded as in a form before they are joined.
    let basic = asked.field("authorization").unwrap();
    assert_eq!(basic, super::basic("jan%3Aua", "s%20ec%26ret")[15..].trim());
    let (janua, _origin) = gateway(&server, "client-auth = \"post\"").await;
    assert_eq!(ask(&janua, &says(json!({}))).await.status(), 200);
    assert_eq!(server.last().field("authorization"), None);
    let body = String::from_utf8(server.last().body).unwrap();
    assert!(body.ends_with("&client_id=jan%3Aua&client_secret=s%20ec%26ret"), "{body}");
    assert!(!format!("{:?}", janua.world()).contains("s%20ec"));
}

#[tokio::test]
async fn the_server_is_asked_once_and_goes_away_without_those_it_knew() {
    let server = server().await;
    let (janua, _origin) = gateway(&server, "").await;
    let (known, wrong) = (says(json!({})), "200:{\"active\":false}");
    for _ in 0..5 {
        assert_eq!(ask(&janua, &known).await.status(), 200);
        ask(&janua, wrong).await.assert_refused(401, "auth.introspection.inactive", "each time");
    }
    assert_eq!(server.requests().len(), 2, "the rest is remembered");
    assert_eq!(server.connections(), 1, "a connection is used again");
    assert_eq!(metric(&janua, "janua_auth_questions_total"), 2);
    drop(server);
    assert_eq!(ask(&janua, &known).await.status(), 200, "that one is known");
    let answer = ask(&janua, &says(json!({ "sub": "bob" }))).await;
    answer.assert_refused(503, "auth.introspection.unavailable", "nobody can say");
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
    assert_eq!(metric(&janua, "janua_auth_question_failures_total"), 1);
}

#[tokio::test]
async fn an_answer_is_remembered_no_longer_than_the_token_lives_and_as_was_said() {
    let server = server().await;
    let keys = "remember = \"0s\"\nremember-inactive = \"0s\"";
    let (janua, _origin) = gateway(&server, keys).await;
    for _ in 0..3 {
        assert_eq!(ask(&janua, &says(json!({}))).await.status(), 200);
    }
    assert_eq!(server.requests().len(), 3, "nothing is remembered");
    let (janua, _origin) = gateway(&server, "leeway = \"0s\"").await;
    let token = says(json!({ "exp": now() + 2 }));
    assert_eq!(ask(&janua, &token).await.status(), 200);
    let mut client = janua.client().await;
    let refused = crate::support::soon("its end", async {
        loop {
            let answer = client.request("GET /", &bearer(&token)).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    });
    refused.await.assert_refused(401, "auth.introspection.expired", "its time is over");
}

#[tokio::test]
async fn many_who_bring_the_same_token_wait_for_one_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (may, count) = (Arc::new(tokio::sync::Semaphore::new(0)), asked.clone());
    let gate = may.clone();
    let server = Origin::script(move |mut peer| {
        let (gate, count) = (gate.clone(), count.clone());
        async move {
            while peer.request().await.is_some() {
                count.fetch_add(1, Relaxed);
                gate.acquire().await.unwrap().forget();
                let said = says(json!({}));
                peer.send(answer("200 OK", said.strip_prefix("200:").unwrap())).await;
            }
        }
    })
    .await;
    let (janua, origin) = gateway(&server, "max-waiting = 8").await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = janua.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", bearer("t"))).await;
        clients.push(client);
    }
    until("all wait", || metric(&janua, "janua_auth_questions_waiting") == 8).await;
    ask(&janua, "t").await.assert_refused(503, "auth.busy", "one too many");
    // Whoever asked first goes away: the others have their answer all the same.
    drop(clients.remove(0));
    may.add_permits(10);
    for client in &mut clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!(asked.load(Relaxed), 1);
    assert_eq!(origin.requests().len(), 7);
}

#[tokio::test]
async fn an_issuer_says_where_it_is_asked() {
    let place = Arc::new(parking_lot::Mutex::new(String::new()));
    let known = place.clone();
    let server = Origin::script(move |mut peer| {
        let known = known.clone();
        async move {
            while let Some(request) = peer.request().await {
                let at = known.lock().clone();
                match request.target() {
                    "/.well-known/openid-configuration" => peer.send(answer("200 OK", &at)).await,
                    "/ask" => {
                        let said = says(json!({ "iss": null }));
                        peer.send(answer("200 OK", said.strip_prefix("200:").unwrap())).await;
                    }
                    _ => peer.send(answer("404 Not Found", "")).await,
                }
            }
        }
    })
    .await;
    let url = &server.url;
    let origin = Origin::ok().await;
    let sections = format!(
        "[auth.corp.introspection]\nissuer = \"{url}\"\nclient-id = \"a\"\nclient-secret = \"b\"\n\
         audience = \"orders\"\nremember = \"0s\"\n"
    );
    let janua = setup(&origin, &sections, "auth = \"corp\"").start().await;
    for (document, status) in [
        ("{}".to_owned(), 503),
        (
            json!({ "issuer": "https://evil", "introspection_endpoint": format!("{url}/ask") })
                .to_string(),
            503,
        ),
        (json!({ "issuer": url, "introspection_endpoint": "ftp://x" }).to_string(), 503),
        (
            json!({ "issuer": url, "introspection_endpoint": format!("{url}/moved") }).to_string(),
            503,
        ),
        (json!({ "issuer": url, "introspection_endpoint": format!("{url}/ask") }).to_string(), 200),
    ] {
        place.lock().clone_from(&document);
        assert_eq!(ask(&janua, "t").await.status(), status, "{document}");
    }
}
