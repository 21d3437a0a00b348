//! Operations that are routes of JSON.

use http::StatusCode;

use super::*;

fn set(keys: &str) -> StoredSet {
    let section = section(keys);
    let types = Types::of(SDL, &section.guard);
    let (at, mut problems) = (Path::root().key("api").key("shop"), Problems::new());
    let set = StoredSet::compile("shop", &section, Some(&types), &at, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    set.unwrap()
}

const USER: &str = "[operations.user]\nmethod = \"GET\"\npath = \"/users/{id}\"\nnull = 404\n\
    query = \"query User($id: ID!, $n: Int = 3, $roles: [Role!]) { user(id: $id) { id name role friends(first: $n) { name } } }\"\n";
const BUY: &str = "[operations.buy]\npath = \"/users/{user}/orders\"\n\
    query = \"mutation($user: ID!, $order: NewOrder!) { buy(order: $order) { id total } rename(id: $user, name: \\\"x\\\") { id } }\"\n";

#[test]
fn what_a_request_says_are_variables_and_nothing_else() {
    let set = set(&(USER.replace(", $roles: [Role!]", "") + BUY));
    let (user, buy) = (set.operation("user").unwrap(), set.operation("buy").unwrap());
    for (stored, path, query, body, variables) in [
        (user, "1", "", "", json!({ "id": "1" })),
        (user, "a%2Fb%22", "n=5&other=1", "", json!({ "id": "a/b\"", "n": 5 })),
        (user, "1\"){evil}", "", "", json!({ "id": "1\"){evil}" })),
        (
            buy,
            "7",
            "order=1",
            "{\"order\":{\"lines\":[]}}",
            json!({ "user": "7", "order": { "lines": [] } }),
        ),
    ] {
        let name = if stored.method == Method::GET { "id" } else { "user" };
        let made =
            stored.request([(name, path)].into_iter(), Some(query), body.as_bytes()).unwrap();
        let made: Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(made["variables"], variables);
        let text = made["query"].as_str().unwrap();
        assert!(text.starts_with("query User(") || text.starts_with("mutation("), "{text}");
        assert!(!text.contains("evil"));
    }
    for (stored, path, query, body, reject) in [
        (user, "1", "n=x", "", Reject::ContractParameter),
        (user, "1", "n=1&n=2", "", Reject::ContractParameter),
        (user, "1", "n=%ff", "", Reject::ContractParameter),
        (user, "%ff", "", "", Reject::ContractParameter),
        (buy, "1", "", "{", Reject::BodySyntax),
        (buy, "1", "", "[]", Reject::ContractBody),
        (buy, "1", "", "{\"user\":\"2\"}", Reject::ContractParameter),
    ] {
        let name = if stored.method == Method::GET { "id" } else { "user" };
        let made = stored.request([(name, path)].into_iter(), Some(query), body.as_bytes());
        assert_eq!(made.unwrap_err().reject, reject, "{path} {query} {body}");
    }
}

#[test]
fn texts_are_of_the_types_of_their_variables() {
    let set = set(
        "[operations.a]\nmethod = \"GET\"\nquery = \"query($n: Int, $t: String, $f: String, $r: [ID!]) \
        { users(first: $n, after: $t, filter: {ids: $r, name: $f}) { id } }\"\n",
    );
    let made =
        set.operations[0].request(std::iter::empty(), Some("n=-3&t=5&f=&r=1&r=b"), b"").unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(made["variables"], json!({ "n": -3, "t": "5", "f": "", "r": ["1", "b"] }));
}

#[test]
fn an_answer_is_the_field_or_a_problem() {
    let keys = USER
        .replace(", $roles: [Role!]", "")
        .replace("[operations", "errors = { SOLD = 410 }\n[operations");
    let set = set(&(keys + BUY));
    let (user, buy) = (set.operation("user").unwrap(), set.operation("buy").unwrap());
    let error = |code: &str| json!({ "data": null, "errors": [{ "message": "no", "path": ["user"], "extensions": { "code": code, "stacktrace": ["secret"] } }] });
    for (stored, status, body, answered) in [
        (user, 200, json!({ "data": { "user": { "id": "1" } } }), (200, Some("{\"id\":\"1\"}"))),
        (user, 200, json!({ "data": { "user": null } }), (404, None)),
        (buy, 200, json!({ "data": { "buy": null } }), (200, Some("{\"buy\":null}"))),
        (user, 200, error("UNAUTHENTICATED"), (401, None)),
        (user, 200, error("FORBIDDEN"), (403, None)),
        (user, 200, error("NOT_FOUND"), (404, None)),
        (user, 400, error("BAD_USER_INPUT"), (400, None)),
        (user, 200, error("SOLD"), (410, None)),
        (user, 400, error("GRAPHQL_VALIDATION_FAILED"), (502, None)),
        (user, 200, error(""), (502, None)),
        (user, 503, json!({ "errors": [{ "message": "later" }] }), (503, None)),
        (user, 503, json!("later"), (503, None)),
        (user, 401, json!({ "message": "no" }), (401, None)),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let made = stored.answer(status, body.to_string().as_bytes()).unwrap();
        assert_eq!(made.status.as_u16(), answered.0, "{body}");
        let text = std::str::from_utf8(&made.body).unwrap();
        match answered.1 {
            Some(expected) => assert_eq!(text, expected),
            None => {
                let problem: Value = serde_json::from_str(text).unwrap();
                assert_eq!(made.kind, "application/problem+json");
                assert_eq!(problem["status"], answered.0);
                assert!(!text.contains("secret"), "{text}");
            }
        }
    }
    for (status, body) in [
        (200, "<html>"),
        (200, "{}"),
        (200, "[]"),
        (200, "{\"data\":{\"other\":1}}"),
        (404, "nothing"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(user.answer(status, body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_document_describes_what_is_asked_and_answered() {
    let set = set(&(USER.replace(", $roles: [Role!]", "") + BUY));
    let document = &set.document;
    let user = &document["paths"]["/users/{id}"]["get"];
    assert_eq!(user["operationId"], "user");
    assert_eq!(user["summary"], "One who buys");
    assert_eq!(
        user["parameters"][0],
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } })
    );
    assert_eq!(user["parameters"][1]["required"], false);
    let answer = &user["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(answer["anyOf"][1]["type"], "null");
    let object = &answer["anyOf"][0];
    assert_eq!(object["properties"]["name"]["type"], json!(["string", "null"]));
    assert_eq!(object["properties"]["role"]["enum"], json!(["BUYER", "SELLER"]));
    assert_eq!(
        object["properties"]["friends"]["items"]["properties"]["name"]["type"],
        json!(["string", "null"])
    );
    let buy = &document["paths"]["/users/{user}/orders"]["post"];
    let body = &buy["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"]["order"]["$ref"], "#/components/schemas/NewOrder");
    assert_eq!(body["additionalProperties"], false);
    let order = &document["components"]["schemas"]["NewOrder"];
    assert_eq!(order["required"], json!(["lines"]));
    assert_eq!(order["properties"]["lines"]["items"]["$ref"], "#/components/schemas/NewLine");
}
