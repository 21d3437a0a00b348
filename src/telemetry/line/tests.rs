//! Both forms, for chosen and for arbitrary records.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn record() -> Record<'static> {
    Record {
        time: 1_795_491_863_123,
        id: b"0195",
        client: Some(IpAddr::from([203, 0, 113, 7])),
        peer: Some(IpAddr::from([10, 0, 0, 1])),
        listener: "public",
        protocol: "HTTP/1.1",
        tls: Some(Tls { version: "TLSv1.3", cipher: "AES" }),
        method: b"GET",
        host: b"me:pw@api.example.com",
        path: b"/orders/7",
        query: Some(b"x=1&token=abc"),
        status: Some(502),
        reason: Some("upstream.reset"),
        cause: Some("no \"word\" more"),
        route: Some("orders"),
        upstream: Some("orders"),
        endpoint: Some("http://10.0.0.5:8080"),
        operation: Some(Operation {
            name: Some(b"Or ders"),
            kind: "query",
            depth: 3,
            cost: Some(7),
        }),
        reported: Some("authz.role"),
        user: Some(b"acme"),
        auth: Some("keys"),
        agent: Some(b"curl/8 \"x\""),
        referer: Some(b"https://a.example/?token=abc"),
        bytes_in: 5,
        bytes_out: 1_234,
        duration: 1_234_005,
        identify: Some(7),
        waited: Some(8),
        connect: Some(99),
        first_byte: Some(1_000),
        cache: Some("hit"),
        tries: 2,
    }
}

fn nothing() -> Record<'static> {
    Record {
        id: b"",
        peer: record().client,
        tls: None,
        host: b"",
        query: None,
        status: None,
        reason: None,
        cause: None,
        operation: None,
        reported: None,
        route: None,
        upstream: None,
        endpoint: None,
        user: None,
        auth: None,
        agent: None,
        referer: None,
        bytes_in: 0,
        identify: None,
        waited: None,
        connect: None,
        first_byte: None,
        cache: None,
        tries: 0,
        ..record()
    }
}

fn as_json(record: &Record<'_>, redaction: &Redaction) -> Value {
    let mut out = Vec::new();
    write_json(record, redaction, &mut out);
    assert!(!out.iter().any(u8::is_ascii_control));
    serde_json::from_slice(&out).unwrap()
}

fn as_text(record: &Record<'_>, redaction: &Redaction, paint: Paint) -> String {
    let mut out = Vec::new();
    write_text(record, redaction, paint, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_tells_all_that_is_known_and_nothing_that_is_not() {
    let redaction = Redaction::new(["token"]);
    let whole = json!({
        "time": "2026-11-24T03:44:23.123Z", "id": "0195", "client": "203.0.113.7",
        "peer": "10.0.0.1", "listener": "public", "protocol": "HTTP/1.1", "tls": "TLSv1.3",
        "cipher": "AES", "method": "GET", "host": "api.example.com", "path": "/orders/7",
        "query": "x=1&token=***", "status": 502, "reason": "upstream.reset", "cause": "no \"word\" more", "route": "orders",
        "upstream": "orders", "endpoint": "http://10.0.0.5:8080", "user": "acme", "auth": "keys", "reported": "authz.role",
        "operation": "Or ders", "operation_kind": "query", "operation_depth": 3, "operation_cost": 7,
        "agent": "curl/8 \"x\"", "referer": "https://a.example/?token=***", "bytes_in": 5,
        "bytes_out": 1234, "duration_us": 1_234_005, "identify_us": 7, "waited_us": 8, "connect_us": 99, "first_byte_us": 1000,
        "cache": "hit", "tries": 2,
    });
    assert_eq!(as_json(&record(), &redaction), whole);
    let least = json!({
        "time": "2026-11-24T03:44:23.123Z", "id": "", "client": "203.0.113.7",
        "listener": "public", "protocol": "HTTP/1.1", "method": "GET", "host": "",
        "path": "/orders/7", "bytes_in": 0, "bytes_out": 1234, "duration_us": 1_234_005,
        "tries": 0,
    });
    assert_eq!(as_json(&nothing(), &redaction), least);
}

#[test]
fn text_reads_from_left_to_right() {
    let redaction = Redaction::new(["token"]);
    assert_eq!(
        as_text(&record(), &redaction, Paint::Plain),
        "2026-11-24T03:44:23.123Z 203.0.113.7 GET api.example.com/orders/7?x=1&token=*** HTTP/1.1 \
         502 1234B 1234.005ms reason=upstream.reset reported=authz.role \
         operation=Or\\x20ders kind=query depth=3 cost=7 route=orders upstream=orders \
         endpoint=http://10.0.0.5:8080 cache=hit tries=2 identify=0.007ms waited=0.008ms connect=0.099ms first=1.000ms in=5B id=0195 \
         user=acme auth=keys peer=10.0.0.1 listener=public tls=TLSv1.3 cipher=AES cause=\"no \\\"word\\\" more\" agent=\"curl/8 \\\"x\\\"\" \
         referer=\"https://a.example/?token=***\""
    );
    assert_eq!(
        as_text(&nothing(), &redaction, Paint::Colour),
        "2026-11-24T03:44:23.123Z 203.0.113.7 GET -/orders/7 HTTP/1.1 - 1234B 1234.005ms id=- \
         listener=public"
    );
    let painted = as_text(&record(), &redaction, Paint::Colour);
    assert!(painted.contains(" \x1b[31m502\x1b[0m 1234B"));
}

#[test]
fn addresses_have_their_usual_form() {
    for text in ["0.0.0.0", "255.1.20.3", "::1", "2001:db8::7", "::ffff:1.2.3.4"] {
        let mut out = Vec::new();
        address(text.parse().unwrap(), &mut out);
        assert_eq!(out, text.as_bytes());
    }
}

fn lossy(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes))
}

/// Bytes that an attacker would choose as well as any others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        ".{0,20}".prop_map(String::into_bytes),
        "[\"\\\\\\r\\n\\x1b =a\u{9b}\u{202e}]{0,20}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn json_carries_every_field_back(
        texts in proptest::array::uniform8(bytes()),
        name in ".{0,20}",
        (client, peer) in any::<(Option<IpAddr>, Option<IpAddr>)>(),
        (status, tries) in any::<(Option<u16>, u32)>(),
        numbers in any::<(u64, u64, u64, Option<u64>, Option<u64>)>(),
    ) {
        let [id, method, host, path, query, user, agent, referer] = &texts;
        let record = Record {
            id, client, peer, method, host, path, status, tries,
            listener: &name,
            reason: Some(&name),
            query: Some(query),
            user: Some(user),
            agent: Some(agent),
            referer: Some(referer),
            bytes_in: numbers.0,
            bytes_out: numbers.1,
            duration: numbers.2,
            identify: None,
            waited: None,
            connect: numbers.3,
            first_byte: numbers.4,
            ..record()
        };
        let line = as_json(&record, &Redaction::default());
        for (key, value) in [
            ("id", lossy(id)), ("method", lossy(method)), ("path", lossy(path)),
            ("host", lossy(record.host())), ("query", lossy(query)), ("user", lossy(user)),
            ("agent", lossy(agent)), ("listener", json!(name)), ("reason", json!(name)),
            ("client", json!(client.map_or_else(|| "unix".into(), |ip| ip.to_string()))), ("tries", json!(tries)),
            ("bytes_in", json!(numbers.0)), ("bytes_out", json!(numbers.1)),
            ("duration_us", json!(numbers.2)),
        ] {
            prop_assert_eq!(&line[key], &value, "{}", key);
        }
        prop_assert_eq!(&line["status"], &json!(status));
        prop_assert_eq!(&line["connect_us"], &json!(numbers.3));
        prop_assert_eq!(&line["first_byte_us"], &json!(numbers.4));
        prop_assert_eq!(line.get("peer").is_some(), peer.is_some() && client != peer);
        if !referer.contains(&b'@') {
            prop_assert_eq!(&line["referer"], &lossy(referer));
        }
    }

    #[test]
    fn text_stays_one_line_of_words(texts in proptest::array::uniform8(bytes()), name in ".{0,20}") {
        let [id, method, host, path, query, user, agent, referer] = &texts;
        let record = Record {
            id, method, host, path,
            listener: &name,
            route: Some(&name),
            query: Some(query),
            user: Some(user),
            agent: Some(agent),
            referer: Some(referer),
            ..record()
        };
        let line = as_text(&record, &Redaction::new(["a"]), Paint::Plain);
        prop_assert!(!line.chars().any(char::is_control));
        let head = line.split(" cause=").next().unwrap();
        // Time, client, request, status, size and duration are 8; the pairs up to the cause 23.
        prop_assert_eq!(head.split(' ').count(), 31, "{}", line);
        prop_assert!(head.split(' ').all(|word| !word.is_empty()));
    }

    #[test]
    fn a_hidden_value_is_in_neither_form(
        before in "[a-z&;=]{0,8}", secret in "SECRET[0-9;#?@:]{0,6}", after in "[a-z&=]{0,8}",
        (encoded, tail) in (any::<bool>(), "[/@]{0,3}"), front in "(https://user:SECRET@a/|/x|//a/|a)",
    ) {
        let name = if encoded { "%54oken" } else { "toKEN" };
        let query = format!("{before}&{name}={secret}{tail}&{after}");
        let referer = format!("{front}?{query}");
        let record = Record {
            query: Some(query.as_bytes()), referer: Some(referer.as_bytes()), ..record()
        };
        let redaction = Redaction::new(["token"]);
        prop_assert!(!as_json(&record, &redaction).to_string().contains("SECRET"));
        prop_assert!(!as_text(&record, &redaction, Paint::Plain).contains("SECRET"));
    }
}
