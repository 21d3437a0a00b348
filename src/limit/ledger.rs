//! [`Ledger`]: keeps what quotas counted, so that a restart forgives nobody.
//!
//! In: what was counted, each second if something was. Out: a file of the state directory, whole or not at
//! all; and what was counted before, at the start. All of it is control's: no request waits for a disk, and
//! a disk that is full or gone costs no request either; counts go on in memory until it is back.
//!
//! One process at a time writes, by a lock. While a new one starts and an old one drains both count: the new
//! one begins with what the file says, and once it has the lock it adds what the other counted since.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::rand;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{
    book::{self, Book, Mark, Name, Page, Pages, mark},
    quota::{Window, merge},
    table::Shown,
    used::{Seed, Shape, Used},
};
use crate::{metrics::QuotaMetrics, state, worker::wall};

/// The file of the state directory.
const FILE: &str = "quotas";

/// How often it is written, if there is something to write.
const EVERY: Duration = Duration::from_secs(1);

/// Of the time no more than one part of these is spent on writing.
const PART: u32 = 20;

/// A file that is no larger is written at least this often, however long that takes: where processors are busy, it
/// takes long because it has to wait for one.
const SMALL: u64 = 1 << 20;
const LONGEST: Duration = Duration::from_secs(2);

/// The largest file that is read: 60 million keys.
const LARGEST: u64 = 1 << 30;

/// What quotas counted, and where it is kept.
#[derive(Debug)]
pub(super) struct Ledger {
    file: PathBuf,
    seed: Seed,
    metrics: Arc<QuotaMetrics>,
    /// What is counted now.
    open: Mutex<Vec<(Name, Arc<Used>)>>,
    /// What was counted of those that are gone, for the day or month that it was counted in: who takes one out, or
    /// has it count by something else, and brings it back forgives nobody.
    absent: Mutex<Pages>,
    /// Whether the file does not say that yet.
    stale: AtomicBool,
    disk: Mutex<Disk>,
    started: AtomicBool,
    /// Whether another goes on with it.
    over: AtomicBool,
    /// The same in another directory, until this one is started.
    before: Mutex<Option<Arc<Self>>>,
}

#[derive(Debug, Default)]
struct Disk {
    /// As long as this is open no other process writes.
    lock: Option<File>,
    /// What the file said when it was read.
    read: Option<Book>,
    /// Whether what is there was never counted here, or was long ago.
    strange: bool,
    /// What is wrong was said.
    said: bool,
}

impl Ledger {
    /// What the file of a state directory says, which is only read. It is never refused: what cannot be
    /// read is as if it were not there.
    pub(super) fn open(folder: &Path, metrics: &Arc<QuotaMetrics>) -> Self {
        let file = folder.join(FILE);
        let read = read(&file).unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), "what quotas counted cannot be read, they begin anew: {error}");
            None
        });
        let mut seed = [0; 16];
        // Without random numbers the system has greater worries; and nothing but guesses of keys that
        // share an allowance depends on it.
        let _ = rand::fill(&mut seed);
        let seed = read.as_ref().map_or_else(|| Seed::of(seed), |book| book.seed);
        Self::new(file, seed, read, metrics)
    }

    /// The same counts in another directory, whatever is there.
    pub(super) fn moved(self: &Arc<Self>, folder: &Path) -> Self {
        let moved = Self::new(folder.join(FILE), self.seed, None, &self.metrics);
        *moved.before.lock() = Some(self.clone());
        moved.disk.lock().strange = true;
        moved.absent.lock().clone_from(&self.absent.lock());
        moved
    }

    fn new(file: PathBuf, seed: Seed, read: Option<Book>, metrics: &Arc<QuotaMetrics>) -> Self {
        Self {
            file,
            seed,
            metrics: metrics.clone(),
            open: Mutex::default(),
            absent: Mutex::default(),
            stale: AtomicBool::new(false),
            disk: Mutex::new(Disk { read, ..Disk::default() }),
            started: AtomicBool::new(false),
            over: AtomicBool::new(false),
            before: Mutex::default(),
        }
    }

    /// Whether it is kept in this directory.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        self.file.parent() == Some(folder)
    }

    /// Counts that begin with what is kept under this name.
    pub(super) fn used(&self, name: &Name, shape: Shape) -> Used {
        let used = Used::new(shape, self.seed);
        let disk = self.disk.lock();
        let read = disk.read.as_ref().and_then(|book| page(&book.pages, name, &used));
        // What the file said may be old: it is another process's to write as long as that lives.
        let absent = page(&self.absent.lock(), name, &used);
        let wall = wall();
        for page in read.into_iter().chain(absent) {
            for shown in &page.counts {
                used.take_in(*shown, page.sets, wall, u64::max);
            }
        }
        used
    }

    /// Keeps these from now on, on the runtime that this is called on.
    pub(super) fn start(self: &Arc<Self>, all: Vec<(Name, Arc<Used>)>) {
        if let Some(before) = self.before.lock().take() {
            before.over.store(true, Relaxed);
            all.iter().for_each(|(_, used)| used.change());
        }
        self.turn_to(all);
        if self.started.swap(true, Relaxed) {
            return;
        }
        let ledger = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(ledger) = ledger.upgrade() {
                let saved = tokio::task::spawn_blocking(move || ledger.save()).await;
                sleep(saved.unwrap_or(EVERY)).await;
            }
        });
    }

    /// From now on these are counted. What was, and is no more, stays as it is.
    fn turn_to(&self, all: Vec<(Name, Arc<Used>)>) {
        let mut open = self.open.lock();
        let mut absent = self.absent.lock();
        let marks: HashSet<Mark> = all.iter().map(|(name, used)| mark(name, &used.shape)).collect();
        absent.retain(|mark, _| !marks.contains(mark));
        for (name, used) in std::mem::replace(&mut *open, all) {
            let mark = mark(&name, &used.shape);
            if !marks.contains(&mark) {
                absent.insert(mark, Arc::new(Page::of(&used, wall())));
                self.stale.store(true, Relaxed);
            }
        }
    }

    /// Keeps what is counted for the last time, and lets another process go on with it.
    pub(super) fn finish(&self) {
        if self.started.load(Relaxed) {
            self.save();
            self.over.store(true, Relaxed);
            self.disk.lock().lock = None;
        }
    }

    /// Writes what changed; after which pause it is to be done again. It blocks.
    fn save(&self) -> Duration {
        // Here, where somebody does it: how long a thread was waited for says nothing of the disk.
        let since = Instant::now();
        self.save_now();
        let size = fs::metadata(&self.file).map_or(0, |found| found.len());
        pause(since.elapsed(), size)
    }

    fn save_now(&self) {
        let mut disk = self.disk.lock();
        if self.over.load(Relaxed) {
            disk.lock = None;
            return;
        }
        let saved = self.lock(&mut disk).and_then(|()| self.write());
        self.metrics.kept.set(i64::from(saved.is_ok()));
        let file = self.file.display();
        match saved {
            Err(error) if !disk.said => {
                disk.said = true;
                tracing::warn!(%file, "what quotas count is in memory only: {error}");
            }
            Ok(()) if disk.said => {
                disk.said = false;
                tracing::info!(%file, "what quotas count is kept again");
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn write(&self) -> Result<(), String> {
        let (all, absent, wall) = {
            let (open, mut absent, wall) = (self.open.lock(), self.absent.lock(), wall());
            absent.retain(|_, page| page.counts(wall).next().is_some());
            (open.clone(), absent.clone(), wall)
        };
        // All of them are asked.
        let changed = all.iter().filter(|(_, used)| used.has_changed()).count();
        if !self.stale.swap(false, Relaxed) && changed == 0 {
            return Ok(());
        }
        let written = state::write_with(&self.file, 0o600, |file| {
            book::write(file, self.seed, (&all, &absent), wall)
        });
        match &written {
            Ok(()) => self.metrics.writes.inc(),
            Err(_) => {
                self.metrics.failures.inc();
                self.stale.store(true, Relaxed);
                all.iter().for_each(|(_, used)| used.change());
            }
        }
        written
    }

    /// Becomes the one that writes, if nobody else is.
    fn lock(&self, disk: &mut Disk) -> Result<(), String> {
        if disk.lock.is_some() {
            return Ok(());
        }
        let path = self.file.with_extension("lock");
        let failed = |error: io::Error| {
            self.metrics.failures.inc();
            let path = path.display();
            format!("cannot lock `{path}`: {error}; set server.state to a directory of Janua's")
        };
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let Some(lock) = state::lock(&path).map_err(failed)? else {
            return Err("another process, which has to end first, keeps those of its own".into());
        };
        let before = disk.read.take();
        match read(&self.file) {
            Ok(Some(found)) if !disk.strange => {
                self.join(&found, before.as_ref());
                self.keep(found);
            }
            Ok(_) => {}
            // It is not ours to throw away.
            Err(_) => drop(fs::rename(&self.file, self.file.with_extension("broken"))),
        }
        disk.lock = Some(lock);
        Ok(())
    }

    /// Adds what another process counted since `before`.
    fn join(&self, found: &Book, before: Option<&Book>) {
        if before.is_some_and(|before| before.digest == found.digest) || found.seed != self.seed {
            return;
        }
        let wall = wall();
        for (name, used) in &*self.open.lock() {
            let Some(found) = page(&found.pages, name, used) else { continue };
            let before = before.and_then(|before| page(&before.pages, name, used));
            let before = before.map(|before| keys(&before)).unwrap_or_default();
            let now = Window::at(used.shape.calendar, wall);
            for shown in &found.counts {
                let base = match shown {
                    Shown::Key(key, _) => before.get(key).copied().unwrap_or_default(),
                    Shown::Others(..) => 0,
                };
                used.take_in(*shown, found.sets, wall, |own, count| merge(own, base, count, now));
            }
            used.change();
        }
    }

    /// Keeps what a book says of quotas that there are not.
    fn keep(&self, found: Book) {
        if found.seed != self.seed {
            return;
        }
        let (open, mut absent) = (self.open.lock(), self.absent.lock());
        let known: HashSet<Mark> =
            open.iter().map(|(name, used)| mark(name, &used.shape)).collect();
        for (mark, page) in found.pages.into_iter().filter(|(mark, _)| !known.contains(mark)) {
            absent.entry(mark).or_insert(page);
        }
    }
}

/// What pages say of these counts.
fn page(pages: &Pages, name: &Name, used: &Used) -> Option<Arc<Page>> {
    pages.get(&mark(name, &used.shape)).cloned()
}

/// How long nothing is written after a write that took so long, to a file of this size.
fn pause(took: Duration, size: u64) -> Duration {
    let pause = EVERY.max(took.saturating_mul(PART));
    if size <= SMALL { pause.min(LONGEST) } else { pause }
}

fn keys(page: &Page) -> HashMap<u64, u64> {
    let key = |shown: &Shown| match shown {
        Shown::Key(key, count) => Some((*key, *count)),
        Shown::Others(..) => None,
    };
    page.counts.iter().filter_map(key).collect()
}

/// What a file says, if there is one.
fn read(file: &Path) -> Result<Option<Book>, String> {
    let size = match fs::metadata(file) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if size > LARGEST {
        return Err(format!("it has {size} bytes"));
    }
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    book::read(&bytes).map(Some).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::{super::quota::pack, *};
    use crate::{
        config::Calendar,
        key::{Part, Recipe},
    };

    #[test]
    fn a_small_file_is_written_often_however_long_that_takes() {
        let (second, millis) = (Duration::from_secs(1), Duration::from_millis);
        for (took, size, expected) in [
            (millis(1), 149, second),
            (millis(50), 149, second),
            (millis(80), 149, millis(1_600)),
            (second, 149, 2 * second),
            (10 * second, SMALL, 2 * second),
            (second, SMALL + 1, 20 * second),
            (millis(1), LARGEST, second),
        ] {
            assert_eq!(pause(took, size), expected, "{took:?} for {size} bytes");
        }
    }

    fn name() -> Name {
        ("l".into(), "".into())
    }

    fn shape(part: Part) -> Shape {
        let recipe = Recipe { parts: [part].into(), prefix: 64 };
        Shape { recipe, keys: 100, calendar: Calendar::Day }
    }

    /// Has a key have used so much today.
    fn use_up(used: &Used, count: u64) {
        let count = pack(Window::at(Calendar::Day, wall()), count);
        used.take_in(Shown::Key(1, count), 1, wall(), |_, found| found);
    }

    fn used_up(used: &Used) -> u64 {
        let mut found = 0;
        used.each(wall(), |shown| {
            if let Shown::Key(1, count) = shown {
                found = count & 0xff;
            }
        });
        found
    }

    #[test]
    fn what_was_taken_out_and_is_brought_back_has_what_it_counted_and_not_what_the_file_said() {
        let home = tempfile::tempdir().unwrap();
        let metrics = Arc::new(QuotaMetrics::default());
        let ledger = |before: u64, count: u64| {
            let ledger = Ledger::open(home.path(), &metrics);
            let used = Arc::new(ledger.used(&name(), shape(Part::Ip)));
            assert_eq!(used_up(&used), before);
            use_up(&used, count);
            ledger.turn_to(vec![(name(), used.clone())]);
            used.change();
            ledger.save_now();
            ledger
        };
        let _has_the_lock = ledger(0, 5);
        let other = ledger(5, 8);
        other.turn_to(Vec::new());
        assert_eq!(used_up(&other.used(&name(), shape(Part::Ip))), 8);
    }

    #[test]
    fn a_quota_that_counts_by_something_else_for_a_while_forgives_nobody() {
        let home = tempfile::tempdir().unwrap();
        let metrics = Arc::new(QuotaMetrics::default());
        let ledger = Ledger::open(home.path(), &metrics);
        let turn_to = |part: Part| {
            let used = Arc::new(ledger.used(&name(), shape(part)));
            ledger.turn_to(vec![(name(), used.clone())]);
            used
        };
        use_up(&turn_to(Part::Ip), 5);
        let other = turn_to(Part::Identity);
        assert_eq!(used_up(&other), 0, "these are other keys");
        use_up(&other, 3);
        ledger.save_now();
        let again = Ledger::open(home.path(), &metrics);
        for (part, count) in [(Part::Ip, 5), (Part::Identity, 3)] {
            assert_eq!(used_up(&again.used(&name(), shape(part.clone()))), count, "from the file");
            assert_eq!(used_up(&turn_to(part)), count);
        }
    }

    /// As where processors are busy: threads come late.
    #[test]
    fn that_a_thread_was_waited_for_makes_no_pause_longer() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let home = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let metrics = Arc::new(QuotaMetrics::default());
            metrics.kept.set(0);
            let ledger = Arc::new(Ledger::open(home.path(), &metrics));
            let busy = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(1)));
            ledger.start(Vec::new());
            busy.await.unwrap();
            while metrics.kept.get() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
            ledger.stale.store(true, Relaxed);
            let asked = Instant::now();
            while metrics.writes.get() == 0 {
                assert!(asked.elapsed() < Duration::from_millis(1_900), "it is not written");
                sleep(Duration::from_millis(5)).await;
            }
        });
    }
}
