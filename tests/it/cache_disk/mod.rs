//! Answers on a disk: they outlive the process, and whatever becomes of the disk nobody is given what is not
//! right. The origin's bodies are made of their URLs, so each says by itself whether it is the one.

mod faults;
mod problems;
mod restart;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{Daemon, Origin, PATIENCE, daemon::JANUA};

/// The body of a target, `/NAME/LENGTH`.
fn body(target: &str) -> String {
    let length = target.rsplit('/').next().and_then(|length| length.parse().ok()).unwrap_or(10);
    target.chars().cycle().take(length).collect()
}

/// An origin whose answers to GET may be kept, with these fields.
async fn origin(fields: &'static str) -> Origin {
    Origin::script(move |mut peer| async move {
        while let Some(request) = peer.request().await {
            let target = request.target().to_owned();
            let answer = if request.field("if-none-match").is_some() {
                format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n")
            } else if request.line.starts_with("POST") {
                "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
            } else {
                let body = body(&target);
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
            };
            peer.send(answer).await;
        }
    })
    .await
}

/// What most answers say.
const FRESH: &str = "Cache-Control: max-age=600\r\n";

/// A gateway with this `[cache]` and these keys of its route.
fn text(cache: &str, origin: &Origin, route: &str) -> String {
    format!(
        "[log]\naccess = \"off\"\n[server]\nworkers = 1\nstate = \"HOME/state\"\n\
         [admin]\naddress = \"unix:HOME/admin.sock\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [cache]\n{cache}\n\
         [[route]]\ncache = {{ cache-status = true }}\nto = \"{}\"\n{route}\n",
        origin.url
    )
}

const DISK: &str = "disk = { path = \"HOME/cache\", size = \"64MiB\", wait = \"5s\" }";

fn run(file: PathBuf) -> Command {
    let mut command = Command::new(JANUA);
    command.args(["run", "-c"]).arg(file);
    command
}

/// A gateway in this directory, once it knows what is on its disk.
fn start(home: TempDir, text: &str) -> Daemon {
    let mut daemon = Daemon::start_in(home, text, run);
    daemon.heard("the cache's disk is ready");
    daemon
}

fn begin(text: &str) -> Daemon {
    start(tempfile::tempdir().unwrap(), text)
}

/// As a kill at this moment leaves it.
fn again(daemon: Daemon, text: &str) -> Daemon {
    start(daemon.leave(), text)
}

fn metric(daemon: &Daemon, name: &str) -> u64 {
    let page = daemon.admin().get("/metrics").1;
    let series = format!("janua_cache_disk_{name}");
    let value = page.lines().find_map(|line| line.strip_prefix(&*series)?.strip_prefix(' '));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until so many answers were written since the start.
fn until_written(daemon: &Daemon, count: u64) {
    until("they are written", || metric(daemon, "writes_total") == count);
}

/// Asks for what is kept, and nothing else: whether there is something, which has to be right.
fn has(daemon: &Daemon, target: &str, fields: &str) -> bool {
    let fields = format!("Cache-Control: only-if-cached\r\n{fields}");
    let (status, answer) = daemon.public.ask(&format!("GET {target}"), &fields);
    assert!(status == 200 || status == 504, "{answer}");
    status == 200 && {
        let found = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(found == body(target), "{target}: {} bytes are not what it says", found.len());
        true
    }
}

fn files(home: &Path) -> Vec<PathBuf> {
    let parts = std::fs::read_dir(home.join("cache/objects")).unwrap();
    let files = parts.flat_map(|part| std::fs::read_dir(part.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}
