//! What is read: heads until one suits, and its body.

use std::{
    cmp::Reverse,
    fs::File,
    io::{self, BufReader},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    Disk, READS, Tier,
    form::{self, Broken, Held},
    index::Candidate,
    name::{self, Filed, Name},
};
use crate::{
    cache::{
        ban::Sentence,
        object::Object,
        shelf::{Key, Url},
    },
    worker::wall,
};

/// Whether an answer is the one that is looked for, as far as it varies.
pub(super) type Suits = Box<dyn Fn(&Arc<Object>) -> bool + Send>;

/// An answer that is looked for.
pub(super) struct Read {
    key: Key,
    candidates: Vec<Candidate>,
    suits: Suits,
    stamp: u64,
    back: oneshot::Sender<Option<(Arc<Object>, Recalled)>>,
}

/// Which file an answer was read from.
#[derive(Debug)]
pub struct Recalled {
    candidate: Candidate,
    /// Whether it would stand in the way of a newer one, which varies by something else and is for others.
    pub hides: bool,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Disk {
    /// Whether there may be an answer; no file is touched.
    pub fn may_have(&self, key: &Key) -> bool {
        !self.0.health.is_off() && {
            let digests = name::of_key(&self.0.seal, key.url(), key.partition());
            self.0.known.lock().index.has_key(digests)
        }
    }

    /// Whether what was read is still what is there. Who keeps it asks after that, since it may be forgotten until
    /// then.
    pub fn holds(&self, recalled: &Recalled) -> bool {
        self.0.known.lock().holds(&recalled.candidate)
    }

    /// The answer that suits, if it is there and comes in time; `stamp` is from before.
    pub async fn find(
        &self,
        key: &Key,
        stamp: u64,
        suits: impl Fn(&Arc<Object>) -> bool + Send + 'static,
    ) -> Option<(Arc<Object>, Recalled)> {
        let tier = &self.0;
        if tier.health.is_off() {
            return None;
        }
        let digests = name::of_key(&tier.seal, key.url(), key.partition());
        let variants = tier.bounds.variants.load(Relaxed);
        let candidates = tier.known.lock().index.of_key(digests, variants);
        if candidates.is_empty() {
            return None;
        }
        let (back, came) = oneshot::channel();
        let suits = Box::new(suits);
        let read = Read { key: key.clone(), candidates, suits, stamp, back };
        tier.reads.push(read, 1, READS).ok()?;
        let wait = Duration::from_millis(tier.bounds.wait.load(Relaxed));
        match timeout(wait, came).await {
            Ok(found) => found.ok().flatten(),
            Err(late) => {
                tier.health.failed(tier.folder.path(), &format!("it does not answer: {late}"));
                None
            }
        }
    }
}

impl Tier {
    pub(super) fn read_queued(&self) {
        while let Some(read) = self.reads.pop() {
            // Who does not wait any more was told that there is nothing.
            if read.back.is_closed() {
                continue;
            }
            let found = self.newest(&read);
            let _ = read.back.send(found);
        }
    }

    /// The newest that suits, which is the one to be given (RFC 9111 section 4).
    fn newest(&self, read: &Read) -> Option<(Arc<Object>, Recalled)> {
        if let [only] = &read.candidates[..] {
            return self.try_one(only, read);
        }
        let of = |candidate: &Candidate| match self.open(&candidate.filed) {
            Ok((_, held)) => (held.came, held.vary().0.to_vec(), *candidate),
            // What is wrong with it is seen when it is read.
            Err(_) => (0, Vec::new(), *candidate),
        };
        let mut all: Vec<_> = read.candidates.iter().map(of).collect();
        all.sort_by_key(|(came, ..)| Reverse(*came));
        all.iter().find_map(|(came, names, candidate)| {
            let (object, recalled) = self.try_one(candidate, read)?;
            let newer = |(other, by, _): &(u64, Vec<u8>, _)| other > came && by != names;
            Some((object, Recalled { hides: all.iter().any(newer), ..recalled }))
        })
    }

    fn try_one(&self, candidate: &Candidate, read: &Read) -> Option<(Arc<Object>, Recalled)> {
        let mut candidate = *candidate;
        let mut found = self.read(&candidate, read);
        // It may have been given another name, since it was compared with a purge; who gives it holds this lock
        // until that is known.
        let renamed = || {
            drop(self.publishing.lock());
            self.known.lock().index.candidate(&candidate.filed.name)
        };
        if let Err(Broken::Failed(error)) = &found
            && error.kind() == io::ErrorKind::NotFound
            && let Some(now) = renamed()
            && now.filed != candidate.filed
        {
            candidate = now;
            found = self.read(&candidate, read);
        }
        match found {
            Ok(found) => {
                self.health.worked();
                let found = found?;
                let mut known = self.known.lock();
                // It may have been forgotten while it was read.
                if !known.holds(&candidate) {
                    return None;
                }
                known.index.touch(&candidate.filed.name);
                drop(known);
                self.health.counts.hits.fetch_add(1, Relaxed);
                Some((found, Recalled { candidate, hides: false }))
            }
            Err(broken) => {
                self.give_up(&candidate.filed, broken);
                None
            }
        }
    }

    /// Forgets a file that is of no use.
    pub(super) fn give_up(&self, filed: &Filed, broken: Broken) {
        let path = self.path(filed);
        let there = {
            let mut known = self.known.lock();
            let there = known.index.remove_file(filed);
            if there {
                self.doom(*filed);
            }
            there
        };
        match broken {
            // Somebody was faster, or it has another name now.
            Broken::Failed(error) if error.kind() == io::ErrorKind::NotFound => {
                // Of what was there before the start some may have made room while the rest was listed.
                if there {
                    self.health.damaged(&path, "it is gone");
                }
            }
            Broken::Failed(error) => self.health.failed(&path, &error),
            Broken::Damaged(why) => self.health.damaged(&path, why),
        }
    }

    /// Opens a file and reads its head, which has to be of this name.
    pub(super) fn open(&self, filed: &Filed) -> Result<(BufReader<File>, Held), Broken> {
        let file = File::open(self.path(filed))?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(Broken::Damaged("it is no file"));
        }
        let mut file = BufReader::with_capacity(64 << 10, file);
        let held = form::read_head(&mut file, facts.len(), &self.seal)?;
        if Name::by(&self.seal, (&held.key.1, held.key.0), held.vary()) != filed.name {
            return Err(Broken::Damaged("it is another answer's"));
        }
        Ok((file, held))
    }

    fn read(&self, candidate: &Candidate, read: &Read) -> Result<Option<Arc<Object>>, Broken> {
        let (mut file, held) = self.open(&candidate.filed)?;
        // Digests that meet by accident are no reason to give it to somebody else.
        let same = held.key.0 == read.key.partition() && held.key.1 == read.key.url();
        let small = held.length() <= self.bounds.largest.load(Relaxed);
        if !same || !small {
            return Ok(None);
        }
        let now = wall();
        let head = Arc::new(held.object(Vec::new(), read.stamp, now));
        if !(read.suits)(&head) {
            return Ok(None);
        }
        let url = Url::read(&held.key.1);
        let sentence = self.bans.read().judge(&head, &url, candidate.number);
        if sentence == Sentence::Hard {
            self.forget_file(&candidate.filed);
            return Ok(None);
        }
        let object = held.object(held.body(&mut file, &self.seal)?, read.stamp, now);
        // A clock that was set back says nothing of how old it is.
        if candidate.filed.soft || sentence == Sentence::Soft || held.came > now {
            object.raise(read.stamp, true);
        }
        // What was used lately is to be the last to go, also after a restart; it is no matter if not.
        let _ = file.get_ref().set_modified(SystemTime::now());
        Ok(Some(Arc::new(object)))
    }
}
