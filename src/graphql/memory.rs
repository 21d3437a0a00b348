//! Documents that were read, so that each is read once, about.
//!
//! In: texts. Out: what was made of them. Bounded by what it takes, about: a document is far larger than its
//! text. What was not asked for since it came, or since its last turn, makes room for what is new, so a flood
//! of texts that come once does not drive out those that come again. A text is found by itself, not by a
//! digest, so that nobody can make one pass for another.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use super::document::Document;

/// What a document takes for each byte of its text, and beside that.
const FOR_EACH: usize = 40;
const BESIDE: usize = 2_048;
/// Parts, so that workers seldom meet.
const PARTS: usize = 16;

/// Documents that were read.
#[derive(Debug)]
pub(super) struct Memory {
    parts: Box<[Mutex<Part>]>,
    /// What each part may take.
    most: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Part {
    known: HashMap<Arc<str>, Known>,
    queue: VecDeque<Arc<str>>,
    taken: usize,
}

#[derive(Debug)]
struct Known {
    document: Arc<Document>,
    asked: bool,
}

impl Memory {
    /// One that takes so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, most: bytes / PARTS, hasher: RandomState::new() }
    }

    fn part(&self, text: &str) -> &Mutex<Part> {
        let hash = self.hasher.hash_one(text);
        &self.parts[usize::try_from(hash % PARTS as u64).unwrap_or(0)]
    }

    /// What was made of a text.
    pub(super) fn get(&self, text: &str) -> Option<Arc<Document>> {
        let mut part = self.part(text).lock();
        let known = part.known.get_mut(text)?;
        known.asked = true;
        Some(known.document.clone())
    }

    /// Remembers what was made of a text, if there is room for it.
    pub(super) fn put(&self, text: &str, document: &Arc<Document>) {
        let size = size(text);
        if size > self.most {
            return;
        }
        let text: Arc<str> = text.into();
        let mut part = self.part(&text).lock();
        let part = &mut *part;
        let known = Known { document: document.clone(), asked: false };
        if part.known.insert(text.clone(), known).is_some() {
            return;
        }
        part.queue.push_back(text);
        part.taken += size;
        while part.taken > self.most {
            let Some(oldest) = part.queue.pop_front() else { return };
            match part.known.get_mut(&oldest) {
                Some(known) if known.asked => {
                    known.asked = false;
                    part.queue.push_back(oldest);
                }
                _ => {
                    part.known.remove(&oldest);
                    part.taken -= self::size(&oldest);
                }
            }
        }
    }
}

fn size(text: &str) -> usize {
    text.len() * FOR_EACH + BESIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_there_is_never_more_than_the_bound() {
        let memory = Memory::new(PARTS * 20 * size("0000"));
        let document = Arc::new(Document::default());
        memory.put("wanted", &document);
        for number in 0..10_000 {
            let text = format!("{number:04}");
            memory.put(&text, &document);
            if number % 5 == 0 {
                assert!(memory.get("wanted").is_some(), "{number}");
            }
        }
        for part in &*memory.parts {
            let part = part.lock();
            assert!(part.taken <= memory.most);
            assert_eq!(part.known.len(), part.queue.len());
            assert_eq!(part.queue.iter().map(|text| size(text)).sum::<usize>(), part.taken);
        }
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept() {
        let memory = Memory::new(0);
        memory.put("{a}", &Arc::default());
        assert!(memory.get("{a}").is_none());
    }
}
