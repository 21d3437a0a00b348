//! The time of a hit: to look, to judge, and to make the answer's header and body; beside it what a library takes to
//! look (`quick_cache`, which knows of no variants, purges or bytes).

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use janua::cache::{
    Tags,
    object::{Head, Object},
    rules::Terms,
    shelf::{Limits, Shelf},
    stamps::Verdict,
};
use tokio::time::Instant;

/// The header of a small answer.
pub(super) const FIELDS: [(&str, &str); 8] = [
    ("content-type", "image/webp"),
    ("content-length", "256"),
    ("cache-control", "public, max-age=31536000, immutable"),
    ("etag", "\"5f3c8a1b-100\""),
    ("last-modified", "Tue, 14 Jul 2026 09:12:44 GMT"),
    ("date", "Sat, 28 Nov 2026 12:00:00 GMT"),
    ("server", "nginx"),
    ("vary", "accept-encoding"),
];

/// A small answer, as of now.
pub(super) fn object(shelf: &Shelf, body: usize) -> Object {
    let mut headers = HeaderMap::new();
    for (name, value) in FIELDS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let head = Head {
        status: StatusCode::OK,
        headers: &headers,
        terms: Terms::default(),
        at: Instant::now(),
        stamp: shelf.stamps().begin(),
        vary: (b"", b""),
        tags: Tags::default(),
    };
    Object::new(head, vec![Bytes::from(vec![0; body])])
}

const KEYS: usize = 10_000;

struct Load {
    shelf: Shelf,
    library: quick_cache::sync::Cache<String, Arc<Object>>,
    targets: Vec<String>,
}

impl Load {
    fn new() -> Self {
        let shelf = Shelf::new(Limits { bytes: 1 << 30, variants: 8, bans: 1_000 });
        let targets = (0..KEYS).map(|number| format!("/assets/{number}/picture.webp"));
        let targets: Vec<_> = targets.collect();
        for target in &targets {
            let seek = shelf.stamps().seek(7, "https", "shop.example", target);
            shelf.put(seek.to_key(), object(&shelf, 256));
        }
        let library = quick_cache::sync::Cache::new(4 * KEYS);
        for target in &targets {
            library.insert(target.clone(), Arc::new(object(&shelf, 256)));
        }
        Self { shelf, library, targets }
    }

    /// To look, by the library, for a text that is put together already.
    fn find_there(&self, at: usize) -> bool {
        self.library.get(&self.targets[at]).is_some()
    }

    /// To look and to judge.
    fn find(&self, at: usize) -> bool {
        let seek = self.shelf.stamps().seek(7, "https", "shop.example", &self.targets[at]);
        let Some(resource) = self.shelf.get(&seek) else { return false };
        self.shelf.stamps().verdict(&resource.variants()[0], &seek) == Verdict::Valid
    }

    /// A hit.
    fn hit(&self, at: usize) -> Option<(HeaderMap, Bytes)> {
        let seek = self.shelf.stamps().seek(7, "https", "shop.example", &self.targets[at]);
        let resource = self.shelf.get(&seek)?;
        let object = &resource.variants()[0];
        if self.shelf.stamps().verdict(object, &seek) != Verdict::Valid {
            return None;
        }
        let open = object.open();
        Some((open.headers(), open.body().next()?))
    }
}

/// Measures one thread, alone and while another does the same.
fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    ask: impl Fn(usize) -> T + Sync,
) {
    for keys in [1, KEYS] {
        let next = |at: &mut usize| {
            *at = (*at + 7_919) % keys;
            *at
        };
        let word = if keys == 1 { "one key" } else { "many keys" };
        let mut at = 0;
        group.bench_function(format!("{name}, {word}"), |b| {
            b.iter(|| black_box(ask(next(&mut at))));
        });
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut at = keys / 2;
                while !ended.load(Relaxed) {
                    black_box(ask(next(&mut at)));
                }
            });
            group.bench_function(format!("{name}, {word}, two threads"), |b| {
                b.iter(|| black_box(ask(next(&mut at))));
            });
            ended.store(true, Relaxed);
        });
    }
}

/// The time of a hit.
pub(super) fn get(c: &mut Criterion) {
    let load = Load::new();
    let mut group = c.benchmark_group("get");
    measure(&mut group, "look", |at| load.find(at));
    measure(&mut group, "look, quick_cache", |at| load.find_there(at));
    measure(&mut group, "hit", |at| load.hit(at));
    group.finish();
}
