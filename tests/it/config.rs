//! Configuration files: what loads, what is refused, and with which words.
//!
//! A file in `tests/config/invalid` begins with the problems it must give, all of them, in order:
//! `#! LINE:COLUMN message` or `#! FILE:LINE:COLUMN message`, `-` in place of the place where there is
//! none, and ` => help` behind it. Message and help are parts of what must be said.

use std::path::{Path, PathBuf};

use janua::config::{self, Config, Loaded, Path as KeyPath, Problem, Problems, Report};
use proptest::prelude::*;
use serde_json::Value;

/// The environment that the files are loaded in.
fn env(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("origin.example".into()),
        "NUMBER" => Some("1234567".into()),
        _ => None,
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new("tests/config").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty(), "no files in {folder}");
    files
}

/// Everything there is to say about a configuration.
fn report(loaded: Result<Loaded, Report>) -> Report {
    loaded.map_or_else(|report| report, |loaded| loaded.report(Problems::new()))
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// What a `#!` line says, held against a problem.
fn fits(expected: &str, problem: &Value) -> bool {
    let (place, said) = expected.split_once(' ').unwrap();
    let (message, help) = said.split_once(" => ").unwrap_or((said, ""));
    let found = match problem["line"].as_u64() {
        Some(line) => format!("{}:{line}:{}", text(problem, "file"), problem["column"]),
        None => "-".into(),
    };
    let at_place = found == place || found.ends_with(&format!(":{place}")) && !place.contains('/');
    (at_place || place.contains('/') && found.ends_with(&format!("/{place}")))
        && text(problem, "message").contains(message)
        && text(problem, "help").contains(help)
}

#[test]
fn invalid_files_say_what_is_wrong() {
    let mut failures = Vec::new();
    for path in files("invalid") {
        let bytes = std::fs::read(&path).unwrap();
        let source = String::from_utf8_lossy(&bytes);
        let expected: Vec<_> = source.lines().map_while(|line| line.strip_prefix("#! ")).collect();
        let report = report(Loaded::read(&path, &env));
        let json = report.json();
        let problems = json.as_array().unwrap();
        let fit = expected.len() == problems.len()
            && expected.iter().zip(problems).all(|(expected, problem)| fits(expected, problem));
        if !fit || expected.is_empty() {
            failures.push(format!("{}:\n{expected:#?}\n{report}", path.display()));
        }
        assert!(!report.to_string().contains("hunter2"), "a secret is shown:\n{report}");
        assert!(!report.to_string().contains("1234567"), "a variable is shown:\n{report}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n---\n"));
}

/// One mistake a row: the text, where the problem must be, and what it must say.
const ROWS: [(&str, &str, &str); 22] = [
    ("a = 1", "1:1", "unknown key `a`"),
    ("\"\" = 1", "1:1", "unknown key ``"),
    ("server = 1", "1:10", "expected a table, found an integer"),
    ("route = []\nroute = []", "2:1", "`route` is defined twice"),
    ("[[route]]", "1:1", "missing key `to`"),
    ("server.workers = 1\n[server]\nname = \"a\"", "2:2", "`server` is defined twice"),
    ("[server]\nworkers = 0x1FFFF", "2:11", "0x1FFFF is out of range"),
    ("[server]\nworkers = 1_000_000", "2:11", "1_000_000 is out of range"),
    ("[server]\nstate = \"\"\"\n${X}\"\"\"", "2:9", "the environment variable `X` is not set"),
    ("[server.drain]\ntimeout = \"\"", "2:11", "`` is not a duration"),
    ("[server.drain]\ntimeout = \"101d1\"", "2:11", "`101d1` is not a duration"),
    ("[server.drain]\ntimeout = \"40000d\"", "2:11", "`40000d` is longer than 100 years"),
    ("[log]\nbuffer = \"9999TiB\"", "2:10", "`9999TiB` is larger than 1024TiB"),
    ("[log]\nredact-query = [1]", "2:17", "expected a string, found an integer"),
    ("[log]\nformat = true", "2:10", "expected \"auto\", \"text\" or \"json\", found `true`"),
    ("[admin]\ntoken = 5", "2:9", "expected a string or a table, found an integer"),
    ("[admin]\ntoken.env = 5", "2:13", "expected a string, found an integer"),
    ("[[listener]]\ntls.alpn = [\"h3\"]", "2:13", "`h3` is not known here"),
    ("upstream = []", "1:12", "expected a table, found a list"),
    ("include = [\"a\"]", "1:12", "only a file can include files"),
    ("[server\nname = \"a\"", "1:8", "unclosed table, expected `]`"),
    ("x = \"", "1:6", "invalid basic string"),
];

#[test]
fn each_mistake_is_found_where_it_is() {
    let mut failures = Vec::new();
    for (text, place, message) in ROWS {
        let report = report(Loaded::parse("<row>", text, &env));
        let json = report.json();
        match json.as_array().unwrap().as_slice() {
            [problem] if fits(&format!("{place} {message}"), problem) => {}
            _ => failures.push(format!("{text}\n{place} {message}\n{report}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n---\n"));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_message() {
    let report = Loaded::read(Path::new("tests/none.toml"), &env).unwrap_err();
    let text = report.to_string();
    assert!(text.starts_with("error: cannot read `tests/none.toml`: No such file"), "{text}");
    assert!(text.contains("help: check the path"), "{text}");
    assert_eq!(report.json()[0]["line"], Value::Null);
    let report = Loaded::read(Path::new("tests"), &env).unwrap_err();
    assert!(report.to_string().contains("cannot read `tests`: Is a directory"), "{report}");
}

#[test]
fn how_many_files_and_how_large_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("janua.toml");
    std::fs::write(&first, "include = [\"many/*.toml\"]").unwrap();
    std::fs::create_dir(folder.path().join("many")).unwrap();
    for number in 0..1005 {
        std::fs::write(folder.path().join(format!("many/{number}.toml")), "").unwrap();
    }
    let json = Loaded::read(&first, &env).unwrap_err().json();
    assert_eq!(json.as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json[0]["message"], "more than 1000 files");

    let large = folder.path().join("large.toml");
    std::fs::File::create(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    let text = Loaded::read(&large, &env).unwrap_err().to_string();
    assert!(text.ends_with("it is larger than 16 MiB"), "{text}");
}

#[test]
fn valid_files_load_and_come_back_from_what_is_shown() {
    for path in files("valid") {
        let loaded = Loaded::read(&path, &env).unwrap_or_else(|report| panic!("{report}"));
        let report = loaded.report(Problems::new());
        assert!(report.problems().is_empty(), "{report}");
        let shown = config::show(&loaded.config);
        let again = Loaded::parse("<shown>", &shown, &|_| None)
            .unwrap_or_else(|report| panic!("{report}\n{shown}"));
        let mut expected = loaded.config.clone();
        if expected.listener.is_empty() {
            expected.listener.push(config::Listener::default());
        }
        assert_eq!(again.config, expected, "{shown}");
    }
}

#[test]
fn included_files_are_part_of_the_configuration() {
    let loaded = Loaded::read(Path::new("tests/config/valid/include.toml"), &env).unwrap();
    let names: Vec<_> = loaded.config.route.iter().map(|route| route.name.as_deref()).collect();
    assert_eq!(names, [Some("main"), Some("a"), Some("b-first"), Some("b-second"), Some("c")]);
    let upstreams: Vec<_> = loaded.config.upstream.keys().map(String::as_str).collect();
    assert_eq!(upstreams, ["a", "main"]);
    assert_eq!(loaded.config.log.level, "debug");
    assert!(loaded.config.log.redact_query.is_empty());
    let files: Vec<_> = loaded.files().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(files, ["include.toml", "a.toml", "b.toml", "c.toml"]);

    // A problem that a feature finds later is shown in the file that the value came from.
    let path = KeyPath::root().key("route").index(3).key("path");
    let other = KeyPath::root().key("route").index(0);
    let problem = Problem::error(path, "taken").also(other, "by this");
    let text = loaded.report(problem.into()).to_string();
    let expected = "\
error: taken
 --> tests/config/valid/parts/b.toml:7:8
  |
7 | path = \"/b\"
  |        ^^^^
  |
 ::: tests/config/valid/include.toml:7:1
  |
7 | [[route]]
  | --------- by this";
    assert_eq!(text, expected);
}

#[test]
fn variables_are_filled_in() {
    let text = "[server]\nname = \"${NAME:-$}-${HOST}-$${HOST}$\"";
    let config = Loaded::parse("<text>", text, &env).unwrap().config;
    assert_eq!(config.server.name, "$-origin.example-${HOST}$");
}

#[test]
fn secrets_are_masked_in_what_is_shown() {
    let text = "[admin]\ntoken = \"hunter2\"";
    let shown = config::show(&Loaded::parse("<text>", text, &env).unwrap().config);
    assert!(shown.contains("token = \"***\""), "{shown}");
    assert!(!shown.contains("hunter2"));
}

#[test]
fn credentials_that_rules_set_are_masked_too() {
    let rules = "authorization = \"Bearer hunter2\", X-Api-Key = \"hunter2\", x-app = \"shown\"";
    let text = format!(
        "[[route]]\nto = \"http://origin.example\"\nrequest-headers = {{ set = {{ {rules} }} }}\n\
         response-headers = {{ add = {{ set-cookie = \"a=hunter2\" }} }}\n\
         request-query = {{ set = {{ api_key = \"hunter2\", page = \"shown\" }} }}\n"
    );
    let shown = config::show(&Loaded::parse("<text>", &text, &env).unwrap().config);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(shown.matches("\"***\"").count(), 4, "{shown}");
    assert_eq!(shown.matches("\"shown\"").count(), 2, "{shown}");
}

#[test]
fn a_variable_that_holds_a_secret_is_no_finding() {
    let text = "[admin]\ntoken = \"${HOST}\"";
    let report = report(Loaded::parse("<text>", text, &env));
    assert!(report.problems().is_empty(), "{report}");
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let report = report(Loaded::parse("<text>", "a = 1", &env));
    assert!(report.text(true).contains('\u{1b}'));
    assert!(!report.text(false).contains('\u{1b}'));
}

#[test]
fn an_empty_file_is_every_default() {
    assert_eq!(Loaded::parse("<text>", "", &env).unwrap().config, Config::default());
}

#[test]
fn the_schema_is_one_that_editors_can_use() {
    let schema = config::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "Janua configuration");
    assert!(schema.get("$id").is_none());
    assert_eq!(schema["$defs"]["Route"]["required"], serde_json::json!(["to"]));
    assert!(schema["$defs"]["Route"]["properties"]["to"].get("default").is_none());
    let keys = config::keys();
    let key = keys.iter().find(|key| key.path == "upstream.NAME.endpoints[].weight").unwrap();
    assert_eq!(key.default, Some(1.into()));
    assert!(!key.required);
    assert_eq!(key.description, "Its share of requests beside the others; 0 takes none.");
}

/// Loads a text and shows everything there is to show of it.
fn exercise(text: &str) {
    let report = report(Loaded::parse("<text>", text, &env));
    assert_eq!(report.json().as_array().unwrap().len(), report.problems().iter().count());
    report.text(true);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        exercise(&text);
    }

    #[test]
    fn odd_toml_does_not_panic(text in "([a-z]|[\\[\\]{}=,.#$\"'\\\\]|[0-9_+-]|[ \t\r\n]|[ä😀\u{0}\u{feff}]){0,60}") {
        exercise(&text);
    }

    #[test]
    fn a_damaged_file_does_not_panic(start in 0_usize..3000, length in 0_usize..40, put in "[ä\"\\[{=$\n]{0,3}") {
        let mut text = std::fs::read_to_string("tests/config/valid/everything.toml").unwrap();
        let floor = |at: usize| (0..=at.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap();
        let range = floor(start)..floor(start + length);
        text.replace_range(range, &put);
        exercise(&text);
    }
}
