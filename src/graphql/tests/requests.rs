//! GraphQL over HTTP: what a request may be, and documents that are known.

use http::{HeaderMap, HeaderValue};

use super::*;

#[test]
fn a_body_is_one_request_or_is_refused() {
    let batch = guard("guard.max-batch = 2");
    let guard = guard("");
    let good = "{\"query\":\"{ tags }\"";
    for (body, outcome) in [
        (format!("{good}}}"), "1"),
        (format!("{good},\"operationName\":null,\"variables\":null,\"extensions\":null}}"), "1"),
        (format!("{good},\"operationName\":\"\",\"variables\":{{}},\"more\":1}}"), "1"),
        (format!("{good},\"extensions\":{{\"tracing\":true}}}}"), "1"),
        ("".into(), "body.syntax"),
        ("{".into(), "body.syntax"),
        ("\u{feff}{}".into(), "body.syntax"),
        (format!("{good},\"query\":\"{{ users {{ id }} }}\"}}"), "body.syntax"),
        ("{\"query\":\"\\ud800\"}".into(), "body.syntax"),
        (format!("{good},\"variables\":{}1{}}}", "[".repeat(500), "]".repeat(500)), "body.syntax"),
        ("{}".into(), "graphql.request"),
        ("null".into(), "graphql.request"),
        ("\"{ tags }\"".into(), "graphql.request"),
        // Servers in Go would take these for the others.
        (format!("{good},\"Query\":\"{{ users {{ id }} }}\"}}"), "graphql.request"),
        (format!("{good},\"operationname\":\"a\"}}"), "graphql.request"),
        (format!("{good},\"variable\u{17f}\":{{}}}}"), "graphql.request"),
        (format!("{good},\"queries\":1,\"id\":7}}"), "1"),
        ("{\"query\":1}".into(), "graphql.request"),
        ("{\"query\":[\"{ tags }\"]}".into(), "graphql.request"),
        ("{\"query\":null}".into(), "graphql.request"),
        (format!("{good},\"variables\":\"{{}}\"}}"), "graphql.request"),
        (format!("{good},\"variables\":[]}}"), "graphql.request"),
        (format!("{good},\"operationName\":1}}"), "graphql.request"),
        (format!("{good},\"extensions\":[]}}"), "graphql.request"),
        (format!("{good},\"extensions\":{{\"persistedQuery\":1}}}}"), "graphql.request"),
        (format!("{good},\"documentId\":\"a\"}}"), "graphql.request"),
        (format!("{good},\"operationName\":\"other\"}}"), "graphql.operation"),
        ("[]".into(), "graphql.batch"),
        (format!("[{good}}}]"), "graphql.batch"),
    ] {
        let given = Given { method: &Method::POST, query: None, body: body.as_bytes() };
        let found = match guard.check(given) {
            Ok(checked) => checked.asked.len().to_string(),
            Err(refused) => refused.reject.reason().to_owned(),
        };
        assert_eq!(found, outcome, "{body:.200}");
    }
    let invalid = Given { method: &Method::POST, query: None, body: b"{\"query\":\"\xff\xfe\"}" };
    assert_eq!(guard.check(invalid).unwrap_err().reject, Reject::BodySyntax);
    let one = json!({ "query": "{ users(first: 2500) { id } }" });
    assert_eq!(post(&batch, &json!([one, one])).unwrap().asked.len(), 2);
    for (body, reason, pointer) in [
        (json!([one, one, one]), Reject::GraphqlBatch, ""),
        (json!([]), Reject::GraphqlBatch, ""),
        (json!([one, 1]), Reject::GraphqlRequest, "/1"),
        (json!([one, { "query": "{ none }" }]), Reject::GraphqlValidation, "/1/query"),
        (
            json!([one, { "query": "{ users(first: 2501) { id } }" }]),
            Reject::GraphqlCost,
            "/1/query",
        ),
    ] {
        let refused = post(&batch, &body).unwrap_err();
        let place = refused.violations.iter().next().map(|wrong| wrong.pointer.clone());
        assert_eq!((refused.reject, place.as_deref()), (reason, Some(pointer)), "{body}");
    }
}

#[test]
fn a_query_is_one_request_or_is_refused() {
    let guard = guard("");
    for (query, outcome) in [
        ("query=%7B+tags+%7D", "1"),
        ("query={tags}&key=secret&operationName=&variables=&extensions=", "1"),
        ("query=query+a($n:Int){users(first:$n){id}}&variables={%22n%22:2}", "1"),
        ("query=query+a{tags}+query+b{tags}&operationName=b", "1"),
        ("query=subscription{changed(id:1){id}}", "1"),
        ("", "graphql.request"),
        ("query=", "graphql.syntax"),
        ("query={tags}&query={tags}", "graphql.request"),
        ("query={tags}&qu%65ry={tags}", "graphql.request"),
        ("query=%ff", "graphql.request"),
        ("query={tags}&Query={users{id}}", "graphql.request"),
        ("query={tags}&variables[first]=9", "graphql.request"),
        ("query={tags}&query[]={users{id}}", "graphql.request"),
        ("a=1;query={users{id}}&query={tags}", "graphql.request"),
        ("query={tags}&id=7&a=b;c", "1"),
        ("query={tags}&variables=[]", "graphql.request"),
        ("query={tags}&variables={", "graphql.request"),
        ("query={tags}&variables={%22a%22:1,%22a%22:2}", "graphql.request"),
        ("query=mutation{rename(id:1,name:%22a%22){id}}", "graphql.method"),
        (
            "query=query+a{tags}+mutation+b{rename(id:1,name:%22a%22){id}}&operationName=b",
            "graphql.method",
        ),
    ] {
        let found = match get(&guard, query) {
            Ok(checked) => checked.asked.len().to_string(),
            Err(refused) => refused.reject.reason().to_owned(),
        };
        assert_eq!(found, outcome, "{query}");
    }
    let with_body = Given { method: &Method::GET, query: Some("query={tags}"), body: b"{}" };
    assert_eq!(guard.check(with_body).unwrap_err().reject, Reject::GraphqlRequest);
    // Some servers would take the query before the body.
    let body = json!({ "query": "{ tags }" }).to_string();
    for query in [
        "query={x}",
        "operationName=a",
        "variables={}",
        "extensions={}",
        "%71uery=a",
        "QUERY=a",
        "variables[a]=1",
        "x=1;query={x}",
    ] {
        let given = Given { method: &Method::POST, query: Some(query), body: body.as_bytes() };
        assert_eq!(guard.check(given).unwrap_err().reject, Reject::GraphqlRequest, "{query}");
    }
}

#[test]
fn only_json_that_a_form_cannot_send_is_taken() {
    let guard = guard("");
    for (kind, taken) in [
        (Some("application/json"), true),
        (Some("application/json; charset=utf-8"), true),
        (Some("APPLICATION/JSON"), true),
        (Some("application/json; Charset=\"UTF-8\"; a=b"), true),
        (Some("application/json; charset=utf-7"), false),
        (Some("application/json;charset=utf-8;charset=utf-16"), false),
        (None, false),
        (Some(""), false),
        (Some("text/plain"), false),
        (Some("text/plain; application/json"), false),
        (Some("application/x-www-form-urlencoded"), false),
        (Some("multipart/form-data; boundary=a"), false),
        (Some("application/graphql"), false),
        (Some("application/jsonp"), false),
    ] {
        let mut headers = HeaderMap::new();
        let field = kind.map(|kind| HeaderValue::from_str(kind).unwrap());
        headers.extend(field.map(|kind| (http::header::CONTENT_TYPE, kind)));
        let read = guard.reads(&Method::POST, &headers);
        assert_eq!(read.is_ok(), taken, "{kind:?}");
        assert_eq!(read.err().map(|refused| refused.reject), (!taken).then_some(Reject::BodyType));
        assert!(!guard.reads(&Method::GET, &headers).unwrap());
    }
}

#[test]
fn variables_are_what_the_operation_takes() {
    let guard = guard("");
    let query = "query a($id: ID!, $n: Int, $f: Filter, $x: Float = 1) { user(id: $id) { id } users(first: $n, filter: $f) { id } }";
    let query = query.replace(", $x: Float = 1", "");
    for (variables, wrong) in [
        (json!({ "id": 1 }), ""),
        (json!({ "id": "a", "n": null, "more": 1 }), ""),
        (
            json!({ "id": "a", "n": 3.0, "f": { "role": "BUYER", "ids": "one", "and": [{ "ids": [1, "b"] }] } }),
            "",
        ),
        (json!({}), "/variables/id: is missing"),
        (json!({ "id": null }), "/variables/id: is null"),
        (json!({ "id": 1.5 }), "/variables/id: is no ID"),
        (json!({ "id": true }), "/variables/id: is no ID"),
        (json!({ "id": 1, "n": "3" }), "/variables/n: is no Int"),
        (json!({ "id": 1, "n": 3.5 }), "/variables/n: is no Int"),
        (json!({ "id": 1, "n": 2_147_483_648_u64 }), "/variables/n: is no Int"),
        (json!({ "id": 1, "n": -2_147_483_648_i64 }), ""),
        (json!({ "id": 1, "n": [3] }), "/variables/n: is no Int"),
        (json!({ "id": 1, "f": { "role": "KING" } }), "/variables/f/role: is no Role"),
        (json!({ "id": 1, "f": { "role": 1 } }), "/variables/f/role: is no Role"),
        (
            json!({ "id": 1, "f": { "and": [{}, { "ids": [null] }] } }),
            "/variables/f/and/1/ids/0: is null",
        ),
        (json!({ "id": 1, "f": { "no/ne": 1 } }), "/variables/f/no~1ne: is not known"),
        (json!({ "id": 1, "f": "x" }), "/variables/f: is no Filter"),
    ] {
        let found = match post(&guard, &json!({ "query": query, "variables": variables })) {
            Ok(_) => String::new(),
            Err(refused) => {
                assert_eq!(refused.reject, Reject::GraphqlVariables, "{variables}");
                let first = refused.violations.iter().next().unwrap();
                format!("{}: {}", first.pointer, first.says)
            }
        };
        assert_eq!(found, wrong, "{variables}");
    }
}

#[test]
fn a_cost_is_that_of_the_variables() {
    let guard = guard("");
    let query = "query a($n: Int = 4, $m: Int) { users(first: $n) { friends(first: $m) { id } } }";
    for (variables, cost) in [
        (json!({}), Ok(4 + 4 * 10)),
        (json!({ "n": 2, "m": 3 }), Ok(2 + 2 * 3)),
        (json!({ "n": 2.0, "m": null }), Ok(2 + 2 * 10)),
        (json!({ "n": 100, "m": 100 }), Err(Reject::GraphqlCost)),
        (json!({ "n": 2_147_483_647, "m": 2_147_483_647 }), Err(Reject::GraphqlCost)),
    ] {
        let found = post(&guard, &json!({ "query": query, "variables": variables }));
        let found = found.map(|it| it.asked[0].cost.unwrap()).map_err(|it| it.reject);
        assert_eq!(found, cost, "{variables}");
    }
}

/// A schema in which a field stands for several.
const MANY: &str = r#"
type Query {
  users(first: Int = 1000): [User!]!
  big(first: Long = 5): [User!]!
  has: HasFriends
  found: [Found!]!
  page(first: Int): Page!
    @listSize(slicingArguments: ["first"], sizedFields: ["edges"], requireOneSlicingArgument: false)
  loose(first: Int): Page!
  grid: [[User!]!]!
  cube(first: Int): [[[User!]]]
}
scalar Long
interface HasFriends { friends: [User!]! }
type User implements HasFriends { name: String, friends: [User!]! @listSize(assumedSize: 50) }
type Bot implements HasFriends { friends: [User!]! @cost(weight: "3") }
type Report @cost(weight: "20") { id: ID }
type Page { edges: [User!]!, others: [User!]! }
union Found = User | Report
"#;

#[test]
fn a_cost_is_never_too_small() {
    for (keys, query, variables, cost) in [
        // What is left out is what the argument is then.
        ("", "query a($n: Int) { users(first: $n) { name } }", json!({}), 1000),
        ("", "query a($n: Int) { users(first: $n) { name } }", json!({ "n": null }), 10),
        ("", "query a($n: Int) { users(first: $n) { name } }", json!({ "n": 3 }), 3),
        ("", "query a($n: Int = 7) { users(first: $n) { name } }", json!({}), 7),
        ("", "{ users { name } }", json!({}), 1000),
        // A number may be in a text.
        ("", "{ big(first: \"2000\") { name } }", json!({}), 2000),
        ("", "query a($n: Long) { big(first: $n) { name } }", json!({ "n": "3000" }), 3000),
        ("", "query a($n: Long) { big(first: $n) { name } }", json!({ "n": 3000 }), 3000),
        ("", "query a($n: Long = \"40\") { big(first: $n) { name } }", json!({}), 40),
        ("", "query a($n: Long) { big(first: $n) { name } }", json!({ "n": "x" }), 10),
        ("", "query a($n: Long) { big(first: $n) { name } }", json!({}), 5),
        // Whatever it may be, the dearest counts.
        ("", "{ has { friends { name } } }", json!({}), 1 + 50 + 10),
        (
            "",
            "{ users(first: 1) { ... on HasFriends { friends { name } } } }",
            json!({}),
            1 + 50 + 10,
        ),
        (
            "guard.weights = { \"User.friends\" = 70 }",
            "{ has { friends { name } } }",
            json!({}),
            1 + 120 + 10,
        ),
        ("", "{ found { ... on User { name } } }", json!({}), 10 * 20),
        ("guard.weights = { User = 30 }", "{ found { ... on Report { id } } }", json!({}), 10 * 30),
        ("guard.weights = { Bot = 30 }", "{ has { __typename } }", json!({}), 30),
        ("guard.weights = { HasFriends = 0 }", "{ has { __typename } }", json!({}), 0),
        ("guard.weights = { HasFriends = 2, Bot = 7 }", "{ has { __typename } }", json!({}), 7),
        // A field says only of those lists how long they are that it names.
        ("", "{ page(first: 3) { edges { name } others { name } } }", json!({}), 1 + 3 + 10),
        (
            "",
            "{ page(first: 0) { ...a } } fragment a on Page { edges { name } others { name } }",
            json!({}),
            1 + 10,
        ),
        ("", "{ page { edges { name } } }", json!({}), 1 + 10),
        // One that names none says it of all, and that there is nothing of none.
        ("", "{ loose(first: 5) { edges { name } others { name } } }", json!({}), 1 + 5 + 5),
        ("", "{ loose(first: 0) { edges { name } others { name } } }", json!({}), 1 + 1 + 1),
        // Lists of lists.
        ("guard.list-size = 4", "{ grid { name } }", json!({}), 16),
        ("guard.list-size = 4", "{ cube(first: 2) { name } }", json!({}), 2 * 16),
    ] {
        let section = section(&format!("guard.max-cost = 1000000\n{keys}"));
        let guard = made(&section, Some(Arc::new(Types::of(MANY, &section.guard))));
        let found = post(&guard, &json!({ "query": query, "variables": variables }));
        let found = found.map(|it| it.asked[0].cost.unwrap()).map_err(|it| it.reject);
        assert_eq!(found, Ok(cost), "{keys} {query} {variables}");
    }
}

/// A section that knows documents, in a folder or a file.
fn persisted(only: bool) -> (Guard, Guard, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    // Deeper and dearer than the guard lets others be.
    write("deep.graphql", "query Deep($n: Int) { users(first: $n) { boss { id } } }\n");
    write("tags.gql", "query Tags { tags }");
    write("README", "no document");
    let manifest = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{ "id": "deep", "body": "query Deep($n: Int) { users(first: $n) { boss { id } } }" }],
    });
    let folder = home.path().display().to_string();
    let keys = |file: &str| {
        format!("guard.max-depth = 1\npersisted = {{ file = {file:?}, only = {only} }}")
    };
    let by_folder = guard(&keys(&folder));
    write("ops.json", &manifest.to_string());
    let by_file = guard(&keys(&format!("{folder}/ops.json")));
    (by_folder, by_file, home)
}

const DEEP: &str = "query Deep($n: Int) { users(first: $n) { boss { id } } }";

#[test]
fn known_documents_are_asked_by_name_digest_or_text() {
    let (by_folder, by_file, _home) = persisted(true);
    let digest = persisted::sha256(DEEP);
    for guard in [&by_folder, &by_file] {
        for named in [
            json!({ "documentId": "deep" }),
            json!({ "documentId": digest }),
            json!({ "documentId": format!("sha256:{digest}") }),
            json!({ "id": "deep" }),
            json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": digest } } }),
            json!({ "extensions": { "persistedQuery": { "sha256Hash": digest.to_uppercase() } } }),
        ] {
            let mut body = named.clone();
            body["variables"] = json!({ "n": 2 });
            let checked = post(guard, &body).unwrap();
            assert_eq!(checked.asked[0].name.as_deref(), Some("Deep"));
            assert_eq!(
                guard.number(Some("Deep")).map(|it| &*guard.names()[it] == "Deep"),
                Some(true)
            );
            let Some(Instead::Body(made)) = checked.instead else { panic!("{body}") };
            let made: Value = serde_json::from_slice(&made).unwrap();
            assert_eq!(made["query"].as_str().unwrap().trim_end(), DEEP);
            assert_eq!(made["variables"], json!({ "n": 2 }));
            assert_eq!(made.as_object().unwrap().len(), 2, "{made}");
        }
        assert!(post(guard, &json!({ "query": DEEP })).unwrap().instead.is_none());
        let checked =
            get(guard, &format!("key=1&documentId={digest}&variables=%7B%22n%22:2%7D")).unwrap();
        let Some(Instead::Query(made)) = checked.instead else { panic!() };
        assert!(made.starts_with("query=query%20Deep%28%24n%3A"), "{made}");
        assert!(made.ends_with("&key=1&variables=%7B%22n%22:2%7D"), "{made}");
        for (body, reject) in [
            (json!({ "documentId": "none" }), Reject::GraphqlUnknown),
            (json!({ "documentId": "README" }), Reject::GraphqlUnknown),
            (
                json!({ "extensions": { "persistedQuery": { "sha256Hash": "00" } } }),
                Reject::GraphqlUnknown,
            ),
            (json!({ "query": "{ tags }" }), Reject::GraphqlPersisted),
            (json!({ "query": "{ tags", }), Reject::GraphqlPersisted),
            (json!({ "documentId": "deep", "variables": { "n": 5000 } }), Reject::GraphqlCost),
            (json!({ "documentId": "deep", "variables": { "n": "x" } }), Reject::GraphqlVariables),
            (
                json!({ "query": DEEP, "extensions": { "persistedQuery": { "sha256Hash": "00" } } }),
                Reject::GraphqlRequest,
            ),
        ] {
            assert_eq!(post(guard, &body).unwrap_err().reject, reject, "{body}");
        }
    }
}

#[test]
fn the_same_names_are_counted_after_each_load() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ops.json");
    // Each is known with its line end and without.
    let all: serde_json::Map<_, _> = (0..1_500)
        .map(|number| (format!("id{number}"), format!("query Q{number:04} {{ tags }}\n").into()))
        .chain([("o".into(), "query other { tags }".into())])
        .collect();
    std::fs::write(&file, Value::from(all).to_string()).unwrap();
    let keys = format!("persisted = {{ file = {file:?} }}\noperations.Zoo.limit = \"5/s\"");
    let guard = guard(&keys);
    let names: Vec<_> = guard.names().iter().map(ToString::to_string).collect();
    let known = (0..999).map(|number| format!("Q{number:04}"));
    assert_eq!(names, ["Zoo".to_owned()].into_iter().chain(known).collect::<Vec<_>>());
    // This is what all others are called.
    assert_eq!(guard.number(Some("other")), None);
}

#[test]
fn beside_known_documents_others_may_be_asked_within_bounds() {
    let (guard, ..) = persisted(false);
    let other = "{ tags tags }";
    let digest = persisted::sha256(other);
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": digest } });
    assert!(post(&guard, &json!({ "query": other, "extensions": extensions })).is_ok());
    // It is not known by having been asked.
    let named = json!({ "extensions": extensions });
    assert_eq!(post(&guard, &named).unwrap_err().reject, Reject::GraphqlUnknown);
    assert_eq!(asked(&guard, "{ user(id: 1) { id } }"), Err("graphql.depth"));
    assert_eq!(asked(&guard, DEEP), Ok(Some(20)));
}

#[test]
fn a_refusal_is_told_in_the_type_that_the_client_takes() {
    let response = Some(Form::Response);
    for (accept, form) in [
        (None, Some(Form::Json)),
        (Some("*/*"), Some(Form::Json)),
        (Some("application/json"), Some(Form::Json)),
        (Some("text/event-stream"), Some(Form::Json)),
        (Some("application/graphql-response+json, application/json;q=0.9"), response),
        (Some("application/json, application/graphql-response+json"), response),
        (Some("application/problem+json, application/graphql-response+json"), response),
        (Some("application/problem+json"), None),
    ] {
        let accept = accept.map(|accept| HeaderValue::from_str(accept).unwrap());
        assert_eq!(Form::pick(accept.as_ref()), form, "{accept:?}");
    }
    let guard = guard("");
    let refused = post(&guard, &json!({ "query": "{\n none\n nothing }" })).unwrap_err();
    let told = errors(refused.reject, "id-1", Some(&refused.violations));
    let told: Value = serde_json::from_str(&told).unwrap();
    let all = told["errors"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["locations"], json!([{ "line": 2, "column": 2 }]));
    assert_eq!(all[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(all[0]["extensions"]["reason"], "graphql.validation");
    let told = errors(Reject::GraphqlUnknown, "id-1", None);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(told["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
}
