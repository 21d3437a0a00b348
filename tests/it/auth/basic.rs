//! Users and passwords: which are let in, what a wrong one costs and says, and Apache's own files.

use std::process::Command;

use super::{basic, gateway, hash, hashes, send, setup};
use crate::support::Origin;

fn staff(more: &str) -> String {
    let hash = hash();
    format!(
        "[auth.staff]\nlock-out.attempts = 0\n[auth.staff.basic]\n{more}\nusers.alice = \"{hash}\"\n\
         users.bob = {{ hash = \"{hash}\", roles = \"admin\" }}\n\"users\".\"zoë\" = \"{hash}\"\n"
    )
}

#[tokio::test]
async fn what_is_no_right_user_and_password_is_refused_with_its_reason() {
    let (janua, origin) = gateway(&staff(""), "auth = \"staff\"").await;
    let huge = basic("alice", &"x".repeat(10_000));
    let (right, wrong) = (basic("alice", "secret"), basic("alice", "Secret"));
    for (fields, status, reason) in [
        ("", 401, "auth.missing"),
        ("Authorization: Bearer x\r\n", 401, "auth.missing"),
        ("Authorization: Basics YWxpY2U6c2VjcmV0\r\n", 401, "auth.missing"),
        ("Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n", 401, "auth.missing"),
        ("Authorization: Basic\r\n", 401, "auth.basic.malformed"),
        ("Authorization: Basic %%%\r\n", 401, "auth.basic.malformed"),
        ("Authorization: Basic alice:secret\r\n", 401, "auth.basic.malformed"),
        ("Authorization: Basic YWxpY2U6c2VjcmV0 x\r\n", 401, "auth.basic.malformed"),
        ("Authorization: Basic YWxpY2U=\r\n", 401, "auth.basic.malformed"),
        // `alice:` with a NUL, and with what is no UTF-8.
        ("Authorization: Basic YWxpY2U6AA==\r\n", 401, "auth.basic.malformed"),
        ("Authorization: Basic YWxpY2U6/w==\r\n", 401, "auth.basic.malformed"),
        (&huge, 401, "auth.basic.malformed"),
        (&wrong, 401, "auth.basic.wrong"),
        (&basic("alice", ""), 401, "auth.basic.wrong"),
        (&basic("alice", "secret "), 401, "auth.basic.wrong"),
        (&basic("alice", "secret:"), 401, "auth.basic.wrong"),
        (&basic("Alice", "secret"), 401, "auth.basic.wrong"),
        (&basic("", "secret"), 401, "auth.basic.wrong"),
        (&basic("mallory", "secret"), 401, "auth.basic.wrong"),
        (&basic("alice", &hash()), 401, "auth.basic.wrong"),
        (&format!("{wrong}{right}"), 400, "auth.ambiguous"),
        (&format!("{right}{right}"), 400, "auth.ambiguous"),
    ] {
        let answer = send(&janua, "GET /", fields).await;
        answer.assert_refused(status, reason, fields);
        let challenge = answer.field("www-authenticate");
        let expected = (status == 401).then_some("Basic realm=\"staff\", charset=\"UTF-8\"");
        assert_eq!(challenge.as_deref(), expected, "{fields}");
    }
    assert_eq!(origin.requests().len(), 0, "something got through");
}

#[tokio::test]
async fn a_right_password_lets_in_is_hashed_once_and_goes_no_further() {
    let (janua, origin) = gateway(&staff(""), "auth = \"staff\"").await;
    for _ in 0..5 {
        assert_eq!(send(&janua, "GET /", &basic("alice", "secret")).await.status(), 200);
    }
    assert_eq!(hashes(&janua), 1, "it is remembered");
    assert_eq!(send(&janua, "GET /", &basic("zoë", "secret")).await.status(), 200);
    assert_eq!(hashes(&janua), 2, "what is remembered is one user's");
    assert_eq!(origin.last().field("authorization"), None);
    let lower = basic("bob", "secret").replace("Basic", "basic");
    assert_eq!(send(&janua, "GET /bob", &lower).await.status(), 200);
    let line = janua.logged("bob", |line| line["path"] == "/bob").await;
    assert_eq!((&line["user"], &line["auth"]), (&"bob".into(), &"staff".into()));
}

/// By the count of hashes: a clock would tell more of the machine than of the code.
#[tokio::test]
async fn nobody_can_tell_an_unknown_user_from_a_wrong_password() {
    let (janua, _origin) = gateway(&staff(""), "auth = \"staff\"").await;
    let mut answers = Vec::new();
    for user in ["alice", "mallory", "bob", "", "alic"] {
        let before = hashes(&janua);
        let answer = send(&janua, "GET /", &basic(user, "wrong")).await;
        assert_eq!(hashes(&janua), before + 1, "{user}");
        let mut fields = answer.fields.clone();
        fields.retain(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
        answers.push((answer.line, answer.body.len(), fields));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
    let before = hashes(&janua);
    send(&janua, "GET /", &basic("alice", "wrong")).await;
    assert_eq!(hashes(&janua), before + 1, "what is wrong is never remembered");
}

#[tokio::test]
async fn nothing_is_remembered_where_that_is_not_wanted_nor_after_the_password_changed() {
    let origin = Origin::ok().await;
    let route = "auth = \"staff\"";
    let janua = setup(&origin, &staff("remember = \"0s\""), route).start().await;
    for count in 1..4 {
        assert_eq!(send(&janua, "GET /", &basic("alice", "secret")).await.status(), 200);
        assert_eq!(hashes(&janua), count);
    }
    janua.reload(&setup(&origin, &staff(""), route)).await.unwrap();
    assert_eq!(send(&janua, "GET /", &basic("alice", "secret")).await.status(), 200);
    let new = bcrypt::hash("other", 4).unwrap();
    let changed = format!("[auth.staff]\nbasic.users.alice = \"{new}\"");
    janua.reload(&setup(&origin, &changed, route)).await.unwrap();
    let answer = send(&janua, "GET /", &basic("alice", "secret")).await;
    answer.assert_refused(401, "auth.basic.wrong", "the old password");
    assert_eq!(send(&janua, "GET /", &basic("alice", "other")).await.status(), 200);
}

#[tokio::test]
async fn more_passwords_than_may_wait_are_refused_and_the_gateway_goes_on() {
    // Slow enough that one is not over before the others come.
    let slow = bcrypt::hash("secret", 12).unwrap();
    let sections = format!(
        "[auth.staff]\nbasic = {{ max-hashing = 1, max-waiting = 0, users = {{ alice = \"{slow}\" }} }}\n\
         [[route]]\npath = \"/open\"\nto = {{ status = 204 }}\n"
    );
    let (janua, _origin) = gateway(&sections, "auth = \"staff\"").await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = janua.client().await;
        let fields = basic("alice", "secret");
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")).await;
        clients.push(client);
    }
    assert_eq!(janua.get("/open").await.status(), 204, "the worker is free");
    let mut statuses = Vec::new();
    for client in &mut clients {
        let answer = client.answer().await;
        if answer.status() != 200 {
            answer.assert_refused(503, "auth.busy", "too many");
            assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
        }
        statuses.push(answer.status());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[3]), (200, 503), "{statuses:?}");
}

/// `htpasswd` of Apache, from Debian's apache2-utils.
fn htpasswd(arguments: &[&str]) -> String {
    let made = Command::new("htpasswd").args(arguments).output();
    let made = made.expect("htpasswd of apache2-utils is there; tests/run installs it");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_file_of_apaches_making_lets_its_users_in_and_its_weak_hashes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    let strong = htpasswd(&["-nbB", "-C", "5", "alice", "pä:ss"]);
    std::fs::write(&file, format!("# staff\n{strong}\n\n")).unwrap();
    let sections = format!(
        "[auth.staff]\nidentity-headers = {{ x-roles = \"roles\" }}\n\
         basic = {{ file = \"{}\", roles = [\"staff\"] }}",
        file.display()
    );
    let origin = Origin::ok().await;
    let setup = setup(&origin, &sections, "auth = \"staff\"");
    let janua = setup.clone().start().await;
    assert_eq!(send(&janua, "GET /", &basic("alice", "pä:ss")).await.status(), 200);
    assert_eq!(origin.last().field("x-roles").as_deref(), Some("staff"));
    for (kind, flag, named) in [
        ("MD5", "-nbm", "$apr1$"),
        ("SHA-1", "-nbs", "{SHA}"),
        ("crypt", "-nbd", "crypt"),
        ("plain", "-nbp", "password itself"),
    ] {
        let weak = htpasswd(&[flag, "bob", "hunter2x"]);
        std::fs::write(&file, format!("{strong}\n{weak}\n")).unwrap();
        let report = janua.reload(&setup).await.err().unwrap().to_string();
        for expected in
            [&*format!("{}:2: ", file.display()), named, "htpasswd -B", "janua password"]
        {
            assert!(report.contains(expected), "{kind}: no {expected}: {report}");
        }
        assert!(!report.contains("hunter2x"), "{report}");
    }
    assert_eq!(send(&janua, "GET /", &basic("alice", "pä:ss")).await.status(), 200);
}

/// What the access log says of time is what was waited for.
#[tokio::test]
async fn the_log_tells_how_long_hashing_and_connecting_took() {
    let (janua, _origin) = gateway(&staff(""), "auth = \"staff\"").await;
    let mut client = janua.client().await;
    for target in ["/first", "/again"] {
        let answer = client.request(&format!("GET {target}"), &basic("alice", "secret")).await;
        assert_eq!(answer.status(), 200);
    }
    let first = janua.logged("first", |line| line["path"] == "/first").await;
    let times = ["identify_us", "connect_us", "first_byte_us", "duration_us"];
    let [identify, connect, first_byte, whole] = times.map(|name| first[name].as_u64().unwrap());
    assert!(identify > 0 && connect > 0, "{first}");
    assert!(identify + connect <= first_byte && first_byte <= whole, "{first}");
    // The password is remembered, and the connection was kept: nobody waited.
    let again = janua.logged("again", |line| line["path"] == "/again").await;
    assert_eq!((again.get("identify_us"), again.get("connect_us")), (None, None), "{again}");
    assert!(again["first_byte_us"].as_u64() <= again["duration_us"].as_u64(), "{again}");
}
