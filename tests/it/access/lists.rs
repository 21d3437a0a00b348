//! Access lists on routes and listeners.

use std::fs;

use super::{closed, from, get, verdict};
use crate::support::{
    Client, Origin, Setup, certs::Authority, client::handshake, daemon::janua, until,
};

/// Everything of a list in front of an answer.
fn list(keys: &str) -> Setup {
    Setup::new(format!(
        "[access.list]\n{keys}\n[[route]]\naccess = \"list\"\nto = {{ status = 204 }}\n"
    ))
}

#[tokio::test]
async fn who_is_on_a_list_comes_in_and_nobody_else() {
    let admitted = (204, "");
    let (ip, header) = ((403, "access.ip"), (403, "access.header"));
    for (keys, cases) in [
        (
            "allow = [\"127.0.0.1\", \"127.1.0.0/16\"]\ndeny = [\"127.1.2.0/24\"]",
            &[
                ("127.0.0.1", "", admitted),
                ("127.0.0.2", "", ip),
                ("127.1.1.1", "", admitted),
                ("127.1.2.3", "", ip),
                // What it says of itself is nothing.
                ("127.0.0.2", "X-Forwarded-For: 127.0.0.1\r\n", ip),
                ("127.0.0.2", "Forwarded: for=127.0.0.1\r\n", ip),
                ("127.0.0.2", "X-Real-IP: 127.0.0.1\r\nTrue-Client-IP: 127.0.0.1\r\n", ip),
            ][..],
        ),
        ("deny = \"127.0.0.2\"", &[("127.0.0.1", "", admitted), ("127.0.0.2", "", ip)]),
        ("allow = []", &[("127.0.0.1", "", ip)]),
        ("allow = \"::ffff:127.0.0.0/104\"", &[("127.0.0.1", "", admitted)]),
        ("allow = \"::/0\"", &[("127.0.0.1", "", ip)]),
        (
            "allow-headers = { x-a = [\"1\", \"2\"], x-b = true, x-c = { regex = \"^[a-f]+$\" } }",
            &[
                ("127.0.0.1", "X-A: 2\r\nX-B:\r\nX-C: cafe\r\n", admitted),
                ("127.0.0.1", "X-A: 3\r\nX-B:\r\nX-C: cafe\r\n", header),
                ("127.0.0.1", "X-A: 2\r\nX-C: cafe\r\n", header),
                ("127.0.0.1", "X-A: 2\r\nX-B: 1\r\nX-C: cafe!\r\n", header),
                // A name with an underscore mimics one with a hyphen, and is not passed on.
                ("127.0.0.1", "X_A: 2\r\nX-B: 1\r\nX-C: cafe\r\n", header),
                ("127.0.0.1", "", header),
            ],
        ),
        (
            "deny-headers = { user-agent = { regex = \"(?i)bot\" }, x-debug = true }",
            &[
                ("127.0.0.1", "User-Agent: curl\r\n", admitted),
                ("127.0.0.1", "User-Agent: GoodBot/1\r\n", header),
                ("127.0.0.1", "X-Debug:\r\n", header),
            ],
        ),
        (
            "allow = \"127.0.0.1\"\nallow-headers = { x-key = \"1\" }",
            &[
                ("127.0.0.1", "X-Key: 1\r\n", admitted),
                ("127.0.0.1", "", header),
                ("127.0.0.2", "X-Key: 1\r\n", ip),
            ],
        ),
    ] {
        let janua = list(keys).start().await;
        for (source, fields, (status, reason)) in cases {
            let found = verdict(&get(source, &janua, fields).await);
            assert_eq!(found, (*status, (*reason).to_owned()), "{keys}\n{source} {fields}");
        }
    }
}

#[tokio::test]
async fn each_of_several_lists_has_its_say() {
    let janua = Setup::new(
        "[access.near]\nallow = \"127.0.0.0/8\"\n[access.bad]\ndeny = \"127.6.6.6\"\n\
         [[route]]\naccess = [\"near\", \"bad\"]\nto = { status = 204 }\n",
    )
    .start()
    .await;
    assert_eq!(get("127.0.0.1", &janua, "").await.status(), 204);
    assert_eq!(get("127.6.6.6", &janua, "").await.status(), 403);
}

#[tokio::test]
async fn a_refusal_tells_the_log_what_it_does_not_tell_the_client() {
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[access.vault]\nallow = \"192.0.2.0/24\"\n\
         [[route]]\nname = \"inner\"\naccess = \"vault\"\nto = \"{}\"\n",
        origin.url
    ))
    .start()
    .await;
    let answer = get("127.0.0.1", &janua, "").await;
    assert_eq!(answer.field("content-type").as_deref(), Some("application/problem+json"));
    let text = answer.text();
    for secret in ["vault", "inner", "192.0.2", "127.0.0"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let line = janua.logged_reason("access.ip").await;
    assert_eq!((&line["route"], &line["status"]), (&"inner".into(), &403.into()), "{line}");
    assert_eq!(origin.connections(), 0);
    let series = "janua_rejects_total{route=\"inner\",reason=\"access.ip\"}";
    until("it is counted", || janua.counted(series) == 1).await;
}

#[tokio::test]
async fn a_list_on_trial_refuses_nobody_and_says_whom_it_would() {
    let janua = list("deny = \"127.0.0.2\"\nenforce = \"report\"").start().await;
    for source in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(get(source, &janua, "").await.status(), 204, "{source}");
    }
    let line = janua.logged("reported", |line| line["client"] == "127.0.0.2").await;
    assert_eq!(line["reported"], "access.ip", "{line}");
    assert!(line["reason"].is_null(), "{line}");
    let line = janua.logged("not reported", |line| line["client"] == "127.0.0.1").await;
    assert!(line["reported"].is_null(), "{line}");
    let series = "janua_access_reports_total{list=\"list\",reason=\"access.ip\"}";
    assert_eq!(janua.counted(series), 1);
}

#[tokio::test]
async fn a_file_is_read_again_with_each_load() {
    let home = tempfile::tempdir().unwrap();
    let blocked = home.path().join("blocked.txt");
    let setup = list(&format!("deny = {{ file = \"{}\" }}", blocked.display()));
    fs::write(&blocked, "# nobody yet\n").unwrap();
    let janua = setup.clone().start().await;
    let mut client = from("127.0.0.2", janua.address).await;
    assert_eq!(client.get("/").await.status(), 204);

    fs::write(&blocked, "127.0.0.2 # since today\n").unwrap();
    janua.reload(&setup).await.unwrap();
    assert_eq!(verdict(&client.get("/").await), (403, "access.ip".into()), "it was let in before");

    fs::write(&blocked, "127.0.0.3\n\n127.0.0.1/8\n").unwrap();
    let report = janua.reload(&setup).await.unwrap_err().text(false);
    let said = format!("{}:3: `127.0.0.1/8` has bits set behind its prefix", blocked.display());
    assert!(report.contains(&said), "{report}");
    assert!(report.contains("did you mean `127.0.0.0/8` or `127.0.0.1`?"), "{report}");
    assert_eq!(client.get("/").await.status(), 403, "the old list holds");
    assert_eq!(get("127.0.0.3", &janua, "").await.status(), 204);
}

#[tokio::test]
async fn a_listener_closes_before_tls_what_may_not_connect() {
    let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let authority = Authority::new("A");
    let site = authority.issue(1, &["a.example"]).save(home.path(), "site");
    let janua =
        Setup::new("[access.near]\nallow = \"127.0.0.1\"\n[[route]]\nto = { status = 204 }\n")
            .listener(&format!("access = \"near\"\ntls = {{ certificates = [{{ {site} }}] }}"))
            .start_in(home)
            .await;
    let shaken = handshake(janua.address, "a.example", authority.client().into()).await;
    assert!(shaken.is_ok(), "{shaken:?}");
    let mut stranger = from("127.0.0.2", janua.address).await;
    assert_eq!(stranger.ended().await, "", "not even a TLS alert");
    assert_eq!(closed(&janua, "access.ip"), 1);
    assert!(janua.log().iter().all(|line| line["client"] != "127.0.0.2"), "{:?}", janua.log());
}

#[tokio::test]
async fn a_listeners_list_holds_for_each_request_with_a_route_or_without() {
    let setup = |keys: &str| {
        Setup::new(format!(
            "[access.door]\n{keys}\n[[route]]\npath = \"/here\"\nto = {{ status = 204 }}\n"
        ))
        .listener("access = \"door\"")
    };
    let janua = setup("allow-headers = { x-door = \"open\" }").start().await;
    let mut client = janua.client().await;
    for (target, fields, expected) in [
        ("/here", "X-Door: open\r\n", (204, "")),
        ("/here", "", (403, "access.header")),
        ("/nowhere", "", (403, "access.header")),
        ("/nowhere", "X-Door: open\r\n", (404, "no_route")),
    ] {
        let answer = client.request(&format!("GET {target}"), fields).await;
        assert_eq!(verdict(&answer), (expected.0, expected.1.to_owned()), "{target} {fields}");
    }
    janua.reload(&setup("deny = \"127.0.0.1\"")).await.unwrap();
    assert_eq!(
        verdict(&client.get("/here").await),
        (403, "access.ip".into()),
        "it stays connected"
    );
    assert_eq!(janua.client().await.ended().await, "");
    assert_eq!(closed(&janua, "access.ip"), 1);
}

#[tokio::test]
async fn ipv4_by_an_ipv6_socket_is_ipv4() {
    let janua = Setup::new(
        "[access.list]\nallow = \"127.0.0.2\"\n[[route]]\naccess = \"list\"\nto = { status = 204 }\n\
         [[listener]]\nname = \"six\"\naddress = \"[::ffff:127.0.0.1]:0\"\naccess = \"list\"\n",
    )
    .start()
    .await;
    let port = janua.address_of("six").await.port();
    let address = ([127, 0, 0, 1], port).into();
    assert_eq!(from("127.0.0.2", address).await.get("/").await.status(), 204);
    assert_eq!(from("127.0.0.3", address).await.ended().await, "");
}

#[tokio::test]
async fn a_client_at_a_unix_socket_is_named_by_no_network() {
    let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let path = home.path().join("door.sock");
    let janua = Setup::new(format!(
        "[access.some]\nallow = [\"0.0.0.0/0\", \"::/0\"]\n[access.most]\ndeny = \"192.0.2.1\"\n\
         [[route]]\npath = \"/some\"\naccess = \"some\"\nto = {{ status = 204 }}\n\
         [[route]]\npath = \"/most\"\naccess = \"most\"\nto = {{ status = 204 }}\n\
         [[listener]]\nname = \"unix\"\naddress = \"unix:{}\"\n",
        path.display()
    ))
    .start_in(home)
    .await;
    let mut client = Client::unix(&path).await;
    assert_eq!(verdict(&client.get("/some").await), (403, "access.ip".into()));
    assert_eq!(client.get("/most").await.status(), 204);
    drop(janua);
}

#[test]
fn explain_and_tests_say_which_line_decides() {
    let home = tempfile::tempdir().unwrap();
    let blocked = home.path().join("blocked.txt");
    fs::write(&blocked, "# bad\n10.6.0.0/16\n").unwrap();
    let file = home.path().join("janua.toml");
    let config = format!(
        "[access.office]\nallow = \"10.0.0.0/8\"\ndeny = {{ file = \"{}\" }}\n\
         [access.trial]\nallow-headers = {{ x-key = true }}\nenforce = \"report\"\n\
         [[route]]\nname = \"in\"\naccess = [\"trial\", \"office\"]\nto = {{ status = 204 }}\n\
         [[test]]\nrequest = \"GET http://a/\"\nfrom = \"10.1.2.3\"\nexpect = {{ status = 204 }}\n\
         [[test]]\nrequest = \"GET http://a/\"\nfrom = \"10.6.2.3\"\nexpect = {{ reason = \"access.ip\" }}\n",
        blocked.display()
    );
    fs::write(&file, config).unwrap();
    let run = |arguments: &[&str]| {
        let output = janua(arguments);
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let path = file.to_str().unwrap();
    assert_eq!(
        janua(&["check", "--strict", "-c", path]).status.code(),
        Some(0),
        "{}",
        run(&["check", "-c", path])
    );
    for (from, expected) in [
        ("10.1.2.3", "the list `office` lets it in: `allow` names 10.0.0.0/8".to_owned()),
        ("10.6.2.3", format!("`deny` names 10.6.0.0/16 ({}:2)", blocked.display())),
        ("10.6.2.3", "refuses: 403 access.ip; the list `trial` would refuse it, access.header, and only reports: `allow-headers` wants another `x-key`; the list `office` refuses it".to_owned()),
        ("11.0.0.1", "11.0.0.1 is not named, and `allow` names others".to_owned()),
    ] {
        let said = run(&["explain", "-c", path, "--from", from, "GET", "http://a/"]);
        assert!(said.contains(&expected), "{from}: no {expected:?} in\n{said}");
    }
}
