//! A system that has no threads, descriptors or patience left, and sockets whose files come and go.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit},
};

use crate::{
    process::ECHO,
    support::{Daemon, Door, PATIENCE, daemon::JANUA},
};

const MORE: &str = "[[route]]\npath = \"/b\"\nto = \"echo\"\n";

/// A gateway with so many workers, and what else.
fn with(workers: usize, more: &str) -> String {
    format!(
        "[server]\nworkers = {workers}\n[log]\naccess = \"off\"\n\
         [admin]\naddress = \"unix:HOME/admin.sock\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[route]]\npath = \"/a\"\nto = \"echo\"\n{more}"
    )
}

fn more_listeners(count: usize) -> String {
    let listener = |index| format!("[[listener]]\naddress = \"unix:HOME/{index}.sock\"\n");
    (0..count).map(listener).collect()
}

fn socket(daemon: &Daemon, index: usize) -> PathBuf {
    daemon.home.path().join(format!("{index}.sock"))
}

fn limit(daemon: &Daemon, resource: Resource, most: u64) {
    let process = Pid::from_raw(daemon.process().cast_signed());
    let maximum = getrlimit(resource).maximum;
    prlimit(process, resource, Rlimit { current: Some(most), maximum }).unwrap();
}

fn read_of(daemon: &Daemon, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", daemon.process())).unwrap()
}

fn descriptors(daemon: &Daemon) -> u64 {
    fs::read_dir(format!("/proc/{}/fd", daemon.process())).unwrap().count() as u64
}

/// How many threads it has that carry clients.
fn workers(daemon: &Daemon) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.process())).unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("worker-")).count()
}

/// Whatever a reload needs, it has it before it changes anything.
#[test]
fn a_reload_for_which_there_are_no_descriptors_is_refused_and_the_next_one_is_not() {
    let mut daemon = Daemon::start(&with(1, ""));
    assert_eq!(daemon.verb("reload").status.code(), Some(0));
    let used = descriptors(&daemon);
    // Room for the reload itself and for clients, in each step for a little more of what it wants.
    for room in [12, 20, 28, 40, 60] {
        daemon.write(&with(12, &more_listeners(3)));
        limit(&daemon, Resource::Nofile, used + room);
        daemon.signal(Signal::HUP);
        let refused = daemon.until("the reload was refused");
        assert!(refused.contains("Too many open files"), "{refused}");
        assert_eq!(daemon.public.get("/a").0, 200);
        assert_eq!(workers(&daemon), 1, "with room for {room}");
        let left: Vec<_> = (0..3).filter(|index| socket(&daemon, *index).exists()).collect();
        assert!(left.is_empty(), "{left:?}, with room for {room}");
    }
    limit(&daemon, Resource::Nofile, 4096);
    assert_eq!(daemon.verb("reload").status.code(), Some(0));
    assert_eq!(workers(&daemon), 12);
    for index in 0..3 {
        for _ in 0..24 {
            assert_eq!(Door::Unix(socket(&daemon, index)).get("/a").0, 200);
        }
    }
}

/// Address space for a thread's stack is what this process cannot have, and for all else it is enough.
#[test]
fn a_reload_for_which_there_are_no_threads_is_refused_and_the_next_one_is_not() {
    let mut daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &with(1, ""), |file| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(file).env("RUST_MIN_STACK", (1u64 << 32).to_string());
        command
    });
    let size = read_of(&daemon, "status");
    let size = size.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size: u64 = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
    limit(&daemon, Resource::As, size + (1 << 31));
    daemon.write(&with(4, MORE));
    for _ in 0..2 {
        daemon.signal(Signal::HUP);
        let refused = daemon.until("the reload was refused");
        assert!(refused.contains("no threads or sockets left"), "{refused}");
        assert_eq!((daemon.public.get("/a").0, daemon.public.get("/b").0), (200, 404));
        assert_eq!(workers(&daemon), 1);
    }
    limit(&daemon, Resource::As, u64::MAX);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    assert_eq!((workers(&daemon), daemon.public.get("/b").0), (4, 200));
    assert!(!daemon.said("a bug"));
}

#[test]
fn a_start_for_which_there_are_no_descriptors_says_so() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    fs::write(&file, with(60, "").replace("HOME", home.path().to_str().unwrap())).unwrap();
    // Too few for the sockets of so many workers, for those that they accept on, for their runtimes.
    for most in [40, 100, 160] {
        let script = format!("ulimit -n {most}; exec \"$0\" run -c \"$1\"");
        let output = Command::new("sh").args(["-c", &script, JANUA]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{most}: {said}");
        assert!(said.contains("Too many open files"), "{most}: {said}");
        assert!(!said.contains("a bug"), "{most}: {said}");
        assert!(!home.path().join("admin.sock").exists());
    }
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

const CERTIFIED: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\n\
    tls = { certificates = [{ certificate = \"HOME/pipe\", key = \"HOME/pipe\" }] }\n";

/// A file that nobody writes: a network's file system that hangs looks the same.
#[test]
fn the_end_does_not_wait_for_a_reload_that_hangs() {
    let mut daemon = Daemon::start(&with(1, ""));
    pipe(&daemon.home.path().join("pipe"));
    daemon.write(&with(1, CERTIFIED));
    daemon.signal(Signal::HUP);
    // Nothing says that it hangs. Whether it has come to that or not, the end comes.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(daemon.public.get("/a").0, 200);
    daemon.signal(Signal::TERM);
    daemon.until("all clients had finished");
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn the_end_does_not_wait_for_a_start_that_hangs() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    pipe(&home.path().join("pipe"));
    fs::write(&file, with(1, CERTIFIED).replace("HOME", home.path().to_str().unwrap())).unwrap();
    let mut command = Command::new(JANUA);
    let mut child = command.args(["run", "-c"]).arg(&file).stderr(Stdio::piped()).spawn().unwrap();
    // Until then the signal ends it, of whom nothing has begun.
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (15 - 1)) != 0
    };
    let end = Instant::now() + PATIENCE;
    while !listens() {
        assert!(Instant::now() < end, "it does not listen to signals");
    }
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it hangs");
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("before all had begun"), "{said}");
}

#[test]
fn a_refused_reload_leaves_no_socket() {
    let mut daemon = Daemon::start(&with(1, ""));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("[[listener]]\naddress = \"{}\"\n", taken.local_addr().unwrap());
    daemon.write(&with(1, &format!("{}{taken}", more_listeners(1))));
    daemon.signal(Signal::HUP);
    daemon.until("the reload was refused");
    assert!(!socket(&daemon, 0).exists());
}

#[test]
fn a_socket_whose_file_was_removed_is_there_again_after_a_reload() {
    let daemon = Daemon::start(&with(2, &more_listeners(1)));
    let path = socket(&daemon, 0);
    for _ in 0..2 {
        fs::remove_file(&path).unwrap();
        assert_eq!(daemon.verb("reload").status.code(), Some(0));
        for _ in 0..8 {
            assert_eq!(Door::Unix(path.clone()).get("/a").0, 200);
        }
    }
}

#[test]
fn a_socket_is_for_whom_its_mode_names_and_a_reload_changes_that() {
    let mode = |mode: &str| format!("{}mode = \"{mode}\"\n", more_listeners(1));
    let daemon = Daemon::start(&with(1, &mode("0666")));
    let bits = || fs::metadata(socket(&daemon, 0)).unwrap().mode() & 0o777;
    assert_eq!(bits(), 0o666);
    daemon.write(&with(1, &mode("0660")));
    assert_eq!(daemon.verb("reload").status.code(), Some(0));
    assert_eq!(bits(), 0o660);
    for (listener, wrong) in [
        (mode("0888"), "not a mode"),
        (mode("6"), "not a mode"),
        (mode("4755"), "not a mode"),
        ("[[listener]]\naddress = \"127.0.0.1:0\"\nmode = \"0600\"\n".into(), "unix:/PATH"),
    ] {
        daemon.write(&with(1, &listener));
        let output = daemon.verb("reload");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(78) && said.contains(wrong), "{listener}: {said}");
    }
}

#[test]
fn a_gateway_that_ends_leaves_the_socket_of_the_one_after_it() {
    let daemon = Daemon::start(&with(1, &more_listeners(1)));
    let path = socket(&daemon, 0);
    let old = path.with_extension("old");
    // Moved rather than removed, so that the next one's file has another number.
    fs::rename(&path, &old).unwrap();
    let next = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let number = fs::metadata(&path).unwrap().ino();
    daemon.signal(Signal::TERM);
    let home = daemon.stopped();
    assert_eq!(fs::metadata(&path).unwrap().ino(), number);
    drop((next, home));
}

/// An origin that answers everything, and checks too.
fn origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = stream.write_all(answer);
        }
    });
    format!("http://{address}")
}

#[test]
fn an_origin_is_not_blamed_for_descriptors_that_the_gateway_has_not() {
    let upstream = format!(
        "[upstream.a]\nendpoints = \"{}\"\nhealth = {{ path = \"/\", every = \"20ms\", fall = 1 }}\n\
         ejection = {{ failures = 1 }}\nbreaker = {{ min-requests = 1, time = \"1h\" }}\n\
         [[route]]\npath = \"/origin\"\nto = \"a\"\n",
        origin()
    );
    let daemon = Daemon::start(&with(1, &upstream));
    assert_eq!(daemon.public.get("/origin").0, 200);
    let used = descriptors(&daemon);
    limit(&daemon, Resource::Nofile, used + 1);
    for _ in 0..20 {
        let (status, text) = daemon.public.get("/origin");
        assert!(status == 200 || status == 503 && text.contains("overload.system"), "{text}");
    }
    thread::sleep(Duration::from_millis(100));
    limit(&daemon, Resource::Nofile, 4096);
    for _ in 0..3 {
        assert_eq!(daemon.public.get("/origin").0, 200);
    }
    assert!(!daemon.said("an endpoint is down"));
}

/// Clients that take all they can get leave something for origins and the operator.
#[test]
fn running_out_of_descriptors_passes() {
    // One worker: another could take all there is before the first client's turn comes.
    let text = format!(
        "[server]\nworkers = 1\n{}",
        ECHO.replace("\"off\"\n[[listener]]", "\"unix:HOME/admin.sock\"\n[[listener]]")
            .replace("\"echo\"", &format!("\"{}\"", origin()))
    );
    let mut daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &text, |file| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64; exec \"$0\" run -c \"$1\"", JANUA]).arg(file);
        command
    });
    let Door::Tcp(address) = daemon.public.clone() else { panic!("not TCP") };
    // More than it can have; those beyond wait in the kernel's queue.
    let mut clients: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    daemon.until("accepting pauses");
    let mut first = clients.remove(0);
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    first.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(daemon.verb("healthcheck").status.code(), Some(0));
    assert_eq!(daemon.verb("reload").status.code(), Some(0));
    drop(clients);
    assert_eq!(daemon.public.get("/a").0, 200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}
