//! `config/reference.toml`: it says what the types say, and what it says can be loaded.

use std::path::Path;

use janua::config::{self, Loaded, Problems};

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
    let least = "[access.NAME]\n[api.NAME]\n[cache.NAME]\n[limit.NAME]\n[[listener]]\n[[route]]\nto = \"http://127.0.0.1:3000\"\n\
        [auth.NAME]\n[store.NAME]\nurl = \"redis://127.0.0.1:6379\"\n[upstream.NAME]\nendpoints = [\"http://127.0.0.1:3000\"]\n\
        [[test]]\nrequest = \"GET http://api.example.com/orders/7\"\n";
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
            let required =
                ["listener", "route", "test", "upstream"].map(|name| required(name, &lines));
            let text = required.concat() + required_of_auth(&lines) + &lines.join("\n");
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
    if !header.trim_start_matches('[').starts_with(&format!("{name}."))
        || header.ends_with(".NAME]")
    {
        return String::new();
    }
    match name {
        "listener" => "[[listener]]\n".into(),
        "route" => "[[route]]\nto = \"echo\"\n".into(),
        "test" => "[[test]]\nrequest = \"GET http://a/\"\n".into(),
        _ => "[upstream.NAME]\nendpoints = \"http://a\"\n".into(),
    }
}

/// The same for a table of a method that has keys that must be written.
fn required_of_auth(lines: &[String]) -> &'static str {
    let header = lines.first().map(String::as_str).unwrap_or_default();
    let all = [
        ("[auth.NAME.forward.", "[auth.NAME.forward]\nurl = \"http://a\"\n"),
        (
            "[auth.NAME.introspection.",
            "[auth.NAME.introspection]\nclient-id = \"a\"\nclient-secret = \"b\"\n",
        ),
        ("[auth.NAME.oidc.", "[auth.NAME.oidc]\nissuer = \"https://a\"\nclient-id = \"b\"\n"),
    ];
    all.iter().find(|(prefix, _)| header.starts_with(prefix)).map_or("", |(_, text)| text)
}
