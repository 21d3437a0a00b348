//! The merged tree: every file's tables in one, each value still knowing where it was written.
//!
//! In: the syntax tree of a file, with positions in that file. Out: one whose positions are those of
//! [`super::source`] and whose variables are filled in, then united with those of other files. What
//! a key means is not known here.

use std::{borrow::Cow, collections::HashMap};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    path::Path,
    problem::{Problem, Problems},
    source::{Place, Span},
    vars::{Env, substitute},
};

/// A value and where it was written.
pub(super) type Value<'s> = Spanned<DeValue<'s>>;
type Entry<'s> = (Spanned<DeString<'s>>, Value<'s>);

/// Takes a file's tree over into the merged one.
pub(super) struct Adopt<'a> {
    /// The first position of the file.
    pub(super) base: usize,
    /// Where variables are looked up.
    pub(super) env: Env<'a>,
    /// What is wrong with them.
    pub(super) problems: &'a mut Problems,
}

impl Adopt<'_> {
    /// The same table with its new positions, its variables filled in.
    pub(super) fn table<'s>(&mut self, table: DeTable<'s>, path: &Path) -> DeTable<'s> {
        let entry = |(key, value): Entry<'s>| {
            let value = self.value(value, &path.key(key.get_ref().clone().into_owned()));
            (Spanned::new(shift(&key.span(), self.base), key.into_inner()), value)
        };
        table.into_iter().map(entry).collect()
    }

    /// The same value with its new position, its variables filled in.
    pub(super) fn value<'s>(&mut self, value: Value<'s>, path: &Path) -> Value<'s> {
        let span = shift(&value.span(), self.base);
        let value = match value.into_inner() {
            DeValue::String(text) => DeValue::String(self.text(text, path, &span)),
            DeValue::Array(array) => {
                let items = array.into_iter().enumerate();
                DeValue::Array(items.map(|(at, item)| self.value(item, &path.index(at))).collect())
            }
            DeValue::Table(table) => DeValue::Table(self.table(table, path)),
            plain @ (DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)) => plain,
        };
        Spanned::new(span, value)
    }

    fn text<'s>(&mut self, text: DeString<'s>, path: &Path, span: &Span) -> DeString<'s> {
        let filled = substitute(&text, self.env).map(Cow::into_owned);
        match filled {
            Ok(filled) if filled == text => text,
            Ok(filled) => Cow::Owned(filled),
            Err(errors) => {
                self.problems.extend(errors.into_iter().map(|error| {
                    Problem::error(path.clone(), error.message).help(error.help).at(span.clone())
                }));
                text
            }
        }
    }
}

/// Unites two tables. Lists of tables at the top (`[[route]]`) are joined, tables are united key by
/// key, and anything else may be written only once.
pub(super) fn unite<'s>(
    into: &mut DeTable<'s>,
    from: DeTable<'s>,
    path: &Path,
    problems: &mut Problems,
) {
    for (key, value) in from {
        let name = key.get_ref().clone().into_owned();
        let Some((first, _)) = into.get_key_value(name.as_str()) else {
            into.insert(key, value);
            continue;
        };
        let (first, span, path) = (first.span(), value.span(), path.key(name.clone()));
        let Some(there) = into.get_mut(name.as_str()) else { continue };
        match (there.get_mut(), value.into_inner()) {
            (DeValue::Table(there), DeValue::Table(more)) => unite(there, more, &path, problems),
            (DeValue::Array(there), DeValue::Array(more)) if is_joined(&path, there, &more) => {
                more.into_iter().for_each(|item| there.push(item));
            }
            _ => problems.push(
                Problem::error(path.clone(), format!("`{path}` is defined twice"))
                    .at(if key.span().is_empty() { span } else { key.span() })
                    .also_at(first, "first defined here"),
            ),
        }
    }
}

fn is_joined(path: &Path, there: &[Value<'_>], more: &[Value<'_>]) -> bool {
    let top = path.parent().is_some_and(|parent| parent.is_root());
    top && there.iter().chain(more).all(|item| item.get_ref().is_table())
}

/// Where each value of the tree stands.
pub(super) fn index(tree: &DeTable<'_>) -> HashMap<Path, Place> {
    let mut index = HashMap::new();
    index_table(tree, &Path::root(), &mut index);
    index
}

fn index_table(table: &DeTable<'_>, path: &Path, index: &mut HashMap<Path, Place>) {
    for (key, value) in table {
        let path = path.key(key.get_ref().clone().into_owned());
        index_value(value, Some(key.span()), path, index);
    }
}

fn index_value(value: &Value<'_>, key: Option<Span>, path: Path, index: &mut HashMap<Path, Place>) {
    match value.get_ref() {
        DeValue::Table(table) => index_table(table, &path, index),
        DeValue::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                index_value(item, None, path.index(at), index);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
    index.insert(path, Place { key, value: value.span() });
}

const fn shift(span: &Span, base: usize) -> Span {
    span.start + base..span.end + base
}
