//! A store of several servers: keys are found wherever they are and go, and a server that dies takes nothing
//! along but its own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use janua::{
    config::{self, Path, Problems},
    store::Store,
};
use parking_lot::Mutex;

use super::{
    StoreServer,
    limits::{Told, load, several, sum},
};
use crate::{
    auth::send,
    support::{Janua, PATIENCE, Setup, certs::Authority, daemon, until},
};

/// Servers of a cluster: three with a third of the slots each, and one that has none yet.
struct Cluster {
    servers: Vec<StoreServer>,
    /// Whose ports they speak to each other by.
    _places: Vec<StoreServer>,
    /// What the second of them is cut off by.
    cut: Cut,
}

impl Cluster {
    async fn start() -> Self {
        Self::with("").await
    }

    /// With more settings.
    async fn with(settings: &str) -> Self {
        let settings = settings.to_owned();
        tokio::task::spawn_blocking(move || Self::begin(&settings)).await.unwrap()
    }

    fn begin(more: &str) -> Self {
        let places: Vec<_> = (0..4).map(|_| StoreServer::down("")).collect();
        let cut = Cut::default();
        let ways: Vec<_> = (places.iter().enumerate())
            .map(|(number, place)| cut.way_to(place.address, number == 1))
            .collect();
        let server = |(place, way): (&StoreServer, &SocketAddr)| {
            let own =
                if *way == ways[1] { format!("bind-source-addr {CUT_OFF}") } else { String::new() };
            let settings = format!(
                "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout 1000\n\
                 protected-mode no\ncluster-require-full-coverage no\ncluster-port {}\ncluster-announce-bus-port {}\n\
                 {own}\n{more}",
                place.address.port(),
                way.port(),
            );
            let mut server = StoreServer::down(&settings);
            server.start_again();
            server
        };
        let servers: Vec<_> = places.iter().zip(&ways).map(server).collect();
        for (number, slots) in
            [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].iter().enumerate()
        {
            servers[number].command(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
        }
        for (number, (server, way)) in servers.iter().zip(&ways).enumerate() {
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            let (port, bus) = (server.address.port().to_string(), way.port().to_string());
            servers[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let end = Instant::now() + PATIENCE;
        let knows_all = |server: &StoreServer| {
            let info = server.command(&["CLUSTER", "INFO"]);
            ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:4"]
                .iter()
                .all(|line| info.contains(line))
        };
        while !servers.iter().all(knows_all) {
            assert!(Instant::now() < end, "the servers do not find each other");
            thread::sleep(Duration::from_millis(20));
        }
        Self { servers, _places: places, cut }
    }

    /// Makes the fourth a copy of the second.
    async fn copy(&self) {
        let id = self.servers[1].command(&["CLUSTER", "MYID"]);
        self.servers[3].command(&["CLUSTER", "REPLICATE", &id]);
        until("there is a copy", || {
            let is = self.servers[3].command(&["INFO", "replication"]);
            is.contains("master_link_status:up")
                && self.servers[0].command(&["CLUSTER", "NODES"]).contains("slave")
        })
        .await;
    }

    /// Spends one of the three of each of twelve keys; those are told that the second server has, when its copy
    /// has them, too.
    async fn spend(&self, janua: &Janua) -> Vec<String> {
        let keys =
            |server: &StoreServer| server.command(&["KEYS", "janua:limit:l:*"]).lines().count();
        let mut own = Vec::new();
        for key in 0..12 {
            let (key, before) = (key.to_string(), keys(&self.servers[1]));
            assert_eq!(status(janua, "/", &key).await, 204);
            if keys(&self.servers[1]) > before {
                own.push(key);
            }
        }
        assert!(!own.is_empty(), "none of the keys is there");
        until("they are copied", || keys(&self.servers[3]) == own.len()).await;
        own
    }

    /// One that is there, and one that is not.
    fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:1,{}", self.servers[0].address)
    }

    /// Who has a key.
    fn owner(&self, key: &str) -> usize {
        let slot: usize = self.servers[0].command(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        [5_461, 10_923, 16_384].iter().position(|end| slot < *end).unwrap()
    }

    /// Keys that begin like this, and who has them.
    fn keys(&self, prefix: &str) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        for (number, server) in self.servers.iter().enumerate() {
            let keys = server.command(&["KEYS", &format!("{prefix}*")]);
            all.extend(keys.lines().map(|key| (key.to_owned(), number)));
        }
        all
    }

    fn setup(&self, rest: &str) -> Setup {
        Setup::new(format!("[store.shared]\nurl = \"{}\"\ntimeout = \"1s\"\n{rest}", self.url()))
    }
}

/// Where the second server comes from.
const CUT_OFF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The ways that servers of a cluster have to each other, of which those to and from the second can be cut.
#[derive(Clone, Default)]
struct Cut(Arc<Mutex<Ways>>);

#[derive(Default)]
struct Ways {
    is_cut: bool,
    open: Vec<TcpStream>,
}

impl Cut {
    /// A port that leads to another.
    fn way_to(&self, to: SocketAddr, is_second: bool) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (place, cut) = (listener.local_addr().unwrap(), self.clone());
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let second =
                    is_second || from.peer_addr().is_ok_and(|it| it.ip() == IpAddr::V4(CUT_OFF));
                let _ = cut.lead(from, to, second);
            }
        });
        place
    }

    fn lead(&self, from: TcpStream, to: SocketAddr, second: bool) -> io::Result<()> {
        let to = TcpStream::connect(to)?;
        if second {
            let mut ways = self.0.lock();
            if ways.is_cut {
                return Ok(());
            }
            ways.open.push(from.try_clone()?);
        }
        for (mut from, mut to) in [(from.try_clone()?, to.try_clone()?), (to, from)] {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    }

    fn off(&self) {
        let mut ways = self.0.lock();
        ways.is_cut = true;
        for way in ways.open.drain(..) {
            let _ = way.shutdown(Shutdown::Both);
        }
    }
}

async fn status(janua: &Janua, path: &str, key: &str) -> u16 {
    send(janua, &format!("GET {path}"), &format!("X-T: {key}\r\n")).await.status()
}

#[tokio::test]
async fn every_key_is_one_at_all_gateways_whichever_server_has_it() {
    let cluster = Cluster::start().await;
    let setup = cluster.setup(
        "[limit.l]\nstore = \"shared\"\nrate = \"3/h\"\nper = \"header:x-t\"\nlease = \"0s\"\n\
         [[route]]\nlimit = \"l\"\nto = { status = 204 }\n",
    );
    let gateways = several(&setup, 2).await;
    for key in 0..16 {
        let mut statuses = Vec::new();
        for janua in gateways.iter().cycle().take(5) {
            statuses.push(status(janua, "/", &key.to_string()).await);
        }
        assert_eq!(statuses, [204, 204, 204, 429, 429], "{key}");
    }
    let keys = cluster.keys("janua:limit:l:");
    assert_eq!(keys.len(), 16, "{keys:?}");
    for server in 0..3 {
        assert!(keys.iter().any(|(_, owner)| *owner == server), "nothing at {server}: {keys:?}");
    }
    let fallbacks = sum(&gateways, "janua_limit_store_fallbacks_total{limit=\"l\"}");
    assert_eq!(fallbacks, 0, "nobody went on without the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_under_load_takes_its_limits_along() {
    const RATE: f64 = 400.0;
    const BURST: f64 = 40.0;
    let cluster = Cluster::start().await;
    let setup = cluster.setup(&format!(
        "[limit.l]\nstore = \"shared\"\nrate = \"{RATE}/s\"\nburst = {BURST}\nper = \"global\"\n\
         lease = \"0s\"\n[[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n"
    ));
    let gateways = several(&setup, 2).await;
    let act = async {
        let mut found = None;
        until("the key is there", || {
            found = cluster.keys("janua:limit:l:").pop();
            found.is_some()
        })
        .await;
        let (key, owner) = found.unwrap();
        let (from, to) = (&cluster.servers[owner], &cluster.servers[3]);
        let slot = from.command(&["CLUSTER", "KEYSLOT", &key]);
        let set = |at: &StoreServer, how: &str, who: &StoreServer| {
            let id = who.command(&["CLUSTER", "MYID"]);
            at.command(&["CLUSTER", "SETSLOT", &slot, how, &id]);
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
        let port = to.address.port().to_string();
        from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        let asked = || to.command(&["INFO", "commandstats"]).contains("cmdstat_asking");
        until("commands are sent on", asked).await;
        set(to, "NODE", to);
        set(from, "NODE", to);
        let runs = || {
            let stats = to.command(&["INFO", "commandstats"]);
            let calls = |name: &str| {
                let rest = stats.split(&format!("cmdstat_{name}:calls=")).nth(1)?;
                rest.split(',').next()?.parse::<u64>().ok()
            };
            calls("evalsha") > calls("asking").map(|asked| asked + 20)
        };
        until("they go there at once", runs).await;
    };
    let Told { statuses, admitted, .. } = load(&gateways, 2, Duration::from_secs(3), act).await;
    let took = *admitted.last().unwrap() - admitted[0];
    let expected = BURST + RATE * took.as_secs_f64();
    println!("{} of {expected:.1} in {took:?}, {statuses:?}", admitted.len());
    assert!(admitted.len() as f64 <= expected * 1.02, "{} of {expected}", admitted.len());
    assert!(admitted.len() as f64 >= expected * 0.9, "{} of {expected}", admitted.len());
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [204, 429]);
    let fallbacks = sum(&gateways, "janua_limit_store_fallbacks_total{limit=\"l\"}");
    assert_eq!(fallbacks, 0, "nobody went on without the store");
}

#[tokio::test]
async fn a_server_that_dies_takes_its_keys_along_and_no_others() {
    let mut cluster = Cluster::start().await;
    let limit =
        "store = \"shared\"\nper = \"header:x-t\"\nlease = \"0s\"\non-failure = \"reject\"\n";
    let setup = cluster.setup(&format!(
        "[limit.l]\nrate = \"100/h\"\n{limit}[limit.q]\nquota = \"100000/day\"\n{limit}\
         [[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n\
         [[route]]\npath = \"/quota\"\nlimit = \"q\"\nto = {{ status = 204 }}\n"
    ));
    let janua = several(&setup, 1).await.remove(0);
    let mut owners = Vec::new();
    for key in 0..12 {
        let key = key.to_string();
        let mut own = [0; 2];
        let both = [("/", "janua:limit:l:"), ("/quota", "janua:quota:q:")];
        for (own, (path, prefix)) in own.iter_mut().zip(both) {
            let before = cluster.keys(prefix);
            assert_eq!(status(&janua, path, &key).await, 204);
            until("the store knows it", || cluster.keys(prefix).len() > before.len()).await;
            let new = cluster.keys(prefix).into_iter().find(|key| !before.contains(key)).unwrap();
            assert_eq!(cluster.owner(&new.0), new.1);
            *own = new.1;
        }
        owners.push((key, own));
    }
    assert!(owners.iter().any(|(_, own)| own[0] == 1) && owners.iter().any(|(_, own)| own[0] != 1));
    cluster.servers[1].kill();
    let up = || janua.counted("janua_store_up{store=\"shared\"}");
    until("it is gone", || up() == 0).await;
    for (key, own) in &owners {
        let expected = if own[0] == 1 { 503 } else { 204 };
        assert_eq!(status(&janua, "/", key).await, expected, "the rate of {key} at {}", own[0]);
    }
    // A quota asks nobody: that its server is gone is known when it was to be told.
    for (key, own) in &owners {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = status(&janua, "/quota", key).await;
            if own[1] != 1 {
                assert_eq!(status, 204, "the quota of {key} at {}", own[1]);
                break;
            }
            if status == 503 {
                break;
            }
            assert!(Instant::now() < end, "the quota of {key} goes on for ever");
        }
    }
    cluster.servers[1].start_again();
    until("it is back", || up() == 1).await;
    for (key, _) in &owners {
        for path in ["/", "/quota"] {
            let end = Instant::now() + PATIENCE;
            while status(&janua, path, key).await != 204 {
                assert!(Instant::now() < end, "{path} of {key} does not come back");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Three an hour for each key, or none while its server is not there.
const COPIED: &str = "[limit.l]\nstore = \"shared\"\nrate = \"3/h\"\nper = \"header:x-t\"\nlease = \"0s\"\n\
                      on-failure = \"reject\"\n[[route]]\nlimit = \"l\"\nto = { status = 204 }\n";

/// Somebody has these keys again, with the one that was counted of each.
async fn taken_over(janua: &Janua, keys: &[String]) {
    for key in keys {
        let end = Instant::now() + PATIENCE;
        loop {
            match status(janua, "/", key).await {
                204 => break,
                503 => assert!(Instant::now() < end, "nobody takes over {key}"),
                other => panic!("{other} for {key}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let rest = (status(janua, "/", key).await, status(janua, "/", key).await);
        assert_eq!(rest, (204, 429), "what was counted of {key} is lost");
    }
}

/// Its copy takes over, with all that was counted.
#[tokio::test]
async fn a_server_that_dies_is_replaced_by_its_copy() {
    let mut cluster = Cluster::start().await;
    cluster.copy().await;
    let setup = cluster.setup(COPIED);
    let janua = several(&setup, 1).await.remove(0);
    let own = cluster.spend(&janua).await;
    cluster.servers[1].kill();
    taken_over(&janua, &own).await;
    // The one that is back is the copy, and sends commands on.
    cluster.servers[1].start_again();
    until("there is a copy again", || {
        cluster.servers[1].command(&["INFO", "replication"]).contains("master_link_status:up")
    })
    .await;
    for key in &own {
        assert_eq!(status(&janua, "/", key).await, 429, "{key}");
    }
}

/// Whom the others cannot reach any more is still there for Janua, and says that nothing has changed.
#[tokio::test]
async fn a_server_that_is_cut_off_from_the_others_is_not_believed() {
    let cluster = Cluster::start().await;
    cluster.copy().await;
    // It is the one that is asked first.
    let setup = Setup::new(format!(
        "[store.shared]\nurl = \"redis+cluster://{}\"\ntimeout = \"1s\"\n{COPIED}",
        cluster.servers[1].address
    ));
    let janua = several(&setup, 1).await.remove(0);
    let own = cluster.spend(&janua).await;
    cluster.cut.off();
    until("the others have given its slots to its copy", || {
        cluster.servers[0].command(&["CLUSTER", "NODES"]).contains("master,fail")
            && cluster.servers[3].command(&["ROLE"]).starts_with("master")
    })
    .await;
    taken_over(&janua, &own).await;
    // It still takes itself for the one that has them, and may show the other as its copy.
    let slots = cluster.servers[1].command(&["CLUSTER", "SLOTS"]);
    let own = format!("5461\n10922\n127.0.0.1\n{}", cluster.servers[1].address.port());
    assert!(slots.contains(&own), "{slots}");
    assert!(cluster.servers[1].command(&["CLUSTER", "INFO"]).contains("cluster_state:fail"));
}

#[tokio::test]
async fn a_cluster_is_spoken_to_by_tls_with_a_password() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let files = tempfile::tempdir().unwrap();
    ours.issue(1, &["localhost", "127.0.0.1"]).save(files.path(), "site");
    let (ca, other) =
        (ours.save(&files.path().join("ca.pem")), strange.save(&files.path().join("strange.pem")));
    let at = files.path().display();
    let cluster = Cluster::with(&format!(
        "port 0\ntls-port PORT\ntls-cluster yes\ntls-replication yes\ntls-auth-clients no\n\
         tls-cert-file {at}/site.pem\ntls-key-file {at}/site.key\ntls-ca-cert-file {ca}\n\
         requirepass hunter2hunter2\nmasterauth hunter2hunter2"
    ))
    .await;
    let tls = cluster.url().replace("redis+", "rediss+");
    for (store, status) in [
        (format!("url = \"{tls}\"\nca = \"{ca}\"\npassword = \"hunter2hunter2\""), 204),
        (format!("url = \"{tls}\"\nca = \"{other}\"\npassword = \"hunter2hunter2\""), 503),
        (format!("url = \"{tls}\"\nca = \"{ca}\"\npassword = \"wrong\""), 503),
        (format!("url = \"{tls}\"\nca = \"{ca}\""), 503),
        (format!("url = \"{}\"\npassword = \"hunter2hunter2\"", cluster.url()), 503),
    ] {
        let setup = Setup::new(format!("[store.shared]\n{store}\ntimeout = \"1s\"\n{COPIED}"));
        let janua = setup.start().await;
        for key in 0..40 {
            assert_eq!(self::status(&janua, "/", &key.to_string()).await, status, "{store}");
        }
        let shown = config::show(&janua.world().config);
        assert!(!shown.contains("hunter2") && !format!("{:?}", janua.world()).contains("hunter2"));
    }
    let owners = cluster.keys("janua:limit:l:");
    assert!((0..3).all(|server| owners.iter().any(|(_, owner)| *owner == server)), "{owners:?}");
}

#[tokio::test]
async fn what_is_of_many_keys_reaches_every_server() {
    let cluster = Cluster::start().await;
    let section = config::Store {
        url: cluster.url(),
        timeout: Duration::from_secs(1).into(),
        ..Default::default()
    };
    let (at, mut problems) = (Path::root(), Problems::new());
    let store = Store::compile("s", &section, Arc::default(), &at, &mut problems).unwrap();
    assert!(store.down().is_none() && !store.is_up(), "nobody was asked yet");
    store.start();
    store.connected(PATIENCE).await.unwrap();
    let names: Vec<_> = (0..100).map(|number| format!("k:{number:03}")).collect();
    for name in &names {
        store.set(name, name.as_bytes(), None).await.unwrap();
    }
    store.set("other", b"x", None).await.unwrap();
    let owners = cluster.keys("k:");
    assert!((0..3).all(|server| owners.iter().any(|(_, owner)| *owner == server)));
    assert_eq!(store.keys("k:").await.unwrap(), names);
    assert_eq!(store.get("k:042").await.unwrap().as_deref(), Some(&b"k:042"[..]));
    assert_eq!(store.delete_all(&names[..99]).await.unwrap(), 99);
    assert_eq!(store.delete_all(&names).await.unwrap(), 1);
    assert!(store.keys("k:").await.unwrap().is_empty());
    let minute = Duration::from_secs(60);
    let over = async |name| store.enlist("list", name, (2_000, 1_000), 1, minute).await.unwrap();
    assert!(over("one").await.is_empty());
    assert_eq!(over("two").await, ["one"]);
    store.append("log", &[("a", "b")], 10).await.unwrap();
    assert_eq!(store.after("log", "0", 10).await.unwrap()[0].1, [("a".into(), "b".into())]);
}

#[tokio::test]
async fn a_server_of_a_cluster_that_is_asked_as_if_it_were_alone_says_what_is_wrong() {
    let cluster = Cluster::start().await;
    let config = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[store.shared]\nurl = \"{}\"\n\
         [auth.a]\napi-key.store = \"shared\"\n[[route]]\nto = {{ status = 204 }}\n",
        cluster.servers[3].url()
    );
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("janua.toml");
    std::fs::write(&path, config).unwrap();
    let output = daemon::janua(&[
        "key",
        "new",
        "--owner",
        "a",
        "--store",
        "shared",
        "-c",
        path.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("redis+cluster://"), "{said}");
}
