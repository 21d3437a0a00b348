//! A part of the shelf behind one lock: a table of keys, and the two queues that say who goes.
//!
//! In: keys and objects. Out: what was kept, and bytes. Whoever is new waits in the *window*; who is asked
//! for again there gets into the *main* queue, which goes round: the coldest of the first few goes. How hot
//! one is, is how often it was asked for, halved again and again ([`Shard::tick`]). A hit changes two bytes
//! and no queue.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU32, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;

use super::{Key, Resource, Seek, allocated, entries::Entries, queue::Queue, strangers::Strangers};
use crate::cache::object::Object;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Window,
    Main,
}

/// What is kept under a key, and its place in a queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) resource: Resource,
    pub(super) before: u32,
    pub(super) after: u32,
    /// When it got into its queue, in the shelf's counting.
    pub(super) order: u32,
    /// The halving that it saw last, and how hot it was then.
    mark: AtomicU16,
    place: Place,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    table: HashTable<u32>,
    entries: Entries,
    window: Queue,
    main: Queue,
    strangers: Strangers,
    /// How often everything was halved.
    epoch: u8,
    /// Requests since it was.
    asked: AtomicU32,
    /// Bytes in the window, and in all.
    pub(super) in_window: u64,
    pub(super) bytes: u64,
    pub(super) objects: usize,
}

/// The hottest that anything gets.
const HOTTEST: u8 = 15;
/// After so many requests for each entry, what was is worth half.
const HALVING: usize = 20;
/// How hot somebody new is to be to get into the main queue when it is full.
const WARM: u8 = 2;
/// Of so many in the main queue the coldest goes.
const LOOK: usize = 5;
/// Of those let go, so many are remembered for each entry.
const REMEMBERED: usize = 2;

/// Bytes that an entry takes beside its URL and its objects: its place, the table's, those who are
/// remembered.
const ENTRY: u64 = (size_of::<Option<Entry>>() + 12 + 12) as u64;

/// Bytes that an entry takes beside its objects.
pub(super) fn entry_weight(key: &Key) -> u64 {
    ENTRY + allocated(key.url().len())
}

impl Shard {
    fn find(&self, seek: &Seek<'_>) -> Option<u32> {
        let is = |at: &u32| self.entries.get(*at).is_some_and(|entry| seek.is(&entry.key));
        self.table.find(seek.hash(), is).copied()
    }

    /// What is kept, for a request.
    #[inline]
    pub(super) fn get(&self, seek: &Seek<'_>) -> Option<Resource> {
        let entry = self.entries.get(self.find(seek)?)?;
        let mark = entry.mark.load(Relaxed);
        let hotter = marked(self.epoch, heat(mark, self.epoch).saturating_add(1).min(HOTTEST));
        // What is hot already is not written to.
        if hotter != mark {
            entry.mark.store(hotter, Relaxed);
        }
        // One that is not counted does not matter, and workers would wait for each other.
        self.asked.store(self.asked.load(Relaxed).wrapping_add(1), Relaxed);
        Some(entry.resource.clone())
    }

    /// Puts an object, in place of the one that was for the same requests. What was there before is given
    /// back, here and below: it is dropped when the lock is free.
    pub(super) fn put(
        &mut self,
        key: Key,
        object: Arc<Object>,
        most: usize,
        order: u32,
    ) -> Option<Resource> {
        if let Some(at) = self.find(&key.seek()) {
            return self.change(at, |resource| Some(resource.with(object, most)));
        }
        self.tick();
        let heat = self.strangers.take(key.hash()).map_or(1, |heat| heat.max(1) + 1);
        let entry = Entry {
            resource: Resource::new(object),
            before: Queue::NOBODY,
            after: Queue::NOBODY,
            order,
            mark: AtomicU16::new(marked(self.epoch, heat.min(HOTTEST))),
            place: Place::Window,
            key,
        };
        let weight = entry.weight();
        self.in_window += weight;
        self.bytes += weight;
        self.objects += 1;
        let hash = entry.key.hash();
        let at = self.entries.add(entry);
        self.window.push(at, &mut self.entries);
        let entries = &self.entries;
        let hash_of = |at: &u32| entries.get(*at).map_or(0, |entry| entry.key.hash());
        self.table.insert_unique(hash, at, hash_of);
        None
    }

    /// Puts an object in place of this very one; none if it is not there any more.
    pub(super) fn replace(
        &mut self,
        seek: &Seek<'_>,
        old: &Arc<Object>,
        object: Arc<Object>,
        most: usize,
    ) -> Option<Resource> {
        let at = self.find(seek)?;
        let is_old = |object: &Arc<Object>| Arc::ptr_eq(object, old);
        if !self.entries.get(at)?.resource.variants().iter().any(is_old) {
            return None;
        }
        self.change(at, |resource| match resource.without(is_old) {
            None => Some(Resource::new(object)),
            Some(others) => Some(others.with(object, most)),
        })
    }

    /// Takes some of what is kept under a key off; none if there are none.
    pub(super) fn remove(
        &mut self,
        seek: &Seek<'_>,
        gone: impl Fn(&Arc<Object>) -> bool,
    ) -> Option<Resource> {
        let at = self.find(seek)?;
        if !self.entries.get(at)?.resource.variants().iter().any(&gone) {
            return None;
        }
        self.change(at, |resource| resource.without(gone))
    }

    /// Changes what is kept under a key, or takes it off.
    fn change(
        &mut self,
        at: u32,
        change: impl FnOnce(&Resource) -> Option<Resource>,
    ) -> Option<Resource> {
        let entry = self.entries.get_mut(at)?;
        let Some(resource) = change(&entry.resource) else {
            return self.take(at).map(|entry| entry.resource);
        };
        let (weight, count) = (entry.weight(), entry.resource.variants().len());
        self.objects = self.objects - count + resource.variants().len();
        let before = mem::replace(&mut entry.resource, resource);
        let now = entry.weight();
        self.bytes = self.bytes - weight + now;
        if entry.place == Place::Window {
            self.in_window = self.in_window - weight + now;
        }
        Some(before)
    }

    fn take(&mut self, at: u32) -> Option<Entry> {
        self.unlink(at);
        let entry = self.entries.take(at)?;
        if let Ok(found) = self.table.find_entry(entry.key.hash(), |other| *other == at) {
            found.remove();
        }
        let weight = entry.weight();
        self.bytes -= weight;
        self.objects -= entry.resource.variants().len();
        if entry.place == Place::Window {
            self.in_window -= weight;
        }
        Some(entry)
    }

    fn unlink(&mut self, at: u32) {
        match self.entries.get(at).map(|entry| entry.place) {
            Some(Place::Window) => self.window.unlink(at, &mut self.entries),
            Some(Place::Main) => self.main.unlink(at, &mut self.entries),
            None => {}
        }
    }

    /// Who is first in a queue.
    pub(super) fn first(&self, place: Place) -> Option<First> {
        let queue = if place == Place::Window { &self.window } else { &self.main };
        let entry = self.entries.get(queue.first)?;
        let heat = heat(entry.mark.load(Relaxed), self.epoch);
        Some(First { order: entry.order, weight: entry.weight(), heat })
    }

    /// When the first of a queue got into it.
    pub(super) fn first_order(&self, place: Place) -> Option<u32> {
        let queue = if place == Place::Window { &self.window } else { &self.main };
        Some(self.entries.get(queue.first)?.order)
    }

    /// Lets the first of the window into the main queue, if it still is who it was.
    pub(super) fn promote(&mut self, first: &First, order: u32) {
        if self.first(Place::Window).is_none_or(|now| now.order != first.order) {
            return;
        }
        let at = self.window.first;
        self.window.unlink(at, &mut self.entries);
        if let Some(entry) = self.entries.get_mut(at) {
            (entry.place, entry.order) = (Place::Main, order);
            self.in_window -= entry.weight();
        }
        self.main.push(at, &mut self.entries);
    }

    /// Lets the first of the window go, if it still is who it was.
    pub(super) fn evict_first(&mut self, first: &First) -> Option<Resource> {
        let now = self.first(Place::Window)?;
        if now.order == first.order { self.evict(self.window.first) } else { None }
    }

    /// Lets the coldest of the first few of the main queue go, if it is colder than this; the others go to
    /// the end of the queue.
    pub(super) fn evict_colder(&mut self, than: u8, order: impl Fn() -> u32) -> Option<Resource> {
        let mut coldest: Option<(u32, u8)> = None;
        for _ in 0..LOOK {
            let at = match coldest {
                Some((_, 0)) => break,
                // The coldest so far stays at the front.
                Some((at, _)) => self.entries.get(at).map_or(Queue::NOBODY, |entry| entry.after),
                None => self.main.first,
            };
            let Some(entry) = self.entries.get_mut(at) else { break };
            let heat = heat(*entry.mark.get_mut(), self.epoch);
            *entry.mark.get_mut() = marked(self.epoch, heat);
            let warmer = match coldest {
                Some((_, least)) if heat >= least => at,
                Some((before, _)) => {
                    coldest = Some((at, heat));
                    before
                }
                None => {
                    coldest = Some((at, heat));
                    continue;
                }
            };
            self.main.unlink(warmer, &mut self.entries);
            if let Some(entry) = self.entries.get_mut(warmer) {
                entry.order = order();
            }
            self.main.push(warmer, &mut self.entries);
        }
        match coldest {
            Some((at, heat)) if heat < than => self.evict(at),
            _ => None,
        }
    }

    fn evict(&mut self, at: u32) -> Option<Resource> {
        self.tick();
        let mut entry = self.take(at)?;
        self.strangers.fit(REMEMBERED * (self.table.len() + 1));
        self.strangers.add(entry.key.hash(), heat(*entry.mark.get_mut(), self.epoch));
        Some(entry.resource)
    }

    /// Halves what was, when it is time.
    fn tick(&mut self) {
        let asked = self.asked.get_mut();
        *asked = asked.wrapping_add(1);
        if *asked as usize > HALVING * self.table.len().max(4) {
            *asked = 0;
            self.epoch = self.epoch.wrapping_add(1);
            self.strangers.halve();
        }
    }

    /// Goes through a slice of what is kept, and takes off what is not to be; none if there is no more.
    pub(super) fn retain(
        &mut self,
        slice: usize,
        keep: &dyn Fn(&Key, &Object) -> bool,
    ) -> Option<Vec<Resource>> {
        let mut before = Vec::new();
        for at in self.entries.slice(slice)? {
            let Some(entry) = self.entries.get(at) else { continue };
            let gone = |object: &Arc<Object>| !keep(&entry.key, object);
            if entry.resource.variants().iter().any(gone) {
                let left = entry.resource.without(gone);
                before.extend(self.change(at, |_| left));
            }
        }
        Some(before)
    }

    /// A slice of what is kept; none if there is no more.
    pub(super) fn slice(&self, slice: usize) -> Option<Vec<(Key, Resource)>> {
        let range = self.entries.slice(slice)?;
        let entries = range.filter_map(|at| self.entries.get(at));
        Some(entries.map(|entry| (entry.key.clone(), entry.resource.clone())).collect())
    }
}

/// Who is first in a queue.
#[derive(Debug)]
pub(super) struct First {
    pub(super) order: u32,
    pub(super) weight: u64,
    heat: u8,
}

impl First {
    /// How hot it is, if it is hot enough for the main queue.
    pub(super) fn warm(&self) -> Option<u8> {
        (self.heat >= WARM).then_some(self.heat)
    }
}

impl Entry {
    fn weight(&self) -> u64 {
        entry_weight(&self.key) + self.resource.weight()
    }
}

fn marked(epoch: u8, heat: u8) -> u16 {
    u16::from_be_bytes([epoch, heat])
}

fn heat(mark: u16, now: u8) -> u8 {
    let [epoch, heat] = mark.to_be_bytes();
    heat.checked_shr(u32::from(now.wrapping_sub(epoch))).unwrap_or(0)
}
