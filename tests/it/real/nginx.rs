//! nginx, as Debian has it, on a port and in a directory of its own.

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::program;
use crate::support::PATIENCE;

/// A server that is stopped when the test ends.
pub(super) struct Nginx {
    /// Nothing, while it is stopped.
    child: Option<Child>,
    home: TempDir,
    pub(super) address: SocketAddr,
    pub(super) url: String,
    /// Bound, and not listening: nobody else gets the port while the server is stopped.
    _place: Socket,
}

impl Nginx {
    /// Starts it with more directives of its `server`, in which `HOME` is its directory.
    pub(super) fn start(directives: &str) -> Self {
        Self::listening("", directives)
    }

    /// With more words of its `listen`.
    pub(super) fn listening(words: &str, directives: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let place = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        place.set_reuse_address(true).unwrap();
        place.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = place.local_addr().unwrap().as_socket().unwrap();
        std::fs::create_dir(home.path().join("www")).unwrap();
        let text = CONFIG.replace("DIRECTIVES", directives);
        let text = text.replace("HOME", home.path().to_str().unwrap());
        let text = text.replace("ADDRESS", &format!("{address} {words}"));
        std::fs::write(home.path().join("nginx.conf"), text).unwrap();
        let url = format!("http://{address}");
        let mut nginx = Self { child: None, home, address, url, _place: place };
        nginx.start_again();
        nginx
    }

    pub(super) fn start_again(&mut self) {
        let mut command = std::process::Command::new(program("nginx"));
        command.arg("-p").arg(self.home.path()).arg("-c").arg(self.path("nginx.conf"));
        command.arg("-e").arg(self.path("error.log")).stdin(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self.path("error.log")).unwrap_or_default();
            assert!(Instant::now() < end, "nginx does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, connections and all.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            let _ = child.wait();
        }
    }

    /// Kills it, workers and all, in the middle of whatever they do.
    pub(super) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let tasks = format!("/proc/{0}/task/{0}/children", child.id());
        let workers = std::fs::read_to_string(tasks).unwrap();
        // The first one starts no other worker for one that is gone.
        let _ = child.kill();
        for worker in workers.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = Pid::from_raw(worker).map(|pid| kill_process(pid, Signal::KILL));
        }
        let _ = child.wait();
    }

    /// Has it read its configuration again, with new workers in place of the old ones.
    pub(super) fn reload(&self) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), Signal::HUP).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Where a file is that it serves.
    pub(super) fn file_at(&self, name: &str) -> PathBuf {
        self.path("www").join(name)
    }

    /// Writes a file that it serves.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.file_at(name), content).unwrap();
    }

    /// The lines of a log that it writes.
    pub(super) fn log(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Serves a file no more.
    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.file_at(name)).unwrap();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `user root` where root runs the tests: the directory is nobody else's to read.
const CONFIG: &str = r#"
user root;
daemon off;
worker_processes 1;
pid HOME/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    log_format ids $arg_id;
    client_body_temp_path HOME/body;
    proxy_temp_path HOME/proxy;
    fastcgi_temp_path HOME/fastcgi;
    uwsgi_temp_path HOME/uwsgi;
    scgi_temp_path HOME/scgi;
    gzip_types text/plain;
    keepalive_requests 100000;
    server {
        listen ADDRESS backlog=1024;
        root HOME/www;
        add_header X-Worker $pid always;
        add_header X-Protocol $server_protocol always;
        add_header X-Connection $connection always;
        add_header X-Requests $connection_requests always;
        DIRECTIVES
    }
}
"#;
