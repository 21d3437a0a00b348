//! Which route takes a request, what becomes of its path and fields, and answers of Janua's own.

use http::Request;
use serde_json::Value;

use crate::support::{Janua, Origin, Setup};

/// Routes to one origin; `{origin}` is its URL.
async fn gateway(routes: &str) -> (Janua, Origin) {
    let origin = Origin::ok().await;
    let routes = routes.replace("{origin}", &origin.url);
    (Setup::new(routes).listener("h2c = true").start().await, origin)
}

#[tokio::test]
async fn the_path_that_the_origin_sees() {
    for (route, target, seen) in [
        ("", "/a/b?c=d", "/a/b?c=d"),
        ("strip-prefix = \"/api\"", "/api/x?y", "/x?y"),
        ("strip-prefix = \"/api\"", "/api", "/"),
        ("strip-prefix = \"/api\"", "/api?y", "/?y"),
        ("strip-prefix = \"/api\"", "/apis", "/apis"),
        ("strip-prefix = \"/api\"", "/api//evil.example/", "/evil.example/"),
        ("add-prefix = \"/v1\"", "/x", "/v1/x"),
        ("add-prefix = \"/v1\"", "/", "/v1/"),
        ("strip-prefix = \"/api\"\nadd-prefix = \"/v1\"", "/api/x", "/v1/x"),
        // What a prefix is added to, or taken from, is what the route was found for.
        ("add-prefix = \"/v1\"", "/../v2/x", "/v1/v2/x"),
        ("add-prefix = \"/v1\"", "/a/%2e%2E/../v2/x?y=/../z", "/v1/v2/x?y=/../z"),
        ("strip-prefix = \"/api\"\nadd-prefix = \"/v1\"", "/api/../../api/q", "/v1/q"),
        ("strip-prefix = \"/api\"", "/y/../api/x", "/x"),
        ("strip-prefix = \"/api\"", "/api/./x", "/x"),
        ("path = \"/api/{rest*}\"\nstrip-prefix = \"/api\"", "//api//x//y", "/x//y"),
        (
            "rewrite = \"/items?host={request.host}&q={request.query}\"",
            "/x?a=b",
            "/items?host=a.example&q=a=b",
        ),
        ("path = \"/o/{id}\"\nrewrite = \"/items/{path.id}\"", "/o/a%20b", "/items/a%20b"),
        ("path = \"/f/{rest*}\"\nrewrite = \"/g/{path.rest}\"", "/f/a/b%2Fc", "/g/a/b%2Fc"),
        ("path = \"/f/{rest*}\"\nrewrite = \"{request.path}\"", "/f/x?y=z", "/f/x?y=z"),
        ("path = \"/f/{rest*}\"\nrewrite = \"/g{request.path}\"", "/f/../f/x", "/g/f/x"),
        (
            "path = \"/f/{rest*}\"\nrewrite = \"{request.uri}&more=1\"",
            "/f/x?y=z",
            "/f/x?y=z&more=1",
        ),
    ] {
        let (janua, origin) = gateway(&format!("[[route]]\n{route}\nto = \"{{origin}}\"\n")).await;
        let answer = janua.get(target).await;
        assert_eq!(answer.status(), 200, "{route} {target}: {answer:?}");
        assert_eq!(origin.last().target(), seen, "{route} {target}");
    }
}

/// A route is found for the path that the origin will serve, so that none is passed by.
#[tokio::test]
async fn dots_and_codes_do_not_get_around_a_route() {
    let (janua, origin) = gateway(
        "[[route]]\npath = \"/admin/{rest*}\"\nto = { status = 403, body = \"no\" }\n\
         [[route]]\nto = \"{origin}\"\n",
    )
    .await;
    for target in [
        "/admin/x",
        "/a/../admin/x",
        "/./admin/x",
        "/a/%2e%2e/admin/x",
        "/%2E/admin/x",
        "/%61dmin/x",
        "http://a.example/admin/x",
        "http://a.example/b/../admin/x",
        "//admin/x",
        "/q/..///admin//x",
    ] {
        let answer = janua.get(target).await;
        assert_eq!(answer.status(), 403, "{target}: {answer:?} {:?}", origin.requests().last());
    }
    // What some origins would make `/admin/x` of, and others not.
    for target in [
        "/q/..%2fadmin/x",
        "/q/..%2F..%2fadmin/x",
        "/q/%2e%2e%5Cadmin/x",
        "/q/..\\admin/x",
        "/q/..;/admin/x",
        "/q/..;a=b/admin/x",
        "/q/.%2e%3b/admin/x",
        "/admin%2fx",
        "/admin%2Fx",
        "/%2fadmin/x",
        "/admin%5cx",
        "/admin\\x",
        "/admin;x/y",
        "/admin;/x",
        "/;/admin/x",
    ] {
        janua.get(target).await.assert_refused(400, "request.target", target);
    }
    assert_eq!(origin.requests().len(), 0);
    for target in ["/projects/a%2Fb", "//x//y", "/c;v=1/%5C;jsessionid=7", "/https://b/%2F"] {
        assert_eq!(janua.get(target).await.status(), 200, "{target}");
        assert_eq!(origin.last().target(), target);
    }
}

/// RFC 3986 has an escaped slash for data: it stays in a parameter, though there is a route for all the rest.
#[tokio::test]
async fn a_slash_within_a_parameter_reaches_the_origin_as_it_came() {
    let (janua, origin) = gateway(
        "[[route]]\npath = \"/projects/{id}\"\nrewrite = \"/p/{path.id}\"\nto = \"{origin}\"\n\
         [[route]]\npath = \"/projects/{id}/issues\"\nto = \"{origin}\"\n\
         [[route]]\nto = { status = 403, body = \"no\" }\n",
    )
    .await;
    assert_eq!(janua.get("/projects/a%2Fb").await.status(), 200);
    assert_eq!(origin.last().target(), "/p/a%2Fb");
    let issues = janua.get("/projects/a%2Fissues").await;
    issues.assert_refused(400, "request.target", "it may be the issues of `a`");
}

#[tokio::test]
async fn a_host_is_a_host_in_whatever_form_it_comes() {
    let (janua, _origin) = gateway(
        "[[route]]\nhost = \"api.example.com\"\nto = { status = 200, body = \"exact\" }\n\
         [[route]]\nhost = \"*.example.com\"\nto = { status = 200, body = \"wild\" }\n\
         [[route]]\nto = { status = 200, body = \"any\" }\n",
    )
    .await;
    for (host, expected) in [
        ("api.example.com", "exact"),
        ("API.Example.COM", "exact"),
        ("api.example.com:8080", "exact"),
        ("api.example.com.", "exact"),
        ("x.example.com", "wild"),
        ("x.y.example.com", "wild"),
        ("example.com", "any"),
        ("", "any"),
        ("[::1]", "any"),
    ] {
        let mut client = janua.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer().await.text(), expected, "{host}");
    }
    let mut client = janua.client().await;
    client.send("GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "exact", "the target's authority");
    let (_, body) = janua.http2().await.get("http://api.example.com/").await;
    assert_eq!(body, "exact", "HTTP/2's authority");
    for (target, host) in [("http://a", "b"), ("http://a", "a:443"), ("http://a:8080", "a")] {
        let mut client = janua.client().await;
        client.send(format!("GET {target}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        client.answer().await.assert_refused(400, "request.host", target);
    }
}

#[tokio::test]
async fn a_redirect_keeps_what_it_is_told_to_keep() {
    for (to, target, status, location) in [
        (
            "{ redirect = \"https://new.example{request.uri}\" }",
            "/a?b=c",
            308,
            "https://new.example/a?b=c",
        ),
        (
            "{ redirect = \"https://{request.host}{request.uri}\", status = 301 }",
            "/x",
            301,
            "https://a.example/x",
        ),
        ("{ redirect = \"/new\", status = 302 }", "/x", 302, "/new"),
        (
            "{ redirect = \"/new?was={request.path}\", status = 307 }",
            "/a%26b",
            307,
            "/new?was=/a%26b",
        ),
    ] {
        let (janua, _origin) = gateway(&format!("[[route]]\nto = {to}\n")).await;
        let answer = janua.get(target).await;
        let seen = (answer.status(), answer.field("location").unwrap_or_default());
        assert_eq!(seen, (status, location.to_owned()), "{to}");
        assert!(answer.complete && answer.body.is_empty());
    }
}

#[tokio::test]
async fn a_fixed_answer_is_what_the_file_says() {
    let (janua, origin) = gateway(
        "[[route]]\npath = \"/text\"\nto = { status = 503, body = \"Back at noon, {client.ip}.\" }\n\
         [[route]]\npath = \"/json\"\nto = { status = 200, body = '{{\"a\":1}}', content-type = \"application/json\" }\n\
         [[route]]\npath = \"/empty\"\nto = { status = 204 }\n",
    )
    .await;
    let mut client = janua.client().await;
    let text = client.get("/text").await;
    assert_eq!((text.status(), &*text.text()), (503, "Back at noon, 127.0.0.1."));
    assert_eq!(text.field("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    let json = client.get("/json").await;
    assert_eq!(json.text(), "{\"a\":1}");
    assert_eq!(json.field("content-type").as_deref(), Some("application/json"));
    let empty = client.get("/empty").await;
    assert_eq!((empty.status(), empty.field("content-type")), (204, None));
    let head = client.request("HEAD /text", "").await;
    assert_eq!((head.status(), head.field("content-length").as_deref()), (503, Some("24")));
    assert_eq!(client.get("/text").await.status(), 503, "the connection goes on after HEAD");
    let request = Request::head("http://a.example/text").body(()).unwrap();
    let (head, body) = janua.http2().await.begin(request, true).await.answer().await;
    assert_eq!((head.status().as_u16(), body.len()), (503, 0), "no body by HTTP/2 either");
    assert_eq!(head.headers()["content-length"], "24");
    for line in janua.log() {
        assert_eq!(line["reason"], Value::Null, "{line}");
    }
    assert_eq!(origin.connections(), 0);
}

/// A body that nobody reads is read to its end, or the connection ends: it is never the next request.
#[tokio::test]
async fn a_body_that_nobody_wants_is_never_taken_for_a_request() {
    let (janua, _origin) = gateway("[[route]]\nto = { status = 200, body = \"fixed\" }\n").await;
    let mut client = janua.client().await;
    let body = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = body.len();
    client
        .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"))
        .await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "fixed");
    let rest = client.ended().await;
    assert!(rest.matches("HTTP/1.1 ").count() <= 1, "two requests, not {rest}");
}

#[tokio::test]
async fn what_no_route_takes_is_said_so_that_it_helps() {
    let (janua, _origin) = gateway(
        "[[route]]\npath = \"/a\"\nmethods = [\"GET\", \"PUT\"]\nto = \"{origin}\"\n\
         [[route]]\npath = \"/a\"\nmethods = \"POST\"\nto = \"{origin}\"\n",
    )
    .await;
    let mut client = janua.client().await;
    client.get("/nothing").await.assert_refused(404, "no_route", "/nothing");
    let answer = client.request("DELETE /a", "").await;
    answer.assert_refused(405, "method_not_allowed", "DELETE");
    let allow = answer.field("allow").unwrap_or_default();
    let mut allowed: Vec<_> = allow.split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST", "PUT"]);
    assert_eq!(client.request("HEAD /a", "").await.status(), 200, "GET brings HEAD along");

    let page = client.request("GET /nothing", "Accept: text/html,application/json;q=0.9\r\n").await;
    assert_eq!(page.status(), 404);
    assert_eq!(page.field("content-type").as_deref(), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("no_route"), "{page:?}");
    let json = client.request("GET /nothing", "Accept: application/json, text/html\r\n").await;
    json.assert_refused(404, "no_route", "JSON first");
    assert_eq!(json.field("cache-control").as_deref(), Some("no-store"));
    let head = client.request("HEAD /nothing", "").await;
    assert_eq!(head.status(), 404);
    assert_eq!(client.get("/a").await.status(), 200, "the connection goes on");
}

#[tokio::test]
async fn rules_change_the_fields_of_requests_and_answers() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nServer: old\r\nX-Powered-By: php\r\nVary: accept\r\n\
         Content-Length: 2\r\n\r\nok",
    )
    .await;
    let setup = Setup::new(format!(
        "[[route]]\nname = \"r\"\npath = \"/u/{{id}}\"\nto = \"{}\"\n\
         [route.request-headers]\nremove = [\"cookie\"]\n\
         set = {{ x-id = \"{{path.id}}\", x-client = \"{{client.ip}}\", x-route = \"{{route}}\", x-agent = \"{{request.header.user-agent}}\" }}\n\
         add = {{ accept = \"text/plain\" }}\n\
         [route.response-headers]\nremove = [\"x-powered-by\"]\nset = {{ server = \"janua\" }}\nadd = {{ vary = \"origin\" }}\n",
        origin.url
    ));
    let janua = setup.start().await;
    let fields = "Cookie: a=b\r\nX-Id: forged\r\nAccept: */*\r\nUser-Agent: test\r\n";
    let answer = janua.client().await.request("GET /u/a%20b", fields).await;
    let seen = origin.last();
    assert_eq!(seen.field("cookie"), None);
    assert_eq!(seen.values("x-id"), ["a%20b"]);
    assert_eq!(seen.values("x-client"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-route"), ["r"]);
    assert_eq!(seen.values("x-agent"), ["test"]);
    assert_eq!(seen.values("accept"), ["*/*", "text/plain"]);
    assert_eq!(answer.field("x-powered-by"), None);
    assert_eq!(answer.values("server"), ["janua"]);
    assert_eq!(answer.values("vary"), ["accept", "origin"]);
}

/// A value from a request in a header field, a path or a redirect stays one value there.
#[tokio::test]
async fn nothing_that_a_client_sends_breaks_out_of_a_template() {
    let (janua, origin) = gateway(
        "[[route]]\npath = \"/r/{x}\"\nto = { redirect = \"https://a.example/{path.x}?h={request.header.x}\" }\n\
         [[route]]\npath = \"/q/{x}\"\nrewrite = \"/items?id={path.x}&role=user\"\nto = \"{origin}\"\n\
         [[route]]\npath = \"/w/{x}\"\nrewrite = \"/{path.x}?h={request.header.x}\"\nto = \"{origin}\"\n",
    )
    .await;
    let hostile = "X: a&b=c#d /../ ?\u{e9}\r\n";
    let answer = janua.client().await.request("GET /r/%0d%0aSet-Cookie:%20a", hostile).await;
    let location = answer.field("location").unwrap();
    assert!(answer.field("set-cookie").is_none(), "{answer:?}");
    assert!(location.starts_with("https://a.example/%0"), "{location}");
    assert!(!location.contains("&b=") && !location.contains('#') && !location.contains(' '));
    janua.client().await.request("GET /w/x%3Fy%23z", hostile).await;
    let seen = origin.last();
    assert_eq!(seen.target().matches('?').count(), 1, "{seen:?}");
    assert!(seen.target().starts_with("/x%3Fy%23z?h=a%26b%3Dc%23d"), "{seen:?}");
    janua.get("/q/7%26role%3Dadmin%2B").await;
    assert_eq!(origin.last().target(), "/items?id=7%26role%3Dadmin%2B&role=user");
}

#[tokio::test]
async fn the_echo_shows_what_an_origin_would_see() {
    let (janua, _origin) = gateway("[[route]]\nname = \"e\"\nto = \"echo\"\n").await;
    let answer = janua.client().await.request("GET /x?y", "X-A: 1\r\nX-A: 2\r\n").await;
    let echo: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(echo["method"], "GET");
    assert_eq!(echo["target"], "/x?y");
    assert_eq!(echo["client"], "127.0.0.1");
    assert_eq!(echo["route"], "e");
    assert_eq!(echo["headers"]["x-a"], "1, 2");
    assert_eq!(echo["headers"]["x-forwarded-for"], "127.0.0.1");
}
