//! Imports that a server does not tell: Node's makes one file of each package, and says of none what it imports.
//!
//! In: the descriptor of a file, as a message. Out: what it defines, and what it needs of others.

use std::{collections::HashSet, iter::successors};

use prost_reflect::{DescriptorPool, DynamicMessage, Value};

/// The types that a file is about, by their full names.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// Where they are.
    pub(super) package: String,
    /// Those that it defines.
    pub(super) defined: HashSet<String>,
    /// Those that it uses: the scope in which one is named, and the name.
    used: HashSet<(String, String)>,
}

impl Types {
    pub(super) fn of(file: &DynamicMessage) -> Self {
        let package = text(file, "package").unwrap_or_default();
        let mut types = Self { package: package.clone(), ..Self::default() };
        types.take(file, &package);
        types
    }

    /// Takes in what stands in a file, or in a message, of this name.
    fn take(&mut self, holder: &DynamicMessage, scope: &str) {
        for kind in ["message_type", "nested_type"] {
            for message in list(holder, kind) {
                let name = named(scope, &message);
                self.take(&message, &name);
                self.defined.insert(name);
            }
        }
        self.defined.extend(list(holder, "enum_type").iter().map(|kind| named(scope, kind)));
        for field in ["field", "extension"].into_iter().flat_map(|kind| list(holder, kind)) {
            self.uses(scope, &field, ["type_name", "extendee"]);
        }
        for service in list(holder, "service") {
            let scope = named(scope, &service);
            for method in list(&service, "method") {
                self.uses(&scope, &method, ["input_type", "output_type"]);
            }
        }
    }

    fn uses(&mut self, scope: &str, user: &DynamicMessage, keys: [&str; 2]) {
        let names = keys.into_iter().filter_map(|key| text(user, key));
        let names = names.filter(|name| !name.is_empty());
        self.used.extend(names.map(|name| (scope.to_owned(), name)));
    }

    /// The files of what it uses, where this knows them.
    pub(super) fn files(&self, file: impl Fn(&str) -> Option<String>) -> HashSet<String> {
        let used = self.used.iter();
        used.filter_map(|(scope, name)| readings(scope, name).find_map(|full| file(&full)))
            .collect()
    }
}

/// The file of a type that everybody knows.
pub(super) fn well_known(name: &str) -> Option<String> {
    let pool = DescriptorPool::global();
    let message = pool.get_message_by_name(name).map(|message| message.parent_file());
    let file = message.or_else(|| Some(pool.get_enum_by_name(name)?.parent_file()))?;
    Some(file.name().to_owned())
}

/// What a name may stand for in a scope, the closest first.
fn readings<'a>(scope: &'a str, name: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let full = name.strip_prefix('.');
    let outer = |scope: &&'a str| {
        let outer = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        (!scope.is_empty()).then_some(outer)
    };
    let scopes = successors(full.is_none().then_some(scope), outer);
    full.map(str::to_owned).into_iter().chain(scopes.map(move |scope| within(scope, name)))
}

fn named(scope: &str, it: &DynamicMessage) -> String {
    within(scope, &text(it, "name").unwrap_or_default())
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

pub(super) fn text(of: &DynamicMessage, name: &str) -> Option<String> {
    of.get_field_by_name(name)?.as_str().map(String::from)
}

fn list(of: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    let value = of.get_field_by_name(name);
    let list = value.as_deref().and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(|item| item.as_message().cloned()).collect()
}
