//! [`Rest`]: a configuration without what has the wrong form, so that what the rest means is looked at too, and
//! an operator is told everything at once.
//!
//! In: the tree, and what is wrong with its form. Out: the configuration without those values; none where nobody
//! could say what it means then. Of what is wrong with its meaning only that is worth a word which is not wrong
//! because something was taken out: nothing of the same section, nothing about a name that went with it.

use std::collections::BTreeSet;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

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
    gaps: Gaps,
}

/// What is not in it.
#[derive(Clone, Debug, Default)]
struct Gaps {
    /// The sections that lack something: `upstream.a`, `route[2]`.
    sections: BTreeSet<Path>,
    /// What was called something, and is not there.
    gone: BTreeSet<String>,
    /// Whether something lost the name that others may call it by.
    is_nameless: bool,
}

impl Rest {
    /// What is left of a tree without the values that these are about; `is_known` says whether there is a
    /// section of a name.
    pub(super) fn of<'t>(
        tree: &DeTable<'t>,
        problems: &Problems,
        is_known: impl Fn(&str) -> bool,
        read: impl Fn(DeTable<'t>) -> Option<Config>,
    ) -> Option<Self> {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        let paths: Vec<_> = errors.map(|problem| &problem.path).collect();
        // As little as may be; then what that stands in, of which it may be a part that has to be there.
        (0..WIDEST).find_map(|wider| {
            let (mut tree, mut gaps) = (tree.clone(), Gaps::default());
            for path in &paths {
                let steps = reach(path.steps(), wider, &is_known)?;
                gaps.take_out(&mut tree, steps);
                gaps.sections.insert(path.section());
            }
            Some(Self { config: read(tree)?, gaps })
        })
    }

    /// What is wrong with its names.
    pub(super) fn names(&self) -> Problems {
        self.worth_telling(names::check(&self.config))
    }

    /// Those that are there whatever was taken out.
    pub fn worth_telling(&self, problems: Problems) -> Problems {
        let Gaps { sections, gone, is_nameless } = &self.gaps;
        let names_what_is_gone = |problem: &Problem| {
            let says = |words: &str| problem.message.contains(words);
            gone.iter().any(|name| says(&format!("`{name}`")))
                || *is_nameless && says("there is no ")
        };
        let is_own = |problem: &Problem| {
            problem.severity == Severity::Error
                && !sections.contains(&problem.path.section())
                && !names_what_is_gone(problem)
        };
        problems.into_iter().filter(is_own).collect()
    }
}

/// How many tables further out than a value itself is tried what is left without them.
const WIDEST: usize = 4;

/// The steps to what is to be taken out: of a list all of it, or its places would be others. A route, which has
/// to lead somewhere, ends the way. None for a part of the configuration as a whole, unless nobody knows it.
fn reach(steps: &[Step], wider: usize, is_known: impl Fn(&str) -> bool) -> Option<&[Step]> {
    if let [Step::Key(section)] = steps {
        return (!is_known(section)).then_some(steps);
    }
    if let [Step::Key(section), Step::Index(_)] = steps {
        return (section == "route").then_some(steps);
    }
    let keys = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Key(_)));
    let mut inner: Vec<_> = keys.map(|(at, _)| at).filter(|at| *at > 0).collect();
    inner.truncate(inner.len().saturating_sub(wider).max(1));
    inner.last().map(|last| &steps[..=*last])
}

impl Gaps {
    /// Takes out what is at these steps, the last of which is a key or a route's place.
    fn take_out(&mut self, table: &mut DeTable<'_>, steps: &[Step]) {
        let Some((Step::Key(key), mut rest)) = steps.split_first() else { return };
        if rest.is_empty() {
            if let Some(value) = table.remove(&**key) {
                self.gone.insert(key.clone().into_owned());
                call(value.get_ref(), &mut self.gone);
            }
            return;
        }
        let Some(mut value) = table.get_mut(&**key).map(Spanned::get_mut) else { return };
        let mut is_item = false;
        while let Some((Step::Index(index), further)) = rest.split_first() {
            let DeValue::Array(array) = value else { return };
            let Some(item) = array.get_mut(*index) else { return };
            (value, rest, is_item) = (item.get_mut(), further, true);
        }
        let DeValue::Table(table) = value else { return };
        self.is_nameless |= is_item && matches!(rest, [Step::Key(key)] if key == "name");
        self.take_out(table, rest);
        if key == "route" && matches!(rest, [] | [Step::Key(_)]) && !table.contains_key("to") {
            let nowhere = DeValue::String("echo".into());
            table.insert(Spanned::new(0..0, "to".into()), Spanned::new(0..0, nowhere));
        }
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
