//! Which of several forms of a table the operator meant.
//!
//! In: the forms and the table's keys. Out: the form whose keys are nearest, so that its problems are
//! the ones to report; none when nothing in the table tells. No problem of values is found here.

use toml::de::{DeTable, DeValue};

use super::accepts;
use crate::config::{
    nearest::{listed, nearest},
    path::Path,
    problem::Problem,
    schema::Node,
};

/// The form of a table, among those that it could have had.
pub(super) struct Choice<'a> {
    /// The form.
    pub(super) table: Node<'a>,
    /// The others.
    others: Vec<Node<'a>>,
}

impl<'a> Choice<'a> {
    /// A form without others beside it.
    pub(super) const fn only(table: Node<'a>) -> Self {
        Self { table, others: Vec::new() }
    }

    /// The form that fits a table's keys best.
    pub(super) fn of(forms: &[Node<'a>], table: &DeTable<'_>) -> Option<Self> {
        if let [only] = forms {
            return Some(Self::only(*only));
        }
        let mut best = None;
        let mut most = 0;
        for (at, form) in forms.iter().enumerate() {
            let score: u32 =
                table.iter().map(|(key, value)| score(*form, key.get_ref(), value.get_ref())).sum();
            if score > most {
                (best, most) = (Some(at), score);
            }
        }
        let best = best?;
        let others = forms.iter().enumerate().filter(|(at, _)| *at != best);
        Some(Self { table: *forms.get(best)?, others: others.map(|(_, form)| *form).collect() })
    }

    /// What a key is that the form does not know by name. Where it knows others, one with a value that
    /// does not fit is a slip of theirs.
    pub(super) fn named(&self, value: &DeValue<'_>) -> Option<Node<'a>> {
        let fits = |node: &Node<'_>| node.branches().into_iter().any(|form| accepts(form, value));
        self.table.values().filter(|node| !self.table.is_table() || fits(node))
    }

    /// The problem of a key that the form does not know.
    pub(super) fn unknown(&self, name: &str, path: Path) -> Problem {
        let known: Vec<_> = self.table.properties().map(|(name, _)| name).collect();
        if self.others.iter().any(|other| other.property(name).is_some()) {
            let beside = self.table.required();
            let message = format!("`{name}` does not go together with {}", listed(&beside, "and"));
            let rest: Vec<_> = known.into_iter().filter(|key| !beside.contains(key)).collect();
            return Problem::error(path, message).help(match rest.as_slice() {
                [] => "write only one of them".into(),
                _ => format!(
                    "beside {} there can be {}",
                    listed(&beside, "and"),
                    listed(&rest, "and")
                ),
            });
        }
        let problem = Problem::error(path, format!("unknown key `{name}`"));
        problem.help(match nearest(name, &known) {
            Some(key) => format!("did you mean `{key}`?"),
            None if known.len() == 1 => format!("the key that goes here is `{}`", known.concat()),
            None => format!("the keys that go here are {}", listed(&known, "and")),
        })
    }
}

/// The problem of a table that could be any of its forms.
pub(super) fn undecided(forms: &[Node<'_>], path: Path) -> Problem {
    let asked: Vec<_> = forms.iter().map(|form| listed(&form.required(), "and")).collect();
    let about =
        forms.iter().zip(&asked).map(|(form, keys)| format!("{keys}: {}", form.description()));
    Problem::error(path, format!("expected a table with {}", asked.join(" or ")))
        .help(about.collect::<Vec<_>>().join("; "))
}

/// How much a key speaks for a form: most if it decides, some if it is known, little if nearly so.
fn score(form: Node<'_>, key: &str, value: &DeValue<'_>) -> u32 {
    let Some(node) = form.property(key) else {
        let known = form.properties().map(|(name, _)| name).collect::<Vec<_>>();
        return u32::from(nearest(key, &known).is_some());
    };
    let words = node.words();
    let says = value.as_str().is_some_and(|text| words.contains(&text));
    match (words.is_empty(), says) {
        (false, true) => 16,
        _ if form.requires(key) => 8,
        _ => 4,
    }
}
