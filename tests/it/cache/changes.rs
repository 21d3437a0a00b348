//! Requests that change something, on other routes than the one that keeps its answers (RFC 9111 section 4.4): a
//! route for each method, operations of an API, a route that nothing is kept on.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{ask, landed};
use crate::support::{Janua, Origin, Setup, until};

/// An origin whose answers say how many it gave, with these fields on a POST.
async fn counts(fields: &'static str) -> Origin {
    Origin::script(move |mut peer| async move {
        let mut count = 0;
        while let Some(request) = peer.request().await {
            count += 1;
            let body = format!("{}{count}", peer.number);
            let fields = if request.line.starts_with("POST") {
                fields
            } else {
                "Cache-Control: max-age=60\r\n"
            };
            let status = if request.target().contains("fails") { 409 } else { 200 };
            peer.send(format!(
                "HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        }
    })
    .await
}

/// GETs are kept, by two routes with different rules; what changes things goes by routes that keep nothing.
async fn apart(origin: &Origin) -> Janua {
    let url = &origin.url;
    Setup::new(format!(
        "[upstream.u]\nendpoints = \"{url}\"\n\
         [upstream.other]\nendpoints = \"{url}\"\n\
         [[route]]\nname = \"reads\"\nmethods = \"GET\"\nto = \"u\"\ncache = true\n\
         [[route]]\nname = \"pages\"\npath = \"/pages/{{rest*}}\"\nmethods = \"GET\"\nto = \"u\"\n\
         cache = {{ query = {{ except = [\"utm_*\"] }} }}\n\
         [[route]]\nname = \"writes\"\nmethods = [\"POST\", \"PUT\", \"DELETE\"]\nto = \"other\"\n\
         [[route]]\nname = \"page-writes\"\npath = \"/pages/{{rest*}}\"\nmethods = \"POST\"\nto = \"other\"\n\
         [[route]]\npath = \"/plain/{{rest*}}\"\nto = \"u\"\n"
    ))
    .start()
    .await
}

async fn get(janua: &Janua, target: &str) -> String {
    let answer = ask(janua, &format!("GET {target}"), "").await;
    landed(janua).await;
    answer.text()
}

#[tokio::test]
async fn a_change_by_a_route_that_keeps_nothing_makes_void_what_another_keeps() {
    let origin = counts("").await;
    let janua = apart(&origin).await;
    for (kept, change, voids) in [
        ("/a", "POST /a", true),
        ("/a", "PUT /a", true),
        ("/a", "DELETE /a", true),
        ("/a", "POST /b", false),
        ("/a?b", "POST /a", false),
        ("/a", "POST /x/../a", true),
        ("/a/fails", "POST /a/fails", false),
        // By the rules of the route that keeps it.
        ("/pages/a", "POST /pages/a?utm_x=1", true),
        ("/pages/a?utm_y=2", "POST /pages/a?utm_x=1", true),
        ("/pages/a?b", "POST /pages/a?utm_x=1", false),
        // And of every other, since nobody knows which of them has it.
        ("/a", "POST /a?utm_x=1", true),
        ("/a", "POST /a?x=1", false),
    ] {
        let before = get(&janua, kept).await;
        assert_eq!(get(&janua, kept).await, before, "{kept}");
        ask(&janua, change, "Content-Length: 0\r\n").await;
        let after = get(&janua, kept).await;
        assert_eq!(after != before, voids, "{kept} after {change}");
    }
}

#[tokio::test]
async fn so_does_what_its_answer_names() {
    let origin = counts("Location: /pages/new?utm_x=1\r\nContent-Location: b\r\n").await;
    let janua = apart(&origin).await;
    for (kept, voids) in [("/pages/new", true), ("/a/b", true), ("/a/c", false)] {
        let before = get(&janua, kept).await;
        ask(&janua, "POST /a/list", "Content-Length: 0\r\n").await;
        assert_eq!(get(&janua, kept).await != before, voids, "{kept}");
    }
}

#[tokio::test]
async fn an_answer_on_its_way_is_void_as_well() {
    let (origin, may) = Origin::held().await;
    let janua = Setup::new(format!(
        "[[route]]\nmethods = \"GET\"\nto = \"{0}\"\ncache = {{ ttl = \"1m\" }}\n\
         [[route]]\nmethods = \"POST\"\nto = \"{0}\"\n",
        origin.url
    ))
    .start()
    .await;
    let mut before = super::sent(&janua, "/", "").await;
    until("the origin is asked", || origin.requests().len() == 1).await;
    let mut change = janua.client().await;
    change.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    until("the origin is asked", || origin.requests().len() == 2).await;
    may.add_permits(3);
    assert_eq!(change.answer().await.status(), 200);
    assert_eq!(before.answer().await.status(), 200);
    landed(&janua).await;
    ask(&janua, "GET /", "").await;
    assert_eq!(origin.requests().len(), 3, "what was on its way was given afterwards");
}

#[tokio::test]
async fn operations_of_an_api_know_of_each_other() {
    let origin = counts("").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("shop.json");
    let document = serde_json::json!({
        "openapi": "3.0.3",
        "info": { "title": "A", "version": "1" },
        "paths": { "/items": {
            "get": { "operationId": "read", "x-janua-cache": true, "responses": {} },
            "post": { "operationId": "write", "responses": {} },
        } },
    });
    std::fs::write(&file, document.to_string()).unwrap();
    let janua = Setup::new(format!(
        "[api.shop]\nopenapi = {:?}\n[[route]]\napi = \"shop\"\nto = \"{}\"\n",
        file.display().to_string(),
        origin.url
    ))
    .start()
    .await;
    let before = get(&janua, "/items").await;
    assert_eq!(get(&janua, "/items").await, before);
    ask(&janua, "POST /items", "Content-Length: 0\r\n").await;
    assert_ne!(get(&janua, "/items").await, before);
}

#[tokio::test]
async fn a_change_whose_client_did_not_wait_for_its_answer_is_one_as_well() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.line.starts_with("POST") {
                std::future::pending::<()>().await;
            }
            let head = "Cache-Control: max-age=60\r\nContent-Length: 2";
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
        }
    })
    .await;
    let janua = super::kept(&origin.url, "").start().await;
    get(&janua, "/a").await;
    get(&janua, "/a").await;
    assert_eq!(origin.requests().len(), 1);
    let mut client = janua.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    until("the origin has it", || origin.requests().len() == 2).await;
    drop(client);
    until("its client is gone", || janua.counted("janua_requests_in_flight") == 0).await;
    get(&janua, "/a").await;
    assert_eq!(origin.requests().len(), 3, "it is as it was");
}

#[tokio::test]
async fn but_not_one_that_its_client_did_not_send_whole() {
    let origin = counts("").await;
    let janua = super::kept(&origin.url, "").start().await;
    let before = get(&janua, "/a").await;
    let mut client = janua.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\n1").await;
    until("it has begun", || janua.counted("janua_requests_in_flight") == 1).await;
    drop(client);
    until("its client is gone", || janua.counted("janua_requests_in_flight") == 0).await;
    assert_eq!(get(&janua, "/a").await, before, "anybody could make anything void");
}

/// The endpoint that closes has had it; the one that it is sent to then is not there.
#[tokio::test]
async fn a_change_is_one_whatever_comes_of_its_next_try() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.line.starts_with("DELETE") {
                return;
            }
            let head = "Cache-Control: max-age=60\r\nContent-Length: 2";
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
        }
    })
    .await;
    let janua = Setup::new(format!(
        "[upstream.u]\nendpoints = [\"{}\", \"http://127.0.0.1:9\"]\n\
         [[route]]\nname = \"r\"\nto = \"u\"\ncache = true\n",
        origin.url
    ))
    .start()
    .await;
    let asked =
        |what: &str| origin.requests().iter().filter(|it| it.line.starts_with(what)).count();
    for number in 0..8 {
        let target = format!("/{number}");
        get(&janua, &target).await;
        let gone = ask(&janua, &format!("DELETE {target}"), "").await;
        assert_eq!(gone.status(), 502);
        let before = asked("GET");
        get(&janua, &target).await;
        assert_eq!(asked("GET"), before + 1, "{number}: {}", gone.text());
    }
    assert!(asked("DELETE") >= 8);
}

/// It was done, and its answer lost; who asks again is told that there is nothing left to do.
#[tokio::test]
async fn nor_whatever_its_next_try_is_told() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let origin = Origin::script(move |mut peer| {
        let tries = counted.clone();
        async move {
            while let Some(request) = peer.request().await {
                let head = match request.line.starts_with("DELETE") {
                    true if tries.fetch_add(1, Relaxed).is_multiple_of(2) => return,
                    true => "404 Gone\r\n",
                    false => "200 OK\r\nCache-Control: max-age=60\r\n",
                };
                peer.send(format!("HTTP/1.1 {head}Content-Length: 2\r\n\r\nok")).await;
            }
        }
    })
    .await;
    let janua = super::kept(&origin.url, "").start().await;
    get(&janua, "/a").await;
    assert_eq!(ask(&janua, "DELETE /a", "").await.status(), 404);
    assert_eq!(tries.load(Relaxed), 2, "it was sent again");
    let before = origin.requests().len();
    get(&janua, "/a").await;
    assert_eq!(origin.requests().len(), before + 1);
}

#[tokio::test]
async fn so_does_one_by_another_route_than_a_get_of_its_header_fields_would_take() {
    let origin = counts("").await;
    let url = &origin.url;
    let janua = Setup::new(format!(
        "[[route]]\nname = \"beta\"\nheaders = {{ x-beta = \"1\" }}\nmethods = \"GET\"\nto = \"{url}\"\ncache = true\n\
         [[route]]\nname = \"list\"\npath = \"/list\"\nmethods = \"GET\"\nto = \"{url}\"\n\
         cache = {{ query = {{ only = [] }} }}\n\
         [[route]]\nname = \"list-writes\"\npath = \"/list\"\nmethods = \"POST\"\nto = \"{url}\"\ncache = true\n\
         [[route]]\nname = \"rest\"\nto = \"{url}\"\n"
    ))
    .start()
    .await;
    for (kept, fields, change, voids) in [
        ("GET /a", "X-Beta: 1\r\n", "POST /a", true),
        ("GET /a", "X-Beta: 1\r\n", "POST /b", false),
        ("GET /list?a=1", "", "POST /list?a=2", true),
        ("GET /list", "", "POST /list?a=2", true),
        ("GET /list", "", "POST /lists?a=2", false),
    ] {
        let get = async || {
            let answer = ask(&janua, kept, fields).await;
            landed(&janua).await;
            answer.text()
        };
        let before = get().await;
        assert_eq!(get().await, before, "{kept}");
        ask(&janua, change, "Content-Length: 0\r\n").await;
        assert_eq!(get().await != before, voids, "{kept} after {change}");
    }
}

#[tokio::test]
async fn so_does_one_while_nothing_is_kept_for_a_reload() {
    let origin = counts("").await;
    for rules in ["", "query = { only = [] }"] {
        let kept = || super::kept(&origin.url, rules);
        let janua = kept().start().await;
        let (a, b) = (get(&janua, "/a").await, get(&janua, "/b").await);
        janua.reload(&Setup::to(&origin.url)).await.unwrap();
        let target = if rules.is_empty() { "POST /a" } else { "POST /a?x" };
        ask(&janua, target, "Content-Length: 0\r\n").await;
        janua.reload(&kept()).await.unwrap();
        assert_ne!(get(&janua, "/a").await, a, "{rules}");
        assert_eq!(get(&janua, "/b").await, b, "{rules}");
    }
}

#[tokio::test]
async fn a_change_whose_origin_falls_silent_is_one_as_well() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.line.starts_with("POST /slow") {
                std::future::pending::<()>().await;
            }
            if request.line.starts_with("POST /nonsense") {
                peer.send("nonsense\r\n\r\n").await;
            }
            if request.line.starts_with("POST") {
                return;
            }
            let head = "Cache-Control: max-age=60\r\nContent-Length: 2";
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
        }
    })
    .await;
    let janua = Setup::new(format!(
        "[[route]]\nname = \"away\"\nmethods = \"PUT\"\nto = \"http://127.0.0.1:9\"\n\
         [[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\ntimeout = {{ first-byte = \"200ms\" }}\n",
        origin.url
    ))
    .start()
    .await;
    for (path, method, status, voids) in [
        ("/slow", "POST", 504, true),
        ("/nonsense", "POST", 502, true),
        ("/cut", "POST", 502, true),
        // It went nowhere.
        ("/away", "PUT", 502, false),
    ] {
        for _ in 0..2 {
            get(&janua, path).await;
        }
        let gets = || {
            let all = origin.requests();
            all.iter().filter(|request| request.line.starts_with(&format!("GET {path} "))).count()
        };
        assert_eq!(gets(), 1, "{path}");
        let answer = ask(&janua, &format!("{method} {path}"), "Content-Length: 0\r\n").await;
        assert_eq!(answer.status(), status, "{path}");
        get(&janua, path).await;
        assert_eq!(gets(), 1 + usize::from(voids), "{path}");
    }
}
