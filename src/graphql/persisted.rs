//! Documents that are known: those that the operator's clients were built with.
//!
//! In: a folder or a file, at load. Out: documents by their names, by SHA-256 and by their texts. They fit the
//! schema, or the configuration does not load.

use std::{
    collections::HashMap,
    fs,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{
    document::{Bounds, Document},
    schema::Types,
};
use crate::{
    config::{self, Path, Problem, Problems, read_file_up_to, read_text_file_up_to},
    message::{hex, parse_json},
};

/// Bytes of all of them together.
const MOST_BYTES: u64 = 64 << 20;
/// As many.
const MOST: usize = 50_000;
/// Tokens of one.
const MOST_TOKENS: usize = 100_000;

/// A document that is known.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) text: Arc<str>,
    pub(super) document: Arc<Document>,
}

/// Documents that are known.
#[derive(Debug, Default)]
pub(super) struct Persisted {
    by_name: HashMap<Box<str>, Arc<Entry>>,
    by_text: HashMap<Arc<str>, Arc<Entry>>,
    /// Whether no others are taken.
    pub(super) only: bool,
}

impl Persisted {
    pub(super) fn compile(
        section: &config::Persisted,
        types: Option<&Types>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let at = at.key("persisted").key("file");
        let read = match section.file.is_dir() {
            true => folder(&section.file),
            false => manifest(&section.file),
        };
        let read = problems.keep(read.map_err(|what| Problem::error(at.clone(), what)))?;
        if read.is_empty() {
            let what = format!("there is no document in `{}`", section.file.display());
            problems.push(Problem::error(at, what));
            return None;
        }
        let mut made = Self { only: section.only, ..Self::default() };
        for (name, text) in read {
            let document =
                Document::read(&text, types, Bounds { tokens: MOST_TOKENS, guard: None });
            if let Some(fault) = &document.fault {
                let first = fault.violations.iter().next();
                let what = first.map_or_else(|| fault.reject.detail().into(), ToString::to_string);
                problems.push(Problem::error(at.clone(), format!("`{name}`: {what}")));
                continue;
            }
            let text: Arc<str> = text.into();
            let entry = Arc::new(Entry { text: text.clone(), document: Arc::new(document) });
            // An editor ends a file with a line end, which clients may send or not.
            for text in [&*text, text.trim_end()] {
                made.by_name.insert(sha256(text).into(), entry.clone());
                made.by_text.insert(text.into(), entry.clone());
            }
            if let Some(other) = made.by_name.insert(name.as_str().into(), entry.clone())
                && other.text != entry.text
            {
                let what = format!("there are two documents `{name}`");
                problems.push(Problem::error(at.clone(), what));
            }
        }
        Some(made)
    }

    /// The document of this name or SHA-256, which may say that it is one.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        let digest = name.strip_prefix("sha256:");
        self.by_name.get(name).or_else(|| self.by_name.get(digest?))
    }

    /// The document with this text.
    pub(super) fn text(&self, text: &str) -> Option<&Arc<Entry>> {
        self.by_text.get(text)
    }

    /// The names of all operations.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Arc<str>> {
        let all = self.by_text.values().flat_map(|entry| &entry.document.operations);
        all.filter_map(|operation| operation.name.as_ref())
    }
}

/// The digest of a text, as clients write it.
pub(super) fn sha256(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

/// Names and texts.
type Read = Vec<(String, String)>;

fn folder(folder: &FilePath) -> Result<Read, String> {
    let unreadable = |error: std::io::Error| format!("cannot read `{}`: {error}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for file in fs::read_dir(folder).map_err(unreadable)? {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "graphql" || ending == "gql") {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > MOST {
        return Err(format!("there are more than {MOST} documents"));
    }
    let mut left = MOST_BYTES;
    let read = files.into_iter().map(|file| {
        let text = read_text_file_up_to(&file, left)?;
        left -= text.len() as u64;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, text))
    });
    read.collect()
}

fn manifest(file: &FilePath) -> Result<Read, String> {
    let bytes = read_file_up_to(file, MOST_BYTES)?;
    let fault = |what: &str| format!("`{}`: {what}", file.display());
    let json = parse_json(&bytes, 8).map_err(|error| fault(&error.to_string()))?;
    let known = "{ \"ID\": \"DOCUMENT\" }, or a manifest with `operations` of `id` and `body`";
    let none = || fault(&format!("it is not {known}"));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(String::from);
    let read: Option<Read> = match json.get("operations") {
        Some(Value::Array(operations)) => {
            let pair = |it: &Value| Some((text(it.get("id"))?, text(it.get("body"))?));
            operations.iter().map(pair).collect()
        }
        _ => json.as_object().and_then(|all| {
            all.iter().map(|(id, body)| Some((id.clone(), text(Some(body))?))).collect()
        }),
    };
    let read = read.ok_or_else(none)?;
    if read.len() > MOST { Err(fault("there are too many documents")) } else { Ok(read) }
}
