//! Where a pattern is in a text.
//!
//! In: an automaton and a text. Out: the next match, with its groups. All ways through the automaton are followed
//! at once (Pike's machine), so a byte takes no longer than the automaton is large, and whatever is looked at is
//! counted as it happens: libraries that search cannot say how much they did.

use std::mem;

use regex_automata::{
    nfa::thompson::{NFA, State},
    util::primitives::StateID,
};

use super::bound::spend_bytes;

/// Places in a text: where the match begins and ends, then each group; [`NOWHERE`] for those without a part in it.
pub(super) type Places = Vec<usize>;

/// No place.
pub(super) const NOWHERE: usize = usize::MAX;

/// States that are looked at before they are counted together.
const TOGETHER: usize = 4_096;

/// What a look around costs: it may have to read characters.
const LOOK: usize = 16;

/// A search through a text.
pub(super) struct Search<'a> {
    nfa: &'a NFA,
    text: &'a str,
    /// Whether an empty match is none.
    filled: bool,
    /// Whether of matches that begin together the longest counts, not the first that the pattern says.
    longest: bool,
    now: Threads,
    next: Threads,
    stack: Vec<Frame>,
    looked: usize,
}

/// Ways through the automaton that have come equally far, those first that the pattern prefers.
struct Threads {
    /// For each state where it is in `seen`, if it is.
    place: Vec<usize>,
    seen: Vec<StateID>,
    /// States that wait for a byte, or are the end.
    waiting: Vec<StateID>,
    /// The places of each of them, one behind the other.
    places: Vec<usize>,
}

enum Frame {
    Follow(StateID),
    /// Another way has not come by this place.
    Restore(usize, usize),
}

impl Threads {
    fn new(states: usize) -> Self {
        let (seen, waiting, places) = (Vec::new(), Vec::new(), Vec::new());
        Self { place: vec![0; states], seen, waiting, places }
    }

    /// Whether a state is seen for the first time.
    fn see(&mut self, state: StateID) -> bool {
        let Some(place) = self.place.get_mut(state.as_usize()) else { return false };
        let known = self.seen.get(*place) == Some(&state);
        if !known {
            *place = self.seen.len();
            self.seen.push(state);
        }
        !known
    }

    fn clear(&mut self) {
        self.seen.clear();
        self.waiting.clear();
        self.places.clear();
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(nfa: &'a NFA, text: &'a str, filled: bool, longest: bool) -> Self {
        let states = nfa.states().len();
        spend_bytes(states * 2 * size_of::<usize>());
        let (now, next) = (Threads::new(states), Threads::new(states));
        Self { nfa, text, filled, longest, now, next, stack: Vec::new(), looked: 0 }
    }

    /// The next match from a place on.
    pub(super) fn find(&mut self, from: usize) -> Option<Places> {
        let (mut found, mut places) = (None, vec![NOWHERE; self.nfa.group_info().slot_len()]);
        self.now.clear();
        self.next.clear();
        self.begin(from, &mut places);
        for at in from..=self.text.len() {
            mem::swap(&mut self.now, &mut self.next);
            self.next.clear();
            if self.now.waiting.is_empty() && (found.is_some() || self.only_at_start()) {
                break;
            }
            self.step(at, &mut places, &mut found);
            if found.is_none() {
                self.begin(at + 1, &mut places);
            }
        }
        spend_bytes(mem::take(&mut self.looked));
        found
    }

    fn only_at_start(&self) -> bool {
        self.nfa.is_always_start_anchored()
    }

    /// A match may begin here, too.
    fn begin(&mut self, at: usize, places: &mut [usize]) {
        self.look();
        if self.text.is_char_boundary(at) && (at == 0 || !self.only_at_start()) {
            places.fill(NOWHERE);
            self.follow(self.nfa.start_anchored(), at, places);
        }
    }

    /// What becomes of all ways by the byte at a place; those that are at the end are matches.
    fn step(&mut self, at: usize, places: &mut [usize], found: &mut Option<Places>) {
        let slots = places.len();
        let byte = self.text.as_bytes().get(at).copied();
        for index in 0..self.now.waiting.len() {
            let (Some(state), Some(own)) = (
                self.now.waiting.get(index).copied(),
                self.now.places.get(index * slots..(index + 1) * slots),
            ) else {
                return;
            };
            places.copy_from_slice(own);
            let to = match (self.nfa.state(state), byte) {
                (State::Match { .. }, _) => {
                    if self.is_better(places, found.as_deref()) {
                        *found = Some(places.to_vec());
                        if !self.longest {
                            // What the pattern prefers less is no match any more.
                            return;
                        }
                    }
                    None
                }
                (State::ByteRange { trans }, Some(byte)) => {
                    trans.matches_byte(byte).then_some(trans.next)
                }
                (State::Sparse(sparse), Some(byte)) => {
                    self.looked += sparse.transitions.len();
                    sparse.matches_byte(byte)
                }
                (State::Dense(dense), Some(byte)) => dense.matches_byte(byte),
                _ => None,
            };
            if let Some(to) = to {
                self.follow(to, at + 1, places);
            }
        }
    }

    /// Whether a match counts more than the one that was found.
    fn is_better(&self, places: &[usize], found: Option<&[usize]>) -> bool {
        let &[begin, end, ..] = places else { return false };
        let better = match found {
            Some(&[known, last, ..]) if self.longest => {
                begin < known || begin == known && end > last
            }
            _ => true,
        };
        better && (begin < end || !self.filled)
    }

    /// Follows all ways from a state that take no byte.
    fn follow(&mut self, from: StateID, at: usize, places: &mut [usize]) {
        self.stack.push(Frame::Follow(from));
        while let Some(frame) = self.stack.pop() {
            let mut state = match frame {
                Frame::Follow(state) => state,
                Frame::Restore(slot, before) => {
                    places[slot] = before;
                    continue;
                }
            };
            loop {
                self.look();
                if !self.next.see(state) {
                    break;
                }
                match self.nfa.state(state) {
                    State::Fail => break,
                    State::Look { look, next } => {
                        self.looked += LOOK;
                        let text = self.text.as_bytes();
                        if !self.nfa.look_matcher().matches(*look, text, at) {
                            break;
                        }
                        state = *next;
                    }
                    State::Union { alternates } => {
                        let Some((first, rest)) = alternates.split_first() else { break };
                        self.stack.extend(rest.iter().rev().copied().map(Frame::Follow));
                        state = *first;
                    }
                    State::BinaryUnion { alt1, alt2 } => {
                        self.stack.push(Frame::Follow(*alt2));
                        state = *alt1;
                    }
                    State::Capture { next, slot, .. } => {
                        let slot = slot.as_usize();
                        self.stack.push(Frame::Restore(slot, places[slot]));
                        places[slot] = at;
                        state = *next;
                    }
                    _ => {
                        self.looked += places.len();
                        self.next.waiting.push(state);
                        self.next.places.extend_from_slice(places);
                        break;
                    }
                }
            }
        }
    }

    fn look(&mut self) {
        self.looked += 1;
        if self.looked > TOGETHER {
            spend_bytes(mem::take(&mut self.looked));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;
    use regex_automata::nfa::thompson::Compiler;

    use super::*;

    fn nfa(pattern: &str) -> Option<NFA> {
        Compiler::new().build(pattern).ok()
    }

    /// The places that another library finds.
    fn others(pattern: &Regex, text: &str, from: usize) -> Option<Places> {
        let found = pattern.captures_at(text, from)?;
        let groups = found.iter().map(|group| group.map(|group| [group.start(), group.end()]));
        Some(groups.flat_map(|group| group.unwrap_or([NOWHERE; 2])).collect())
    }

    #[test]
    fn the_longest_match_and_none_that_is_empty_are_found_if_asked_for() {
        for (pattern, text, filled, longest, found) in [
            ("a|ab|abc", "xabcd", false, false, Some((1, 2))),
            ("a|ab|abc", "xabcd", false, true, Some((1, 4))),
            ("b|abc|a", "xabcd", false, true, Some((1, 4))),
            ("a*", "ba", false, false, Some((0, 0))),
            ("a*", "ba", true, false, Some((1, 2))),
            ("a*", "b", true, false, None),
            ("a*?", "aab", true, false, Some((0, 1))),
            ("a*?", "aab", false, true, Some((0, 2))),
        ] {
            let nfa = nfa(pattern).unwrap();
            let places = Search::new(&nfa, text, filled, longest).find(0);
            assert_eq!(places.map(|places| (places[0], places[1])), found, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn matches_are_those_that_another_library_finds(
            pattern in "([ab.^$|()*+?-]|\\\\b|\\\\w|[ä]|\\[[ab-]+\\]|\\{1,2\\}|\\(\\?i:|\\(\\?m:){0,10}",
            text in "[abAä\n-]{0,10}",
        ) {
            let (Some(nfa), Ok(regex)) = (nfa(&pattern), Regex::new(&pattern)) else { return Ok(()) };
            let mut search = Search::new(&nfa, &text, false, false);
            for (from, _) in text.char_indices() {
                prop_assert_eq!(search.find(from), others(&regex, &text, from), "{} {}", pattern, from);
            }
        }
    }
}
