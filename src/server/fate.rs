//! What becomes of clients when another snapshot holds than the one that let them in.
//!
//! In: the listener they came in at, as it was, and the snapshot of now. Out: the listener they belong to, or what
//! they are told. It is the address that counts, for that is what they know: who listens there now has them, under
//! whatever name.

use crate::{
    message::Signal,
    snapshot::{Listener, Snapshot},
};

/// The number of the listener to which those belong who came in at this one; or what they are told.
pub(super) fn fate(before: &Listener, now: &Snapshot) -> Result<usize, Signal> {
    let there = now.listener_at(&before.bind);
    match there.or_else(|| now.listener(before.id)) {
        None => Err(Signal::Drain),
        Some(listener) if !listener.lets_in_like(before) => Err(Signal::Expel),
        Some(listener) if there.is_some() => Ok(listener.id),
        // It listens elsewhere.
        Some(_) => Err(Signal::Leave),
    }
}
