//! The reference: a configuration file that shows every key, what it is for, and its default.
//!
//! In: the JSON Schema. Out: the text of `config/reference.toml`. A key with a default is set to it; one
//! without is commented out and shows an example; one that must be written is set to its example.
//! Prose begins with `# `, a key that is commented out with `#`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    path::quoted,
    schema::{Node, schema},
};

const HEAD: &str = "\
# Every key of Janua's configuration.
#
# A key that is set shows its default and need not be written, unless it is required. A key behind a
# `#` has no default; what it shows is an example. Strings may hold variables of the environment:
# `${NAME}`, `${NAME:-default}`, `${NAME:?message if it is not set}`; `$$` is a plain `$`. Files are named from
# the directory that the process runs in, but for `include`: a service names them in full.

";

/// The text of the reference.
pub fn reference() -> String {
    let schema = schema();
    let mut reference = Reference { text: HEAD.to_owned() };
    let root = Node::root(&schema);
    reference.table(root, &[], Shown::Set);
    reference.text
}

struct Reference {
    text: String,
}

/// Whether keys are set or commented out.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Shown {
    Set,
    Commented,
}

/// How a table is written, when its keys get lines of their own.
enum Section<'a> {
    /// `[key]`
    One(Node<'a>),
    /// `[[key]]`
    Many(Node<'a>),
    /// `[key.NAME]`
    Named(Node<'a>),
}

impl Reference {
    /// The keys of a table: first those with a line, then those with a section of their own.
    fn table(&mut self, table: Node<'_>, path: &[&str], shown: Shown) {
        let (sections, lines): (Vec<_>, Vec<_>) = table
            .properties()
            .map(|(key, node)| (key, node, section(node)))
            .partition(|(_, _, section)| section.is_some());
        for (key, node, _) in lines {
            self.key(key, node, table.requires(key), shown);
        }
        for (key, node, section) in sections {
            let Some(section) = section else { continue };
            // At the top every table is shown; further down, only what is there by default.
            let there = path.is_empty() || node.default().is_some_and(Value::is_object);
            let shown = if there { shown } else { Shown::Commented };
            self.section(&[path, &[key]].concat(), node, &section, shown);
        }
    }

    fn section(&mut self, path: &[&str], node: Node<'_>, section: &Section<'_>, shown: Shown) {
        let name = path.join(".");
        self.text.push('\n');
        self.prose(&node.description());
        match section {
            Section::One(table) => {
                self.line(shown, &format!("[{name}]"));
                self.table(*table, path, shown);
                // Further down, names are the operator's own keys of one table.
                if path.len() == 1
                    && let Some(named) = table.values().and_then(only_table)
                {
                    let section = Section::Named(named);
                    self.section(path, named, &section, shown);
                }
            }
            Section::Many(table) => {
                self.line(shown, &format!("[[{name}]]"));
                self.table(*table, path, shown);
            }
            Section::Named(table) => {
                self.line(shown, &format!("[{name}.NAME]"));
                self.table(*table, &[path, &["NAME"]].concat(), shown);
            }
        }
    }

    fn key(&mut self, key: &str, node: Node<'_>, required: bool, shown: Shown) {
        self.prose(&described(node, required));
        let name = quoted(key);
        if let Some(value) = node.default() {
            self.line(shown, &format!("{name} = {}", toml_text(value)));
        } else if let Some(value) = node.example() {
            let shown = if required { shown } else { Shown::Commented };
            self.line(shown, &format!("{name} = {}", toml_text(value)));
        }
        let mut forms = Vec::new();
        collect_forms(node, Wrap::None, &mut forms);
        for (form, wrap) in forms {
            self.prose(&format!("{}:", form.description().trim_end_matches('.')));
            for (key, node) in form.properties().filter(|(_, node)| !node.description().is_empty())
            {
                self.prose(&format!("- `{key}`: {}", described(node, form.requires(key))));
            }
            let value = wrap.around(example_of(form));
            self.line(Shown::Commented, &format!("{name} = {}", toml_text(&value)));
        }
    }

    fn prose(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# {text}");
    }

    fn line(&mut self, shown: Shown, text: &str) {
        let mark = if shown == Shown::Commented { "#" } else { "" };
        let _ = writeln!(self.text, "{mark}{text}");
    }
}

/// The section that a value gets, if it is made of one kind of table.
fn section(node: Node<'_>) -> Option<Section<'_>> {
    let branches = node.branches();
    let is_list = branches.iter().any(|branch| branch.items().is_some());
    let tables: Vec<_> = branches.iter().filter(|branch| branch.is_table()).collect();
    match (tables.as_slice(), branches.as_slice()) {
        ([table], _) if !is_list => Some(Section::One(**table)),
        ([], [only]) => only
            .items()
            .and_then(only_table)
            .map(Section::Many)
            .or_else(|| only.values().and_then(only_table).map(Section::Named)),
        _ => None,
    }
}

fn only_table(node: Node<'_>) -> Option<Node<'_>> {
    match node.branches().as_slice() {
        [table] if table.is_table() => Some(*table),
        _ => None,
    }
}

/// What a form stands in.
#[derive(Clone, Copy)]
enum Wrap {
    None,
    List,
    Named,
}

impl Wrap {
    fn around(self, value: Value) -> Value {
        match self {
            Self::None => value,
            Self::List => Value::Array(vec![value]),
            Self::Named => Value::Object(Map::from_iter([("NAME".to_owned(), value)])),
        }
    }
}

/// The tables that a value may be or hold, each once.
fn collect_forms<'a>(node: Node<'a>, wrap: Wrap, forms: &mut Vec<(Node<'a>, Wrap)>) {
    for branch in node.branches() {
        if branch.is_table() {
            if !forms.iter().any(|(known, _)| known.is(branch)) {
                forms.push((branch, wrap));
            }
        } else if let Some(items) = branch.items() {
            collect_forms(items, Wrap::List, forms);
        } else if let Some(values) = branch.values() {
            collect_forms(values, Wrap::Named, forms);
        }
    }
}

fn described(node: Node<'_>, required: bool) -> String {
    node.description() + if required { " Required." } else { "" }
}

/// A table with all its keys: defaults, else examples.
fn example_of(table: Node<'_>) -> Value {
    if let Some(example) = table.own_example() {
        return example.clone();
    }
    let entry = |(key, node): (&str, Node<'_>)| {
        let value = node.default().or_else(|| node.example()).cloned();
        value.map(|value| (key.to_owned(), value))
    };
    Value::Object(table.properties().filter_map(entry).collect())
}

/// A value as TOML has it, on one line.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{} = {}", quoted(key), toml_text(value));
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        // What JSON escapes in a string, TOML escapes alike.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
