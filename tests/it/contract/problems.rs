//! What is wrong with an API is said with the place in its document.

use super::{partners, shop};
use crate::support::{Setup, daemon::on};

/// Fails the test unless this document is refused, with this said of it.
async fn refused(document: &str, section: &str, said: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(&file, document).unwrap();
    let text = format!(
        "[api.a]\nopenapi = {:?}\n{section}\n[[route]]\napi = \"a\"\nto = \"mock\"\n",
        file.display().to_string()
    );
    let report = Setup::new(text).fails_to_start().await;
    let text = report.text(false);
    let problems = report.json();
    let count = problems.as_array().unwrap().len();
    assert_eq!(count, said.len(), "{document}\n{text}");
    for part in said {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

fn api(paths: &str) -> String {
    format!("openapi: 3.1.0\ninfo: {{title: A, version: '1'}}\npaths:\n{paths}")
}

/// What of a `get` of `/a/{id}` is wrong, where, and what is said.
const OPERATIONS: &[(&str, &[&str])] = &[
    (
        "parameters: [ID, {name: b, in: nowhere}, {name: c, in: path}, {in: query}]",
        &[
            "/parameters/1/in: a parameter is not in `nowhere`",
            "/parameters/2/name: the path has no `{c}`",
            "/parameters/3: a parameter has a `name`",
        ],
    ),
    ("", &["/parameters: nothing says what `{id}` in the path is"]),
    (
        "parameters: [ID, {name: b, in: query, style: matrix, schema: {type: string}}]",
        &["/parameters/1/schema: `matrix` is no style for a parameter in query"],
    ),
    (
        "parameters: [ID, {name: b, in: query, schema: {type: strin}}]",
        &["/parameters/1/schema: /type: \"strin\" is not valid"],
    ),
    (
        "parameters: [ID, {name: b, in: query, schema: {pattern: '(?=a)'}}]",
        &["/parameters/1/schema: /pattern: \"(?=a)\" is not a \"regex\""],
    ),
    (
        "parameters: [ID, {$ref: '#/components/parameters/Gone'}]",
        &["/parameters/1/$ref: `#/components/parameters/Gone` leads to nothing"],
    ),
    (
        "parameters: [ID, {$ref: 'other.yaml#/x'}]",
        &["/parameters/1/$ref: `other.yaml#/x` leads out of the document, and nothing is fetched"],
    ),
    (
        "parameters: [ID], requestBody: {content: {nonsense: {}}}",
        &["/requestBody/content/nonsense: `nonsense` is no media type"],
    ),
    ("parameters: [ID], responses: {'20': {}}", &["/responses/20: `20` is no status"]),
    ("parameters: [ID], security: [{k: []}]", &["/security/0/k: there is no security scheme `k`"]),
    ("parameters: [ID], x-janua-limit: [1]", &["/x-janua-limit: "]),
];

#[tokio::test]
async fn everything_that_is_wrong_with_an_operation_is_said_with_its_place() {
    for (operation, said) in OPERATIONS {
        let id = "{name: id, in: path, required: true, schema: {type: string}}";
        let operation = operation.replace("ID", id);
        let document = api(&format!("  /a/{{id}}:\n    get: {{ {operation} }}\n"));
        let said = said.iter().map(|said| format!("a.yaml#/paths/~1a~1{{id}}/get{said}"));
        let said: Vec<_> = said.collect();
        refused(&document, "", &said.iter().map(|said| &**said).collect::<Vec<_>>()).await;
    }
}

const ONE: &str = "  /a/{NAME}:\n    get: { parameters: [{name: NAME, in: path, schema: {}}] }\n";

#[tokio::test]
async fn what_is_wrong_with_a_document_is_said_with_its_place() {
    for (document, section, said) in [
        (String::new(), "", "a.yaml: it is no document of OpenAPI"),
        ("a: [".into(), "", "a.yaml: it is not YAML"),
        ("swagger: '2.0'".into(), "", "a.yaml#/swagger: it is of Swagger 2"),
        (api("  {}"), "", "a.yaml#/paths: there is no operation"),
        (
            api("  /a.{kind}:\n    get: { parameters: [{name: kind, in: path, schema: {}}] }\n"),
            "",
            "a parameter takes a whole segment, and `a.{kind}` has more",
        ),
        (
            api("  /a:\n    get: { operationId: x }\n    put: { operationId: x }\n"),
            "",
            "a.yaml#/paths/~1a/put/operationId: `x` is also /paths/~1a/get",
        ),
        (
            api(&["x", "y"].map(|name| ONE.replace("NAME", name)).concat()),
            "",
            "a.yaml#/paths/~1a~1{y}/get: it takes the same requests as /paths/~1a~1{x}/get",
        ),
        (
            api("  /a:\n    get: { operationId: first }\n"),
            "operations = { frist = { limit = \"1/s\" } }",
            "`a` has no operation `frist`",
        ),
    ] {
        refused(&document, section, &[said]).await;
    }
}

/// A document of just the size that is read, and one of a byte more.
#[tokio::test]
async fn a_document_may_be_large_and_no_larger() {
    let small = api("  /a:\n    get: { operationId: a }\n");
    let document = |size| small.clone() + "#" + &" ".repeat(size - small.len() - 1);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(&file, document(16 << 20)).unwrap();
    let text = format!(
        "[api.a]\nopenapi = {:?}\n[[route]]\napi = \"a\"\nto = \"echo\"\n",
        file.display().to_string()
    );
    let janua = Setup::new(&*text).start().await;
    assert_eq!(janua.get("/a").await.status(), 200);
    std::fs::write(&file, document((16 << 20) + 1)).unwrap();
    Setup::new(text).fails_at("api.a.openapi", "has more than 16777216 bytes", "").await;
    let said = crate::support::daemon::janua(&["lint-api", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!(
        (said.status.code(), told.contains("has more than 16777216 bytes")),
        (Some(1), true),
        "{told}"
    );
}

/// What other routes take from an operation on every listener never comes to it.
#[test]
fn an_operation_that_other_routes_take_everything_from_is_told() {
    let home = tempfile::tempdir().unwrap();
    let document = home.path().join("a.yaml");
    std::fs::write(
        &document,
        api("  /a:\n    get: { operationId: a }\n    put: { operationId: b }\n"),
    )
    .unwrap();
    let check = |listeners: &[&str]| {
        let mut text = format!(
            "[admin]\naddress = \"off\"\n[api.shop]\nopenapi = \"{}\"\n\
             [[listener]]\nname = \"one\"\naddress = \"127.0.0.1:8001\"\n\
             [[listener]]\nname = \"two\"\naddress = \"127.0.0.1:8002\"\n\
             [[route]]\napi = \"shop\"\nlistener = [\"one\", \"two\"]\nto = \"mock\"\n",
            document.display()
        );
        for listener in listeners {
            text += &format!(
                "[[route]]\nname = \"{listener}\"\npath = \"/a\"\nmethods = [\"GET\"]\n\
                 listener = \"{listener}\"\nto = \"echo\"\n"
            );
        }
        let said = on(&text, &["check"]);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        String::from_utf8_lossy(&said.stderr).into_owned()
    };
    let said = check(&["one", "two"]);
    let finding = "`shop/a` never takes a request for `/a`: more specific routes take them all";
    assert!(said.contains(finding) && !said.contains("shop/b"), "{said}");
    let said = check(&["one"]);
    assert!(!said.contains("never takes"), "{said}");
}

/// Fail closed: a scheme that nobody maps is an error, never an open door.
#[tokio::test]
async fn a_scheme_without_a_mapping_is_an_error() {
    let text =
        format!("[api.shop]\nopenapi = {}\n[[route]]\napi = \"shop\"\nto = \"mock\"\n", shop());
    let report = Setup::new(text).fails_to_start().await.text(false);
    assert!(report.contains("shop.yaml#/security/0/key: nothing says who `key` knows"), "{report}");
    assert!(report.contains("security = { key = \"the name of an [auth.NAME]\" }"), "{report}");
}

#[tokio::test]
async fn what_is_wrong_in_the_file_is_said_there() {
    for (text, path, message, help) in [
        (
            "[api.a]\n[[route]]\napi = \"a\"\nto = \"mock\"\n",
            "api.a",
            "has no contract",
            "openapi =",
        ),
        (
            "[api.a]\nopenapi = \"/nowhere.yaml\"\n[[route]]\nto = \"echo\"\n",
            "api.a.openapi",
            "cannot read `/nowhere.yaml`",
            "",
        ),
        (
            "[[route]]\napi = \"a\"\nto = \"mock\"\n",
            "route[0].api",
            "there is no API `a`",
            "[api.a]",
        ),
        ("[[route]]\nto = \"mock\"\n", "route[0].to", "only an API has examples", "api ="),
    ] {
        Setup::new(text).fails_at(path, message, help).await;
    }
    let shop = shop();
    let text = format!(
        "{}[api.shop]\nopenapi = {shop}\nsecurity = {{ key = \"partners\" }}\n\
         [[route]]\napi = \"shop\"\npath = \"/x\"\nto = \"mock\"\n",
        partners()
    );
    Setup::new(text).fails_at("route[0].path", "the document of `shop` says", "base-path").await;
}

#[test]
fn a_document_can_be_looked_at_alone() {
    use crate::support::daemon::janua;
    let file = |name: &str| format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let said = janua(&["lint-api", "--strict", &file("config/shop.yaml")]);
    assert_eq!((said.status.code(), &*said.stdout), (Some(0), &b""[..]));
    let said = janua(&["lint-api", &file("Cargo.toml")]);
    assert_eq!(said.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("error: it is not YAML"));
    let said = janua(&["lint-api", "/nowhere.yaml"]);
    assert_eq!(said.status.code(), Some(1));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.yaml");
    std::fs::write(&path, api("  /a:\n    get: { responses: {'200': {description: it}} }\n"))
        .unwrap();
    let said = janua(&["lint-api", "--strict", "--format", "json", path.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(78));
    let list: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(list[0]["pointer"], "/paths/~1a/get");
    assert_eq!(list[0]["severity"], "advice");
}
