//! The real binary as a process of its own, in a directory of its own: its log is what tests wait for.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;

/// The program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// Lines of a log that no test has asked for yet.
const LINES: usize = 10_000;

/// Runs a verb to its end.
pub(crate) fn janua(arguments: &[&str]) -> Output {
    Command::new(JANUA).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What a verb says of this configuration.
pub(crate) fn on(text: &str, verb: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    std::fs::write(&file, text).unwrap();
    janua(&[verb, &["-c", file.to_str().unwrap()]].concat())
}

/// Where an admin door is, or any other server of HTTP/1.1.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    /// Sends a request without a body on a connection of its own: status, and head with body.
    pub(crate) fn ask(&self, line: &str, fields: &str) -> (u16, String) {
        let host = if fields.to_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
        let request = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{fields}\r\n");
        let answer = match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, PATIENCE).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                speak(stream, &request)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                speak(stream, &request)
            }
        };
        let answer = answer.unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), answer)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "")
    }
}

fn speak(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A gateway's process. It is killed when the test ends.
pub(crate) struct Daemon {
    child: Child,
    log: Receiver<String>,
    said: Vec<String>,
    pub(crate) home: TempDir,
    /// Where the first listener is.
    pub(crate) public: Door,
    /// Where the operator's door is, if it is open.
    pub(crate) admin: Option<Door>,
}

impl Daemon {
    /// Starts `janua run` on this text, in which `HOME` is the test's directory, and waits until it
    /// listens.
    pub(crate) fn start(text: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::start_in(home, text, |file| {
            let mut command = Command::new(JANUA);
            command.args(["run", "-c"]).arg(file);
            command
        })
    }

    /// The same in this directory, by a command of the test's own.
    pub(crate) fn start_in(
        home: TempDir,
        text: &str,
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Self {
        let file = home.path().join("janua.toml");
        std::fs::write(&file, text.replace("HOME", home.path().to_str().unwrap())).unwrap();
        Self::spawn(home, command(file))
    }

    /// Runs a command that becomes a gateway, and waits until it listens.
    pub(crate) fn spawn(home: TempDir, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = sync_channel(LINES);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let nowhere = Door::Unix(PathBuf::new());
        let mut daemon = Self { child, log, said: Vec::new(), home, public: nowhere, admin: None };
        let listening = daemon.until("listening");
        daemon.public = door(&listening);
        let open = daemon.said.iter().find(|line| line.contains("the admin door is open"));
        daemon.admin = open.map(|line| door(line));
        daemon
    }

    /// The next line of the log with this in it, which has to come soon.
    pub(crate) fn until(&mut self, words: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left);
            assert!(line.is_ok(), "no line with `{words}` after {:#?}", self.said);
            let line = line.unwrap();
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// A line of the log with this in it, which was there already or has to come soon.
    pub(crate) fn heard(&mut self, words: &str) -> String {
        let line = self.said.iter().find(|line| line.contains(words)).cloned();
        line.unwrap_or_else(|| self.until(words))
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Writes another configuration.
    pub(crate) fn write(&self, text: &str) {
        let text = text.replace("HOME", self.home.path().to_str().unwrap());
        std::fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.home.path().join("janua.toml")
    }

    /// Runs a verb on this gateway's configuration.
    pub(crate) fn verb(&self, verb: &str) -> Output {
        janua(&[verb, "-c", self.file().to_str().unwrap()])
    }

    pub(crate) fn admin(&self) -> &Door {
        self.admin.as_ref().unwrap()
    }

    /// Whether its log has a line with this in it so far.
    pub(crate) fn said(&self, words: &str) -> bool {
        self.times(words) > 0
    }

    /// How many lines with this in it its log has so far.
    pub(crate) fn times(&self, words: &str) -> usize {
        self.said.iter().filter(|line| line.contains(words)).count()
    }

    /// Waits for its end, which was asked for, and gives back its directory as it left it.
    pub(crate) fn stopped(mut self) -> TempDir {
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        self.ended();
        home
    }

    /// Kills it, and gives back its directory as it left it.
    pub(crate) fn leave(mut self) -> TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    /// Waits for the process's end, which has to come soon: its exit code, and what it had said.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                // Its standard error is closed: it has ended.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on: {:#?}", self.said),
            }
        }
        (self.child.wait().unwrap().code(), self.said.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line of the log.
fn door(line: &str) -> Door {
    let line: Value = serde_json::from_str(line).unwrap();
    let address = line["fields"]["address"].as_str().unwrap();
    match address.strip_prefix("unix:") {
        Some(path) => Door::Unix(path.into()),
        None => Door::Tcp(address.parse().unwrap()),
    }
}
