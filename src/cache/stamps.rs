//! When objects were asked for, and what was made void since.
//!
//! In: what is to go. Out: whether an object is still good ([`Stamps::verdict`]). There is one count: a fetch
//! notes where it stands when it begins, and whatever makes objects void raises it. What makes one URL void
//! writes its number where the URL's hash says: nothing has to be found, it reaches every partition, variant
//! and fetch in flight, and a URL that shares the place pays with one miss.

use std::{
    hash::RandomState,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use parking_lot::{Mutex, RwLock};

use super::{
    ban::{Bans, Full, Reach, Sentence},
    object::Object,
    shelf::{Seek, URL_BITS, Url},
};

/// Of so many bytes of what is kept there is a place of eight.
const BYTES_OF_PLACE: u64 = 1 << 10;
/// Bits that tell places apart at least.
const LEAST_BITS: u32 = 16;

/// What may be done with an object, as far as purges and invalidations go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as good as its terms say.
    Valid,
    /// Its origin is to be asked first, whatever its terms say.
    Stale,
    /// It is not to be used at all.
    Void,
}

/// The count of a shelf, and what raised it.
#[derive(Debug)]
pub struct Stamps {
    seed: RandomState,
    /// The newest number. Whatever has it is already written.
    newest: AtomicU64,
    /// The newest number of each place that URLs share; a power of two of them.
    places: Box<[AtomicU64]>,
    /// The newest number of a ban in the list.
    newest_ban: AtomicU64,
    bans: RwLock<Bans>,
    most: usize,
    /// Held while a number is given out and written.
    making: Mutex<()>,
}

impl Stamps {
    /// Nothing is void yet; the list of bans may get so long. There are the more places the more bytes are kept: each
    /// change of one URL costs what others keep in its place.
    pub fn new(most: usize, bytes: u64) -> Self {
        let places = (bytes / BYTES_OF_PLACE).next_power_of_two();
        let places = places.clamp(1 << LEAST_BITS, 1 << URL_BITS);
        Self {
            seed: RandomState::new(),
            newest: AtomicU64::new(1),
            places: (0..places).map(|_| AtomicU64::new(0)).collect(),
            newest_ban: AtomicU64::new(0),
            bans: RwLock::default(),
            most,
            making: Mutex::default(),
        }
    }

    /// What a request looks for. The scheme and the host are to be in lower case.
    #[inline]
    pub fn seek<'a>(
        &self,
        partition: u128,
        scheme: &'a str,
        host: &'a str,
        target: &'a str,
    ) -> Seek<'a> {
        Seek::new(&self.seed, partition, Url::new(scheme, host, target))
    }

    /// What a fetch notes when it begins.
    #[inline]
    pub fn begin(&self) -> u64 {
        self.newest.load(Acquire)
    }

    /// Whether what was asked for then is certainly as good now, whatever comes of it. A ban that may be about
    /// others is taken for one about it: that costs a fetch.
    pub fn holds(&self, stamp: u64, of: &Seek<'_>) -> bool {
        stamp >= self.newest.load(Acquire)
            || (self.places[self.place(of)].load(Acquire) <= stamp
                && self.newest_ban.load(Acquire) <= stamp)
    }

    /// Makes all void that is kept of a URL, in every partition (RFC 9111 section 4.4).
    pub fn invalidate(&self, url: &str) {
        self.invalidate_place(self.place(&Seek::new(&self.seed, 0, Url::read(url))));
    }

    /// The same for the URL of a request that began at `since`. What that request itself brought is good from
    /// the number that is given; none if it was made void by something else in the meantime.
    pub fn invalidate_target(&self, seek: &Seek<'_>, since: u64) -> Option<u64> {
        let (before, number) = self.invalidate_place(self.place(seek));
        (before.max(self.newest_ban.load(Acquire)) <= since).then_some(number)
    }

    /// The number that was there before, and the new one.
    fn invalidate_place(&self, place: usize) -> (u64, u64) {
        let _making = self.making.lock();
        let number = self.newest.load(Acquire) + 1;
        let before = self.places[place].load(Acquire);
        self.places[place].store(number, Release);
        self.newest.store(number, Release);
        (before, number)
    }

    /// Purges. One URL for good needs no ban, and always succeeds.
    ///
    /// # Errors
    /// The list of bans is full.
    pub fn ban(&self, reach: Reach, soft: bool) -> Result<(), Full> {
        if let (Reach::Url(url), false) = (&reach, soft) {
            self.invalidate(url);
            return Ok(());
        }
        let _making = self.making.lock();
        let number = self.newest.load(Acquire) + 1;
        self.bans.write().add(number, reach, soft, self.most)?;
        self.newest_ban.store(number, Release);
        self.newest.store(number, Release);
        Ok(())
    }

    /// Whether an object may still be used for what it is kept under.
    #[inline]
    pub fn verdict(&self, object: &Object, of: &Seek<'_>) -> Verdict {
        let newest = self.newest.load(Acquire);
        let (stamp, soft) = object.stamp();
        if stamp < newest {
            if self.places[self.place(of)].load(Acquire) > stamp {
                return Verdict::Void;
            }
            if self.newest_ban.load(Acquire) > stamp {
                return self.judge(object, of, stamp, newest);
            }
        }
        if soft { Verdict::Stale } else { Verdict::Valid }
    }

    /// Compares an object with the bans that are newer, and notes that it was.
    #[cold]
    fn judge(&self, object: &Object, of: &Seek<'_>, stamp: u64, newest: u64) -> Verdict {
        let sentence = self.bans.read().judge(object, of.url(), stamp);
        if sentence == Sentence::Hard {
            return Verdict::Void;
        }
        object.raise(newest, sentence == Sentence::Soft);
        if object.stamp().1 { Verdict::Stale } else { Verdict::Valid }
    }

    /// The place that a URL shares with few others: the bits that are of it alone, as many as there are places.
    #[inline]
    fn place(&self, seek: &Seek<'_>) -> usize {
        (seek.hash() >> (64 - URL_BITS)) as usize & (self.places.len() - 1)
    }

    /// Takes note that everything that is kept was compared with all up to this number.
    pub(super) fn forget(&self, upto: u64) {
        self.bans.write().forget(upto);
    }

    /// Bans that not everything was compared with yet.
    pub fn bans(&self) -> usize {
        self.bans.read().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_cache_loses_less_with_each_change() {
        for (mebibytes, bits) in
            [(1, 16), (64, 16), (256, 18), (300, 19), (1 << 10, 20), (1 << 14, 20)]
        {
            let stamps = Stamps::new(1, mebibytes << 20);
            assert_eq!(stamps.places.len(), 1 << bits, "{mebibytes}");
            let targets: Vec<_> = (0..4_000).map(|number| format!("/{number}")).collect();
            let seek = |at: usize| stamps.seek(0, "http", "a", &targets[at]);
            let before = stamps.begin();
            for at in 0..2_000 {
                stamps.invalidate_target(&seek(at), before);
            }
            assert!((0..2_000).all(|at| !stamps.holds(before, &seek(at))));
            let lost = (2_000..4_000).filter(|at| !stamps.holds(before, &seek(*at))).count();
            // As many as meet by chance, and half again.
            let most = 20 + (2_000 * 2_000 * 3 / 2) / (1 << bits);
            assert!(lost <= most, "{lost} of 2000 with {mebibytes} MiB, at most {most}");
        }
    }
}
