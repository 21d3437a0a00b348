//! What each may do: roles, scopes and claims, by method; and the same in a dry run.

use std::sync::Arc;

use janua::{
    app::{Source, config_tests, explain},
    config::{OneOrMany, Who},
    snapshot::{Purpose, Snapshot},
};

use super::{gateway, key, send};

fn keys() -> String {
    let keys = [
        key("root", "k-root", ", owner = \"acme\", roles = [\"admin\", \"user\"]"),
        key("ann", "k-ann", ", owner = \"acme\", roles = \"user\""),
        key("reader", "k-reader", ", scopes = [\"orders:read\"]"),
        key("writer", "k-writer", ", scopes = [\"orders:read\", \"orders:write\"]"),
        key("bare", "k-bare", ""),
    ];
    format!("keys = [{}]", keys.join(", "))
}

async fn judged(allow: &str, cases: &[(&str, &str, u16, &str)]) {
    let sections = format!("[auth.keys]\napi-key = {{ {} }}", keys());
    let (janua, _origin) = gateway(&sections, &format!("auth = \"keys\"\n{allow}")).await;
    for (method, key, status, reason) in cases {
        let answer = send(&janua, &format!("{method} /"), &format!("X-Api-Key: k-{key}\r\n")).await;
        let found = if *method == "HEAD" { String::new() } else { answer.reason() };
        assert_eq!((answer.status(), &*found), (*status, *reason), "{method} {key}: {allow}");
    }
}

/// The example of the README.
#[tokio::test]
async fn administrators_create_edit_and_delete_and_users_view() {
    let allow = "allow.role = [\"admin\", \"user\"]\n\
                 allow.\"POST, PUT, PATCH, DELETE\" = { role = \"admin\" }";
    let mut cases = vec![
        ("GET", "ann", 200, ""),
        ("HEAD", "ann", 200, ""),
        ("GET", "root", 200, ""),
        ("GET", "bare", 403, "authz.role"),
        ("OPTIONS", "bare", 403, "authz.role"),
    ];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        cases.push((method, "root", 200, ""));
        cases.push((method, "ann", 403, "authz.role"));
        cases.push((method, "bare", 403, "authz.role"));
    }
    judged(allow, &cases).await;
}

/// Flask and ASP.NET take `delete` for DELETE.
#[tokio::test]
async fn no_spelling_of_a_method_dodges_its_rule() {
    judged(
        "allow.role = \"user\"\nallow.\"DELETE, FROB\" = { role = \"admin\" }",
        &[
            ("DELETE", "ann", 403, "authz.role"),
            ("delete", "ann", 405, "request.method"),
            ("Delete", "ann", 405, "request.method"),
            ("FROB", "ann", 403, "authz.role"),
            ("frob", "ann", 405, "request.method"),
            // Of which no rule speaks.
            ("brew", "ann", 200, ""),
            ("M-SEARCH", "ann", 200, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_condition_has_its_reason() {
    judged(
        "allow.scope = [\"orders:read\", \"orders:write\"]",
        &[
            ("GET", "writer", 200, ""),
            ("GET", "reader", 403, "authz.scope"),
            ("GET", "root", 403, "authz.scope"),
        ],
    )
    .await;
    judged(
        "allow.claim.owner = [\"acme\", \"other\"]",
        &[("GET", "ann", 200, ""), ("GET", "bare", 403, "authz.claim")],
    )
    .await;
    judged(
        "allow = { any = [{ role = \"admin\" }, { scope = \"orders:read\" }], not = { scope = \"orders:write\" } }",
        &[
            ("GET", "root", 200, ""),
            ("GET", "reader", 200, ""),
            ("GET", "writer", 403, "authz.rule"),
            ("GET", "ann", 403, "authz.rule"),
        ],
    )
    .await;
    judged(
        "allow = { all = [{ role = \"user\" }, { claim.owner = \"acme\" }], role = \"admin\" }",
        &[
            ("GET", "root", 200, ""),
            ("GET", "ann", 403, "authz.role"),
            ("GET", "bare", 403, "authz.role"),
        ],
    )
    .await;
    judged(
        "allow.GET.role = \"admin\"",
        &[("GET", "ann", 403, "authz.role"), ("HEAD", "ann", 403, ""), ("POST", "bare", 200, "")],
    )
    .await;
}

#[tokio::test]
async fn a_bearer_is_told_which_scope_it_lacks() {
    let sections = format!("[auth.keys]\napi-key = {{ header = \"authorization\", {} }}", keys());
    let route = "auth = \"keys\"\nallow = { scope = \"orders:write\" }";
    let (janua, _origin) = gateway(&sections, route).await;
    let answer = send(&janua, "GET /", "Authorization: Bearer k-reader\r\n").await;
    answer.assert_refused(403, "authz.scope", "a scope too few");
    let told = answer.field("www-authenticate");
    assert_eq!(
        told.as_deref(),
        Some("Bearer error=\"insufficient_scope\", scope=\"orders:write\"")
    );
    let line = janua.logged_reason("authz.scope").await;
    assert_eq!(line["user"], "reader", "the log says who it was");
}

#[tokio::test]
async fn a_rule_in_trial_lets_pass_and_tells() {
    let sections = format!("[auth.keys]\napi-key = {{ {} }}", keys());
    let route = "auth = \"keys\"\nallow = { role = \"admin\", enforce = \"report\" }";
    let (janua, _origin) = gateway(&sections, route).await;
    assert_eq!(send(&janua, "GET /ann", "X-Api-Key: k-ann\r\n").await.status(), 200);
    assert_eq!(send(&janua, "GET /root", "X-Api-Key: k-root\r\n").await.status(), 200);
    send(&janua, "GET /", "").await.assert_refused(401, "auth.missing", "that holds all the same");
    let line = janua.logged("ann", |line| line["path"] == "/ann").await;
    assert_eq!((&line["reported"], &line["status"]), (&"authz.role".into(), &200.into()));
    let line = janua.logged("root", |line| line["path"] == "/root").await;
    assert!(line.get("reported").is_none());
    let page = janua.metrics();
    assert!(page.contains("janua_reports_total{route=\"r\",reason=\"authz.role\"} 1"), "{page}");
}

/// What `janua explain` and `[[test]]` say is what the chain does.
#[test]
fn a_dry_run_shows_who_it_is_and_which_conditions_hold() {
    let text = format!(
        "[auth.keys]\napi-key = {{ {} }}\nidentity-headers = {{ x-user = \"sub\" }}\n\
         [[route]]\nname = \"r\"\nauth = \"keys\"\nallow.role = [\"admin\", \"user\"]\n\
         allow.DELETE = {{ role = \"admin\", claim.owner = \"acme\" }}\nto = \"echo\"\n\
         [[test]]\nrequest = \"DELETE http://a/\"\nas = {{ user = \"ann\", roles = \"user\" }}\n\
         expect.reason = \"authz.role\"\n\
         [[test]]\nrequest = \"DELETE http://a/\"\nas = {{ roles = \"admin\", claims.owner = \"acme\" }}\n\
         expect.status = 200\n\
         [[test]]\nrequest = \"GET http://a/\"\nheaders.x-api-key = \"k-ann\"\nexpect.status = 200\n\
         [[test]]\nrequest = \"GET http://a/\"\nexpect = {{ status = 401, headers = {{ www-authenticate = true }} }}\n",
        keys()
    );
    let source = Source::Text("janua.toml".into(), text);
    let loaded = source.load().unwrap_or_else(|report| panic!("{report}"));
    let world = Snapshot::compile(loaded.config.clone(), Purpose::Look, None).unwrap().0;
    let wrong = config_tests::run(&Arc::new(world));
    assert!(wrong.is_empty(), "{wrong:?}");
    for (method, key, who, lines) in [
        (
            "DELETE",
            Some("k-ann"),
            None,
            [
                "`keys` (api-key) knows ann of acme, roles user",
                "refuses: 403 authz.role; role admin: no; claim owner: yes",
            ],
        ),
        (
            "DELETE",
            Some("k-root"),
            None,
            ["knows root of acme", "role admin: yes; claim owner: yes"],
        ),
        (
            "GET",
            Some("bad"),
            None,
            ["refuses: 401 auth.key.unknown; `keys` (api-key) refuses", "authorize  -"],
        ),
        ("GET", None, Some("ann"), ["is taken to be ann, roles user", "role admin or user: yes"]),
    ] {
        let who = who.map(|user| Who {
            user: String::from(user),
            roles: OneOrMany(vec!["user".into()]),
            ..Who::default()
        });
        let asked = explain::Arguments {
            method: method.into(),
            url: "/".into(),
            headers: key.map(|key| format!("x-api-key: {key}")).into_iter().collect(),
            who,
            ..explain::Arguments::default()
        };
        let text = explain::explain(&source, &asked).unwrap().to_string();
        for line in lines {
            assert!(text.contains(line), "no {line:?}: {text}");
        }
    }
}
