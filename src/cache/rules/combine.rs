//! Parts of an answer that come apart, put together (RFC 9110 section 14.4, RFC 9111 section 3.3, 3.4).
//!
//! In: heads and bytes of several 206. Out: whether they are of one whole, what of it is there and what is
//! missing, and the bytes, without a copy.

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, LAST_MODIFIED},
};

use super::{conditional::is_strong, date, etag, lists::trim, ranges::Span};

/// Where a part belongs: `Content-Range`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Which bytes it is.
    pub span: Span,
    /// How many there are in all, if that is known.
    pub total: Option<u64>,
}

impl Piece {
    /// Reads it of a 206 with one part; none if it has several, or is not by the grammar.
    pub fn read(answer: &HeaderMap) -> Option<Self> {
        let several = answer.get(CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.as_bytes().get(..20);
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/byteranges"))
        });
        let mut lines = answer.get_all(CONTENT_RANGE).iter();
        let line = lines.next().filter(|_| !several)?;
        lines.next().is_none().then(|| Self::parse(line.as_bytes()))?
    }

    /// `bytes 0-4/10`
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(trim(text)).ok()?;
        let (unit, range) = text.split_once(' ')?;
        let (span, total) = range.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let span = Span { first: number(first)?, last: number(last)? };
        let total = if total == "*" { None } else { Some(number(total)?) };
        let fits = span.first <= span.last && total.is_none_or(|total| span.last < total);
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Self { span, total })
    }
}

/// Whether two answers are of the same bytes: both have the same strong validator (section 3.4).
pub fn are_of_one(a: &HeaderMap, b: &HeaderMap, now: u64) -> bool {
    let tags = a.get(ETAG).zip(b.get(ETAG));
    if let Some((a, b)) = tags {
        return etag::is(trim(a.as_bytes()), trim(b.as_bytes()));
    }
    if a.contains_key(ETAG) || b.contains_key(ETAG) {
        return false;
    }
    let read = |answer: &HeaderMap, name| answer.get(name).and_then(|date| date::read(date, now));
    let modified = read(a, LAST_MODIFIED);
    modified == read(b, LAST_MODIFIED)
        && is_strong(modified, read(a, DATE))
        && is_strong(modified, read(b, DATE))
}

/// Parts of one whole, in order, with nothing twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pieces(Vec<(u64, Bytes)>);

impl Pieces {
    /// Adds a part whose bytes begin at `first`. What is there already stays.
    pub fn add(&mut self, first: u64, bytes: &Bytes) {
        let end = first.saturating_add(bytes.len() as u64);
        let mut at = first;
        let mut added = Vec::new();
        let slice = |from: u64, to: u64| {
            let index = |at: u64| usize::try_from(at - first).unwrap_or(bytes.len());
            bytes.slice(index(from)..index(to))
        };
        for (begin, there) in &self.0 {
            if at < *begin && at < end {
                added.push((at, slice(at, end.min(*begin))));
            }
            at = at.max(begin + there.len() as u64);
        }
        if at < end {
            added.push((at, slice(at, end)));
        }
        self.0.extend(added);
        self.0.sort_by_key(|(first, _)| *first);
    }

    /// What is missing first of a span; none if all of it is there.
    pub fn missing(&self, wanted: Span) -> Option<Span> {
        let mut at = wanted.first;
        for (begin, there) in &self.0 {
            let end = begin + there.len() as u64;
            if *begin > at {
                let last = wanted.last.min(begin - 1);
                return (at <= wanted.last).then_some(Span { first: at, last });
            }
            at = at.max(end);
        }
        (at <= wanted.last).then_some(Span { first: at, last: wanted.last })
    }

    /// What is there: runs in order, between which something is missing.
    pub fn runs(&self) -> Vec<Span> {
        let mut runs: Vec<Span> = Vec::new();
        for (first, there) in self.0.iter().filter(|(_, there)| !there.is_empty()) {
            let last = first + there.len() as u64 - 1;
            match runs.last_mut() {
                Some(run) if run.last + 1 == *first => run.last = last,
                _ => runs.push(Span { first: *first, last }),
            }
        }
        runs
    }

    /// The bytes of a span, if all of them are there.
    pub fn bytes(&self, wanted: Span) -> Option<Vec<Bytes>> {
        if self.missing(wanted).is_some() {
            return None;
        }
        let cut = |(begin, there): &(u64, Bytes)| {
            let end = begin + there.len() as u64;
            let (from, to) = (wanted.first.max(*begin), (wanted.last + 1).min(end));
            let index = |at: u64| usize::try_from(at - begin).ok();
            (from < to).then(|| Some(there.slice(index(from)?..index(to)?))).flatten()
        };
        Some(self.0.iter().filter_map(cut).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::headers, *};

    #[test]
    fn where_a_part_belongs() {
        let piece = |first, last, total| Some(Piece { span: Span { first, last }, total });
        let cases = [
            ("content-range: bytes 0-4/10", piece(0, 4, Some(10))),
            ("content-range: BYTES 4-9/10", piece(4, 9, Some(10))),
            ("content-range: bytes 4-9/*", piece(4, 9, None)),
            ("content-range: bytes 4-10/10", None),
            ("content-range: bytes 9-4/10", None),
            ("content-range: bytes */10", None),
            ("content-range: bytes 0-4", None),
            ("content-range: items 0-4/10", None),
            ("content-range: bytes +0-4/10", None),
            ("content-range: bytes 0-99999999999999999999/*", None),
            ("content-range: bytes 0-4/10\ncontent-range: bytes 5-9/10", None),
            ("content-range: bytes 0-4/10\ncontent-type: Multipart/ByteRanges; boundary=x", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Piece::read(&headers(text)), expected, "{text}");
        }
    }

    #[test]
    fn only_parts_of_one_version_are_put_together() {
        const OLD: &str =
            "last-modified: Sun, 09 Sep 2001 00:46:40 GMT\ndate: Sun, 09 Sep 2001 01:46:40 GMT";
        const NEW: &str =
            "last-modified: Sun, 09 Sep 2001 00:46:40 GMT\ndate: Sun, 09 Sep 2001 00:46:50 GMT";
        let cases = [
            ("etag: \"a\"", "etag: \"a\"", true),
            ("etag: \"a\"", "etag: \"b\"", false),
            ("etag: W/\"a\"", "etag: W/\"a\"", false),
            ("etag: \"a\"", "", false),
            ("", "", false),
            (OLD, OLD, true),
            (OLD, NEW, false),
            (NEW, NEW, false),
        ];
        for (a, b, expected) in cases {
            let found = are_of_one(&headers(a), &headers(b), 1_000_000_000);
            assert_eq!(found, expected, "{a:?}, {b:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_joined_are_the_original(
            original in prop::collection::vec(any::<u8>(), 1..60),
            cuts in prop::collection::vec((0_usize..60, 0_usize..60), 0..8),
            wanted in (0_u64..60, 0_u64..60),
        ) {
            let whole = Bytes::from(original);
            let mut pieces = Pieces::default();
            let mut there = vec![false; whole.len()];
            for (a, b) in cuts {
                let (from, to) = (a.min(b).min(whole.len()), a.max(b).min(whole.len()));
                pieces.add(from as u64, &whole.slice(from..to));
                there[from..to].fill(true);
            }
            let last = whole.len() as u64 - 1;
            let wanted = Span { first: wanted.0.min(wanted.1).min(last), last: wanted.0.max(wanted.1).min(last) };
            let range = wanted.first as usize..=wanted.last as usize;
            let complete = there[range.clone()].iter().all(|there| *there);
            prop_assert_eq!(pieces.missing(wanted).is_none(), complete);
            match pieces.bytes(wanted) {
                Some(bytes) => prop_assert_eq!(&bytes.concat()[..], &whole[range]),
                None => prop_assert!(!complete),
            }
            let runs = pieces.runs();
            let held = |at: usize| runs.iter().any(|run| (run.first..=run.last).contains(&(at as u64)));
            prop_assert!(there.iter().enumerate().all(|(at, there)| held(at) == *there));
            prop_assert!(runs.windows(2).all(|two| two[0].last + 1 < two[1].first));
            // Fetch what is missing until nothing is.
            let all = Span { first: 0, last };
            while let Some(missing) = pieces.missing(all) {
                prop_assert!(!there[missing.first as usize]);
                let range = missing.first as usize..missing.last as usize + 1;
                pieces.add(missing.first, &whole.slice(range));
            }
            prop_assert_eq!(pieces.bytes(all).unwrap().concat(), whole);
        }

        #[test]
        fn any_content_range_is_read_without_panic(text in "[ bytes0-9/*-]{0,24}") {
            Piece::parse(text.as_bytes());
        }
    }
}
