//! [`Book`]: what all quotas counted, as a file holds it.
//!
//! In: counts. Out: bytes, and the same again; or that these bytes are not what was written. The digest at
//! the end tells a file that was cut off or changed from a whole one. Keys are digests under a seed that
//! stands in front: of what clients sent nothing is here. No disk, no clock.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};

use super::{
    quota::Window,
    table::Shown,
    used::{Seed, Shape, Used},
};
use crate::config::Calendar;

/// What a file begins with.
const MAGIC: &[u8] = b"janua quotas 1\n";

/// The mark of a count that is not a key's. No day has a number this large.
const OTHERS: u64 = 1 << 63;

/// Whose counts they are: the limit, and the route where each has its own.
pub(super) type Name = (Box<str>, Box<str>);

/// What was counted, by whose counts they are and what their keys mean: with another `per` they are others.
pub(super) type Pages = HashMap<Mark, Arc<Page>>;

/// What a page is found by.
pub(super) type Mark = (Name, Box<str>);

/// Where counts of this shape are found.
pub(super) fn mark(name: &Name, shape: &Shape) -> Mark {
    (name.clone(), words(shape).into())
}

/// What all quotas counted.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) seed: Seed,
    pub(super) pages: Pages,
    /// Two books with the same say the same.
    pub(super) digest: Box<[u8]>,
}

/// What one quota counted.
#[derive(Debug)]
pub(super) struct Page {
    /// What its keys mean.
    words: String,
    /// How many sets its table had.
    pub(super) sets: usize,
    pub(super) counts: Vec<Shown>,
}

impl Page {
    /// What is worth to be kept at this time of what a quota counts.
    pub(super) fn of(used: &Used, wall: u64) -> Self {
        let mut counts = Vec::new();
        used.each(wall, |shown| counts.push(shown));
        Self { words: words(&used.shape), sets: used.sets(), counts }
    }

    /// What of it is of a day or month that is not over.
    pub(super) fn counts(&self, wall: u64) -> impl Iterator<Item = Shown> + '_ {
        let word = self.words.split(' ').next().unwrap_or_default();
        let calendar = [Calendar::Day, Calendar::Month].into_iter().find(|it| it.word() == word);
        let floor = calendar.map_or(u64::MAX, |calendar| Window::at(calendar, wall).floor());
        self.counts.iter().copied().filter(move |shown| match shown {
            Shown::Key(_, count) | Shown::Others(_, count) => *count > floor,
        })
    }
}

fn words(shape: &Shape) -> String {
    format!("{} {}", shape.calendar.word(), shape.recipe.words())
}

/// Writes what is worth to be kept at this time: of quotas that there are, and of those that there were.
pub(super) fn write(
    out: &mut dyn Write,
    seed: Seed,
    (all, absent): (&[(Name, Arc<Used>)], &Pages),
    wall: u64,
) -> io::Result<()> {
    let mut out = Digesting { out, context: Context::new(&SHA256) };
    out.write_all(MAGIC)?;
    out.numbers(seed.0)?;
    for (name, used) in all {
        out.begin(name, &words(&used.shape), used.sets())?;
        let mut written = Ok(());
        used.each(wall, |shown| {
            if written.is_ok() {
                written = out.shown(shown);
            }
        });
        written?;
        out.end()?;
    }
    for ((name, _), page) in absent {
        out.begin(name, &page.words, page.sets)?;
        page.counts(wall).try_for_each(|shown| out.shown(shown))?;
        out.end()?;
    }
    let Digesting { out, context } = out;
    out.write_all(context.finish().as_ref())
}

/// Reads what was written.
pub(super) fn read(bytes: &[u8]) -> Result<Book, &'static str> {
    let damaged = "it is damaged";
    let split = bytes.len().checked_sub(SHA256_OUTPUT_LEN).ok_or(damaged)?;
    let (bytes, found) = bytes.split_at(split);
    if digest(&SHA256, bytes).as_ref() != found {
        return Err(damaged);
    }
    // From here on it is a whole file of ours, but maybe of another version.
    let mut rest = Rest(bytes.strip_prefix(MAGIC).ok_or("it is of another version")?);
    let book = rest.book(found.into());
    book.ok_or(damaged)
}

struct Digesting<'a> {
    out: &'a mut dyn Write,
    context: Context,
}

impl Digesting<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.context.update(bytes);
        self.out.write_all(bytes)
    }

    fn begin(&mut self, (limit, route): &Name, words: &str, sets: usize) -> io::Result<()> {
        self.text(limit)?;
        self.text(route)?;
        self.text(words)?;
        self.numbers([sets as u64, 0])
    }

    fn shown(&mut self, shown: Shown) -> io::Result<()> {
        match shown {
            Shown::Key(key, count) => self.numbers([key, count]),
            Shown::Others(first, count) => self.numbers([first, count | OTHERS]),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        // Who used nothing is not kept, so this is nobody's.
        self.numbers([0, 0])
    }

    fn numbers(&mut self, [one, other]: [u64; 2]) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&one.to_le_bytes());
        bytes[8..].copy_from_slice(&other.to_le_bytes());
        self.write_all(&bytes)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.write_all(&(text.len() as u64).to_le_bytes())?;
        self.write_all(text.as_bytes())
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn book(&mut self, digest: Box<[u8]>) -> Option<Book> {
        let seed = Seed([self.number()?, self.number()?]);
        let mut pages = HashMap::new();
        while !self.0.is_empty() {
            let name = (self.text()?.into(), self.text()?.into());
            let words = self.text()?;
            let [sets, _] = [self.number()?, self.number()?];
            let mut counts = Vec::new();
            loop {
                counts.push(match (self.number()?, self.number()?) {
                    (_, 0) => break,
                    (first, count) if count & OTHERS != 0 => Shown::Others(first, count ^ OTHERS),
                    (key, count) => Shown::Key(key, count),
                });
            }
            let sets = usize::try_from(sets).ok()?;
            let mark = (name, words.as_str().into());
            pages.insert(mark, Arc::new(Page { words, sets, counts }));
        }
        Some(Book { seed, pages, digest })
    }

    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Part, Recipe};

    const DAY: u64 = 86_400_000;
    const SEED: Seed = Seed([3, u64::MAX]);

    fn used(parts: &[Part], keys: u32) -> Arc<Used> {
        let recipe = Recipe { parts: parts.into(), prefix: 64 };
        Arc::new(Used::new(Shape { recipe, keys, calendar: Calendar::Day }, SEED))
    }

    /// Two quotas, one of which has some keys and one nothing.
    fn all(keys: &[(u64, u64)]) -> Vec<(Name, Arc<Used>)> {
        let (one, none) = (used(&[Part::Ip], 100), used(&[], 9));
        for (key, cost) in keys {
            one.take_in(Shown::Key(*key, cost + (20_000 << 40)), 1, 20_000 * DAY, |_, found| found);
        }
        vec![(("a".into(), "r".into()), one), (("b".into(), "".into()), none)]
    }

    fn bytes(all: &[(Name, Arc<Used>)], wall: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, SEED, (all, &Pages::new()), wall).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_else_is(
            keys in proptest::collection::hash_map(1_u64.., 1_u64..1_000, 0..40),
            cut: prop::sample::Index, flip: prop::sample::Index, bit in 0..8_u32,
        ) {
            let keys: Vec<_> = keys.into_iter().collect();
            let all = all(&keys);
            let mut bytes = bytes(&all, 20_000 * DAY);
            let book = read(&bytes).unwrap();
            prop_assert_eq!(book.seed, SEED);
            let page = &book.pages[&mark(&all[0].0, &all[0].1.shape)];
            prop_assert!(!book.pages.contains_key(&mark(&all[0].0, &all[1].1.shape)));
            let mut found = page.counts.clone();
            found.sort_by_key(|shown| match shown {
                Shown::Key(key, _) | Shown::Others(key, _) => *key,
            });
            let mut expected = Vec::new();
            all[0].1.each(20_000 * DAY, |shown| expected.push(shown));
            expected.sort_by_key(|shown| match shown {
                Shown::Key(key, _) | Shown::Others(key, _) => *key,
            });
            prop_assert_eq!(found, expected);
            prop_assert!(book.pages[&mark(&all[1].0, &all[1].1.shape)].counts.is_empty());

            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err(), "it was cut off");
            let at = flip.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(read(&bytes).is_err(), "one bit is another");
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
            // A whole file, by its digest.
            bytes.splice(..0, MAGIC.iter().copied());
            let digest = digest(&SHA256, &bytes);
            bytes.extend(digest.as_ref());
            let _ = read(&bytes);
        }
    }

    #[test]
    fn what_is_of_another_day_is_not_kept_and_of_another_key_not_taken() {
        let all = all(&[(1, 5), (2, 6)]);
        let (name, mut shape) = (&all[0].0, all[0].1.shape.clone());
        let book = read(&bytes(&all, 20_000 * DAY)).unwrap();
        assert_eq!(book.pages[&mark(name, &shape)].counts.len(), 2);
        let book = read(&bytes(&all, 20_001 * DAY)).unwrap();
        assert!(book.pages[&mark(name, &shape)].counts.is_empty());
        shape.keys += 1;
        assert!(
            book.pages.contains_key(&mark(name, &shape)),
            "that it knows more keys changes none"
        );
        shape.calendar = Calendar::Month;
        assert!(!book.pages.contains_key(&mark(name, &shape)));
    }

    #[test]
    fn what_was_counted_of_a_quota_that_is_gone_is_kept_until_its_day_is_over() {
        let all = all(&[(1, 5), (2, 6)]);
        let mark = mark(&all[0].0, &all[0].1.shape);
        let absent = Pages::from([(mark.clone(), Arc::new(Page::of(&all[0].1, 20_000 * DAY)))]);
        for (wall, kept) in [(20_000 * DAY, 2), (20_001 * DAY - 1, 2), (20_001 * DAY, 0)] {
            let mut bytes = Vec::new();
            write(&mut bytes, SEED, (&all[1..], &absent), wall).unwrap();
            let page = &read(&bytes).unwrap().pages[&mark];
            assert_eq!(page.sets, all[0].1.sets());
            assert_eq!(page.counts.len(), kept, "at {wall}");
        }
    }
}
