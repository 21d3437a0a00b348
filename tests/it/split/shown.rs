//! What operators see of splits and mirrors: `explain`, tests of the configuration, the access log.

use janua::app::{
    Source,
    explain::{Arguments, explain},
};
use serde_json::json;

use super::{Versions, asks};
use crate::support::Setup;

const CONFIG: &str = r#"
[admin]
address = "off"

[upstream.v1]
endpoints = "http://127.0.0.1:9"

[upstream.v2]
endpoints = "http://127.0.0.2:9"

[upstream.shadow]
endpoints = "http://127.0.0.3:9"

[[route]]
name = "chance"
path = "/chance"
to = [{ upstream = "v2", weight = 5, headers = { x-canary = "always" }, cookies = { beta = true } }, { upstream = "v1", weight = 95 }]
mirror = { upstream = "shadow", share = "10%" }

[[route]]
name = "stays"
path = "/stays"
sticky = "cookie"
to = [{ upstream = "v2", weight = 25 }, { upstream = "v1", weight = 75 }]

[[route]]
name = "known"
path = "/known"
sticky = "header:x-team"
to = [{ upstream = "v2", weight = 40 }, { upstream = "v1", weight = 60 }]
"#;

fn explained(request: &str, headers: &[&str]) -> (String, serde_json::Value) {
    let (method, url) = request.split_once(' ').unwrap();
    let arguments = Arguments {
        method: method.into(),
        url: url.into(),
        headers: headers.iter().map(|line| (*line).to_owned()).collect(),
        ..Arguments::default()
    };
    let explained = explain(&Source::Text("a.toml".into(), CONFIG.into()), &arguments).unwrap();
    (explained.to_string(), explained.json())
}

#[test]
fn explain_shows_the_shares_which_takes_it_and_why() {
    for (request, headers, takes, why) in [
        ("GET /chance", &[][..], None, "by chance, anew for each request"),
        ("GET /chance", &["X-Canary: always", "Cookie: beta=1"], Some("v2"), "its conditions hold"),
        ("GET /chance", &["X-Canary: always"], None, "by chance, anew for each request"),
        ("GET /stays", &[], None, "by chance; the cookie `janua-split` remembers it"),
        (
            "GET /stays",
            &["Cookie: janua-split=40000000"],
            Some("v1"),
            "by the client's cookie `janua-split`, which is at 25.0 % of the line",
        ),
        ("GET /stays", &["Cookie: janua-split=3fffffff"], Some("v2"), "by the client's cookie"),
        ("GET /known", &["X-Team: red"], Some("v1"), "by the client's header `x-team`, which"),
        ("GET /known", &[], Some("v2"), "by the client's address, for want of its header `x-team`"),
    ] {
        let (text, json) = explained(request, headers);
        let split = &json["outcome"]["split"];
        let said = split["why"].as_str().unwrap();
        assert!(said.starts_with(why), "{request} {headers:?}: {said}");
        assert!(text.contains(&format!("\nsplit: {said}\n")), "{text}");
        let shown = json["outcome"]["upstream"].as_str().unwrap();
        match takes {
            Some(takes) => {
                assert_eq!((split["takes"].as_str(), shown), (Some(takes), takes), "{said}");
                assert!(text.contains(&format!("\n> {takes}  weight")), "{text}");
                assert!(text.contains(&format!("to the upstream `{takes}`")), "{text}");
            }
            None => {
                assert_eq!((&split["takes"], shown), (&json!(null), "v1"), "the most likely one");
                assert!(
                    text.contains("\n? v1  weight") && text.contains("\n? v2  weight"),
                    "{text}"
                );
                assert!(text.contains("to one of 2 upstreams, by chance"), "{text}");
            }
        }
        assert!(!text.contains("\n  cookie: janua-split"), "no origin sees it: {text}");
    }
    let (text, json) = explained("GET /chance", &[]);
    assert!(
        text.contains("? v2  weight 5, 5.0 %  or by header `x-canary` and cookie `beta`\n"),
        "{text}"
    );
    assert_eq!(
        json["outcome"]["split"]["ways"],
        json!([
            { "upstream": "v2", "weight": 5, "share": 0.05, "conditions": "header `x-canary` and cookie `beta`" },
            { "upstream": "v1", "weight": 95, "share": 0.95, "conditions": null },
        ])
    );
}

#[test]
fn explain_says_who_gets_a_copy() {
    let (text, json) = explained("GET /chance", &[]);
    let says = "\nmirror shadow\n  a copy of 10% of the requests, with bodies up to 64KiB, 100 at a time\n";
    assert!(text.contains(says), "{text}");
    assert!(text.contains("; a copy to `shadow`"), "{text}");
    let copies =
        json!({ "upstream": "shadow", "share": "10%", "max-body": 65_536, "max-in-flight": 100 });
    assert_eq!(json["outcome"]["mirror"], copies);
    let upgrade = ["Connection: upgrade", "Upgrade: websocket"];
    for (text, json) in [explained("GET /chance", &upgrade), explained("GET /stays", &[])] {
        assert!(!text.contains("shadow"), "{text}");
        assert_eq!(json["outcome"]["mirror"], json!(null));
    }
}

#[tokio::test]
async fn a_test_of_the_configuration_names_every_upstream_that_a_request_may_go_to() {
    let table = |test: &str| {
        Setup::new(CONFIG.replace("[admin]\naddress = \"off\"\n", "") + "[[test]]\n" + test)
    };
    for expected in [
        "request = \"GET /chance\"\nexpect.upstream = [\"v1\", \"v2\"]",
        "request = \"GET /chance\"\nheaders = { x-canary = \"always\", cookie = \"beta=1\" }\nexpect.upstream = \"v2\"",
        "request = \"GET /known\"\nexpect.upstream = \"v2\"",
    ] {
        table(expected).start().await;
    }
    for (test, message) in [
        (
            "request = \"GET /chance\"\nexpect.upstream = \"v1\"",
            "must be `v1`, and it is sent to `v2` or `v1`",
        ),
        (
            "request = \"GET /known\"\nexpect.upstream = \"v1\"",
            "must be `v1`, and it is sent to `v2`",
        ),
        (
            "request = \"GET /known\"\nexpect.upstream = [\"v1\", \"shadow\"]",
            "must be `v1` or `shadow`, and",
        ),
        (
            "request = \"GET /none\"\nexpect.upstream = [\"v2\", \"v1\"]",
            "refused with 404 no_route",
        ),
    ] {
        table(test).fails_at("test[0].expect.upstream", message, "shows why").await;
    }
    let unknown = "request = \"GET /known\"\nexpect.upstream = [\"v1\", \"v3\"]";
    table(unknown).fails_at("test[0].expect.upstream", "no upstream `v3`", "did you mean").await;
}

#[tokio::test]
async fn the_access_log_names_the_upstream_that_a_request_went_to() {
    let versions = Versions::new().await;
    let to = "[{ upstream = \"v2\", headers = { x-canary = true } }, { upstream = \"v1\" }]";
    let janua = Setup::new(versions.route(to, "")).start().await;
    for (fields, upstream, url) in
        [("", "v1", &versions.v1.url), ("X-Canary: 1\r\n", "v2", &versions.v2.url)]
    {
        assert_eq!(asks(&janua, fields).await, upstream);
        let line = janua.logged(upstream, |line| line["upstream"] == upstream).await;
        assert_eq!(line["endpoint"], **url);
        let requests = format!("janua_upstream_connects_total{{upstream=\"{upstream}\"}}");
        assert_eq!(janua.counted(&requests), 1);
    }
}
