//! [`Lanes`]: a bounded buffer of lines for each worker.
//!
//! In: a worker's index and something that formats one line. Out: whole buffers, for the writer. The
//! lock of a lane is its worker's own; the writer holds it for the exchange of two pointers. There is
//! one lane more than workers, for whoever is none.

use std::mem;

use parking_lot::Mutex;

use crate::worker::PerWorker;

/// A lane that holds this much asks for the writer instead of waiting for its round.
const PRESSING: usize = 64 * 1024;

/// Below this a lane would lose ordinary lines.
const SMALLEST: usize = 4 * 1024;

/// A bounded buffer of lines for each worker.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: PerWorker<Mutex<Queue>>,
    /// Bytes that a lane may hold.
    share: usize,
    /// Bytes at which it asks for the writer.
    pressing: usize,
}

#[derive(Debug)]
struct Queue {
    lines: Vec<u8>,
    open: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Appended {
    /// It is in the buffer.
    Kept,
    /// It is in the buffer, and the writer should come for it.
    Pressing,
    /// It did not fit, or the log has ended.
    Lost,
}

/// Whether a lane goes on after it was emptied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// It takes more lines.
    GoOn,
    /// It takes none.
    Close,
}

impl Lanes {
    /// Lanes for `workers`, with `memory` bytes for all of them and the buffer that the writer holds.
    pub(super) fn new(workers: usize, memory: usize) -> Self {
        let share = (memory / (workers + 2)).max(SMALLEST);
        // All of it now, so that a request never waits for a larger buffer to be copied. Pages that
        // no line has reached cost nothing.
        let lane = |_| Mutex::new(Queue { lines: Vec::with_capacity(share), open: true });
        let lanes = PerWorker::with(workers, lane);
        Self { lanes, share, pressing: PRESSING.min(share / 2) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lanes.iter().count()
    }

    /// A buffer to exchange for a lane's.
    pub(super) fn spare(&self) -> Vec<u8> {
        Vec::with_capacity(self.share)
    }

    /// Adds the line that `format` writes, and its end.
    pub(super) fn append(&self, worker: usize, format: impl FnOnce(&mut Vec<u8>)) -> Appended {
        let mut queue = self.lanes.at(worker).lock();
        let lines = &mut queue.lines;
        let before = lines.len();
        // Under overload this comes first: a line that cannot fit is not worth formatting.
        if before >= self.share || !queue.open {
            return Appended::Lost;
        }
        let lines = &mut queue.lines;
        format(lines);
        lines.push(b'\n');
        if lines.len() > self.share {
            lines.truncate(before);
            lines.shrink_to(self.share);
            return Appended::Lost;
        }
        // Only the line that crosses the mark wakes the writer; that is one system call in hundreds.
        if before < self.pressing && lines.len() >= self.pressing {
            return Appended::Pressing;
        }
        Appended::Kept
    }

    /// Exchanges a lane's buffer for `spare`, which is empty.
    pub(super) fn take(&self, lane: usize, spare: &mut Vec<u8>, then: Then) {
        let mut queue = self.lanes.at(lane).lock();
        queue.open = then == Then::GoOn;
        mem::swap(&mut queue.lines, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.resize(out.len() + length - 1, b'x')
    }

    #[test]
    fn a_lane_holds_its_share_and_not_a_byte_more() {
        let lanes = Lanes::new(1, 30_000);
        assert_eq!((lanes.count(), lanes.share), (2, 10_000));
        assert_eq!(lanes.append(0, line(4_999)), Appended::Kept);
        assert_eq!(lanes.append(0, line(1)), Appended::Pressing);
        assert_eq!(lanes.append(0, line(5_001)), Appended::Lost);
        assert_eq!(lanes.append(0, line(5_000)), Appended::Kept);
        assert_eq!(lanes.append(0, line(1)), Appended::Lost);
        assert_eq!(lanes.append(1, line(10)), Appended::Kept, "another's buffer has room");
        let mut spare = lanes.spare();
        lanes.take(0, &mut spare, Then::GoOn);
        assert_eq!(spare.len(), 10_000);
        assert!(spare.capacity() <= 10_000, "the overrun is given back");
        assert_eq!(lanes.append(0, line(1)), Appended::Kept);
    }

    #[test]
    fn a_closed_lane_takes_nothing() {
        let lanes = Lanes::new(1, 0);
        assert_eq!(lanes.append(7, line(10)), Appended::Kept);
        let mut spare = lanes.spare();
        lanes.take(1, &mut spare, Then::Close);
        assert_eq!(spare.len(), 10);
        assert_eq!(lanes.append(1, line(10)), Appended::Lost);
    }
}
