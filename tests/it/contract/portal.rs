//! The portal: what it shows of which API, and to whom.

use super::{checked, partners, setup, shop};
use crate::support::{Janua, Message, Setup, keys};

async fn portal(docs: &str, api: &str) -> Janua {
    Setup::new(format!(
        "{}[limit.few]\nrate = \"10/s\"\n\
         [docs]\npath = \"/docs\"\ntitle = \"Ours & theirs\"\n{docs}\n\
         [api.shop]\nopenapi = {shop}\nsecurity = {{ key = \"partners\" }}\n{api}\n\
         [api.shop.operations]\naddOrder = {{ enabled = false }}\ngetOrder = {{ limit = [\"few\", \"5/h\"] }}\n\
         [api.other]\nopenapi = {shop}\nbase-path = \"/other\"\nsecurity = {{ key = \"partners\" }}\n\
         [[route]]\napi = \"shop\"\nto = \"mock\"\n[[route]]\napi = \"other\"\nto = \"mock\"\n",
        partners(),
        shop = shop()
    ))
    .start()
    .await
}

fn json(answer: &Message) -> serde_json::Value {
    serde_json::from_str(&answer.text()).unwrap()
}

#[tokio::test]
async fn an_api_is_shown_as_this_gateway_means_it() {
    let janua = portal("", "").await;
    let first = janua.get("/docs").await;
    assert_eq!(first.status(), 200);
    for part in ["<h1>Ours &amp; theirs</h1>", "href=\"/docs/shop\"", "href=\"/docs/other\""] {
        assert!(first.text().contains(part), "{part}: {}", first.text());
    }
    let policy = first.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert!(policy.ends_with("; connect-src 'self'"), "{policy}");
    let page = janua.get("/docs/shop").await.text();
    assert!(page.contains("data-url=\"/docs/shop/openapi.json\""), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    let document = json(&janua.get("/docs/shop/openapi.json").await);
    assert_eq!(document["servers"][0]["url"], "/v1");
    let orders = &document["paths"]["/orders"];
    assert!(orders.get("post").is_none(), "an operation that is none");
    assert_eq!(orders["get"]["security"], serde_json::json!([]));
    let order = &document["paths"]["/orders/{order-id}"];
    assert_eq!(order["delete"]["security"], serde_json::json!([{ "partners": [] }]));
    assert_eq!(order["get"]["description"], "**Limit**: 10/s; 5/h");
    assert_eq!(
        document["components"]["securitySchemes"],
        serde_json::json!({ "partners": { "type": "apiKey", "in": "header", "name": "x-api-key" } })
    );
    let other = json(&janua.get("/docs/other/openapi.json").await);
    assert_eq!(other["servers"][0]["url"], "/other");
    assert!(other["paths"]["/orders"].get("post").is_some());
}

/// A developer searches in all of them who does not know yet which API it is.
#[tokio::test]
async fn several_apis_are_shown_as_one_too() {
    let janua = portal("", "").await;
    let first = janua.get("/docs").await.text();
    for part in ["href=\"/docs/all.html\"", "href=\"/docs/openapi.json\""] {
        assert!(first.contains(part), "{part}: {first}");
    }
    let page = janua.get("/docs/all.html").await.text();
    assert!(page.contains("data-url=\"/docs/openapi.json\""), "{page}");
    let all = json(&janua.get("/docs/openapi.json").await);
    assert_eq!(all["info"]["title"], "Ours & theirs");
    assert!(all["paths"]["/v1/orders"].get("post").is_none(), "an operation that is none");
    assert_eq!(all["paths"]["/other/orders"]["post"]["operationId"], "other.addOrder");
    let get = &all["paths"]["/v1/orders/{order-id}"]["get"];
    assert_eq!(get["description"], "**Limit**: 10/s; 5/h");
    // What is not for everybody is in none of it.
    let janua = portal("", "audience = { auth = \"partners\" }").await;
    assert!(!janua.get("/docs").await.text().contains("all.html"));
    for path in ["/docs/all.html", "/docs/openapi.json"] {
        assert_eq!(janua.get(path).await.status(), 404, "{path}");
    }
}

/// What is tried may be at several hosts.
#[tokio::test]
async fn a_page_may_ask_the_hosts_of_its_apis_and_no_others() {
    let shop = shop();
    let api = |name: &str| {
        format!(
            "[api.{name}]\nopenapi = {shop}\nsecurity = {{ key = \"partners\" }}\n\
             [[route]]\napi = \"{name}\"\nhost = \"{name}.example\"\nto = \"mock\"\n"
        )
    };
    let (a, b) = (api("a"), api("b"));
    let setup = Setup::new(format!("{}[docs]\npath = \"/docs\"\n{a}{b}", partners()));
    let janua = setup.start().await;
    for (page, policy) in [
        ("/docs/a", "connect-src 'self' a.example"),
        ("/docs/all.html", "connect-src 'self' a.example b.example"),
        ("/docs", "connect-src 'self'"),
    ] {
        let said = janua.get(page).await.field("content-security-policy").unwrap();
        assert!(said.ends_with(policy), "{page}: {said}");
    }
    let all = json(&janua.get("/docs/openapi.json").await);
    assert_eq!(all["paths"]["/v1/orders"]["servers"][0]["url"], "//a.example");
    assert_eq!(all["paths"]["/v1/orders#b"]["servers"][0]["url"], "//b.example");
}

#[tokio::test]
async fn its_program_comes_from_here_compressed_and_only_once() {
    let janua = portal("", "").await;
    let ask =
        async |fields: &str| janua.client().await.request("GET /docs/scalar.js", fields).await;
    let plain = ask("").await;
    assert_eq!(plain.field("content-type").unwrap(), "text/javascript; charset=utf-8");
    let small = ask("Accept-Encoding: gzip, br\r\n").await;
    assert_eq!(small.field("content-encoding").as_deref(), Some("gzip"));
    assert!(small.body.len() * 3 < plain.body.len() && plain.body.len() > 1 << 20);
    let tag = plain.field("etag").unwrap();
    let again = ask(&format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((again.status(), again.body.len()), (304, 0));
}

#[tokio::test]
async fn who_may_see_an_api_is_said_for_the_portal_or_for_the_api() {
    let acme = keys::FIELD;
    for (docs, api, statuses) in [
        ("", "audience = { auth = \"partners\" }", [200, 401, 401, 200]),
        ("auth = \"partners\"", "", [401, 401, 401, 401]),
        ("auth = \"partners\"", "audience = {}", [401, 200, 200, 401]),
        ("apis = \"other\"", "", [200, 404, 404, 200]),
    ] {
        let janua = portal(docs, api).await;
        let places = ["/docs", "/docs/shop", "/docs/shop/openapi.json", "/docs/other"];
        for (place, status) in places.into_iter().zip(statuses) {
            let answer = janua.get(place).await;
            assert_eq!(answer.status(), status, "{docs} {api} {place}");
            if status == 401 {
                let answer = janua.client().await.request(&format!("GET {place}"), acme).await;
                assert_eq!(answer.status(), 200, "{docs} {api} {place}");
            }
        }
        if !api.is_empty() && docs.is_empty() {
            let first = janua.get("/docs").await.text();
            assert!(!first.contains("/docs/shop"), "its name is for its audience");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_portal_is_said() {
    let api = format!(
        "{}[api.shop]\nopenapi = {}\nsecurity = {{ key = \"partners\" }}\n",
        partners(),
        shop()
    );
    let route = "[[route]]\napi = \"shop\"\nto = \"mock\"\n";
    for (docs, path, message, help) in [
        ("path = \"docs\"", "docs.path", "`docs` is no path for a portal", "path ="),
        ("path = \"/d/{x}\"", "docs.path", "is no path for a portal", "path ="),
        ("path = \"/d\"\napis = \"shp\"", "docs.apis[0]", "there is no API `shp`", "`shop`"),
        (
            "path = \"/d\"\nauth = \"nobody\"",
            "docs.auth",
            "there is no `[auth.nobody]`",
            "add [auth.nobody]",
        ),
    ] {
        let setup = Setup::new(format!("{api}[docs]\n{docs}\n{route}"));
        setup.fails_at(path, message, help).await;
    }
    // Nobody can use an API that no route stands for.
    let said = checked(format!("{api}[[route]]\nto = \"echo\"\n"));
    assert!(said.contains("no route stands for the API `shop`"), "{said}");
    // What is tried at another host is asked for by a page of another origin.
    for (more, is_told) in [("", true), ("cors = { origins = \"https://docs.example\" }\n", false)]
    {
        let away = format!("host = \"api.example\"\n{more}");
        let said = checked(format!("{api}[docs]\npath = \"/d\"\n{route}{away}"));
        let told = "requests to `shop` cannot be tried in the portal: it is at `api.example`";
        assert_eq!(said.contains(told), is_told, "{said}");
    }
    let two = "[[listener]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n[[listener]]\nname = \"out\"\naddress = \"127.0.0.1:0\"\n";
    for (docs, own, is_told) in [
        ("listener = \"in\"", "listener = \"out\"", true),
        ("listener = \"in\"", "listener = [\"out\", \"in\"]", false),
        ("listener = \"in\"", "", false),
        ("", "listener = \"out\"", false),
    ] {
        let said = checked(format!("{two}{api}[docs]\npath = \"/d\"\n{docs}\n{route}{own}\n"));
        let told = "requests to `shop` cannot be tried in the portal: it is at another listener";
        assert_eq!(said.contains(told), is_told, "{docs} {own}: {said}");
    }
    // And without `path` there is no portal.
    let janua = setup("mock", "").start().await;
    assert_eq!(janua.get("/docs").await.status(), 404);
}
