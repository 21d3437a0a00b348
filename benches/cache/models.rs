//! Ways to choose who goes, in their simplest form: they know keys only, and all objects are of one size.

use std::collections::{HashMap, VecDeque};

/// Something that keeps so many keys.
pub(super) trait Model {
    /// A request; whether it is a hit. What was missed is kept then, if at all.
    fn ask(&mut self, key: u64) -> bool;
}

/// Who was not asked for longest goes.
pub(super) struct Lru {
    places: HashMap<u64, usize>,
    /// Key, before, after; the first is where the ring is open.
    ring: Vec<(u64, usize, usize)>,
    free: Vec<usize>,
    most: usize,
}

impl Lru {
    pub(super) fn new(most: usize) -> Self {
        Self { places: HashMap::new(), ring: vec![(0, 0, 0)], free: Vec::new(), most }
    }

    fn unlink(&mut self, at: usize) {
        let (_, before, after) = self.ring[at];
        self.ring[before].2 = after;
        self.ring[after].1 = before;
    }

    fn link(&mut self, at: usize) {
        let first = self.ring[0].2;
        (self.ring[at].1, self.ring[at].2) = (0, first);
        self.ring[first].1 = at;
        self.ring[0].2 = at;
    }

    fn touch(&mut self, key: u64) -> bool {
        let Some(at) = self.places.get(&key).copied() else { return false };
        self.unlink(at);
        self.link(at);
        true
    }

    fn push(&mut self, key: u64) {
        let at = self.free.pop().unwrap_or(self.ring.len());
        if at == self.ring.len() {
            self.ring.push((key, 0, 0));
        }
        self.ring[at].0 = key;
        self.link(at);
        self.places.insert(key, at);
    }

    fn last(&self) -> u64 {
        self.ring[self.ring[0].1].0
    }

    fn remove(&mut self, key: u64) -> bool {
        let Some(at) = self.places.remove(&key) else { return false };
        self.unlink(at);
        self.free.push(at);
        true
    }

    /// Takes off the last if there are too many.
    fn overflow(&mut self) -> Option<u64> {
        let last = (self.places.len() > self.most).then(|| self.last())?;
        self.remove(last);
        Some(last)
    }
}

impl Model for Lru {
    fn ask(&mut self, key: u64) -> bool {
        if self.touch(key) {
            return true;
        }
        self.push(key);
        self.overflow();
        false
    }
}

/// S3-FIFO (Yang and others, SOSP 2023): a small queue of a tenth, a main queue that goes round, and keys that
/// are remembered.
pub(super) struct S3Fifo {
    most: usize,
    /// How often a key was asked for, to three.
    kept: HashMap<u64, u8>,
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<u64>,
    known: HashMap<u64, u32>,
}

impl S3Fifo {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: HashMap::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            known: HashMap::new(),
        }
    }

    fn evict(&mut self) {
        if self.small.len() <= self.most / 10 && !self.main.is_empty() {
            return self.evict_main();
        }
        while let Some(key) = self.small.pop_front() {
            if self.kept.get(&key).is_some_and(|count| *count > 1) {
                self.kept.insert(key, 0);
                self.main.push_back(key);
                continue;
            }
            self.kept.remove(&key);
            return self.remember(key);
        }
        self.evict_main();
    }

    fn evict_main(&mut self) {
        while let Some(key) = self.main.pop_front() {
            match self.kept.get_mut(&key) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    self.main.push_back(key);
                }
                _ => {
                    self.kept.remove(&key);
                    return;
                }
            }
        }
    }

    fn remember(&mut self, key: u64) {
        self.ghosts.push_back(key);
        *self.known.entry(key).or_default() += 1;
        if self.ghosts.len() > self.most * 9 / 10
            && let Some(ghost) = self.ghosts.pop_front()
            && let Some(count) = self.known.get_mut(&ghost)
        {
            *count -= 1;
            if *count == 0 {
                self.known.remove(&ghost);
            }
        }
    }
}

impl Model for S3Fifo {
    fn ask(&mut self, key: u64) -> bool {
        if let Some(count) = self.kept.get_mut(&key) {
            *count = (*count + 1).min(3);
            return true;
        }
        while self.kept.len() >= self.most {
            self.evict();
        }
        let queue = if self.known.contains_key(&key) { &mut self.main } else { &mut self.small };
        queue.push_back(key);
        self.kept.insert(key, 0);
        false
    }
}

/// W-TinyLFU (Einziger and others, 2017): a window of a hundredth, a segmented LRU, and a sketch of how often
/// every key was asked for, which says who gets from one into the other.
pub(super) struct TinyLfu {
    window: Lru,
    probation: Lru,
    protected: Lru,
    main: usize,
    sketch: Sketch,
}

impl TinyLfu {
    pub(super) fn new(most: usize) -> Self {
        let window = (most / 100).max(1);
        let main = most - window;
        Self {
            window: Lru::new(window),
            probation: Lru::new(main),
            protected: Lru::new(main * 8 / 10),
            main,
            sketch: Sketch::new(most),
        }
    }
}

impl Model for TinyLfu {
    fn ask(&mut self, key: u64) -> bool {
        self.sketch.add(key);
        if self.window.touch(key) || self.protected.touch(key) {
            return true;
        }
        if self.probation.remove(key) {
            self.protected.push(key);
            if let Some(demoted) = self.protected.overflow() {
                self.probation.push(demoted);
            }
            return true;
        }
        self.window.push(key);
        let Some(candidate) = self.window.overflow() else { return false };
        if self.probation.places.len() + self.protected.places.len() < self.main {
            self.probation.push(candidate);
            return false;
        }
        let victim = self.probation.last();
        if self.sketch.count(candidate) > self.sketch.count(victim) {
            self.probation.remove(victim);
            self.probation.push(candidate);
        }
        false
    }
}

/// Four rows of counters to fifteen, which are halved after ten requests for each key that is kept.
struct Sketch {
    rows: [Vec<u8>; 4],
    mask: u64,
    seen: usize,
    sample: usize,
}

impl Sketch {
    fn new(most: usize) -> Self {
        let width = (most * 4).next_power_of_two();
        let rows = std::array::from_fn(|_| vec![0; width]);
        Self { rows, mask: width as u64 - 1, seen: 0, sample: most * 10 }
    }

    fn places(&self, key: u64) -> [usize; 4] {
        std::array::from_fn(|row| {
            // Keys are mixed already.
            let salted = key.wrapping_mul(0x9E37_79B9_7F4A_7C15 + 2 * row as u64);
            ((salted ^ (salted >> 29)) & self.mask) as usize
        })
    }

    fn count(&self, key: u64) -> u8 {
        let counts = self.rows.iter().zip(self.places(key)).map(|(row, at)| row[at]);
        counts.min().unwrap_or_default()
    }

    fn add(&mut self, key: u64) {
        let (count, places) = (self.count(key), self.places(key));
        for (row, at) in self.rows.iter_mut().zip(places) {
            if row[at] == count && count < 15 {
                row[at] += 1;
            }
        }
        self.seen += 1;
        if self.seen == self.sample {
            self.seen = 0;
            self.rows.iter_mut().flatten().for_each(|count| *count /= 2);
        }
    }
}
