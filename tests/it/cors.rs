//! Pages of other origins: what browsers are told that they may.

use crate::support::{Janua, Message, Origin, Setup, keys};

/// A route for two methods that asks for a key, and one that nobody's page may use.
async fn shop(origin: &Origin, cors: &str) -> Janua {
    Setup::new(format!(
        "{}[[route]]\nname = \"a\"\npath = \"/a\"\nmethods = [\"GET\", \"PUT\"]\nauth = \"key\"\nlimit = \"2/h\"\n\
         to = \"{url}\"\ncors = {{ {cors} }}\n\
         [[route]]\nname = \"b\"\npath = \"/b\"\nto = \"{url}\"\n\
         [[route]]\nname = \"open\"\npath = \"/open\"\nto = \"{url}\"\ncors = {{ {cors} }}\n",
        keys::section("key"),
        url = origin.url
    ))
    .start()
    .await
}

/// What a browser asks ahead.
async fn ahead(janua: &Janua, path: &str, from: &str, method: &str, fields: &str) -> Message {
    let asks = match fields {
        "" => String::new(),
        fields => format!("Access-Control-Request-Headers: {fields}\r\n"),
    };
    let fields = format!("Origin: {from}\r\nAccess-Control-Request-Method: {method}\r\n{asks}");
    janua.client().await.request(&format!("OPTIONS {path}"), &fields).await
}

/// Keys, path, origin, method, fields, and what comes of it.
const ASKED: &[(&str, &str, &str, &str, &str, u16)] = &[
    (
        "origins = \"https://app.example\"",
        "/a",
        "https://app.example",
        "PUT",
        "x-api-key,content-type",
        204,
    ),
    ("origins = \"https://app.example\"", "/a", "https://app.example", "GET", "", 204),
    ("origins = \"https://app.example\"", "/a", "https://other.example", "GET", "", 403),
    ("origins = \"https://app.example\"", "/a", "http://app.example", "GET", "", 403),
    ("origins = \"https://app.example\"", "/a", "https://app.example", "PUT", "not a name", 403),
    ("origins = \"https://*.example\"", "/a", "https://x.app.example", "GET", "", 204),
    ("origins = \"*\"", "/a", "https://any.example", "PUT", "x-api-key", 204),
    (
        "origins = \"*\", headers = \"X-Api-Key\"",
        "/a",
        "https://a.example",
        "PUT",
        "x-api-key",
        204,
    ),
    (
        "origins = \"*\", headers = \"X-Api-Key\"",
        "/a",
        "https://a.example",
        "PUT",
        "x-api-key, x-b",
        403,
    ),
    ("origins = \"*\", methods = \"GET\"", "/a", "https://a.example", "GET", "", 204),
    ("origins = \"*\", methods = \"GET\"", "/a", "https://a.example", "PUT", "", 403),
    // No route takes it: that is for the page to learn as for anybody.
    ("origins = \"*\"", "/a", "https://a.example", "DELETE", "", 405),
    ("origins = \"*\"", "/none", "https://a.example", "GET", "", 404),
    // A route without `cors` leaves it to its origin.
    ("origins = \"*\"", "/b", "https://a.example", "GET", "", 200),
];

#[tokio::test]
async fn a_browser_is_told_ahead_what_a_page_may_whoever_it_is() {
    let origin = Origin::ok().await;
    for (keys, path, from, method, fields, status) in ASKED {
        let janua = shop(&origin, keys).await;
        let what = format!("{keys} {path} {from} {method} {fields}");
        let before = origin.requests().len();
        let answer = ahead(&janua, path, from, method, fields).await;
        assert_eq!(answer.status(), *status, "{what}: {answer:?}");
        assert_eq!(origin.requests().len() - before, usize::from(*path == "/b"), "{what}");
        let field = |name: &str| answer.field(name).unwrap_or_default();
        match status {
            204 => {
                let any = keys.contains("\"*\"");
                let allowed = if any { "*" } else { from };
                assert_eq!(field("access-control-allow-origin"), allowed, "{what}");
                assert!(field("access-control-allow-methods").contains(method), "{what}");
                assert_eq!(field("access-control-allow-headers"), *fields, "{what}");
                assert_eq!(field("access-control-max-age"), "600", "{what}");
                assert!(field("vary").contains("access-control-request-method"), "{what}");
            }
            403 => {
                answer.assert_refused(403, "cors.refused", &what);
                assert_eq!(field("access-control-allow-methods"), "", "{what}");
            }
            _ => {}
        }
    }
}

/// What is asked ahead is asked of nobody, and counts for nothing; the requests themselves do.
#[tokio::test]
async fn a_page_may_read_answers_and_refusals_alike() {
    let answer = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
                  Vary: Accept\r\nX-Told: 1\r\nContent-Length: 2\r\n\r\nok";
    let origin = Origin::answering(answer).await;
    let keys = "origins = [\"https://app.example\", \"null\"], expose = [\"X-Told\"], credentials = true, max-age = \"1m\"";
    let janua = shop(&origin, keys).await;
    for _ in 0..5 {
        let answer = ahead(&janua, "/a", "https://app.example", "GET", "").await;
        assert_eq!(
            (answer.status(), answer.field("access-control-max-age").unwrap()),
            (204, "60".into())
        );
    }
    let page = "Origin: https://app.example\r\n";
    let mut client = janua.client().await;
    for (fields, status, readable) in [
        (page.to_owned(), 401, true),
        (format!("{page}{}", keys::FIELD), 200, true),
        (format!("Origin: https://evil.example\r\n{}", keys::FIELD), 200, false),
        (format!("{page}{}", keys::FIELD), 429, true),
        (keys::FIELD.to_owned(), 429, false),
    ] {
        let answer = client.request("GET /a", &fields).await;
        assert_eq!(answer.status(), status, "{fields}");
        let told = answer.field("access-control-allow-origin");
        assert_eq!(told.as_deref(), readable.then_some("https://app.example"), "{fields}");
        let told = answer.field("access-control-allow-credentials");
        assert_eq!(told.as_deref(), readable.then_some("true"), "{fields}");
        let told = answer.field("access-control-expose-headers");
        assert_eq!(told.as_deref(), readable.then_some("x-told"), "{fields}");
        let varies = answer.field("vary").unwrap();
        assert!(varies.contains("origin"), "whoever keeps it: {varies}");
    }
}

#[tokio::test]
async fn what_scripts_that_speak_grpc_web_read_is_shown_to_them() {
    let janua = Setup::new(
        "[upstream.u]\nendpoints = \"http://127.0.0.1:1\"\nprotocol = \"h2\"\n\
         [[route]]\nto = \"u\"\ntranslate = \"grpc-web\"\ncors.origins = \"https://app.example\"\n",
    );
    let janua = janua.start().await;
    let fields = "Origin: https://app.example\r\nContent-Type: application/grpc-web\r\n";
    let answer = janua.client().await.request("POST /a.B/C", fields).await;
    let told = answer.field("access-control-expose-headers").unwrap();
    assert_eq!(told, "grpc-status, grpc-message, grpc-status-details-bin");
}

#[tokio::test]
async fn what_cannot_be_meant_is_said() {
    for (cors, path, message, help) in [
        ("{ origins = [] }", "route[0].cors.origins", "no page may use it", "origins = "),
        (
            "{ origins = \"app.example\" }",
            "route[0].cors.origins[0]",
            "`app.example` is no origin",
            "scheme",
        ),
        (
            "{ origins = [\"https://a\", \"https://a/b\"] }",
            "route[0].cors.origins[1]",
            "`https://a/b` is no",
            "scheme",
        ),
        (
            "{ origins = \"*\", credentials = true }",
            "route[0].cors.origins",
            "pages of any origin would read what the browser's credentials open",
            "name the origins",
        ),
    ] {
        let text = format!("[[route]]\nto = \"echo\"\ncors = {cors}\n");
        Setup::new(text).fails_at(path, message, help).await;
    }
    for (cors, message) in [
        ("{}", "missing key `origins`"),
        ("{ origins = \"*\", methods = \"GE T\" }", "`GE T` is no method"),
        ("{ origins = \"*\", headers = [\"a\", \"b c\"] }", "`b c` is no name of a header field"),
        ("{ origins = \"*\", expose = \"\" }", "`` is no name of a header field"),
    ] {
        let report =
            Setup::new(format!("[[route]]\nto = \"echo\"\ncors = {cors}\n")).fails_to_start().await;
        assert!(report.text(false).contains(message), "{}", report.text(false));
    }
}
