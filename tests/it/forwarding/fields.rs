//! Header fields on their way: what is about one hop stays there, what Janua says of the client cannot
//! be said by the client.

use std::net::SocketAddr;

use crate::support::{
    Client, Janua, Message, Origin, Setup,
    origin::{Served, reply},
};

const TRUSTED: &str = "trusted-proxies = [\"127.0.0.0/8\", \"::1\", \"10.0.0.0/8\"]";

/// What the origin sees of a request with these fields.
async fn seen(janua: &Janua, origin: &Origin, fields: &str) -> Message {
    let answer = janua.client().await.request("GET /", fields).await;
    assert_eq!(answer.status(), 200, "{fields}: {answer:?}");
    origin.last()
}

async fn gateway(listener: &str) -> (Janua, Origin) {
    let origin = Origin::ok().await;
    (Setup::to(&origin.url).listener(listener).start().await, origin)
}

#[tokio::test]
async fn what_is_about_the_clients_connection_does_not_pass() {
    let (janua, origin) = gateway("").await;
    for (fields, gone, stays) in [
        (
            "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
            &["connection", "keep-alive"][..],
            &[][..],
        ),
        ("Proxy-Connection: keep-alive\r\nX: 1\r\n", &["proxy-connection"], &["x"]),
        ("Connection: X-Hop, close\r\nX-Hop: 1\r\nX: 1\r\n", &["x-hop", "connection"], &["x"]),
        ("Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 1\r\n", &["x-a", "x-b"], &[]),
        ("X-Janua-Mirrored: 1\r\n", &["x-janua-mirrored"], &[]),
        ("TE: deflate\r\n", &["te"], &[]),
        ("Upgrade: foo/2\r\n", &["upgrade", "connection"], &[]),
        ("Proxy-Authorization: Basic YTpi\r\n", &["proxy-authorization"], &[]),
        ("HTTP2-Settings: AAMAAABkAAQAAP__\r\n", &["http2-settings"], &[]),
        ("Authorization: Basic YTpi\r\nCookie: a=b\r\n", &[], &["authorization", "cookie"]),
        ("Connection: ,,  ,\r\nX: 1\r\n", &["connection"], &["x"]),
        ("Connection: host, content-type\r\nContent-Type: a/b\r\n", &["connection"], &["host"]),
    ] {
        let seen = seen(&janua, &origin, fields).await;
        for name in gone {
            assert_eq!(seen.field(name), None, "{fields}");
        }
        for name in stays {
            assert!(seen.field(name).is_some(), "{name} of {fields}");
        }
    }
}

/// RFC 9110, 10.1.4: it is about one hop, and says so where a hop can be named.
#[tokio::test]
async fn that_trailers_are_taken_is_said_for_the_next_hop() {
    let (janua, origin) = gateway("").await;
    for fields in ["TE: trailers, deflate\r\nConnection: TE\r\n", "TE: trailers\r\n"] {
        let seen = seen(&janua, &origin, fields).await;
        assert_eq!((seen.values("te"), seen.values("connection")), (vec!["trailers"], vec!["te"]));
    }
    let told = |request: http::Request<hyper::body::Incoming>| async move {
        let field =
            |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        reply(format!("{:?} {:?}", field("te"), field("connection")))
    };
    let origin = Served::h2c(told).await;
    let toml = format!("endpoints = [\"{}\"]\nprotocol = \"h2\"\n", origin.url);
    let janua = Setup::new(format!("[upstream.u]\n{toml}[[route]]\nto = \"u\"\n")).start().await;
    let answer = janua.client().await.request("GET /", "TE: trailers\r\n").await;
    assert_eq!(answer.text(), "Some(\"trailers\") None");
}

/// RFC 9110, 7.6.2.
#[tokio::test]
async fn a_request_goes_as_far_as_it_may() {
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[[route]]\nto = \"{}\"\n[[route]]\npath = \"/some\"\nmethods = [\"GET\", \"OPTIONS\"]\nto = \"{}\"\n",
        origin.url, origin.url
    ))
    .start()
    .await;
    let mut client = janua.client().await;
    for (request, hops, left) in [
        ("OPTIONS /", "1", "0"),
        ("OPTIONS *", "10", "9"),
        ("TRACE /", "2", "1"),
        ("OPTIONS /", "many", "many"),
        ("OPTIONS /", "-1", "-1"),
        ("GET /", "0", "0"),
    ] {
        let answer = client.request(request, &format!("Max-Forwards: {hops}\r\n")).await;
        assert_eq!(answer.status(), 200, "{request} {hops}");
        assert_eq!(origin.last().values("max-forwards"), [left], "{request} {hops}");
    }
    let before = origin.requests().len();
    for (target, allow) in [("/", None), ("*", None), ("/some", Some("GET, OPTIONS, HEAD"))] {
        let answer = client.request(&format!("OPTIONS {target}"), "Max-Forwards: 0\r\n").await;
        assert_eq!((answer.status(), answer.field("allow").as_deref()), (204, allow), "{target}");
    }
    let answer = client.request("TRACE /", "Max-Forwards: 0\r\nCookie: a=b\r\n").await;
    answer.assert_refused(405, "request.method", "TRACE");
    assert_eq!(origin.requests().len(), before, "none went further");
}

/// What we add is added after `Connection` was obeyed: naming our fields there takes nothing away.
#[tokio::test]
async fn a_client_cannot_take_away_what_the_gateway_adds() {
    for listener in ["", TRUSTED] {
        let (janua, origin) = gateway(listener).await;
        let named = "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id, Via, Host";
        let seen = seen(&janua, &origin, &format!("Connection: {named}, close\r\n")).await;
        for name in named.split(", ") {
            assert!(seen.field(&name.to_ascii_lowercase()).is_some(), "{name}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn what_is_about_the_origins_connection_does_not_pass() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\nServer: thing/1\r\nX: y\r\n\r\nok",
    )
    .await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let answer = janua.get("/").await;
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(answer.field(name), None, "{answer:?}");
    }
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"], "cookies stay apart");
    assert_eq!(answer.field("x").as_deref(), Some("y"));
    assert_eq!(answer.field("server").as_deref(), Some("thing/1"));
    let (answer, _) = janua.http2().await.get("http://a.example/").await;
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    assert!(answer.headers().get("x-hop").is_none());
}

#[tokio::test]
async fn an_answer_of_both_framings_goes_on_with_one() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n\
         2\r\nok\r\n0\r\n\r\n",
    )
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let answer = janua.get("/").await;
    if answer.status() == 200 {
        let framings = (answer.field("content-length"), answer.field("transfer-encoding"));
        assert_eq!(framings, (None, Some("chunked".into())), "{answer:?}");
        assert_eq!(answer.text(), "ok");
    } else {
        answer.assert_refused(502, "upstream.protocol", "both framings");
    }
}

#[tokio::test]
async fn the_origin_is_told_of_a_stranger_what_the_socket_shows() {
    let (janua, origin) = gateway("").await;
    let seen = seen(
        &janua,
        &origin,
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\n\
         X-Original-URL: /admin\r\nX-Rewrite-Url: /admin\r\nX_Original_URL: /admin\r\n\
         X-Request-Id: forged\r\n",
    )
    .await;
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.values("x-forwarded-host"), ["a.example"]);
    let gone = ["x-forwarded-port", "forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];
    for name in gone.into_iter().chain(["x_original_url"]) {
        assert_eq!(seen.field(name), None, "{seen:?}");
    }
    assert_ne!(seen.field("x-request-id").as_deref(), Some("forged"));
}

#[tokio::test]
async fn a_trusted_proxys_word_goes_on_with_ours() {
    let (janua, origin) = gateway(TRUSTED).await;
    let seen = seen(
        &janua,
        &origin,
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: outer.example\r\nForwarded: for=203.0.113.7;proto=https\r\n\
         X-Request-Id: abc-123\r\n",
    )
    .await;
    assert_eq!(seen.values("x-forwarded-for"), ["203.0.113.7, 10.0.0.1, 127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.values("x-forwarded-host"), ["outer.example"]);
    let forwarded = "for=203.0.113.7;proto=https, for=127.0.0.1;host=\"a.example\";proto=http";
    assert_eq!(seen.values("forwarded"), [forwarded]);
    assert_eq!(seen.values("x-request-id"), ["abc-123"]);
    let line = janua.logged("the request", |line| line["id"] == "abc-123").await;
    assert_eq!((&line["client"], &line["peer"]), (&"203.0.113.7".into(), &"127.0.0.1".into()));
}

/// Also on connections that were there before.
#[tokio::test]
async fn who_is_trusted_no_longer_is_a_stranger_at_once() {
    let origin = Origin::ok().await;
    let trusting = || Setup::to(&origin.url).listener(TRUSTED);
    let janua = trusting().start().await;
    let mut client = janua.client().await;
    for (setup, told) in [
        (None, "203.0.113.7, 127.0.0.1"),
        (Some(Setup::to(&origin.url)), "127.0.0.1"),
        (Some(trusting()), "203.0.113.7, 127.0.0.1"),
    ] {
        if let Some(setup) = setup {
            janua.reload(&setup).await.unwrap();
        }
        let answer = client.request("GET /", "X-Forwarded-For: 203.0.113.7\r\n").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(origin.last().values("x-forwarded-for"), [told]);
    }
}

#[tokio::test]
async fn addresses_are_written_as_their_kind_is_written() {
    let origin = Origin::ok().await;
    let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let (socket, proxied) = (home.path().join("in.sock"), home.path().join("proxied.sock"));
    let setup = Setup::new(format!(
        "[[listener]]\nname = \"v6\"\naddress = \"[::1]:0\"\n{TRUSTED}\n\
         [[listener]]\nname = \"dual\"\naddress = \"[::]:0\"\n\
         [[listener]]\nname = \"unix\"\naddress = \"unix:{}\"\n\
         [[listener]]\naddress = \"unix:{}\"\ntrusted-proxies = [\"unix\"]\n\
         [[route]]\nto = \"{}\"\n",
        socket.display(),
        proxied.display(),
        origin.url,
    ));
    let janua = setup.start_in(home).await;

    let mut client = Client::connect(janua.address_of("v6").await).await;
    client.request("GET /", "Forwarded: for=_x\r\n").await;
    let seen = origin.last();
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("::1"));
    let forwarded = "for=_x, for=\"[::1]\";host=\"a.example\";proto=http";
    assert_eq!(seen.field("forwarded").as_deref(), Some(forwarded));

    let dual = SocketAddr::from(([127, 0, 0, 1], janua.address_of("dual").await.port()));
    Client::connect(dual).await.get("/").await;
    assert_eq!(origin.last().field("x-forwarded-for").as_deref(), Some("127.0.0.1"));

    let told = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    for (socket, chain, proto) in
        [(&socket, "unknown", "http"), (&proxied, "203.0.113.7, unknown", "https")]
    {
        let answer = Client::unix(socket).await.request("GET /", told).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(origin.last().field("x-forwarded-for").as_deref(), Some(chain));
        assert_eq!(origin.last().field("x-forwarded-proto").as_deref(), Some(proto));
    }
    assert_eq!(janua.log().pop().unwrap()["client"], "203.0.113.7");
}

/// CGI and its heirs read `X_Forwarded_For` as `X-Forwarded-For`.
#[tokio::test]
async fn a_field_that_mimics_another_by_underscores_does_not_pass() {
    for listener in ["", TRUSTED] {
        let (janua, origin) = gateway(listener).await;
        for name in [
            "X_Forwarded_For",
            "X-Forwarded_For",
            "X_Forwarded_Proto",
            "X_Real_IP",
            "X_Request_Id",
            "Content_Length",
            "Transfer_Encoding",
            "Proxy_Authorization",
            "X_Janua_User",
        ] {
            let seen = seen(&janua, &origin, &format!("{name}: 6.6.6.6\r\n")).await;
            assert_eq!(seen.field(&name.to_ascii_lowercase()), None, "{name}");
        }
        let seen = seen(&janua, &origin, "My_Own_Field: 1\r\n").await;
        assert_eq!(seen.field("my_own_field").as_deref(), Some("1"), "others pass");
    }
}

#[tokio::test]
async fn a_request_has_one_id_for_the_client_the_log_and_the_origin() {
    let (janua, origin) = gateway("h2c = true").await;
    let mut ids = Vec::new();
    let mut client = janua.client().await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        let id = answer.field("x-request-id").unwrap();
        assert_eq!(origin.last().field("x-request-id"), Some(id.clone()));
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
        janua.logged("the id", |line| line["id"] == *id).await;
        ids.push(id);
    }
    let (answer, _) = janua.http2().await.get("http://a.example/").await;
    ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has its own");
    let refused = janua.client().await.request("GET *", "").await;
    assert!(refused.field("x-request-id").is_some() && refused.text().contains("request_id"));
}

#[tokio::test]
async fn an_id_that_is_long_or_harmful_is_not_taken_from_anybody() {
    let (janua, origin) = gateway(TRUSTED).await;
    for id in ["a b", "\"", "{}", "\u{e4}", &"x".repeat(129)] {
        let seen = seen(&janua, &origin, &format!("X-Request-Id: {id}\r\n")).await;
        let ours = seen.field("x-request-id").unwrap();
        assert!(ours.parse::<uuid::Uuid>().is_ok(), "{id}: {ours}");
    }
}

#[tokio::test]
async fn via_says_who_passed_the_request_on_and_by_which_protocol() {
    let (janua, origin) = gateway("h2c = true").await;
    let http1 = seen(&janua, &origin, "Via: 1.0 fred\r\n").await;
    assert_eq!(http1.field("via").as_deref(), Some("1.0 fred, 1.1 janua"));
    janua.http2().await.get("http://a.example/").await;
    assert_eq!(origin.last().field("via").as_deref(), Some("2 janua"));
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    client.answer().await;
    assert_eq!(origin.last().field("via").as_deref(), Some("1.0 janua"), "RFC 9110, 7.6.3");
}

#[tokio::test]
async fn a_trace_goes_on_as_it_came() {
    let (janua, origin) = gateway("").await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let seen =
        seen(&janua, &origin, &format!("traceparent: {parent}\r\ntracestate: a=b\r\n")).await;
    assert_eq!(seen.field("traceparent").as_deref(), Some(parent));
    assert_eq!(seen.field("tracestate").as_deref(), Some("a=b"));
}

#[tokio::test]
async fn a_clients_capitals_and_order_are_no_part_of_the_message() {
    let (janua, origin) = gateway("").await;
    let seen = seen(&janua, &origin, "ACCEPT: */*\r\naCCept: text/html\r\n").await;
    assert_eq!(seen.values("accept"), ["*/*", "text/html"]);
}

#[tokio::test]
async fn the_origin_sees_the_host_that_the_operator_wants() {
    let origin = Origin::ok().await;
    for (host, expected) in [
        ("pass", "a.example".to_owned()),
        ("endpoint", origin.address.to_string()),
        ("inner.example", "inner.example".to_owned()),
    ] {
        let setup = Setup::new(format!(
            "[upstream.o]\nendpoints = \"{}\"\nhost = \"{host}\"\n[[route]]\nto = \"o\"\n",
            origin.url
        ));
        let janua = setup.start().await;
        let seen = seen(&janua, &origin, "").await;
        assert_eq!(seen.values("host"), [expected], "{host}");
        assert_eq!(seen.values("x-forwarded-host"), ["a.example"], "{host}");
    }
}
