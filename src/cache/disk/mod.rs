//! Answers on a disk: what memory has no room for, and what is to outlive the process.
//!
//! In: answers that are kept, what makes them void, and requests that memory has nothing for. Out: an answer
//! whose seals are right, within a bound of time, or none. Workers never wait for a file: what touches one is
//! done by threads of this module's own, and queues to them are bounded. A file is written under another name,
//! renamed when it is whole, and never changed; it is not forced to the disk, since its seals tell whether it
//! got there. What is void is taken off the index at once, and files go after it; a purge holds, also over
//! SIGKILL, before the operator is told so.
//!
//! | file | what |
//! |---|---|
//! | `folder`, `name`, `form`, `seal` | where files are, what they are called, what is in them, how that is proved |
//! | `index` | what there is, in memory |
//! | `reading`, `writing`, `keeping` | what the threads do |
//! | `waiting` | which answers are still to be written |
//! | `purges` | purges that not everything was compared with yet |
//! | `health`, `queue` | errors and counts; work that waits |

mod folder;
mod form;
mod health;
mod index;
mod keeping;
mod name;
mod purges;
mod queue;
mod reading;
mod seal;
mod waiting;
mod writing;

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};

use self::{
    folder::{Folder, Secrets},
    health::Health,
    index::{Candidate, Index},
    name::Filed,
    queue::Queue,
    reading::Read,
    seal::Seal,
    waiting::Waiting,
    writing::Write,
};
use super::{
    Memory,
    ban::{Bans, Reach},
    object::Object,
    shelf::Key,
};
use crate::{config, metrics::OnDisk};

/// Purges that not every file was compared with yet.
const BANS: usize = 1_000;
/// URLs made void while it is not known what there is; of more, all is.
const MISSED: usize = 100_000;
/// Threads that read.
const READERS: usize = 4;
/// Reads that wait.
const READS: u64 = 1_000;
/// How long the end waits for what is queued.
const END: Duration = Duration::from_secs(2);

/// Answers on a disk.
#[derive(Debug)]
pub struct Disk(Arc<Tier>);

/// What its threads share.
#[derive(Debug)]
struct Tier {
    folder: Folder,
    secrets: Secrets,
    seal: Seal,
    bounds: Bounds,
    known: Mutex<Known>,
    bans: RwLock<Bans>,
    /// The number of the newest purge.
    newest: AtomicU64,
    /// Held while a file gets its name, and while something is purged.
    publishing: Mutex<()>,
    reads: Queue<Read>,
    writes: Queue<Write>,
    /// Files to be removed; no more than there were.
    doomed: Queue<Filed>,
    /// How many there were of them, and how many of those are removed.
    condemned: AtomicU64,
    removed: AtomicU64,
    news: Queue<()>,
    health: Health,
    lock: Mutex<Option<File>>,
    memory: Mutex<Weak<Memory>>,
    started: AtomicBool,
    over: AtomicBool,
    /// Those that the end waits for.
    threads: AtomicUsize,
}

/// What the operator allows.
#[derive(Debug, Default)]
struct Bounds {
    size: AtomicU64,
    largest: AtomicU64,
    variants: AtomicUsize,
    queue: AtomicU64,
    /// Milliseconds.
    wait: AtomicU64,
}

/// What is known of what there is.
#[derive(Debug, Default)]
struct Known {
    index: Index,
    waiting: Waiting,
    state: State,
    missed: Missed,
}

/// How far it has got.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// Another process uses the folder, or it cannot be used yet.
    #[default]
    Waiting,
    /// It is being found out what there is.
    Reading,
    Ready,
}

/// What was made void before it was known what there is.
#[derive(Debug, Default)]
struct Missed {
    urls: HashSet<u64>,
    all: bool,
    bans: Vec<(Reach, bool)>,
}

impl Disk {
    /// Opens a folder, or makes one. `own` is what partitions are digested with, if that is settled.
    pub(super) fn open(written: &config::CacheDisk, own: Option<[u8; 32]>) -> Result<Self, String> {
        let opened = Folder::open(&written.path, own)?;
        let tier = Tier {
            seal: Seal::new(&opened.secrets.seal),
            folder: opened.folder,
            secrets: opened.secrets,
            bounds: Bounds::default(),
            known: Mutex::default(),
            bans: RwLock::default(),
            newest: AtomicU64::new(0),
            publishing: Mutex::default(),
            reads: Queue::default(),
            writes: Queue::default(),
            doomed: Queue::default(),
            news: Queue::default(),
            health: Health::default(),
            lock: Mutex::default(),
            memory: Mutex::default(),
            started: AtomicBool::new(false),
            over: AtomicBool::new(false),
            condemned: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            threads: AtomicUsize::new(0),
        };
        Ok(Self(Arc::new(tier)))
    }

    /// What partitions are digested with.
    pub(super) fn partition_secret(&self) -> [u8; 32] {
        self.0.secrets.partition
    }

    /// Whether this is its folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.0.folder.path() == path
    }

    /// Makes these sizes hold.
    pub(super) fn resize(&self, written: &config::Cache, disk: &config::CacheDisk) {
        let bounds = &self.0.bounds;
        bounds.size.store(disk.size.0, Relaxed);
        bounds.largest.store(written.max_object.0, Relaxed);
        bounds.variants.store(written.max_variants.into(), Relaxed);
        bounds.queue.store(disk.queue.0, Relaxed);
        let wait = u64::try_from(disk.wait.0.as_millis()).unwrap_or(u64::MAX);
        bounds.wait.store(wait, Relaxed);
        self.0.wake();
    }

    /// Begins, once.
    pub(super) fn start(&self, memory: &Arc<Memory>) {
        if self.0.started.swap(true, AcqRel) {
            return;
        }
        *self.0.memory.lock() = Arc::downgrade(memory);
        self.0.spawn("cache-keeper", true, Tier::keep_house);
        self.0.spawn("cache-remover", true, Tier::remove_doomed);
        self.0.spawn("cache-writer", true, Tier::write_queued);
        for _ in 0..READERS {
            self.0.spawn("cache-reader", false, Tier::read_queued);
        }
    }

    /// Ends: writes what is queued, and lets another process go on. It blocks, but not for long.
    pub(super) fn finish(&self) {
        self.0.close();
        let end = Instant::now() + END;
        while self.0.threads.load(Acquire) > 0 && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        *self.0.lock.lock() = None;
    }

    /// Makes void what is kept of a URL. Not by itself in order with [`Stamps`](super::stamps::Stamps): to be
    /// called before and after those.
    pub(super) fn invalidate(&self, url: &str) {
        self.0.invalidate(name::of_url(&self.0.seal, url));
    }

    /// Takes note that an answer is not to be given any more.
    pub(super) fn forget(&self, key: &Key, object: &Object) {
        self.0.forget(&name::Name::of(&self.0.seal, key, object));
    }

    /// What it holds, for the encoder.
    pub(super) fn on_disk(&self) -> OnDisk {
        let counts = &self.0.health.counts;
        let (bytes, objects, state) = {
            let known = self.0.known.lock();
            let state = match known.state {
                State::Waiting => "waiting",
                State::Reading => "reading",
                State::Ready => "ready",
            };
            (known.index.bytes(), known.index.len() as u64, state)
        };
        OnDisk {
            state: if self.0.health.is_off() { "off" } else { state },
            bytes,
            capacity: self.0.bounds.size.load(Relaxed),
            objects,
            hits: counts.hits.load(Relaxed),
            writes: counts.writes.load(Relaxed),
            dropped: counts.dropped.load(Relaxed),
            errors: counts.errors.load(Relaxed),
            evictions: counts.evictions.load(Relaxed),
            purges: self.0.bans.read().len(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Tier {
    /// Begins a thread; whether the end waits for it is `finishes`.
    fn spawn(self: &Arc<Self>, name: &str, finishes: bool, work: fn(&Self)) {
        let tier = self.clone();
        let one = usize::from(finishes);
        self.threads.fetch_add(one, AcqRel);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            work(&tier);
            tier.threads.fetch_sub(one, AcqRel);
        });
        if let Err(error) = spawned {
            self.threads.fetch_sub(one, AcqRel);
            self.health.failed(self.folder.path(), &error);
        }
    }

    fn close(&self) {
        self.over.store(true, Relaxed);
        self.reads.close();
        self.writes.close();
        self.news.close();
        self.doomed.close();
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Has the house kept soon.
    fn wake(&self) {
        // If there is one already, that is as good.
        let _ = self.news.push((), 1, 1);
    }

    fn path(&self, filed: &Filed) -> PathBuf {
        self.folder.file(filed)
    }

    /// Has a file removed that is not in the index any more. Where that was taken off, so that nobody sees neither:
    /// a purge is forgotten only when all that it has reached is removed.
    fn doom(&self, filed: Filed) {
        self.condemned.fetch_add(1, AcqRel);
        // At the end what is left is removed here.
        if self.doomed.push(filed, 1, u64::MAX).is_err() {
            self.remove(&filed);
            self.removed.fetch_add(1, AcqRel);
        }
    }

    fn remove(&self, filed: &Filed) {
        let path = self.path(filed);
        if let Err(error) = folder::remove(&path) {
            self.health.failed(&path, &error);
        }
    }

    fn remove_doomed(&self) {
        while let Some(filed) = self.doomed.pop() {
            self.remove_unless_back(&filed);
            self.removed.fetch_add(1, AcqRel);
        }
    }

    /// Removes a file that was taken off the index; not one that came in its place since, which is called the same as
    /// long as nothing is purged in between.
    fn remove_unless_back(&self, filed: &Filed) {
        let _publishing = self.publishing.lock();
        if self.known.lock().index.get(&filed.name) != Some(*filed) {
            self.remove(filed);
        }
    }

    /// Waits until all is removed that is to be by now; not if the end comes first.
    fn until_removed(&self) -> bool {
        let condemned = {
            let _nobody_is_between = self.known.lock();
            self.condemned.load(Acquire)
        };
        while self.removed.load(Acquire) < condemned {
            if self.is_over() || self.health.is_off() {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    fn invalidate(&self, url: u64) {
        let mut known = self.known.lock();
        known.missed(|missed| missed.note(url));
        known.waiting.remove_url(url);
        known.index.remove_url(url).into_iter().for_each(|filed| self.doom(filed));
    }

    fn forget(&self, name: &name::Name) {
        self.forget_known(&mut self.known.lock(), name);
    }

    fn forget_known(&self, known: &mut Known, name: &name::Name) {
        known.waiting.remove(name);
        self.forget_there(known, name);
    }

    /// Takes off what is there; one that waits to be written stays.
    fn forget_there(&self, known: &mut Known, name: &name::Name) {
        // While it is not known what there is, more than this variant goes.
        known.missed(|missed| missed.note(name.url));
        if let Some(filed) = known.index.remove(name) {
            self.doom(filed);
        }
    }

    /// Takes this very file off.
    fn forget_file(&self, filed: &Filed) {
        let mut known = self.known.lock();
        if known.index.remove_file(filed) {
            self.doom(*filed);
        }
    }
}

impl Known {
    /// Whether an answer is the one of its name: neither gone, nor is a newer one to be written.
    fn holds(&self, candidate: &Candidate) -> bool {
        self.index.has(candidate) && !self.waiting.has(&candidate.filed.name)
    }

    fn missed(&mut self, note: impl FnOnce(&mut Missed)) {
        if self.state != State::Ready {
            note(&mut self.missed);
        }
    }
}

impl Missed {
    fn note(&mut self, url: u64) {
        if self.urls.len() < MISSED {
            self.urls.insert(url);
        } else {
            self.all = true;
        }
    }
}

#[cfg(test)]
mod tests;
