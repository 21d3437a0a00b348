//! [`Rest`]: a configuration without what has the wrong form, so that what the rest means is looked at too, and
//! an operator is told everything at once.
//!
//! In: the tree, and what is wrong with its form. Out: the configuration without those values; none where nobody
//! could say what it means then. Of what is wrong with its meaning only that is worth a word which is not wrong
//! because something was taken out: nothing of the same section, nothing about a name that went with it.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::{
    Config, names,
    path::{Path, Step},
    problem::{Problem, Problems, Severity},
};

/// What is left.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The configuration.
    pub config: Config,
    /// The sections that lack something: `upstream.a`, `route[2]`.
    sections: BTreeSet<Path>,
    /// What was called something, and is not there.
    gone: BTreeSet<String>,
}

impl Rest {
    /// What is left of a tree without the values that these are about.
    pub(super) fn of<'t>(
        mut tree: DeTable<'t>,
        problems: &Problems,
        read: impl FnOnce(DeTable<'t>) -> Option<Config>,
    ) -> Option<Self> {
        let (mut sections, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for problem in problems.iter().filter(|problem| problem.severity == Severity::Error) {
            let steps = reach(problem.path.steps())?;
            take_out(&mut tree, steps, &mut gone);
            sections.insert(problem.path.section());
        }
        Some(Self { config: read(tree)?, sections, gone })
    }

    /// What is wrong with its names.
    pub(super) fn names(&self) -> Problems {
        self.worth_telling(names::check(&self.config))
    }

    /// Those that are there whatever was taken out.
    pub fn worth_telling(&self, problems: Problems) -> Problems {
        let is_own = |problem: &Problem| {
            problem.severity == Severity::Error
                && !self.sections.contains(&problem.path.section())
                && !self.gone.iter().any(|name| problem.message.contains(&format!("`{name}`")))
        };
        problems.into_iter().filter(is_own).collect()
    }
}

/// The steps to what is to be taken out: of a list all of it, or its places would be others. None for a whole
/// part of the configuration, and for a name, by which others may call it.
fn reach(steps: &[Step]) -> Option<&[Step]> {
    let last = steps.iter().rposition(|step| matches!(step, Step::Key(_)))?;
    match &steps[last] {
        Step::Key(key) if last > 0 && key != "name" => Some(&steps[..=last]),
        _ => None,
    }
}

/// Takes out what is at these steps, the last of which is a key.
fn take_out(table: &mut DeTable<'_>, steps: &[Step], gone: &mut BTreeSet<String>) {
    let Some((Step::Key(key), mut steps)) = steps.split_first() else { return };
    if steps.is_empty() {
        if let Some(value) = table.remove(&**key) {
            gone.insert(key.clone().into_owned());
            call(value.get_ref(), gone);
        }
        return;
    }
    let Some(mut value) = table.get_mut(&**key).map(toml::Spanned::get_mut) else { return };
    while let Some((Step::Index(index), rest)) = steps.split_first() {
        let DeValue::Array(array) = value else { return };
        let Some(item) = array.get_mut(*index) else { return };
        (value, steps) = (item.get_mut(), rest);
    }
    if let DeValue::Table(table) = value {
        take_out(table, steps, gone);
    }
}

/// Every key in it.
fn call(value: &DeValue<'_>, gone: &mut BTreeSet<String>) {
    match value {
        DeValue::Table(table) => {
            for (key, value) in table {
                gone.insert(key.get_ref().clone().into_owned());
                call(value.get_ref(), gone);
            }
        }
        DeValue::Array(array) => array.iter().for_each(|item| call(item.get_ref(), gone)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}
