//! A task that can be left asleep by whoever knows that it has nothing to do.
//!
//! The library for HTTP/1 wakes a connection's task whenever a piece of a body is taken that came on it, so that
//! it reads the next one. When that was the last, the task runs for nothing: a fortieth of the instructions of a
//! small exchange. So whoever takes a piece has such wakings held, and they are passed on if more is to come.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;

thread_local! {
    /// Whose wakings are held on this thread, and in the lowest bit whether there was one.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

const CAUGHT: usize = 1;

/// Wakes one task.
#[derive(Debug, Default)]
pub struct Rouser {
    /// Set when the task runs first; nobody else has what could wake it before.
    task: OnceLock<Waker>,
}

pin_project! {
    /// A task's future, which is woken by its [`Rouser`].
    struct Roused<F> {
        #[pin]
        future: F,
        rouser: Arc<Rouser>,
        waker: Waker,
    }
}

impl Rouser {
    /// Says which task it wakes, when that runs first: one, and always the same.
    #[inline]
    pub fn wakes(&self, task: &Waker) {
        let known = self.task.get_or_init(|| task.clone());
        debug_assert!(known.will_wake(task), "it wakes another task");
    }

    /// Spawns the task that it wakes.
    pub fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let (rouser, waker) = (self.clone(), Waker::from(self.clone()));
        tokio::spawn(Roused { future, rouser, waker });
    }

    /// Does what may wake the task, and says afterwards whether the task has anything to do for it: if not, it is not
    /// woken. That is about wakings by what is done here, on this thread; others go on.
    #[inline]
    pub fn only_if_needed<T>(&self, act: impl FnOnce() -> (T, bool)) -> T {
        let held = Held::begin(self);
        let (done, is_needed) = act();
        if held.end() && is_needed {
            self.rouse();
        }
        done
    }

    fn rouse(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Wake for Rouser {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let address = self.address();
        if HELD.get() & !CAUGHT == address {
            HELD.set(address | CAUGHT);
        } else {
            self.rouse();
        }
    }
}

impl<F: Future<Output = ()>> Future for Roused<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.rouser.wakes(cx.waker());
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

/// Wakings are held as long as this is there, also where what is done panics.
struct Held {
    before: usize,
}

impl Held {
    fn begin(rouser: &Rouser) -> Self {
        Self { before: HELD.replace(rouser.address()) }
    }

    /// Whether there was one.
    fn end(self) -> bool {
        HELD.get() & CAUGHT != 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use tokio::task::yield_now;

    use super::*;

    /// A task that counts how often it runs, and what wakes it, as those have it that it waits for.
    async fn task() -> (Arc<Rouser>, Waker, Arc<AtomicUsize>) {
        let (rouser, runs) = (Arc::new(Rouser::default()), Arc::new(AtomicUsize::new(0)));
        let known = Arc::new(OnceLock::new());
        let (counted, told) = (runs.clone(), known.clone());
        rouser.spawn(poll_fn(move |cx| {
            counted.fetch_add(1, Relaxed);
            let _ = told.set(cx.waker().clone());
            Poll::Pending
        }));
        yield_now().await;
        (rouser, known.get().unwrap().clone(), runs)
    }

    #[tokio::test]
    async fn a_task_runs_when_it_is_woken() {
        let (_, waker, runs) = task().await;
        assert_eq!(runs.load(Relaxed), 1);
        waker.wake_by_ref();
        yield_now().await;
        waker.wake();
        yield_now().await;
        assert_eq!(runs.load(Relaxed), 3);
    }

    #[tokio::test]
    async fn it_sleeps_on_when_there_is_nothing_to_do_for_it() {
        let (rouser, waker, runs) = task().await;
        for needed in [false, true, false] {
            let done = rouser.only_if_needed(|| {
                waker.wake_by_ref();
                waker.wake_by_ref();
                ("done", needed)
            });
            assert_eq!(done, "done");
            yield_now().await;
        }
        assert_eq!(runs.load(Relaxed), 2, "only the one in the middle");
        rouser.only_if_needed(|| ((), true));
        yield_now().await;
        assert_eq!(runs.load(Relaxed), 2, "nothing woke it");
    }

    #[tokio::test]
    async fn what_others_wake_it_for_goes_on_meanwhile() {
        let (rouser, waker, runs) = task().await;
        let (other, others, other_runs) = task().await;
        rouser.only_if_needed(|| {
            others.wake_by_ref();
            thread::scope(|scope| {
                scope.spawn(|| waker.wake_by_ref()).join().unwrap();
            });
            // Within: its own are held, and afterwards those of the first are again.
            other.only_if_needed(|| (others.wake_by_ref(), false));
            waker.wake_by_ref();
            ((), false)
        });
        yield_now().await;
        assert_eq!((runs.load(Relaxed), other_runs.load(Relaxed)), (2, 2));
        waker.wake_by_ref();
        yield_now().await;
        assert_eq!(runs.load(Relaxed), 3, "nothing is held any more");
    }

    #[tokio::test]
    async fn what_panics_holds_nothing() {
        let (rouser, waker, runs) = task().await;
        let panics = || rouser.only_if_needed(|| -> ((), bool) { panic!("now") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        waker.wake_by_ref();
        yield_now().await;
        assert_eq!(runs.load(Relaxed), 2);
    }
}
