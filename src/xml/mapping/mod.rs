//! What JSON is as XML, and XML as JSON.
//!
//! In: what the operator says of it. Out: [`Mapping::to_xml`] and [`Mapping::to_json`], which undo each other
//! wherever neither loses anything; the configuration's own words say where one does. What has no place
//! in the other is an error that says where, never something that is left out.

mod read;
mod write;

use std::collections::HashSet;

use super::chars::{is_name, is_ncname, is_text};
use crate::config::{Path, Problem, Problems, TranslateRules, XmlNamespaces, XmlNil, XmlNumbers};

/// How JSON and XML become each other.
#[derive(Debug)]
pub struct Mapping {
    /// The document element, if JSON has no member for it.
    root: Option<Box<str>>,
    /// The default namespace of a document that is written.
    namespace: Option<Box<str>>,
    /// What names of attributes begin with.
    attributes: Box<str>,
    /// The member for text.
    text: Box<str>,
    arrays: Arrays,
    /// Whether text becomes numbers.
    infers: bool,
    /// Whether names are without prefixes.
    strips: bool,
    nil: XmlNil,
}

/// Elements that are lists even where there is one only.
#[derive(Debug, Default)]
struct Arrays {
    names: HashSet<Box<str>>,
    paths: Vec<Vec<Box<str>>>,
}

impl Arrays {
    /// Whether an element is, by its name and those of the elements that it is in.
    fn have<'n>(&self, above: impl ExactSizeIterator<Item = &'n str> + Clone, name: &str) -> bool {
        let is = |path: &Vec<Box<str>>| {
            path.len() == above.len() + 1
                && path.last().is_some_and(|last| **last == *name)
                && path.iter().zip(above.clone()).all(|(part, other)| **part == *other)
        };
        self.names.contains(name) || self.paths.iter().any(is)
    }
}

impl Mapping {
    /// Compiles what is said at this place.
    pub fn compile(rules: &TranslateRules, at: &Path, problems: &mut Problems) -> Self {
        let mut wrong = |key: &'static str, message: String, help: &str| {
            problems.push(Problem::error(at.key(key), message).help(help));
        };
        if let Some(root) = &rules.root
            && !is_ncname(root)
        {
            wrong(
                "root",
                format!("`{root}` is no name of an element"),
                "write it without a prefix",
            );
        }
        if rules.namespace.as_ref().is_some_and(|name| name.is_empty() || !is_text(name)) {
            wrong("namespace", "this is no namespace".into(), "leave it out if there is none");
        }
        for (key, name) in [("attributes", &rules.attributes), ("text", &rules.text)] {
            // What could begin an element's name would be taken for one.
            if name.is_empty() || is_ncname(&name.chars().take(1).collect::<String>()) {
                wrong(
                    key,
                    format!("`{name}` could be an element"),
                    "begin it with a sign that no element begins with, like `@`, `$` or `#`",
                );
            }
        }
        if !rules.attributes.is_empty() && rules.text.starts_with(&*rules.attributes) {
            wrong(
                "text",
                format!("`{}` is also an attribute", rules.text),
                "begin it with another sign than attributes",
            );
        }
        let mut arrays = Arrays::default();
        for name in rules.arrays.iter() {
            let path: Vec<Box<str>> = name.split('/').map(Into::into).collect();
            if !path.iter().all(|part| is_name(part)) {
                let help = "write a name, or names from the document element on: \"order/item\"";
                wrong("arrays", format!("`{name}` is no element"), help);
            }
            match <[_; 1]>::try_from(path) {
                Ok([name]) => drop(arrays.names.insert(name)),
                Err(path) => arrays.paths.push(path),
            }
        }
        Self {
            root: rules.root.as_deref().map(Into::into),
            namespace: rules.namespace.as_deref().map(Into::into),
            attributes: (&*rules.attributes).into(),
            text: (&*rules.text).into(),
            arrays,
            infers: rules.numbers == XmlNumbers::Infer,
            strips: rules.namespaces == XmlNamespaces::Strip,
            nil: rules.nil,
        }
    }
}
