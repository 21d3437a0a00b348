//! Entries by number, in chunks: to grow moves nothing, and wastes less than a chunk.

use std::ops::Range;

use super::shard::Entry;

#[derive(Debug, Default)]
pub(super) struct Entries {
    chunks: Vec<Box<[Option<Entry>]>>,
    free: Vec<u32>,
}

const CHUNK: u32 = 64;

impl Entries {
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Entry> {
        self.chunks.get((at / CHUNK) as usize)?.get((at % CHUNK) as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Entry> {
        self.chunks.get_mut((at / CHUNK) as usize)?.get_mut((at % CHUNK) as usize)?.as_mut()
    }

    /// Finds a place.
    pub(super) fn add(&mut self, entry: Entry) -> u32 {
        if self.free.is_empty() {
            let start = self.chunks.len() as u32 * CHUNK;
            self.chunks.push((0..CHUNK).map(|_| None).collect());
            self.free.extend((start..start + CHUNK).rev());
        }
        let at = self.free.pop().unwrap_or_default();
        if let Some(place) = self
            .chunks
            .get_mut((at / CHUNK) as usize)
            .and_then(|chunk| chunk.get_mut((at % CHUNK) as usize))
        {
            *place = Some(entry);
        }
        at
    }

    pub(super) fn take(&mut self, at: u32) -> Option<Entry> {
        let chunk = self.chunks.get_mut((at / CHUNK) as usize)?;
        let entry = chunk.get_mut((at % CHUNK) as usize)?.take()?;
        self.free.push(at);
        Some(entry)
    }

    /// The numbers of a slice; none if there is none.
    pub(super) fn slice(&self, slice: usize) -> Option<Range<u32>> {
        (slice < self.chunks.len()).then(|| slice as u32 * CHUNK..(slice as u32 + 1) * CHUNK)
    }
}
