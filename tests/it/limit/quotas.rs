//! Quotas: so much in a day or month, what is told of it, and that neither a restart nor a disk that fails
//! forgives anybody.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::answers::{field, get, keys, limited};
use crate::support::{
    Daemon, PATIENCE, Setup,
    daemon::{JANUA, janua},
    until,
};

const DAY: u64 = 86_400;

/// Seconds until midnight UTC, which is not to come in the middle of a test.
pub(super) fn until_midnight() -> u64 {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        match DAY - now % DAY {
            0..=20 => std::thread::sleep(Duration::from_secs(1)),
            left => return left,
        }
    }
}

#[tokio::test]
async fn over_the_quota_is_429_until_the_day_ends() {
    let left = until_midnight();
    let janua = limited("quota = \"2/day\"\nheaders = \"always\"").start().await;
    for rest in [1, 0] {
        let answer = get(&janua, "").await;
        assert_eq!(answer.status(), 204);
        assert_eq!(field(&answer, "ratelimit-policy"), "\"few\";q=2;w=86400");
        assert!(field(&answer, "ratelimit").starts_with(&format!("\"few\";r={rest};t=")));
    }
    let answer = get(&janua, "").await;
    answer.assert_refused(429, "limit.quota", "two a day");
    let wait: u64 = field(&answer, "retry-after").parse().unwrap();
    assert!((left - 15..=left).contains(&wait), "{wait} of {left}");
    let told = field(&answer, "ratelimit");
    let reset = told.strip_prefix("\"few\";r=0;t=").unwrap().parse::<u64>().unwrap();
    assert!((left - 15..=left).contains(&reset), "{reset} of {left}");
    let line = janua.logged_reason("limit.quota").await;
    assert_eq!(line["status"], 429, "{line}");
    until("it is counted", || {
        janua.counted("janua_limit_rejected_total{limit=\"few\",reason=\"limit.quota\"}") == 1
            && janua.counted("janua_limit_quota_keys{limit=\"few\"}") == 1
            && janua.counted("janua_limit_keys{limit=\"few\"}") == 0
    })
    .await;
}

#[tokio::test]
async fn a_rate_and_a_quota_of_one_limit_hold_both_and_are_told_apart() {
    until_midnight();
    let janua =
        limited("rate = \"9/h\"\nquota = \"2/month\"\nconcurrent = 3\nheaders = \"always\"")
            .start()
            .await;
    let answer = get(&janua, "").await;
    let policies = answer.values("ratelimit-policy");
    assert_eq!(policies[0], "\"few\";q=9;w=3600");
    let months = [28, 29, 30, 31].map(|days| format!("\"few-quota\";q=2;w={}", days * DAY));
    assert!(policies.len() == 2 && months.iter().any(|one| one == policies[1]), "{policies:?}");
    assert!(answer.values("ratelimit")[1].starts_with("\"few-quota\";r=1;t="), "{answer:?}");
    assert_eq!(get(&janua, "").await.status(), 204);
    get(&janua, "").await.assert_refused(429, "limit.quota", "two a month");
}

#[tokio::test]
async fn who_somebody_is_decides_how_much_in_a_day() {
    until_midnight();
    let janua = Setup::new(format!(
        "{}[limit.l]\nper = \"identity\"\nquota = \"2/day\"\ncost = {{ POST = 2 }}\n\
         tiers = {{ gold = {{ quota = \"5/day\" }} }}\n\
         [[route]]\nauth = \"k\"\nlimit = \"l\"\nto = {{ status = 204 }}\n",
        keys()
    ))
    .start()
    .await;
    for (key, costly, cheap) in [("gold-key", 2, 1), ("plain-key", 1, 0)] {
        let mut client = janua.client().await;
        let fields = format!("X-API-Key: {key}\r\n");
        for _ in 0..costly {
            assert_eq!(client.request("POST /", &fields).await.status(), 204, "{key}");
        }
        let refused = client.request("POST /", &fields).await;
        refused.assert_refused(429, "limit.quota", key);
        for _ in 0..cheap {
            assert_eq!(get(&janua, &fields).await.status(), 204, "{key}");
        }
        get(&janua, &fields).await.assert_refused(429, "limit.quota", key);
    }
}

#[tokio::test]
async fn a_quota_on_trial_passes_everything() {
    until_midnight();
    let janua = limited("quota = \"1/day\"\nenforce = \"report\"").start().await;
    for _ in 0..3 {
        assert_eq!(get(&janua, "").await.status(), 204);
    }
    let reports = "janua_limit_reports_total{limit=\"few\",reason=\"limit.quota\"}";
    until("it is counted", || janua.counted(reports) == 2).await;
}

/// Each value of `x-t` may come once in a month.
const ONCE: &str = "[log]\naccess = \"off\"\n[server]\nworkers = 2\nstate = \"HOME/state\"\n\
    [admin]\naddress = \"unix:HOME/admin.sock\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
    [limit.once]\nquota = \"1/month\"\nper = \"header:x-t\"\n\
    [[route]]\nlimit = \"once\"\nto = { status = 204 }\n";

fn run(file: PathBuf) -> Command {
    let mut command = Command::new(JANUA);
    command.args(["run", "-c"]).arg(file);
    command
}

fn start(home: TempDir) -> Daemon {
    Daemon::start_in(home, ONCE, run)
}

fn ask(daemon: &Daemon, key: &str) -> u16 {
    daemon.public.ask("GET /", &format!("X-T: {key}\r\n")).0
}

fn size(home: &Path) -> u64 {
    std::fs::metadata(home.join("state/quotas")).map_or(0, |found| found.len())
}

/// Waits until the file has so many keys. A key has 16 bytes; what else is in it takes 146 here.
fn until_kept(home: &Path, keys: u64) {
    let end = Instant::now() + PATIENCE;
    while size(home) != 146 + keys * 16 {
        assert!(Instant::now() < end, "{} bytes", size(home));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn metric(daemon: &Daemon, series: &str) -> u64 {
    let page = daemon.admin().get("/metrics").1;
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

#[test]
fn what_was_used_survives_a_restart_and_a_kill() {
    until_midnight();
    let daemon = Daemon::start(ONCE);
    for key in ["a", "b", "c"] {
        assert_eq!((ask(&daemon, key), ask(&daemon, key)), (204, 429));
    }
    // At once after the last request: what a gentle end has not written yet it writes then.
    daemon.signal(Signal::TERM);
    let home = daemon.stopped();
    until_kept(home.path(), 3);
    let text = std::fs::read(home.path().join("state/quotas")).unwrap();
    assert!(!text.windows(3).any(|part| part == b"x-t: a"), "what clients sent is in it");

    let daemon = start(home);
    for (key, status) in [("a", 429), ("b", 429), ("c", 429), ("d", 204), ("e", 204)] {
        assert_eq!(ask(&daemon, key), status, "{key}");
    }
    until_kept(daemon.home.path(), 5);
    let daemon = start(daemon.leave());
    for key in ["a", "b", "c", "d", "e"] {
        assert_eq!(ask(&daemon, key), 429, "{key} after a kill");
    }
    assert_eq!(metric(&daemon, "janua_limit_quota_keys{limit=\"once\"}"), 5);
    // The operator sees it too, without asking the gateway.
    let file = daemon.file();
    let explained = |key: &str| {
        let field = format!("x-t: {key}");
        let output = janua(&["explain", "GET", "/", "-H", &field, "-c", file.to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(explained("a").contains("1 of 1 used this month, 0 left for "), "{}", explained("a"));
    assert!(explained("z").contains("0 of 1 used this month, 1 left for "), "{}", explained("z"));
}

#[test]
fn a_file_that_is_damaged_is_set_aside_and_refuses_no_start() {
    until_midnight();
    let daemon = Daemon::start(ONCE);
    assert_eq!(ask(&daemon, "a"), 204);
    until_kept(daemon.home.path(), 1);
    let home = daemon.leave();
    let file = home.path().join("state/quotas");
    let mut text = std::fs::read(&file).unwrap();
    text.truncate(100);
    std::fs::write(&file, &text).unwrap();
    let daemon = start(home);
    assert!(daemon.said("they begin anew: it is damaged"));
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 429));
    until_kept(daemon.home.path(), 1);
    let broken = std::fs::read(daemon.home.path().join("state/quotas.broken")).unwrap();
    assert_eq!(broken, text);
}

#[test]
fn a_full_disk_costs_no_request_and_what_was_used_is_kept_once_there_is_room() {
    until_midnight();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("state")).unwrap();
    // Whatever is written there, the disk is full.
    symlink("/dev/full", home.path().join("state/quotas.new")).unwrap();
    let mut daemon = start(home);
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 429));
    let line = daemon.heard("in memory only");
    assert!(line.contains("No space left on device"), "{line}");
    // The link is gone with what could not be written.
    daemon.until("kept again");
    until_kept(daemon.home.path(), 1);
    assert!(metric(&daemon, "janua_limit_quota_writes_total{outcome=\"failed\"}") >= 1);
    assert_eq!(metric(&daemon, "janua_limit_quotas_kept"), 1);
}

#[test]
fn a_state_directory_that_cannot_be_had_is_told_once_and_asked_for_again() {
    until_midnight();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("state"), "not a directory").unwrap();
    let mut daemon = start(home);
    let line = daemon.heard("in memory only");
    assert!(line.contains("set server.state to a directory of Janua's"), "{line}");
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 429));
    let end = Instant::now() + PATIENCE;
    while metric(&daemon, "janua_limit_quota_writes_total{outcome=\"failed\"}") < 3 {
        assert!(Instant::now() < end, "it does not try again");
    }
    assert_eq!(metric(&daemon, "janua_limit_quotas_kept"), 0);
    std::fs::remove_file(daemon.home.path().join("state")).unwrap();
    daemon.until("kept again");
    assert_eq!(daemon.times("in memory only"), 1);
    until_kept(daemon.home.path(), 1);
    assert_eq!(ask(&start(daemon.leave()), "a"), 429);
}

#[test]
fn a_process_that_takes_over_knows_what_the_one_before_counted_to_its_end() {
    until_midnight();
    let text = ONCE.replace("1/month", "3/month");
    let old = Daemon::start(&text);
    assert_eq!(ask(&old, "a"), 204);
    until_kept(old.home.path(), 1);
    let state = old.home.path().join("state");
    let text = text.replace("HOME/state", state.to_str().unwrap());
    let mut new = Daemon::start(&text);
    new.heard("another process, which has to end first");
    // Both serve: each knows what was used before, and not what the other counts.
    assert_eq!((ask(&old, "a"), ask(&new, "a"), ask(&old, "b")), (204, 204, 204));
    old.signal(Signal::TERM);
    let _home = old.stopped();
    new.until("kept again");
    assert_eq!(ask(&new, "a"), 429, "one, one by the old and one by the new");
    assert_eq!((ask(&new, "b"), ask(&new, "b"), ask(&new, "b")), (204, 204, 429));
}

#[test]
fn a_reload_keeps_what_was_used_also_in_another_directory() {
    until_midnight();
    let mut daemon = Daemon::start(ONCE);
    assert_eq!(ask(&daemon, "a"), 204);
    let moved = ONCE.replace("HOME/state", "HOME/other");
    daemon.write(&moved);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "b")), (429, 204));
    let end = Instant::now() + PATIENCE;
    let file = daemon.home.path().join("other/quotas");
    while std::fs::metadata(&file).map_or(0, |found| found.len()) != 146 + 2 * 16 {
        assert!(Instant::now() < end, "it is not kept there");
        std::thread::sleep(Duration::from_millis(5));
    }
    // And back, where an older file is.
    let back = ONCE.replace("1/month", "2/month");
    daemon.write(&back);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    until_kept(daemon.home.path(), 2);
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 429), "nothing counts twice");
    let daemon = Daemon::start_in(daemon.leave(), &moved, run);
    assert_eq!((ask(&daemon, "a"), ask(&daemon, "b")), (429, 429));
}

/// Also if another quota is there all the time, and the gateway is started anew meanwhile.
#[test]
fn a_quota_that_is_taken_out_and_brought_back_forgives_nobody() {
    until_midnight();
    let other = "[limit.other]\nquota = \"9/day\"\n";
    let (with, route) = ONCE.split_once("[[route]]").unwrap();
    let without = with.split_once("[limit.once]").unwrap().0;
    for other in [other, ""] {
        let route = format!("[[route]]{route}");
        let there = format!("{with}{other}{route}");
        let free = route.replace("limit = \"once\"\n", "");
        let gone = match other {
            "" => format!("{without}{free}"),
            _ => format!("{without}{other}{}", route.replace("\"once\"", "\"other\"")),
        };
        let mut daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &there, run);
        let turn_to = |daemon: &mut Daemon, text: &str| {
            daemon.write(text);
            daemon.signal(Signal::HUP);
            daemon.until("reloaded");
        };
        assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 429));
        turn_to(&mut daemon, &gone);
        assert_eq!((ask(&daemon, "a"), ask(&daemon, "a")), (204, 204), "it is free");
        turn_to(&mut daemon, &there);
        assert_eq!((ask(&daemon, "a"), ask(&daemon, "b")), (429, 204), "{other}");
        turn_to(&mut daemon, &gone);
        daemon.signal(Signal::TERM);
        let mut daemon = Daemon::start_in(daemon.stopped(), &gone, run);
        // What it counts itself is written beside that.
        assert_eq!(ask(&daemon, "a"), 204);
        std::thread::sleep(Duration::from_millis(1_200));
        turn_to(&mut daemon, &there);
        for key in ["a", "b"] {
            assert_eq!(ask(&daemon, key), 429, "{key} {other}");
        }
        daemon.signal(Signal::TERM);
        let daemon = Daemon::start_in(daemon.stopped(), &there, run);
        assert_eq!((ask(&daemon, "a"), ask(&daemon, "b"), ask(&daemon, "c")), (429, 429, 204));
    }
}

#[test]
fn the_operator_sees_the_busiest_keys() {
    until_midnight();
    let text = ONCE.replace("[limit.once]", "[limit.once]\nbusiest = 10");
    let daemon = Daemon::start(&text);
    for key in ["secret-a", "secret-a", "secret-b"] {
        ask(&daemon, key);
    }
    let (status, page) = daemon.admin().get("/limits");
    assert!(status == 200 && !page.contains("secret"), "{page}");
    let page: serde_json::Value =
        serde_json::from_str(page.split_once("\r\n\r\n").unwrap().1).unwrap();
    let first = &page[0]["busiest"][0];
    let name = first["key"].as_str().unwrap();
    assert!(name.starts_with("header x-t #") && name.len() == 20, "{page}");
    assert_eq!((&first["allowed"], &first["refused"]), (&1.into(), &1.into()), "{page}");
    assert_eq!((&page[0]["name"], &page[0]["quota-keys"]), (&"once".into(), &2.into()));
    let output = daemon.verb("limits");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with(
            "once: 2 allowed, 0 of them after a wait, 0 waiting, refused: 1 limit.quota\n"
        ),
        "{said}"
    );
    assert!(said.contains(&format!("        1        1  {name}\n")), "{said}");
}
