//! Limits that several gateways count together: how much all of them let through, what the store is told, and
//! what holds while it is slow or gone.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::StoreServer;
use crate::{
    auth::sha256,
    support::{Client, Janua, Message, Origin, PATIENCE, Setup, daemon::Daemon, soon, until},
};

/// A gateway whose limit `l` is counted in this store.
pub(super) fn setup(server: &StoreServer, keys: &str) -> Setup {
    waiting(server, "50ms", keys)
}

/// A limit whose store is waited for so long.
pub(super) fn waiting(server: &StoreServer, timeout: &str, keys: &str) -> Setup {
    Setup::new(format!(
        "[store.shared]\ntimeout = \"{timeout}\"\nurl = \"{}\"\n[limit.l]\nstore = \"shared\"\n{keys}\n\
         [[route]]\nname = \"r\"\nlimit = \"l\"\nto = {{ status = 204 }}\n",
        server.url()
    ))
}

pub(super) async fn several(setup: &Setup, count: usize) -> Vec<Janua> {
    let mut all = Vec::new();
    for _ in 0..count {
        let janua = setup.clone().start().await;
        until("the store is up", || janua.counted("janua_store_up{store=\"shared\"}") == 1).await;
        all.push(janua);
    }
    all
}

pub(super) async fn get(janua: &Janua) -> Message {
    janua.get("/").await
}

pub(super) fn sum(gateways: &[Janua], series: &str) -> u64 {
    gateways.iter().map(|janua| janua.counted(series)).sum()
}

/// What clients were answered.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) statuses: BTreeMap<u16, u64>,
    /// When each request was let through.
    pub(super) admitted: Vec<Instant>,
    pub(super) slowest: Duration,
}

/// Sends requests to a gateway as fast as it answers, until then.
async fn hammer(mut client: Client, end: Instant) -> Told {
    let mut told = Told::default();
    while Instant::now() < end {
        let began = Instant::now();
        let status = client.get("/").await.status();
        told.slowest = told.slowest.max(began.elapsed());
        *told.statuses.entry(status).or_default() += 1;
        if status == 204 {
            told.admitted.push(Instant::now());
        }
        if status == 429 {
            // As clients do, more or less: the load is enough, and the machine is not ours alone.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    told
}

/// Has so many clients at each gateway send requests for this long, while `act` does something.
pub(super) async fn load(
    gateways: &[Janua],
    clients: usize,
    time: Duration,
    act: impl Future,
) -> Told {
    let mut all = Vec::new();
    let end = Instant::now() + time;
    for janua in gateways {
        for _ in 0..clients {
            all.push(tokio::spawn(hammer(janua.client().await, end)));
        }
    }
    act.await;
    let mut sum = Told::default();
    for one in all {
        let told = soon("clients", one).await.unwrap();
        for (status, count) in told.statuses {
            *sum.statuses.entry(status).or_default() += count;
        }
        sum.admitted.extend(told.admitted);
        sum.slowest = sum.slowest.max(told.slowest);
    }
    sum.admitted.sort_unstable();
    sum
}

/// How long the tests on exactness take: with more seconds their figures mean more.
fn measured() -> Duration {
    let seconds = std::env::var("JANUA_TEST_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0))
}

#[tokio::test]
async fn gateways_together_let_through_what_the_limit_says() {
    const RATE: f64 = 400.0;
    const BURST: f64 = 40.0;
    // What the rate gives while a store stands still for longer than a burst takes to come back is gone: this
    // one never waits for a disk.
    let mut server = StoreServer::down("appendonly no");
    server.start_again();
    for (lease, over, under) in [
        // Within 2 %, of what there was in the time from the first to the last.
        ("0s", 0.0, 0.0),
        // Each of the three may hold a quarter of the burst, which is less than the rate gives in 100 ms.
        ("100ms", 3.0 * BURST / 4.0, 3.0 * BURST / 4.0),
    ] {
        let keys =
            format!("rate = \"{RATE}/s\"\nburst = {BURST}\nper = \"global\"\nlease = \"{lease}\"");
        // A machine that is busy with other tests is not to be taken for a store that is gone.
        let gateways = several(&waiting(&server, "1s", &keys), 3).await;
        server.command(&["FLUSHALL"]);
        let told = load(&gateways, 2, measured(), async {}).await;
        let took = *told.admitted.last().unwrap() - told.admitted[0];
        let expected = BURST + RATE * took.as_secs_f64();
        let admitted = told.admitted.len() as f64;
        let fetches = sum(&gateways, "janua_limit_store_fetches_total{limit=\"l\"}");
        let fallbacks = sum(&gateways, "janua_limit_store_fallbacks_total{limit=\"l\"}");
        println!(
            "lease {lease}: {admitted} of {expected:.1} in {took:?} ({:+.2} %), {fetches} questions, {fallbacks} \
             without the store, slowest {:?}, {:?}",
            (admitted / expected - 1.0) * 100.0,
            told.slowest,
            told.statuses
        );
        assert_eq!(fallbacks, 0, "the store was asked in vain");
        assert!(admitted <= expected * 1.02 + over, "{admitted} of {expected}");
        assert!(admitted >= expected * 0.98 - under, "{admitted} of {expected}");
        assert_eq!(told.statuses.keys().copied().collect::<Vec<_>>(), [204, 429]);
    }
}

#[tokio::test]
async fn every_key_is_one_at_all_gateways_and_told_truly() {
    let server = StoreServer::start();
    let keys = "rate = \"5/h\"\nheaders = \"always\"\nper = [\"header:x-t\", \"ip\"]";
    let setup = setup(&server, keys);
    let gateways = several(&setup, 2).await;
    for (gateway, left) in [(0, 4), (1, 3), (0, 2), (1, 1), (0, 0)] {
        let mut client = gateways[gateway].client().await;
        let answer = client.request("GET /", "X-T: a-secret\r\n").await;
        assert_eq!(answer.status(), 204);
        let told = answer.field("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"l\";r={left};t=")), "{told}");
    }
    for janua in &gateways {
        let answer = janua.client().await.request("GET /", "X-T: a-secret\r\n").await;
        answer.assert_refused(429, "limit.rate", "five an hour, whoever counts");
        let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((710..=720).contains(&wait), "{wait}");
        assert_eq!(janua.client().await.request("GET /", "X-T: b\r\n").await.status(), 204);
    }
    let keys = server.command(&["KEYS", "*"]);
    assert_eq!(keys.lines().filter(|key| key.starts_with("janua:limit:l:")).count(), 2, "{keys}");
    assert!(!keys.contains("secret") && !keys.contains("127.0.0.1"), "{keys}");
    for key in keys.lines() {
        let expiry: i64 = server.command(&["PTTL", key]).parse().unwrap();
        assert!((1..=3_600_100).contains(&expiry), "{key} expires in {expiry}");
    }
}

#[tokio::test]
async fn each_tier_has_a_rate_of_its_own_at_all_gateways() {
    let server = StoreServer::start();
    for (number, per) in ["ip", "global"].iter().enumerate() {
        let keys = format!(
            "[auth.k]\napi-key = {{ header = \"x-api-key\", keys = [\
             {{ id = \"g\", sha256 = \"{}\", roles = [\"gold\"] }}, {{ id = \"p\", sha256 = \"{}\" }}] }}\n",
            sha256("gold-key"),
            sha256("plain-key")
        );
        let setup = Setup::new(format!(
            "[store.shared]\nurl = \"{}\"\n{keys}[limit.l{number}]\nstore = \"shared\"\nper = \"{per}\"\n\
             tiers = {{ gold = \"5/h\", default = \"2/h\" }}\n\
             [[route]]\nauth = \"k\"\nlimit = \"l{number}\"\nto = {{ status = 204 }}\n",
            server.url()
        ));
        let gateways = several(&setup, 2).await;
        for (key, most) in [("plain-key", 2), ("gold-key", 5)] {
            let fields = format!("X-API-Key: {key}\r\n");
            for turn in 0..most + 2 {
                let answer = gateways[turn % 2].client().await.request("GET /", &fields).await;
                let expected = if turn < most { 204 } else { 429 };
                assert_eq!(answer.status(), expected, "{per} {key} {turn}");
            }
        }
    }
}

#[tokio::test]
async fn a_reload_and_a_restart_forgive_nobody_and_to_ask_takes_nothing() {
    let server = StoreServer::start();
    let other = |burst: u32| setup(&server, &format!("rate = \"1/h\"\nburst = {burst}"));
    let tested = "[[test]]\nrequest = \"GET http://a/\"\nexpect = { status = 204 }\n";
    let with_tests = Setup::new(format!(
        "[store.shared]\nurl = \"{}\"\n[limit.l]\nstore = \"shared\"\nrate = \"1/h\"\n\
         [[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n{tested}",
        server.url()
    ));
    let janua = several(&with_tests, 1).await.remove(0);
    let explain = || {
        use janua::app::explain::{Arguments, explain_in};
        let arguments = Arguments {
            method: "GET".into(),
            url: "http://a/".into(),
            from: Some("127.0.0.1".into()),
            ..Arguments::default()
        };
        explain_in(janua.world(), &arguments).unwrap().to_string()
    };
    assert!(explain().contains("costs 1, leaves 0 of 1"), "{}", explain());
    assert!(explain().contains("counted in store `shared`"), "{}", explain());
    assert_eq!(server.command(&["DBSIZE"]), "0");
    assert_eq!(get(&janua).await.status(), 204);
    assert!(explain().contains("there is enough in 3"), "{}", explain());
    assert_eq!(get(&janua).await.status(), 429);
    janua.reload(&with_tests).await.unwrap();
    assert_eq!(get(&janua).await.status(), 429);
    let another = several(&other(1), 1).await.remove(0);
    assert_eq!(get(&another).await.status(), 429, "a gateway that is new knows it too");
    another.reload(&other(3)).await.unwrap();
    assert_eq!(get(&another).await.status(), 204, "a larger burst holds at once");
    assert_eq!(get(&another).await.status(), 204);
    assert_eq!(get(&another).await.status(), 429);
}

#[tokio::test]
async fn what_another_limit_refuses_is_not_charged() {
    let server = StoreServer::start();
    let text = |limits: &str| {
        Setup::new(format!(
            "[store.shared]\nurl = \"{}\"\n\
             [limit.a]\nrate = \"5/h\"\nstore = \"shared\"\n[limit.b]\nrate = \"1/h\"\n\
             [[route]]\nlimit = {limits}\nto = {{ status = 204 }}\n",
            server.url()
        ))
    };
    let janua = several(&text("[\"a\", \"b\"]"), 1).await.remove(0);
    assert_eq!(get(&janua).await.status(), 204);
    for _ in 0..20 {
        assert_eq!(get(&janua).await.status(), 429);
    }
    janua.reload(&text("[\"a\"]")).await.unwrap();
    for left in (0..4).rev() {
        let answer = get(&janua).await;
        assert_eq!(answer.status(), 204, "{left}: the refused requests were charged");
    }
    assert_eq!(get(&janua).await.status(), 429);
}

#[tokio::test]
async fn who_waits_at_several_gateways_goes_as_fast_as_the_rate_of_all() {
    let server = StoreServer::start();
    for lease in ["0s", "100ms"] {
        let keys = format!(
            "rate = \"40/s\"\nburst = 4\nper = \"global\"\nlease = \"{lease}\"\n\
             over = {{ delay = \"10s\" }}"
        );
        let gateways = several(&setup(&server, &keys), 2).await;
        server.command(&["FLUSHALL"]);
        let began = Instant::now();
        let mut sent = Vec::new();
        for janua in gateways.iter().cycle().take(44) {
            let mut client = janua.client().await;
            sent.push(tokio::spawn(async move { client.get("/").await.status() }));
        }
        for one in sent {
            assert_eq!(soon("an answer", one).await.unwrap(), 204);
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(950), "{lease}: 40 at 40/s after 4: {took:?}");
        assert!(took <= Duration::from_millis(2_500), "{lease}: {took:?}");
        assert!(sum(&gateways, "janua_limit_delay_seconds_count{limit=\"l\"}") >= 38);
        for janua in &gateways {
            let waiting = "janua_limit_waiting{limit=\"l\",standing=\"bad\"}";
            until("nobody waits", || janua.counted(waiting) == 0).await;
        }
    }
}

#[tokio::test]
async fn a_limit_on_trial_counts_in_the_store_and_stops_nobody() {
    let server = StoreServer::start();
    let setup = setup(&server, "rate = \"2/h\"\nenforce = \"report\"");
    let gateways = several(&setup, 2).await;
    for janua in gateways.iter().cycle().take(6) {
        assert_eq!(get(janua).await.status(), 204);
    }
    let reports = "janua_limit_reports_total{limit=\"l\",reason=\"limit.rate\"}";
    until("they are counted", || sum(&gateways, reports) == 4).await;
}

/// While the store was asked for one of them, another used up the quota.
#[tokio::test]
async fn a_limit_on_trial_stops_nobody_either_who_waited_for_the_store() {
    let server = StoreServer::start();
    let text = format!(
        "[store.shared]\nurl = \"{}\"\ntimeout = \"10s\"\n\
         [limit.l]\nrate = \"100/h\"\nquota = \"1/day\"\nstore = \"shared\"\nenforce = \"report\"\n\
         [[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n",
        server.url()
    );
    let janua = several(&Setup::new(text), 1).await.remove(0);
    server.pause();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = janua.client().await;
        clients.push(tokio::spawn(async move { client.get("/").await.status() }));
    }
    until("all of them wait", || janua.counted("janua_requests_in_flight") == 4).await;
    server.go_on();
    for client in clients {
        assert_eq!(soon("an answer", client).await.unwrap(), 204);
    }
    let reports = "janua_limit_reports_total{limit=\"l\",reason=\"limit.quota\"}";
    until("they are counted", || janua.counted(reports) == 3).await;
}

#[tokio::test]
async fn without_the_store_a_gateway_does_as_it_was_told() {
    let server = StoreServer::down("");
    for (keys, statuses) in [
        ("gateways = 2", [204, 204, 429, 429, 429]),
        ("", [204, 204, 204, 204, 429]),
        ("on-failure = \"reject\"", [503; 5]),
        ("on-failure = \"allow\"", [204; 5]),
    ] {
        let janua = setup(&server, &format!("rate = \"4/h\"\n{keys}")).start().await;
        for (number, status) in statuses.into_iter().enumerate() {
            let answer = get(&janua).await;
            assert_eq!(answer.status(), status, "{keys} {number}");
            if status == 503 {
                answer.assert_refused(503, "limit.store_unavailable", keys);
                assert_eq!(answer.field("ratelimit"), None, "nobody knows what is left");
                assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
            }
        }
        until("it says so", || {
            janua.counted("janua_limit_store_down{limit=\"l\"}") == 1
                && janua.counted("janua_limit_store_fallbacks_total{limit=\"l\"}") == 5
        })
        .await;
    }
}

/// However many requests there are meanwhile.
#[test]
fn the_log_says_once_that_a_limit_goes_on_without_its_store() {
    let mut server = StoreServer::start();
    let mut janua = Daemon::start(&format!(
        "[server]\nstate = \"HOME\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [store.shared]\nurl = \"{}\"\n[limit.l]\nstore = \"shared\"\nrate = \"1000/s\"\nlease = \"0s\"\n\
         [[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n",
        server.url()
    ));
    janua.heard("connected to the store");
    server.kill();
    for _ in 0..20 {
        assert_eq!(janua.public.get("/").0, 204);
    }
    janua.heard("goes on without its store");
    server.start_again();
    let door = janua.public.clone();
    let over = Arc::new(AtomicBool::new(false));
    let asking = std::thread::spawn({
        let over = over.clone();
        move || {
            while !over.load(Relaxed) {
                door.get("/");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    janua.heard("counts in its store again");
    over.store(true, Relaxed);
    asking.join().unwrap();
    assert_eq!(janua.times("goes on without its store"), 1);
}

#[tokio::test]
async fn who_was_limited_stays_so_when_the_store_dies() {
    let mut server = StoreServer::start();
    let janua = several(&setup(&server, "rate = \"2/h\""), 1).await.remove(0);
    assert_eq!(get(&janua).await.status(), 204);
    assert_eq!(get(&janua).await.status(), 204);
    server.kill();
    until("the store is down", || janua.counted("janua_store_up{store=\"shared\"}") == 0).await;
    assert_eq!(get(&janua).await.status(), 429);
}

#[tokio::test]
async fn a_store_that_is_killed_and_comes_back_loses_no_request() {
    const RATE: f64 = 100.0;
    let mut server = StoreServer::start();
    for lease in ["0s", "100ms"] {
        let keys = format!(
            "rate = \"{RATE}/s\"\nburst = 20\nper = \"global\"\ngateways = 3\nlease = \"{lease}\""
        );
        let gateways = several(&setup(&server, &keys), 3).await;
        let (fallbacks, down) = (
            "janua_limit_store_fallbacks_total{limit=\"l\"}",
            "janua_limit_store_down{limit=\"l\"}",
        );
        let mut back = None;
        let time = Duration::from_secs(4);
        let act = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.kill();
            until("they go on by themselves", || sum(&gateways, down) == 3).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.start_again();
            until("they count together again", || sum(&gateways, down) == 0).await;
            back = Some(Instant::now());
        };
        let told = load(&gateways, 2, time, act).await;
        assert!(sum(&gateways, fallbacks) > 0);
        assert_eq!(told.statuses.keys().copied().collect::<Vec<_>>(), [204, 429], "{told:?}");
        assert!(told.slowest < Duration::from_secs(1), "{:?}", told.slowest);
        // In all, and since the store is back: what the limit says, and a burst more for what each counted alone.
        let back = back.unwrap();
        let since: Vec<_> = told.admitted.iter().filter(|time| **time > back).collect();
        let took = (**since.last().unwrap() - back).as_secs_f64();
        println!(
            "lease {lease}: {} in {took:.2} s since it is back, slowest {:?}",
            since.len(),
            told.slowest
        );
        assert!(
            since.len() as f64 <= RATE * took * 1.02 + 20.0 + 15.0,
            "{} in {took}",
            since.len()
        );
        assert!(since.len() as f64 >= RATE * took * 0.9 - 15.0, "{} in {took}", since.len());
        let all = *told.admitted.last().unwrap() - told.admitted[0];
        let most = RATE * all.as_secs_f64() * 1.02 + 20.0 * 4.0;
        assert!(told.admitted.len() as f64 <= most, "{} of {most}", told.admitted.len());
    }
}

#[tokio::test]
async fn a_store_that_stands_still_holds_nobody_up() {
    let server = StoreServer::start();
    let keys = "rate = \"100000/s\"\nper = \"global\"\nlease = \"0s\"";
    let gateways = several(&setup(&server, keys), 1).await;
    let down = "janua_limit_store_down{limit=\"l\"}";
    assert_eq!(get(&gateways[0]).await.status(), 204);
    let act = async {
        server.pause();
        until("it goes on by itself", || sum(&gateways, down) == 1).await;
    };
    let Told { statuses, slowest, .. } = load(&gateways, 2, Duration::from_millis(700), act).await;
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [204], "{statuses:?}");
    println!("slowest while the store stands still: {slowest:?}");
    // The store's `timeout` is 50 ms; the rest is for a busy machine.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    server.go_on();
    let began = Instant::now();
    while sum(&gateways, down) == 1 {
        assert!(began.elapsed() < PATIENCE, "it does not come back");
        assert_eq!(get(&gateways[0]).await.status(), 204);
    }
}

/// As the limit was told to, after the store's `timeout` of 50 ms.
#[tokio::test]
async fn who_waits_goes_on_without_a_store_that_stands_still() {
    for (on_failure, status, most) in
        [("local", 204, 1_100), ("allow", 204, 600), ("reject", 503, 600)]
    {
        let server = StoreServer::start();
        let keys = format!(
            "rate = \"20/s\"\nburst = 1\nper = \"global\"\nlease = \"0s\"\n\
             on-failure = \"{on_failure}\"\nover = {{ delay = \"5s\" }}"
        );
        let janua = several(&setup(&server, &keys), 1).await.remove(0);
        assert_eq!(get(&janua).await.status(), 204);
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(janua.client().await);
        }
        server.pause();
        let began = Instant::now();
        let send = |mut client: Client| tokio::spawn(async move { client.get("/").await.status() });
        for sent in clients.into_iter().map(send).collect::<Vec<_>>() {
            assert_eq!(soon("an answer", sent).await.unwrap(), status, "{on_failure}");
        }
        // By itself the gateway gives one each 50 ms.
        let took = began.elapsed();
        println!("ten that waited, {on_failure}: {took:?}");
        assert!(took < Duration::from_millis(most), "{on_failure}: {took:?}");
        server.go_on();
    }
}

#[tokio::test]
async fn who_waits_goes_nearly_as_fast_with_a_store_that_comes_and_goes() {
    let server = StoreServer::start();
    let keys = "rate = \"20/s\"\nburst = 1\nper = \"global\"\nlease = \"0s\"\n\
                over = { delay = \"5s\" }";
    let gateways = several(&setup(&server, keys), 1).await;
    let act = async {
        for _ in 0..5 {
            server.pause();
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.go_on();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let told = load(&gateways, 4, Duration::from_secs(3), act).await;
    let (admitted, slowest) = (told.admitted.len(), told.slowest);
    println!("{admitted} of 60 with a store that comes and goes, slowest {slowest:?}");
    assert!((42..=75).contains(&admitted), "{admitted} of 60");
    assert!(slowest < Duration::from_millis(1_000), "{slowest:?}");
}

#[tokio::test]
async fn a_limit_that_nobody_asks_for_is_not_called_without_its_store_for_ever() {
    let server = StoreServer::start();
    let keys = "rate = \"100/s\"\nper = \"global\"\nlease = \"0s\"";
    let gateways = several(&setup(&server, keys), 1).await;
    let down = || {
        gateways[0].world().metrics_page(&janua::metrics::Outside::default());
        gateways[0].counted("janua_limit_store_down{limit=\"l\"}")
    };
    server.pause();
    assert_eq!(get(&gateways[0]).await.status(), 204);
    server.go_on();
    assert_eq!(down(), 1);
    until("nothing is amiss", || down() == 0).await;
}

/// Nobody's turn comes before the store does.
#[tokio::test]
async fn who_waits_is_refused_at_once_when_the_store_is_gone_if_that_was_said() {
    let server = StoreServer::start();
    let keys = "rate = \"2/s\"\nburst = 1\nper = \"global\"\nlease = \"0s\"\n\
                on-failure = \"reject\"\nover = { delay = \"60s\" }";
    let janua = several(&setup(&server, keys), 1).await.remove(0);
    assert_eq!(get(&janua).await.status(), 204);
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = janua.client().await;
        clients.push(tokio::spawn(async move { client.get("/").await }));
    }
    until("they wait", || janua.counted("janua_requests_in_flight") >= 7).await;
    let began = Instant::now();
    server.pause();
    let mut refused = 0;
    for client in clients {
        let answer = soon("an answer", client).await.unwrap();
        if answer.status() != 204 {
            answer.assert_refused(503, "limit.store_unavailable", "it waited");
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused}");
    // Their turns would have come after half a second each.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    get(&janua).await.assert_refused(503, "limit.store_unavailable", "who comes then");
}

/// `on-failure` is about the store, and it is well.
#[tokio::test]
async fn a_flood_of_keys_lets_nobody_through_or_out_while_the_store_is_well() {
    let server = StoreServer::start();
    for on_failure in ["allow", "reject"] {
        let keys = format!(
            "rate = \"10/h\"\nper = \"header:x-k\"\nmax-keys = 64\nlease = \"0s\"\non-failure = \"{on_failure}\""
        );
        let janua = several(&waiting(&server, "1s", &keys), 1).await.remove(0);
        let mut client = janua.client().await;
        for number in 0..400 {
            client.request("GET /", &format!("X-K: {on_failure} {number}\r\n")).await;
        }
        let mut statuses = BTreeMap::<u16, u32>::new();
        for _ in 0..40 {
            let status = client.request("GET /", "X-K: somebody new\r\n").await.status();
            *statuses.entry(status).or_default() += 1;
        }
        assert!(!statuses.contains_key(&503), "{on_failure}: {statuses:?}");
        assert!(
            statuses.get(&204).is_none_or(|let_in| *let_in <= 10),
            "{on_failure}: {statuses:?}"
        );
    }
}

/// A place is not free, and what the rate gives is for those who can have one.
#[tokio::test]
async fn who_waits_for_others_to_end_takes_nothing_of_what_gateways_share() {
    let server = StoreServer::start();
    let (origin, may) = Origin::held().await;
    let keys = "rate = \"20/s\"\nburst = 1\nconcurrent = 1\nper = \"global\"\nlease = \"0s\"\n\
                over = { delay = \"60s\" }";
    let to_origin = Setup::new(format!(
        "[store.shared]\nurl = \"{}\"\n[limit.l]\nstore = \"shared\"\n{keys}\n\
         [[route]]\nname = \"r\"\nlimit = \"l\"\nto = \"{}\"\n",
        server.url(),
        origin.url
    ));
    let busy = several(&to_origin, 1).await.remove(0);
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = busy.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
        let waits = "janua_limit_waiting{limit=\"l\",standing=\"good\"}";
        let others = "janua_limit_waiting{limit=\"l\",standing=\"bad\"}";
        until("one runs and others wait", || match number {
            0 => origin.requests().len() == 1,
            _ => busy.counted(waits) + busy.counted(others) == number,
        })
        .await;
    }
    let asked = || busy.counted("janua_limit_store_fetches_total{limit=\"l\"}");
    let before = asked();
    let other = several(&setup(&server, keys), 1).await.remove(0);
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(get(&other).await.status(), 204);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2_500), "{took:?} for what the rate gives in a second");
    assert!(asked() <= before + 1, "{} questions for who cannot go", asked() - before);
    may.add_permits(3);
    for mut client in clients {
        assert_eq!(client.answer().await.status(), 200);
    }
}

/// Gateways are changed one by one, so for a while they differ.
#[tokio::test]
async fn a_gateway_with_a_smaller_burst_forgives_nobody_what_the_larger_one_gave() {
    let server = StoreServer::start();
    let gateway = |burst: u32| {
        let keys = format!("rate = \"60/h\"\nburst = {burst}\nper = \"global\"\nlease = \"0s\"");
        waiting(&server, "1s", &keys)
    };
    let [large, small] = [several(&gateway(50), 1).await, several(&gateway(5), 1).await];
    let mut through = 0;
    for _ in 0..4 {
        while get(&large[0]).await.status() == 204 {
            through += 1;
        }
        assert_eq!(get(&small[0]).await.status(), 429);
        // So long both believe what they heard.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    // A gateway that comes by its own rules frees nobody more than once.
    assert!((50..=50 + 45).contains(&through), "{through}");
}

/// Newcomers do not ask the store while others wait, so those who wait do.
#[tokio::test]
async fn who_waits_during_a_reload_is_counted_in_the_store() {
    let server = StoreServer::start();
    let text = |store: &str, keys: u32| {
        Setup::new(format!(
            "[store.shared]\nurl = \"{}\"\ntimeout = \"1s\"\n[limit.l]\n{store}\nrate = \"10/s\"\n\
             burst = 4\nper = \"global\"\nmax-keys = {keys}\nover = {{ delay = \"60s\" }}\n\
             [[route]]\nname = \"r\"\nlimit = \"l\"\nto = {{ status = 204 }}\n",
            server.url()
        ))
    };
    let shared = "store = \"shared\"\ngateways = 2";
    for before in [shared, ""] {
        let janua = text(before, 1_000).start().await;
        let up = || janua.counted("janua_store_up{store=\"shared\"}") == 1;
        if !before.is_empty() {
            until("the store is up", up).await;
        }
        let mut sent = Vec::new();
        for _ in 0..24 {
            let mut client = janua.client().await;
            sent.push(tokio::spawn(async move { client.get("/").await.status() }));
        }
        let waiting = "janua_limit_waiting{limit=\"l\",standing=\"bad\"}";
        until("they wait", || janua.counted(waiting) >= 16).await;
        janua.reload(&text(shared, 2_000)).await.unwrap();
        until("the store is up", up).await;
        let alone = || janua.counted("janua_limit_store_fallbacks_total{limit=\"l\"}");
        let before = alone();
        for one in sent {
            assert_eq!(soon("an answer", one).await.unwrap(), 204);
        }
        assert_eq!(alone() - before, 0, "they are counted here alone");
        assert_eq!(server.command(&["KEYS", "janua:limit:l:*"]).lines().count(), 1);
        server.command(&["FLUSHALL"]);
    }
}

/// A request that was sent, and what status comes of it.
async fn sent(janua: &Janua, target: &str, key: String) -> JoinHandle<u16> {
    let (line, mut client) = (format!("GET {target}"), janua.client().await);
    let fields = format!("X-K: {key}\r\n");
    tokio::spawn(async move { client.request(&line, &fields).await.status() })
}

/// As many wait for answers as may: that is the gateway's own bound, which clients can reach.
#[tokio::test]
async fn a_flood_of_questions_is_no_failure_of_the_store() {
    let server = StoreServer::start();
    let setup = |failure: &str| {
        Setup::new(format!(
            "[store.shared]\nurl = \"{}\"\ntimeout = \"5s\"\nmax-waiting = 4\n\
             [limit.l]\nstore = \"shared\"\nrate = \"1/h\"\nper = \"header:x-k\"\non-failure = \"{failure}\"\n\
             [limit.q]\nstore = \"shared\"\nquota = \"5/day\"\nper = \"header:x-k\"\non-failure = \"reject\"\n\
             lease = \"0s\"\n[[route]]\npath = \"/r\"\nlimit = \"l\"\nto = {{ status = 204 }}\n\
             [[route]]\npath = \"/q\"\nlimit = \"q\"\nto = {{ status = 204 }}\n",
            server.url()
        ))
    };
    for failure in ["allow", "reject"] {
        let janua = several(&setup(failure), 1).await.remove(0);
        server.command(&["FLUSHALL"]);
        server.pause();
        let mut asked = Vec::new();
        for number in 0..4 {
            asked.push(sent(&janua, "/r", format!("{failure} {number}")).await);
        }
        let fetches = "janua_limit_store_fetches_total{limit=\"l\"}";
        until("they wait", || janua.counted(fetches) == 4).await;
        for (turn, status) in [204, 429, 429].into_iter().enumerate() {
            assert_eq!(
                sent(&janua, "/r", "mine".into()).await.await.unwrap(),
                status,
                "{failure} {turn}"
            );
        }
        for key in 0..8 {
            assert_eq!(
                sent(&janua, "/q", format!("{key}")).await.await.unwrap(),
                204,
                "{failure} {key}"
            );
        }
        for limit in ["l", "q"] {
            let down = format!("janua_limit_store_down{{limit=\"{limit}\"}}");
            assert_eq!(janua.counted(&down), 0, "{failure} {limit}");
        }
        server.go_on();
        for asked in asked {
            assert_eq!(soon("an answer", asked).await.unwrap(), 204);
        }
        let told = || server.command(&["KEYS", "janua:quota:q:*"]).lines().count() == 8;
        until("all are told", told).await;
    }
}
