//! Process life: signals, the service manager, sockets that it passes.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::OpenOptionsExt,
            net::{SocketAddr, UnixDatagram, UnixListener},
        },
    },
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat},
    process::Signal,
};

use crate::support::{
    Daemon, Door, PATIENCE,
    daemon::{JANUA, janua},
};

pub(crate) const ECHO: &str = "[log]\naccess = \"off\"\n[admin]\naddress = \"off\"\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\npath = \"/a\"\nto = \"echo\"\n";
pub(crate) const MORE: &str = "[[route]]\npath = \"/b\"\nto = \"echo\"\n";

#[test]
fn a_hangup_reloads_and_a_fault_changes_nothing() {
    let mut daemon = Daemon::start(ECHO);
    assert_eq!(daemon.public.get("/b").0, 404);
    daemon.write(&format!("{ECHO}{MORE}"));
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    assert_eq!(daemon.public.get("/b").0, 200);
    daemon.write("[[route]]\nto = \"nobody\"\n");
    daemon.signal(Signal::HUP);
    let line = daemon.until("the reload was refused");
    assert!(line.contains("nobody"), "{line}");
    assert_eq!(daemon.public.get("/b").0, 200);
}

#[test]
fn logs_are_opened_anew_on_usr1_and_on_a_refused_reload() {
    let log = "[log]\naccess = \"json\"\naccess-file = \"HOME/access.log\"\n";
    let mut daemon = Daemon::start(&ECHO.replace("[log]\naccess = \"off\"\n", log));
    let path = daemon.home.path().join("access.log");
    for (turn, signal) in [Signal::USR1, Signal::HUP].into_iter().enumerate() {
        std::fs::rename(&path, daemon.home.path().join(format!("old.{turn}"))).unwrap();
        daemon.write("= broken");
        daemon.signal(signal);
        let end = Instant::now() + PATIENCE;
        // The writer opens it before its next line.
        while !path.exists() {
            daemon.public.get("/a");
            assert!(Instant::now() < end, "not opened anew");
        }
    }
    daemon.until("the reload was refused");
}

/// As the reference has it: a reader is needed at the start, and later none is waited for.
#[test]
fn a_pipe_as_access_log_costs_lines_and_no_request() {
    let home = tempfile::tempdir().unwrap();
    let (pipe, file) = (home.path().join("pipe"), home.path().join("janua.toml"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let log = "[log]\naccess = \"json\"\naccess-file = \"HOME/pipe\"\n";
    let text = ECHO
        .replace("[log]\naccess = \"off\"\n", log)
        .replace("\"off\"\n[[", "\"unix:HOME/admin.sock\"\n[[");
    std::fs::write(&file, text.replace("HOME", home.path().to_str().unwrap())).unwrap();
    let output = janua(&["run", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("nobody reads from this pipe"), "{said}");

    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let reader = || OpenOptions::new().read(true).custom_flags(nonblock).open(&pipe).unwrap();
    let mut first = reader();
    let daemon = Daemon::start_in(home, &text, |file| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(file);
        command
    });
    let until = |what: &str, mut holds: Box<dyn FnMut() -> bool + '_>| {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "{what}");
            assert_eq!(daemon.public.get("/a").0, 200, "{what}");
        }
    };
    let dropped = || {
        let page = daemon.admin().get("/metrics").1;
        let series = "janua_access_log_lines_dropped_total ";
        page.lines().find_map(|line| line.strip_prefix(series)?.parse::<u64>().ok()).unwrap()
    };
    let mut lines = String::new();
    until(
        "its reader gets lines",
        Box::new(|| {
            let _ = first.read_to_string(&mut lines);
            lines.contains("\"/a\"")
        }),
    );
    assert_eq!(dropped(), 0);
    drop(first);
    until("its reader is gone", Box::new(|| dropped() > 0));
    assert_eq!(daemon.verb("reload").status.code(), Some(0), "nor does a reload need one");
    // One that takes nothing: the pipe is full at some time.
    let mut second = reader();
    let before = dropped();
    until("its reader is slow", Box::new(|| dropped() > before));
    let mut lines = String::new();
    until(
        "its reader is back",
        Box::new(|| {
            let _ = second.read_to_string(&mut lines);
            lines.ends_with("}\n")
        }),
    );
}

/// A gateway in front of an origin that has just got a request and has not answered it yet.
fn busy() -> (Daemon, TcpStream, TcpStream) {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://{}", origin.local_addr().unwrap());
    // One worker, so that the one that accepts is at work when the signal comes.
    let text = ECHO.replace("\"echo\"", &format!("\"{to}\""));
    let daemon = Daemon::start(&format!("[server]\nworkers = 1\n{text}"));
    let Door::Tcp(address) = &daemon.public else { panic!("not TCP") };
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let (mut at_origin, _) = origin.accept().unwrap();
    at_origin.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = [0; 4096];
    assert!(at_origin.read(&mut head).unwrap() > 0);
    (daemon, client, at_origin)
}

#[test]
fn the_first_signal_lets_finish_what_runs() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let (mut daemon, mut client, mut origin) = busy();
        daemon.signal(signal);
        daemon.until("no more connections are taken");
        let Door::Tcp(address) = &daemon.public else { panic!("not TCP") };
        // Each worker lets go of its own socket, a moment after the log's line.
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < end, "connections are still taken");
        }
        origin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        let (code, said) = daemon.ended();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn the_second_signal_cuts() {
    let (mut daemon, mut client, _origin) = busy();
    daemon.signal(Signal::TERM);
    daemon.until("no more connections are taken");
    daemon.signal(Signal::TERM);
    let (code, said) = daemon.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("clients were cut"), "{said}");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn once_the_end_has_begun_nothing_is_reloaded() {
    let drain = "[server]\nwatch = true\n[server.drain]\nannounce = \"1h\"\n";
    let text = format!("{drain}{}", ECHO.replace("\"off\"\n[[", "\"unix:HOME/admin.sock\"\n[["));
    let mut daemon = Daemon::start(&text);
    daemon.signal(Signal::TERM);
    daemon.until("the end begins");
    // The log's line comes before the drain's first step.
    while daemon.admin().get("/readyz").0 != 503 {}
    daemon.write(&format!("{text}{MORE}"));
    let line = daemon.until("the reload was refused");
    assert!(line.contains("about to end"), "{line}");
    assert_eq!(daemon.public.get("/b").0, 404);
}

/// The next message to the service manager with this in it.
fn told(manager: &UnixDatagram, words: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = manager.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.contains(words) {
            return message;
        }
    }
}

#[test]
fn the_service_manager_is_told() {
    for is_abstract in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("notify.sock").display().to_string();
        let (manager, name) = match is_abstract {
            false => (UnixDatagram::bind(&socket), socket),
            true => {
                let address = SocketAddr::from_abstract_name(&socket).unwrap();
                (UnixDatagram::bind_addr(&address), format!("@{socket}"))
            }
        };
        let manager = manager.unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let daemon = Daemon::start_in(home, ECHO, |file| {
            let mut command = Command::new(JANUA);
            command.args(["run", "-c"]).arg(file);
            command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "200000");
            command
        });
        told(&manager, "READY=1");
        told(&manager, "WATCHDOG=1");
        told(&manager, "WATCHDOG=1");
        daemon.signal(Signal::HUP);
        assert!(told(&manager, "RELOADING=1").contains("MONOTONIC_USEC="));
        told(&manager, "READY=1");
        daemon.signal(Signal::TERM);
        told(&manager, "STOPPING=1");
        assert_eq!(daemon.ended().0, Some(0));
    }
}

/// The command that runs the gateway as a service manager would that passes this socket by these names.
fn passing(socket: impl Into<OwnedFd>, names: &str, file: &Path) -> Command {
    // It is the child's standard input until the shell makes it what systemd would have.
    let script = "export LISTEN_PID=$$; exec \"$0\" run -c \"$1\" 3<&0 4<&0 </dev/null";
    let mut command = Command::new("sh");
    command.args(["-c", script, JANUA]).arg(file);
    command.env("LISTEN_FDS", names.split(':').count().to_string()).env("LISTEN_FDNAMES", names);
    command.stdin(Stdio::from(socket.into()));
    command
}

fn at(address: &str) -> String {
    ECHO.replace("\"127.0.0.1:0\"", &format!("\"{address}\""))
}

#[test]
fn a_socket_that_was_passed_is_taken_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = Door::Tcp(listener.local_addr().unwrap());
    let _daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &at("systemd:public"), |file| {
        passing(listener, "public", &file)
    });
    assert_eq!(door.get("/a").0, 200);
}

#[test]
fn a_unix_socket_that_was_passed_is_taken_over_and_its_file_is_not_ours() {
    // Not in the daemon's own directory, which ends with it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.sock");
    let (listener, door) = (UnixListener::bind(&path).unwrap(), Door::Unix(path.clone()));
    // More workers than one share it.
    let text = format!("[server]\nworkers = 2\n{}", at("systemd:public"));
    let home = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start_in(home, &text, |file| passing(listener, "public", &file));
    let Door::Unix(told) = &daemon.public else { panic!("not a Unix socket") };
    assert_eq!(*told, path, "the log says where it is");
    assert_eq!(door.get("/a").0, 200);
    daemon.write(&format!("{text}{MORE}"));
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    for _ in 0..4 {
        assert_eq!(door.get("/b").0, 200);
    }
    // The listener goes, and comes again.
    daemon.write(ECHO);
    daemon.signal(Signal::HUP);
    let finding = daemon.until("configuration has findings");
    assert!(finding.contains("passed `public`, and no listener takes it"), "{finding}");
    daemon.until("reloaded");
    assert!(path.exists());
    daemon.write(&text);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded");
    assert_eq!(door.get("/a").0, 200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert!(path.exists());
}

#[test]
fn a_socket_that_was_passed_and_no_listener_names_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &at("systemd:public"), |file| {
        passing(listener, "public:spare", &file)
    });
    assert_eq!(daemon.public.get("/a").0, 200);
    daemon.signal(Signal::TERM);
    let (code, said) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("passed `spare`, and no listener takes it"), "{said}");
    assert!(!said.contains("passed `public`, and"), "{said}");
}

#[test]
fn a_socket_that_was_not_passed_or_is_no_listener_is_a_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let (file, path) = (home.path().join("janua.toml"), home.path().join("public.sock"));
    let unix_address = format!("unix:{}", path.display());
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_address = tcp.local_addr().unwrap().to_string();
    let datagrams = UnixDatagram::unbound().unwrap();
    for (socket, names, address, words) in [
        (OwnedFd::from(tcp.try_clone().unwrap()), "public", "systemd:other", "passed only public"),
        (
            tcp.try_clone().unwrap().into(),
            "public:public",
            "systemd:public",
            "several of this name",
        ),
        (tcp.into(), "public", &*tcp_address, "it was passed: \"systemd:public\""),
        (unix.into(), "public", &*unix_address, "it was passed: \"systemd:public\""),
        (datagrams.into(), "public", "systemd:public", "takes no connections"),
    ] {
        std::fs::write(&file, at(address)).unwrap();
        let output = passing(socket, names, &file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{address}: {said}");
        assert!(said.contains(words), "{address}: {said}");
    }
    std::fs::write(&file, at("systemd:public")).unwrap();
    let output = janua(&["run", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("the service manager passed no sockets"), "{said}");
}
