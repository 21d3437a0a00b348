//! What a client is told, and what of it the log, the metrics and `explain` say.

use janua::app::explain::{Arguments, explain_in};

use crate::support::{Janua, Message, Origin, Setup, until};

pub(super) fn limited(keys: &str) -> Setup {
    Setup::new(format!(
        "[limit.few]\n{keys}\n[[route]]\nname = \"r\"\nlimit = \"few\"\nto = {{ status = 204 }}\n"
    ))
}

/// What would become of a request from there.
fn explained(janua: &Janua, from: &str) -> String {
    let arguments = Arguments {
        method: "GET".into(),
        url: "http://a/".into(),
        from: Some(from.into()),
        ..Arguments::default()
    };
    explain_in(janua.world(), &arguments).unwrap().to_string()
}

/// A field's value, or nothing.
pub(super) fn field(answer: &Message, name: &str) -> String {
    answer.field(name).unwrap_or_default()
}

/// The answer to a request with these fields, on a connection of its own.
pub(super) async fn get(janua: &Janua, fields: &str) -> Message {
    janua.client().await.request("GET /", fields).await
}

#[tokio::test]
async fn over_the_rate_is_429_with_the_time_to_come_again() {
    let janua = limited("rate = \"2/h\"\nheaders = \"always\"").start().await;
    for left in [1, 0] {
        let answer = get(&janua, "").await;
        assert_eq!(answer.status(), 204);
        assert_eq!(field(&answer, "ratelimit-policy"), "\"few\";q=2;w=3600");
        assert!(field(&answer, "ratelimit").starts_with(&format!("\"few\";r={left};t=")));
        assert_eq!(field(&answer, "retry-after"), "");
    }
    let answer = get(&janua, "").await;
    answer.assert_refused(429, "limit.rate", "two an hour");
    assert!(field(&answer, "ratelimit").starts_with("\"few\";r=0;t="), "{answer:?}");
    let wait: u64 = field(&answer, "retry-after").parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait} s until there is one more");
    let line = janua.logged_reason("limit.rate").await;
    assert_eq!((&line["route"], &line["status"]), (&"r".into(), &429.into()), "{line}");
    until("it is counted", || {
        janua.counted("janua_limit_allowed_total{limit=\"few\"}") == 2
            && janua.counted("janua_limit_rejected_total{limit=\"few\",reason=\"limit.rate\"}") == 1
            && janua.counted("janua_rejects_total{route=\"r\",reason=\"limit.rate\"}") == 1
            && janua.counted("janua_limit_keys{limit=\"few\"}") == 1
            && janua.counted("janua_limit_offences_total{limit=\"few\"}") == 1
    })
    .await;
    assert!(!janua.metrics().contains("127.0.0.1"), "no key is a label");
}

#[tokio::test]
async fn answers_say_what_is_left_as_often_as_they_are_to() {
    for (words, good, refused) in [
        ("", false, true),
        ("headers = \"always\"", true, true),
        ("headers = \"refusals\"", false, true),
        ("headers = \"never\"", false, false),
    ] {
        let janua = limited(&format!("rate = \"1/h\"\n{words}")).start().await;
        for said in [good, refused] {
            let answer = get(&janua, "").await;
            let fields = ["ratelimit", "ratelimit-policy"];
            assert!(fields.iter().all(|name| answer.field(name).is_some() == said), "{words}");
        }
    }
}

#[tokio::test]
async fn all_limits_of_a_route_agree_and_each_is_told() {
    let janua = Setup::new(
        "[limit.a]\nrate = \"5/h\"\nheaders = \"always\"\n[[route]]\nname = \"secret-name\"\n\
         limit = [\"a\", { rate = \"9/h\", headers = \"always\" }, \
         { rate = \"3/h\", per = \"global\", headers = \"always\" }]\nto = { status = 204 }\n",
    )
    .start()
    .await;
    let answer = get(&janua, "").await;
    let policies = answer.values("ratelimit-policy");
    let told = ["\"a\";q=5;w=3600", "\"default\";q=9;w=3600", "\"default-2\";q=3;w=3600"];
    assert_eq!(policies, told);
    assert!(!format!("{answer:?}").contains("secret-name"));
    assert_eq!(get(&janua, "").await.status(), 204);
    assert_eq!(get(&janua, "").await.status(), 204);
    let answer = get(&janua, "").await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.values("ratelimit-policy"), told[2..]);
    let rejected =
        "janua_limit_rejected_total{limit=\"route#2 secret-name\",reason=\"limit.rate\"}";
    until("it is counted by its own name", || janua.counted(rejected) == 1).await;
}

#[tokio::test]
async fn as_many_limits_as_a_route_may_have_are_told() {
    let limit = |rate: usize| {
        format!("{{ rate = \"{rate}/h\", quota = \"{rate}/day\", headers = \"always\" }}")
    };
    let limits: Vec<_> = (1..=16).map(|number| limit(100 + number)).collect();
    let limits = limits.join(", ");
    let janua = Setup::new(format!("[[route]]\nlimit = [{limits}]\nto = {{ status = 204 }}\n"));
    let janua = janua.start().await;
    let answer = get(&janua, "").await;
    let (left, policies) = (answer.values("ratelimit"), answer.values("ratelimit-policy"));
    assert_eq!((left.len(), policies.len()), (32, 32));
    assert_eq!(policies[..2], ["\"default\";q=101;w=3600", "\"default-quota\";q=101;w=86400"]);
    assert_eq!(policies[30], "\"default-16\";q=116;w=3600");
    assert!(left[31].starts_with("\"default-16-quota\";r=115;t="), "{left:?}");
}

#[tokio::test]
async fn what_an_origin_tells_of_its_limits_goes_where_the_gateway_tells_of_its_own() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nRateLimit: \"few\";r=7;t=1\r\nRateLimit-Policy: \"few\";q=9;w=1\r\n\
         Content-Length: 0\r\n\r\n",
    )
    .await;
    for (headers, policies) in [("always", "\"few\";q=5;w=3600"), ("refusals", "\"few\";q=9;w=1")] {
        let janua = Setup::new(format!(
            "[limit.few]\nrate = \"5/h\"\nheaders = \"{headers}\"\n\
             [[route]]\nlimit = \"few\"\nto = \"{}\"\n",
            origin.url
        ));
        let answer = get(&janua.start().await, "").await;
        assert_eq!(answer.values("ratelimit-policy"), [policies]);
        assert_eq!(answer.values("ratelimit").len(), 1);
    }
}

#[tokio::test]
async fn a_limit_on_trial_tells_what_is_left_also_when_nothing_is() {
    let keys = "rate = \"2/h\"\nenforce = \"report\"\nheaders = \"always\"";
    let janua = limited(keys).start().await;
    for left in [1, 0, 0] {
        let answer = get(&janua, "").await;
        assert_eq!(answer.status(), 204);
        assert!(field(&answer, "ratelimit").starts_with(&format!("\"few\";r={left};t=")));
    }
}

#[tokio::test]
async fn a_limit_on_trial_passes_everything_and_says_what_it_would_stop() {
    let janua = limited("rate = \"1/h\"\nenforce = \"report\"").start().await;
    for _ in 0..3 {
        assert_eq!(get(&janua, "").await.status(), 204);
    }
    let line = janua.logged("a report", |line| line["reported"] == "limit.rate").await;
    assert!(line["reason"].is_null(), "{line}");
    until("it is counted", || {
        janua.counted("janua_limit_reports_total{limit=\"few\",reason=\"limit.rate\"}") == 2
            && janua.counted("janua_reports_total{route=\"r\",reason=\"limit.rate\"}") == 2
    })
    .await;
}

#[tokio::test]
async fn keys_from_fields_cookies_and_paths_are_counted_apart() {
    for (per, same, other) in [
        ("header:x-t", "X-T: a\r\n", "X-T: b\r\n"),
        ("header:x-t", "X-T: a\r\nX-T: b\r\n", "X-T: b\r\nX-T: a\r\n"),
        ("cookie:s", "Cookie: x=1; s=a\r\n", "Cookie: s=b\r\n"),
    ] {
        let janua = limited(&format!("rate = \"1/h\"\nper = \"{per}\"")).start().await;
        let big = format!("X-T: {}\r\nCookie: s={}\r\n", "y".repeat(9_000), "z".repeat(9_000));
        for fields in [same, other, &*big, ""] {
            assert_eq!(get(&janua, fields).await.status(), 204, "{per} {fields}");
            assert_eq!(get(&janua, fields).await.status(), 429, "{per} {fields}");
        }
    }
    let janua = Setup::new(
        "[[route]]\npath = \"/o/{id}\"\nlimit = { rate = \"1/h\", per = \"path:id\" }\n\
         to = { status = 204 }\n",
    )
    .start()
    .await;
    for (path, status) in [("/o/1", 204), ("/o/2", 204), ("/o/1", 429), ("/o/%31", 429)] {
        assert_eq!(janua.get(path).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_named_limit_is_one_allowance_unless_each_route_has_its_own() {
    for (per, second) in [("ip", 429), ("global", 429), ("route", 204)] {
        let janua = Setup::new(format!(
            "[limit.l]\nrate = \"1/h\"\nper = \"{per}\"\n\
             [[route]]\npath = \"/a\"\nlimit = \"l\"\nto = {{ status = 204 }}\n\
             [[route]]\npath = \"/b\"\nlimit = \"l\"\nto = {{ status = 204 }}\n"
        ))
        .start()
        .await;
        for (path, status) in [("/a", 204), ("/a", 429), ("/b", second), ("/b", 429)] {
            assert_eq!(janua.get(path).await.status(), status, "{per} {path}");
        }
    }
}

/// A route may be called as if it were another's second limit.
#[tokio::test]
async fn limits_of_two_routes_are_never_one_whatever_they_are_called() {
    let janua = Setup::new(
        "[[route]]\nname = \"a\"\npath = \"/a\"\nlimit = [\"100/m\", \"3/m\"]\nto = { status = 204 }\n\
         [[route]]\nname = \"a #2\"\npath = \"/b\"\nlimit = \"3/m\"\nto = { status = 204 }\n"
            .to_owned(),
    )
    .start()
    .await;
    for path in ["/a", "/b"] {
        for status in [204, 204, 204, 429] {
            assert_eq!(janua.get(path).await.status(), status, "{path}");
        }
    }
}

/// SHA-256 of `gold-key` and `plain-key`.
pub(super) fn keys() -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let hash = |key: &str| {
        let hash = digest(&SHA256, key.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    format!(
        "[auth.k]\napi-key = {{ header = \"x-api-key\", keys = [\
         {{ id = \"g\", sha256 = \"{}\", roles = [\"gold\"], scopes = [\"fast\"], owner = \"acme\" }}, \
         {{ id = \"p\", sha256 = \"{}\" }}] }}\n",
        hash("gold-key"),
        hash("plain-key")
    )
}

#[tokio::test]
async fn who_somebody_is_decides_how_much() {
    for tier in ["gold", "role:gold", "scope:fast", "owner:acme"] {
        let janua = Setup::new(format!(
            "{}[limit.l]\nper = \"identity\"\ntiers = {{ \"{tier}\" = \"5/h\", default = \"2/h\" }}\n\
             [[route]]\nauth = \"k\"\nlimit = \"l\"\nto = {{ status = 204 }}\n",
            keys()
        ))
        .start()
        .await;
        for (key, most) in [("gold-key", 5), ("plain-key", 2)] {
            let fields = format!("X-API-Key: {key}\r\n");
            for _ in 0..most {
                assert_eq!(get(&janua, &fields).await.status(), 204, "{tier} {key}");
            }
            assert_eq!(get(&janua, &fields).await.status(), 429, "{tier} {key}");
        }
        // Strangers are refused before, and take from nobody.
        assert_eq!(get(&janua, "").await.status(), 401);
    }
}

#[tokio::test]
async fn who_has_more_does_not_wait_for_those_who_have_less() {
    for (per, quota, most) in [
        ("ip", "", [2, 5]),
        ("global", "", [2, 5]),
        ("route", "", [2, 5]),
        // Of one quota all take.
        ("ip", "quota = \"4/day\"\n", [2, 2]),
    ] {
        let janua = Setup::new(format!(
            "{}[limit.l]\nper = \"{per}\"\n{quota}tiers = {{ gold = \"5/h\", default = \"2/h\" }}\n\
             [[route]]\nauth = \"k\"\nlimit = \"l\"\nto = {{ status = 204 }}\n",
            keys()
        ))
        .start()
        .await;
        for (key, most) in ["plain-key", "gold-key"].iter().zip(most) {
            let fields = format!("X-API-Key: {key}\r\n");
            for _ in 0..most {
                assert_eq!(get(&janua, &fields).await.status(), 204, "{per} {key}");
            }
            assert_eq!(get(&janua, &fields).await.status(), 429, "{per} {key}");
        }
    }
}

#[tokio::test]
async fn explain_shows_each_limit_its_key_and_what_would_be_left() {
    let janua = limited("rate = \"10/h\"\nconcurrent = 4\nover = { delay = \"2s\" }").start().await;
    let text = explained(&janua, "192.0.2.7");
    for said in [
        "`few` for ip 192.0.2.7",
        "costs 1, leaves 9 of 10",
        "0 of 4 at work",
        "0 of 1000 wait, 0 under this key, up to 2.0 s",
        "in good standing",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert_eq!(explained(&janua, "192.0.2.7"), text, "to ask takes nothing");
}

#[tokio::test]
async fn who_came_too_often_is_in_bad_standing_for_a_time() {
    let janua = limited("rate = \"1/h\"\nover = { delay = \"1ms\" }").start().await;
    assert_eq!(get(&janua, "").await.status(), 204);
    assert_eq!(janua.counted("janua_limit_clients_in_bad_standing"), 0);
    // A second for each.
    for _ in 0..30 {
        assert_eq!(get(&janua, "").await.status(), 429);
    }
    until("it is counted", || janua.counted("janua_limit_clients_in_bad_standing") == 1).await;
    for (from, good) in [("127.0.0.1", false), ("127.0.0.2", true)] {
        let text = explained(&janua, from);
        assert!(text.contains("in good standing"), "{text}");
        assert_eq!(text.contains("in good standing again in "), !good, "{from}: {text}");
    }
}

/// The configuration of the load lab's scenario `chain`.
#[tokio::test]
async fn the_labs_whole_chain_lets_everything_through() {
    let janua = Setup::new(format!(
        "[access.lab]\nallow = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n{}\
         [limit.lab]\nrate = \"1000000/s\"\nburst = 1000000\nper = \"ip\"\n\
         [[route]]\naccess = \"lab\"\nauth = \"k\"\nlimit = \"lab\"\nto = {{ status = 204 }}\n",
        keys()
    ))
    .start()
    .await;
    let mut client = janua.client().await;
    for _ in 0..100 {
        assert_eq!(client.request("GET /", "X-API-Key: plain-key\r\n").await.status(), 204);
    }
}

#[tokio::test]
async fn a_cost_that_no_number_holds_is_more_than_any_burst() {
    let janua = limited("rate = \"5/h\"\ncost = { header = \"x-cost\" }").start().await;
    let huge = ["18446744073709551615", "18446744073709551616", "99999999999999999999999999"];
    for cost in huge {
        assert_eq!(get(&janua, &format!("X-Cost: {cost}\r\n")).await.status(), 429, "{cost}");
    }
    for cost in ["x", "-1", "1e3", "", "0"] {
        assert_eq!(get(&janua, &format!("X-Cost: {cost}\r\n")).await.status(), 204, "{cost}: one");
    }
    assert_eq!(get(&janua, "").await.status(), 429);
}

/// Many an origin takes `bulk` for BULK, which costs more.
#[tokio::test]
async fn no_spelling_of_a_method_dodges_its_cost() {
    let of_the_route =
        "[[route]]\nlimit = { rate = \"5/h\", cost = { BULK = 5 } }\nto = { status = 204 }\n";
    for setup in [limited("rate = \"5/h\"\ncost = { BULK = 5 }"), Setup::new(of_the_route)] {
        let janua = setup.start().await;
        for line in ["bulk /", "Bulk /"] {
            let answer = janua.client().await.request(line, "").await;
            answer.assert_refused(405, "request.method", line);
        }
        // Of which no cost speaks: one of five.
        assert_eq!(janua.client().await.request("brew /", "").await.status(), 204);
        let answer = janua.client().await.request("BULK /", "").await;
        answer.assert_refused(429, "limit.rate", "five of four");
    }
}

#[tokio::test]
async fn the_time_to_come_again_is_that_of_all_limits() {
    let text = "[limit.first]\nrate = \"20/m\"\nburst = 1\n[limit.second]\nrate = \"6/m\"\nburst = 1\n\
                [[route]]\nlimit = [\"first\", \"second\"]\nto = { status = 204 }\n";
    let janua = Setup::new(text).start().await;
    assert_eq!(get(&janua, "").await.status(), 204);
    let answer = get(&janua, "").await;
    assert_eq!((answer.status(), field(&answer, "retry-after")), (429, "10".to_owned()));
    // And of all quotas.
    let text = "[limit.first]\nrate = \"20/m\"\nburst = 1\n[limit.second]\nquota = \"1/day\"\n\
                [[route]]\nlimit = [\"first\", \"second\"]\nto = { status = 204 }\n";
    let left = super::quotas::until_midnight();
    let janua = Setup::new(text).start().await;
    assert_eq!(get(&janua, "").await.status(), 204);
    let answer = get(&janua, "").await;
    answer.assert_refused(429, "limit.rate", "three seconds, and the rest of the day");
    let wait: u64 = field(&answer, "retry-after").parse().unwrap();
    assert!((left.saturating_sub(15)..=left.max(3)).contains(&wait), "{wait} of {left}");
}
