//! The whole log, on real files, pipes and a full device.

use std::{
    fs::{self, File, OpenOptions},
    io::Read as _,
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::Path,
    thread,
};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use tempfile::tempdir;

use super::*;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn options(path: &Path) -> Options {
    Options {
        sink: Sink::File(path.to_owned()),
        format: Format::Auto,
        redaction: Redaction::default(),
        workers: 2,
        buffer: 1 << 20,
    }
}

fn open(path: &Path) -> (AccessLog, Arc<Losses>) {
    let losses = Arc::new(Losses::default());
    (AccessLog::open(options(path), Arc::clone(&losses)).unwrap(), losses)
}

fn record(id: &str) -> Record<'_> {
    Record {
        time: 0,
        id: id.as_bytes(),
        client: Some(IpAddr::from([127, 0, 0, 1])),
        peer: Some(IpAddr::from([127, 0, 0, 1])),
        listener: "public",
        protocol: "HTTP/2",
        tls: None,
        operation: None,
        method: b"GET",
        host: b"a.example",
        path: b"/",
        query: None,
        status: Some(200),
        reason: None,
        cause: None,
        reported: None,
        route: None,
        upstream: None,
        endpoint: None,
        user: None,
        auth: None,
        agent: None,
        referer: None,
        bytes_in: 0,
        bytes_out: 0,
        duration: 0,
        identify: None,
        waited: None,
        connect: None,
        first_byte: None,
        cache: None,
        tries: 1,
    }
}

/// The ids of a log whose lines are all whole.
fn ids(log: &str) -> Vec<String> {
    assert!(log.is_empty() || log.ends_with('\n'));
    let line = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    log.lines().map(|text| line(text)["id"].as_str().unwrap().to_owned()).collect()
}

fn read(path: &Path) -> Vec<String> {
    ids(&fs::read_to_string(path).unwrap())
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A reader that is there before the log opens its end, and reads only when told to.
fn reader(path: &Path) -> File {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(nonblock).open(path).unwrap()
}

/// What is in the pipe now.
fn drain(mut pipe: &File) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut piece) {
        text.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn lines_arrive_in_a_file_that_others_cannot_read() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (log, losses) = open(&path);
    for (worker, id) in [(0, "a"), (1, "b"), (usize::MAX, "c")] {
        log.write(worker, &record(id));
    }
    assert!(log.settle(LONG));
    assert_eq!(read(&path), ["a", "b", "c"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    log.write(0, &record("d"));
    assert!(log.finish(LONG));
    log.write(0, &record("after the end"));
    assert_eq!(read(&path), ["a", "b", "c", "d"]);
    assert_eq!((losses.lines(), losses.errors()), (1, 0));
    assert!(log.finish(LONG) && log.settle(LONG), "it ends as often as one likes");
}

#[test]
fn off_is_nothing() {
    let log = AccessLog::off();
    log.write(0, &record("a"));
    log.reopen();
    assert!(!log.is_on() && log.options().is_none());
    assert!(log.settle(LONG) && log.finish(LONG));
}

#[test]
fn the_sink_decides_an_open_form() {
    for (format, terminal, expected) in [
        (Format::Auto, false, "Json"),
        (Format::Auto, true, "Text(Colour)"),
        (Format::Json, true, "Json"),
        (Format::Text, false, "Text(Plain)"),
        (Format::Text, true, "Text(Colour)"),
    ] {
        assert_eq!(format!("{:?}", Form::decide(format, terminal)), expected);
    }
}

#[test]
fn a_sink_that_cannot_be_opened_is_named() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("nowhere/access.log");
    let error = AccessLog::open(options(&path), Arc::default()).unwrap_err().to_string();
    let start = format!("cannot open the access log {}: ", path.display());
    assert!(error.starts_with(&start), "{error}");
    let path = directory.path().join("pipe");
    fifo(&path);
    let error = AccessLog::open(options(&path), Arc::default()).unwrap_err().to_string();
    assert!(error.ends_with("nobody reads from this pipe"), "{error}");
}

#[test]
fn what_is_not_written_is_counted_exactly() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("access.log");
    let losses = Arc::new(Losses::default());
    let small = Options { buffer: 16 * 1024, ..options(&path) };
    let log = AccessLog::open(small, Arc::clone(&losses)).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for line in 0..5_000 {
                    log.write(worker, &record(&format!("{worker}/{line}")));
                }
            });
        }
    });
    assert!(log.finish(LONG));
    let mut written = read(&path);
    assert_eq!(written.len() as u64 + losses.lines(), 20_000);
    assert!(losses.lines() > 0, "four kilobytes are no room for this");
    written.sort();
    written.dedup();
    assert_eq!(written.len() as u64 + losses.lines(), 20_000, "none came twice");
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let directory = tempdir().unwrap();
    let (path, old) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let (log, losses) = open(&path);
    log.write(0, &record("before"));
    assert!(log.settle(LONG));
    fs::rename(&path, &old).unwrap();
    log.write(0, &record("between"));
    assert!(log.settle(LONG));
    log.reopen();
    log.write(0, &record("after"));
    assert!(log.settle(LONG));
    assert_eq!(read(&old), ["before", "between"]);
    assert_eq!(read(&path), ["after"]);

    // Where the new one cannot be made, the old one goes on.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    log.reopen();
    log.write(0, &record("lost to nobody"));
    assert!(log.finish(LONG));
    assert_eq!((losses.lines(), losses.errors()), (0, 0));
}

#[test]
fn a_full_device_costs_lines_until_there_is_room() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("access.log");
    symlink("/dev/full", &path).unwrap();
    let (log, losses) = open(&path);
    for round in 1..=3 {
        log.write(0, &record("a"));
        log.write(0, &record("b"));
        assert!(log.settle(LONG));
        assert_eq!(losses.lines(), 2 * round);
    }
    assert!(losses.errors() >= 3);
    fs::remove_file(&path).unwrap();
    log.reopen();
    log.write(0, &record("c"));
    assert!(log.finish(LONG));
    assert_eq!(read(&path), ["c"]);
    assert_eq!(losses.lines(), 6);
}

#[test]
fn a_closed_pipe_costs_lines_until_somebody_reads() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pipe");
    fifo(&path);
    let first = reader(&path);
    let (log, losses) = open(&path);
    drop(first);
    log.write(0, &record("a"));
    assert!(log.settle(LONG));
    assert_eq!((losses.lines(), losses.errors()), (1, 1));
    let second = reader(&path);
    log.write(0, &record("b"));
    assert!(log.finish(LONG));
    assert_eq!(ids(&drain(&second)), ["b"]);
}

#[test]
fn half_a_line_spoils_no_other() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pipe");
    fifo(&path);
    let pipe = reader(&path);
    let (log, losses) = open(&path);
    // Nobody reads, and a pipe takes whole pages: the second batch is cut where the pipe ends.
    let offered = 400;
    for id in 0..offered {
        if id == offered / 2 {
            assert!(log.settle(LONG));
        }
        log.write(0, &record(&id.to_string()));
    }
    assert!(log.settle(LONG));
    let mut text = drain(&pipe);
    log.write(0, &record("next"));
    assert!(log.finish(LONG));
    text.push_str(&drain(&pipe));
    let whole: Vec<_> = text
        .lines()
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        .collect();
    assert!(whole.last().unwrap().contains("\"next\""));
    assert!(text.lines().count() > whole.len(), "one was cut");
    assert!(losses.errors() > 0);
    assert_eq!(whole.len() as u64 + losses.lines(), offered + 1);
}

#[test]
fn a_log_that_nobody_holds_writes_what_it_has() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pipe");
    fifo(&path);
    let text = thread::scope(|scope| {
        // It reads to the end, which comes when the log's thread lets go of the pipe.
        let whole = scope.spawn(|| fs::read_to_string(&path).unwrap());
        let log = loop {
            match AccessLog::open(options(&path), Arc::default()) {
                Ok(log) => break log,
                Err(_) => thread::yield_now(),
            }
        };
        log.write(0, &record("a"));
        log.write(1, &record("b"));
        drop(log);
        whole.join().unwrap()
    });
    assert_eq!(ids(&text), ["a", "b"]);
}
