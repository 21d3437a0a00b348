//! What the origin is told of whoever makes a request, and what nobody else can make it believe.

use super::{basic, gateway, hash, key, send, setup};
use crate::support::Origin;

fn sections() -> String {
    let hash = hash();
    let keys = [
        key("good", "k-good", ", owner = \"acme\", roles = [\"buyer\", \"a,b\"], scopes = \"x\""),
        key("bare", "k-bare", ""),
    ];
    format!(
        "[auth.keys]\nidentity-headers = {{ x-user = \"sub\", x-owner = \"owner\", x-roles = \"roles\" }}\n\
         api-key = {{ keys = [{}] }}\n\
         [auth.staff]\nidentity-headers = {{ x-staff = \"sub\", x-roles = \"roles\" }}\n\
         basic = {{ users = {{ alice = {{ hash = \"{hash}\", roles = \"admin\" }}, \"zoë\\u0001\" = \"{hash}\" }} }}\n",
        keys.join(", ")
    )
    .replace("\\u0001", "")
}

#[tokio::test]
async fn the_origin_is_told_who_it_is() {
    let (janua, origin) = gateway(&sections(), "auth = [\"keys\", \"staff\"]").await;
    let key = "X-Api-Key: k-good\r\n".to_owned();
    for (fields, told) in [
        (key, [Some("good"), Some("acme"), Some("buyer,a%2Cb"), None]),
        ("X-Api-Key: k-bare\r\n".into(), [Some("bare"), None, Some(""), None]),
        (basic("alice", "secret"), [None, None, Some("admin"), Some("alice")]),
        (basic("zoë", "secret"), [None, None, Some(""), Some("zo%C3%AB")]),
    ] {
        assert_eq!(send(&janua, "GET /", &fields).await.status(), 200, "{fields}");
        let seen = origin.last();
        for (name, value) in ["x-user", "x-owner", "x-roles", "x-staff"].iter().zip(told) {
            assert_eq!(seen.field(name).as_deref(), value, "{name} of {fields}");
        }
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_never_passes_on_any_route() {
    let origin = Origin::ok().await;
    let open = format!(
        "{}\n[[route]]\npath = \"/open\"\nto = \"{}\"\n[[route]]\npath = \"/rule\"\nto = \"{}\"\n\
         headers = {{ x-user = \"root\" }}\n",
        sections(),
        origin.url,
        origin.url
    );
    let janua = setup(&origin, &open, "auth = \"keys\"")
        .listener("h2c = true\ntrusted-proxies = [\"127.0.0.0/8\"]")
        .start()
        .await;
    let forged = "X-User: root\r\nX_USER: root\r\nx-user: admin\r\nX-Owner: root\r\nX_Roles: root\r\n\
                  x-Staff: root\r\nConnection: X-User, X-Roles\r\nX-Users: kept\r\n";
    for (target, told) in [("/open", [None, None]), ("/", [Some("bare"), Some("")])] {
        let answer =
            send(&janua, &format!("GET {target}"), &format!("X-Api-Key: k-bare\r\n{forged}")).await;
        assert_eq!(answer.status(), 200, "{target}");
        let seen = origin.last();
        assert!(!format!("{seen:?}").contains("root"), "{target}: {seen:?}");
        assert_eq!([seen.field("x-user").as_deref(), seen.field("x-roles").as_deref()], told);
        assert_eq!(seen.field("x-users").as_deref(), Some("kept"));
    }
    let answer = send(&janua, "GET /rule", "X-User: root\r\n").await;
    answer.assert_refused(401, "auth.missing", "a forged field chooses no route");
    let request = http::Request::get("http://a.example/open")
        .header("x-user", "root")
        .header("x_roles", "root")
        .body(())
        .unwrap();
    let (answer, _) = janua.http2().await.begin(request, true).await.answer().await;
    assert_eq!(answer.status(), 200);
    assert!(!format!("{:?}", origin.last()).contains("root"), "{:?}", origin.last());
}

/// Many an origin takes trailers for header fields.
#[tokio::test]
async fn trailers_say_nothing_that_only_the_gateway_says() {
    let (janua, origin) = gateway(&sections(), "auth = \"keys\"").await;
    let mut client = janua.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.example\r\nX-Api-Key: k-bare\r\nTE: trailers\r\n\
             Trailer: x-user, X_User, x-sum, x-forwarded-for, authorization\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-user: root\r\nX_User: root\r\n\
             x-sum: 7\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: root\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status(), 200);
    let seen = origin.last();
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    assert_eq!(seen.field("x-user").as_deref(), Some("bare"));
}

/// A rule of the route cannot say it either: what Janua says of a client comes last.
#[tokio::test]
async fn a_rule_does_not_speak_for_a_client() {
    let route = "auth = \"keys\"\nrequest-headers = { set = { x-user = \"rule\" } }";
    let (janua, origin) = gateway(&sections(), route).await;
    send(&janua, "GET /", "X-Api-Key: k-bare\r\n").await;
    assert_eq!(origin.last().values("x-user"), ["bare"]);
}

#[tokio::test]
async fn any_of_several_is_enough_and_what_is_wrong_does_not_hide_what_is_right() {
    let (janua, origin) = gateway(&sections(), "auth = [\"keys\", \"staff\"]").await;
    let right = basic("alice", "secret");
    for (fields, status, reason) in [
        (String::new(), 401, "auth.missing"),
        (right.clone(), 200, ""),
        ("X-Api-Key: k-good\r\n".into(), 200, ""),
        (format!("X-Api-Key: bad\r\n{right}"), 200, ""),
        (format!("X-Api-Key: k-good\r\n{}", basic("alice", "bad")), 200, ""),
        (format!("X-Api-Key: bad\r\n{}", basic("alice", "bad")), 401, "auth.key.unknown"),
        (basic("alice", "bad"), 401, "auth.basic.wrong"),
        ("X-Api-Key: bad\r\n".into(), 401, "auth.key.unknown"),
    ] {
        let answer = send(&janua, "GET /", &fields).await;
        assert_eq!((answer.status(), &*answer.reason()), (status, reason), "{fields}");
        if status == 401 {
            let challenges = answer.values("www-authenticate");
            let expected = [
                "ApiKey realm=\"keys\", header=\"x-api-key\"",
                "Basic realm=\"staff\", charset=\"UTF-8\"",
            ];
            assert_eq!(challenges, expected, "{fields}");
        } else {
            let seen = origin.last();
            assert_eq!((seen.field("authorization"), seen.field("x-api-key")), (None, None));
        }
    }
}

#[tokio::test]
async fn all_of_several_may_be_asked_for_and_then_both_speak() {
    let route = "auth = [\"keys\", \"staff\"]\nrequire = \"all\"\nallow.role = \"admin\"";
    let (janua, origin) = gateway(&sections(), route).await;
    let (key, right) = ("X-Api-Key: k-good\r\n", basic("alice", "secret"));
    for (fields, status, reason) in [
        (String::new(), 401, "auth.missing"),
        (key.to_owned(), 401, "auth.missing"),
        (right.clone(), 401, "auth.missing"),
        (format!("{key}{}", basic("alice", "bad")), 401, "auth.basic.wrong"),
        (format!("X-Api-Key: bad\r\n{right}"), 401, "auth.key.unknown"),
        (format!("{key}{right}"), 200, ""),
    ] {
        let answer = send(&janua, "GET /", &fields).await;
        assert_eq!((answer.status(), &*answer.reason()), (status, reason), "{fields}");
    }
    let seen = origin.last();
    let told = ["x-user", "x-staff", "x-roles"].map(|name| seen.field(name));
    assert_eq!(told, ["good", "alice", "buyer,a%2Cb"].map(|value| Some(value.into())));
}
