//! What a limit costs a request that is counted in a store: `cargo bench --bench limit_store`. Needs Debian's
//! `valkey-server`.
//!
//! Two gateways with a thread each share a store on the same machine and send it their requests, as many a
//! second as said, evenly over the keys. The numbers to watch: how long a request is at the limit, and how many
//! times the store is asked for it. They decide what `lease` is by default.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, by hand")]

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Method};
use janua::{
    config::{Config, LimitUse, Path, Problems},
    key::Ask,
    limit::{Limiter, Limits, Pass, Place, Verdict, Visit},
    metrics::{Loading, Outside},
    store::{Store, Stores},
};
use tokio::time::Instant;

/// Requests of a gateway in a second.
const PACE: u32 = 5_000;

/// How long each measurement takes.
const TIME: Duration = Duration::from_secs(4);

fn main() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("s").display().to_string();
    let mut server = Command::new("valkey-server");
    server.args(["--port", "0", "--save", "", "--unixsocket", &socket]).current_dir(home.path());
    let server = server.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut server = StoreServer(server);
    while UnixStream::connect(&socket).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!(
        "| keys | lease | p50 | p99 | questions for a request | store, µs for a request | let through |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (keys, rate) in [(1, 1_000_000), (1, 2_000), (100, 1_000), (10_000, 100)] {
        for lease in ["0s", "100ms", "1s"] {
            let before = server.cpu();
            let gateways = [0, 1].map(|_| {
                let (socket, lease) = (socket.clone(), lease.to_owned());
                std::thread::spawn(move || gateway(&socket, keys, rate, &lease))
            });
            let all = gateways.map(|gateway| gateway.join().unwrap());
            let mut took: Vec<_> = all.iter().flat_map(|(took, ..)| took.clone()).collect();
            took.sort_unstable();
            let count = took.len() as f64;
            let at = |part: f64| took[(count * part) as usize].as_nanos() as f64 / 1e3;
            let questions: u64 = all.iter().map(|(_, questions, _)| questions).sum();
            let went: usize = all.iter().map(|(.., went)| went).sum();
            println!(
                "| {keys}, {rate}/s each | {lease} | {:.1} µs | {:.0} µs | {:.3} | {:.1} | {:.0} % |",
                at(0.5),
                at(0.99),
                questions as f64 / count,
                (server.cpu() - before).as_micros() as f64 / count,
                went as f64 / count * 100.0
            );
        }
    }
    server.0.kill().unwrap();
}

/// The store's process.
struct StoreServer(Child);

impl StoreServer {
    /// The time that it has had of a core.
    fn cpu(&mut self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // Hundredths of a second, in user space and in the kernel.
        Duration::from_millis(
            10 * fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum::<u64>(),
        )
    }
}

/// What each request took, how often the store was asked, and how many went through.
fn gateway(socket: &str, keys: u32, rate: u32, lease: &str) -> (Vec<Duration>, u64, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let text = format!(
            "[store.s]\nurl = \"unix:{socket}\"\ntimeout = \"1s\"\n\
             [limit.k{keys}-{rate}-{lease}]\nrate = \"{rate}/s\"\nlease = \"{lease}\"\nstore = \"s\"\n"
        );
        let config: Config = toml::from_str(&text).unwrap();
        let (mut problems, mut metrics) = (Problems::new(), Loading::first(1, &[""; 256], 0));
        let (at, counters) = (Path::root(), metrics.store("s"));
        let store = Store::compile("s", &config.store["s"], counters, &at, &mut problems).unwrap();
        store.start();
        store.connected(Duration::from_secs(5)).await.unwrap();
        let stores = Stores::from([("s".to_owned(), Some(Arc::new(store)))]);
        let limits = Limits::compile(&config, None, &stores, &mut metrics, &mut problems);
        let place = Place { route: "r", told: "default", params: &[], asks: true, at: &at };
        let uses = [LimitUse::Word(config.limit.keys().next().unwrap().clone())];
        let limiter = Arc::new(limits.of_route(&uses, place, &mut metrics, &mut problems).unwrap());
        let metrics = metrics.finish();
        let (began, mut sent, mut next) = (Instant::now(), Vec::new(), 0_u32);
        while began.elapsed() < TIME {
            let due = (began.elapsed().as_secs_f64() * f64::from(PACE)) as usize;
            while sent.len() < due {
                next = next.wrapping_add(0x9e37_79b9);
                let client = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + next % keys));
                sent.push(tokio::spawn(request(limiter.clone(), client)));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (mut took, mut went) = (Vec::new(), 0);
        for one in sent {
            let (time, through) = one.await.unwrap();
            took.push(time);
            went += usize::from(through);
        }
        let page = metrics.encode(&Outside::default());
        let line = page.lines().find(|line| line.starts_with("janua_limit_store_fetches_total{"));
        (took, line.unwrap().rsplit(' ').next().unwrap().parse().unwrap(), went)
    })
}

async fn request(limiter: Arc<Limiter>, client: IpAddr) -> (Duration, bool) {
    let (headers, began) = (HeaderMap::new(), Instant::now());
    let (mut pass, mut reported) = (Pass::default(), None);
    let ask = || Ask {
        now: Instant::now(),
        wall: &|| 1_700_000_000_000,
        client: Some(client),
        method: &Method::GET,
        headers: &headers,
        route: "r",
        param: &|_| None,
        who: None,
    };
    let visit = Visit { pass: &mut pass, worker: 0, reported: &mut reported };
    let mut verdict = limiter.take(&ask(), visit);
    loop {
        let waiting = match verdict {
            Verdict::Go => return (began.elapsed(), true),
            Verdict::Refuse(_) => return (began.elapsed(), false),
            Verdict::Wait(waiting) => waiting,
        };
        let turn = waiting.wait().await;
        let visit = Visit { pass: &mut pass, worker: 0, reported: &mut reported };
        verdict = match turn {
            Ok(turn) => limiter.go_on(turn, &ask(), visit),
            Err(lost) => Verdict::Refuse(limiter.give_up(lost, &ask(), visit)),
        };
    }
}
