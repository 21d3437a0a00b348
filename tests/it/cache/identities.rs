//! For whom an answer is kept: nothing of one client's reaches another, unless the operator says so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{ask, landed};
use crate::{
    auth::key,
    support::{Janua, Origin, Setup},
};

/// An origin that numbers its answers.
async fn numbers(fields: &str) -> Origin {
    let (count, fields) = (Arc::new(AtomicUsize::new(1)), fields.to_owned());
    Origin::script(move |mut peer| {
        let (count, fields) = (count.clone(), fields.clone());
        async move {
            while peer.request().await.is_some() {
                let number = count.fetch_add(1, Relaxed);
                let body = format!("{number:02}");
                peer.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\n{body}"))
                    .await;
            }
        }
    })
    .await
}

/// A route for who has a key; three have one, two of them of one customer.
fn known(url: &str, route: &str) -> Setup {
    let keys = [("a", "one"), ("b", "one"), ("c", "two")]
        .map(|(id, owner)| key(id, &format!("k-{id}"), &format!(", owner = \"{owner}\"")));
    Setup::new(format!(
        "[auth.k.api-key]\nheader = \"x-api-key\"\nkeys = [{}]\n\
         [[route]]\nname = \"r\"\nauth = \"k\"\nto = \"{url}\"\n{route}\n",
        keys.join(", ")
    ))
}

/// What each of several requests gets; fields of each.
async fn gets(janua: &Janua, requests: &[&str]) -> Vec<String> {
    let mut bodies = Vec::new();
    for fields in requests {
        let answer = ask(janua, "GET /", fields).await;
        assert_eq!(answer.status(), 200, "{fields}: {answer:?}");
        bodies.push(answer.text());
        landed(janua).await;
    }
    bodies
}

const A: &str = "X-Api-Key: k-a\r\n";
const B: &str = "X-Api-Key: k-b\r\n";

#[tokio::test]
async fn two_identities_never_get_each_others_answers() {
    for fields in ["Cache-Control: max-age=60\r\n", "Cache-Control: public, s-maxage=60\r\n"] {
        let origin = numbers(fields).await;
        let janua = known(&origin.url, "cache = true").start().await;
        assert_eq!(gets(&janua, &[A, B, A, B]).await, ["01", "02", "01", "02"], "{fields}");
        assert_eq!(ask(&janua, "GET /", "").await.status(), 401);
        assert_eq!(ask(&janua, "GET /", "X-Api-Key: k-d\r\n").await.status(), 401);
    }
}

#[tokio::test]
async fn all_identities_share_if_the_operator_and_the_origin_say_so() {
    for (rules, fields, shared) in [
        ("key = \"global\"", "Cache-Control: public, max-age=60\r\n", true),
        ("key = \"global\"", "Cache-Control: s-maxage=60\r\n", true),
        ("key = \"global\"", "Cache-Control: max-age=60, must-revalidate\r\n", true),
        ("key = \"global\"", "Cache-Control: max-age=60\r\n", false),
        ("key = \"global\", ignore = [\"authorization\"]", "Cache-Control: max-age=60\r\n", true),
        ("key = \"identity\"", "Cache-Control: public, max-age=60\r\n", false),
    ] {
        let origin = numbers(fields).await;
        let janua = known(&origin.url, &format!("cache = {{ {rules} }}")).start().await;
        let bodies = gets(&janua, &[A, B]).await;
        assert_eq!(bodies, if shared { ["01", "01"] } else { ["01", "02"] }, "{rules} {fields}");
        // Who may not come in gets nothing of it.
        assert_eq!(ask(&janua, "GET /", "").await.status(), 401, "{rules}");
    }
}

/// To the origin these are requests for other URLs, or by others, which it cannot say by `Vary`.
#[tokio::test]
async fn who_is_told_apart_by_the_rules_of_the_route_gets_nothing_of_others() {
    let (one, two) = ("X-Tenant: one\r\n", "X-Tenant: two\r\n");
    for (rules, apart) in [
        ("rewrite = \"/{request.header.x-tenant}{request.path}\"", true),
        ("request-query = { set = { tenant = \"{request.header.x-tenant}\" } }", true),
        ("request-headers = { set = { authorization = \"B {request.header.x-tenant}\" } }", true),
        ("request-headers = { add = { cookie = \"t={request.header.x-tenant}\" } }", true),
        ("request-headers = { set = { x-t = \"{request.header.x-tenant}\" } }", false),
        ("rewrite = \"/all{request.path}\"", false),
        ("request-query = { set = { page = \"{request.path}\" } }", false),
        ("request-headers = { set = { authorization = \"B all\" } }", false),
    ] {
        let origin = numbers("Cache-Control: max-age=60\r\n").await;
        let setup =
            format!("[[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\n{rules}\n", origin.url);
        let janua = Setup::new(setup).start().await;
        let expected = if apart { ["01", "02", "01", "02"] } else { ["01"; 4] };
        assert_eq!(gets(&janua, &[one, two, one, two]).await, expected, "{rules}");
    }
}

#[tokio::test]
async fn so_does_who_comes_from_elsewhere_where_the_rules_say_from_where() {
    let origin = numbers("Cache-Control: max-age=60\r\n").await;
    let setup = Setup::new(format!(
        "[[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\nrewrite = \"/{{client.ip}}\"\n",
        origin.url
    ));
    let janua = setup.listener("trusted-proxies = [\"127.0.0.0/8\"]").start().await;
    let (one, two) = ("X-Forwarded-For: 192.0.2.1\r\n", "X-Forwarded-For: 192.0.2.2\r\n");
    assert_eq!(gets(&janua, &[one, two, one, two]).await, ["01", "02", "01", "02"]);
}

#[tokio::test]
async fn so_does_whom_a_trusted_proxy_says_something_else_of_the_url_than_their_host() {
    for (said, trusts, apart) in [
        ("X-Forwarded-Host: evil.example\r\n", true, true),
        ("X-Forwarded-Host: evil.example\r\n", false, false),
        ("X-Forwarded-Host: A.example\r\nX-Forwarded-Proto: http\r\n", true, false),
        ("X-Forwarded-Proto: HTTPS\r\n", true, true),
        ("X-Forwarded-Prefix: /x\r\n", true, true),
        ("Forwarded: for=192.0.2.1;host=evil.example\r\n", true, true),
        ("Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n", true, false),
    ] {
        let origin = numbers("Cache-Control: max-age=60\r\n").await;
        let trusted = if trusts { "trusted-proxies = [\"127.0.0.0/8\"]" } else { "" };
        let janua = super::kept(&origin.url, "").listener(trusted).start().await;
        let expected = if apart { ["01", "02", "01", "02"] } else { ["01"; 4] };
        assert_eq!(gets(&janua, &[said, "", said, ""]).await, expected, "{said}");
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A token that says this, as a field.
fn token(claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("Authorization: Bearer {signed}.{signature}\r\n")
}

#[tokio::test]
async fn who_has_the_same_claim_shares_if_the_operator_and_the_origin_say_so() {
    let said = |who: &str, tenant: &str| {
        token(&format!("{{\"sub\":\"{who}\",\"exp\":4000000000{tenant}}}"))
    };
    let (alice, bob) = (said("alice", ",\"tenant\":\"a\""), said("bob", ",\"tenant\":\"a\""));
    let carol = said("carol", ",\"tenant\":\"b\"");
    // What is no such claim is nobody's of those who have one.
    let (list, nobody) = (said("dora", ",\"tenant\":[\"a\"]"), said("erin", ""));
    let all = [&*alice, &bob, &carol, &alice, &carol, &list, &nobody, &bob];
    for (says, expected) in [
        ("public, ", ["01", "01", "02", "01", "02", "03", "04", "01"]),
        ("", ["01", "02", "03", "04", "05", "06", "07", "08"]),
    ] {
        let origin = numbers(&format!("Cache-Control: {says}max-age=60\r\n")).await;
        let setup = Setup::new(format!(
            "[auth.j]\njwt = {{ audience = [], secret = \"{SECRET}\" }}\n\
             [[route]]\nname = \"r\"\nauth = \"j\"\ncache = {{ key = \"claim:tenant\" }}\nto = \"{}\"\n",
            origin.url
        ));
        assert_eq!(gets(&setup.start().await, &all).await, expected, "{says}");
    }
}

#[tokio::test]
async fn tokens_of_one_person_that_say_other_things_are_kept_apart_where_the_origin_is_told() {
    let a = token(r#"{"sub":"alice","exp":4000000000,"tenant":"a"}"#);
    let b = token(r#"{"sub":"alice","exp":4000000000,"tenant":"b"}"#);
    let again = token(r#"{"sub":"alice","exp":4000000001,"jti":"7","tenant":"a"}"#);
    for (section, route, apart) in [
        ("keep-credentials = true", "", true),
        ("", "", false),
        ("identity-headers = { x-tenant = \"tenant\" }", "", true),
        ("identity-token = { claims = [\"tenant\"] }", "", true),
        ("identity-token = { claims = [\"shoe-size\"] }", "", false),
        ("", "request-headers = { set = { x-tenant = \"{identity.tenant}\" } }", true),
    ] {
        let origin = numbers("Cache-Control: max-age=60\r\n").await;
        let setup = Setup::new(format!(
            "[auth.j]\n{section}\njwt = {{ audience = [], secret = \"{SECRET}\" }}\n\
             [[route]]\nname = \"r\"\nauth = \"j\"\ncache = true\nto = \"{}\"\n{route}\n",
            origin.url
        ));
        let janua = setup.start().await;
        let expected = if apart { ["01", "02", "01", "02"] } else { ["01"; 4] };
        assert_eq!(gets(&janua, &[&a, &b, &again, &b]).await, expected, "{section} {route}");
    }
}

#[tokio::test]
async fn credentials_that_the_gateway_does_not_look_at_are_no_identity() {
    let alice = format!("{A}Authorization: Bearer alice\r\n");
    let bob = format!("{A}Authorization: Bearer bob\r\n");
    for (fields, rules, expected) in [
        ("Cache-Control: max-age=60\r\n", "cache = true", ["01", "02", "03", "04", "04", "04"]),
        ("Cache-Control: public, max-age=60\r\n", "cache = true", ["01"; 6]),
        (
            "Cache-Control: max-age=60\r\n",
            "cache = { key = [\"identity\", \"header:authorization\"] }",
            ["01", "02", "01", "03", "03", "03"],
        ),
    ] {
        let origin = numbers(fields).await;
        let janua = known(&origin.url, rules).start().await;
        let bodies = gets(&janua, &[&alice, &bob, &alice, A, A, A]).await;
        assert_eq!(bodies, expected, "{fields} {rules}");
    }
}

/// Who makes variables of header fields (CGI, WSGI) takes `X_Tenant` for `X-Tenant`.
#[tokio::test]
async fn a_field_that_passes_for_one_that_counts_fills_no_cache() {
    for (rules, vary, twin) in [
        ("key = \"header:x-tenant\"", "", "X_Tenant: evil\r\n"),
        ("", "Vary: Accept-Language\r\n", "Accept_Language: xx\r\n"),
    ] {
        let origin = numbers(&format!("Cache-Control: public, max-age=60\r\n{vary}")).await;
        let janua = super::kept(&origin.url, rules).start().await;
        // Nor does it keep others from it; another field is as good as any.
        let asked = [twin, "", "", "", "X_Else: 1\r\n"];
        assert_eq!(gets(&janua, &asked).await, ["01", "02", "02", "02", "02"], "{rules} {vary}");
    }
}

#[tokio::test]
async fn two_routes_without_a_name_may_change_places_in_the_file() {
    let origin = Origin::script(move |mut peer| async move {
        while let Some(request) = peer.request().await {
            let target = request.target().to_owned();
            let length = target.len();
            let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: ";
            peer.send(format!("{head}{length}\r\n\r\n{target}")).await;
        }
    })
    .await;
    let route = |tenant: &str| {
        format!(
            "[[route]]\npath = \"/t/{{rest*}}\"\nheaders = {{ x-tenant = \"{tenant}\" }}\n\
             rewrite = \"/{tenant}{{request.path}}\"\nto = \"{}\"\ncache = true\n",
            origin.url
        )
    };
    let both = |one: &str, other: &str| Setup::new(route(one) + &route(other));
    let get = async |janua: &Janua, tenant: &str| {
        let answer = ask(janua, "GET /t/x", &format!("X-Tenant: {tenant}\r\n")).await;
        landed(janua).await;
        answer.text()
    };
    let janua = both("a", "b").start().await;
    for _ in 0..2 {
        assert_eq!(
            (get(&janua, "a").await, get(&janua, "b").await),
            ("/a/t/x".into(), "/b/t/x".into())
        );
    }
    assert_eq!(origin.requests().len(), 2);
    janua.reload(&both("b", "a")).await.unwrap();
    assert_eq!(
        (get(&janua, "a").await, get(&janua, "b").await),
        ("/a/t/x".into(), "/b/t/x".into())
    );
}

#[tokio::test]
async fn routes_and_ways_do_not_share() {
    let (one, two) = (
        numbers("Cache-Control: max-age=60\r\n").await,
        numbers("Cache-Control: max-age=60\r\n").await,
    );
    let setup = Setup::new(format!(
        "[upstream.one]\nendpoints = \"{}\"\n[upstream.two]\nendpoints = \"{}\"\n\
         [[route]]\nname = \"split\"\npath = \"/\"\ncache = true\n\
         to = [{{ upstream = \"one\", weight = 1 }}, {{ upstream = \"two\", headers = {{ x-two = true }} }}]\n\
         [[route]]\nname = \"other\"\npath = \"/\"\nheaders = {{ x-other = \"1\" }}\nto = \"one\"\ncache = true\n",
        one.url, two.url
    ));
    let janua = setup.start().await;
    let asked = || (one.requests().len(), two.requests().len());
    gets(&janua, &["", "", "X-Two: 1\r\n", "X-Two: 1\r\n", ""]).await;
    assert_eq!(asked(), (1, 1));
    gets(&janua, &["X-Other: 1\r\n", "X-Other: 1\r\n"]).await;
    assert_eq!(asked(), (2, 1), "a route gives what another keeps");
}

#[tokio::test]
async fn schemes_do_not_share() {
    let origin = numbers("Cache-Control: max-age=60\r\n").await;
    let setup = super::kept(&origin.url, "").listener("trusted-proxies = [\"127.0.0.0/8\"]");
    let janua = setup.start().await;
    let https = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n";
    let http = "X-Forwarded-Proto: http\r\nX-Forwarded-For: 192.0.2.1\r\n";
    assert_eq!(gets(&janua, &[https, http, https, http]).await, ["01", "02", "01", "02"]);
}

#[tokio::test]
async fn a_reload_keeps_what_is_kept() {
    let origin = numbers("Cache-Control: max-age=60\r\n").await;
    let setup = |rules: &str| super::kept(&origin.url, rules);
    let janua = setup("").start().await;
    assert_eq!(gets(&janua, &["", ""]).await, ["01", "01"]);
    for rules in ["cache-status = true", "wait = \"1s\"", "ttl = \"5s\""] {
        janua.reload(&setup(rules)).await.unwrap();
        assert_eq!(gets(&janua, &[""]).await, ["01"], "{rules}");
    }
    // Another key is another place.
    janua.reload(&setup("key = \"header:x-a\"")).await.unwrap();
    assert_eq!(gets(&janua, &["", ""]).await, ["02", "02"]);
    janua.reload(&Setup::to(&origin.url)).await.unwrap();
    assert_eq!(gets(&janua, &[""]).await, ["03"], "it is still kept where nothing is to be");
    janua.reload(&setup("")).await.unwrap();
    assert_eq!(gets(&janua, &[""]).await, ["01"]);
}

#[tokio::test]
async fn a_reload_that_makes_less_room_takes_effect_at_once() {
    let origin = numbers("Cache-Control: max-age=60\r\n").await;
    let setup = |sizes: &str| {
        Setup::new(format!(
            "[cache]\n{sizes}\n[[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\n",
            origin.url
        ))
    };
    let janua = setup("size = \"64MiB\"\nmax-object = \"1MiB\"").start().await;
    gets(&janua, &[""]).await;
    assert_eq!(super::shelved(&janua).capacity, 64 << 20);
    janua.reload(&setup("size = \"1MiB\"\nmax-object = \"64KiB\"")).await.unwrap();
    assert_eq!(super::shelved(&janua).capacity, 1 << 20);
    // One that is refused changes nothing.
    assert!(janua.reload(&setup("size = \"1KiB\"")).await.is_err());
    assert_eq!(super::shelved(&janua).capacity, 1 << 20);
    assert_eq!(gets(&janua, &[""]).await, ["01"]);
}

/// A service that knows people by a cookie, and an origin that greets them by what it is told, all of it to be kept.
async fn greeting() -> (Origin, Origin) {
    let service = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let cookie = request.field("cookie").unwrap_or_default();
            let name = cookie.trim_start_matches("s=");
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nRemote-User: {name}\r\nContent-Length: 0\r\n\r\n"
            ))
            .await;
        }
    });
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let name = request.field("remote-user").unwrap_or_default();
            let head = format!("Cache-Control: max-age=60\r\nContent-Length: {}", name.len());
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{name}")).await;
        }
    });
    (service.await, origin.await)
}

#[tokio::test]
async fn people_whom_one_section_lets_in_by_one_name_are_kept_apart() {
    let (service, origin) = greeting().await;
    let forward = format!(
        "[auth.sso.forward]\nurl = \"{}/\"\nheaders = [\"cookie\"]\nresponse-headers = [\"remote-user\"]\n",
        service.url
    );
    let app = key("app", "k-app", "");
    let keys = format!("[auth.app.api-key]\nheader = \"x-api-key\"\nkeys = [{app}]\n");
    for (sections, route) in [
        // Without `subject` the section's name stands for everybody.
        (forward.clone(), "auth = \"sso\""),
        // What the second says of somebody the first does not know.
        (
            format!("{keys}{forward}subject = \"remote-user\"\n"),
            "auth = [\"app\", \"sso\"]\nrequire = \"all\"",
        ),
        (format!("{keys}{forward}"), "auth = [\"app\", \"sso\"]\nrequire = \"all\""),
    ] {
        let to = &origin.url;
        let text =
            format!("{sections}[[route]]\nname = \"r\"\n{route}\ncache = true\nto = \"{to}\"\n");
        let janua = Setup::new(text).start().await;
        let who = ["alice", "bob", "alice"];
        let fields = who.map(|name| format!("X-Api-Key: k-app\r\nCookie: s={name}\r\n"));
        let bodies = gets(&janua, &fields.each_ref().map(String::as_str)).await;
        assert_eq!(bodies, who, "{route}");
    }
}

#[tokio::test]
async fn who_is_told_apart_by_something_else_after_a_reload_starts_anew() {
    let origin = numbers("Cache-Control: max-age=60\r\n").await;
    let setup = |key: &str| super::kept(&origin.url, &format!("key = \"{key}\""));
    let janua = setup("header:x-tenant").start().await;
    assert_eq!(gets(&janua, &["X-Tenant: 7\r\n"]).await, ["01"]);
    for (key, fields, expected) in [
        ("header:x-user", "X-Tenant: 9\r\nX-User: 7\r\n", "02"),
        ("cookie:sid", "Cookie: sid=7\r\n", "03"),
        ("header:x-tenant", "X-Tenant: 7\r\n", "01"),
    ] {
        janua.reload(&setup(key)).await.unwrap();
        assert_eq!(gets(&janua, &[fields]).await, [expected], "{key}");
    }
}
