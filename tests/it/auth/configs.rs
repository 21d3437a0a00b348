//! Sections that make no sense are refused at load, with what to do about it.

use janua::{
    config::{Loaded, environment},
    snapshot::{Purpose, Snapshot},
};

use super::{hash, key};

/// What is wrong with these sections and one route with these keys: `PATH: MESSAGE => HELP`.
fn problems(sections: &str, route: &str) -> Vec<String> {
    let text = format!("admin.address = \"off\"\n[[route]]\nto = \"echo\"\n{route}\n{sections}\n");
    let line = |problem: &janua::config::Problem| {
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{}: {} => {help}", problem.path, problem.message)
    };
    match Loaded::parse("janua.toml", &text, &environment) {
        Err(report) => report.problems().iter().map(line).collect(),
        Ok(loaded) => match Snapshot::compile(loaded.config, Purpose::Look, None) {
            Err(problems) => problems.iter().map(line).collect(),
            Ok((_, problems)) => problems.iter().map(line).collect(),
        },
    }
}

/// Sections, a route's keys, and the beginning of the one problem that they have.
type Case = (String, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (sections, route, expected) in cases {
        let found = problems(sections, route);
        let is_it = found.len() == 1 && found[0].starts_with(expected);
        assert!(is_it, "{sections}\n{route}: {found:#?}");
    }
}

fn keys() -> String {
    format!("[auth.keys]\napi-key = {{ keys = [{}] }}\n", key("a", "k", ""))
}

#[test]
#[rustfmt::skip]
fn what_a_route_asks_for_in_vain_is_said() {
    let cases = [
        ("auth = \"kyes\"", "route[0].auth: there is no `[auth.kyes]` => did you mean `keys`?"),
        ("auth = [\"keys\", \"other\"]", "route[0].auth[1]: there is no `[auth.other]` => add"),
        ("auth = [\"keys\", \"keys\"]", "route[0].auth[1]: `keys` is there twice"),
        ("allow.role = \"x\"", "route[0].allow: nobody is asked who they are"),
        ("auth = \"keys\"\nallow = {}", "route[0].allow: it asks for nothing"),
        ("auth = \"keys\"\nallow.DELETE = {}", "route[0].allow.DELETE: it asks for nothing"),
        ("auth = \"keys\"\nallow.any = [{}]", "route[0].allow.any[0]: it asks for nothing"),
        ("auth = \"keys\"\nallow.rol = \"x\"", "route[0].allow.rol: unknown key `rol` => did you mean `role`?"),
        ("auth = \"keys\"\nallow.delete.role = \"x\"", "route[0].allow.delete: unknown key `delete` => did you mean `DELETE`?"),
        ("auth = \"keys\"\nallow.GET.role = \"x\"\nallow.\"PUT, GET\".role = \"y\"", "route[0].allow.\"PUT, GET\": `GET` has conditions of its own already"),
        ("auth = \"keys\"\nallow.GET.rolle = \"x\"", "route[0].allow.GET.rolle: unknown key `rolle` => did you mean `role`?"),
        ("auth = \"keys\"\nrequire = \"both\"", "route[0].require: `both` is not known here"),
    ];
    check(&cases.map(|(route, expected)| (keys(), route, expected)));
    assert_eq!(problems(&keys(), "auth = \"keys\""), [""; 0]);
}

#[test]
#[rustfmt::skip]
fn certificates_that_are_nobodys_are_refused_with_their_place() {
    let clients = |clients: &str| format!("[auth.a]\nmtls = {{ clients = [{clients}] }}");
    let cases: &[Case] = &[
        (clients("{ cn = \"a\" }, { roles = \"a\" }"), "", "auth.a.mtls.clients[1]: it does not say whose"),
        (clients("{ fingerprint = \"00\" }"), "", "auth.a.mtls.clients[0].fingerprint: a fingerprint is the SHA-256"),
        ("[auth.a]\nmtls.subject = \"san-url\"".into(), "", "auth.a.mtls.subject: `san-url` is not known here => did you mean"),
    ];
    check(cases);
}

#[test]
#[rustfmt::skip]
fn keys_that_are_none_are_refused_with_their_place() {
    let good = key("a", "k", "");
    let list = |keys: &str| format!("[auth.keys]\napi-key = {{ keys = [{keys}] }}");
    let cases: &[Case] = &[
        ("[auth.keys]\napi-key = {}".into(), "", "auth.keys.api-key: there is no key"),
        ("[auth.keys]\napi-key = { header = \"a b\" }".into(), "", "auth.keys.api-key.header: `a b` is not a header"),
        ("[auth.keys]\napi-key = { file = \"/nowhere/keys\" }".into(), "", "auth.keys.api-key.file: cannot read `/nowhere/keys`"),
        (list(&format!("{good}, {good}")), "", "auth.keys.api-key.keys[1]: a key called `a`"),
        (list(&format!("{good}, {}", key("b", "k", ""))), "", "auth.keys.api-key.keys[1]: it is the same key as `a`"),
        (list("{ id = \"a\", sha256 = \"12\" }"), "", "auth.keys.api-key.keys[0]: a key's `sha256` is 64"),
        (list("{ id = \"a\" }"), "", "auth.keys.api-key.keys[0].sha256: missing key"),
        (list(&key("a", "k", ", expires = \"soon\"")), "", "auth.keys.api-key.keys[0]: `soon` is not a date"),
    ];
    check(cases);
}

#[test]
#[rustfmt::skip]
fn sections_that_make_no_sense_are_refused_with_their_place() {
    let hash = hash();
    let with = |more: &str| keys() + more;
    let cases: &[Case] = &[
        ("[auth.none]".into(), "", "auth.none: it has no method"),
        (with(&format!("basic.users.a = \"{hash}\"")), "", "auth.keys: it has more than one method"),
        ("[auth.staff]\nbasic = {}".into(), "", "auth.staff.basic: there is no user"),
        (format!("[auth.staff]\nbasic.users.\"a:b\" = \"{hash}\""), "", "auth.staff.basic.users.\"a:b\": a user's name"),
        ("[auth.staff]\nbasic.users.a = \"hunter2\"".into(), "", "auth.staff.basic.users.a: this is not a hash"),
        (with("identity-headers = { host = \"sub\" }"), "", "auth.keys.identity-headers.host: `host` means something else"),
        (with("identity-headers = { x-forwarded-for = \"sub\" }"), "", "auth.keys.identity-headers.x-forwarded-for: "),
        (with("identity-headers = { x_user = \"sub\" }"), "", "auth.keys.identity-headers.x_user: `x_user`: many origins"),
        (with("identity-headers = { x-user = \"\" }"), "", "auth.keys.identity-headers.x-user: a claim has a name"),
        (with("lock-out = { attempts = -1 }"), "", "auth.keys.lock-out.attempts: -1 is out of range"),
    ];
    check(cases);
}

#[test]
#[rustfmt::skip]
fn tokens_that_nobody_could_trust_are_refused_with_their_place() {
    let jwt = |keys: &str| format!("[auth.corp]\njwt = {{ {keys} }}");
    let secret = "secret = { env = \"PATH\" }, audience = \"a\"";
    let literal = |length: usize| format!("secret = \"{}\", audience = \"a\"", "s".repeat(length));
    let cases: &[Case] = &[
        (jwt("audience = \"a\""), "", "auth.corp.jwt: it does not say where the keys are => `issuer"),
        (jwt("issuer = \"https://i\""), "", "auth.corp.jwt: it does not say for whom the tokens are => `audience"),
        (jwt(&format!("{secret}, jwks = \"https://i\"")), "", "auth.corp.jwt: the keys come from more than one place"),
        (jwt("jwks = \"idp\", audience = []"), "", "auth.corp.jwt.jwks: `idp` needs http://"),
        (jwt("issuer = \"http://idp.example\", audience = []"), "", "auth.corp.jwt.issuer: anybody on the way"),
        (jwt("jwks-file = \"/nowhere\", audience = []"), "", "auth.corp.jwt.jwks-file: cannot read"),
        (jwt("jwks-file = \"Cargo.toml\", audience = []"), "", "auth.corp.jwt.jwks-file: `Cargo.toml`: it is not JSON"),
        (jwt("jwks = \"https://i\", audience = [], algorithms = \"HS256\""), "", "auth.corp.jwt.algorithms: HS256 needs a `secret`"),
        (jwt("jwks = \"https://i\", audience = [], algorithms = \"none\""), "", "auth.corp.jwt.algorithms: `none` is not known here"),
        (jwt("jwks = \"https://i\", audience = [], leeway = \"1h\""), "", "auth.corp.jwt.leeway: no clock"),
        (jwt("jwks = \"https://i\", audience = [], fetch.ca = \"/nowhere\""), "", "auth.corp.jwt.fetch.ca: cannot read"),
        (jwt("secret = { env = \"NO_SUCH_VARIABLE\" }, audience = []"), "", "auth.corp.jwt.secret: the environment variable"),
    ];
    check(cases);
    for (keys, expected) in [
        (literal(31), Some("auth.corp.jwt.secret: it is too short")),
        (literal(32), None),
        (literal(63) + ", algorithms = [\"HS256\", \"HS512\"]", Some("auth.corp.jwt.secret: it is too short")),
        (literal(64) + ", algorithms = [\"HS512\", \"RS256\"]", Some("auth.corp.jwt.algorithms[1]: RS256 needs a key pair")),
    ] {
        let found = problems(&jwt(&keys), "");
        assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, start)| found.starts_with(start)), "{found:?}");
    }
}

#[test]
#[rustfmt::skip]
fn stores_that_nobody_could_use_are_refused_with_their_place() {
    let store = |keys: &str| format!("[store.s]\n{keys}\n[auth.keys]\napi-key.store = \"s\"");
    let good = "url = \"redis://127.0.0.1\"";
    let cases: &[Case] = &[
        (store("url = \"redis://:hunter2@127.0.0.1\""), "", "store.s.url: a store's URL must not carry"),
        (store("url = \"127.0.0.1:6379\""), "", "store.s.url: this is not a URL of Redis => write `redis://"),
        (store("url = \"redis://cache.example\""), "", "store.s.url: anybody on the way"),
        (store(""), "", "store.s.url: missing key"),
        (store(&format!("{good}\nca = \"/nowhere\"")), "", "store.s.ca: cannot read"),
        (store(&format!("{good}\npassword = {{ env = \"NO_SUCH_VARIABLE\" }}")), "", "store.s.password: the environment variable"),
        (store(&format!("{good}\npass = \"x\"")), "", "store.s.pass: unknown key"),
        (store("url = \"redis+sentinel://127.0.0.1/m/0\""), "", "store.s.url: Sentinels are asked for a primary by name"),
        (store("url = \"redis+sentinel://127.0.0.1/m\""), "", "store.s.url: anybody on the way"),
        (store("url = \"redis+cluster://127.0.0.1/0\""), "", "store.s.url: a cluster has one database"),
        (store("url = \"redis+cluster://127.0.0.1:7000,127.0.0.1\""), "", "store.s.url: anybody on the way"),
        (store("url = \"rediss+cluster://127.0.0.1\"\ndatabase = 1"), "", "store.s.database: a cluster has one database"),
        (store("url = \"rediss+cluster://127.0.0.1\"\nsentinel-password = { env = \"PATH\" }"), "", "store.s.sentinel-password: no Sentinel is asked"),
        (store(&format!("{good}\nsentinel-password = {{ env = \"PATH\" }}")), "", "store.s.sentinel-password: no Sentinel is asked"),
        (store("url = \"rediss+sentinel://127.0.0.1/m\"\nsentinel-password = { env = \"NO_SUCH_VARIABLE\" }"), "", "store.s.sentinel-password: the environment variable"),
        (format!("[store.shared]\n{good}\n[auth.keys]\napi-key.store = \"sharde\""), "", "auth.keys.api-key.store: there is no `[store.sharde]` => did you mean `shared`?"),
        ("[auth.keys]\napi-key.store = \"s\"".into(), "", "auth.keys.api-key.store: there is no `[store.s]` => add"),
    ];
    check(cases);
    assert_eq!(problems(&store(good), "auth = \"keys\""), [""; 0]);
    let watched = "url = \"rediss+sentinel://one.example,[::1]:7/m\"\nsentinel-password = { env = \"PATH\" }";
    assert_eq!(problems(&store(watched), "auth = \"keys\""), [""; 0]);
}

#[test]
#[rustfmt::skip]
fn others_who_cannot_be_asked_are_refused_with_their_place() {
    let asked = |keys: &str| format!("[auth.a]\nintrospection = {{ {keys} }}");
    let who = "client-id = \"a\", client-secret = { env = \"PATH\" }";
    let decides = |keys: &str| format!("[auth.a]\nforward = {{ {keys} }}");
    let url = "url = \"https://a.example/\"";
    let cases: &[Case] = &[
        (asked(&format!("{who}, {url}")), "", "auth.a.introspection: it does not say for whom the tokens are => `audience"),
        (asked(&format!("{who}, audience = []")), "", "auth.a.introspection: it does not say whom to ask => `url"),
        (asked(&format!("{who}, audience = [], url = \"idp\"")), "", "auth.a.introspection.url: `idp` needs http://"),
        (asked(&format!("{who}, audience = [], issuer = \"http://idp.example\"")), "", "auth.a.introspection.issuer: anybody on the way"),
        (asked(&format!("{who}, audience = [], leeway = \"1h\", {url}")), "", "auth.a.introspection.leeway: no clock"),
        (asked(&format!("client-secret = {{ env = \"PATH\" }}, audience = [], {url}")), "", "auth.a.introspection.client-id: missing key"),
        (asked(&format!("client-id = \"a\", audience = [], {url}")), "", "auth.a.introspection.client-secret: missing key"),
        (asked(&format!("client-id = \"a\", client-secret = {{ env = \"NO_SUCH_VARIABLE\" }}, audience = [], {url}")), "", "auth.a.introspection.client-secret: the environment variable"),
        (decides("headers = \"*\""), "", "auth.a.forward.url: missing key"),
        (decides("url = \"http://a.example/\""), "", "auth.a.forward.url: anybody on the way"),
        (decides(&format!("{url}, headers = \"a b\"")), "", "auth.a.forward.headers: `a b` is not a header"),
        (decides(&format!("{url}, response-cookies = \"s\", remember = \"1m\", remember-by = \"host\"")), "", "auth.a.forward.response-cookies: whoever asks at the same time"),
        (decides(&format!("{url}, response-headers = \"host\"")), "", "auth.a.forward.response-headers: `host` means something else"),
        (decides(&format!("{url}, remember = \"1m\"")), "", "auth.a.forward.remember: it does not say what"),
        (decides(&format!("{url}, fetch.ca = \"/nowhere\"")), "", "auth.a.forward.fetch.ca: cannot read"),
    ];
    check(cases);
}

#[test]
#[rustfmt::skip]
fn logins_that_could_not_hold_are_refused_with_their_place() {
    let all = |keys: &str| format!("[auth.a.oidc]\n{keys}");
    let with = |more: &str| all(&format!("issuer = \"https://idp.example\"\nclient-id = \"janua\"\n{more}"));
    let route = "auth = \"a\"";
    const STORE: &str = "\n[store.shared]\nurl = \"unix:/run/redis.sock\"";
    let file = tempfile::NamedTempFile::new().unwrap();
    let shared = |more: &str, length: usize| {
        let file = file.path().with_extension(length.to_string());
        std::fs::write(&file, "x".repeat(length)).unwrap();
        with(&format!("store-secret = {{ file = \"{}\" }}\n{more}{STORE}", file.display()))
    };
    let behind = |section: String| section + "\n[[listener]]\naddress = \"127.0.0.1:0\"\ntrusted-proxies = [\"127.0.0.1\"]";
    let cases: &[Case] = &[
        (all("client-id = \"janua\""), "", "auth.a.oidc.issuer: missing key"),
        (all("client-id = \"janua\"\nissuer = \"idp\""), "", "auth.a.oidc.issuer: `idp"),
        (all("client-id = \"janua\"\nissuer = \"http://idp.example\""), "", "auth.a.oidc.issuer: anybody on the way"),
        (all("issuer = \"https://idp.example\""), "", "auth.a.oidc.client-id: missing key"),
        (all("issuer = \"\"\nclient-id = \"janua\""), "", "auth.a.oidc.issuer: it does not say where people log in"),
        (with("").replace("\"janua\"", "\"\""), "", "auth.a.oidc.client-id: it does not say who asks"),
        (with("client-secret = { env = \"NO_SUCH_VARIABLE\" }"), "", "auth.a.oidc.client-secret: the environment variable"),
        (with("client-secret = \"\""), "", "auth.a.oidc.client-secret: it is empty"),
        (with("client-auth = \"jwt\""), "", "auth.a.oidc.client-auth: `jwt` is not known here"),
        (with("request-scopes = \"profile\""), "", "auth.a.oidc.request-scopes: without `openid`"),
        (with("parameters = { state = \"x\" }"), "", "auth.a.oidc.parameters: `state` is Janua's own"),
        (with("algorithms = \"HS256\""), "", "auth.a.oidc.algorithms: HS256 needs a secret"),
        (with("leeway = \"1h\""), "", "auth.a.oidc.leeway: no clock"),
        (with("subject = \"\""), "", "auth.a.oidc.subject: a claim has a name"),
        (with("lifetime = \"31d\""), "", "auth.a.oidc.lifetime: a session lives for 30 days"),
        (with("lifetime = \"0s\""), "", "auth.a.oidc.lifetime: a session lives for 30 days"),
        (with("idle = \"0s\""), "", "auth.a.oidc.idle: a session would end at once"),
        (with("max-sessions = 0"), "", "auth.a.oidc.max-sessions: nobody could log in"),
        (shared("store = \"shard\"", 32), "", "auth.a.oidc.store: there is no `[store.shard]` => did you mean `shared`?"),
        (with("store = \"shared\"") + STORE, "", "auth.a.oidc.store: what is in a store needs a secret"),
        (shared("store = \"shared\"", 31), "", "auth.a.oidc.store-secret: it has less than 32 characters"),
        (shared("", 32), "", "auth.a.oidc.store-secret: there is no store to protect"),
        (shared("store = \"shared\"\nremember = \"1h\"", 32), "", "auth.a.oidc.remember: a session that is in use would end"),
        (with("public-url = \"https://app.example/x\""), "", "auth.a.oidc.public-url: `https://app.example/x`"),
        (with("public-url = \"app.example\""), "", "auth.a.oidc.public-url: `app.example`"),
        (with("after-logout = \"//evil.example\""), "", "auth.a.oidc.after-logout: `//evil.example`"),
        (with("after-logout = \"javascript:x\""), "", "auth.a.oidc.after-logout: `javascript:x`"),
        (with("callback = \"back\""), "", "auth.a.oidc.callback: `back` is not a path"),
        (with("logout = \"//x\""), "", "auth.a.oidc.logout: `//x` is not a path"),
        (with("backchannel-logout = \"/{x}\""), "", "auth.a.oidc.backchannel-logout: `/{x}` is not a path"),
        (behind(with("callback = \"/x\"\nlogout = \"/x\"")), route, "auth.a.oidc.logout: "),
        (with("fetch.ca = \"/nowhere\""), "", "auth.a.oidc.fetch.ca: cannot read"),
        (with("insecure-cookies = true"), "", "auth.a.oidc.insecure-cookies: anybody on the way"),
        (with("").replace(".a.", ".\"a b\"."), "", "auth.\"a b\".oidc: its name is also a cookie's"),
    ];
    check(cases);
    assert_eq!(problems(&behind(with("")), route), [""; 0]);
}

/// What stands where a hash should may be the password.
#[test]
fn a_password_in_a_hashs_place_is_not_shown() {
    let text = "[[route]]\nto = \"echo\"\n[auth.staff]\nbasic.users.alice = \"hunter2\"\n";
    let loaded = Loaded::parse("janua.toml", text, &environment).unwrap();
    let wrong = Snapshot::compile(loaded.config.clone(), Purpose::Look, None).err().unwrap();
    let report = loaded.report(wrong).text(false);
    assert!(report.contains("basic.users.alice") && report.contains("janua password"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
    assert!(!janua::config::show(&loaded.config).contains("hunter2"));
}
