//! Bounds that cannot be meant: refused at load, where they stand, with what to do.

use crate::support::Setup;

/// A whole file but for what every test has, where the problem is, what must be said of it and of what to
/// do.
const CONFIGS: &[(&str, &str, &str, &str)] = &[
    ("[upstream.u]\nmax-in-flight = 0\n", "upstream.u.max-in-flight", "no request", "as 200"),
    ("[upstream.u]\nmax-in-flight = -1\n", "upstream.u.max-in-flight", "-1 is out of range", ""),
    (
        "[upstream.u]\nmax-in-flight = \"vegas\"\n",
        "upstream.u.max-in-flight",
        "`vegas` is not known here",
        "`adaptive`",
    ),
    (
        "[upstream.u]\nmax-in-flight = { adaptive = \"vegas\" }\n",
        "upstream.u.max-in-flight.adaptive",
        "`vegas` is not known here",
        "`gradient`",
    ),
    (
        "[upstream.u]\nmax-in-flight = { adaptive = \"gradient\", min = 0 }\n",
        "upstream.u.max-in-flight.min",
        "no request could go there",
        "",
    ),
    (
        "[upstream.u]\nmax-in-flight = { adaptive = \"gradient\", min = 5, max = 4 }\n",
        "upstream.u.max-in-flight.max",
        "less than `min`",
        "",
    ),
    ("[limit.l]\nbandwidth = \"0B/s\"\n", "limit.l.bandwidth", "no answer would", "\"1MiB/s\""),
    (
        "[limit.l]\nbandwidth = \"1MiB\"\n",
        "limit.l.bandwidth",
        "`1MiB` is not a rate; write it like \"256B/s\" or \"1MiB/s\"",
        "",
    ),
    (
        "[limit.l]\nrate = \"1/s\"\nbandwidth-after = \"1MiB\"\n",
        "limit.l.bandwidth-after",
        "after it comes a `bandwidth`",
        "bandwidth = \"1MiB/s\"",
    ),
    (
        "[limit.l]\nrate = \"1/s\"\ntiers.gold.bandwidth = \"0B/s\"\n",
        "limit.l.tiers.gold.bandwidth",
        "no answer would",
        "",
    ),
    ("[limit.l]\nbandwidth = \"1MiB/s\"\nburst = 3\n", "limit.l.burst", "a burst is a rate's", ""),
];

#[tokio::test]
async fn a_bound_that_cannot_be_meant_is_refused_at_load() {
    for (text, path, message, help) in CONFIGS {
        let (section, rest) = text.split_once('\n').unwrap();
        let endpoints = if section == "[upstream.u]" { "endpoints = \"http://a\"" } else { "" };
        let text = format!("[[route]]\nto = \"echo\"\n{section}\n{endpoints}\n{rest}");
        Setup::new(text).fails_at(path, message, help).await;
    }
    for (key, path) in [
        ("max-in-flight = 0", "server.max-in-flight"),
        ("max-in-flight-bytes = \"0B\"", "server.max-in-flight-bytes"),
    ] {
        let setup = Setup::new("[[route]]\nto = \"echo\"\n").server(key);
        setup.fails_at(path, "no request could come in", "leave it out").await;
    }
    let setup = Setup::new("[[route]]\npriority = \"higher\"\nto = \"echo\"\n");
    setup.fails_at("route[0].priority", "`higher` is not known here", "high").await;
}
