//! The command line: every verb, and which code it ends with.

use std::{
    fs::{File, Permissions},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    Daemon, Door,
    certs::Authority,
    daemon::{JANUA, janua, on},
};

const GOOD: &str = "[admin]\naddress = \"off\"\n[[route]]\nto = \"echo\"\n";
const TWO_FAULTS: &str = "[[route]]\nto = \"echo\"\nhots = \"a\"\n[server]\nworkrs = 1\n";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("janua.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    for arguments in
        [&[][..], &["rnu"], &["run", "--confg", "x"], &["proxy"], &["completions", "x"]]
    {
        let output = janua(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
    }
    assert!(err(&janua(&["helthcheck"])).contains("'healthcheck'"), "no suggestion");
}

#[test]
fn help_documents_the_exit_codes() {
    let output = janua(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for words in ["Exit codes", "78", "HUP", "healthcheck", "completions"] {
        assert!(out(&output).contains(words), "{words}: {}", out(&output));
    }
}

/// Where nothing else is said: the unit and the image start it like this.
#[test]
fn the_configuration_is_where_the_manual_says() {
    const DEFAULT: &str = "/etc/janua/janua.toml";
    for verb in [&["run"][..], &["check"], &["reload"], &["healthcheck"], &["config", "show"]] {
        let help = out(&janua(&[verb, &["--help"]].concat()));
        assert!(help.contains(&format!("[default: {DEFAULT}]")), "{verb:?}: {help}");
        if !Path::new(DEFAULT).exists() {
            let output = janua(verb);
            assert_ne!(output.status.code(), Some(0), "{verb:?}");
            assert!(err(&output).contains(DEFAULT), "{verb:?}: {}", err(&output));
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = format!("janua {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(out(&janua(&["version"])), version);
    assert_eq!(out(&janua(&["--version"])), version);
}

#[test]
fn check_is_silent_when_all_is_well() {
    let output = on(GOOD, &["check"]);
    assert_eq!((output.status.code(), out(&output), err(&output)), (Some(0), "".into(), "".into()));
}

#[test]
fn check_says_all_that_is_wrong_at_once() {
    let output = on(TWO_FAULTS, &["check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = err(&output);
    assert!(said.contains("workrs") && said.contains("hots"), "{said}");

    let output = on(TWO_FAULTS, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(78));
    let problems: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problems.as_array().unwrap().len(), 2, "{problems}");
    assert!(problems[0]["line"].is_number(), "{problems}");
}

#[test]
fn a_test_of_the_configuration_that_fails_is_an_error() {
    let failing = "[[test]]\nrequest = \"GET http://a.example/\"\nexpect = { status = 404 }\n";
    let output = on(&format!("{GOOD}{failing}"), &["check"]);
    assert_eq!(output.status.code(), Some(78), "{}", err(&output));
}

/// And nothing is told that is so only because something of the wrong form is left out.
#[test]
fn what_is_wrong_with_form_and_with_meaning_is_told_at_once() {
    const ORIGIN: &str = "[upstream.a]\nendpoints = [\"http://127.0.0.1:1\"]\n";
    for (text, told) in [
        (
            format!(
                "[[listener]]\naddress = \"127.0.0.1:0\"\ntsl = \"self-signed\"\n{ORIGIN}balance = 3\n\
                 [[route]]\nto = \"b\"\nlimit = \"l\"\nlistener = \"no\"\n\
                 [[route]]\npath = \"/x\"\nto = \"a\"\nmethods = [\"GET\", 3]\n"
            ),
            &["`tsl`", "found an integer", "upstream `b`", "limit `l`", "listener `no`", "integer"]
                [..],
        ),
        // What the wrong thing is called, nobody misses.
        (
            "[upstream]\na = 3\n[[route]]\nto = \"a\"\n[[route]]\npath = \"/x\"\nto = \"b\"\n"
                .into(),
            &["found an integer", "upstream `b`"],
        ),
        (
            format!(
                "{ORIGIN}[[route]]\nto = \"a\"\nauth = \"k\"\n[auth.k]\nbasci = {{}}\n[auth.l]\n"
            ),
            &["`basci`", "auth.l"],
        ),
        // Others may mean it by its name, or the whole part.
        ("[[listener]]\nname = 3\n[[route]]\nto = \"a\"\nlistener = \"x\"\n".into(), &["integer"]),
        ("[upstreams.a]\nendpoints = []\n[[route]]\nto = \"a\"\n".into(), &["`upstreams`"]),
        // A variable that is not there; what stands where it would is nothing to judge.
        (
            format!(
                "{ORIGIN}[[route]]\nto = \"${{NOT_THERE_AT_ALL}}\"\n[[route]]\npath = \"/\"\nto = \"b\"\n"
            ),
            &["NOT_THERE_AT_ALL", "upstream `b`"],
        ),
    ] {
        assert_told(&text, told);
    }
}

#[test]
fn what_is_left_is_judged_where_something_is_unknown_or_lacks_a_part() {
    const ORIGIN: &str = "[upstream.a]\nendpoints = [\"http://127.0.0.1:1\"]\n";
    for (text, told) in [
        (
            format!("[unheard]\nof = 1\n{ORIGIN}[[route]]\nto = \"b\"\n"),
            &["`unheard`", "upstream `b`"][..],
        ),
        (
            format!("[server]\nname = \"${{NOT_THERE_AT_ALL}}\"\n{ORIGIN}[[route]]\nto = \"b\"\n"),
            &["NOT_THERE_AT_ALL", "upstream `b`"],
        ),
        // What has to be there, and is not.
        (
            "[[route]]\nto = { body = \"x\" }\n[[route]]\npath = \"/y\"\n\
             [[route]]\npath = \"/x\"\nto = \"b\"\n"
                .into(),
            &["status", "`to`", "upstream `b`"],
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:0\"\n\
             tls = { certificates = [{ cert = \"/nowhere\" }] }\n[[route]]\nto = \"b\"\n"
                .into(),
            &["`key`", "upstream `b`"],
        ),
    ] {
        assert_told(&text, told);
    }
}

/// Checks a text, and compares what is told with these words, in order.
fn assert_told(text: &str, told: &[&str]) {
    let output = on(text, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(78), "{text}");
    let problems: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = problems.as_array().unwrap();
    let said = |problem: &Value| format!("{} {}", problem["path"], problem["message"]);
    let said: Vec<_> = problems.iter().map(said).collect();
    assert_eq!(said.len(), told.len(), "{text}\n{said:#?}");
    for (said, told) in said.iter().zip(told) {
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn a_finding_is_an_error_only_if_asked() {
    // A literal secret.
    let text = format!("{GOOD}[[listener]]\naddress = \"127.0.0.1:0\"\n")
        .replace("[admin]\n", "[admin]\ntoken = \"0123456789abcdef0123456789abcdef\"\n");
    let output = on(&text, &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(!err(&output).is_empty(), "a literal secret is no finding");
    assert!(!err(&output).contains("0123456789abcdef"), "{}", err(&output));
    assert_eq!(on(&text, &["check", "--strict"]).status.code(), Some(78));
}

#[test]
fn a_route_that_nothing_can_reach_is_a_finding() {
    let clear =
        "[[listener]]\nname = \"clear\"\naddress = \"127.0.0.1:1\"\nredirect-to-https = 443\n";
    let other = "[[listener]]\nname = \"other\"\naddress = \"127.0.0.1:2\"\n";
    let second =
        "[[listener]]\nname = \"second\"\naddress = \"127.0.0.1:3\"\nredirect-to-https = 443\n";
    let route = |keys: &str| {
        format!("[[route]]\nname = \"lost\"\npath = \"/lost\"\nto = \"echo\"\n{keys}\n")
    };
    for (listeners, keys, found) in [
        (&[clear, other][..], "listener = \"clear\"", "never takes a request: every listener"),
        (&[clear, other, second], "listener = [\"clear\", \"second\"]", "every listener of it"),
        (&[clear], "", "`lost` never takes a request: every listener"),
        (&[clear, other], "methods = \"CONNECT\"", "`lost` never takes a request: CONNECT"),
        (&[clear, other], "", ""),
        (&[clear, other], "listener = [\"clear\", \"other\"]", ""),
        (&[clear, other], "methods = [\"CONNECT\", \"GET\"]", ""),
    ] {
        let admin = "[admin]\naddress = \"off\"\n";
        let text = format!("{admin}{}{}", listeners.concat(), route(keys));
        let output = on(&text, &["check"]);
        assert_eq!(output.status.code(), Some(0), "{keys}: {}", err(&output));
        assert!(err(&output).contains(found), "{keys}: {}", err(&output));
        assert_eq!(err(&output).is_empty(), found.is_empty(), "{keys}: {}", err(&output));
        let strict = if found.is_empty() { 0 } else { 78 };
        assert_eq!(on(&text, &["check", "--strict"]).status.code(), Some(strict), "{keys}");
    }
}

#[test]
fn a_file_that_is_missing_or_empty_ends_with_78() {
    for verb in ["check", "run"] {
        let output = janua(&[verb, "-c", "/nonexistent/janua.toml"]);
        assert_eq!(output.status.code(), Some(78), "{verb}: {}", err(&output));
        assert!(err(&output).contains("/nonexistent/janua.toml"), "{}", err(&output));
        let output = on("", &[verb]);
        assert_eq!(output.status.code(), Some(78), "{verb}: {}", err(&output));
        assert!(!err(&output).is_empty());
    }
}

#[test]
fn a_port_in_use_ends_with_78_and_nothing_is_half_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let door = folder.path().join("admin.sock");
    let text = GOOD.replace("off", &format!("unix:{}", door.display()));
    let free = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let output = on(&format!("{text}{free}[[listener]]\naddress = \"{address}\"\n"), &["run"]);
    assert_eq!(output.status.code(), Some(78), "{}", err(&output));
    assert!(err(&output).contains(&address), "{}", err(&output));
    assert!(!err(&output).contains("listening"), "{}", err(&output));
    assert!(!door.exists(), "the door was left open");
}

#[test]
fn a_certificate_that_cannot_be_used_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense.pem");
    std::fs::write(&nonsense, "nonsense").unwrap();
    for path in ["/nonexistent/a.pem", nonsense.to_str().unwrap()] {
        let tls = format!("{{ certificates = [{{ cert = \"{path}\", key = \"{path}\" }}] }}");
        let text = format!("{GOOD}[[listener]]\naddress = \"127.0.0.1:0\"\ntls = {tls}\n");
        for verb in ["check", "run"] {
            let output = on(&text, &[verb]);
            assert_eq!(output.status.code(), Some(78), "{verb}: {}", err(&output));
            assert!(err(&output).contains(path), "{verb}: {}", err(&output));
        }
    }
}

#[test]
fn a_pair_of_files_that_is_no_certificate_with_its_key_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("A");
    for (serial, name) in [(1, "one"), (2, "other")] {
        authority.issue(serial, &["a.example"]).save(folder.path(), name);
    }
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, way) in
        [("pkcs8", &["pkcs8", "-topk8", "-v2", "aes256"][..]), ("old", &["ec", "-aes256"])]
    {
        let mut openssl = Command::new("openssl");
        openssl.args(way).args(["-in", &at("one.key"), "-out", &at(name), "-passout", "pass:abcd"]);
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let encrypted = |name: &str| format!("`{}` holds a private key that is encrypted", at(name));
    for (cert, key, said) in [
        ("one.pem", "pkcs8", encrypted("pkcs8")),
        ("one.pem", "old", encrypted("old")),
        ("one.pem", "other.key", format!("`{}`: this key is not the certificate's", at("one.pem"))),
        ("one.pem", "one.pem", format!("`{}` holds no private key", at("one.pem"))),
        ("one.key", "one.key", format!("`{}` holds no certificate", at("one.key"))),
        ("one.key", "one.pem", format!("`{}` holds no certificate", at("one.key"))),
    ] {
        let tls =
            format!("{{ certificates = [{{ cert = \"{}\", key = \"{}\" }}] }}", at(cert), at(key));
        let text = format!("{GOOD}[[listener]]\naddress = \"127.0.0.1:0\"\ntls = {tls}\n");
        for verb in ["check", "run"] {
            let output = on(&text, &[verb]);
            assert_eq!(output.status.code(), Some(78), "{verb} {cert} {key}: {}", err(&output));
            assert!(err(&output).contains(&said), "{verb} {cert} {key}: {}", err(&output));
        }
    }
}

/// Root may read everything, so there it runs as somebody else.
#[test]
fn a_key_that_may_not_be_read_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    let pair = Authority::new("A").issue(1, &["a.example"]).save(folder.path(), "site");
    let key = folder.path().join("site.key");
    let tls = format!("{{ certificates = [{{ {pair} }}] }}");
    let text = format!("{GOOD}[[listener]]\naddress = \"127.0.0.1:0\"\ntls = {tls}\n");
    let file = file(folder.path(), &text);
    mode(&file, 0o644);
    let run = |verb: &str| {
        let root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if root { "setpriv" } else { JANUA });
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            // The program, wherever it is: somebody else may not find the way there.
            command.arg("/proc/self/fd/0").stdin(File::open(JANUA).unwrap());
        }
        command.args([verb, "-c"]).arg(&file).output().unwrap()
    };
    mode(&key, 0o644);
    let output = run("check");
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "one that may");
    mode(&key, if rustix::process::geteuid().is_root() { 0o600 } else { 0 });
    for verb in ["check", "run"] {
        let output = run(verb);
        assert_eq!(output.status.code(), Some(78), "{verb}: {}", err(&output));
        let said = format!("cannot read `{}`: Permission denied", key.display());
        assert!(err(&output).contains(&said), "{verb}: {}", err(&output));
    }
}

#[test]
fn a_door_for_operators_that_others_can_reach_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let text = GOOD.replace("off", address);
        let text = format!("{text}[[listener]]\naddress = \"127.0.0.1:0\"\n");
        for verb in ["check", "run"] {
            let output = on(&text, &[verb]);
            assert_eq!(output.status.code(), Some(78), "{verb} {address}: {}", err(&output));
            let said = err(&output);
            assert!(said.contains("others can reach this address"), "{verb}: {said}");
            assert!(said.contains("admin.token"), "{verb}: {said}");
        }
        let token = "[admin]\ntoken = \"0123456789abcdef\"\n";
        let output = on(&text.replace("[admin]\n", token), &["check"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    }
}

/// Neither binds what it is told to (another has the port), nor asks anybody, nor writes anything.
#[test]
fn check_and_explain_leave_no_trace() {
    let (taken, asked) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    asked.set_nonblocking(true).unwrap();
    let (taken, there) = (taken.local_addr().unwrap(), asked.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let text = format!(
        "[server]\nstate = \"{at}/state\"\n[log]\naccess-file = \"{at}/access.log\"\n\
         [admin]\naddress = \"unix:{at}/run/admin.sock\"\n\
         [auth.corp]\njwt = {{ issuer = \"http://{there}\", audience = \"a\" }}\n\
         [[listener]]\naddress = \"{taken}\"\ntls = \"self-signed\"\n\
         [[route]]\nto = \"http://no-such-name.invalid\"\n\
         [[route]]\npath = \"/there\"\nauth = \"corp\"\nto = \"http://{there}\"\n"
    );
    let token = "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA";
    let asks = ["explain", "GET", "https://a.example/there", "-H", token];
    for verb in [&["check"][..], &["explain", "GET", "https://a.example/"], &asks] {
        let output = on(&text, verb);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{verb:?}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "{verb:?} left something");
        assert!(asked.accept().is_err(), "{verb:?} asked the origin");
    }
}

#[test]
fn check_tells_what_could_never_run() {
    let long = "x".repeat(100);
    for (section, said) in [
        ("[log]\naccess-file = \"/tmp\"\n".to_owned(), "is a folder"),
        (format!("[admin]\naddress = \"unix:/tmp/{long}.sock\"\n"), "107 bytes at most"),
        (format!("[[listener]]\naddress = \"unix:/tmp/{long}.sock\"\n"), "107 bytes at most"),
        (
            "[admin]\naddress = \"unix:/run/j.sock\"\n[[listener]]\naddress = \"unix:/run/j.sock\"\n"
                .to_owned(),
            "`unix:/run/j.sock` is taken",
        ),
    ] {
        let output = on(&format!("{section}[[route]]\nto = \"echo\"\n"), &["check"]);
        assert_eq!(output.status.code(), Some(78), "{section}: {}", err(&output));
        assert!(err(&output).contains(said), "{section}: {}", err(&output));
    }
}

#[test]
fn explain_says_where_a_request_goes() {
    let output = on(GOOD, &["explain", "GET", "/a", "-H", "x-a: b"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("echo"), "{}", out(&output));
    let output = on(GOOD, &["explain", "GET", "/a", "--format", "json"]);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(facts.is_object(), "{facts}");
    assert_eq!(on(GOOD, &["explain", "GET", "/a", "-H", "nonsense"]).status.code(), Some(2));
    assert_eq!(on(TWO_FAULTS, &["explain", "GET", "/a"]).status.code(), Some(78));
}

#[test]
fn demo_prints_what_to_try_and_serves_it() {
    let mut command = Command::new(JANUA);
    command.args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<_> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
    assert!(told.iter().any(|line| line.starts_with("curl ")), "{told:#?}");
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0));
}

#[test]
fn config_show_fills_in_and_masks() {
    let secret = "0123456789abcdef0123456789abcdef";
    let text = GOOD.replace("[admin]\n", &format!("[admin]\ntoken = \"{secret}\"\n"));
    let output = on(&text, &["config", "show"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("[server.drain]"), "{}", out(&output));
    assert!(!out(&output).contains(secret));
    assert_eq!(on(TWO_FAULTS, &["config", "show"]).status.code(), Some(78));
}

#[test]
fn a_password_in_a_url_is_shown_nowhere() {
    let text = "[upstream.a]\nendpoints = [\"http://user:hunter2@host\"]\n[[route]]\nto = \"a\"\n";
    let output = on(text, &["check"]);
    assert_eq!(output.status.code(), Some(78));
    let told = err(&output) + &out(&output);
    assert!(told.contains("must not carry a user") && told.contains("http://****"), "{told}");
    let shown = out(&on(text, &["config", "show"]));
    assert!(shown.contains("http://***@host"), "{shown}");
    let json = on(text, &["check", "--format", "json"]);
    for text in [told, shown, out(&json), err(&json)] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_is_generated_is_what_it_should_be() {
    let schema: Value = serde_json::from_slice(&janua(&["schema"]).stdout).unwrap();
    assert!(schema["properties"]["route"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(out(&janua(&["completions", shell])).contains("healthcheck"), "{shell}");
    }
    assert!(out(&janua(&["man"])).contains(".TH janua"));
    assert!(out(&janua(&["man", "check"])).contains("strict"));
    assert_eq!(janua(&["man", "nothing"]).status.code(), Some(1));
}

#[test]
fn reload_and_healthcheck_say_what_the_gateway_says() {
    let text = "[admin]\naddress = \"unix:HOME/admin.sock\"\n\
        [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nname = \"a\"\nto = \"echo\"\n";
    let daemon = Daemon::start(text);
    assert_eq!(daemon.verb("healthcheck").status.code(), Some(0));
    daemon.write(&format!("{text}[[route]]\nname = \"b\"\npath = \"/b\"\nto = \"echo\"\n"));
    let output = daemon.verb("reload");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "added route b\n");
    // What is wrong with the file by now says nothing against the gateway that runs.
    daemon.write(&format!("{text}[[route]]\nto = \"nobody\"\n"));
    let output = daemon.verb("reload");
    assert_eq!(output.status.code(), Some(78));
    assert!(err(&output).contains("nobody"), "{}", err(&output));
    for half in ["[[route]]\nto = ", "[server]\nname = \"${NOPE}\"\n", "[unheard]\nof = 1\n"] {
        daemon.write(&format!("{text}{half}"));
        let output = daemon.verb("healthcheck");
        assert_eq!(output.status.code(), Some(0), "{half}: {}", err(&output));
        assert_eq!(daemon.verb("reload").status.code(), Some(78), "{half}");
    }
}

#[test]
fn without_a_gateway_reload_and_healthcheck_end_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let door = format!("unix:{}/admin.sock", folder.path().display());
    for verb in ["reload", "healthcheck"] {
        let output = on(GOOD, &[verb, "--admin", &door]);
        assert_eq!(output.status.code(), Some(1), "{verb}: {}", err(&output));
        assert!(err(&output).contains(&door), "{verb}: {}", err(&output));
    }
}

/// The file may name an address that the gateway has not heard of, and somebody else may be there.
#[test]
fn another_servers_answer_is_no_gateways() {
    let text = |door: &str| {
        format!(
            "[admin]\naddress = \"{door}\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [[route]]\nto = {{ status = 200 }}\n"
        )
    };
    let daemon = Daemon::start(&text("unix:HOME/admin.sock"));
    let Door::Tcp(public) = daemon.public else { panic!("not TCP") };
    daemon.write(&text(&public.to_string()));
    for verb in ["reload", "healthcheck", "upstreams"] {
        let output = daemon.verb(verb);
        assert_eq!(output.status.code(), Some(1), "{verb}: {}", out(&output));
        assert!(err(&output).contains("SIGHUP"), "{verb}: {}", err(&output));
    }
}

#[test]
fn proxy_needs_no_file() {
    let home = tempfile::tempdir().unwrap();
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!(":{}", origin.local_addr().unwrap().port());
    let mut command = Command::new(JANUA);
    command.args(["proxy", "--to", &to, "--listen", "127.0.0.1:0"]);
    let daemon = Daemon::spawn(home, command);
    let answering = std::thread::spawn(move || {
        let (stream, _) = origin.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
        stream.get_mut().write_all(format!("{head}from the one").as_bytes()).unwrap();
        line
    });
    let (status, answer) = daemon.public.get("/a?b=c");
    assert!(status == 200 && answer.ends_with("\r\n\r\nfrom the one"), "{answer}");
    assert_eq!(answering.join().unwrap(), "GET /a?b=c HTTP/1.1\r\n");
    assert_eq!(daemon.public.get("/").0, 502, "the origin is gone");
}

/// What would be taken and then keep requests, or the process, from going on.
#[test]
fn sizes_that_cannot_be_meant_are_told_by_check() {
    for (text, at, message) in [
        ("[log]\nbuffer = \"2GiB\"", "2:10", "more than a gibibyte of lines would wait"),
        ("[[listener]]\nhttp2.max-streams = 0", "2:21", "no request could be answered by HTTP/2"),
        ("[[listener]]\nhttp2.window = \"0B\"", "2:16", "no request could be answered by HTTP/2"),
    ] {
        let output = on(&format!("{text}\n[[route]]\nto = \"echo\"\n"), &["check"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{text}: {said}");
        assert!(said.contains(message) && said.contains(&format!(":{at}")), "{text}: {said}");
    }
}
