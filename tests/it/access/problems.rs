//! Lists that cannot be meant: refused at load, where they stand, with what to do.

use crate::support::Setup;

/// What is wrong, what must be said of it, and of what to do.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "[[route]]\naccess = \"offce\"\nto = \"echo\"\n[access.office]\nallow = \"::1\"\n",
        "there is no access list `offce`",
        "did you mean `office`?",
    ),
    (
        "[[route]]\naccess = [\"alpha\", \"beta\"]\nto = \"echo\"\n[access.alpha]\nallow = \"::1\"\n",
        "there is no access list `beta`",
        "add [access.beta]",
    ),
    (
        "[[route]]\nto = \"echo\"\n[[listener]]\naddress = \"127.0.0.2:0\"\nname = \"b\"\naccess = \"x\"\n",
        "there is no access list `x`",
        "add [access.x]",
    ),
    ("[access.list]\n", "this list lets everybody in", "allow = "),
    (
        "[[route]]\nto = \"echo\"\n[access.list]\nenforce = \"report\"\n",
        "this list lets everybody in",
        "",
    ),
    (
        "[access.list]\nallow = \"10.0.0.1/8\"",
        "`10.0.0.1/8` has bits set behind its prefix",
        "`10.0.0.0/8` or `10.0.0.1`",
    ),
    (
        "[access.list]\ndeny = [\"::1\", \"2001:db8::1/64\"]",
        "`2001:db8::1/64` has bits set",
        "`2001:db8::/64`",
    ),
    ("[access.list]\nallow = \"fe80::1%eth0\"", "not an address or network", "a zone"),
    ("[access.list]\nallow = \"localhost\"", "`localhost` is not an address or network", ""),
    ("[access.list]\nallow = \"10.0.0.0/8,11.0.0.0/8\"", "not an address or network", ""),
    (
        "[access.list]\nallow = { file = \"/nowhere/at/all\" }",
        "cannot read `/nowhere/at/all`: No such file",
        "",
    ),
    (
        "[access.list]\nallow = { file = 5 }",
        "expected a string like \"/etc/janua/blocked.txt\", found an integer",
        "",
    ),
    ("[access.list]\nalow = \"::1\"", "unknown key `alow`", "did you mean `allow`?"),
    ("[access.list]\nallow-headers = { \"x y\" = true }", "`x y` is not a field name", ""),
    ("[access.list]\ndeny-headers = { a = { regex = \"(\" } }", "unclosed group", ""),
    ("[access.list]\ndeny-headers = { a = [] }", "no value is named", ""),
    (
        "[access.list]\nallow = \"::1\"\nenforce = \"maybe\"",
        "`maybe` is not known here",
        "`refuse` and `report`",
    ),
    (
        "[access.list]\nallow-countries = \"DE\"",
        "nobody knows the country of an address",
        "`geoip.database`",
    ),
    (
        "[access.list]\ndeny-asns = 64496",
        "nobody knows the autonomous system",
        "`geoip.asn-database`",
    ),
    (
        "[[route]]\nto = \"echo\"\n[geoip]\ndatabase = \"Cargo.toml\"\n",
        "cannot read `Cargo.toml`",
        "MaxMind",
    ),
    (
        "[[route]]\nto = \"echo\"\n[geoip]\nasn-database = \"/nowhere\"\n",
        "cannot read `/nowhere`",
        "",
    ),
    (
        "[[route]]\nto = \"echo\"\n[[listener]]\naddress = \"127.0.0.2:0\"\nname = \"b\"\nproxy-protocol = { from = [] }\n",
        "no connection could come in",
        "name the proxies",
    ),
    (
        "[[route]]\nto = \"echo\"\n[[listener]]\naddress = \"127.0.0.2:0\"\nname = \"b\"\nproxy-protocol = { from = \"10.0.0.1/8\" }\n",
        "bits set behind its prefix",
        "",
    ),
    (
        "[[route]]\nto = \"echo\"\n[[listener]]\naddress = \"127.0.0.2:0\"\nname = \"b\"\nproxy-protocol = true\n",
        "expected a table",
        "",
    ),
    (
        "[[route]]\nto = \"echo\"\n[[listener]]\naddress = \"127.0.0.2:0\"\nname = \"b\"\ntrusted-proxies = [\"10.0.0.1/8\"]\n",
        "bits set behind its prefix",
        "`10.0.0.0/8`",
    ),
    (
        "[[route]]\nto = \"u\"\n[upstream.u]\nendpoints = \"http://127.0.0.1:1\"\nproxy-protocol = true\nprotocol = \"h2\"\n",
        "would be shared by clients",
        "HTTP/1.1",
    ),
];

#[tokio::test]
async fn a_list_that_cannot_be_meant_is_refused_at_load() {
    const ROUTE: &str = "[[route]]\naccess = \"list\"\nto = \"echo\"\n";
    for (rest, message, help) in ROWS {
        let route = if rest.contains("[[route]]") { "" } else { ROUTE };
        let report = Setup::new(format!("{route}{rest}")).fails_to_start().await;
        let problems = report.json();
        let said =
            |key: &str, part: &str| problems[0][key].as_str().unwrap_or_default().contains(part);
        let alone = problems.as_array().unwrap().len() == 1;
        assert!(
            alone && said("message", message) && said("help", help),
            "{rest}\n{message}\n{report}"
        );
    }
}
