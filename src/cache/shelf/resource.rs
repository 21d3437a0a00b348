//! What is kept under one key: the answers, one for each way that requests can choose by Vary.

use std::{slice, sync::Arc};

use super::allocated;
use crate::cache::object::Object;

/// What is kept under one key. To clone it is to count one more who looks.
#[derive(Clone, Debug)]
pub struct Resource(Variants);

#[derive(Clone, Debug)]
enum Variants {
    /// What most have: nothing stands between the shelf and the object.
    One(Arc<Object>),
    Several(Arc<Box<[Arc<Object>]>>),
}

/// Memory that a list of variants takes beside its pointers.
const LIST: u64 = 48;

impl Resource {
    pub(super) fn new(object: Arc<Object>) -> Self {
        Self(Variants::One(object))
    }

    /// None if there are none left.
    fn of(mut variants: Vec<Arc<Object>>) -> Option<Self> {
        match variants.len() {
            0 => None,
            1 => variants.pop().map(Self::new),
            _ => Some(Self(Variants::Several(Arc::new(variants.into_boxed_slice())))),
        }
    }

    /// The answers, the most recent first, as their origin dates them (RFC 9111 section 4).
    #[inline]
    pub fn variants(&self) -> &[Arc<Object>] {
        match &self.0 {
            Variants::One(object) => slice::from_ref(object),
            Variants::Several(list) => list,
        }
    }

    /// The same with an answer that replaces what was kept for the same requests; at most so many.
    pub(super) fn with(&self, object: Arc<Object>, most: usize) -> Self {
        let others = self.variants().iter().filter(|other| other.vary() != object.vary());
        let mut variants: Vec<_> = others.take(most.saturating_sub(1)).cloned().collect();
        let place = variants.partition_point(|other| other.made_at() > object.made_at());
        variants.insert(place, object.clone());
        Self::of(variants).unwrap_or_else(|| Self::new(object))
    }

    /// The same without some; none if nothing is left.
    pub(super) fn without(&self, gone: impl Fn(&Arc<Object>) -> bool) -> Option<Self> {
        Self::of(self.variants().iter().filter(|object| !gone(object)).cloned().collect())
    }

    /// Bytes of memory that it takes.
    pub(super) fn weight(&self) -> u64 {
        match &self.0 {
            Variants::One(object) => object.weight(),
            Variants::Several(list) => {
                let objects: u64 = list.iter().map(|object| object.weight()).sum();
                objects + LIST + allocated(size_of::<Arc<Object>>() * list.len())
            }
        }
    }
}

/// The most bytes that a key takes more than before, beside a new object's own, when it is put.
pub(super) fn most_more(variants: usize) -> u64 {
    LIST + allocated(size_of::<Arc<Object>>() * variants)
}
