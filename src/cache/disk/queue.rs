//! [`Queue`]: work for threads that may wait for a disk.
//!
//! In: from threads that may not, which are told at once that it is full. Out: in the same order.

use std::{collections::VecDeque, time::Duration};

use parking_lot::{Condvar, Mutex};

/// Work that waits.
#[derive(Debug)]
pub(super) struct Queue<T> {
    work: Mutex<Work<T>>,
    comes: Condvar,
}

#[derive(Debug)]
struct Work<T> {
    list: VecDeque<(T, u64)>,
    weight: u64,
    closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let work = Work { list: VecDeque::new(), weight: 0, closed: false };
        Self { work: Mutex::new(work), comes: Condvar::new() }
    }
}

impl<T> Queue<T> {
    /// Adds something of this weight, if all together then weighs no more than `most`.
    pub(super) fn push(&self, item: T, weight: u64, most: u64) -> Result<(), T> {
        let mut work = self.work.lock();
        if work.closed || work.weight.saturating_add(weight) > most {
            return Err(item);
        }
        work.weight += weight;
        work.list.push_back((item, weight));
        drop(work);
        self.comes.notify_one();
        Ok(())
    }

    /// The next; none once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut work = self.work.lock();
        loop {
            if let Some((item, weight)) = work.list.pop_front() {
                work.weight -= weight;
                return Some(item);
            }
            if work.closed {
                return None;
            }
            self.comes.wait(&mut work);
        }
    }

    /// Waits for something, or the end, or so long; whether the queue is still open.
    pub(super) fn rest(&self, most: Duration) -> bool {
        let mut work = self.work.lock();
        if !work.closed && work.list.is_empty() {
            self.comes.wait_for(&mut work, most);
        }
        work.list.clear();
        work.weight = 0;
        !work.closed
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.work.lock().closed = true;
        self.comes.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn what_is_too_much_comes_back() {
        let queue = Queue::default();
        assert_eq!(queue.push("a", 6, 10), Ok(()));
        assert_eq!(queue.push("b", 5, 10), Err("b"));
        assert_eq!(queue.push("c", 4, 10), Ok(()));
        assert_eq!(queue.pop(), Some("a"));
        assert_eq!(queue.push("d", 6, 10), Ok(()));
        queue.close();
        assert_eq!(queue.push("e", 0, 10), Err("e"));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some("c"), Some("d"), None));
    }
}
