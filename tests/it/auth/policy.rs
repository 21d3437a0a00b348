//! Policies in Cedar: what they permit, what they may ask of a request, and what becomes of bad ones.

use std::path::PathBuf;

use janua::{
    app::{Source, config_tests, explain},
    config::Loaded,
    snapshot::{Purpose, Snapshot},
};
use tempfile::TempDir;

use super::{key, send};
use crate::support::{Janua, Origin, Setup};

/// Only administrators create, edit and delete; ordinary users view and comment.
const ARTICLES: &str = include_str!("../../../config/policies.cedar");

const KEYS: [(&str, &str); 3] =
    [("root", ", owner = \"acme\", roles = \"admin\""), ("ann", ", roles = \"user\""), ("eve", "")];

fn keys() -> String {
    let keys = KEYS.map(|(id, more)| key(id, &format!("k-{id}"), more));
    format!("[auth.keys]\napi-key = {{ keys = [{}] }}\n", keys.join(", "))
}

/// A folder with policies in it.
fn folder(text: &str) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.cedar");
    std::fs::write(&file, text).unwrap();
    (home, file)
}

async fn start(origin: &Origin, policies: &str, table: &str, route: &str) -> Janua {
    let (_home, file) = folder(policies);
    let (keys, file, url) = (keys(), file.display(), &origin.url);
    Setup::new(format!(
        "{keys}[[route]]\nname = \"r\"\nto = \"{url}\"\nauth = \"keys\"\n\
         policy = {{ file = \"{file}\" {table} }}\n{route}\n"
    ))
    .start()
    .await
}

#[tokio::test]
async fn only_administrators_create_edit_and_delete_while_users_view_and_comment() {
    let origin = Origin::ok().await;
    let (_home, file) = folder(ARTICLES);
    let (keys, file, url) = (keys(), file.display(), &origin.url);
    let route = |name: &str, path: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\npath = \"{path}\"\nauth = \"keys\"\npolicy = \"{file}\"\nto = \"{url}\"\n"
        )
    };
    let janua = Setup::new(format!(
        "{keys}{}{}",
        route("articles", "/articles/{rest*}"),
        route("comments", "/articles/{id}/comments")
    ))
    .start()
    .await;
    for (method, path, root, ann) in [
        ("GET", "/articles/7", true, true),
        ("HEAD", "/articles/7", true, true),
        ("POST", "/articles/7", true, false),
        ("PUT", "/articles/7", true, false),
        ("PATCH", "/articles/7", true, false),
        ("DELETE", "/articles/7", true, false),
        ("GET", "/articles/7/comments", true, true),
        ("POST", "/articles/7/comments", true, true),
        ("DELETE", "/articles/7/comments", true, false),
        // No policy knows such methods, and none permits what it does not know.
        ("PURGE", "/articles/7", false, false),
        ("read", "/articles/7", false, false),
    ] {
        for (who, may) in [("root", root), ("ann", ann), ("eve", false)] {
            let (line, key) = (format!("{method} {path}"), format!("X-Api-Key: k-{who}\r\n"));
            let answer = send(&janua, &line, &key).await;
            if may {
                assert_eq!(answer.status(), 200, "{line} by {who}");
            } else if method == "HEAD" {
                assert_eq!(answer.status(), 403, "{line} by {who}");
            } else {
                answer.assert_refused(403, "authz.policy", &format!("{line} by {who}"));
            }
        }
    }
    send(&janua, "GET /articles/7", "").await.assert_refused(401, "auth.missing", "nobody");
    let page = janua.metrics();
    let refused = "route=\"articles\",reason=\"authz.policy\"}";
    assert!(page.contains(refused), "{page}");
}

/// A condition, and a request that fulfils it and one that does not: who, what, header fields.
type Asked = (&'static str, [&'static str; 3], [&'static str; 3]);

#[rustfmt::skip]
const ASKED: &[Asked] = &[
    ("principal == User::\"ann\"", ["ann", "GET /a/1", ""], ["root", "GET /a/1", ""]),
    ("principal.roles.contains(\"user\")", ["ann", "GET /a/1", ""], ["root", "GET /a/1", ""]),
    ("principal has owner && principal.owner == \"acme\"", ["root", "GET /a/1", ""], ["ann", "GET /a/1", ""]),
    ("principal.auth == \"keys\" && principal.method == \"api-key\" && action == Action::\"PUT\"", ["ann", "PUT /a/1", ""], ["ann", "GET /a/1", ""]),
    ("resource == Route::\"r\" && resource.params.id == \"7\"", ["ann", "GET /a/7", ""], ["ann", "GET /a/8", ""]),
    ("resource.params.id == \"a%2Fb\"", ["ann", "GET /a/a%2Fb", ""], ["ann", "GET /a/ab", ""]),
    ("context.host == \"b.example\" || context.host == \"a.example\" && action == Action::\"PUT\"", ["ann", "PUT /a/1", ""], ["ann", "GET /a/1", ""]),
    ("context[\"h\\u{6f}st\"] == \"a.example\" && action == Action::\"GET\"", ["ann", "GET /a/1", ""], ["ann", "PUT /a/1", ""]),
    ("context.address.isInRange(ip(\"127.0.0.0/8\")) && action in Action::\"read\"", ["ann", "GET /a/1", ""], ["ann", "POST /a/1", ""]),
    ("context.time > datetime(\"2024-01-01\") && context.time < datetime(\"2124-01-01\") && action == Action::\"GET\"", ["ann", "GET /a/1", ""], ["ann", "PUT /a/1", ""]),
    ("context.headers has \"x-tenant\" && context.headers[\"x-tenant\"] == \"blue\"", ["ann", "GET /a/1", "X-Tenant: blue\r\n"], ["ann", "GET /a/1", "X-Tenant: blue\r\nX-Tenant: red\r\n"]),
    ("!(context.headers has \"x-tenant\")", ["ann", "GET /a/1", ""], ["ann", "GET /a/1", "X-Tenant: a\r\n"]),
];

#[tokio::test]
async fn policies_may_ask_for_all_that_is_known_of_a_request() {
    let origin = Origin::ok().await;
    for (condition, yes, no) in ASKED {
        let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
        let table = ", headers = \"x-tenant\"";
        let janua = start(&origin, &policy, table, "path = \"/a/{id}\"").await;
        for ([who, line, fields], status) in [(yes, 200), (no, 403)] {
            let fields = format!("X-Api-Key: k-{who}\r\n{fields}");
            let answer = send(&janua, line, &fields).await;
            assert_eq!(answer.status(), status, "{condition}: {line} {fields}");
        }
    }
}

/// Cedar passes over a policy that fails: one that would have forbidden something would not.
#[tokio::test]
async fn a_policy_that_fails_lets_nobody_in() {
    let origin = Origin::ok().await;
    let policies = "permit (principal, action, resource);\n\
        forbid (principal in Role::\"user\", action, resource)\n\
        when { context.time.toTime().toMilliseconds() + 9223372036854775807 < 0\n\
            || context.time.toTime().toMilliseconds() - 9223372036854775807 - 100000000 < 0 };\n";
    let janua = start(&origin, policies, "", "").await;
    let answer = send(&janua, "GET /", "X-Api-Key: k-ann\r\n").await;
    answer.assert_refused(403, "authz.policy.error", "too large a number");
    assert_eq!(send(&janua, "GET /", "X-Api-Key: k-root\r\n").await.status(), 200);
}

#[tokio::test]
async fn a_policy_that_only_reports_refuses_nobody_and_tells() {
    let origin = Origin::ok().await;
    let policies = "permit (principal in Role::\"admin\", action, resource);";
    let janua = start(&origin, policies, ", enforce = \"report\"", "").await;
    assert_eq!(send(&janua, "GET /", "X-Api-Key: k-ann\r\n").await.status(), 200);
    assert_eq!(janua.log()[0]["reported"], "authz.policy");
    assert_eq!(send(&janua, "GET /", "X-Api-Key: k-root\r\n").await.status(), 200);
    // What `allow` asks for is asked for all the same, and first.
    let janua = start(&origin, policies, "", "allow.role = \"user\"").await;
    for (who, reason) in [("ann", "authz.policy"), ("root", "authz.role")] {
        let answer = send(&janua, "GET /", &format!("X-Api-Key: k-{who}\r\n")).await;
        answer.assert_refused(403, reason, who);
    }
}

/// What is wrong with these policies, on a route with the path parameter `id`.
fn problems(policies: &str) -> Vec<String> {
    let (_home, file) = folder(policies);
    let text = format!(
        "{}[[route]]\nname = \"r\"\npath = \"/{{id}}\"\nto = \"echo\"\nauth = \"keys\"\npolicy = \"{}\"\n",
        keys(),
        file.display()
    );
    let loaded = Loaded::parse("janua.toml", &text, &janua::config::environment).unwrap();
    let compiled = Snapshot::compile(loaded.config, Purpose::Look, None);
    let (wrong, folder) = (compiled.err(), format!("{}/", file.parent().unwrap().display()));
    let line = |problem: &janua::config::Problem| {
        format!("{}: {}", problem.path, problem.message).replace(&folder, "")
    };
    wrong.iter().flat_map(|problems| problems.iter()).map(line).collect()
}

#[test]
#[rustfmt::skip]
fn a_policy_that_means_nothing_is_shown_with_its_place() {
    for (policies, place, word) in [
        ("", "p.cedar` holds no policy", ""),
        ("// nothing\n", "p.cedar` holds no policy", ""),
        ("permit (principal, action, resource)", "p.cedar:1:", "unexpected end"),
        ("permit (principal, action, resource);\n\n  permt (principal, action, resource);", "p.cedar:3:3: ", "permt"),
        ("permit (principal, action == Action::\"FETCH\", resource);", "p.cedar:1:", "FETCH"),
        ("permit (principal, action == Action::\"HEAD\", resource);", "p.cedar:1:", "HEAD"),
        ("permit (principal in Group::\"a\", action, resource);", "p.cedar:1:", "Group"),
        ("permit (principal, action, resource)\nwhen { principal.role.contains(\"a\") };", "p.cedar:2:8: ", "role"),
        ("permit (principal, action, resource)\nwhen { resource.params.ident == \"a\" };", "p.cedar:2:8: ", "ident"),
        ("permit (principal, action, resource)\nwhen { context.adress.isLoopback() };", "p.cedar:2:8: ", "adress"),
        ("permit (principal, action, resource)\nwhen { context.host == 7 };", "p.cedar:2:8: ", "type"),
        ("permit (principal, action, resource)\nwhen { principal.owner == \"a\" };", "p.cedar:2:8: ", "owner"),
        ("permit (principal, action, resource)\nwhen { principal.getTag(\"a\").contains(\"b\") };", "p.cedar:2:8: ", "tag"),
        ("permit (principal, action, resource)\nwhen { context.headers[\"x-a\"] == \"b\" };", "p.cedar:2:8: ", "x-a"),
        ("permit (principal, action, resource) when { context.address.isInRange(ip(\"10.0.0.0/33\")) };", "p.cedar:1:", "10.0.0.0/33"),
        ("permit (principal == ?principal, action, resource);", "p.cedar`: policy0 is a template", ""),
    ] {
        let found = problems(policies);
        let fits = |line: &String| line.starts_with("route[0].policy: ") && line.contains(place) && line.contains(word);
        assert!(found.iter().any(fits), "{policies}: {found:#?}");
    }
    assert_eq!(problems(ARTICLES), [""; 0]);
}

#[test]
fn a_dry_run_names_the_policies_that_decide() {
    let (_home, file) = folder(
        "@id(\"readers\") permit (principal in Role::\"user\", action in Action::\"read\", resource);\n\
         @id(\"sales\") permit (principal, action, resource)\n\
           when { principal.hasTag(\"address.city\") && principal.getTag(\"address.city\").contains(\"Rome\") };\n\
         forbid (principal, action == Action::\"DELETE\", resource) unless { principal.scopes.contains(\"x\") };\n",
    );
    let text = format!(
        "{}[[route]]\nname = \"r\"\nauth = \"keys\"\npolicy = \"{}\"\nto = \"echo\"\n\
         [[test]]\nrequest = \"PUT http://a/\"\nas = {{ roles = \"user\", claims.\"address.city\" = \"Rome\" }}\n\
         expect.status = 200\n\
         [[test]]\nrequest = \"PUT http://a/\"\nas = {{ roles = \"user\" }}\nexpect.reason = \"authz.policy\"\n",
        keys(),
        file.display()
    );
    let source = Source::Text("janua.toml".into(), text);
    let loaded = source.load().unwrap_or_else(|report| panic!("{report}"));
    let world = Snapshot::compile(loaded.config.clone(), Purpose::Look, None).unwrap().0;
    let wrong = config_tests::run(&std::sync::Arc::new(world));
    assert!(wrong.is_empty(), "{wrong:?}");
    for (method, line) in [
        ("GET", "permitted by policy `readers`"),
        ("PUT", "refuses: 403 authz.policy; no policy permits it"),
        ("DELETE", "refuses: 403 authz.policy; forbidden by policy `policy2`"),
        ("PURGE", "no policy knows the method PURGE"),
    ] {
        let asked = explain::Arguments {
            method: method.into(),
            url: "/".into(),
            headers: vec!["x-api-key: k-ann".into()],
            ..explain::Arguments::default()
        };
        let text = explain::explain(&source, &asked).unwrap().to_string();
        assert!(text.contains(line), "no {line:?}: {text}");
    }
}
