//! What is wrong with a section is said with its place; and what becomes of a request, before it is sent.

use janua::app::explain::{Arguments, explain_in};

use super::*;
use crate::support::keys;

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let url = "http://127.0.0.1:1";
    let own = |keys: &str| setup(url, keys, "");
    let route = |keys: &str| setup(url, "", keys);
    let raw = |text: &str| Setup::new(text.to_owned());
    let to_http1 =
        format!("[api.a]\nproto = {}\n[[route]]\napi = \"a\"\nto = \"{url}\"\n", proto());
    for (setup, path, message, help) in [
        (own("openapi = \"x.yaml\""), "api.greeter.openapi", "not both", ""),
        (own("wsdl = \"x.wsdl\""), "api.greeter.wsdl", "not both", "`proto` or `wsdl`"),
        (own("descriptors = \"x.pb\""), "api.greeter.descriptors", "not both", ""),
        (own("enforce = \"report\""), "api.greeter.enforce", "about a document", ""),
        (own("answers = \"report\""), "api.greeter.answers", "about a document", ""),
        (
            own("services = [\"greeter.v1.Greter\"]"),
            "api.greeter.services[0]",
            "no service",
            "did you mean `greeter.v1.Greeter`",
        ),
        (
            own("operations.\"greeter.v1.Greeter.Helo\".enabled = false"),
            "api.greeter.operations.\"greeter.v1.Greeter.Helo\"",
            "no method",
            "did you mean `greeter.v1.Greeter.Hello`",
        ),
        (
            raw("[api.a]\nproto = \"/none/x.proto\"\n[[route]]\napi = \"a\"\nto = \"https://a\"\n"),
            "api.a.proto[0]",
            "/none/x.proto",
            "",
        ),
        (
            raw(
                "[api.a]\ndescriptors = \"/none/x.pb\"\n[[route]]\napi = \"a\"\nto = \"https://a\"\n",
            ),
            "api.a.descriptors",
            "cannot read `/none/x.pb`",
            "",
        ),
        (raw(&to_http1), "route[0].to", "gRPC needs HTTP/2", "protocol = \"h2\""),
        (
            raw(&format!("[[route]]\ntranslate = \"grpc-web\"\nto = \"{url}\"\n")),
            "route[0].to",
            "gRPC needs HTTP/2",
            "protocol = \"h2\"",
        ),
        (route("cache = true"), "route[0].cache", "are not kept", ""),
        (route("rewrite = \"/x\""), "route[0].rewrite", "its method's", "base-path"),
        (route("strip-prefix = \"/v1\""), "route[0].strip-prefix", "its method's", "base-path"),
        (route("path = \"/x\""), "route[0].path", "which `path`", ""),
        (route("translate = \"grpc-web\""), "route[0].translate", "as its section says", ""),
        (
            own("operations.\"greeter.v1.Greeter.Hello\".to = \"mock\""),
            "route[0].to",
            "no examples",
            "",
        ),
    ] {
        setup.fails_at(path, message, help).await;
    }
}

#[tokio::test]
async fn methods_have_policies_of_their_own() {
    let (origin, _) = origin(|| grpc(&[b"\0\0\0\0\0"], &[("grpc-status", "0")])).await;
    let auth = "[auth.staff]\nbasic.users.alice = { hash = \"$2y$05$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm\" }\n";
    let keys = "operations.\"greeter.v1.Greeter.Fail\".enabled = false\n\
                operations.\"greeter.v1.Greeter.Hello\".auth = \"staff\"";
    let janua = setup(&origin.url, keys, auth).start().await;
    for (line, body, status) in [
        ("GET /v1/hello/a", "", 401),
        ("POST /v1/hello", "{}", 401),
        ("POST /v1/fail", "{}", 404),
        ("POST /greeter.v1.Greeter/Slow", "{}", 200),
    ] {
        assert_eq!(send(&janua, line, "", body.as_bytes()).await.status(), status, "{line}");
    }
}

#[tokio::test]
async fn explain_shows_the_call() {
    let janua = setup("http://127.0.0.1:1", "", "").start().await;
    let asked = |target: &str| {
        let arguments = Arguments {
            method: "GET".into(),
            url: format!("http://a.example{target}"),
            ..Arguments::default()
        };
        let explained = explain_in(janua.world(), &arguments).unwrap();
        explained.to_string()
    };
    let text = asked("/v1/hello/Ada?big=1");
    assert!(text.contains("calls `greeter.v1.Greeter.Hello` by gRPC"), "{text}");
    assert!(text.contains("POST /greeter.v1.Greeter/Hello HTTP"), "{text}");
    let text = asked("/v1/hello/Ada?big=x");
    assert!(text.contains("contract.parameter"), "{text}");
}

/// The portal shows a service as its routes are.
#[tokio::test]
async fn the_portal_says_who_may_call_what_and_how_often() {
    let keys = format!(
        "base-path = \"/v2\"\noperations.\"greeter.v1.Greeter.Fail\".enabled = false\n\
         operations.\"greeter.v1.Greeter.Hello\".auth = \"staff\"\n{}\
         [docs]\npath = \"/docs\"",
        keys::section("staff")
    );
    let janua = setup("http://127.0.0.1:9", &keys, "limit = \"7/h\"").start().await;
    let shown = janua.get("/docs/greeter/openapi.json").await.text();
    assert!(!shown.contains("FailRequest"), "what is no route is not shown: {shown}");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let hello = &shown["paths"]["/v2/v1/hello/{name}"]["get"];
    assert_eq!(hello["security"], serde_json::json!([{ "staff": [] }]), "{shown}");
    assert!(hello["description"].as_str().unwrap().ends_with("**Limit**: 7/h"), "{hello}");
    assert_eq!(shown["servers"][0]["url"], "/", "its paths are whole");
    assert!(shown["paths"]["/v2/v1/count/{to}"]["get"]["security"].as_array().unwrap().is_empty());
}
