//! dnsmasq, as Debian has it: names whose addresses change, end, and are not to be had.

use std::{
    net::{IpAddr, SocketAddr, TcpListener as Listener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::program;
use crate::{
    discovery::{answer, counted, endpoints, found, upstream, well, wrong},
    support::{Origin, PATIENCE, certs::Authority, until},
};

/// A server of DNS for `internal`, which knows what a test says.
struct Dnsmasq {
    /// Nothing, while it is stopped.
    child: Option<Child>,
    home: TempDir,
    address: SocketAddr,
    options: Vec<String>,
}

impl Dnsmasq {
    fn start(hosts: &str, options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("hosts"), hosts).unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { child: None, home, address: free(), options };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        let mut command = Command::new(program("dnsmasq"));
        let id = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(id).unwrap();
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
        ]);
        command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/internal/"]);
        command.args(["--pid-file=", "--log-queries", "--log-async"]);
        command
            .arg(format!("--user={}", user.trim()))
            .arg(format!("--port={}", self.address.port()));
        command.arg(format!("--addn-hosts={}", self.path("hosts").display()));
        command.arg(format!("--log-facility={}", self.path("log").display()));
        command.args(&self.options).stdin(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < end, "dnsmasq does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it knows from now on.
    fn knows(&self, hosts: &str) {
        std::fs::write(self.path("hosts"), hosts).unwrap();
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), Signal::HUP).unwrap();
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn with(&mut self, options: &[String]) {
        self.stop();
        self.options = options.to_vec();
        self.start_again();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often it was asked for something.
    fn asked(&self, what: &str) -> usize {
        self.log().matches(&format!("query[{what}]")).count()
    }

    fn keys(&self, url: &str) -> String {
        format!(
            "endpoints = \"{url}\"\n[upstream.u.discovery]\ndns = \"{}\"\n\
             timeout = \"300ms\"\nmin-refresh = \"50ms\"\n",
            self.address
        )
    }
}

/// An address that is free for both protocols, at a port that the system gives to nobody by itself: it is to be
/// had again after the server was stopped.
fn free() -> SocketAddr {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(10_000..32_000));
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let is_free = |port: &u16| {
        UdpSocket::bind(address(*port)).is_ok() && Listener::bind(address(*port)).is_ok()
    };
    address(ports.find(is_free).unwrap())
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Origins at these addresses and one port, each of which answers with its address.
async fn at(addresses: &[&str]) -> (Vec<Origin>, u16) {
    for _ in 0..100 {
        let (mut origins, mut port) = (Vec::new(), 0);
        for address in addresses {
            let address: IpAddr = address.parse().unwrap();
            // Another may have the port there.
            let Ok(listener) = TcpListener::bind((address, port)).await else { break };
            port = listener.local_addr().unwrap().port();
            let name = address.to_string();
            origins.push(Origin::listening(listener, move |mut peer| {
                let name = name.clone();
                async move {
                    while peer.request().await.is_some() {
                        let length = name.len();
                        peer.send(format!(
                            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}"
                        ))
                        .await;
                    }
                }
            }));
        }
        if origins.len() == addresses.len() {
            return (origins, port);
        }
    }
    panic!("there is no port that is free at {addresses:?}");
}

#[tokio::test]
async fn addresses_of_a_name_come_and_go_by_their_time_to_live() {
    let addresses = ["127.0.0.2", "127.0.0.3", "::1"];
    let (origins, port) = at(&addresses).await;
    let [two, three, six] = &origins[..] else { panic!() };
    let dns = Dnsmasq::start("127.0.0.2 orders.internal\n127.0.0.3 orders.internal\n", &[]);
    let janua = upstream(&dns.keys(&format!("dns://orders.internal:{port}"))).start().await;
    found(&janua, &[&two.url, &three.url]).await;
    assert_eq!(answer(&janua, 4).await, ["127.0.0.2", "127.0.0.3"]);
    dns.knows("127.0.0.3 orders.internal\n::1 orders.internal\n");
    found(&janua, &[&three.url, &six.url]).await;
    assert_eq!(answer(&janua, 4).await, ["127.0.0.3", "::1"]);
    assert_eq!(three.connections(), 1, "what stayed was given up");
}

#[tokio::test]
async fn one_kind_of_addresses_is_taken_where_only_one_is_wanted() {
    let dns = Dnsmasq::start("127.0.0.2 orders.internal\n::1 orders.internal\n", &[]);
    for (family, url) in [("ipv4", "http://127.0.0.2:80"), ("ipv6", "http://[::1]:80")] {
        let keys = dns.keys("dns://orders.internal");
        let janua = upstream(&format!("{keys}family = \"{family}\"\n")).start().await;
        found(&janua, &[url]).await;
    }
}

#[tokio::test]
async fn a_time_to_live_is_respected_between_its_bounds() {
    let hosts = "127.0.0.2 orders.internal\n";
    let dns = Dnsmasq::start(hosts, &["--local-ttl=3600"]);
    let keys = dns.keys("dns://orders.internal");
    let janua = upstream(&format!("{keys}max-refresh = \"2h\"\n")).start().await;
    found(&janua, &["http://127.0.0.2:80"]).await;
    let other =
        upstream(&format!("{keys}family = \"ipv4\"\nmax-refresh = \"100ms\"\n")).start().await;
    found(&other, &["http://127.0.0.2:80"]).await;
    // The one of them asks once a tenth of a second, the other once an hour.
    until("questions", || dns.asked("A") >= 8).await;
    assert_eq!(dns.asked("AAAA"), 1);
    dns.knows("127.0.0.3 orders.internal\n");
    found(&other, &["http://127.0.0.3:80"]).await;
    assert_eq!(endpoints(&janua), ["http://127.0.0.2:80"]);
}

#[tokio::test]
async fn whatever_becomes_of_dns_the_last_addresses_serve() {
    let (origins, port) = at(&["127.0.0.2", "127.0.0.3"]).await;
    let [two, three] = &origins[..] else { panic!() };
    let hosts = "127.0.0.2 orders.internal\n";
    let mut dns = Dnsmasq::start(hosts, &[]);
    let janua = upstream(&dns.keys(&format!("dns://orders.internal:{port}"))).start().await;
    found(&janua, &[&two.url]).await;
    // NXDOMAIN, again and again; then a name without addresses.
    for hosts in ["", hosts, "", hosts, "127.0.0.9 x.orders.internal\n"] {
        dns.knows(hosts);
        match hosts.starts_with("127.0.0.2") {
            true => well(&janua).await,
            false => wrong(&janua, "there are no endpoints").await,
        }
        assert_eq!(answer(&janua, 2).await, ["127.0.0.2"]);
    }
    assert_eq!(counted(&janua, "changes_total"), 1);
    dns.stop();
    wrong(&janua, "DNS, asked for").await;
    assert_eq!(answer(&janua, 2).await, ["127.0.0.2"]);
    dns.start_again();
    dns.knows("127.0.0.3 orders.internal\n");
    found(&janua, &[&three.url]).await;
    well(&janua).await;
    // A server that refuses to say is not one that says none.
    let keys = dns.keys(&format!("dns://orders.example:{port}"));
    let refused = upstream(&keys).start().await;
    wrong(&refused, "Query Refused").await;
}

#[tokio::test]
async fn services_have_ports_priorities_and_weights() {
    let (origins, port) = at(&["127.0.0.2", "127.0.0.3"]).await;
    let [two, three] = &origins[..] else { panic!() };
    let (others, other_port) = at(&["127.0.0.4"]).await;
    let hosts = "127.0.0.2 a.internal\n127.0.0.3 b.internal\n127.0.0.4 c.internal\n";
    let record = |target: &str, port: u16, priority: u16, weight: u16| {
        format!(
            "--srv-host=_http._tcp.orders.internal,{target}.internal,{port},{priority},{weight}"
        )
    };
    let first = [record("a", port, 1, 30), record("b", port, 1, 10), record("c", other_port, 2, 9)];
    let options: Vec<_> = first.iter().map(|option| &**option).collect();
    let mut dns = Dnsmasq::start(hosts, &options);
    let keys = dns.keys("srv://_http._tcp.orders.internal");
    let health = "[upstream.u.health]\nevery = \"20ms\"\nfall = 1\nrise = 1\n";
    let janua = upstream(&format!("{keys}{health}")).start().await;
    found(&janua, &[&two.url, &three.url, &others[0].url]).await;
    let mut client = janua.client().await;
    let mut names = String::new();
    for _ in 0..8 {
        names += &client.get("/").await.text();
    }
    assert_eq!(names.matches("127.0.0.2").count(), 6, "three of four: {names}");
    assert_eq!(names.matches("127.0.0.4").count(), 0, "the others are up: {names}");
    // What has a higher number is for when there is nobody else.
    drop(origins);
    let down = "janua_upstream_endpoints{upstream=\"u\",state=\"down\"}";
    until("both are down", || janua.counted(down) == 2).await;
    assert_eq!(answer(&janua, 4).await, ["127.0.0.4"]);
    dns.with(&[record("c", other_port, 5, 0), record("gone", 80, 1, 1)]);
    found(&janua, &[&others[0].url]).await;
    assert_eq!(answer(&janua, 4).await, ["127.0.0.4"]);
}

#[tokio::test]
async fn over_tls_an_endpoint_has_to_be_whom_it_was_found_by() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new("A"));
    let origin =
        Origin::tls(authority.issue(1, &["orders.internal"]).server(), |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        });
    let origin = origin.await;
    let port = origin.address.port();
    let dns = Dnsmasq::start("127.0.0.1 orders.internal\n127.0.0.1 other.internal\n", &[]);
    let ca = authority.save(&home.path().join("ca.pem"));
    for (name, status) in [("orders", 200), ("other", 502)] {
        let keys = dns.keys(&format!("dns://{name}.internal:{port}"));
        let keys = format!("tls.ca = \"{ca}\"\nhost = \"endpoint\"\n{keys}scheme = \"https\"\n");
        let janua = upstream(&keys).start().await;
        found(&janua, &[&format!("https://127.0.0.1:{port}")]).await;
        assert_eq!(janua.get("/").await.status(), status, "{name}");
    }
    assert_eq!(origin.last().field("host"), Some(format!("orders.internal:{port}")));
}

/// Also where a name had addresses when it was asked last: who only keeps them says so, and for how long.
#[tokio::test]
async fn a_server_of_dns_that_is_gone_is_seen_and_addresses_are_kept_as_long_as_was_said() {
    let (origins, port) = at(&["127.0.0.2"]).await;
    let record = format!("--srv-host=_http._tcp.orders.internal,orders.internal,{port},1,1");
    let mut dns = Dnsmasq::start("127.0.0.2 orders.internal\n", &[&record]);
    for url in [format!("dns://orders.internal:{port}"), "srv://_http._tcp.orders.internal".into()]
    {
        let keys = dns.keys(&url);
        let janua = upstream(&keys).start().await;
        let bounded = upstream(&format!("{keys}keep-failed = \"300ms\"\n")).start().await;
        for janua in [&janua, &bounded] {
            found(janua, &[&origins[0].url]).await;
        }
        dns.stop();
        wrong(&janua, "DNS, asked for").await;
        until("they are given up", || endpoints(&bounded).is_empty()).await;
        assert_eq!(answer(&janua, 2).await, ["127.0.0.2"], "{url}");
        dns.start_again();
        for janua in [&janua, &bounded] {
            well(janua).await;
            found(janua, &[&origins[0].url]).await;
        }
    }
}

/// A target is as much as it says, however many addresses it has.
#[tokio::test]
async fn the_addresses_of_a_target_share_its_weight() {
    let (origins, port) = at(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]).await;
    let hosts = "127.0.0.2 a.internal\n127.0.0.3 a.internal\n127.0.0.4 b.internal\n";
    let record = |target: &str, weight: u16| {
        format!("--srv-host=_http._tcp.orders.internal,{target}.internal,{port},1,{weight}")
    };
    let dns = Dnsmasq::start(hosts, &[&record("a", 3), &record("b", 3)]);
    let janua = upstream(&dns.keys("srv://_http._tcp.orders.internal")).start().await;
    let urls: Vec<_> = origins.iter().map(|origin| &*origin.url).collect();
    found(&janua, &urls).await;
    let mut client = janua.client().await;
    let mut names = Vec::new();
    for _ in 0..8 {
        names.push(client.get("/").await.text());
    }
    let count = |name: &str| names.iter().filter(|it| *it == name).count();
    let counts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(count);
    assert_eq!(counts, [2, 2, 4], "{names:?}");
}
