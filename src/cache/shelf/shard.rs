//! A part of the shelf behind one lock: a table of keys, and the two queues that say who goes.
//!
//! In: keys and objects. Out: what was kept, and bytes. Whoever is new waits in the *window*; who is asked
//! for again there, or was let go not long ago, gets into the *main* queue, which goes round: who was not asked
//! for since the last time goes. A hit changes one byte, often none, and no queue.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
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
    /// How often it was asked for, to [`OFTEN`], less the times that its turn came.
    asked: AtomicU8,
    place: Place,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    table: HashTable<u32>,
    entries: Entries,
    window: Queue,
    main: Queue,
    strangers: Strangers,
    /// Bytes in the window, and in all.
    pub(super) in_window: u64,
    pub(super) bytes: u64,
    pub(super) objects: usize,
}

/// More is not counted: what was popular once is not to stay for long.
const OFTEN: u8 = 3;

/// Bytes that an entry takes beside its URL and its objects: its place, the table's, who is remembered,
/// and what the allocator needs for itself.
const ENTRY: u64 = (size_of::<Option<Entry>>() + 12 + 4 + 16) as u64;

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
        let asked = entry.asked.load(Relaxed);
        // What is popular is not written to. One that is not counted does not matter.
        if asked < OFTEN {
            entry.asked.store(asked + 1, Relaxed);
        }
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
        let is_known = self.strangers.take(key.hash());
        let place = if is_known { Place::Main } else { Place::Window };
        let entry = Entry {
            resource: Resource::new(object),
            before: Queue::NOBODY,
            after: Queue::NOBODY,
            order,
            asked: AtomicU8::new(0),
            place,
            key,
        };
        let (weight, hash) = (entry.weight(), entry.key.hash());
        self.bytes += weight;
        self.objects += 1;
        let at = self.entries.add(entry);
        if is_known {
            self.main.push(at, &mut self.entries);
        } else {
            self.in_window += weight;
            self.window.push(at, &mut self.entries);
        }
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

    /// When the first of a queue got into it.
    pub(super) fn first_order(&self, place: Place) -> Option<u32> {
        let queue = if place == Place::Window { &self.window } else { &self.main };
        Some(self.entries.get(queue.first)?.order)
    }

    /// The first of the window goes, or into the main queue if it was asked for.
    pub(super) fn leave_window(&mut self, order: u32) -> Option<Resource> {
        let at = self.window.first;
        let entry = self.entries.get_mut(at)?;
        if !asked_less(entry) {
            let hash = entry.key.hash();
            let gone = self.take(at)?;
            // To remember more makes room for what is not that popular.
            self.strangers.fit(self.table.len() * 3 / 8);
            self.strangers.add(hash);
            return Some(gone.resource);
        }
        entry.place = Place::Main;
        self.in_window -= entry.weight();
        self.window.unlink(at, &mut self.entries);
        self.enter_main(at, order);
        None
    }

    /// The first of the main queue goes, or to its end if it was asked for, unless somebody has to go.
    pub(super) fn turn_main(&mut self, order: u32, must: bool) -> Option<Resource> {
        let at = self.main.first;
        let entry = self.entries.get_mut(at)?;
        if !asked_less(entry) || must {
            return self.take(at).map(|gone| gone.resource);
        }
        self.main.unlink(at, &mut self.entries);
        self.enter_main(at, order);
        None
    }

    fn enter_main(&mut self, at: u32, order: u32) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.order = order;
        }
        self.main.push(at, &mut self.entries);
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

impl Entry {
    fn weight(&self) -> u64 {
        entry_weight(&self.key) + self.resource.weight()
    }
}

/// Whether it was asked for; that is once less now.
fn asked_less(entry: &mut Entry) -> bool {
    let asked = entry.asked.get_mut();
    let was = *asked > 0;
    *asked = asked.saturating_sub(1);
    was
}
