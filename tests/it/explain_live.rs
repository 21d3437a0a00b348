//! `janua explain --live`: what would become of a request now, by a gateway that runs and knows what was used.

use crate::support::{Daemon, daemon::janua};

fn gateway(route: &str) -> Daemon {
    Daemon::start(&format!(
        "[log]\naccess = \"off\"\n[server]\nworkers = 1\n[admin]\naddress = \"unix:HOME/admin.sock\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nname = \"r\"\n{route}\n"
    ))
}

/// The exit code, and what is printed.
fn explain(daemon: &Daemon, words: &[&str]) -> (Option<i32>, String) {
    let file = daemon.file();
    let output = janua(&[&["explain", "GET"], words, &["-c", file.to_str().unwrap()]].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn it_says_what_is_left_now() {
    let daemon = gateway("limit = \"3/h\"\nto = { status = 204 }");
    let live = || explain(&daemon, &["/", "--live", "--from", "127.0.0.1"]).1;
    let left = |text: &str, left: u32| text.contains(&format!("leaves {left} of 3"));
    for (used, still) in [(0, 2), (1, 1), (2, 0)] {
        assert!(left(&live(), still), "{used} used: {}", live());
        assert_eq!(daemon.public.get("/").0, 204);
    }
    assert!(live().contains("there is enough in 1"), "{}", live());
    // What is asked takes nothing, of nobody, and without the gateway nothing is known of it.
    let (_, other) = explain(&daemon, &["/", "--live", "--from", "192.0.2.7"]);
    assert!(left(&other, 2), "{other}");
    let (_, offline) = explain(&daemon, &["/", "--from", "127.0.0.1"]);
    assert!(left(&offline, 2), "{offline}");
}

#[test]
fn it_takes_the_same_words_and_answers_in_json_too() {
    let daemon = gateway(
        "host = \"a.test\"\nmethods = [\"GET\"]\nheaders = { x-a = \"1\" }\nto = { status = 204 }",
    );
    let words = ["http://a.test/x?y=%26z&q=a+b", "-H", "x-a: 1", "--from", "192.0.2.7"];
    for format in ["text", "json"] {
        let (code, offline) = explain(&daemon, &[&words[..], &["--format", format]].concat());
        assert_eq!(code, Some(0), "{offline}");
        let live = explain(&daemon, &[&words[..], &["--format", format, "--live"]].concat());
        assert_eq!(live, (code, offline), "{format}");
    }
}

/// As the configuration is shown: by the door, nobody gets what the gateway gives to origins.
#[test]
fn it_shows_no_credentials() {
    let daemon = gateway(
        "to = \"http://127.0.0.1:9\"\nrequest-headers = { set = { authorization = \"Bearer hidden\" } }\n\
         request-query = { set = { api_key = \"hidden\", page = \"1\" } }\n\
         response-headers = { set = { x-token = \"hidden\" } }",
    );
    let (_, offline) = explain(&daemon, &["/x"]);
    assert_eq!(offline.matches("hidden").count(), 4, "{offline}");
    for format in ["text", "json"] {
        let (code, live) = explain(&daemon, &["/x", "--live", "--format", format]);
        assert!(code == Some(0) && !live.contains("hidden"), "{live}");
        assert!(live.contains("/x?api_key=***&page=1"), "{live}");
    }
}

#[test]
fn words_that_are_wrong_are_said_to_be() {
    let daemon = gateway("to = { status = 204 }");
    let (code, said) = explain(&daemon, &["/", "--live", "-H", "no field"]);
    assert!(code != Some(0) && said.contains("`no field` is not `name: value`"), "{said}");
    let (status, said) = daemon.admin().get("/explain");
    assert!(status == 400 && said.contains("?method=GET&url=URL"), "{said}");
    let (status, said) = daemon.admin().get("/explain?url=/x&roles=a,b");
    assert!(status == 200 && said.contains("\"target\": \"/x\""), "{said}");
}
