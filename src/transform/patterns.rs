//! Regular expressions: `test`, `match`, `capture`, `scan`, `split`, `sub` and what else is made of them.
//!
//! In: a text, a pattern and flags, which may all be a stranger's. Out: matches as jq tells them, and the text
//! between. A pattern is bounded in size, groups and what it is compiled to; to compile it and to search are
//! counted as steps. Those that a thread used last are kept, within a bound.

use std::{cell::RefCell, collections::VecDeque, mem, rc::Rc};

use jaq_core::{Cv, Error, RunPtr, native::bome};
use regex_automata::{
    nfa::thompson::{Compiler, NFA, WhichCaptures},
    util::primitives::PatternID,
};
use regex_syntax::{ast::parse::ParserBuilder, hir::translate::TranslatorBuilder};

use super::{
    bound::{spend, spend_bytes},
    library::Data,
    search::{NOWHERE, Places, Search},
    value::Val,
    weight::weight,
};

type ValR<T = Val> = jaq_core::ValR<T, Val>;

/// Bytes of a pattern.
const MOST_BYTES: usize = 4 << 10;
/// How deep it may be nested.
const MOST_NESTED: u32 = 64;
/// Bytes of what it is compiled to.
const MOST_COMPILED: usize = 256 << 10;
/// Its groups.
const MOST_GROUPS: usize = 64;
/// Bytes of compiled patterns that a thread keeps.
const MOST_KEPT: usize = 1 << 20;
/// Characters gone through that count as a step.
const CHARACTERS: u64 = 16;
/// As many are counted when they have been, so that a worker does what takes it no more than a few milliseconds
/// once, and then has the pattern at hand.
const FREE: u64 = 300_000;

/// What a flag changes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Flags {
    /// `g`: all matches, not the first one.
    all: bool,
    /// `n`: no empty ones.
    filled: bool,
    /// `l`: the longest, not the first.
    longest: bool,
    /// What a pattern is compiled by: `i`, `x`, and `p` for a dot that is a line end too.
    compiled: [bool; 3],
}

impl Flags {
    fn read(flags: &Val) -> ValR<Self> {
        let mut read = Self::default();
        let text = match flags {
            Val::Null => return Ok(read),
            Val::Text(text) => text,
            other => return Err(Error::typ(other.clone(), "string")),
        };
        spend_bytes(text.len());
        for flag in text.chars() {
            match flag {
                'g' => read.all = true,
                'n' => read.filled = true,
                'l' => read.longest = true,
                'i' => read.compiled[0] = true,
                'x' => read.compiled[1] = true,
                'p' => read.compiled[2] = true,
                // `^` and `$` are the ends of the text anyway.
                's' => {}
                _ => return Err(Error::str(format_args!("{text} is not a valid modifier string"))),
            }
        }
        Ok(read)
    }
}

/// A pattern that was compiled.
struct Kept {
    text: String,
    flags: [bool; 3],
    nfa: NFA,
}

thread_local! {
    /// The patterns of a thread, the last one used behind the others.
    static KEPT: RefCell<VecDeque<Kept>> = RefCell::default();
}

/// A pattern, if it is kept; it moves behind the others.
fn taken(text: &str, flags: [bool; 3]) -> Option<NFA> {
    KEPT.with_borrow_mut(|all| {
        let own = |kept: &Kept| kept.text == text && kept.flags == flags;
        let kept = all.remove(all.iter().position(own)?)?;
        let nfa = kept.nfa.clone();
        all.push_back(kept);
        Some(nfa)
    })
}

fn keep(text: &str, flags: [bool; 3], nfa: NFA) {
    KEPT.with_borrow_mut(|all| {
        all.push_back(Kept { text: text.to_owned(), flags, nfa });
        let size = |kept: &Kept| kept.text.len() + kept.nfa.memory_usage();
        let mut sum: usize = all.iter().map(size).sum();
        while sum > MOST_KEPT {
            let Some(oldest) = all.pop_front() else { return };
            sum -= size(&oldest);
        }
    });
}

/// What a pattern is compiled to.
fn compiled(text: &str, flags: [bool; 3]) -> ValR<NFA> {
    spend_bytes(text.len());
    if let Some(nfa) = taken(text, flags) {
        return Ok(nfa);
    }
    spend(text.len());
    let (nfa, later) =
        compile(text, flags).map_err(|why| Error::str(format_args!("{text:.80}: {why}")))?;
    keep(text, flags, nfa.clone());
    spend_bytes(nfa.memory_usage());
    spend(later);
    Ok(nfa)
}

/// Compiles a pattern; and the steps of that which are not counted yet.
fn compile(text: &str, [insensitive, spaced, dotted]: [bool; 3]) -> Result<(NFA, usize), String> {
    const LARGE: &str = "the pattern is too large";
    if text.len() > MOST_BYTES {
        return Err(LARGE.into());
    }
    // The last line of several says why.
    let why = |said: String| said.lines().last().unwrap_or_default().to_owned();
    let mut parser = ParserBuilder::new();
    let ast = parser.nest_limit(MOST_NESTED).ignore_whitespace(spaced).build().parse(text);
    let ast = ast.map_err(|wrong| why(wrong.to_string()))?;
    let weight = weight(&ast, insensitive);
    let mut later = usize::try_from(weight / CHARACTERS).unwrap_or(usize::MAX);
    if weight > FREE {
        spend(mem::take(&mut later));
    }
    let mut translator = TranslatorBuilder::new();
    translator.case_insensitive(insensitive).dot_matches_new_line(dotted);
    let hir = translator.build().translate(text, &ast).map_err(|wrong| why(wrong.to_string()))?;
    let config = NFA::config()
        .which_captures(WhichCaptures::All)
        .nfa_size_limit(Some(MOST_COMPILED))
        .shrink(false);
    let built = Compiler::new().configure(config).build_from_hir(&hir);
    let nfa = built.map_err(|wrong| match wrong.size_limit() {
        Some(_) => {
            spend_bytes(MOST_COMPILED);
            LARGE.into()
        }
        None => why(wrong.to_string()),
    })?;
    if nfa.group_info().all_group_len() > MOST_GROUPS {
        spend_bytes(nfa.memory_usage());
        return Err("the pattern has too many groups".into());
    }
    Ok((nfa, later))
}

/// What is given of a text.
#[derive(Clone, Copy)]
struct Given {
    between: bool,
    matches: bool,
}

/// What the library builds the rest on.
pub(super) fn natives() -> [(&'static str, usize, RunPtr<Data>); 3] {
    [
        ("matches", 2, |cv| bome(apply(cv, Given { between: false, matches: true }))),
        ("split_matches", 2, |cv| bome(apply(cv, Given { between: true, matches: true }))),
        ("split_", 2, |cv| bome(apply(cv, Given { between: true, matches: false }))),
    ]
}

fn apply(mut cv: Cv<'_, Data>, given: Given) -> ValR {
    let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
    let (Val::Text(text), Val::Text(pattern)) = (&cv.1, &pattern) else {
        let other = if matches!(cv.1, Val::Text(_)) { &pattern } else { &cv.1 };
        let what = format_args!("{other} cannot be matched, as it is not a string");
        return Err(Error::str(what));
    };
    let flags = Flags::read(&flags)?;
    let nfa = compiled(pattern, flags.compiled)?;
    let mut told = Told::new(&nfa, text);
    let mut search = Search::new(&nfa, text, flags.filled, flags.longest);
    let (mut from, mut last, mut made) = (0, 0, Vec::new());
    while from <= text.len() {
        let Some(places) = search.find(from) else { break };
        let &[begin, end, ..] = &places[..] else { break };
        if given.between {
            spend(1);
            made.push(Val::text(text.get(last..begin).unwrap_or_default()));
            last = end;
        }
        if given.matches {
            spend(1);
            made.push(told.tell(&places));
        }
        if !flags.all {
            break;
        }
        // Behind an empty match the next one begins a character later.
        let next = text.get(end..).and_then(|rest| rest.chars().next());
        from = if begin < end { end } else { end + next.map_or(1, char::len_utf8) };
    }
    if given.between {
        made.push(Val::text(text.get(last..).unwrap_or_default()));
    }
    Ok(Val::list(made))
}

/// Matches as jq tells them.
struct Told<'a> {
    text: &'a str,
    names: Vec<Val>,
    /// `offset`, `length`, `string`, `name`.
    keys: [Rc<String>; 4],
    /// A place that was told, in bytes and in characters.
    so_far: (usize, usize),
}

impl<'a> Told<'a> {
    fn new(nfa: &'a NFA, text: &'a str) -> Self {
        let names = nfa.group_info().pattern_names(PatternID::ZERO);
        let names = names.map(|name| name.map_or(Val::Null, Val::text)).collect();
        let keys = ["offset", "length", "string", "name"].map(|key| Rc::new(key.to_owned()));
        Self { text, names, keys, so_far: (0, 0) }
    }

    /// The match and each group.
    fn tell(&mut self, places: &Places) -> Val {
        let begin = places.first().copied().unwrap_or_default();
        let (bytes, chars) = self.so_far;
        let offset = chars + self.chars(bytes, begin);
        self.so_far = (begin, offset);
        let groups = places.chunks(2).zip(&self.names).enumerate();
        Val::list(groups.map(|(index, (place, name))| {
            let (at, length, part) = match *place {
                [from, to] if from != NOWHERE && to != NOWHERE => {
                    let part = self.text.get(from..to).unwrap_or_default();
                    let at = Val::from(offset + self.chars(begin, from));
                    (at, self.chars(from, to), Val::text(part))
                }
                _ => (Val::Int(-1), 0, Val::Null),
            };
            let [offset, size, string, key] = &self.keys;
            let own = [(offset, at), (size, Val::from(length)), (string, part)];
            // The whole has no name.
            let name = (index > 0).then(|| (key, name.clone()));
            Val::object(own.into_iter().chain(name).map(|(key, value)| (key.clone(), value)))
        }))
    }

    /// Characters between two places.
    fn chars(&self, from: usize, to: usize) -> usize {
        let part = self.text.get(from..to).unwrap_or_default();
        spend_bytes(part.len());
        part.chars().count()
    }
}
