//! Does the tree fit the schema? All that does not, not only the first.
//!
//! In: the merged tree and the JSON Schema of `Config`. Out: problems with the bytes they are about, and
//! where secrets stand. A value of a variable never reaches a message: what is shown is what the file
//! says. What values mean together (names, routes) is not looked at here.

mod choice;

use std::{ops::Range, path::PathBuf};

use toml::de::{DeTable, DeValue};

use self::choice::Choice;
use super::{
    auth::PASSWORD_HASH,
    nearest::{listed, nearest},
    path::Path,
    problem::{Problem, Problems},
    schema::Node,
    source::{Sources, Span},
    tree::Value,
    userinfo::userinfo,
    value::{FILE, check_format},
};

/// What the check found.
pub(super) struct Checked {
    /// What does not fit.
    pub(super) problems: Problems,
    /// Values that must not be shown.
    pub(super) secrets: Vec<Span>,
    /// Files that are read beside those of the configuration.
    pub(super) files: Vec<PathBuf>,
}

/// Checks a tree against the schema of a whole configuration.
pub(super) fn check(tree: &DeTable<'_>, schema: &serde_json::Value, sources: &Sources) -> Checked {
    let (secrets, files) = (Vec::new(), Vec::new());
    let mut check = Check { sources, problems: Problems::new(), secrets, files };
    let root = Node::root(schema);
    check.table(Choice::only(root), tree, &(0..0), &Path::root());
    let Check { problems, secrets, files, .. } = check;
    Checked { problems, secrets, files }
}

struct Check<'a> {
    sources: &'a Sources,
    problems: Problems,
    secrets: Vec<Span>,
    files: Vec<PathBuf>,
}

impl Check<'_> {
    fn value(&mut self, node: Node<'_>, value: &Value<'_>, path: &Path) {
        let branches = node.branches();
        let secret = branches.iter().any(|branch| branch.is_secret());
        if secret && !matches!(value.get_ref(), DeValue::Table(_)) {
            // A hash belongs in the file; it is only not to be shown.
            let hash = branches.iter().any(|branch| branch.format() == Some(PASSWORD_HASH));
            if !hash {
                self.secret(value, path);
            }
            self.secrets.push(value.span());
        }
        let fits = |branch: &Node<'_>| accepts(*branch, value.get_ref());
        let (fitting, others): (Vec<_>, Vec<_>) = branches.into_iter().partition(fits);
        let Some(first) = fitting.first().copied() else {
            return self.wrong_type(&others, value, path);
        };
        match value.get_ref() {
            DeValue::String(text) => self.string(&fitting, text, &value.span(), path),
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
                self.integer(first, number, &value.span(), path);
            }
            DeValue::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    if let Some(items) = first.items() {
                        self.value(items, item, &path.index(at));
                    }
                }
            }
            DeValue::Table(table) => match Choice::of(&fitting, table) {
                Some(choice) => self.table(choice, table, &value.span(), path),
                None => self.push(choice::undecided(&fitting, path.clone()), &value.span()),
            },
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn table(&mut self, choice: Choice<'_>, table: &DeTable<'_>, span: &Span, path: &Path) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = path.key(name.to_owned());
            if let Some(node) =
                choice.table.property(name).or_else(|| choice.named(value.get_ref()))
            {
                self.value(node, value, &path);
            } else if choice.table.values().is_some() || !choice.table.is_open() {
                // An empty key has no bytes of its own to point at.
                let at = if key.span().is_empty() { value.span() } else { key.span() };
                self.push(choice.unknown(name, path), &at);
            }
        }
        for name in choice.table.required() {
            // A slip of this very key is told already.
            let slip =
                |key: &str| choice.table.property(key).is_none() && nearest(key, [name]).is_some();
            if !table.contains_key(name) && !table.keys().any(|key| slip(key.get_ref())) {
                let about = choice.table.property(name).map(Node::description).unwrap_or_default();
                let problem =
                    Problem::error(path.key(name.to_owned()), format!("missing key `{name}`"))
                        .help(format!("`{name}`: {about}"));
                self.push(problem, span);
            }
        }
    }

    fn string(&mut self, branches: &[Node<'_>], text: &str, span: &Span, path: &Path) {
        if let Some(Range { start, end }) = userinfo(self.sources.text(span)) {
            self.secrets.push(span.start + start..span.start + end);
        }
        let words: Vec<_> = branches.iter().flat_map(|branch| branch.words()).collect();
        if words.contains(&text) {
            return;
        }
        // Beside its words it may be any string, or one of a grammar.
        if let Some(free) = branches.iter().find(|branch| branch.words().is_empty()) {
            if free.format() == Some(FILE) {
                self.files.push(text.into());
            }
            let result = free.format().map_or(Ok(()), |format| check_format(format, text));
            if let Err(message) = result {
                // What a variable holds is nobody's business; the file's own words are.
                let message =
                    message.replace(&format!("`{text}`"), &format!("`{}`", self.as_written(span)));
                self.push(Problem::error(path.clone(), message), span);
            }
            return;
        }
        let written = self.as_written(span);
        let problem = Problem::error(path.clone(), format!("`{written}` is not known here"));
        let help = match (nearest(text, &words), words.as_slice()) {
            (_, [only]) => format!("the word that goes here is `{only}`"),
            (Some(word), _) => {
                format!("did you mean `{word}`? The words here are {}", listed(&words, "and"))
            }
            (None, _) => format!("the words that go here are {}", listed(&words, "and")),
        };
        self.push(problem.help(help), span);
    }

    fn integer(&mut self, node: Node<'_>, number: Option<i128>, span: &Span, path: &Path) {
        let (least, greatest) = node.range();
        if number.is_none_or(|number| number < least || number > greatest) {
            let message = format!("{} is out of range", self.sources.text(span));
            let help = format!("it can be {least} to {greatest}");
            self.push(Problem::error(path.clone(), message).help(help), span);
        }
    }

    fn wrong_type(&mut self, branches: &[Node<'_>], value: &Value<'_>, path: &Path) {
        let mut wanted: Vec<String> = Vec::new();
        for branch in branches {
            for form in forms(*branch) {
                if !wanted.contains(&form) {
                    wanted.push(form);
                }
            }
        }
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("expected {}, found {found}", either(&wanted));
        let help = brackets(branches, value, path, self.sources);
        self.push(Problem::error(path.clone(), message).help_if(help), &value.span());
    }

    /// A secret: to be hidden and, where the file holds it itself, to be found.
    fn secret(&mut self, value: &Value<'_>, path: &Path) {
        let span = value.span();
        if value.get_ref().is_str() && !self.sources.text(&span).contains("${") {
            let problem =
                Problem::finding(path.clone(), "a secret stands in the file for all to see").help(
                    "keep it out: `{ file = \"/run/secrets/NAME\" }` or `{ env = \"NAME\" }`",
                );
            self.push(problem, &span);
        }
    }

    /// A string as the file has it, variables and all.
    fn as_written(&self, span: &Span) -> &str {
        self.sources.text(span).trim_matches(['"', '\''])
    }

    fn push(&mut self, problem: Problem, span: &Span) {
        // The caret goes under the first line of what is long; an empty span is the whole file.
        self.problems.push(if span.is_empty() { problem } else { problem.at(span.clone()) });
    }
}

/// Whether a form of a value has its TOML type.
fn accepts(branch: Node<'_>, value: &DeValue<'_>) -> bool {
    let types = branch.types();
    types.is_empty() || types.iter().any(|name| is_type(name, value))
}

fn is_type(name: &str, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(_) => name == "string",
        DeValue::Integer(_) => name == "integer" || name == "number",
        DeValue::Float(_) => name == "number",
        DeValue::Boolean(_) => name == "boolean",
        DeValue::Datetime(_) => false,
        DeValue::Array(_) => name == "array",
        DeValue::Table(_) => name == "object",
    }
}

/// Any of these: "a, b or c".
fn either(forms: &[String]) -> String {
    match forms {
        [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        _ => forms.concat(),
    }
}

/// What a form of a value is called in a sentence.
fn forms(branch: Node<'_>) -> Vec<String> {
    let words = branch.words();
    if !words.is_empty() {
        return words.iter().map(|word| format!("\"{word}\"")).collect();
    }
    let form = |name: &&str| {
        Some(match *name {
            "string" => match branch.example().filter(|_| branch.format().is_some()) {
                Some(example) => format!("a string like {example}"),
                None => "a string".into(),
            },
            "integer" => "an integer".into(),
            "number" => "a number".into(),
            "boolean" => "`true` or `false`".into(),
            "array" => "a list".into(),
            "object" => "a table".into(),
            _ => return None,
        })
    };
    branch.types().iter().filter_map(form).collect()
}

/// The help for `[route]` in place of `[[route]]`, and the other way round.
fn brackets(
    branches: &[Node<'_>],
    value: &Value<'_>,
    path: &Path,
    sources: &Sources,
) -> Option<String> {
    let header = sources.text(&value.span());
    let has = |name: &str| branches.iter().any(|branch| branch.types().contains(&name));
    match value.get_ref() {
        DeValue::Table(_) if has("array") && header.starts_with('[') => {
            Some(format!("write `[[{path}]]`, with two brackets"))
        }
        // A table that is only there because of one further down, as in `[listener.tls]`.
        DeValue::Table(_) if has("array") && !header.starts_with('{') => {
            Some(format!("begin with `[[{path}]]`; what follows belongs to it"))
        }
        DeValue::Array(_) if has("object") && header.starts_with("[[") => {
            let named = branches.iter().any(|branch| branch.values().is_some());
            let name = if named { ".NAME" } else { "" };
            Some(format!("write `[{path}{name}]`, with single brackets"))
        }
        _ => None,
    }
}
