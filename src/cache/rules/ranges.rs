//! Ranges of bytes (RFC 9110 section 14).
//!
//! In: `Range` and how long the whole is. Out: what is sent. What breaks the grammar, asks for too much at
//! once or for the same over and over gets the whole (section 14.2), so that nobody is made to send more than
//! that.

use super::{conditional::Part, lists::members};

/// More ranges than that in one request are not served as such.
const MOST: usize = 16;

/// Bytes from one to another, both included.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The first, from 0.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Span {
    /// How many bytes; never none, unless it is the wrong way round.
    pub const fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Whether they have bytes in common.
    const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Both, and what is between them.
    fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What a `Range` wants of so many bytes.
pub(super) fn read(range: &[u8], length: u64) -> Part {
    // An empty whole has no part that could be named.
    match parse(range, length) {
        Some(spans) if length > 0 => chosen(&spans),
        _ => Part::Whole,
    }
}

/// The ranges that can be satisfied; none if it is not by the grammar, or too much.
fn parse(range: &[u8], length: u64) -> Option<Vec<Span>> {
    let (unit, set) = range.split_at(range.iter().position(|byte| *byte == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut spans = Vec::new();
    let mut asked = 0;
    for member in members(set.get(1..)?) {
        asked += 1;
        let dash = member.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (member.get(..dash)?, member.get(dash + 1..)?);
        let end = length.saturating_sub(1);
        let span = match (first, last) {
            ([], suffix) => {
                let suffix = number(suffix)?;
                (suffix > 0).then(|| Span { first: length.saturating_sub(suffix), last: end })
            }
            (first, []) => Some(Span { first: number(first)?, last: end }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                Some(Span { first, last: last.min(end) })
            }
        };
        spans.extend(span.filter(|span| span.first < length));
    }
    (1..=MOST).contains(&asked).then_some(spans)
}

/// Digits; one too large for us is larger than anything there is.
fn number(digits: &[u8]) -> Option<u64> {
    let sum = |sum: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    };
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, sum)).flatten()
}

/// Puts those together that overlap, each where the first of them was asked for (section 15.3.7.2).
fn chosen(spans: &[Span]) -> Part {
    let mut chosen: Vec<Span> = Vec::with_capacity(spans.len());
    let mut overlaps = 0;
    for span in spans {
        let mut whole = *span;
        let mut at = chosen.len();
        while let Some(other) = chosen.iter().position(|other| other.overlaps(whole)) {
            whole = whole.join(chosen.remove(other));
            at = at.min(other);
            overlaps += 1;
        }
        chosen.insert(at.min(chosen.len()), whole);
    }
    match *chosen {
        // Section 14.2: more than two that overlap are an attack, or broken.
        _ if overlaps > 1 => Part::Whole,
        [] => Part::Unsatisfiable,
        [span] => Part::Range(span),
        _ => Part::Ranges(chosen.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(list: &[(u64, u64)]) -> Part {
        let list: Vec<_> =
            list.iter().map(|(first, last)| Span { first: *first, last: *last }).collect();
        match *list {
            [span] => Part::Range(span),
            _ => Part::Ranges(list.into()),
        }
    }

    #[test]
    fn what_a_range_wants_of_ten_bytes() {
        use Part::{Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-1", spans(&[(0, 1)])),
            ("bytes=0-0", spans(&[(0, 0)])),
            ("bytes=1-", spans(&[(1, 9)])),
            ("bytes=-1", spans(&[(9, 9)])),
            ("bytes=-5", spans(&[(5, 9)])),
            ("bytes=-10", spans(&[(0, 9)])),
            ("bytes=-11", spans(&[(0, 9)])),
            ("bytes=0-9", spans(&[(0, 9)])),
            ("bytes=0-99", spans(&[(0, 9)])),
            ("bytes=9-99999999999999999999999", spans(&[(9, 9)])),
            ("BYTES=0-1", spans(&[(0, 1)])),
            ("bytes= 0-1 , ,", spans(&[(0, 1)])),
            // 14.1.2: what cannot be satisfied.
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=10-, -0", Unsatisfiable),
            ("bytes=10-, 0-1", spans(&[(0, 1)])),
            // Several, in the order asked for; those that overlap are one.
            ("bytes=0-1, 4-5", spans(&[(0, 1), (4, 5)])),
            ("bytes=4-5,0-1", spans(&[(4, 5), (0, 1)])),
            ("bytes=0-1,2-3", spans(&[(0, 1), (2, 3)])),
            ("bytes=0-4,2-6", spans(&[(0, 6)])),
            ("bytes=7-8,0-4,2-6", spans(&[(7, 8), (0, 6)])),
            ("bytes=0-4,2-6,3-8", Whole),
            ("bytes=0-,0-,0-,0-", Whole),
            ("bytes=0-0,2-2,4-4,0-9", Whole),
            ("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,0-0,0-0,0-0,0-0,0-0,0-0,0-0", Whole),
            // 14.2: not by the grammar.
            ("bytes=5-2", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1 -2", Whole),
            ("bytes=0-1,x", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(read(range.as_bytes(), 10), expected, "{range}");
        }
        for range in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
            assert_eq!(read(range.as_bytes(), 0), Whole, "{range}");
        }
    }

    fn all(part: Part) -> Vec<Span> {
        match part {
            Part::Range(span) => vec![span],
            Part::Ranges(spans) => spans.into(),
            _ => Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(range: Vec<u8>, length: u64) {
            read(&range, length);
        }

        #[test]
        fn nobody_is_sent_more_than_the_whole(
            range in "bytes=([0-9]{0,2}-[0-9]{0,2},){1,6}", length in 0_u64..100
        ) {
            let spans = all(read(range.as_bytes(), length));
            for span in &spans {
                prop_assert!(span.first <= span.last && span.last < length);
            }
            prop_assert!(spans.iter().map(|span| span.length()).sum::<u64>() <= length);
        }

        #[test]
        fn each_byte_that_is_asked_for_is_sent_once(asked in prop::collection::vec((0_u64..40, 0_u64..40), 1..5)) {
            let spec = |(a, b): &(u64, u64)| format!("{}-{}", a.min(b), a.max(b));
            let range = format!("bytes={}", asked.iter().map(spec).collect::<Vec<_>>().join(","));
            let part = read(range.as_bytes(), 30);
            prop_assume!(part != Part::Whole);
            let sent = all(part);
            for byte in 0..30 {
                let wanted = asked.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&byte));
                let times = sent.iter().filter(|span| (span.first..=span.last).contains(&byte)).count();
                prop_assert_eq!(times, usize::from(wanted), "byte {} of {}", byte, range);
            }
        }
    }
}
