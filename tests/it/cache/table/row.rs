//! Rows of the table, read from their text.

use std::time::{Duration, SystemTime};

/// A rule, and exchanges that show it.
pub(super) struct Row {
    pub(super) section: String,
    pub(super) rule: String,
    /// What the route's `cache` says.
    pub(super) rules: String,
    pub(super) steps: Vec<Step>,
}

/// A request, and what becomes of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) method: String,
    /// Behind the row's own path.
    pub(super) path: String,
    pub(super) fields: Vec<(String, String)>,
    /// One for each time that the origin is asked.
    pub(super) answers: Vec<Plan>,
    pub(super) expected: Expected,
    /// Fields of the client's answer: name and value, none for those that are not to be there.
    pub(super) checks: Vec<(String, Option<String>)>,
    /// Fields of what the origin is sent.
    pub(super) sent: Vec<(String, Option<String>)>,
}

/// What the origin says.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// 0: nothing that is an answer.
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
}

/// What becomes of a request; of the answers that the origin gave, which one the client gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Origin,
    Hit(Option<usize>),
    Valid(Option<usize>),
    Behind(Option<usize>),
    Stale(Option<usize>),
    Status(u16),
}

/// All rows of the text of this name.
pub(super) fn rows(name: &str) -> Vec<Row> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cache/table");
    let text = std::fs::read_to_string(format!("{folder}/{name}.txt")).unwrap();
    let paragraphs = text.split("\n\n").map(str::trim);
    paragraphs.filter(|text| !text.starts_with("## ")).flat_map(paragraph).collect()
}

fn paragraph(text: &str) -> Vec<Row> {
    let mut lines = text.lines().map(str::trim);
    let title = lines.next().and_then(|line| line.strip_prefix("# ")).expect(text);
    let (title, words) = match title.split_once(" :: ") {
        Some((title, words)) => (title, words.split(' ').collect()),
        None => (title, vec![""]),
    };
    let (section, rule) = title.split_once(": ").expect(title);
    let lines: Vec<_> = lines.collect();
    let row = |word: &&str| {
        let mut lines: Vec<_> = lines.iter().map(|line| line.replace('$', word)).collect();
        let is_rules = lines[0].starts_with('[');
        let rules = if is_rules { lines.remove(0) } else { String::new() };
        let rules = rules.trim_start_matches('[').strip_suffix(']').unwrap_or_default().to_owned();
        let rule = format!("{rule} {word}").trim().to_owned();
        let steps = lines.iter().map(|line| step(line)).collect();
        Row { section: section.to_owned(), rule, rules, steps }
    };
    words.iter().map(row).collect()
}

fn step(text: &str) -> Step {
    let (exchange, expected) = match text.split_once(" => ") {
        Some((exchange, expected)) => (exchange, expected),
        None => (text, "origin"),
    };
    let mut exchange = exchange.split(" <- ");
    let request = exchange.next().unwrap_or_default();
    let answers = exchange.map(plan).collect();
    let (line, fields) = parts(request);
    let (method, path) = line.split_once(' ').unwrap_or((line, ""));
    let (word, checks) = parts(expected);
    let (checks, sent): (Vec<_>, Vec<_>) =
        checks.into_iter().partition(|check| !check.starts_with('>'));
    let sent = sent.iter().map(|check| check.trim_start_matches('>')).map(check).collect();
    Step {
        text: text.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        fields: fields.into_iter().map(field).collect(),
        answers,
        expected: word_of(word),
        checks: checks.into_iter().map(check).collect(),
        sent,
    }
}

fn word_of(word: &str) -> Expected {
    let (word, number) = word.split_once(' ').unwrap_or((word, ""));
    let number = number.parse().ok();
    match word {
        "origin" => Expected::Origin,
        "hit" => Expected::Hit(number),
        "valid" => Expected::Valid(number),
        "behind" => Expected::Behind(number),
        "stale" => Expected::Stale(number),
        status => Expected::Status(status.parse().expect(status)),
    }
}

fn plan(text: &str) -> Plan {
    let (word, fields) = parts(text);
    let status = if word == "down" { 0 } else { word.parse().expect(text) };
    Plan { status, fields: fields.into_iter().map(field).collect() }
}

/// What stands before the first ` | `, and between them.
fn parts(text: &str) -> (&str, Vec<&str>) {
    let mut parts = text.split(" | ").map(str::trim);
    (parts.next().unwrap_or_default(), parts.collect())
}

fn field(text: &str) -> (String, String) {
    let (name, value) = text.split_once(':').expect(text);
    (name.to_owned(), dated(value.trim()))
}

fn check(text: &str) -> (String, Option<String>) {
    match text.strip_prefix('!') {
        Some(name) => (name.to_owned(), None),
        None => {
            let (name, value) = field(text);
            (name, Some(value))
        }
    }
}

/// `{now}`, `{now-5}` and `{now+5}` as dates.
fn dated(value: &str) -> String {
    let Some((before, rest)) = value.split_once("{now") else { return value.to_owned() };
    let (offset, after) = rest.split_once('}').expect(value);
    let offset: i64 = if offset.is_empty() { 0 } else { offset.parse().expect(value) };
    let distance = Duration::from_secs(offset.unsigned_abs());
    let now = SystemTime::now();
    let time = if offset < 0 { now - distance } else { now + distance };
    format!("{before}{}{}", httpdate::fmt_http_date(time), dated(after))
}
