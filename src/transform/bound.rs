//! How much a filter may do: so many steps, and so deep a stack.
//!
//! The interpreter knows no bound, and most of what it does cannot say that it is over. So each of its steps,
//! and whatever values grow by, is counted here. When the count is used up, the work is left by unwinding, as if
//! it had panicked, but that no panic hook hears of it; [`within`] is where that ends. Outside of it nothing is
//! counted.

use std::{
    cell::Cell,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

/// Bytes that count as a step.
const BYTES: usize = 16;

/// What is left to do.
#[derive(Clone, Copy)]
struct Left {
    steps: u64,
    /// The lowest address that the stack may get to; stacks grow downwards.
    deepest: usize,
}

thread_local! {
    static LEFT: Cell<Left> = const { Cell::new(Left { steps: u64::MAX, deepest: 0 }) };
}

/// How work ended that did not come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// It would have taken too much.
    TooMuch,
    /// It panicked.
    Fault,
}

/// Why it unwinds.
struct Spent;

/// Does something within so many steps and so many bytes of stack; tells the steps that it took.
pub(super) fn within<T>(
    steps: u64,
    stack: usize,
    work: impl FnOnce() -> T,
) -> (Result<T, Ended>, u64) {
    let before = LEFT.replace(Left { steps, deepest: here().saturating_sub(stack) });
    // What the work was at is dropped: nothing of it is seen half done.
    let done = catch_unwind(AssertUnwindSafe(work));
    let took = steps - LEFT.replace(before).steps;
    (done.map_err(|why| if why.is::<Spent>() { Ended::TooMuch } else { Ended::Fault }), took)
}

/// Counts a step of the interpreter, which may be one deeper.
#[inline]
pub(super) fn step() {
    spend(1);
    if here() < LEFT.get().deepest {
        stop();
    }
}

/// Counts steps.
#[inline]
pub(super) fn spend(steps: usize) {
    let left = LEFT.get();
    match left.steps.checked_sub(steps as u64) {
        Some(steps) => LEFT.set(Left { steps, ..left }),
        None => stop(),
    }
}

/// Counts bytes that are made, copied or looked at.
#[inline]
pub(super) fn spend_bytes(bytes: usize) {
    spend(1 + bytes / BYTES);
}

/// Leaves the work.
#[cold]
pub(super) fn stop() -> ! {
    resume_unwind(Box::new(Spent))
}

/// About where the stack is.
#[inline]
fn here() -> usize {
    let mark = 0_u8;
    ptr::from_ref(black_box(&mark)).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within<T>(steps: u64, stack: usize, work: impl FnOnce() -> T) -> Result<T, Ended> {
        super::within(steps, stack, work).0
    }

    #[test]
    fn work_ends_when_its_steps_are_used_up() {
        assert_eq!(within(3, 1 << 20, || (0..3).for_each(|_| step())), Ok(()));
        assert_eq!(within(2, 1 << 20, || (0..3).for_each(|_| step())), Err(Ended::TooMuch));
        assert_eq!(within(9, 1 << 20, || spend_bytes(usize::MAX)), Err(Ended::TooMuch));
        // What was counted before, or outside, does not matter.
        assert_eq!(within(1, 1 << 20, step), Ok(()));
        (0..100).for_each(|_| step());
    }

    #[test]
    fn work_ends_when_its_stack_is_too_deep() {
        fn deeper(more: u32) -> u32 {
            step();
            if more == 0 { 0 } else { black_box(deeper(more - 1)) + 1 }
        }
        assert_eq!(within(u64::MAX, 64 << 10, || deeper(5)), Ok(5));
        assert_eq!(within(u64::MAX, 64 << 10, || deeper(u32::MAX)), Err(Ended::TooMuch));
    }
}
