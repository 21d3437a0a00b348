//! Overload: how much may be in flight, and whom there is no room for.
//!
//! In: requests that come and go, with the times that they have already, and their [`Priority`]. Out:
//! that there is room, or not. A [`Gate`] stands before an upstream: a number, or one that finds itself
//! (`gradient`, from what `window` gathered). [`Overload`] is about the gateway itself: requests, and the
//! memory of their bodies, each a [`Budget`].
//!
//! Nothing here waits, and nothing reads a clock. While there is room for everybody, and a worker has a
//! share of it in hand, nobody is asked for a priority.

mod budget;
mod gate;
mod gateway;
mod gradient;
mod memory;
mod shares;
#[cfg(test)]
mod simulation;
mod window;

pub use self::{
    budget::Budget,
    gate::{Gate, Outcome, Slot},
    gateway::{AHEAD, Load, Overload, SMALL},
    memory::half_of_memory,
    shares::Shares,
};
use crate::config::Priority;
