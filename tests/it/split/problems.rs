//! Splits and mirrors that cannot be meant.

use janua::{
    config::{Loaded, Problem},
    snapshot::{Purpose, Snapshot},
};

use crate::support::Setup;

const UPSTREAMS: &str = "[upstream.v1]\nendpoints = \"http://127.0.0.1:9\"\n\
                         [upstream.v2]\nendpoints = \"http://127.0.0.1:9\"\n";

async fn fails(keys: &str, path: &str, message: &str, help: &str) {
    let setup = Setup::new(format!("{UPSTREAMS}[[route]]\n{keys}\n"));
    setup.fails_at(&format!("route[0].{path}"), message, help).await;
}

/// Ways, where the problem is, what is said of it, and what to do.
const WAYS: &[(&str, &str, &str, &str)] = &[
    ("", "", "a route needs somewhere to go", "upstream"),
    ("{ upstream = 'v1', weight = 0 }", "", "all weights are 0", "give one a weight"),
    ("{ upstream = 'v1', headers = { x = true } }", "", "all weights are 0", ""),
    ("ONE, 'v2'", "[1]", "expected a table", ""),
    // What they lead to
    ("ONE, { upstream = 'w2' }", "[1].upstream", "no upstream `w2`", "`v2`"),
    ("ONE, { upstream = 'echo' }", "[1].upstream", "no upstream `echo`", ""),
    ("ONE, { upstream = '' }", "[1].upstream", "needs somewhere to go", ""),
    ("ONE, { weight = 2 }", "[1].upstream", "missing key `upstream`", ""),
    ("ONE, { upstream = 'http://[' }", "[1].upstream[0]", "not a URL", ""),
    // Twice the same
    ("ONE, ONE", "[1].upstream", "`v1` is named twice", "one weight"),
    (
        "ONE, { upstream = 'v1', weight = 2, cookies = { a = true } }",
        "[1].upstream",
        "`v1` is named twice",
        "weight 0",
    ),
    (
        "ONE, { upstream = 'v2', cookies = { a = '1' } }, { upstream = 'v2', cookies = { a = '1' } }",
        "[2].upstream",
        "`v2` is named twice",
        "",
    ),
    // Conditions behind others that take all they would
    (
        "{ upstream = 'v2', headers = { x = true } }, \
         { upstream = 'v1', weight = 1, headers = { X = '1' } }",
        "[1].headers",
        "this never decides",
        "change their order",
    ),
    (
        "{ upstream = 'v2', cookies = { a = true } }, \
         { upstream = 'v1', weight = 1, headers = { x = '1' }, cookies = { a = true } }",
        "[1].headers",
        "this never decides",
        "",
    ),
    // Keys
    ("ONE, { upstream = 'v2', weight = 65536 }", "[1].weight", "out of range", "65535"),
    ("ONE, { upstream = 'v2', weight = -1 }", "[1].weight", "out of range", ""),
    ("ONE, { upstream = 'v2', header = {} }", "[1].header", "unknown key `header`", "`headers`"),
    ("ONE, { upstream = 'v2', headers = { host = 'a' } }", "[1].headers", "own `host`", ""),
    ("ONE, { upstream = 'v2', headers = { 'a b' = 'a' } }", "[1].headers", "not a field name", ""),
    ("ONE, { upstream = 'v2', cookies = { 'a;' = '' } }", "[1].cookies", "not a cookie's name", ""),
    ("ONE, { upstream = 'v2', cookies = { a = [] } }", "[1].cookies", "no value is named", ""),
    (
        "ONE, { upstream = 'v2', cookies = { a = { regex = '(' } } }",
        "[1].cookies",
        "unclosed group",
        "",
    ),
];

#[tokio::test]
async fn a_split_that_cannot_be_meant_is_refused_at_load() {
    for (ways, path, message, help) in WAYS {
        let ways = ways.replace("ONE", "{ upstream = 'v1', weight = 1 }");
        fails(&format!("to = [{ways}]"), &format!("to{path}"), message, help).await;
    }
    let ways =
        "[{ upstream = \"v1\", weight = 1 }, { upstream = \"v2\", headers = { x-v = \"2\" } }]";
    fails(
        &format!("headers = {{ x-v = [\"1\", \"3\"] }}\nto = {ways}"),
        "to[1].headers",
        "this never holds",
        "`v2`",
    )
    .await;
}

#[tokio::test]
async fn what_no_client_is_known_by_is_refused_at_load() {
    for (sticky, path, message, help) in [
        ("\"cookies\"", "", "`cookies` is nothing to know a client by", "did you mean `cookie`?"),
        ("\"claim:sub\"", "", "`claim:sub` is nothing", "`identity`"),
        ("\"header:\"", "", "`` is not a field name", ""),
        ("\"header:a b\"", "", "`a b` is not a field name", ""),
        ("\"cookie:\"", "", "`` is not a cookie's name", ""),
        ("{ cookie = \"a b\" }", ".cookie", "`a b` is not a cookie's name", ""),
        ("{ cookie = \"a\", max-age = \"0s\" }", ".max-age", "no browser would keep it", ""),
        ("{ cookie = \"a\", max-age = \"soon\" }", ".max-age", "not a duration", ""),
        ("{ max-age = \"1s\" }", ".cookie", "missing key `cookie`", ""),
        ("true", "", "expected", ""),
    ] {
        let ways = "[{ upstream = \"v1\" }, { upstream = \"v2\" }]";
        let keys = format!("to = {ways}\nsticky = {sticky}");
        fails(&keys, &format!("sticky{path}"), message, help).await;
    }
    for to in ["\"v1\"", "\"echo\""] {
        let keys = format!("to = {to}\nsticky = \"cookie\"");
        fails(&keys, "sticky", "there is only one way to go", "to = [").await;
    }
}

#[test]
fn nobody_is_known_where_nobody_is_asked() {
    let digest = "0".repeat(64);
    for (auth, findings) in [("", 1), ("auth = \"a\"\n", 0)] {
        let text = format!(
            "[auth.a.api-key]\nkeys = [{{ id = \"a\", sha256 = \"{digest}\" }}]\n{UPSTREAMS}[[route]]\n{auth}sticky = \"identity\"\n\
             to = [{{ upstream = \"v1\" }}, {{ upstream = \"v2\" }}]\n"
        );
        let config = Loaded::parse("<test>", &text, &|_| None).unwrap().config;
        let (_, found) = Snapshot::compile(config, Purpose::Look, None).unwrap();
        let said = |problem: &&Problem| problem.message.contains("asks nobody who they are");
        assert_eq!(found.iter().filter(said).count(), findings, "{found:?}");
    }
}

#[tokio::test]
async fn a_mirror_that_cannot_be_meant_is_refused_at_load() {
    for (to, mirror, path, message, help) in [
        ("\"v1\"", "\"w2\"", "", "no upstream `w2`", "`v2`"),
        ("\"v1\"", "{ upstream = \"w2\" }", ".upstream", "no upstream `w2`", "`v2`"),
        ("\"v1\"", "\"v1\"", "", "`v1` would get requests twice", "another upstream"),
        ("[{ upstream = \"v1\" }]", "{ upstream = \"v1\" }", ".upstream", "requests twice", ""),
        ("\"echo\"", "\"v2\"", "", "nothing to copy", ""),
        ("{ status = 200 }", "\"v2\"", "", "nothing to copy", ""),
        ("\"v1\"", "{ share = \"10%\" }", ".upstream", "missing key `upstream`", ""),
        ("\"v1\"", "{ upstream = \"v2\", share = \"101%\" }", ".share", "more than all", ""),
        ("\"v1\"", "{ upstream = \"v2\", share = \"0.1\" }", ".share", "not a share", ""),
        ("\"v1\"", "{ upstream = \"v2\", share = 10 }", ".share", "a string like \"10%\"", ""),
        ("\"v1\"", "{ upstream = \"v2\", max-body = \"1\" }", ".max-body", "not a size", ""),
        (
            "\"v1\"",
            "{ upstream = \"v2\", max-in-flight = 0 }",
            ".max-in-flight",
            "nothing would be copied",
            "0%",
        ),
        ("\"v1\"", "{ upstream = \"v2\", percent = 1 }", ".percent", "unknown key `percent`", ""),
    ] {
        let keys = format!("to = {to}\nmirror = {mirror}");
        fails(&keys, &format!("mirror{path}"), message, help).await;
    }
}
