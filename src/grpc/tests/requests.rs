//! What clients say, and what the service is told.

use proptest::prelude::*;
use prost_reflect::{DynamicMessage, Value};

use super::*;
use crate::reject::Reject;

/// What the service is told, as the library's own JSON; or the reason and all that is wrong.
fn told(
    operation: &Operation,
    params: &[(&str, &str)],
    query: &str,
    body: &str,
) -> Result<String, String> {
    let param =
        |name: &str| params.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let query = Some(query).filter(|query| !query.is_empty());
    match operation.request(param, query, body.as_bytes()) {
        Ok(frame) => {
            let message = crate::grpc::frame::only(&frame, 1 << 30).unwrap();
            let message = DynamicMessage::decode(operation.rpc.input.clone(), message).unwrap();
            Ok(serde_json::to_string(&message).unwrap())
        }
        Err(refused) => {
            let each = refused.violations.iter().map(ToString::to_string);
            Err(format!("{} {}", refused.reject.reason(), each.collect::<Vec<_>>().join("; ")))
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn path_query_and_body_become_one_message() {
    let services = greeter(&Options::default());
    for (what, params, query, body, expected) in [
        ("GET /v1/hello/{name}", &[("name", "Ada")][..], "", "", r#"{"name":"Ada"}"#),
        ("GET /v1/hello/{name}", &[("name", "A%20b%2Fc")], "", "", r#"{"name":"A b/c"}"#),
        (
            "GET /v1/hello/{name}",
            &[("name", "Ada")],
            "times=3&volume=LOUD&titles=Dr.&titles=a+b%26&extra.more.note=x&at=2030-01-31T12:00:00Z&polite=true&big_number=9007199254740993",
            "",
            r#"{"name":"Ada","times":3,"volume":"LOUD","titles":["Dr.","a b&"],"extra":{"more":{"note":"x"}},"at":"2030-01-31T12:00:00Z","polite":true,"bigNumber":"9007199254740993"}"#,
        ),
        (
            "GET /v1/hello/{name}",
            &[("name", "a")],
            "volume=2&bigNumber=0",
            "",
            r#"{"name":"a","volume":"QUIET","bigNumber":"0"}"#,
        ),
        ("POST /v1/hello", &[], "", r#"{"name":"Ada","times":2}"#, r#"{"name":"Ada","times":2}"#),
        ("POST /v1/hello", &[], "", "", "{}"),
        ("SEARCH /v1/hello", &[], "", "{}", "{}"),
        (
            "GET /v1/shelves/{name}/books/{name-2}",
            &[("name", "1"), ("name-2", "b%20c")],
            "",
            "",
            r#"{"name":"shelves/1/books/b c"}"#,
        ),
        (
            "PATCH /v1/shelves/{book-name}/books/{book-name-2}",
            &[("book-name", "1"), ("book-name-2", "2")],
            "updateMask=title,pages&force=true",
            r#"{"name":"forged","title":"T","pages":7}"#,
            r#"{"book":{"name":"shelves/1/books/2","title":"T","pages":7},"updateMask":"title,pages","force":true}"#,
        ),
        (
            "GET /v1/files/{name*}",
            &[("name", "a/b%2Fc/d%20e")],
            "",
            "",
            r#"{"name":"a/b%2Fc/d e"}"#,
        ),
        (
            "GET /v1/copies/{name}/{title*}",
            &[("name", "a%2Fb"), ("title", "c%2Fd/e")],
            "",
            "",
            r#"{"name":"a/b","title":"c%2Fd/e"}"#,
        ),
        (
            "GET /v1/books:list",
            &[],
            "pageSize=10&volumes=LOUD&volumes=2",
            "",
            r#"{"pageSize":10,"volumes":["LOUD","QUIET"]}"#,
        ),
    ] {
        let operation = operation(&services, what);
        assert_eq!(
            told(&operation, params, query, body).as_deref(),
            Ok(expected),
            "{what} {query} {body}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_does_not_fit_the_types_is_said_all_at_once_and_with_its_place() {
    let services = greeter(&Options::default());
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    for (what, query, body, expected) in [
        ("GET /v1/hello/{name}", "none=1", "", "contract.parameter query none: is not known"),
        (
            "GET /v1/hello/{name}",
            "name=x",
            "",
            "contract.parameter query name: is not said by the query",
        ),
        (
            "GET /v1/hello/{name}",
            "times=x",
            "",
            "contract.parameter query times: has to be a whole number that fits its type",
        ),
        (
            "GET /v1/hello/{name}",
            "times=2147483648",
            "",
            "contract.parameter query times: has to be a whole number that fits its type",
        ),
        (
            "GET /v1/hello/{name}",
            "times=1&times=2",
            "",
            "contract.parameter query times: is there more than once",
        ),
        (
            "GET /v1/hello/{name}",
            "bigNumber=1&big_number=2",
            "",
            "contract.parameter query big_number: is there more than once",
        ),
        (
            "GET /v1/hello/{name}",
            "byMail=1&byPhone=2",
            "",
            "contract.parameter query byPhone: excludes another field that is there",
        ),
        (
            "GET /v1/hello/{name}",
            "volume=SHRILL&at=soon",
            "",
            "contract.parameter query volume: is none of the values of its type; query at: has to be a time like \"2030-01-31T12:00:00Z\"",
        ),
        ("GET /v1/hello/{name}", "extra=1", "", "contract.parameter query extra: is not known"),
        ("GET /v1/hello/{name}", "labels=1", "", "contract.parameter query labels: is not known"),
        ("GET /v1/hello/{name}", "times=%ff", "", "contract.parameter query times: is not UTF-8"),
        (
            "GET /v1/hello/{name}",
            "polite=yes",
            "",
            "contract.parameter query polite: has to be `true` or `false`",
        ),
        ("GET /v1/hello/{name}", "", "{}", "contract.body body: is not taken here"),
        (
            "POST /v1/hello",
            "times=1",
            "{}",
            "contract.parameter query times: is not said by the query",
        ),
        ("POST /v1/hello", "", "[]", "contract.body body: has to be an object"),
        ("POST /v1/hello", "", "nul", "body.syntax"),
        ("POST /v1/hello", "", "{\"name\":\"a\",\"name\":\"b\"}", "body.syntax"),
        ("POST /v1/hello", "", &deep, "body.syntax"),
        (
            "POST /v1/hello",
            "",
            "{\"name\":1,\"times\":1.5,\"extra\":{\"note\":[]},\"titles\":[\"a\",2],\"x/y~\":1}",
            "contract.body body /name: has to be a string; body /times: has to be a whole number that fits its type; body /extra/note: has to be a string; body /titles/1: has to be a string; body /x~1y~0: is not known",
        ),
        (
            "POST /v1/hello",
            "",
            "{\"titles\":\"a\",\"labels\":[],\"extra\":3}",
            "contract.body body /titles: has to be an array; body /labels: has to be an object; body /extra: has to be an object",
        ),
        (
            "POST /v1/hello",
            "",
            "{\"titles\":[null]}",
            "contract.body body /titles/0: has to be a string",
        ),
        (
            "POST /v1/hello",
            "",
            "{\"byMail\":\"\",\"byPhone\":\"\"}",
            "contract.body body /byPhone: excludes another field that is there",
        ),
        (
            "POST /v1/hello",
            "",
            "{\"bigNumber\":1,\"big_number\":2}",
            "contract.body body /big_number: is there by another name, too",
        ),
        (
            "POST /v1/hello",
            "",
            "{\"volume\":\"SHRILL\"}",
            "contract.body body /volume: is none of the values of its type",
        ),
        (
            "POST /greeter.v1.Greeter/Everything",
            "",
            r#"{"aBool":"true","aBytes":"***","aFloat":1e39,"aDouble":"inf","aUint32":-1,"aInt64":"9223372036854775808","byNumber":{"x":{}},"byBool":{"1":1},"timestamp":"soon","duration":"1","mask":3,"struct":[],"any":{"@type":"type.googleapis.com/none.None"},"wrapped":"x"}"#,
            "contract.body body /aBool: has to be `true` or `false`; body /aBytes: has to be a string of base64; body /aFloat: has to be a number that fits its type; body /aDouble: has to be a number that fits its type; body /aUint32: has to be a whole number, not negative, that fits its type; body /aInt64: has to be a whole number that fits its type; body /byNumber/x: is not a key of its type; body /byBool/1: is not a key of its type; body /timestamp: has to be a time like \"2030-01-31T12:00:00Z\"; body /duration: has to be a duration like \"1.5s\"; body /mask: has to be a list of fields like \"name,size.height\"; body /struct: has to be an object; body /any: has to be an object with an `@type` that is known; body /wrapped: has to be a whole number that fits its type",
        ),
    ] {
        let operation = operation(&services, what);
        let wrong = told(&operation, &[("name", "Ada")], query, body).expect_err(body);
        match expected {
            "body.syntax" => assert!(wrong.starts_with("body.syntax "), "{body}: {wrong}"),
            expected => assert_eq!(wrong, expected, "{what} {query} {body}"),
        }
    }
    let bad = operation(&services, "GET /v1/hello/{name}");
    assert_eq!(
        told(&bad, &[("name", "%ff")], "", "").unwrap_err(),
        "contract.parameter path name: is not UTF-8"
    );
}

#[test]
fn what_is_not_known_passes_where_that_was_asked_for() {
    let options = Options { lenient: true, lenient_query: true, ..Options::default() };
    let services = greeter(&options);
    let hello = operation(&services, "POST /v1/hello");
    let body = r#"{"name":"a","none":{"x":1},"volume":"SHRILL","extra":{"none":1}}"#;
    assert_eq!(told(&hello, &[], "", body).unwrap(), r#"{"name":"a","extra":{}}"#);
    assert!(told(&hello, &[], "", r#"{"name":1}"#).is_err());
    let get = operation(&services, "GET /v1/hello/{name}");
    assert_eq!(told(&get, &[("name", "a")], "utm=1&name=x", "").unwrap(), r#"{"name":"a"}"#);
}

/// What all types look like in JSON, on the way in and on the way out.
#[test]
fn json_is_protobufs_own_both_ways() {
    let services = greeter(&Options::default());
    let all = operation(&services, "POST /greeter.v1.Greeter/Everything");
    for (json, expected) in [
        ("{}", None),
        (
            r#"{"aDouble":1.5,"aFloat":0.5,"aInt32":-1,"aInt64":"-9223372036854775808","aUint32":4294967295,"aUint64":"18446744073709551615"}"#,
            None,
        ),
        (
            r#"{"aSint32":-1,"aSint64":"-1","aFixed32":1,"aFixed64":"1","aSfixed32":-1,"aSfixed64":"-1","aBool":true,"aString":"☂\u0000"}"#,
            None,
        ),
        (r#"{"aBytes":"AP8="}"#, None),
        (r#"{"aBytes":"AP8"}"#, Some(r#"{"aBytes":"AP8="}"#)),
        (r#"{"aBytes":"_-8"}"#, Some(r#"{"aBytes":"/+8="}"#)),
        (
            r#"{"aInt64":5,"aInt32":"5","aUint64":5.0,"list":[1,"2",3e2]}"#,
            Some(r#"{"aInt32":5,"aInt64":"5","aUint64":"5","list":["1","2","300"]}"#),
        ),
        (r#"{"aDouble":"NaN","aFloat":"-Infinity"}"#, None),
        (r#"{"aDouble":"1.5"}"#, Some(r#"{"aDouble":1.5}"#)),
        (r#"{"aVolume":"LOUD"}"#, None),
        (r#"{"aVolume":2}"#, Some(r#"{"aVolume":"QUIET"}"#)),
        (r#"{"aVolume":77}"#, None),
        (r#"{"aMessage":{"aMessage":{"aString":"x"}},"messages":[{},{"aBool":true}]}"#, None),
        (r#"{"byName":{"a":1}}"#, None),
        (r#"{"byNumber":{"-5":{"aBool":true}},"byBool":{"true":"LOUD"}}"#, None),
        (r#"{"timestamp":"2030-01-31T12:00:00.123Z","duration":"-1.500s","mask":"aB,cD.e"}"#, None),
        (
            r#"{"struct":{"a":[1,null,{"b":true}]},"value":[null],"listValue":[1,"a"]}"#,
            Some(r#"{"struct":{"a":[1.0,null,{"b":true}]},"value":[null],"listValue":[1.0,"a"]}"#),
        ),
        (r#"{"value":null,"null":null}"#, Some(r#"{"value":null}"#)),
        (r#"{"any":{"@type":"type.googleapis.com/greeter.v1.Extra","note":"n"},"empty":{}}"#, None),
        (r#"{"wrapped":"0","wrappedString":""}"#, None),
        (r#"{"other-name":"x"}"#, None),
        (r#"{"renamed":"x","a_string":"y"}"#, Some(r#"{"aString":"y","other-name":"x"}"#)),
        (
            r#"{"aString":null,"list":null,"aMessage":null,"timestamp":null,"wrapped":null,"byName":null}"#,
            Some("{}"),
        ),
        (r#"{"aString":"","list":[],"byName":{}}"#, Some("{}")),
    ] {
        let frame = all.request(|_| None, None, json.as_bytes());
        let frame = frame.unwrap_or_else(|refused| panic!("{json}: {:?}", refused.violations));
        let mut out = Vec::new();
        all.json(&frame[5..], &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&out), value(expected.unwrap_or(json)), "{json}");
    }
}

proptest! {
    #[test]
    fn messages_come_back_as_they_were(
        text in ".*", number: i64, unsigned: u64, double: f32, bytes: Vec<u8>, list: Vec<i64>,
        names in prop::collection::hash_map(".*", any::<i32>(), 0..5), depth in 0_usize..20,
    ) {
        let services = shared();
        let all = operation(&services, "POST /greeter.v1.Greeter/Everything");
        let mut message = DynamicMessage::new(all.rpc.input.clone());
        message.set_field_by_name("a_string", Value::String(text));
        message.set_field_by_name("a_int64", Value::I64(number));
        message.set_field_by_name("a_uint64", Value::U64(unsigned));
        // The library takes -0 for a default, and `serde_json` reads the last digit of some doubles as its neighbour.
        let double = if double.is_nan() || double == 0.0 { 1.0 } else { double };
        message.set_field_by_name("a_float", Value::F32(double));
        message.set_field_by_name("a_bytes", Value::Bytes(bytes.into()));
        message.set_field_by_name("list", Value::List(list.into_iter().map(Value::I64).collect()));
        let names = names.into_iter().map(|(name, n)| (prost_reflect::MapKey::String(name), Value::I32(n)));
        message.set_field_by_name("by_name", Value::Map(names.collect()));
        for _ in 0..depth {
            let mut outer = DynamicMessage::new(all.rpc.input.clone());
            outer.set_field_by_name("a_message", Value::Message(message));
            message = outer;
        }
        use prost::Message as _;
        let sent = message.encode_to_vec();
        let mut json = Vec::new();
        all.json(&sent, &mut json).unwrap();
        let frame = all.request(|_| None, None, &json).unwrap();
        let back = DynamicMessage::decode(all.rpc.input.clone(), &frame[5..]).unwrap();
        // A type that holds itself cannot be shown: the library would show it for ever.
        // What was set to its default is not there any more.
        let sent = DynamicMessage::decode(all.rpc.input.clone(), &sent[..]).unwrap();
        prop_assert!(back == sent, "{}", String::from_utf8_lossy(&json));
    }

    #[test]
    fn no_request_panics(
        query in "([a-zA-Z_.]{0,9}=[\\PC%+]{0,9}&?)*", body in "\\PC*", name in "\\PC*",
    ) {
        let services = shared();
        for operation in &services.operations {
            let _ = operation.request(|_| Some(&*name), Some(&query), body.as_bytes());
        }
    }

    #[test]
    fn no_json_panics(json in json()) {
        let services = shared();
        let all = operation(&services, "POST /greeter.v1.Greeter/Everything");
        match all.request(|_| None, None, json.to_string().as_bytes()) {
            // What is taken can be said again.
            Ok(frame) => prop_assert!(all.json(&frame[5..], &mut Vec::new()).is_ok(), "{json}"),
            Err(refused) => prop_assert!(matches!(refused.reject, Reject::ContractBody | Reject::BodySyntax)),
        }
    }
}

/// JSON by the names of fields, with values of every kind.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let names: Vec<String> = {
        let services = shared();
        let all = operation(&services, "POST /greeter.v1.Greeter/Everything");
        all.rpc.input.fields().map(|field| field.json_name().to_owned()).collect()
    };
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        "[0-9.eE+-]{0,9}s?".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(prop::sample::select(names.clone()), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn shared() -> Arc<Services> {
    static SERVICES: std::sync::OnceLock<Arc<Services>> = std::sync::OnceLock::new();
    SERVICES.get_or_init(|| Arc::new(greeter(&Options::default()))).clone()
}
