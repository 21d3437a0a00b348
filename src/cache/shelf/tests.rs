//! The shelf against a list of everything that happened.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::cache::{
    Tags,
    ban::{Full, Reach},
    object::Head,
    rules::Terms,
};

fn shelf(bytes: u64) -> Shelf {
    Shelf::new(Limits { bytes, variants: 4, bans: 5 })
}

/// An object that says what it is in its body, with some bytes more.
fn object(stamp: u64, vary: &str, tag: &str, word: &str, more: usize) -> Object {
    let mut headers = HeaderMap::new();
    headers.insert("cache-tag", HeaderValue::from_str(tag).unwrap());
    let names: &[u8] = if vary.is_empty() { b"" } else { b"accept" };
    let head = Head {
        status: StatusCode::OK,
        headers: &headers,
        terms: Terms::default(),
        at: Instant::now(),
        stamp,
        vary: (names, vary.as_bytes()),
        tags: Tags::read(&headers),
    };
    let body = vec![Bytes::from(word.to_owned()), Bytes::from(vec![0; more])];
    Object::new(head, body)
}

fn word(object: &Arc<Object>) -> String {
    let bytes: Vec<u8> = object.open().body().flatten().take_while(|byte| *byte != 0).collect();
    String::from_utf8(bytes).unwrap()
}

fn put(shelf: &Shelf, url: &str, word: &str, more: usize) -> Put {
    let stamp = shelf.stamps().begin();
    shelf.put(seek(shelf, 0, url).to_key(), object(stamp, "", "", word, more))
}

fn seek<'a>(shelf: &Shelf, partition: u128, url: &'a str) -> Seek<'a> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, _) = rest.split_once('/').unwrap();
    shelf.stamps().seek(partition, scheme, host, &rest[host.len()..])
}

/// What may still be used.
fn good(shelf: &Shelf, seek: &Seek<'_>) -> Vec<(String, Verdict)> {
    let Some(resource) = shelf.get(seek) else { return Vec::new() };
    let judged = resource.variants().iter().map(|object| (object, verdict(shelf, object, seek)));
    let good = judged.filter(|(_, verdict)| *verdict != Verdict::Void);
    good.map(|(object, verdict)| (word(object), verdict)).collect()
}

fn verdict(shelf: &Shelf, object: &Object, seek: &Seek<'_>) -> Verdict {
    shelf.stamps().verdict(object, seek)
}

/// Counts anew.
fn recount(shelf: &Shelf) -> (u64, u64) {
    let (mut bytes, mut objects) = (0, 0);
    shelf.each(|key, resource| {
        bytes += entry_weight(key) + resource.weight();
        objects += resource.variants().len() as u64;
    });
    (bytes, objects)
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    /// Key, variant, bytes, how many beginnings ago it was asked for.
    Put(usize, usize, usize, usize),
    Freshen(usize, usize),
    Remove(usize),
    Invalidate(usize),
    Purge(usize, bool),
    Sweep,
    Resize(u64),
}

const URLS: [&str; 6] = [
    "http://a.example/1",
    "http://a.example/1?x",
    "http://a.example/12",
    "https://b.example:8443/1",
    "https://b.example/1",
    "http://c.example/",
];
const VARY: [&str; 3] = ["", "text/html", "text/plain"];
const TAGS: [&str; 6] = ["x", "x,y", "y", "z", "x", ""];

fn reaches() -> Vec<Reach> {
    vec![
        Reach::Url(URLS[0].into()),
        Reach::Prefix("http://a.example/1".into()),
        Reach::Host("B.example:1".into()),
        Reach::Tag("x".into()),
        Reach::All,
    ]
}

/// Whether a purge means what is kept under a URL, said in another way.
fn means(reach: &Reach, url: usize) -> bool {
    match reach {
        Reach::Url(_) => url == 0,
        Reach::Prefix(_) => url < 3,
        Reach::Host(_) => url == 3 || url == 4,
        Reach::Tag(_) => TAGS[url].starts_with('x'),
        Reach::All => true,
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..URLS.len() * 2;
    let step = prop_oneof![
        2 => Just(Step::Begin),
        8 => (key.clone(), 0..3_usize, 0..9_000_usize, 0..3_usize)
            .prop_map(|(key, vary, more, ago)| Step::Put(key, vary, more, ago)),
        2 => (key.clone(), 0..9_000_usize).prop_map(|(key, more)| Step::Freshen(key, more)),
        1 => key.clone().prop_map(Step::Remove),
        1 => (0..URLS.len()).prop_map(Step::Invalidate),
        2 => (0..5_usize, any::<bool>()).prop_map(|(reach, soft)| Step::Purge(reach, soft)),
        1 => Just(Step::Sweep),
        1 => (0_u64..60_000).prop_map(Step::Resize),
    ];
    prop::collection::vec(step, 1..80)
}

/// What was put, by key and variant: its word, and what happened since it was asked for.
#[derive(Default)]
struct Model {
    kept: HashMap<(usize, usize), Known>,
    begun: Vec<usize>,
    /// What was purged, in order: which URLs, and whether softly.
    purged: Vec<(Vec<bool>, bool)>,
    next: usize,
}

struct Known {
    word: String,
    /// How many purges there had been when it was asked for.
    since: usize,
}

impl Model {
    fn purge(&mut self, means: impl Fn(usize) -> bool, soft: bool) {
        self.purged.push(((0..URLS.len()).map(means).collect(), soft));
    }

    fn may_be(&self, key: usize, vary: usize) -> Option<(&str, Verdict)> {
        let known = self.kept.get(&(key, vary))?;
        let since = self.purged[known.since..].iter().filter(|(urls, _)| urls[key % URLS.len()]);
        let softly: Vec<bool> = since.map(|(_, soft)| *soft).collect();
        let verdict = match softly.as_slice() {
            [] => Verdict::Valid,
            all if all.iter().all(|soft| *soft) => Verdict::Stale,
            _ => return None,
        };
        Some((&known.word, verdict))
    }
}

fn run(shelf: &Shelf, model: &mut Model, stamps: &mut Vec<u64>, step: Step) {
    let seek_of = |key: usize| seek(shelf, (key / URLS.len()) as u128, URLS[key % URLS.len()]);
    match step {
        Step::Begin => {
            stamps.push(shelf.stamps().begin());
            model.begun.push(model.purged.len());
        }
        Step::Put(key, vary, more, ago) => {
            let at = stamps.len().saturating_sub(1 + ago);
            let (stamp, since) = (stamps[at], model.begun[at]);
            model.next += 1;
            let word = format!("{key}.{vary}.{}", model.next);
            let object = object(stamp, VARY[vary], TAGS[key % URLS.len()], &word, more);
            if shelf.put(seek_of(key).to_key(), object) == Put::Kept {
                model.kept.insert((key, vary), Known { word, since });
            }
        }
        Step::Freshen(key, more) => {
            let Some(resource) = shelf.get(&seek_of(key)) else { return };
            let old = &resource.variants()[resource.variants().len() - 1];
            let vary = VARY.iter().position(|vary| vary.as_bytes() == old.vary().1).unwrap();
            model.next += 1;
            let word = format!("{key}.{vary}.{}", model.next);
            let stamp = shelf.stamps().begin();
            let new = object(stamp, VARY[vary], TAGS[key % URLS.len()], &word, more);
            if shelf.replace(&seek_of(key), old, new) == Put::Kept {
                model.kept.insert((key, vary), Known { word, since: model.purged.len() });
            }
        }
        Step::Remove(key) => {
            shelf.remove(&seek_of(key));
            model.kept.retain(|(kept, _), _| *kept != key);
        }
        Step::Invalidate(url) => {
            shelf.stamps().invalidate(URLS[url]);
            model.purge(|other| other == url, false);
        }
        Step::Purge(reach, soft) => {
            let reach = reaches().swap_remove(reach);
            if shelf.stamps().ban(reach.clone(), soft).is_ok() {
                model.purge(|url| means(&reach, url), soft);
            }
        }
        Step::Sweep => {
            let mut sweep = shelf.begin_sweep();
            while shelf.sweep(&mut sweep) {}
            assert_eq!(shelf.stamps().bans(), 0);
        }
        Step::Resize(bytes) => shelf.set_capacity(bytes),
    }
}

proptest! {
    #[test]
    fn what_is_got_is_what_was_put_last_and_not_purged(steps in steps()) {
        let shelf = shelf(40_000);
        let mut model = Model { begun: vec![0], ..Model::default() };
        let mut stamps = vec![shelf.stamps().begin()];
        for step in steps {
            run(&shelf, &mut model, &mut stamps, step);
            prop_assert!(shelf.bytes() <= shelf.capacity(), "{} bytes", shelf.bytes());
            prop_assert_eq!(recount(&shelf), (shelf.bytes(), shelf.len()));
            for key in 0..URLS.len() * 2 {
                let seek = seek(&shelf, (key / URLS.len()) as u128, URLS[key % URLS.len()]);
                for (word, verdict) in good(&shelf, &seek) {
                    let vary = word.split('.').nth(1).unwrap().parse().unwrap();
                    let may_be = model.may_be(key, vary);
                    prop_assert_eq!(may_be, Some((&*word, verdict)), "{} {}", key, vary);
                }
            }
        }
    }
}

#[test]
fn a_purge_is_of_what_it_says_and_of_nothing_else() {
    for reach in reaches() {
        for soft in [false, true] {
            let shelf = shelf(1 << 20);
            for (at, url) in URLS.iter().enumerate() {
                let object = object(shelf.stamps().begin(), "", TAGS[at], url, 0);
                assert_eq!(shelf.put(seek(&shelf, 0, url).to_key(), object), Put::Kept);
            }
            shelf.stamps().ban(reach.clone(), soft).unwrap();
            for (at, url) in URLS.iter().enumerate() {
                let found = good(&shelf, &seek(&shelf, 0, url));
                let verdict = found.first().map(|(_, verdict)| *verdict);
                let expected = match (means(&reach, at), soft) {
                    (false, _) => Some(Verdict::Valid),
                    (true, true) => Some(Verdict::Stale),
                    (true, false) => None,
                };
                if shares_a_place(&shelf, URLS[0], url) && matches!(reach, Reach::Url(_)) {
                    continue;
                }
                assert_eq!(verdict, expected, "{reach:?} {soft} {url}");
            }
        }
    }
}

/// Two URLs that share a place are made void together; among so few that is one time in ten thousand.
fn shares_a_place(shelf: &Shelf, one: &str, other: &str) -> bool {
    // Of the bits that are a URL's alone the last ones, of which a small shelf looks at 16.
    let place = |url| seek(shelf, 0, url).hash() >> (64 - URL_BITS) & 0xffff;
    one != other && place(one) == place(other)
}

#[test]
fn an_invalidation_reaches_every_partition_and_what_is_on_its_way() {
    let shelf = shelf(1 << 20);
    let url = URLS[0];
    let begun = shelf.stamps().begin();
    for partition in 0..3 {
        let key = seek(&shelf, partition, url).to_key();
        assert_eq!(shelf.put(key, object(begun, "", "", "old", 0)), Put::Kept);
    }
    // What the request itself brought is good, unless something else came between.
    let good_from = shelf.stamps().invalidate_target(&seek(&shelf, 1, url), begun);
    assert_eq!(good_from, Some(begun + 1));
    assert_eq!(shelf.stamps().invalidate_target(&seek(&shelf, 1, url), begun), None);
    for partition in 0..3 {
        assert_eq!(good(&shelf, &seek(&shelf, partition, url)), []);
    }
    let late = shelf.put(seek(&shelf, 7, url).to_key(), object(begun, "", "", "late", 0));
    assert_eq!(late, Put::Void);
    assert_eq!(put(&shelf, url, "new", 0), Put::Kept);
    assert_eq!(good(&shelf, &seek(&shelf, 0, url)), [("new".into(), Verdict::Valid)]);
}

#[test]
fn a_purge_that_is_done_and_forgotten_still_holds_for_what_comes_late() {
    let shelf = shelf(1 << 20);
    let begun = shelf.stamps().begin();
    put(&shelf, URLS[0], "old", 0);
    put(&shelf, URLS[5], "other", 0);
    shelf.stamps().ban(Reach::Host("a.example".into()), false).unwrap();
    assert_eq!((shelf.len(), shelf.stamps().bans()), (2, 1));
    let mut sweep = shelf.begin_sweep();
    while shelf.sweep(&mut sweep) {}
    assert_eq!((shelf.len(), shelf.stamps().bans()), (1, 0), "memory is given back");
    let late = shelf.put(seek(&shelf, 0, URLS[0]).to_key(), object(begun, "", "", "late", 0));
    assert_eq!(late, Put::Void);
    assert_eq!(good(&shelf, &seek(&shelf, 0, URLS[5])), [("other".into(), Verdict::Valid)]);
    assert_eq!(put(&shelf, URLS[0], "new", 0), Put::Kept);
}

#[test]
fn the_list_of_purges_is_bounded_and_says_so() {
    let shelf = shelf(1 << 20);
    let host = |number| Reach::Host(format!("{number}.example").into());
    for number in 0..5 {
        assert_eq!(shelf.stamps().ban(host(number), true), Ok(()));
    }
    assert_eq!(shelf.stamps().ban(host(5), true), Err(Full { most: 5 }));
    assert_eq!(shelf.stamps().ban(host(4), true), Ok(()), "the same again takes no more room");
    assert_eq!(shelf.stamps().ban(host(4), false), Ok(()), "nor does what is more than it");
    assert_eq!(shelf.stamps().ban(Reach::Url(URLS[0].into()), false), Ok(()), "it needs none");
    assert_eq!(shelf.stamps().ban(Reach::All, false), Ok(()), "it is instead of all others");
    assert_eq!(shelf.stamps().bans(), 1);
}

#[test]
fn so_many_variants_are_kept_and_the_oldest_goes() {
    let shelf = shelf(1 << 20);
    let seek = seek(&shelf, 0, URLS[0]);
    for vary in ["a", "b", "c", "d", "e", "c"] {
        let object = object(shelf.stamps().begin(), vary, "", vary, 0);
        shelf.put(seek.to_key(), object);
    }
    let words: Vec<_> = good(&shelf, &seek).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["c", "e", "d", "b"]);
    assert_eq!(recount(&shelf), (shelf.bytes(), 4));
}

#[test]
fn what_was_freshened_is_put_in_place_of_what_it_was_made_of() {
    let shelf = shelf(1 << 20);
    let seek = seek(&shelf, 0, URLS[0]);
    put(&shelf, URLS[0], "first", 0);
    let old = shelf.get(&seek).unwrap().variants()[0].clone();
    let fresh = |word| object(shelf.stamps().begin(), "", "", word, 0);
    assert_eq!(shelf.replace(&seek, &old, fresh("second")), Put::Kept);
    assert_eq!(shelf.replace(&seek, &old, fresh("third")), Put::Gone, "somebody was faster");
    assert_eq!(good(&shelf, &seek), [("second".into(), Verdict::Valid)]);
    assert!(!shelf.remove_object(&seek, &old) && shelf.remove(&seek) && !shelf.remove(&seek));
    assert_eq!((shelf.bytes(), shelf.is_empty()), (0, true));
}

#[test]
fn a_large_object_is_kept_beside_small_ones() {
    let shelf = shelf(16 << 20);
    for number in 0..1_000 {
        put(&shelf, &format!("http://a.example/{number}"), "small", 500);
    }
    for number in 0..100 {
        for small in 0..1_000 {
            let url = format!("http://a.example/{small}");
            assert!(shelf.get(&seek(&shelf, 0, &url)).is_some(), "{small} at {number}");
        }
        let url = format!("http://b.example/{number}");
        assert_eq!(put(&shelf, &url, "large", 1 << 20), Put::Kept);
        assert!(shelf.get(&seek(&shelf, 0, &url)).is_some());
    }
    assert!(shelf.evictions() > 80);
    assert_eq!(put(&shelf, URLS[0], "larger than the shelf", 16 << 20), Put::NoRoom);
}

#[test]
fn what_is_asked_for_again_survives_a_scan() {
    let shelf = shelf(1 << 20);
    let hot = |number: usize| format!("http://hot.example/{number}");
    for _ in 0..5 {
        for number in 0..200 {
            if shelf.get(&seek(&shelf, 0, &hot(number))).is_none() {
                put(&shelf, &hot(number), "hot", 1_000);
            }
        }
    }
    for number in 0..20_000 {
        put(&shelf, &format!("http://scan.example/{number}"), "once", 1_000);
    }
    let left = (0..200).filter(|number| shelf.get(&seek(&shelf, 0, &hot(*number))).is_some());
    assert_eq!(left.count(), 200);
    assert!(shelf.bytes() > 900_000, "the scan does not empty it");
}

#[test]
fn a_smaller_shelf_is_smaller_at_once() {
    let shelf = shelf(1 << 20);
    for number in 0..500 {
        put(&shelf, &format!("http://a.example/{number}"), "x", 1_000);
    }
    shelf.set_capacity(100_000);
    assert!(shelf.bytes() <= 100_000 && !shelf.is_empty());
    shelf.set_capacity(0);
    assert_eq!((shelf.bytes(), shelf.len()), (0, 0));
    assert_eq!(put(&shelf, URLS[0], "x", 0), Put::NoRoom);
    shelf.set_capacity(1 << 20);
    assert_eq!(put(&shelf, URLS[0], "x", 0), Put::Kept);
}

#[test]
fn many_threads_never_see_the_wrong_object_or_too_many_bytes() {
    let shelf = shelf(200_000);
    let work = |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let url = format!("http://a.example/{}", rng.u32(0..400).min(rng.u32(0..400)));
            let seek = seek(&shelf, 0, &url);
            match rng.u32(0..100) {
                0 => drop(shelf.remove(&seek)),
                1 => shelf.stamps().invalidate(&url),
                2 => drop(shelf.stamps().ban(Reach::Tag("none".into()), rng.bool())),
                3 => drop(shelf.sweep(&mut shelf.begin_sweep())),
                4 => shelf.set_capacity(rng.u64(150_000..200_000)),
                _ => match shelf.get(&seek) {
                    Some(resource) => {
                        let object = &resource.variants()[0];
                        assert_eq!(word(object), url);
                        if rng.u32(0..10) == 0 {
                            let new = self::object(shelf.stamps().begin(), "", "", &url, 900);
                            shelf.replace(&seek, object, new);
                        }
                    }
                    None => drop(put(&shelf, &url, &url, rng.usize(0..2_000))),
                },
            }
            assert!(shelf.bytes() <= 200_000);
        }
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|seed| drop(scope.spawn(move || work(seed))));
    });
    assert_eq!(recount(&shelf), (shelf.bytes(), shelf.len()));
    assert!(shelf.evictions() > 1_000);
}
