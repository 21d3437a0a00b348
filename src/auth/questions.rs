//! [`Questions`]: what others are asked about somebody, one question at a time for each.
//!
//! In: what the question is about, as a keyed digest, and the question. Out: its answer, which all wait
//! for that ask the same. A question goes on when those who wait have gone: its answer is remembered. It
//! is the question that has to end in time, and does.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::memory::Tag;
use crate::metrics::AuthMetrics;

/// Questions that are under way.
pub(super) struct Questions<T> {
    open: Mutex<HashMap<Tag, watch::Receiver<Option<T>>>>,
    waiting: Semaphore,
    metrics: Arc<AuthMetrics>,
}

impl<T: Clone + Send + Sync + 'static> Questions<T> {
    /// None yet; so many may wait at a time.
    pub(super) fn new(max_waiting: u16, metrics: Arc<AuthMetrics>) -> Arc<Self> {
        let waiting = Semaphore::new(max_waiting.into());
        Arc::new(Self { open: Mutex::default(), waiting, metrics })
    }

    /// The answer to a question that nobody else asks; none if too many wait already.
    pub(super) async fn alone(&self, question: impl Future<Output = T>) -> Option<T> {
        let _place = self.waiting.try_acquire().ok()?;
        let _waiting = self.metrics.questions_waiting.hold();
        Some(question.await)
    }

    /// The answer; none if too many wait already, or whoever asked is gone.
    pub(super) async fn ask<F>(
        self: &Arc<Self>,
        tag: Tag,
        question: impl FnOnce() -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let _place = self.waiting.try_acquire().ok()?;
        let _waiting = self.metrics.questions_waiting.hold();
        let mut answer = match self.open.lock().entry(tag) {
            Entry::Occupied(open) => open.get().clone(),
            Entry::Vacant(place) => {
                let (sender, answer) = watch::channel(None);
                place.insert(answer.clone());
                let (over, question) = (Over(self.clone(), tag), question());
                tokio::spawn(async move {
                    let said = question.await;
                    drop(over);
                    sender.send_replace(Some(said));
                });
                answer
            }
        };
        let answer = answer.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }
}

/// Takes a question off the list, however it ends.
struct Over<T>(Arc<Questions<T>>, Tag);

impl<T> Drop for Over<T> {
    fn drop(&mut self) {
        self.0.open.lock().remove(&self.1);
    }
}

impl<T> fmt::Debug for Questions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("open", &self.open.lock().len()).finish_non_exhaustive()
    }
}
