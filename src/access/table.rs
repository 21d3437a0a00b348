//! Which of many prefixes is the longest that an address is in.
//!
//! In: prefixes, as spans of addresses. Out: for an address the value of the innermost span around
//! it. Prefixes lie in each other or apart, so all addresses fall into a row of intervals that belong
//! to one prefix each: two arrays, and a look-up is a binary search in one of them and a load from
//! the other. There are at most twice as many intervals as prefixes, and one more.

use std::cmp::Reverse;

/// A number that is an address.
pub(super) trait Address: Copy + Ord {
    /// The first address.
    const FIRST: Self;

    /// The address behind this one, if it is not the last.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    const FIRST: Self = 0;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    const FIRST: Self = 0;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// A prefix: its first and last address, and its value. Of two with the same addresses, the one with
/// the lower value counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<A> {
    pub(super) first: A,
    pub(super) last: A,
    pub(super) value: u32,
}

/// The value of addresses that are in no prefix.
const NONE: u32 = u32::MAX;

/// The intervals.
#[derive(Debug)]
pub(super) struct Table<A> {
    /// Where each begins, ascending from the first address; it ends where the next one begins.
    starts: Box<[A]>,
    values: Box<[u32]>,
}

impl<A: Address> Table<A> {
    /// The table of these prefixes.
    pub(super) fn new(mut spans: Vec<Span<A>>) -> Self {
        spans.sort_unstable_by_key(|span| (span.first, Reverse(span.last), span.value));
        spans.dedup_by_key(|span| (span.first, span.last));
        let mut row = Row { starts: vec![A::FIRST], values: vec![NONE] };
        // The spans around the address that the row has come to, the innermost last.
        let mut around: Vec<Span<A>> = Vec::new();
        for span in spans {
            while around.last().is_some_and(|inner| inner.last < span.first) {
                row.leave(&mut around);
            }
            row.begin(span.first, span.value);
            around.push(span);
        }
        while !around.is_empty() {
            row.leave(&mut around);
        }
        Self { starts: row.starts.into(), values: row.values.into() }
    }

    /// The value of the longest prefix that the address is in.
    #[inline]
    pub(super) fn find(&self, address: A) -> Option<u32> {
        let behind = self.starts.partition_point(|start| *start <= address);
        let value = self.values.get(behind.wrapping_sub(1)).copied().unwrap_or(NONE);
        (value != NONE).then_some(value)
    }
}

/// Intervals, from the left to the right.
struct Row<A> {
    starts: Vec<A>,
    values: Vec<u32>,
}

impl<A: Address> Row<A> {
    fn begin(&mut self, start: A, value: u32) {
        // One that would be empty is overwritten.
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// Passes the end of the innermost span; behind it, the one around it goes on.
    fn leave(&mut self, around: &mut Vec<Span<A>>) {
        let Some(ended) = around.pop() else { return };
        if let Some(start) = ended.last.next() {
            self.begin(start, around.last().map_or(NONE, |outer| outer.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A prefix of eight bits or fewer at the top of an address, and more of the rest.
    fn span(bits: u8, length: u8, value: u32) -> Span<u32> {
        let length = u32::from(length % 33);
        let address = u32::from(bits).rotate_right(8) | u32::from(bits);
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        Span { first: address & mask, last: address | !mask, value }
    }

    /// The same, as one would do it without a table.
    fn naive(spans: &[Span<u32>], address: u32) -> Option<u32> {
        let around = spans.iter().filter(|span| span.first <= address && address <= span.last);
        around.min_by_key(|span| (span.last - span.first, span.value)).map(|span| span.value)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_longest_prefix_is_found(
            prefixes in prop::collection::vec((any::<u8>(), any::<u8>()), 0..40),
            others in prop::collection::vec(any::<u32>(), 8),
        ) {
            let number = |(index, (bits, length)): (usize, &(u8, u8))| {
                span(*bits, *length, u32::try_from(index).unwrap())
            };
            let spans: Vec<_> = prefixes.iter().enumerate().map(number).collect();
            let table = Table::new(spans.clone());
            // Where it changes, and around there.
            let edges = spans.iter().flat_map(|span| {
                [span.first, span.first.wrapping_sub(1), span.last, span.last.wrapping_add(1)]
            });
            for address in edges.chain(others).chain([0, u32::MAX]) {
                prop_assert_eq!(table.find(address), naive(&spans, address), "{:#x}", address);
            }
        }
    }

    #[test]
    fn the_ends_of_the_world_are_in_it() {
        let whole = Span { first: 0, last: u128::MAX, value: 7 };
        let end = Span { first: u128::MAX, last: u128::MAX, value: 8 };
        let table = Table::new(vec![end, whole]);
        assert_eq!(table.find(0), Some(7));
        assert_eq!(table.find(u128::MAX - 1), Some(7));
        assert_eq!(table.find(u128::MAX), Some(8));
        assert_eq!(Table::<u128>::new(Vec::new()).find(0), None);
    }
}
