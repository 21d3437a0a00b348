//! What the shelf of the response cache costs and what it is good for: `cargo bench --bench cache`.
//!
//! Three parts, each of which runs alone when it is named (`cargo bench --bench cache -- rates`):
//! - *rates*: what part of requests is a hit, beside simple forms of LRU, S3-FIFO and W-TinyLFU. The number to
//!   watch: on every trace no more than 1 % behind the best of the three.
//! - *memory*: what a million small objects take beside their bytes (at most 200 each), and how honest the
//!   shelf's own counting is.
//! - *get*: the time of a hit with eight header fields.

mod memory;
mod models;
mod rates;
mod speed;

use std::env;

use criterion::Criterion;

/// The gateway's, so that memory is what it would be there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let asked = env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_asked = |part: &str| asked.as_deref().is_none_or(|word| part.starts_with(word));
    // First, while the process is small.
    if is_asked("memory") {
        memory::print();
    }
    if is_asked("rates") {
        rates::print();
    }
    if asked.is_none_or(|word| word.starts_with("get")) {
        let mut criterion = Criterion::default().configure_from_args();
        speed::get(&mut criterion);
        criterion.final_summary();
    }
}
