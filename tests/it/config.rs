//! Configuration files: what loads, what is refused, and with which words.
//!
//! A file in `tests/config/invalid` begins with the problems it must give, all of them, in order:
//! `#! LINE:COLUMN message` or `#! FILE:LINE:COLUMN message`, `-` in place of the place where there is
//! none, and ` => help` behind it. Message and help are parts of what must be said.

use std::path::{Path, PathBuf};

use janua::config::{self, Config, Loaded, Path as KeyPath, Problem, Problems, Report};
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

const REFERENCE: &str = "config/reference.toml";

#[test]
fn the_reference_is_what_the_types_say() {
    let expected = config::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all("config").unwrap();
        std::fs::write(REFERENCE, &expected).unwrap();
    }
    let found = std::fs::read_to_string(REFERENCE).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert_eq!(differs, None, "run the tests with UPDATE=1 to write {REFERENCE} anew");
    assert_eq!(
        found.len(),
        expected.len(),
        "run the tests with UPDATE=1 to write {REFERENCE} anew"
    );
}

#[test]
fn the_reference_shows_every_key() {
    let text = std::fs::read_to_string(REFERENCE).unwrap();
    for key in config::keys() {
        let name = key.path.rsplit(['.', ']']).find(|name| !name.is_empty()).unwrap();
        assert!(!key.description.is_empty(), "{} has no description", key.path);
        assert!(
            text.contains(key.description.trim_end_matches('.')),
            "{} is not described",
            key.path
        );
        let forms = [
            format!("{name} = "),
            format!("`{name}`: "),
            format!("{name}]"),
            format!("{name}.NAME]"),
        ];
        assert!(forms.iter().any(|form| text.contains(form)), "{} is not shown", key.path);
    }
}

#[test]
fn the_reference_loads_and_shows_real_defaults() {
    let loaded =
        Loaded::read(Path::new(REFERENCE), &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let report = loaded.report(Problems::new());
    assert!(report.problems().is_empty(), "{report}");

    // Only what is required and has no default may differ from a file without these keys.
    let least = "[[listener]]\n[[route]]\nto = \"http://127.0.0.1:3000\"\n\
        [upstream.NAME]\nendpoints = [\"http://127.0.0.1:3000\"]\n\
        [[test]]\nrequest = \"GET https://api.example.com/orders/7\"\n";
    let least = Loaded::parse("<least>", least, &|_| None).unwrap();
    assert_eq!(loaded.config, least.config);
}

#[test]
fn every_example_of_the_reference_loads() {
    let text = std::fs::read_to_string(REFERENCE).unwrap();
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in
        text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "#")
    {
        if line.trim_start_matches('#').starts_with('[') {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap().push(line);
    }
    let key = |line: &str| line.trim_start_matches('#').split(" = ").next().unwrap().to_owned();
    let mut examples = 0;
    for section in &sections {
        for example in section.iter().filter(|line| line.starts_with('#')) {
            // The section with everything in it, and of several lines for this key the one to try.
            let mut lines: Vec<String> = Vec::new();
            for line in section {
                let rival = key(line) == key(example) && line != example;
                if !rival && !lines.iter().any(|known| key(known) == key(line)) {
                    lines.push(line.trim_start_matches('#').to_owned());
                }
            }
            let lines: Vec<_> =
                lines.into_iter().filter(|line| !line.starts_with("include")).collect();
            let required = ["route", "test", "upstream"].map(|name| required(name, &lines));
            let text = required.concat() + &lines.join("\n");
            if let Err(report) = Loaded::parse("<example>", &text, &|_| None) {
                panic!("{example}\n{report}\n{text}");
            }
            examples += 1;
        }
    }
    assert!(examples > 50, "{examples}");
}

/// What a nested section needs around it.
fn required(name: &str, lines: &[String]) -> String {
    let header = lines.first().map(String::as_str).unwrap_or_default();
    if !header.starts_with(&format!("[{name}.")) || header.ends_with(".NAME]") {
        return String::new();
    }
    match name {
        "route" => "[[route]]\nto = \"echo\"\n".into(),
        "test" => "[[test]]\nrequest = \"GET http://a/\"\n".into(),
        _ => "[upstream.NAME]\nendpoints = \"http://a\"\n".into(),
    }
}
