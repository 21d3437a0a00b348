//! `[[test]]`: what passes, what fails and with which words, and that a failing one keeps a
//! configuration from being used.

use std::sync::Arc;

use janua::{
    app::{Gateway, Source, config_tests},
    config::{Loaded, environment},
    server::Passed,
    snapshot::{Purpose, Snapshot},
};

const GATEWAY: &str = r#"
admin.address = "off"
log.access = "off"

[[listener]]
name = "public"
address = "127.0.0.1:0"
trusted-proxies = ["10.0.0.0/8"]

[[listener]]
name = "secure"
address = "127.0.0.2:0"
tls = "self-signed"

[upstream.orders]
endpoints = ["http://127.0.0.9:3000"]

[[route]]
name = "order"
host = "api.example.com"
path = "/orders/{id}"
methods = "GET"
strip-prefix = "/orders"
request-headers = { set = { x-client = "{client.ip}", x-tier = "gold 2" } }
to = "orders"

[[route]]
name = "hello"
path = "/hello"
response-headers = { set = { x-kind = "greeting" } }
to = { status = 200, body = "Hello" }

[[route]]
name = "echo"
path = "/echo"
to = "echo"
"#;

/// The problems that a test gives, a line each: `PATH: MESSAGE => HELP`.
fn problems(test: &str) -> Vec<String> {
    let text = format!("{GATEWAY}\n[[test]]\n{test}\n");
    let loaded = Loaded::parse("janua.toml", &text, &environment);
    let loaded = loaded.unwrap_or_else(|report| panic!("{test}:\n{report}"));
    let compiled = Snapshot::compile(loaded.config, Purpose::Look, None);
    let (snapshot, _) = compiled.unwrap_or_else(|problems| panic!("{test}: {problems:?}"));
    let problems = config_tests::run(&Arc::new(snapshot));
    let line = |problem: &janua::config::Problem| {
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{}: {} => {help}", problem.path, problem.message)
    };
    problems.iter().map(line).collect()
}

#[test]
fn what_is_as_expected_passes() {
    for test in [
        r#"request = "GET http://api.example.com/orders/7"
           expect = { route = "order", upstream = "orders", path = "/7" }"#,
        r#"request = "GET http://api.example.com/orders/7?x=1"
           expect = { path = "/7?x=1", headers = { x-tier = { regex = "^gold" }, cookie = false } }"#,
        r#"request = "GET /orders/7"
           headers = { Host = "api.example.com" }
           from = "203.0.113.7"
           expect = { headers = { x-client = "203.0.113.7", host = "api.example.com" } }"#,
        r#"request = "GET http://api.example.com/orders/7"
           from = "10.0.0.1"
           headers = { x-forwarded-for = "203.0.113.8" }
           expect = { headers = { x-client = "203.0.113.8" } }"#,
        r#"request = "POST http://api.example.com/orders/7"
           expect = { status = 405, reason = "method_not_allowed", headers = { allow = true } }"#,
        r#"request = "GET https://example.com/hello"
           expect = { status = 200, headers = { x-kind = "greeting" } }"#,
        r#"request = "GET http://example.com/hello"
           listener = "secure"
           expect = { route = "hello" }"#,
        r#"request = "GET /echo"
           expect = { route = "echo", path = "/echo", status = 200 }"#,
        r#"request = "GET /"
           expect.reason = "no_route""#,
    ] {
        assert_eq!(problems(test), [""; 0], "{test}");
    }
}

#[test]
fn what_a_door_answers_is_not_known_beforehand() {
    let door = "[auth.corp.oidc]\nissuer = \"https://idp.example\"\nclient-id = \"janua\"\n\
                [[route]]\nname = \"page\"\nhost = \"page.example\"\nauth = \"corp\"\nto = \"echo\"\n";
    let ask = "request = \"GET http://page.example/.janua/corp/logout\"\nname = \"o\"\n";
    for (expect, expected) in [
        ("expect.route = \"auth.corp.logout\"", None),
        ("expect.status = 303", Some("test[0].expect.status: o: the status must be 303, and")),
        ("expect.headers.location = true", Some("test[0].expect.headers: o: the headers must be")),
        ("expect.reason = \"no_route\"", Some("test[0].expect.reason: o: the reason must be")),
    ] {
        let found = problems(&format!("{ask}{expect}\n{door}"));
        assert_eq!(found.len(), usize::from(expected.is_some()), "{expect}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            let door = "it is answered at Janua's door `auth.corp.logout`";
            assert!(found.starts_with(expected) && found.contains(door), "{found}");
        }
    }
}

#[test]
fn what_is_not_as_expected_is_said() {
    let order = "request = \"GET http://api.example.com/orders/7\"\n";
    for (expect, expected) in [
        (
            "expect.route = \"hello\"",
            "test[0].expect.route: GET http://api.example.com/orders/7: the route must be `hello`, \
             and it is `order` => `janua explain GET http://api.example.com/orders/7` shows why",
        ),
        (
            "name = \"an order\"\nexpect.status = 200",
            "test[0].expect.status: an order: the status must be 200, and it is sent to `orders` => ",
        ),
        (
            "name = \"o\"\nfrom = \"::1\"\nexpect.reason = \"no_route\"",
            "test[0].expect.reason: o: the reason must be `no_route`, and it is sent to `orders` => \
             `janua explain GET http://api.example.com/orders/7 --from ::1` shows why",
        ),
        (
            "name = \"o\"\nexpect.path = \"/orders/7\"",
            "test[0].expect.path: o: the path must be `/orders/7`, and it is `/7` => ",
        ),
        (
            "name = \"o\"\nexpect.headers.x-tier = \"silver\"",
            "test[0].expect.headers.x-tier: o: `x-tier` must be `silver`, and it is `gold 2` => ",
        ),
        (
            "name = \"o\"\nexpect.headers.x-no = true",
            "test[0].expect.headers.x-no: o: `x-no` must be there, and it is missing => ",
        ),
        (
            "name = \"o\"\nheaders.x-a = \"it's\"\nexpect.headers.x-tier = false",
            "test[0].expect.headers.x-tier: o: `x-tier` must be missing, and it is `gold 2` => \
             `janua explain GET http://api.example.com/orders/7 -H 'x-a: it'\\''s'` shows why",
        ),
        ("", "test[0].expect: this test expects nothing => "),
    ] {
        let found = problems(&format!("{order}{expect}"));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expect}: {found:#?}");
    }
    for (test, expected) in [
        (
            "request = \"GET /nothing\"\nname = \"n\"\nexpect.upstream = \"orders\"",
            "test[0].expect.upstream: n: the upstream must be `orders`, and it is refused with 404 \
             no_route => ",
        ),
        (
            "request = \"GET /hello\"\nname = \"n\"\nexpect.path = \"/hello\"",
            "test[0].expect.path: n: the path must be `/hello`, and it is answered by Janua with 200 => ",
        ),
    ] {
        let found = problems(test);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{test}: {found:#?}");
    }
}

#[test]
fn words_that_mean_nothing_are_errors() {
    for (test, expected) in [
        (
            "request = \"GET /\"\nexpect.route = \"oder\"",
            "test[0].expect.route: there is no route `oder` => did you mean `order`?",
        ),
        (
            "request = \"GET /\"\nexpect.upstream = \"order\"",
            "test[0].expect.upstream: there is no upstream `order` => did you mean `orders`?",
        ),
        (
            "request = \"GET /\"\nexpect.reason = \"no_rout\"",
            "test[0].expect.reason: there is no reason `no_rout` => did you mean `no_route`?",
        ),
        (
            "request = \"/orders\"\nexpect.status = 404",
            "test[0].request: `/orders` is not a method => write it like \"GET https://",
        ),
        (
            "request = \"GET\"\nexpect.status = 404",
            "test[0].request: `` is not a URL => write http://HOST/PATH",
        ),
        (
            "request = \"GET /\"\nfrom = \"10.0.0.0/8\"\nexpect.status = 404",
            "test[0].from: `10.0.0.0/8` is not an IP address => ",
        ),
        (
            "request = \"GET /\"\nheaders.\"a b\" = \"1\"\nexpect.status = 404",
            "test[0].headers: `a b` is not a header field's name",
        ),
        (
            "request = \"GET /\"\nexpect.headers.x = { regex = \"(\" }",
            "test[0].expect.headers.x: `x`: ",
        ),
    ] {
        let found = problems(test);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{test}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_refuses_a_start_and_a_reload() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("janua.toml");
    let server = format!("[server]\nworkers = 1\nstate = \"{}\"\n", state.path().display());
    let test = |route: &str| {
        format!("{GATEWAY}{server}[[test]]\nrequest = \"GET /hello\"\nexpect.route = \"{route}\"\n")
    };
    std::fs::write(&file, test("echo")).unwrap();
    let start = || Gateway::start(Source::File(file.clone()), Passed::default(), None);
    let report = start().await.err().expect("the test fails").to_string();
    assert!(report.contains("the route must be `echo`, and it is `hello`"), "{report}");
    assert!(report.contains("expect.route = \"echo\""), "{report}");

    std::fs::write(&file, test("hello")).unwrap();
    let gateway = start().await.unwrap_or_else(|report| panic!("{report}"));
    std::fs::write(&file, test("echo")).unwrap();
    assert!(gateway.reload().await.is_err());
    assert_eq!(gateway.world().load().generation, 1);
    std::fs::write(&file, test("hello")).unwrap();
    assert!(gateway.reload().await.is_ok());
    gateway.stop().await;
}
