//! What is wrong with a section is said with its place.

use super::*;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table: a row for each mistake")]
async fn what_is_wrong_is_said_with_its_place() {
    let url = "http://127.0.0.1:1";
    let own = |keys: &str| setup(url, keys, "path = \"/graphql\"");
    let raw = |keys: &str| {
        Setup::new(format!(
            "[api.shop]\n{keys}\n[[route]]\napi = \"shop\"\npath = \"/graphql\"\nto = \"{url}\"\n"
        ))
    };
    let stored = |keys: &str| own(&format!("[api.shop.operations.a]\n{keys}\n"));
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{:?}", path.display().to_string())
    };
    let bad_schema = file("bad.graphql", "type Query {\n  a: Nothing\n}\n");
    let no_schema = file("no.graphql", "query { a }");
    let bytes = home.path().join("bytes.graphql");
    std::fs::write(&bytes, b"\xff\xfe").unwrap();
    let empty = file("empty.json", "{}");
    let not_json = file("bad.json", "{");
    let other = file("other.json", "{\"a\": 1}");
    let misfit = file("misfit.json", "{\"a\": \"{ none }\"}");
    for (setup, path, message, help) in [
        (raw("graphql = \"/none.graphql\""), "api.shop.graphql", "cannot read `/none.graphql`", ""),
        (raw(&format!("graphql = {bad_schema}")), "api.shop.graphql", "bad.graphql:2:6: ", ""),
        (raw(&format!("graphql = {no_schema}")), "api.shop.graphql", "no.graphql:1:1: ", ""),
        (
            raw(&format!("graphql = {:?}", bytes.display().to_string())),
            "api.shop.graphql",
            "not UTF-8",
            "",
        ),
        (raw("graphql = false"), "api.shop.graphql", "no way to know", "graphql = true"),
        (
            raw("graphql = true\nguard.weights = { User = 1 }"),
            "api.shop.guard.weights",
            "cannot be weighed",
            "schema.graphql",
        ),
        (
            raw("graphql = true\n[api.shop.operations.a]\nquery = \"{ a }\""),
            "api.shop.graphql",
            "need the schema",
            "schema.graphql",
        ),
        (
            own("openapi = \"x.yaml\""),
            "api.shop.openapi",
            "two contracts",
            "`graphql` or `openapi`",
        ),
        (own("wsdl = \"x.wsdl\""), "api.shop.wsdl", "two contracts", ""),
        (own("proto = \"x.proto\""), "api.shop.proto", "two contracts", ""),
        (own("guard.max-depth = 101"), "api.shop.guard.max-depth", "never read deeper", ""),
        (own("guard.max-tokens = 100001"), "api.shop.guard.max-tokens", "never read", ""),
        (
            own("guard.weights = { Usr = 1 }"),
            "api.shop.guard.weights.Usr",
            "has no `Usr`",
            "did you mean `User`",
        ),
        (
            own("guard.weights = { \"User.nam\" = 1 }"),
            "api.shop.guard.weights.\"User.nam\"",
            "has no `User.nam`",
            "",
        ),
        (
            own("guard.weights = { \"Query.user(x)\" = 1 }"),
            "api.shop.guard.weights.\"Query.user(x)\"",
            "has no",
            "",
        ),
        (
            own("guard.weights = { User = -1 }"),
            "api.shop.guard.weights.User",
            "nothing costs -1",
            "",
        ),
        (
            own("guard.introspection = { role = \"x\" }"),
            "api.shop.guard.introspection.allow",
            "nobody is asked",
            "",
        ),
        (own("persisted.file = \"/none\""), "api.shop.persisted.file", "cannot read `/none`", ""),
        (own(&format!("persisted.file = {empty}")), "api.shop.persisted.file", "no document", ""),
        (own(&format!("persisted.file = {not_json}")), "api.shop.persisted.file", "too early", ""),
        (own(&format!("persisted.file = {other}")), "api.shop.persisted.file", "a manifest", ""),
        (own(&format!("persisted.file = {misfit}")), "api.shop.persisted.file", "`a`: ", ""),
        (
            own("operations.a.auth = \"keys\""),
            "api.shop.operations.a.auth",
            "before anybody knows",
            "`allow`",
        ),
        (own("operations.a.path = \"/x\""), "api.shop.operations.a.path", "no `query`", ""),
        (
            own("operations.a.limit = { bandwidth = \"1KiB/s\" }"),
            "api.shop.operations.a.limit",
            "slows no answer",
            "a limit of the route",
        ),
        (own("operations.a.cache = true"), "api.shop.operations.a.cache", "no `query`", ""),
        (own("operations.a.limit = \"none\""), "api.shop.operations.a.limit", "none", ""),
        (
            own("operations.a.allow = { role = \"x\" }"),
            "api.shop.operations.a.allow",
            "nobody is asked",
            "",
        ),
        (
            own("errors = { A = 200 }\noperations.a.query = \"{ version }\""),
            "api.shop.errors.A",
            "no status",
            "400 to 599",
        ),
        (
            own("graphql-path = \"x\"\noperations.a.query = \"{ version }\""),
            "api.shop.graphql-path",
            "no path",
            "",
        ),
        (stored("query = \"{ none }\""), "api.shop.operations.a.query", "line 1, column 3", ""),
        (stored("query = \"{ version\""), "api.shop.operations.a.query", "malformed", ""),
        (
            stored("query = \"query a { version } query b { version }\""),
            "api.shop.operations.a.query",
            "more than one",
            "",
        ),
        (
            stored("query = \"subscription { counted(to: 1) }\""),
            "api.shop.operations.a.query",
            "no one answer",
            "",
        ),
        (
            stored("query = \"{ version }\"\nquery-file = \"x\""),
            "api.shop.operations.a.query-file",
            "not both",
            "",
        ),
        (stored("query-file = \"/none\""), "api.shop.operations.a.query-file", "cannot read", ""),
        (
            stored("query = \"{ version }\"\nmethod = \"TRACE\""),
            "api.shop.operations.a.method",
            "no method",
            "",
        ),
        (
            stored(
                "query = \"mutation { rename(id: 1, name: \\\"a\\\") { id } }\"\nmethod = \"GET\"",
            ),
            "api.shop.operations.a.method",
            "not asked by GET",
            "",
        ),
        (
            stored("query = \"{ version }\"\npath = \"x\""),
            "api.shop.operations.a.path",
            "does not begin",
            "",
        ),
        (
            stored("query = \"{ version }\"\npath = \"/{id}\""),
            "api.shop.operations.a.path",
            "no variable `$id`",
            "",
        ),
        (
            stored(
                "query = \"mutation($o: NewOrder!) { order(order: $o) { id } }\"\npath = \"/{o}\"",
            ),
            "api.shop.operations.a.path",
            "no simple value",
            "",
        ),
        (
            stored(
                "query = \"mutation($o: NewOrder!) { order(order: $o) { id } }\"\nmethod = \"DELETE\"",
            ),
            "api.shop.operations.a.method",
            "no simple value",
            "POST",
        ),
        (
            stored("query = \"{ version a: version }\"\nanswer = \"field\""),
            "api.shop.operations.a.answer",
            "just one field",
            "",
        ),
        (
            stored("query = \"{ version }\"\nanswer = \"data\"\nnull = 404"),
            "api.shop.operations.a.null",
            "one field",
            "",
        ),
        (
            stored("query = \"{ version }\"\nnull = 302"),
            "api.shop.operations.a.null",
            "one field",
            "",
        ),
        (stored("query = \"{ version }\"\ncache = true"), "route[0].api", "not kept", ""),
        (setup(url, "", ""), "route[0].api", "where clients ask it", "path = \"/graphql\""),
        (
            setup(url, "", "path = \"/graphql\"\nmethods = \"POST\""),
            "route[0].methods",
            "which `methods`",
            "",
        ),
        (
            setup(url, "", "path = \"/graphql\"\ntranslate = \"xml\""),
            "route[0].translate",
            "as its section says",
            "",
        ),
        (setup("mock", "", "path = \"/graphql\""), "route[0].to", "no examples", ""),
        (
            raw(&format!(
                "wsdl = {:?}\nguard.max-depth = 3",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl/bank.wsdl")
            )),
            "api.shop.guard",
            "about a service of GraphQL",
            "",
        ),
        (
            raw(&format!(
                "wsdl = {:?}\noperations.GetBalance.query = \"x\"",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl/bank.wsdl")
            )),
            "api.shop.operations.GetBalance.query",
            "about a service of GraphQL",
            "",
        ),
    ] {
        setup.fails_at(path, message, help).await;
    }
}
