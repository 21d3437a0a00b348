//! Work on large bodies beside the workers, which have others to serve.
//!
//! As many at a time as there are cores; others wait, and what they wait with counts among the bytes in
//! flight.

use std::sync::LazyLock;

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, SemaphorePermit, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use crate::reject::Reject;

/// Bodies from here on are worked on beside the workers: 128 KiB of JSON take about a millisecond.
pub(super) const LARGE: usize = 128 << 10;

static ROOM: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

/// Does something beside the workers. Whoever waited may have gone; it has its room until it ends.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Reject> {
    let room = ROOM.acquire().await.map_err(|_| Reject::Internal)?;
    within(room, work).await.map_err(|_| Reject::Internal)
}

/// Does something beside the workers that nobody waits for, if there is room at once; says whether there is.
pub(super) fn beside_at_once(work: impl FnOnce() + Send + 'static) -> bool {
    let Ok(room) = ROOM.try_acquire() else { return false };
    drop(within(room, work));
    true
}

fn within<T: Send + 'static>(
    room: SemaphorePermit<'static>,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    spawn_blocking(move || {
        let done = work();
        drop(room);
        done
    })
}

/// The same on a stack of its own of so many bytes.
pub(super) async fn deep<T: Send + 'static>(
    stack: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Reject> {
    let room = ROOM.acquire().await.map_err(|_| Reject::Internal)?;
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("filter".into()).stack_size(stack);
    let spawned = thread.spawn(move || {
        // Nobody may wait for it any more.
        let _ = done.send(work());
        drop(room);
    });
    spawned.map_err(|_| Reject::OverloadMemory)?;
    result.await.map_err(|_| Reject::Internal)
}

/// Makes something of a body: here, or beside the worker if it is large.
pub(super) async fn aside<T: Send + 'static>(
    bytes: Bytes,
    make: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, Reject> {
    if bytes.len() < LARGE { Ok(make(&bytes)) } else { beside(move || make(&bytes)).await }
}
