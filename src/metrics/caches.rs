//! The page's part about answers that are kept: of routes, of memory and of the disk.

use super::{
    CacheMetrics, Named, OnDisk, Shelved,
    encode::{by_word, simple},
    exposition::{Kind, Page},
};

pub(super) fn caches(page: &mut Page, all: &Named<CacheMetrics>, shelved: &Shelved) {
    if all.is_empty() {
        return;
    }
    let requests = ("janua_cache_requests_total", "Requests at the cache, by what became of them.");
    by_word(page, requests, ("route", "outcome"), all, CacheMetrics::requests);
    let stored = ("janua_cache_stored_total", Kind::Counter, "Answers that were kept.");
    simple(page, stored, "route", all, CacheMetrics::stored);
    let refused = ("janua_cache_not_stored_total", "Answers that were not kept, by reason.");
    by_word(page, refused, ("route", "reason"), all, CacheMetrics::refused);
    let mut one = |name, kind, help, value: u64| {
        page.family(name, kind, help).sample(&[], value);
    };
    one(
        "janua_cache_bytes",
        Kind::Gauge,
        "Memory of what is kept, everything counted.",
        shelved.bytes,
    );
    one("janua_cache_capacity_bytes", Kind::Gauge, "Memory that may be kept.", shelved.capacity);
    one("janua_cache_objects", Kind::Gauge, "URLs of which answers are kept.", shelved.objects);
    one(
        "janua_cache_evictions_total",
        Kind::Counter,
        "URLs that made room for others.",
        shelved.evicted,
    );
    one(
        "janua_cache_filling_bytes",
        Kind::Gauge,
        "Memory of answers that are on their way and may be kept.",
        shelved.filling,
    );
    one(
        "janua_cache_large_bytes",
        Kind::Gauge,
        "Memory of bodies of more than 64 KiB: of answers that are kept, and of those that are still read.",
        shelved.large,
    );
    if let Some(disk) = &shelved.disk {
        cache_disk(page, disk);
    }
}

fn cache_disk(page: &mut Page, disk: &OnDisk) {
    let mut one = |name, kind, help, value: u64| {
        page.family(name, kind, help).sample(&[], value);
    };
    let ready = u64::from(disk.state == "ready");
    let help = "1 if answers are read from the disk and written to it.";
    one("janua_cache_disk_ready", Kind::Gauge, help, ready);
    one("janua_cache_disk_bytes", Kind::Gauge, "Bytes of files that are kept.", disk.bytes);
    let help = "Bytes that files may have.";
    one("janua_cache_disk_capacity_bytes", Kind::Gauge, help, disk.capacity);
    one("janua_cache_disk_objects", Kind::Gauge, "Answers on the disk.", disk.objects);
    let count = Kind::Counter;
    one("janua_cache_disk_hits_total", count, "Answers found on the disk.", disk.hits);
    one("janua_cache_disk_writes_total", count, "Answers written to the disk.", disk.writes);
    let help = "Answers that were not written, for want of time or room.";
    one("janua_cache_disk_dropped_writes_total", count, help, disk.dropped);
    let help = "Errors of the disk, damaged files among them.";
    one("janua_cache_disk_errors_total", count, help, disk.errors);
    let help = "Answers on the disk that made room for others.";
    one("janua_cache_disk_evictions_total", count, help, disk.evictions);
}
