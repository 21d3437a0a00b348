//! What part of requests is a hit, by traces that are the same in every run.

#![expect(clippy::print_stdout, reason = "a table for who runs it")]

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use janua::cache::{
    Tags,
    object::{Head, Object},
    rules::Terms,
    shelf::{Limits, Shelf},
};
use tokio::time::Instant;

use super::models::{Lru, Model, S3Fifo, TinyLfu};

const OBJECTS: usize = 100_000;
const REQUESTS: usize = 2_000_000;
/// Before anything is counted.
const WARM_UP: usize = REQUESTS / 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// The same objects are asked for all the time.
    Steady,
    /// A third of the requests walks through what is asked for once, in runs of 25,000.
    Scans,
    /// What is popular changes all the time, by one hundredth of the objects in 100,000 requests.
    Drift,
}

/// The real shelf, which counts in bytes: objects are of one size.
struct Ours {
    shelf: Shelf,
    target: String,
}

impl Ours {
    fn new(most: usize) -> Self {
        let shelf = |bytes| Shelf::new(Limits { bytes, variants: 4, bans: 10 });
        let mut one = Self { shelf: shelf(u64::MAX), target: String::new() };
        one.ask(0);
        let each = one.shelf.bytes();
        // Room for one more is needed while it is put.
        Self { shelf: shelf(each * (most as u64 + 1)), target: String::new() }
    }
}

impl Model for Ours {
    fn ask(&mut self, key: u64) -> bool {
        self.target = format!("/{key:020}");
        let seek = self.shelf.stamps().seek(0, "https", "a.example", &self.target);
        if self.shelf.get(&seek).is_some() {
            return true;
        }
        let head = Head {
            status: StatusCode::OK,
            headers: &HeaderMap::new(),
            terms: Terms::default(),
            at: Instant::now(),
            stamp: self.shelf.stamps().begin(),
            vary: (&[], &[]),
            tags: Tags::default(),
        };
        let object = Object::new(head, vec![Bytes::from_static(&[0; 1_000])]);
        self.shelf.put(seek.to_key(), object);
        false
    }
}

fn trace(alpha: f64, shape: Shape) -> Vec<u64> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut sum = 0.0;
    let ranks = (1..=OBJECTS).map(|rank| {
        sum += (rank as f64).powf(-alpha);
        sum
    });
    let ranks: Vec<f64> = ranks.collect();
    let mut keys: Vec<u64> = Vec::with_capacity(REQUESTS + 25_000);
    let mut once = 1 << 40;
    let mut drawn = 0_u64;
    while keys.len() < REQUESTS {
        if shape == Shape::Scans && drawn > 0 && drawn.is_multiple_of(50_000) {
            keys.extend((once..once + 25_000).map(mixed));
            once += 25_000;
        }
        drawn += 1;
        let drawn_rank = rng.f64() * sum;
        let rank = ranks.partition_point(|rank| *rank < drawn_rank) as u64;
        let shift = if shape == Shape::Drift { drawn / 100 } else { 0 };
        keys.push(mixed((rank + shift) % OBJECTS as u64));
    }
    keys
}

/// Neighbours in rank are no neighbours in number.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

fn rate(model: &mut dyn Model, trace: &[u64]) -> f64 {
    let hits = trace.iter().enumerate().filter(|(at, key)| model.ask(**key) && *at >= WARM_UP);
    100.0 * hits.count() as f64 / (trace.len() - WARM_UP) as f64
}

/// Prints the table.
pub(super) fn print() {
    println!("hits in 100 requests, {OBJECTS} objects, {REQUESTS} requests");
    println!("alpha shape  cache |    LRU  S3-FIFO  W-TinyLFU |   ours  to the best");
    for alpha in [0.7, 0.9, 1.1] {
        for shape in [Shape::Steady, Shape::Scans, Shape::Drift] {
            let trace = trace(alpha, shape);
            for part in [1, 10] {
                let most = OBJECTS * part / 100;
                let lru = rate(&mut Lru::new(most), &trace);
                let s3 = rate(&mut S3Fifo::new(most), &trace);
                let tiny = rate(&mut TinyLfu::new(most), &trace);
                let ours = rate(&mut Ours::new(most), &trace);
                let behind = ours - lru.max(s3).max(tiny);
                let shape = format!("{shape:?}");
                println!(
                    "  {alpha} {shape:6} {part:4} % | {lru:6.2}   {s3:6.2}     {tiny:6.2} | {ours:6.2}  {behind:+6.2}"
                );
            }
        }
    }
}
