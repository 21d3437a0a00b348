//! A configuration is loaded again, or the gateway ends: what runs goes on, what is new holds at
//! once, and nobody notices anything in between.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Request;
use tokio::{net::TcpStream, task::JoinSet};

use crate::support::{
    Client, Janua, Origin, Setup,
    frames::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, block, frame, with},
    http2::Http2,
    soon, until,
};

/// A second listener; another address, since a port that the system chooses is one for each.
const SECOND: &str = "[[listener]]\nname = \"second\"\naddress = \"127.0.0.2:0\"\n";

/// What opens a tunnel.
const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: websocket\r\n";

/// An origin that opens tunnels and says something for each line.
async fn tunnels() -> Origin {
    Origin::script(|mut peer| async move {
        peer.request().await;
        let switch = "HTTP/1.1 101 Switching Protocols\r\n";
        peer.send(format!("{switch}{UPGRADE}\r\n")).await;
        while peer.expect("\n").await {
            peer.send("heard\n").await;
        }
    })
    .await
}

async fn open_tunnel(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).await;
    client.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n")).await;
    assert_eq!(client.head().await.status(), 101);
    assert_tunnel(&mut client).await;
    client
}

async fn assert_tunnel(client: &mut Client) {
    client.send("hello\n").await;
    client.expect("heard\n").await;
}

/// Sends a request whose answer is awaited later, and waits until the origin has it.
async fn begin(address: SocketAddr, origin: &Origin) -> Client {
    let before = origin.requests().len();
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the request at the origin", || origin.requests().len() > before).await;
    client
}

/// Nobody listens there any more. Who came while it was given up may still have been let in.
async fn assert_refuses(address: SocketAddr) {
    soon("refusal of connections", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

// --- Under load ---

/// Clients that send requests until they are told to stop, and how many each sent. Anything but an
/// answer fails the test.
struct Load {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// Whether a connection may end where its client sees it coming.
    may_end: bool,
    tasks: JoinSet<usize>,
}

impl Load {
    fn on(address: SocketAddr, may_end: bool) -> Self {
        let (stop, tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let mut load = Self { address, stop, may_end, tasks };
        load.send("GET /on-one-connection HTTP/1.1\r\nHost: a\r\n\r\n", "");
        load.send("GET /on-a-connection-each HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "");
        load.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhel", "lo!");
        load.send_by_http2();
        load
    }

    fn send(&mut self, request: &'static str, rest: &'static str) {
        let (address, stop, may_end) = (self.address, self.stop.clone(), self.may_end);
        self.tasks.spawn(async move {
            let mut count = 0;
            let mut client = Client::connect(address).await;
            while !stop.load(Relaxed) {
                client.send(request).await;
                tokio::task::yield_now().await;
                client.send(rest).await;
                let answer = client.answer().await;
                assert_eq!(answer.status(), 200, "{answer:?}");
                if answer.field("connection").is_some() {
                    assert!(may_end || request.contains("close"), "the connection is to stay");
                    client = Client::connect(address).await;
                }
                count += 1;
            }
            count
        });
    }

    fn send_by_http2(&mut self) {
        let (address, stop, may_end) = (self.address, self.stop.clone(), self.may_end);
        self.tasks.spawn(async move {
            let mut count = 0;
            let mut http2 = Http2::connect(address).await;
            while !stop.load(Relaxed) {
                let request = Request::get("http://a.example/by-http2").body(()).unwrap();
                let Ok(call) = http2.try_begin(request, true).await else {
                    assert!(may_end, "the connection is to stay");
                    http2 = Http2::connect(address).await;
                    continue;
                };
                let (answer, body) = call.answer().await;
                assert_eq!((answer.status().as_u16(), body.len()), (200, 3));
                count += 1;
            }
            count
        });
    }

    async fn end(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(count) = soon("the load", self.tasks.join_next()).await {
            assert!(count.unwrap() > 0);
        }
    }
}

/// One of two configurations that differ in everything that may change.
fn changing(turn: usize, origin: &Origin) -> Setup {
    let second = if turn % 2 == 1 { SECOND } else { "" };
    let (weight, workers) = (turn % 3 + 1, turn / 20 + 1);
    Setup::new(format!(
        "{second}[upstream.u]\nendpoints = [{{ url = \"{}\", weight = {weight} }}]\n\
         [[route]]\nto = \"u\"\nresponse-headers = {{ set = {{ x-turn = \"{turn}\" }} }}\n",
        origin.url
    ))
    .listener(&format!("h2c = true\nmax-header-size = \"{}KiB\"", 16 + turn % 2))
    .server(&format!("workers = {workers}"))
}

#[tokio::test]
async fn a_hundred_reloads_under_load_fail_no_request() {
    let origins = [Origin::named("one").await, Origin::named("two").await];
    let janua = changing(0, &origins[0]).start().await;
    let load = Load::on(janua.address, false);
    let mut client = janua.client().await;
    for turn in 1..=100 {
        let changed = janua.reload(&changing(turn, &origins[turn % 2])).await;
        assert!(changed.is_ok(), "{}", changed.err().unwrap().text(false));
        let answer = client.get("/").await;
        let turn = turn.to_string();
        assert_eq!(answer.field("x-turn"), Some(turn), "what is new holds at once");
    }
    load.end().await;
}

/// Clients of a worker that leaves are served, and told; those in its socket's queue are not lost.
#[tokio::test]
async fn workers_that_come_and_go_under_load_fail_no_request() {
    let origin = Origin::named("one").await;
    let with = |workers| {
        Setup::to(&origin.url).listener("h2c = true").server(&format!("workers = {workers}"))
    };
    let janua = with(4).start().await;
    let loads = [(); 4].map(|()| Load::on(janua.address, true));
    for turn in 0..40 {
        janua.reload(&with([1, 3, 2, 4][turn % 4])).await.unwrap();
    }
    for load in loads {
        load.end().await;
    }
}

// --- What a reload leaves alone ---

#[tokio::test]
async fn connections_of_clients_and_to_origins_outlive_a_reload() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    let more = format!("[[route]]\npath = \"/new\"\nto = {{ status = 204 }}\n{}", to(&origin.url));
    let changed = janua.reload(&Setup::new(more)).await.unwrap();
    assert_eq!(changed.to_string(), "added route /new");
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.get("/new").await.status(), 204);
    assert_eq!(origin.connections(), 1, "the pool goes on");
}

fn to(url: &str) -> String {
    format!("[[route]]\nto = \"{url}\"\n")
}

#[tokio::test]
async fn a_tunnel_survives_reloads_even_of_its_own_route() {
    let origin = tunnels().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut tunnel = open_tunnel(janua.address).await;
    let gone = Setup::new("[[route]]\nto = { status = 410 }\n");
    assert!(janua.reload(&gone).await.is_ok());
    assert_eq!(janua.get("/").await.status(), 410);
    assert_tunnel(&mut tunnel).await;
}

#[tokio::test]
async fn a_request_that_runs_ends_in_the_world_it_began_in() {
    let (origin, may) = Origin::held().await;
    let before = format!(
        "[[route]]\nto = \"{}\"\nresponse-headers = {{ set = {{ x-world = \"old\" }} }}\n",
        origin.url
    );
    let janua = Setup::new(before).start().await;
    let mut client = begin(janua.address, &origin).await;
    assert!(janua.reload(&Setup::new("[[route]]\nto = { status = 410 }\n")).await.is_ok());
    may.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.field("x-world").as_deref()), (200, Some("old")));
    assert_eq!(client.get("/").await.status(), 410, "the next one on the same connection");
}

#[tokio::test]
async fn a_connection_gets_its_listeners_new_settings() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello!";
    client.send(post).await;
    assert_eq!(client.answer().await.status(), 200);
    let small = Setup::to(&origin.url).listener("max-body-size = \"5B\"");
    assert_eq!(janua.reload(&small).await.unwrap().to_string(), "changed listener public");
    client.send(post).await;
    client.answer().await.assert_refused(413, "request.body_too_large", "the new limit");
}

#[tokio::test]
async fn who_came_in_clear_does_not_stay_where_it_is_to_be_tls() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    let secret = Setup::to(&origin.url).listener("tls = \"self-signed\"");
    janua.reload(&secret).await.unwrap();
    assert_eq!(client.ended().await, "", "its connection is closed");
}

// --- Listeners that come and go ---

#[tokio::test]
async fn a_new_listener_answers_and_the_old_one_never_notices() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    let changed = janua.reload(&Setup::new(format!("{SECOND}{}", to(&origin.url)))).await;
    assert_eq!(changed.unwrap().to_string(), "added listener second");
    let second = janua.address_of("second").await;
    assert_eq!(Client::connect(second).await.get("/").await.status(), 200);
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_removed_listener_finishes_what_runs_and_takes_nothing_new() {
    let (origin, may) = Origin::held().await;
    let janua = Setup::new(format!("{SECOND}{}", to(&origin.url))).start().await;
    let second = janua.address_of("second").await;
    let mut idle = Client::connect(second).await;
    let mut running = begin(second, &origin).await;
    let mut other = janua.client().await;
    let changed = janua.reload(&Setup::to(&origin.url)).await.unwrap();
    assert_eq!(changed.to_string(), "removed listener second");
    assert_refuses(second).await;
    assert_eq!(idle.ended().await, "", "an idle connection is closed");
    assert_eq!(idle.broken, None);
    may.add_permits(2);
    let answer = running.answer().await;
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
    assert_eq!(answer.field("connection").as_deref(), Some("close"), "{answer:?}");
    assert_eq!(running.ended().await, "");
    assert_eq!(other.get("/").await.status(), 200, "another listener's connection goes on");
}

#[tokio::test]
async fn a_listener_that_comes_back_listens_again() {
    let origin = Origin::ok().await;
    let both = Setup::new(format!("{SECOND}{}", to(&origin.url)));
    let janua = Setup::to(&origin.url).start().await;
    for _ in 0..5 {
        janua.reload(&both).await.unwrap();
        let second = janua.address_of("second").await;
        assert_eq!(Client::connect(second).await.get("/").await.status(), 200);
        janua.reload(&Setup::to(&origin.url)).await.unwrap();
        assert_refuses(second).await;
    }
}

/// Also when it is gone before any worker has seen it.
#[tokio::test]
async fn the_port_of_a_removed_listener_is_free() {
    let origin = Origin::ok().await;
    let with = |rest: &str| Setup::new(format!("{rest}{}", to(&origin.url))).server("workers = 3");
    let janua = with("").start().await;
    for _ in 0..10 {
        janua.reload(&with(SECOND)).await.unwrap();
        let second = janua.address_of("second").await;
        janua.reload(&with("")).await.unwrap();
        until("a free port", || std::net::TcpListener::bind(second).is_ok()).await;
    }
}

#[tokio::test]
async fn a_unix_socket_comes_and_goes_with_its_listener() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let path = janua.path("door.sock");
    let listener = format!("[[listener]]\naddress = \"unix:{}\"\n", path.display());
    janua.reload(&Setup::new(format!("{listener}{}", to(&origin.url)))).await.unwrap();
    assert_eq!(Client::unix(&path).await.get("/").await.status(), 200);
    janua.reload(&Setup::to(&origin.url)).await.unwrap();
    assert!(!path.exists());
}

/// Nobody else listens on the port: it is the gateway itself that is in the way.
#[tokio::test]
async fn a_listener_is_made_wider_and_narrower_on_its_port() {
    let origin = Origin::ok().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let at = |addresses: &[&str]| {
        let listeners: String = addresses
            .iter()
            .enumerate()
            .map(|(number, ip)| {
                format!("[[listener]]\nname = \"l{number}\"\naddress = \"{ip}:{port}\"\n")
            })
            .collect();
        Setup::new(format!("{listeners}{}", to(&origin.url)))
    };
    let janua = Setup::to(&origin.url).start().await;
    let other = SocketAddr::from(([127, 0, 0, 2], port));
    for (addresses, wide) in [
        (&["127.0.0.1"][..], false),
        (&["0.0.0.0"], true),
        (&["[::]"], true),
        (&["127.0.0.1", "0.0.0.0"], true),
        (&["0.0.0.0", "[::]"], true),
        (&["127.0.0.1"], false),
    ] {
        janua.reload(&at(addresses)).await.unwrap();
        // Who comes while the old socket is being closed may meet it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let own = SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(Client::connect(own).await.get("/").await.status(), 200, "{addresses:?}");
        let reached = TcpStream::connect(other).await.is_ok();
        assert_eq!(reached, wide, "{addresses:?}");
    }
}

// --- Workers ---

/// Whether there is a thread of this name; no other test has five workers.
fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name_of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    tasks.filter_map(name_of).any(|comm| comm.trim() == name)
}

#[tokio::test]
async fn workers_come_and_go() {
    let origin = Origin::ok().await;
    let with = |workers| Setup::to(&origin.url).server(&format!("workers = {workers}"));
    let janua = with(1).start().await;
    let mut client = janua.client().await;
    let mut all = Vec::new();
    for workers in [5, 1, 5] {
        janua.reload(&with(workers)).await.unwrap();
        assert_eq!(janua.world().workers, workers);
        for _ in 0..20 {
            let mut fresh = janua.client().await;
            assert_eq!(fresh.get("/").await.status(), 200, "with {workers} workers");
            all.push(fresh);
        }
        assert_eq!(client.get("/").await.status(), 200, "the first worker's connection");
    }
    assert!(has_thread("worker-4"));
}

#[tokio::test]
async fn a_worker_that_is_too_many_finishes_what_it_has_and_ends() {
    let (origin, may) = Origin::held().await;
    let with = |workers| Setup::to(&origin.url).server(&format!("workers = {workers}"));
    let janua = with(5).start().await;
    let mut running = Vec::new();
    for _ in 0..20 {
        running.push(begin(janua.address, &origin).await);
    }
    janua.reload(&with(1)).await.unwrap();
    may.add_permits(running.len());
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
    until("the end of the other workers", || !has_thread("worker-4")).await;
    may.add_permits(1);
    assert_eq!(janua.get("/").await.status(), 200);
}

/// A tunnel may stay for days; the worker that carries it does too, and works again when it is wanted.
#[tokio::test]
async fn a_tunnel_outlives_its_worker_s_leave() {
    let origin = tunnels().await;
    let with = |workers| Setup::to(&origin.url).server(&format!("workers = {workers}"));
    let janua = with(5).start().await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(open_tunnel(janua.address).await);
    }
    for workers in [1, 5, 2, 4, 1] {
        janua.reload(&with(workers)).await.unwrap();
        for tunnel in &mut all {
            assert_tunnel(tunnel).await;
        }
        let mut fresh = open_tunnel(janua.address).await;
        assert_tunnel(&mut fresh).await;
    }
    drop(all);
    until("the end of the other workers", || !has_thread("worker-4")).await;
    open_tunnel(janua.address).await;
}

// --- What cannot be loaded ---

#[tokio::test]
async fn a_reload_that_fails_changes_nothing_and_says_why() {
    let origin = Origin::ok().await;
    let good = to(&origin.url);
    let janua = Setup::new(&good).start().await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let mut client = janua.client().await;
    for (rest, said) in [
        ("this is no TOML".to_owned(), "expected"),
        (format!("{good}tto = 1\n"), "unknown"),
        ("[[route]]\nto = \"nowhere\"\n".to_owned(), "nowhere"),
        (format!("[[listener]]\naddress = \"{taken}\"\n{good}"), "cannot listen"),
        (
            format!(
                "[[listener]]\naddress = \"127.0.0.2:0\"\ntls = {{ certificates = [{{ cert = \"/none\", key = \"/none\" }}] }}\n{good}"
            ),
            "/none",
        ),
        (
            format!(
                "[[route]]\npath = \"/x\"\nto = {{ status = 204 }}\n[[route]]\npath = \"/x\"\nto = {{ status = 204 }}\n{good}"
            ),
            "/x",
        ),
    ] {
        let generation = janua.world().generation;
        let failed = janua.reload(&Setup::new(&rest)).await;
        assert!(failed.is_err(), "{rest}");
        let text = failed.err().unwrap().text(false);
        assert!(text.contains(said), "{rest}\n{text}");
        assert!(text.contains("janua.toml"), "{text}");
        assert_eq!(janua.world().generation, generation);
        assert_eq!(client.get("/").await.status(), 200, "after {rest}");
        assert_eq!(janua.get("/").await.status(), 200, "after {rest}");
    }
    std::fs::remove_file(janua.path("janua.toml")).unwrap();
    assert!(janua.gateway.reload().await.is_err(), "the file is gone");
    assert_eq!(client.get("/").await.status(), 200);
}

/// What is bound for it takes nobody's clients: closed again, it would reset them.
#[tokio::test]
async fn a_hundred_refused_reloads_under_load_fail_no_request() {
    let origin = Origin::named("one").await;
    let free = std::net::TcpListener::bind("127.0.0.4:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let at = |addresses: &[&str], workers: usize| {
        let listener = |at: &&str| format!("[[listener]]\naddress = \"{at}\"\nh2c = true\n");
        let listeners = addresses.iter().map(listener);
        let listeners: String = listeners.collect();
        let setup = Setup::new(format!("{listeners}{}", to(&origin.url)));
        setup.server(&format!("workers = {workers}"))
    };
    let (wide, narrow) = (format!("0.0.0.0:{port}"), format!("127.0.0.4:{port}"));
    let janua = at(&[&wide], 1).start().await;
    let load = Load::on(SocketAddr::from(([127, 0, 0, 4], port)), false);
    // More workers and somebody else's operator's door; a narrower address and somebody else's.
    let door = at(&[&wide], 8).admin(&format!("address = \"{taken}\""));
    let other = at(&[&wide, &narrow, &taken.to_string()], 1);
    for turn in 0..100 {
        let refused = janua.reload([&door, &other][turn % 2]).await;
        assert!(refused.is_err_and(|report| report.text(false).contains("cannot listen")));
    }
    load.end().await;
}

#[tokio::test]
async fn a_listener_and_the_door_do_not_swap_addresses_and_it_is_said_why() {
    let free = || {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let (one, other) = (free(), free());
    let with = |listener: &str, door: &str| {
        let listener = format!("[[listener]]\naddress = \"{listener}\"\n");
        let rest = format!("{listener}[[route]]\nto = {{ status = 204 }}\n");
        Setup::new(rest).admin(&format!("address = \"{door}\""))
    };
    let janua = with(&one, &other).start().await;
    let refused = janua.reload(&with(&other, &one)).await.err().unwrap().text(false);
    for said in ["is the admin door's", "is a listener's", "by one reload"] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    assert_eq!(Client::connect(one.parse().unwrap()).await.get("/").await.status(), 204);
}

#[tokio::test]
async fn a_reload_whose_own_tests_fail_is_refused() {
    let good = "[[route]]\nto = { status = 204 }\n";
    let janua = Setup::new(good).start().await;
    let test = "[[test]]\nrequest = \"GET http://a.example/\"\nexpect = { status = 404 }\n";
    let failed = janua.reload(&Setup::new(format!("{good}{test}"))).await;
    assert!(failed.is_err_and(|report| report.text(false).contains("404")));
    assert_eq!(janua.get("/").await.status(), 204);
}

#[tokio::test]
async fn a_listener_of_a_failed_reload_does_not_stay() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = format!(
        "[[listener]]\naddress = \"{free}\"\n[[listener]]\naddress = \"{}\"\n",
        taken.local_addr().unwrap()
    );
    assert!(janua.reload(&Setup::new(format!("{listeners}{}", to(&origin.url)))).await.is_err());
    assert_refuses(free).await;
}

#[tokio::test]
async fn a_gateway_that_cannot_start_says_why_and_leaves_nothing() {
    let first = Setup::new("[[route]]\nto = { status = 204 }\n").start().await;
    let same = Setup::new(format!(
        "[[listener]]\nname = \"second\"\naddress = \"{}\"\n[[route]]\nto = {{ status = 204 }}\n",
        first.address
    ));
    let report = same.fails_to_start().await.text(false);
    assert!(report.contains("cannot listen") && report.contains("another process"), "{report}");
    assert_eq!(first.get("/").await.status(), 204);
}

#[tokio::test]
async fn a_reload_opens_the_access_log_anew() {
    let janua = Setup::new("[[route]]\nto = { status = 204 }\n").start().await;
    janua.get("/before").await;
    janua.logged("the first line", |line| line["path"] == "/before").await;
    std::fs::rename(janua.path("access.log"), janua.path("access.log.1")).unwrap();
    janua.gateway.reload().await.unwrap();
    janua.get("/after").await;
    janua.logged("the line after", |line| line["path"] == "/after").await;
    assert_eq!(janua.log().len(), 1);
}

// --- The end ---

/// Drains while something else goes on; says whether nothing had to be cut.
async fn drain_while(janua: &Janua, other: impl Future<Output = ()>) -> bool {
    let (clean, ()) = soon("drain", async { tokio::join!(janua.gateway.drain(), other) }).await;
    clean
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_takes_nothing_new() {
    let (origin, may) = Origin::held().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut idle = janua.client().await;
    let mut running = begin(janua.address, &origin).await;
    let clean = drain_while(&janua, async {
        assert_refuses(janua.address).await;
        assert!(!janua.gateway.is_ready());
        assert_eq!(idle.ended().await, "");
        may.add_permits(1);
        let answer = running.answer().await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
        assert_eq!(answer.field("connection").as_deref(), Some("close"), "{answer:?}");
        assert_eq!(running.ended().await, "");
    });
    assert!(clean.await, "nothing had to be cut");
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_streams_finish() {
    let (origin, may) = Origin::held().await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let mut http2 = janua.http2().await;
    let request = Request::get("http://a.example/").body(()).unwrap();
    let call = http2.begin(request, true).await;
    let mut frames = Frames::open(janua.address).await;
    let head = block(&with(&[]));
    frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)).await;
    until("the requests at the origin", || origin.requests().len() == 2).await;
    let clean = drain_while(&janua, async {
        assert_refuses(janua.address).await;
        let goaway = frames.next_of(GOAWAY).await.expect("a GOAWAY before the answer");
        assert_eq!(goaway.payload[4..8], [0; 4], "NO_ERROR");
        may.add_permits(2);
        assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
        drop(frames);
        let (answer, body) = call.answer().await;
        assert_eq!((answer.status().as_u16(), &*body), (200, &b"ok"[..]));
        assert!(http2.ended().await.is_ok(), "a graceful end");
    });
    assert!(clean.await);
}

#[tokio::test]
async fn a_drain_announces_itself_before_it_refuses() {
    let janua = Setup::new("[[route]]\nto = { status = 204 }\n")
        .server("drain = { announce = \"1s\" }")
        .start()
        .await;
    let clean = drain_while(&janua, async {
        until("not ready", || !janua.gateway.is_ready()).await;
        assert_eq!(janua.get("/").await.status(), 204, "new clients are still taken");
        assert_refuses(janua.address).await;
    });
    assert!(clean.await);
}

#[tokio::test]
async fn a_tunnel_lives_through_the_drain_and_is_cut_at_its_end() {
    let origin = tunnels().await;
    let setup = Setup::to(&origin.url).server("drain = { timeout = \"300ms\" }");
    let janua = setup.start().await;
    let mut tunnel = open_tunnel(janua.address).await;
    let clean = drain_while(&janua, async {
        assert_refuses(janua.address).await;
        assert_tunnel(&mut tunnel).await;
    });
    assert!(!clean.await, "the tunnel is still there");
    let log = janua.path("access.log");
    let home = janua.home.clone();
    janua.stop().await;
    assert_eq!(tunnel.ended().await, "");
    let line = std::fs::read_to_string(log).unwrap();
    assert!(line.contains("\"server.draining\"") && line.contains("\"/ws\""), "{line}");
    drop(home);
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_cut() {
    let origin = Origin::script(|mut peer| async move {
        let asked = peer.request().await.unwrap();
        if asked.line.contains("/half") {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        }
        peer.ended().await;
    })
    .await;
    let setup = Setup::to(&origin.url).server("drain = { timeout = \"200ms\" }");
    let janua = setup.start().await;
    let mut running = begin(janua.address, &origin).await;
    let mut answered = janua.client().await;
    answered.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n").await;
    answered.expect("half").await;
    let clean = soon("drain", janua.gateway.drain()).await;
    assert!(!clean);
    let (log, home) = (janua.path("access.log"), janua.home.clone());
    soon("stop", async { tokio::time::timeout(Duration::from_secs(5), janua.stop()).await })
        .await
        .unwrap();
    assert_eq!(running.ended().await, "");
    assert_eq!(answered.ended().await, "");
    let text = std::fs::read_to_string(log).unwrap();
    assert_eq!(text.matches("\"reason\":\"server.draining\"").count(), 2, "{text}");
    drop(home);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_clients_that_said_nothing() {
    let janua = Setup::new("[[route]]\nto = { status = 204 }\n").listener("h2c = true");
    let janua = janua.start().await;
    let mut silent = janua.client().await;
    janua.get("/").await;
    let clean = drain_while(&janua, async {
        assert_eq!(silent.ended().await, "");
    });
    assert!(clean.await);
}
