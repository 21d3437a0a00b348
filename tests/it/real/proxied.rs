//! The PROXY protocol with those who speak it every day: HAProxy and nginx in front of Janua, and
//! nginx behind it.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::{Nginx, program};
use crate::support::{Client, Janua, Message, Origin, PATIENCE, Setup, soon};

/// A proxy of connections in front, which ends with the test.
struct Front {
    child: Child,
    address: SocketAddr,
    _home: TempDir,
}

impl Front {
    /// Starts a program; `configure` says its configuration for an address, in a folder, and `command`
    /// starts it with that.
    fn start(
        name: &str,
        configure: impl Fn(SocketAddr, &Path) -> String,
        command: impl Fn(&mut Command, &Path),
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        // It binds the port by itself; another process could only have it meanwhile by chance.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = home.path().join("front.conf");
        std::fs::write(&file, configure(address, home.path())).unwrap();
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let mut started = Command::new(program(name));
        command(&mut started, &file);
        started.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = started.spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let log = std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{name} does not listen: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, address, _home: home }
    }

    /// HAProxy, which sends this to Janua.
    fn haproxy(janua: &Janua, send: &str) -> Self {
        let to = janua.address;
        let configure = |address: SocketAddr, _: &Path| {
            format!(
                "global\n  log stderr format raw local0 warning\n\
                 defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
                 listen front\n  bind {address}\n  server janua {to} source 127.9.0.1 {send}\n"
            )
        };
        Self::start("haproxy", configure, |command, file| {
            command.args(["-db", "-f"]).arg(file);
        })
    }

    /// nginx's `stream`.
    fn nginx(janua: &Janua) -> Self {
        let to = janua.address;
        let configure = |address: SocketAddr, home: &Path| {
            let home = home.display();
            format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\nuser root;\ndaemon off;\n\
                 worker_processes 1;\npid {home}/pid;\nerror_log stderr;\n\
                 events {{ worker_connections 64; }}\n\
                 stream {{ server {{\n listen {address};\n proxy_pass {to};\n\
                 proxy_bind 127.9.0.1;\n proxy_protocol on;\n }} }}\n"
            )
        };
        Self::start("nginx", configure, |command, file| {
            command
                .arg("-p")
                .arg(file.parent().unwrap())
                .arg("-e")
                .arg("stderr")
                .arg("-c")
                .arg(file);
        })
    }

    /// The answer to a request that comes from there.
    async fn get(&self, source: [u8; 4]) -> Message {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let stream = soon("connect", socket.connect(self.address)).await.unwrap();
        Client::over(stream).get("/").await
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Not killed: nginx's workers would go on without it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_proxy_in_front_names_the_client_to_lists_logs_and_origins() {
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[access.known]\ndeny = \"127.6.0.0/16\"\n[[route]]\naccess = \"known\"\nto = \"{}\"\n",
        origin.url
    ))
    .listener("proxy-protocol = { from = \"127.9.0.1\" }")
    .start()
    .await;
    let fronts = [
        ("HAProxy, version 1", Front::haproxy(&janua, "send-proxy")),
        ("HAProxy, version 2", Front::haproxy(&janua, "send-proxy-v2")),
        (
            "HAProxy, version 2 with all it has to say",
            Front::haproxy(
                &janua,
                "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority",
            ),
        ),
        ("nginx, version 1", Front::nginx(&janua)),
    ];
    for (number, (name, front)) in (1..).zip(&fronts) {
        assert_eq!(front.get([127, 0, 5, number]).await.status(), 200, "{name}");
        let client = format!("127.0.5.{number}");
        assert_eq!(origin.last().field("x-forwarded-for"), Some(client.clone()), "{name}");
        janua.logged(name, |line| line["client"] == *client).await;
        assert_eq!(front.get([127, 6, 5, number]).await.status(), 403, "{name}");
    }
    let direct = soon("connect", tokio::net::TcpStream::connect(janua.address)).await.unwrap();
    assert_eq!(Client::over(direct).ended().await, "", "without a proxy nobody comes in");
}

#[tokio::test]
async fn a_check_of_haproxys_is_its_own() {
    let janua =
        Setup::to("echo").listener("proxy-protocol = { from = \"127.9.0.1\" }").start().await;
    let check = "send-proxy-v2 check check-send-proxy inter 50ms";
    let front = Front::haproxy(&janua, &format!("{check}\n  option httpchk GET /health"));
    let line = janua.logged("a check", |line| line["path"] == "/health").await;
    assert_eq!((&line["client"], &line["status"]), (&"127.9.0.1".into(), &200.into()), "{line}");
    drop(front);
}

#[tokio::test]
async fn nginx_behind_us_knows_the_client() {
    let nginx = Nginx::listening(
        "proxy_protocol",
        "location / { add_header X-Client $proxy_protocol_addr:$proxy_protocol_port always; \
         add_header X-Connection $connection always; add_header X-Server $proxy_protocol_server_addr always; return 200 ok; }",
    );
    let janua = Setup::new(format!(
        "[upstream.nginx]\nendpoints = \"{}\"\nproxy-protocol = true\n[[route]]\nto = \"nginx\"\n",
        nginx.url
    ))
    .start()
    .await;
    let mut connections = std::collections::BTreeSet::new();
    for source in [[127, 0, 5, 1], [127, 0, 5, 1], [127, 0, 5, 2]] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let stream = soon("connect", socket.connect(janua.address)).await.unwrap();
        let client = stream.local_addr().unwrap();
        let mut through = Client::over(stream);
        for _ in 0..2 {
            let answer = through.get("/").await;
            assert_eq!((answer.status(), answer.text()), (200, "ok".into()));
            assert_eq!(answer.field("x-client"), Some(client.to_string()));
            assert_eq!(answer.field("x-server").as_deref(), Some("127.0.0.1"));
            connections.insert(answer.field("x-connection"));
        }
    }
    assert_eq!(connections.len(), 6, "each request has a connection of its own");
}
