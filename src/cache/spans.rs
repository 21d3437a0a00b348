//! [`Spans`]: which parts of a whole an object holds (RFC 9110 section 14, RFC 9111 section 3.3).
//!
//! In: an object with status 206, whose body is the parts one after the other, and whose `Content-Range` names
//! them all (`bytes 0-4,8-9/10`: nobody is sent that). Out: whether it answers a request, where in the body a
//! part is, what is missing. It asks nobody, and joins nothing.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{
    names,
    object::Object,
    rules::{self, Part, Span, Stored},
};
use crate::worker::wall;

/// Which parts of a whole are there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spans {
    /// Bytes of the whole.
    pub total: u64,
    /// In order; between two there is something missing.
    pub runs: Vec<Span>,
}

impl Spans {
    /// What an object holds that is not a whole; none if it is one.
    #[inline]
    pub fn of(object: &Object) -> Option<Self> {
        if object.status != StatusCode::PARTIAL_CONTENT {
            return None;
        }
        Self::read(object.field(names::CONTENT_RANGE)?)
    }

    /// What an object holds, be it all.
    pub fn all(object: &Object) -> Option<Self> {
        if object.status != StatusCode::OK {
            return Self::of(object);
        }
        let total = object.length();
        Some(Self { total, runs: vec![Span { first: 0, last: total.checked_sub(1)? }] })
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_prefix("bytes ")?;
        let (runs, total) = text.split_once('/')?;
        let run = |text: &str| {
            let (first, last) = text.split_once('-')?;
            Some(Span { first: first.parse().ok()?, last: last.parse().ok()? })
        };
        let runs = runs.split(',').map(run).collect::<Option<_>>()?;
        Some(Self { total: total.parse().ok()?, runs })
    }

    /// As an object keeps it.
    pub fn field(&self) -> Option<HeaderValue> {
        let runs = self.runs.iter().map(|run| format!("{}-{}", run.first, run.last));
        let text = format!("bytes {}/{}", runs.collect::<Vec<_>>().join(","), self.total);
        HeaderValue::try_from(text).ok()
    }

    /// All of the whole.
    pub const fn whole(&self) -> Span {
        Span { first: 0, last: self.total.saturating_sub(1) }
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.runs == [self.whole()]
    }

    /// Where in the body this begins, if all of it is there.
    pub fn place(&self, span: Span) -> Option<u64> {
        let mut at = 0;
        for run in &self.runs {
            if run.first <= span.first && span.last <= run.last {
                return Some(at + (span.first - run.first));
            }
            at += run.length();
        }
        None
    }

    /// From the first byte that is missing of this to the last; none if it is all there.
    pub fn missing(&self, wanted: Span) -> Option<Span> {
        let Span { mut first, mut last } = wanted;
        for run in &self.runs {
            if run.first <= first && first <= run.last {
                first = run.last + 1;
            }
        }
        for run in self.runs.iter().rev() {
            if run.first <= last && last <= run.last {
                last = run.first.saturating_sub(1);
            }
        }
        (first <= last).then_some(Span { first, last })
    }

    /// What a GET wants of the whole.
    pub fn part(&self, object: &Arc<Object>, request: &HeaderMap) -> Part {
        let (open, now) = (object.open(), wall() / 1_000);
        let ((etag, modified), date) = (open.validators(), open.value(names::DATE));
        let stored = Stored {
            status: StatusCode::OK,
            etag: etag.as_ref(),
            last_modified: modified.as_ref(),
            date: date.as_ref(),
            came: now,
            length: Some(self.total),
        };
        rules::part(&Method::GET, request, &stored, now)
    }

    /// Whether all that is wanted is there.
    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::Whole | Part::Origin => false,
            // It takes no byte of it.
            Part::NotModified | Part::Unsatisfiable => true,
            Part::Range(span) => self.place(*span).is_some(),
            Part::Ranges(spans) => spans.iter().all(|span| self.place(*span).is_some()),
        }
    }
}

/// Whether what an object holds of a whole is all that a GET wants.
#[cold]
pub(super) fn answers(object: &Arc<Object>, request: &HeaderMap) -> bool {
    Spans::of(object).is_some_and(|spans| spans.has(&spans.part(object, request)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(runs: &[(u64, u64)], total: u64) -> Spans {
        let run = |(first, last): &(u64, u64)| Span { first: *first, last: *last };
        Spans { total, runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn what_is_there_is_kept_in_a_field() {
        for (there, text) in [
            (spans(&[(0, 4)], 10), "bytes 0-4/10"),
            (spans(&[(0, 0), (2, 4), (9, 9)], 10), "bytes 0-0,2-4,9-9/10"),
        ] {
            assert_eq!(there.field().unwrap(), text);
            assert_eq!(Spans::read(text.as_bytes()), Some(there));
        }
        for broken in ["", "bytes /3", "bytes 1/3", "bytes 0-1", "bytes 0-1/*", "bytes 0-1,/3"] {
            assert_eq!(Spans::read(broken.as_bytes()), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_missing_is_asked_for_and_nothing_more_at_its_ends(
            there in prop::collection::vec(any::<bool>(), 1..40), a in 0_usize..40, b in 0_usize..40
        ) {
            let end = there.len() - 1;
            let (from, to) = (a.min(b).min(end), a.max(b).min(end));
            let mut runs: Vec<Span> = Vec::new();
            for at in (0..there.len()).filter(|at| there[*at]).map(|at| at as u64) {
                match runs.last_mut() {
                    Some(run) if run.last + 1 == at => run.last = at,
                    _ => runs.push(Span { first: at, last: at }),
                }
            }
            let spans = Spans { total: there.len() as u64, runs };
            let wanted = Span { first: from as u64, last: to as u64 };
            let missing: Vec<u64> = (from..=to).filter(|at| !there[*at]).map(|at| at as u64).collect();
            let expected = missing.first().zip(missing.last());
            let expected = expected.map(|(first, last)| Span { first: *first, last: *last });
            prop_assert_eq!(spans.missing(wanted), expected);
            let before = there[..from].iter().filter(|there| **there).count() as u64;
            prop_assert_eq!(spans.place(wanted), expected.is_none().then_some(before));
            prop_assert_eq!(spans.is_whole(), there.iter().all(|there| *there));
        }
    }
}
