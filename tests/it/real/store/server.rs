//! Valkey, or Redis, on a port and in a directory of its own.

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::{
    real::{program, said},
    support::PATIENCE,
};

/// The server of the kind that is tried, or its client.
fn kind(part: &str) -> PathBuf {
    let kind = std::env::var("JANUA_TEST_STORE").unwrap_or_else(|_| "valkey".to_owned());
    program(&format!("{kind}-{part}"))
}

/// A server that is ended with the test: Valkey, unless `JANUA_TEST_STORE` says `redis`.
pub(in crate::real) struct StoreServer {
    child: Option<Child>,
    pub(in crate::real) home: TempDir,
    pub(in crate::real) address: SocketAddr,
    settings: String,
    /// Whether it is a Sentinel.
    watches: bool,
    /// Bound, and not listening: nobody else gets the port while the server is down.
    _place: Socket,
}

impl StoreServer {
    pub(in crate::real) fn start() -> Self {
        let mut server = Self::down("");
        server.start_again();
        server
    }

    /// With more settings, in which `HOME` is its directory and `PORT` its port; not started yet.
    pub(in crate::real) fn down(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let place = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        place.set_reuse_address(true).unwrap();
        place.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = place.local_addr().unwrap().as_socket().unwrap();
        let settings = settings.to_owned();
        Self { child: None, home, address, settings, watches: false, _place: place }
    }

    /// A Sentinel with these settings.
    pub(in crate::real) fn sentinel(settings: &str) -> Self {
        let mut sentinel = Self::down(settings);
        sentinel.watches = true;
        sentinel.start_again();
        sentinel
    }

    pub(in crate::real) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(in crate::real) fn start_again(&mut self) {
        let home = self.home.path().display();
        let port = self.address.port();
        let plain = if self.settings.contains("port 0") { 0 } else { port };
        // What is written outlives its process; to wait for the disk would make it stand still now and then.
        let keeps = if self.watches { "" } else { "appendonly yes\nappendfsync no\n" };
        let text = format!(
            "bind 127.0.0.1\nport {plain}\ndir {home}\nunixsocket {home}/store.sock\nsave \"\"\n\
             {keeps}logfile {home}/log\n{}\n",
            self.settings.replace("HOME", &home.to_string()).replace("PORT", &port.to_string())
        );
        std::fs::write(self.path("store.conf"), text).unwrap();
        let mut command = Command::new(kind("server"));
        command.arg(self.path("store.conf"));
        if self.watches {
            command.arg("--sentinel");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.stderr(Stdio::null()).spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < end, "the store does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, connections and all.
    pub(in crate::real) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It stands still: its connections stay, and nothing comes.
    pub(in crate::real) fn pause(&self) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), Signal::STOP).unwrap();
    }

    pub(in crate::real) fn go_on(&self) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), Signal::CONT).unwrap();
    }

    /// What it answers to a command.
    pub(in crate::real) fn command(&self, words: &[&str]) -> String {
        let answer = said(&mut self.asking(words));
        assert!(!answer.contains("ERR"), "{words:?}: {answer}");
        answer.trim().to_owned()
    }

    /// Whether it takes itself for the primary; who becomes one closes its clients' connections.
    pub(in crate::real) fn is_primary(&self) -> bool {
        let answer = self.asking(&["ROLE"]).output().unwrap();
        answer.status.success() && answer.stdout.starts_with(b"master")
    }

    fn asking(&self, words: &[&str]) -> Command {
        let mut command = crate::real::command(kind("cli"));
        command.arg("-s").arg(self.path("store.sock"));
        let mut lines = self.settings.lines();
        if let Some(password) = lines.find_map(|line| line.strip_prefix("requirepass ")) {
            command.args(["-a", password, "--no-auth-warning"]);
        }
        command.args(words);
        command
    }

    pub(in crate::real) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        self.kill();
    }
}
