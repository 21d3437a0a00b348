//! What is written: one answer after the other, in the order in which they came.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::time::Instant;

use super::{
    Disk, State, Tier,
    folder::remove,
    form::{body_seal, head},
    index::taken,
    name::{Filed, Name},
};
use crate::{
    cache::{object::Object, shelf::Key, stamps::Verdict},
    worker::wall,
};

/// An answer to be written.
#[derive(Debug)]
pub(super) struct Write {
    key: Key,
    object: Arc<Object>,
    name: Name,
    /// By which it is known among those that wait.
    number: u64,
}

/// So often a disk that is full is tried again, with ever more room made.
const TRIES: u32 = 3;

impl Disk {
    /// Has an answer written, if there is room in the queue. What was there in its place is not given any
    /// more in any case.
    pub(in crate::cache) fn keep(&self, key: Key, object: Arc<Object>) {
        let tier = &self.0;
        let name = Name::of(&tier.seal, &key, &object);
        let weight = object.weight();
        let fits = !tier.health.is_off() && weight <= tier.bounds.size.load(Relaxed) / 8;
        let most = tier.bounds.queue.load(Relaxed);
        let mut known = tier.known.lock();
        if known.state == State::Waiting {
            // What the other process has of it is older.
            return tier.forget_known(&mut known, &name);
        }
        // With the lock, so that whoever forgets it finds it, and its turn does not come before it waits.
        let write = Write { key, object, name, number: known.waiting.add(name) };
        if !fits || tier.writes.push(write, weight, most).is_err() {
            tier.health.counts.dropped.fetch_add(1, Relaxed);
            tier.forget_known(&mut known, &name);
        }
    }
}

impl Tier {
    pub(super) fn write_queued(&self) {
        let mut number = 0_u64;
        while let Some(write) = self.writes.pop() {
            number = number.wrapping_add(1);
            let new = self.folder.new_file(number);
            let written = self.write(&write, &new);
            self.known.lock().waiting.done(&write.name, write.number);
            match written {
                // Not a sign that it can be read, too.
                Ok(true) => drop(self.health.counts.writes.fetch_add(1, Relaxed)),
                Ok(false) => {}
                Err(error) => {
                    let _ = remove(&new);
                    // A newer one may still wait.
                    self.forget_there(&mut self.known.lock(), &write.name);
                    match is_full(&error) {
                        true => drop(self.health.counts.dropped.fetch_add(1, Relaxed)),
                        false => self.health.failed(&new, &error),
                    }
                }
            }
        }
    }

    /// Writes an answer; whether it was not void meanwhile.
    fn write(&self, write: &Write, new: &Path) -> io::Result<bool> {
        let Write { key, object, .. } = write;
        if !self.is_due(write) {
            return Ok(false);
        }
        let resident = object.resident(Instant::now()).as_millis();
        let came = wall().saturating_sub(u64::try_from(resident).unwrap_or(u64::MAX));
        let body = || object.open().body();
        let head = head(&self.seal, key, object, came, body_seal(&self.seal, body()));
        let head = head.ok_or_else(|| io::Error::other("its head is too long"))?;
        let bytes = taken(head.len() as u64 + object.length());
        self.make_room(bytes);
        let mut tries = 0;
        while let Err(error) = fill(new, &head, object) {
            tries += 1;
            if !is_full(&error) || tries > TRIES || !self.shrink(bytes << (2 * tries)) {
                return Err(error);
            }
        }
        self.publish(write, new, bytes)
    }

    /// Whether one is still to be given its name.
    fn is_due(&self, write: &Write) -> bool {
        let is_due = self.known.lock().waiting.is_due(&write.name, write.number);
        is_due && !self.is_void(write)
    }

    fn is_void(&self, write: &Write) -> bool {
        let memory = self.memory.lock().upgrade();
        memory.is_none_or(|memory| {
            let verdict = memory.shelf.stamps().verdict(&write.object, &write.key.seek());
            verdict == Verdict::Void
        })
    }

    /// Gives a file that is whole its name.
    fn publish(&self, write: &Write, new: &Path, bytes: u64) -> io::Result<bool> {
        let name = write.name;
        let _publishing = self.publishing.lock();
        if !self.is_due(write) {
            remove(new)?;
            return Ok(false);
        }
        let (number, soft) = (self.newest.load(Relaxed), write.object.stamp().1);
        let filed = Filed { name, number, soft };
        // Never two files of one name: after a kill nobody could say which is the newer.
        let before = self.known.lock().index.remove(&name);
        if let Some(before) = before.filter(|before| *before != filed) {
            remove(&self.path(&before))?;
        }
        // If it does not get it, neither may what had it before come back by the next start.
        self.folder.publish(new, &filed).inspect_err(|_| drop(remove(&self.path(&filed))))?;
        let most = self.bounds.variants.load(Relaxed);
        let mut known = self.known.lock();
        // It is asked once more where nobody can take it off the index before it is there.
        if !known.waiting.is_due(&name, write.number) || self.is_void(write) {
            drop(known);
            remove(&self.path(&filed))?;
            return Ok(false);
        }
        known.waiting.done(&name, write.number);
        known.index.insert(filed, bytes);
        let more = known.index.one_too_many((name.url, name.key), most);
        if let Some(gone) = more.and_then(|name| known.index.remove(&name)) {
            self.doom(gone);
        }
        Ok(true)
    }

    /// Makes room for so many bytes.
    pub(super) fn make_room(&self, bytes: u64) {
        let most = self.bounds.size.load(Relaxed).saturating_sub(bytes);
        while self.known.lock().index.bytes() > most && self.evict() {}
    }

    /// Gives back so many bytes, if there are any.
    fn shrink(&self, bytes: u64) -> bool {
        let before = self.known.lock().index.bytes();
        let most = before.saturating_sub(bytes);
        while self.known.lock().index.bytes() > most && self.evict() {}
        before > 0
    }

    fn evict(&self) -> bool {
        let gone = {
            let mut known = self.known.lock();
            known.index.oldest().and_then(|name| known.index.remove(&name))
        };
        // Here, not by another thread: the room is needed now.
        gone.inspect(|filed| self.remove(filed)).is_some_and(|_| {
            self.health.counts.evictions.fetch_add(1, Relaxed);
            true
        })
    }
}

fn fill(new: &Path, head: &[u8], object: &Arc<Object>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(new)?;
    file.write_all(head)?;
    object.open().body().try_for_each(|piece| file.write_all(&piece))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
