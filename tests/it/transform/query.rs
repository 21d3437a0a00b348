//! Rules for the query that goes on, and what templates know of who asks.

use super::route;
use crate::support::{Origin, Setup, keys};

#[tokio::test]
async fn an_origin_gets_the_query_that_the_rules_make() {
    let origin = Origin::ok().await;
    let keys = "path = \"/a/{id}\"\n\
                request-query = { remove = [\"debug\", \"a b\"], set = { id = \"{path.id}\", by = \"{request.header.x-by}\", no = \"\" }, add = { tag = \"{request.query}\" } }\n";
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    for (target, fields, gets) in [
        ("/a/7", "", "/a/7?id=7&no="),
        (
            "/a/7?x=%2F&debug=1&de%62ug&x=+&a+b=1",
            "",
            "/a/7?x=%2F&x=+&id=7&no=&tag=x%3D%2F%26debug%3D1%26de%62ug%26x%3D%2B%26a%2Bb%3D1",
        ),
        (
            "/a/7?id=1&id=2&tag=t&by=b",
            "x-by: me&id=9#\r\n",
            "/a/7?tag=t&by=me%26id%3D9%23&id=7&no=&tag=id%3D1%26id%3D2%26tag%3Dt%26by%3Db",
        ),
        ("/a/x&id=9", "", "/a/x&id=9?id=x%26id%3D9&no="),
        ("/a/%26%20", "", "/a/%26%20?id=%26%20&no="),
    ] {
        assert_eq!(client.request(&format!("GET {target}"), fields).await.status(), 200);
        assert_eq!(origin.last().target(), gets, "{target}");
    }
}

#[tokio::test]
async fn rules_for_the_query_come_after_the_rewriting() {
    let origin = Origin::ok().await;
    let keys = "rewrite = \"/b?z=1&y=2\"\nrequest-query = { remove = \"z\", set = { x = \"{request.host}\" } }";
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    client.request("GET /a?q=1", "").await;
    assert_eq!(origin.last().target(), "/b?y=2&x=a.example");
    client.send("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.answer().await;
    assert_eq!(origin.last().target(), "*");
    let keys = "request-query.remove = [\"q\"]";
    let janua = route(&origin.url, keys).start().await;
    janua.get("/a?q=1").await;
    assert_eq!(origin.last().target(), "/a");
}

#[tokio::test]
async fn templates_know_who_asks() {
    let sha = keys::DIGEST;
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[auth.partners.api-key]\nkeys = [{{ id = \"acme\", sha256 = \"{sha}\", roles = [\"a\", \"b\"] }}]\n\
         [[route]]\nto = \"{}\"\nauth = \"partners\"\n\
         request-headers.set = {{ x-who = \"{{identity.sub}}\", x-roles = \"{{identity.roles}}\", x-none = \"{{identity.none}}\" }}\n\
         request-query.set = {{ who = \"{{identity.sub}}\" }}\n",
        origin.url
    ))
    .start()
    .await;
    let fields =
        "x-api-key: 0123456789abcdef0123456789abcdef\r\nx-who: forged\r\nx-none: forged\r\n";
    let got = janua.client().await.request("GET /?who=forged", fields).await;
    assert_eq!(got.status(), 200, "{}", got.text());
    let asked = origin.last();
    assert_eq!(asked.target(), "/?who=acme");
    assert_eq!(asked.field("x-who").as_deref(), Some("acme"));
    assert_eq!(asked.field("x-roles").as_deref(), Some("a,b"));
    assert_eq!(asked.field("x-none"), None);
}
