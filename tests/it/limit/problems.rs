//! Limits that cannot be meant: refused at load, where they stand, with what to do.

use crate::support::{Setup, daemon::on};

/// The keys of a limit, where the problem is, what must be said of it, and of what to do.
const LIMITS: &[(&str, &str, &str, &str)] = &[
    ("", "limit.l", "lets everything through", "rate = \"10/s\""),
    ("rate = \"0/s\"", "limit.l.rate", "`0/s` would let nothing through", ""),
    ("rate = \"-1/s\"", "limit.l.rate", "`-1/s` is not a rate", ""),
    ("rate = \"10\"", "limit.l.rate", "`10` is not a rate; write it like \"10/s\"", ""),
    ("rate = 10", "limit.l.rate", "expected a string like \"10/s\", found an integer", ""),
    ("rate = \"10/w\"", "limit.l.rate", "is not a rate", ""),
    ("rate = \"1.5/s\"", "limit.l.rate", "is not a rate", ""),
    ("rate = \"2000000/s\"", "limit.l.rate", "faster than 1000000 in a second", ""),
    ("rate = \"99999999999999999999/s\"", "limit.l.rate", "faster than", ""),
    ("rate = \"1/s\"\nburst = 0", "limit.l.burst", "no request could come in", ""),
    ("rate = \"1/s\"\nburst = -1", "limit.l.burst", "-1 is out of range", ""),
    ("rate = \"1/d\"\nburst = 1000", "limit.l.burst", "takes more than a year", ""),
    ("concurrent = 1\nburst = 3", "limit.l.burst", "a burst is a rate's", ""),
    ("quota = \"0/day\"", "limit.l.quota", "`0/day` would let nothing through", ""),
    ("quota = \"10/d\"", "limit.l.quota", "is not a quota", ""),
    ("quota = \"10\"", "limit.l.quota", "write it like \"10000/day\"", ""),
    ("quota = 10", "limit.l.quota", "expected a string like \"10000/day\"", ""),
    ("quota = \"9999999999999/day\"", "limit.l.quota", "which is unlimited", ""),
    ("quota = \"5/day\"\ncost = 6", "limit.l.cost", "costs 6 never fits a quota of 5", "`quota`"),
    ("quota = \"5/day\"\nburst = 6", "limit.l.burst", "a burst is a rate's", ""),
    (
        "quota = \"5/day\"\ntiers = { gold = { quota = \"5/month\" } }",
        "limit.l.tiers.gold.quota",
        "all by the month",
        "a limit of its own",
    ),
    ("quota = \"5/day\"\ntiers = { gold = {} }", "limit.l.tiers.gold", "as everybody", "`quota`"),
    (
        "quota = \"5/day\"\ntiers = { gold = { burst = 9 } }",
        "limit.l.tiers.gold.burst",
        "a burst is a rate's",
        "",
    ),
    (
        "quota = \"5/day\"\ntiers = { default = { quota = \"5/day\" } }",
        "limit.l.tiers.default",
        "`default` is a rate alone",
        "`quota`",
    ),
    ("concurrent = 0", "limit.l.concurrent", "no request could come in", ""),
    ("rate = \"1/s\"\nper = \"user\"", "limit.l.per", "`user` is no key", "`identity`"),
    ("rate = \"1/s\"\nper = \"iP\"", "limit.l.per", "`iP` is no key", "did you mean `ip`?"),
    ("rate = \"1/s\"\nper = []", "limit.l.per", "nothing has an allowance", ""),
    ("rate = \"1/s\"\nper = [\"ip\", \"ip\"]", "limit.l.per[1]", "`ip` is here twice", ""),
    ("rate = \"1/s\"\nper = [\"ip\", \"global\"]", "limit.l.per[1]", "`global` is for all", ""),
    ("rate = \"1/s\"\nper = \"header:a b\"", "limit.l.per", "`a b` is not a field name", ""),
    ("rate = \"1/s\"\nper = \"cookie:\"", "limit.l.per", "`cookie:` names nothing", ""),
    ("rate = \"1/s\"\nper = \"cookie:a=b\"", "limit.l.per", "`a=b` is no cookie", ""),
    ("rate = \"1/s\"\nper = \"cookie:a; b\"", "limit.l.per", "`a; b` is no cookie", ""),
    ("rate = \"1/s\"\nper = \"path:id\"", "route[0].limit", "no path parameter `id`", ""),
    ("rate = \"1/s\"\nipv6-prefix = 129", "limit.l.ipv6-prefix", "128 bits", ""),
    ("rate = \"1/s\"\nmax-keys = 0", "limit.l.max-keys", "no key could be known", ""),
    ("rate = \"1/s\"\nmax-keys = 4294967295", "limit.l.max-keys", "at most 50000000 keys", ""),
    ("concurrent = 1\ncost = 2", "limit.l.cost", "counts in rates and quotas", "rate"),
    ("concurrent = 1\ncost = { POST = 2 }", "limit.l.cost", "counts in rates and quotas", "rate"),
    (
        "quota = \"5/day\"\nover = { delay = \"2s\" }",
        "limit.l.over",
        "not for another day",
        "\"reject\"",
    ),
    ("rate = \"1/s\"\ncost = 2", "limit.l.cost", "costs 2 never fits a burst of 1", ""),
    ("rate = \"1/s\"\ncost = 0", "limit.l.cost", "lets everything through", ""),
    ("rate = \"9/s\"\ncost = { post = 2 }", "limit.l.cost.post", "unknown key `post`", ""),
    ("rate = \"9/s\"\ncost = { header = \"a b\" }", "limit.l.cost.header", "no", ""),
    ("rate = \"9/s\"\ncost = {}", "limit.l.cost", "", ""),
    ("rate = \"1/s\"\nover = \"delay\"", "limit.l.over", "`delay` is not known here", "`reject`"),
    ("rate = \"1/s\"\nover = { delay = \"0s\" }", "limit.l.over", "at least 1ms", "\"reject\""),
    ("rate = \"1/s\"\nover = { delay = \"1h\" }", "limit.l.over", "at most 5m", ""),
    (
        "rate = \"1/s\"\nover = { delay = \"1s\" }\nmax-waiting = 0",
        "limit.l.max-waiting",
        "nobody could wait",
        "",
    ),
    ("rate = \"1/s\"\ntiers = { default = \"2/s\" }", "limit.l.tiers", "both are written", ""),
    ("tiers = { gold = \"0/s\", default = \"1/s\" }", "limit.l.tiers.gold", "nothing through", ""),
    ("rate = \"1/s\"\nrat = 1", "limit.l.rat", "unknown key `rat`", "did you mean `rate`?"),
    ("rate = \"1/s\"\nheaders = \"no\"", "limit.l.headers", "`no` is not known here", "`never`"),
    ("rate = \"1/s\"\nstore = \"no\"", "limit.l.store", "no `[store.no]`", "add [store.no]"),
    ("rate = \"1/s\"\nstore = 1", "limit.l.store", "found an integer", ""),
    (
        "concurrent = 1\nstore = \"s\"",
        "limit.l.store",
        "a store counts rates and quotas",
        "rate = ",
    ),
    ("rate = \"1/s\"\nlease = \"1s\"", "limit.l.lease", "is counted in no store", "store = "),
    ("rate = \"1/s\"\ngateways = 3", "limit.l.gateways", "is counted in no store", ""),
    ("rate = \"1/s\"\non-failure = \"allow\"", "limit.l.on-failure", "in no store", ""),
    (
        "rate = \"1/s\"\non-failure = \"open\"",
        "limit.l.on-failure",
        "`open` is not known",
        "`allow`",
    ),
    ("rate = \"1/s\"\nstore = \"s\"\nlease = \"1m\"", "limit.l.lease", "at most 10s", "\"0s\""),
    ("rate = \"1/s\"\nstore = \"s\"\ngateways = 0", "limit.l.gateways", "1 to 1000", ""),
    ("rate = \"1/s\"\nenforce = \"no\"", "limit.l.enforce", "`no` is not known here", ""),
];

/// What a route's `limit` says, and the same.
const USES: &[(&str, &str, &str, &str)] = &[
    ("\"k\"", "route[0].limit", "there is no limit `k`", "add [limit.k]"),
    ("[\"own\", \"onw\"]", "route[0].limit[1]", "there is no limit `onw`", "did you mean `own`?"),
    ("[\"own\", \"own\"]", "route[0].limit[1]", "`own` is here twice", ""),
    ("\"0/s\"", "route[0].limit", "would let nothing through", ""),
    ("[\"own\", \"x/s\"]", "route[0].limit[1]", "`x/s` is not a rate", ""),
    ("{ rate = \"1/s\", burst = 0 }", "route[0].limit.burst", "no request could come in", ""),
    ("{ rat = \"1/s\" }", "route[0].limit.rat", "unknown key `rat`", "did you mean `rate`?"),
    ("[{ rate = \"1/x\" }]", "route[0].limit[0].rate", "`1/x` is not a rate", ""),
    ("3", "route[0].limit", "found an integer", ""),
];

#[tokio::test]
async fn a_limit_that_cannot_be_meant_is_refused_at_load() {
    for (keys, path, message, help) in LIMITS {
        let store = "[store.s]\nurl = \"unix:/nowhere\"\n";
        let text = format!("{store}[[route]]\nlimit = \"l\"\nto = \"echo\"\n[limit.l]\n{keys}\n");
        Setup::new(text).fails_at(path, message, help).await;
    }
    for (written, path, message, help) in USES {
        let own = "[limit.own]\nrate = \"1/s\"\n";
        let text = format!("[[route]]\nlimit = {written}\nto = \"echo\"\n{own}");
        Setup::new(text).fails_at(path, message, help).await;
    }
    for (name, message) in [("\"a/b\"", "`a/b`"), ("\"route x\"", "`route x`")] {
        let text = format!("[[route]]\nto = \"echo\"\n[limit.{name}]\nrate = \"1/s\"\n");
        let report = Setup::new(text).fails_to_start().await;
        let said = format!("a limit cannot be called {message}");
        assert!(report.to_string().contains(&said), "{report}");
    }
}

#[tokio::test]
async fn bounds_of_a_store_that_leave_nothing_are_refused_at_load() {
    for (keys, key, message) in [
        ("timeout = \"0s\"", "timeout", "no answer could come in time"),
        ("connect-timeout = \"0s\"", "connect-timeout", "no connection could be made"),
        ("max-failures = 0", "max-failures", "every connection would be given up"),
        ("max-waiting = 0", "max-waiting", "nothing could be asked"),
    ] {
        let text =
            format!("[store.s]\nurl = \"unix:/nowhere\"\n{keys}\n[[route]]\nto = \"echo\"\n");
        let at = format!("store.s.{key}");
        Setup::new(text).fails_at(&at, message, "is the default").await;
    }
}

#[tokio::test]
async fn what_a_limit_says_in_vain_is_told() {
    let delay = "hardly anybody over it has a turn in that time";
    for (limit, uses, told, message) in [
        ("rate = \"1/s\"", "", true, "no route names this limit"),
        ("rate = \"1/s\"", "limit = \"l\"", false, "no route names this limit"),
        ("rate = \"1/s\"", "limit = [\"9/s\", \"l\"]", false, "no route names this limit"),
        ("rate = \"1/h\"\nover = { delay = \"2s\" }", "limit = \"l\"", true, delay),
        ("rate = \"1/m\"\nover = { delay = \"30s\" }", "limit = \"l\"", false, delay),
        (
            "rate = \"1/h\"\nconcurrent = 2\nover = { delay = \"2s\" }",
            "limit = \"l\"",
            false,
            delay,
        ),
        (
            "rate = \"1/h\"\ntiers = { gold = \"9/s\" }\nover = { delay = \"2s\" }",
            "limit = \"l\"",
            false,
            delay,
        ),
    ] {
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n[limit.l]\n{limit}\n\
             [[route]]\n{uses}\nto = \"echo\"\n"
        );
        let check = on(&text, &["check"]);
        let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
        assert_eq!(said.contains(message), told, "{limit} {uses}: {said}");
    }
}

#[tokio::test]
async fn handshakes_are_bounded_in_vain_where_there_are_none() {
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\nper-address = { handshakes = \"9/s\" }\n\
                [[route]]\nto = \"echo\"\n";
    let check = on(text, &["check"]);
    let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
    assert!(said.contains("without TLS there are no handshakes"), "{said}");
}

#[tokio::test]
async fn a_table_that_bounds_nothing_of_an_address_is_told() {
    for (keys, told) in [("", true), ("max-keys = 7", true), ("connections = 7", false)] {
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\nper-address = {{ {keys} }}\n\
             [[route]]\nto = \"echo\"\n"
        );
        let check = on(&text, &["check"]);
        let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
        assert_eq!(said.contains("this bounds nothing of an address"), told, "{keys}: {said}");
    }
}

#[tokio::test]
async fn what_an_address_may_cannot_be_nothing() {
    for (keys, key, message) in [
        ("connections = 0", "connections", "nobody could connect"),
        ("handshakes = \"0/s\"", "handshakes", "nothing through"),
        ("requests = \"5\"", "requests", "is not a rate"),
        ("ipv6-prefix = 200", "ipv6-prefix", "128 bits"),
        ("max-keys = 0", "max-keys", "no address could be known"),
        ("max-keys = 4294967295", "max-keys", "at most 50000000 addresses"),
    ] {
        let setup = Setup::new("[[route]]\nto = \"echo\"\n");
        let report = setup.listener(&format!("per-address = {{ {keys} }}")).fails_to_start().await;
        let problems = report.json();
        let path = format!("listener[0].per-address.{key}");
        assert!(problems[0]["path"] == *path, "{report}");
        assert!(problems[0]["message"].as_str().unwrap().contains(message), "{report}");
    }
}
