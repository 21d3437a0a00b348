//! The place of a value in the configuration, as an operator would say it: `route[2].to`.
//!
//! In: keys and positions, one after the other. Out: a [`Path`] to print and to look up in the files
//! that were read. A path may name what nobody wrote (a default, a missing key); it knows no file.

use std::{borrow::Cow, fmt, iter, sync::Arc};

/// The place of a value: `route[2].to`, `upstream.orders.endpoints[0]`.
///
/// Built from the root down, and cheap to branch: `let route = Path::root().key("route").index(2)`,
/// then `route.key("to")` and `route.key("path")`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Path(Arc<[Step]>);

/// From a value to one within it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    Key(Cow<'static, str>),
    Index(usize),
}

impl Path {
    /// The whole configuration.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key in the table at this path.
    #[must_use]
    pub fn key(&self, key: impl Into<Cow<'static, str>>) -> Self {
        self.step(Step::Key(key.into()))
    }

    /// An element of the list at this path, counted from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// What this path's value stands in; the root stands in nothing.
    pub fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.into()))
    }

    /// Whether this is the whole configuration.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The section that it is in: its first two steps.
    pub(super) fn section(&self) -> Self {
        Self(self.0.iter().take(2).cloned().collect())
    }

    /// The way there from the root.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain(iter::once(step)).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if place > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(&quoted(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A key as TOML wants it: bare where that is possible, in quotes where it is not.
pub(super) fn quoted(key: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(format!("{key:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn prints_as_an_operator_would_say_it() {
        let route = Path::root().key("route").index(2);
        assert_eq!(route.key("to").to_string(), "route[2].to");
        assert_eq!(route.key("headers").key("x.y").to_string(), "route[2].headers.\"x.y\"");
        assert_eq!(Path::root().key("upstream").key("").to_string(), "upstream.\"\"");
        assert_eq!(Path::root().to_string(), "");
    }

    #[test]
    fn a_parent_is_one_step_up() {
        let list = Path::root().key("route");
        assert_eq!(list.index(0).parent(), Some(list.clone()));
        assert_eq!(list.parent(), Some(Path::root()));
        assert_eq!(Path::root().parent(), None);
    }
}
