//! A match's path parameters: places in the path, not copies of it.

use std::borrow::Cow;

use super::pattern::MAX_PARAMS;

/// The places of parameters in a path, from left to right.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    places: [(u32, u32); MAX_PARAMS],
    count: usize,
}

impl Spans {
    /// Adds a place. The pattern's own limit keeps the count within the array, and a path that is
    /// longer than `u32` can say has been refused long before.
    #[inline]
    pub(super) fn push(&mut self, start: usize, end: usize) {
        if let Some(place) = self.places.get_mut(self.count) {
            let small = |at| u32::try_from(at).unwrap_or(u32::MAX);
            *place = (small(start), small(end));
        }
        self.count += 1;
    }

    /// Takes the last place away.
    #[inline]
    pub(super) fn pop(&mut self) {
        self.count -= 1;
    }

    /// What stands at these places of a path.
    pub(super) fn of<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> {
        let places = self.places.iter().take(self.count);
        places.filter_map(|(start, end)| path.get(*start as usize..*end as usize))
    }
}

/// The path parameters of a match.
///
/// Their values are pieces of the path in normal form: percent-encoded where a path has to be, so
/// that one can be put into another path as it is.
#[derive(Clone, Debug)]
pub struct Params<'t, 'q> {
    names: &'t [Box<str>],
    path: Cow<'q, str>,
    spans: Spans,
}

impl<'t, 'q> Params<'t, 'q> {
    pub(super) fn new(names: &'t [Box<str>], path: Cow<'q, str>, spans: Spans) -> Self {
        Self { names, path, spans }
    }

    /// The value of a parameter; none if the pattern has no such name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The same on their own, for work that outlives the request's head.
    pub fn to_owned(&self) -> Vec<(String, String)> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Names and values, from left to right.
    pub fn iter(&self) -> impl Iterator<Item = (&'t str, &str)> {
        self.names.iter().zip(&self.spans.places).filter_map(|(name, (start, end))| {
            let value = self.path.get(*start as usize..*end as usize)?;
            Some((&**name, value))
        })
    }
}
