//! A disk in the hands of threads: what is found is what was kept last, and nothing that was purged.

use std::{fs, os::unix::fs::symlink, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::{
    cache::{
        memory::passing_secret,
        object::{Head, Object},
        purge::Purge,
        rules::Terms,
        stamps::Verdict,
        tags::Tags,
    },
    config::{ByteSize, Cache, CacheDisk},
};

struct House {
    disk: Arc<Disk>,
    memory: Arc<Memory>,
}

/// What becomes of a file.
type Damage = fn(&Path);

const URL: &str = "http://a.example/x";

fn written(path: &Path) -> (Cache, CacheDisk) {
    let disk = CacheDisk {
        path: path.to_owned(),
        size: ByteSize::kib(1 << 10),
        wait: config::Duration::secs(10),
        queue: ByteSize::kib(64 << 10),
    };
    (Cache::default(), disk)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A process that begins with what is in a folder.
fn open(path: &Path) -> House {
    let house = open_early(path);
    until("it is ready", || house.disk.on_disk().state == "ready");
    house
}

fn open_early(path: &Path) -> House {
    let (cache, written) = written(path);
    let disk = Arc::new(Disk::open(&written, None).unwrap());
    let memory = Arc::new(Memory::new(&cache, passing_secret()));
    disk.resize(&cache, &written);
    memory.disk.store(Some(disk.clone()));
    disk.start(&memory);
    House { disk, memory }
}

impl House {
    fn key(&self, partition: u128, url: &str) -> Key {
        let (scheme, rest) = url.split_once("://").unwrap();
        let at = rest.find('/').unwrap();
        let stamps = self.memory.shelf.stamps();
        stamps.seek(partition, scheme, &rest[..at], &rest[at..]).to_key()
    }

    fn invalidate(&self, url: &str) {
        let since = self.memory.shelf.stamps().begin();
        self.memory.invalidate_target(&self.key(1, url).seek(), since);
    }

    fn keep(&self, url: &str, vary: &str, body: &[u8]) {
        self.memory.keep(&self.key(1, url), self.object(vary, body));
    }

    fn object(&self, vary: &str, body: &[u8]) -> Arc<Object> {
        let mut headers = HeaderMap::new();
        headers.insert("cache-tag", "t".parse().unwrap());
        let names = if vary.is_empty() { "" } else { "accept" };
        let head = Head {
            status: StatusCode::OK,
            headers: &headers,
            terms: Terms::of_parts([0, 60, 0, 0], 0),
            at: Instant::now(),
            stamp: self.memory.shelf.stamps().begin(),
            vary: (names.as_bytes(), vary.as_bytes()),
            tags: Tags::read(&headers),
        };
        let body = vec![Bytes::copy_from_slice(body)];
        Arc::new(Object::new(head, body))
    }

    /// Waits until so many were written since the start.
    fn until_written(&self, count: u64) {
        until("it is written", || self.disk.on_disk().writes == count);
    }

    fn find(&self, partition: u128, url: &str, vary: &str) -> Option<(Vec<u8>, Verdict)> {
        let key = self.key(partition, url);
        let stamp = self.memory.shelf.stamps().begin();
        let vary = vary.to_owned();
        let suits = move |object: &Arc<Object>| object.vary().1 == vary.as_bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (found, _) = runtime.block_on(self.disk.find(&key, stamp, suits))?;
        let verdict = self.memory.shelf.stamps().verdict(&found, &key.seek());
        Some((found.open().body().flat_map(|piece| piece.to_vec()).collect(), verdict))
    }

    fn word(&self, url: &str) -> Option<(String, Verdict)> {
        self.find(1, url, "").map(|(body, verdict)| (String::from_utf8(body).unwrap(), verdict))
    }

    /// What is found for a URL is this: at once, if it is nothing; what is being given another name meanwhile may not
    /// be found for a moment.
    fn assert_word(&self, url: &str, expected: Option<(String, Verdict)>, what: &str) {
        match expected {
            None => assert_eq!(self.word(url), None, "{what}"),
            expected => until(what, || self.word(url) == expected),
        }
    }

    fn purge(&self, reach: Reach, soft: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        self.memory.purge(Purge { reach, soft }).unwrap();
    }

    /// As if it were killed: nothing is finished but what is done, and its lock is free.
    fn kill(self) {
        let tier = &self.disk.0;
        tier.over.store(true, Relaxed);
        // Whoever is killed keeps no house beside the next process, and removes nothing.
        tier.news.close();
        tier.doomed.close();
        while tier.doomed.pop().is_some() {}
        until("only its writer is there", || tier.threads.load(Acquire) <= 1);
        *tier.lock.lock() = None;
    }
}

fn files(home: &TempDir) -> Vec<PathBuf> {
    let parts = fs::read_dir(home.path().join("objects")).unwrap();
    let files = parts.flat_map(|part| fs::read_dir(part.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn valid(word: &str) -> Option<(String, Verdict)> {
    Some((word.to_owned(), Verdict::Valid))
}

#[test]
fn what_was_kept_last_is_found_by_who_may_have_it_also_by_the_next_process() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"old");
    // Of two that wait only the newer one is written.
    house.until_written(1);
    house.keep(URL, "", b"new");
    house.keep(URL, "de", b"neu");
    house.keep("http://a.example/y", "", b"other");
    house.until_written(4);
    let check = |house: &House| {
        assert_eq!(house.word(URL), valid("new"));
        assert_eq!(house.find(1, URL, "de").unwrap().0, b"neu");
        assert_eq!(house.find(1, URL, "fr"), None);
        assert_eq!(house.find(2, URL, ""), None, "another partition");
        assert_eq!(house.word("http://a.example/z"), None);
        assert_eq!(house.word("https://a.example/x"), None);
    };
    check(&house);
    house.disk.finish();
    let next = open(home.path());
    check(&next);
    let shown = next.disk.on_disk();
    assert_eq!((shown.objects, shown.errors, shown.bytes), (3, 0, 3 * 4_096));
}

#[test]
fn a_purge_holds_whatever_it_reaches_also_over_a_kill_at_once() {
    let all = || {
        [
            Reach::Url(URL.into()),
            Reach::Prefix("http://a.example/x".into()),
            Reach::Host("a.example".into()),
            Reach::Tag("t".into()),
            Reach::All,
        ]
    };
    for reach in all() {
        for soft in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let house = open(home.path());
            house.keep(URL, "", b"x");
            house.keep("http://b.example/", "", b"y");
            house.until_written(2);
            house.purge(reach.clone(), soft);
            let (expected, what) = match soft {
                true => (Some(("x".to_owned(), Verdict::Stale)), format!("{reach:?} softly")),
                false => (None, format!("{reach:?}")),
            };
            house.assert_word(URL, expected.clone(), &what);
            house.kill();
            let next = open(home.path());
            next.assert_word(URL, expected.clone(), &format!("{what}, by the next process"));
            let other = match reach {
                Reach::Tag(_) | Reach::All => expected.map(|(_, verdict)| ("y".into(), verdict)),
                _ => valid("y"),
            };
            next.assert_word("http://b.example/", other, &format!("{what}, the other"));
            // What comes after it is as good as any.
            next.keep(URL, "", b"again");
            next.until_written(1);
            next.assert_word(URL, valid("again"), &what);
        }
    }
}

#[test]
fn purges_are_forgotten_when_all_was_compared_with_them_and_hold_on() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    for number in 0..50 {
        house.keep(&format!("http://{}.example/{number}", number % 2), "", b"x");
    }
    house.until_written(50);
    house.purge(Reach::Host("0.example".into()), false);
    house.purge(Reach::Prefix("http://1.example/1".into()), true);
    until("all is compared", || house.disk.on_disk().purges == 0);
    until("files are removed", || files(&home).len() == 25);
    assert_eq!(house.disk.on_disk().objects, 25);
    assert_eq!(house.word("http://0.example/2"), None);
    assert_eq!(house.word("http://1.example/13").unwrap().1, Verdict::Stale);
    assert_eq!(house.word("http://1.example/3"), valid("x"));
    house.kill();
    let next = open(home.path());
    assert_eq!(next.word("http://1.example/13").unwrap().1, Verdict::Stale);
    assert_eq!(next.word("http://1.example/3"), valid("x"));
    next.purge(Reach::Host("1.example".into()), false);
    assert_eq!(next.word("http://1.example/3"), None, "numbers go on");
}

#[test]
fn an_invalidation_reaches_what_is_there_and_what_is_not_known_yet() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    for url in [URL, "http://a.example/y", "http://a.example/z"] {
        house.keep(url, "", b"x");
    }
    house.until_written(3);
    house.invalidate(URL);
    assert_eq!(house.word(URL), None);
    until("its file is removed", || files(&home).len() == 2);
    // While another process has the folder, and after that while it is read.
    let next = open_early(home.path());
    thread::sleep(Duration::from_millis(50));
    assert_eq!(next.disk.on_disk().state, "waiting");
    next.invalidate("http://a.example/y");
    house.disk.finish();
    until("it took over", || next.disk.on_disk().state == "ready");
    assert_eq!(next.word("http://a.example/y"), None);
    assert_eq!(next.word("http://a.example/z"), valid("x"));
}

#[test]
fn a_damaged_file_is_never_given_and_is_forgotten() {
    let damage: [(&str, Damage); 5] = [
        ("a bit", |path| {
            let mut bytes = fs::read(path).unwrap();
            *bytes.last_mut().unwrap() ^= 4;
            fs::write(path, bytes).unwrap();
        }),
        ("the end", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("all", |path| fs::write(path, "").unwrap()),
        ("its kind", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("its being", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, act) in damage {
        let home = tempfile::tempdir().unwrap();
        let house = open(home.path());
        house.keep(URL, "", b"x");
        house.until_written(1);
        act(&files(&home)[0]);
        assert_eq!(house.word(URL), None, "{what}");
        let shown = house.disk.on_disk();
        assert_eq!((shown.objects, shown.bytes), (0, 0), "{what}");
        assert!(shown.errors >= 1, "{what}");
        house.keep(URL, "", b"again");
        house.until_written(1 + u64::from(what != "its kind"));
    }
}

#[test]
fn a_file_under_anothers_name_is_not_given() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"x");
    house.until_written(1);
    let one = files(&home).remove(0);
    house.keep("http://b.example/secret", "", b"secret");
    house.until_written(2);
    let other = files(&home).into_iter().find(|path| *path != one).unwrap();
    fs::copy(&other, &one).unwrap();
    assert_eq!(house.word(URL), None);
    assert_eq!(house.disk.on_disk().errors, 1);
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    let url = |number: usize| format!("http://a.example/{number}");
    // 1 MiB holds ten of these.
    let body = vec![b'x'; 95_000];
    for number in 0..10 {
        house.keep(&url(number), "", &body);
    }
    house.until_written(10);
    assert!(house.word(&url(0)).is_some());
    house.keep(&url(10), "", &body);
    house.until_written(11);
    assert!(house.word(&url(0)).is_some() && house.word(&url(1)).is_none());
    let shown = house.disk.on_disk();
    assert_eq!((shown.objects, shown.evictions), (10, 1));
    assert!(shown.bytes <= shown.capacity);
    assert_eq!(files(&home).len(), 10);
    house.keep(&url(11), "", &vec![b'x'; 200_000]);
    assert_eq!(house.disk.on_disk().dropped, 1, "one is not to empty it");
    house.disk.finish();
    let next = open(home.path());
    next.keep(&url(12), "", &body);
    next.until_written(1);
    assert!(next.word(&url(0)).is_some(), "it was used after the others, by the process before");
    let others = (2..11).filter(|number| next.word(&url(*number)).is_some());
    assert_eq!(others.count(), 8, "one of them made room");
}

#[test]
fn with_a_full_queue_nothing_is_written_and_nothing_older_is_given() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"old");
    house.until_written(1);
    house.disk.0.bounds.queue.store(1, Relaxed);
    house.keep(URL, "", b"new");
    assert_eq!(house.word(URL), None);
    let shown = house.disk.on_disk();
    assert_eq!((shown.writes, shown.dropped, shown.objects), (1, 1, 0));
}

#[test]
fn a_full_disk_costs_what_was_used_longest_ago_and_no_error() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    for number in 0..20 {
        house.keep(&format!("http://a.example/{number}"), "", b"x");
    }
    house.until_written(20);
    // Whatever is written there, the disk is full.
    symlink("/dev/full", home.path().join("new/15")).unwrap();
    house.keep(URL, "", &[b'x'; 20_000]);
    until("it gave up", || house.disk.on_disk().dropped == 1);
    let shown = house.disk.on_disk();
    assert!(shown.evictions >= 5, "{shown:?}");
    assert_eq!((shown.errors, house.word(URL)), (0, None));
    house.keep(URL, "", b"x");
    house.until_written(21);
    assert_eq!(house.word(URL), valid("x"));
}

#[test]
fn a_folder_that_is_gone_is_an_error_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"x");
    house.until_written(1);
    fs::remove_dir_all(home.path()).unwrap();
    assert_eq!(house.word(URL), None);
    for number in 0..10 {
        house.keep(&format!("http://a.example/{number}"), "", b"x");
    }
    until("it is off", || house.disk.on_disk().state == "off");
    assert_eq!(house.word(URL), None);
    assert!(house.disk.on_disk().errors >= 8);
}

#[test]
fn a_disk_that_hangs_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    for number in 0..10 {
        house.keep(&format!("http://a.example/{number}"), "", b"x");
    }
    house.until_written(10);
    for file in files(&home) {
        // Whoever opens it waits for somebody who writes.
        fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        assert!(made.success());
    }
    house.disk.0.bounds.wait.store(20, Relaxed);
    let since = std::time::Instant::now();
    for number in 0..10 {
        assert_eq!(house.word(&format!("http://a.example/{number}")), None);
    }
    assert_eq!(house.disk.on_disk().state, "off");
    assert!(since.elapsed() < Duration::from_secs(5));
    house.disk.finish();
}

#[test]
fn what_was_purged_is_lost_with_the_list_of_purges() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.purge(Reach::Tag("none".into()), false);
    house.keep(URL, "", b"x");
    house.until_written(1);
    house.disk.finish();
    fs::remove_file(home.path().join("purges")).unwrap();
    let next = open(home.path());
    assert_eq!(next.word(URL), None, "nobody can say whether it was purged");
    next.keep(URL, "", b"x");
    next.until_written(1);
    next.disk.finish();
    fs::write(home.path().join("purges"), "nonsense\n").unwrap();
    let next = open(home.path());
    assert_eq!(next.word(URL), None);
    next.keep(URL, "", b"x");
    next.until_written(1);
    assert_eq!(next.word(URL), valid("x"));
}

/// What makes a kept answer one that is not to come back, of the URL that it is kept under.
type Forget = fn(&House, &Key, &Arc<Object>);

const FORGET: [(&str, Forget); 4] = [
    ("it is forgotten", |house, key, old| house.memory.forget(&key.seek(), old)),
    ("its URL is void", |house, key, _| house.disk.invalidate(key.url())),
    ("it varies by something else now", |house, key, old| {
        let fresh = house.object("de", b"new");
        house.memory.replace(&key.seek(), old, fresh);
    }),
    ("a newer one has no room in the queue", |house, _, _| {
        house.disk.0.bounds.queue.store(1, Relaxed);
        house.keep(URL, "", b"new");
        house.disk.0.bounds.queue.store(1 << 20, Relaxed);
    }),
];

#[test]
fn what_is_forgotten_while_it_waits_to_be_written_does_not_come_back() {
    for (what, forget) in FORGET {
        let home = tempfile::tempdir().unwrap();
        let house = open(home.path());
        let (key, old) = (house.key(1, URL), house.object("", b"old"));
        // Once with its file being written, once behind others.
        for others in [0, 1] {
            let before = house.disk.on_disk().writes;
            let writer_waits = house.disk.0.publishing.lock();
            for number in 0..others {
                house.keep(&format!("http://b.example/{number}"), "", b"x");
            }
            house.memory.keep(&key, old.clone());
            thread::sleep(Duration::from_millis(20));
            forget(&house, &key, &old);
            house.keep("http://c.example/", "", b"last");
            drop(writer_waits);
            until("the last one is written", || house.word("http://c.example/").is_some());
            assert_eq!(house.word(URL), None, "{what}, {others} before it");
            house.disk.invalidate("http://c.example/");
            until("files are removed", || {
                files(&home).len() == house.disk.0.known.lock().index.len()
            });
            assert!(house.disk.on_disk().writes > before, "{what}");
            assert!(house.disk.0.known.lock().waiting.is_empty(), "{what}");
        }
    }
}

/// A file that gets its name in between would count as compared with it.
#[test]
fn no_file_gets_its_name_between_a_purge_on_the_disk_and_in_memory() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    let tier = &house.disk.0;
    let mut asked = false;
    let then = || {
        asked = true;
        assert!(tier.publishing.try_lock().is_none());
        Ok(())
    };
    house.disk.purge(&Reach::Tag("t".into()), false, then).unwrap();
    assert!(asked && tier.publishing.try_lock().is_some());
}

/// A 304 on its way for what was forgotten meanwhile, as something else was said to a HEAD.
#[test]
fn what_is_forgotten_while_it_is_validated_does_not_come_back() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"old");
    house.until_written(1);
    let key = house.key(1, URL);
    let old = house.memory.shelf.get(&key.seek()).unwrap().variants()[0].clone();
    house.memory.forget(&key.seek(), &old);
    assert_eq!(house.word(URL), None);
    let mut headers = old.open().headers();
    headers.insert("x-new", "1".parse().unwrap());
    let head = Head {
        status: StatusCode::OK,
        headers: &headers,
        terms: Terms::of_parts([0, 600, 0, 0], 0),
        at: Instant::now(),
        stamp: house.memory.shelf.stamps().begin(),
        vary: old.vary(),
        tags: Tags::read(&headers),
    };
    let fresh = Arc::new(Object::new(head, vec![Bytes::from_static(b"old")]));
    house.memory.replace(&key.seek(), &old, fresh);
    house.keep("http://a.example/other", "", b"other");
    house.until_written(2);
    assert_eq!(house.word(URL), None, "it came back");
}

/// RFC 9111 section 4: of several that suit the most recent is to be given, whichever was used last.
#[test]
fn of_what_suits_the_newest_is_found_and_nothing_hides_it() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"old");
    house.until_written(1);
    thread::sleep(Duration::from_millis(5));
    house.keep(URL, "b", b"new");
    house.until_written(2);
    let key = house.key(1, URL);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = |accept: &'static [u8]| {
        let suits = move |object: &Arc<Object>| {
            let (names, value) = object.vary();
            names.is_empty() || value == accept
        };
        let stamp = house.memory.shelf.stamps().begin();
        let (found, recalled) =
            runtime.block_on(house.disk.find(&key, stamp, suits)).expect("something suits");
        let body: Vec<u8> = found.open().body().flat_map(|piece| piece.to_vec()).collect();
        (String::from_utf8(body).unwrap(), recalled.hides)
    };
    for _ in 0..2 {
        assert_eq!(found(b"a"), ("old".into(), true), "in memory it would be for `b` as well");
        assert_eq!(found(b"b"), ("new".into(), false));
    }
}

#[test]
fn what_is_forgotten_while_it_is_read_is_not_found() {
    for (what, forget) in FORGET {
        let home = tempfile::tempdir().unwrap();
        let house = Arc::new(open(home.path()));
        let (key, old) = (house.key(1, URL), house.object("", b"old"));
        house.memory.keep(&key, old.clone());
        house.until_written(1);
        let stamp = house.memory.shelf.stamps().begin();
        let (there, within) = (house.clone(), key.clone());
        let suits = move |_: &Arc<Object>| {
            forget(&there, &within, &old);
            true
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(house.disk.find(&key, stamp, suits)).is_none(), "{what}");
    }
}

#[test]
fn who_keeps_what_was_read_hears_that_it_was_forgotten_since() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (what, forget) in FORGET {
        let (key, old) = (house.key(1, URL), house.object("", b"old"));
        house.memory.keep(&key, old.clone());
        until("it is written", || house.word(URL).is_some());
        let stamp = house.memory.shelf.stamps().begin();
        let suits = |object: &Arc<Object>| object.vary().1.is_empty();
        let (_, recalled) = runtime.block_on(house.disk.find(&key, stamp, suits)).unwrap();
        assert!(house.disk.holds(&recalled), "{what}");
        forget(&house, &key, &old);
        assert!(!house.disk.holds(&recalled), "{what}");
    }
}

#[test]
fn what_is_kept_again_is_not_removed_for_what_was_forgotten_before() {
    let home = tempfile::tempdir().unwrap();
    let house = open(home.path());
    house.keep(URL, "", b"x");
    house.until_written(1);
    let tier = &house.disk.0;
    // As late as that: the next one is there already.
    let name = name::Name::of(&tier.seal, &house.key(1, URL), &house.object("", b"x"));
    let filed = tier.known.lock().index.get(&name).unwrap();
    tier.doom(filed);
    assert!(tier.until_removed());
    assert_eq!(house.word(URL), Some(("x".into(), Verdict::Valid)));
}
