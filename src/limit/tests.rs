//! Limits as a route has them, with time that stands still unless somebody waits.

use std::{
    borrow::Cow,
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::{task::JoinHandle, time::Instant};

use super::{Limiter, Limits, Pass, Place, Refusal, Verdict, Visit};
use crate::{
    config::{self, Config, LimitUse, Path, Problems},
    key::{Ask, Who},
    metrics::{Loading, Registry},
    reject::Reject,
    store::{Store, Stores},
};

/// A configuration's limits, and a route that names some of them.
struct Gate {
    limits: Limits,
    limiter: Arc<Limiter>,
    metrics: Registry,
}

impl Gate {
    fn new(sections: &str, names: &[&str]) -> Self {
        Self::after(None, sections, names)
    }

    fn after(before: Option<&Self>, sections: &str, names: &[&str]) -> Self {
        Self::with_params(before, sections, names, &[])
    }

    fn with_params(
        before: Option<&Self>,
        sections: &str,
        names: &[&str],
        params: &[Box<str>],
    ) -> Self {
        let config: Config = toml::from_str(sections).unwrap();
        let mut problems = Problems::new();
        let mut metrics = match before {
            Some(before) => Loading::after(&before.metrics, 1, Reject::REASONS),
            None => Loading::first(1, Reject::REASONS, 0),
        };
        let before = before.map(|before| &before.limits);
        // Nobody connects them, so they are away.
        let store = |(name, section): (&String, &config::Store)| {
            let at = Path::root();
            let made = Store::compile(name, section, Arc::default(), &at, &mut problems);
            (name.clone(), made.map(Arc::new))
        };
        let stores: Stores = config.store.iter().map(store).collect();
        let mut limits = Limits::compile(&config, before, &stores, &mut metrics, &mut problems);
        let uses: Vec<_> = names.iter().map(|name| LimitUse::Word((*name).into())).collect();
        let place = Place { route: "r", told: "default", params, asks: true, at: &Path::root() };
        let limiter = limits.of_route(&uses, place, &mut metrics, &mut problems);
        limits.forget();
        let limiter = Arc::new(limiter.unwrap_or_else(|| panic!("{problems:?}")));
        Self { limits, limiter, metrics: metrics.finish() }
    }

    fn one(keys: &str) -> Self {
        Self::new(&format!("[limit.l]\n{keys}\n"), &["l"])
    }

    /// A request of a client's: what it got and how long it waited, or why it may not go.
    fn ask(&self, client: u8) -> impl Future<Output = Answer> + Send + use<> {
        ask(self.limiter.clone(), client, HeaderMap::new(), Method::GET)
    }

    /// The same of somebody who has the role `gold`, or of anybody.
    fn ask_as(&self, gold: bool, client: u8) -> impl Future<Output = Answer> + Send + use<> {
        let role = gold.then_some((GOLD, HeaderValue::from_static("")));
        ask(self.limiter.clone(), client, role.into_iter().collect(), Method::GET)
    }

    /// The same, sent now and beside others.
    async fn send(&self, client: u8) -> JoinHandle<Answer> {
        let sent = tokio::spawn(self.ask(client));
        tokio::task::yield_now().await;
        sent
    }

    /// A request that is not to wait: whether it may go.
    async fn may(&self, client: u8) -> bool {
        self.ask(client).await.is_ok()
    }

    fn page(&self) -> String {
        self.limits.measure(&self.metrics);
        self.metrics.encode(&crate::metrics::Outside::default())
    }

    fn shows(&self, line: &str) -> bool {
        self.page().lines().any(|found| found == line)
    }
}

thread_local! {
    /// The time by the calendar, which here only tests move: noon on the 15th of November 2023.
    static WALL: Cell<u64> = const { Cell::new(19_676 * DAY + DAY / 2) };
}

/// A request with this field is made by somebody who has the role `gold`.
const GOLD: HeaderName = HeaderName::from_static("x-gold");

struct Gold;

impl Who for Gold {
    fn name(&self) -> (&str, &str) {
        ("k", "g")
    }

    fn owner(&self) -> Option<&str> {
        None
    }

    fn has_role(&self, role: &str) -> bool {
        role == "gold"
    }

    fn has_scope(&self, _: &str) -> bool {
        false
    }

    fn claim(&self, _: &str) -> Option<Cow<'_, serde_json::Value>> {
        None
    }

    fn has_name(&self) -> bool {
        true
    }

    fn is_somebody(&self) -> bool {
        true
    }

    fn told(&self, _: &mut dyn FnMut(&[u8])) {}
}

/// In milliseconds.
const DAY: u64 = 86_400_000;

type Answer = Result<(Pass, Duration), Refusal>;

async fn ask(limiter: Arc<Limiter>, client: u8, headers: HeaderMap, method: Method) -> Answer {
    let came = Instant::now();
    let mut pass = Pass::default();
    let with = |pass: &mut Pass, act: &mut dyn FnMut(&Ask<'_>, Visit<'_>) -> Verdict| {
        let client = Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, client)));
        let (headers, method) = (&headers, &method);
        // In the path whatever a field says.
        let id = headers.get("x-id").and_then(|id| id.to_str().ok());
        let (now, param) = (Instant::now(), &|_: &str| id);
        let ask = Ask {
            now,
            wall: &|| WALL.get(),
            client,
            method,
            headers,
            route: "r",
            param,
            who: headers.contains_key(GOLD).then_some(&Gold as &dyn Who),
        };
        act(&ask, Visit { pass, worker: 0, reported: &mut None })
    };
    let mut verdict = with(&mut pass, &mut |ask, visit| limiter.take(ask, visit));
    loop {
        let waiting = match verdict {
            Verdict::Go => {
                pass.keep();
                return Ok((pass, came.elapsed()));
            }
            Verdict::Refuse(refusal) => return Err(refusal),
            Verdict::Wait(waiting) => waiting,
        };
        let mut turn = Some(waiting.wait().await);
        verdict = with(&mut pass, &mut |ask, visit| match turn.take().unwrap() {
            Ok(turn) => limiter.go_on(turn, ask, visit),
            Err(lost) => Verdict::Refuse(limiter.give_up(lost, ask, visit)),
        });
    }
}

fn millis(answer: &Answer) -> u128 {
    answer.as_ref().map(|(_, waited)| waited.as_millis()).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);
const SLOT: Duration = Duration::from_millis(100);

fn over(retry_after: Duration) -> Option<Refusal> {
    Some(Refusal { reject: Reject::LimitRate, retry_after: Some(retry_after) })
}

#[tokio::test(start_paused = true)]
async fn each_key_has_its_allowance_and_is_told_when_to_come_again() {
    let gate = Gate::one("rate = \"10/s\"\nburst = 2");
    assert!(gate.may(1).await && gate.may(1).await);
    assert_eq!(gate.ask(1).await.err(), over(SLOT));
    assert!(gate.may(2).await, "another key");
    tokio::time::advance(SLOT - Duration::from_millis(1)).await;
    assert_eq!(gate.ask(1).await.err(), over(Duration::from_millis(1)));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(gate.may(1).await);
    assert!(gate.shows("janua_limit_allowed_total{limit=\"l\"} 4"));
    assert!(gate.shows("janua_limit_rejected_total{limit=\"l\",reason=\"limit.rate\"} 2"));
    assert!(gate.shows("janua_limit_keys{limit=\"l\"} 1"), "the other has paid");
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_a_request_waits_its_turn_or_is_refused_at_once() {
    let gate = Gate::one("rate = \"10/s\"\nburst = 1\nover = { delay = \"300ms\" }");
    assert!(gate.may(1).await);
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(gate.send(1).await);
    }
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"good\"} 1"));
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"bad\"} 2"));
    let last = sent.pop().unwrap();
    assert!(last.is_finished(), "its turn would come too late, and it waits");
    assert_eq!(last.await.unwrap().err(), over(4 * SLOT));
    for (place, sent) in sent.into_iter().enumerate() {
        let waited = millis(&sent.await.unwrap());
        let due = (place as u128 + 1) * 100;
        assert!((due..due + 5).contains(&waited), "{waited} ms at place {place}");
    }
    assert!(gate.shows("janua_limit_delay_seconds_count{limit=\"l\"} 3"));
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"bad\"} 0"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_all_that_the_rate_gives_and_not_more() {
    // How many run is bounded as well, but by far more than there are.
    for concurrent in ["", "concurrent = 9000\n"] {
        // Faster than a timer ticks.
        let gate = Gate::one(&format!(
            "{concurrent}rate = \"10000/s\"\nburst = 1\nover = {{ delay = \"5s\" }}\n\
             max-waiting = 9000\npriority = false"
        ));
        let start = Instant::now();
        let mut sent = Vec::new();
        for _ in 0..4_001 {
            sent.push(gate.send(1).await);
        }
        for sent in sent {
            assert!(sent.await.unwrap().is_ok());
        }
        let took = start.elapsed().as_millis();
        assert!((399..=410).contains(&took), "{took} ms, {concurrent}");
    }
}

/// A hundred times harder than the others, who share an allowance with it.
#[tokio::test(start_paused = true)]
async fn a_client_that_floods_a_shared_allowance_gets_its_share_and_delays_nobody() {
    for priority in [true, false] {
        let gate = Arc::new(Gate::one(&format!(
            "rate = \"10/s\"\nburst = 1\nper = \"global\"\nover = {{ delay = \"5s\" }}\n\
             max-waiting = 60\npriority = {priority}"
        )));
        let start = Instant::now();
        let flood = {
            let gate = gate.clone();
            tokio::spawn(async move {
                let mut sent = Vec::new();
                while start.elapsed() < 20 * SECOND {
                    sent.push(gate.send(99).await);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let mut served = 0;
                for sent in sent {
                    served += u32::from(sent.await.unwrap().is_ok());
                }
                served
            })
        };
        tokio::time::sleep(2 * SECOND).await;
        let mut others = Vec::new();
        for turn in 0..36_u8 {
            others.push(gate.send(turn % 9).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        for (turn, other) in others.into_iter().enumerate() {
            let waited = millis(&other.await.unwrap());
            assert!(waited <= 105, "request {turn} waited {waited} ms behind the flood");
        }
        let served = flood.await.unwrap();
        // 20 s, and at most 5 s for what was in the queue then.
        assert!((160..=216).contains(&served), "{served}");
    }
}

/// Two in a closed loop, with one connection and with so many: how often each was served in 6 s.
async fn in_closed_loops(keys: &str, connections: [u8; 2]) -> [u32; 2] {
    let gate = Arc::new(Gate::one(keys));
    let (start, mut loops) = (Instant::now(), Vec::new());
    for client in [0, 1] {
        for _ in 0..connections[usize::from(client)] {
            let gate = gate.clone();
            loops.push(tokio::spawn(async move {
                let mut served = [0; 2];
                while start.elapsed() < 6 * SECOND {
                    match gate.ask(client).await {
                        Ok(_) => served[usize::from(client)] += 1,
                        Err(_) => tokio::time::sleep(SLOT).await,
                    }
                }
                served
            }));
        }
    }
    let mut all = [0; 2];
    for one in loops {
        let served = one.await.unwrap();
        all = [all[0] + served[0], all[1] + served[1]];
    }
    all
}

#[tokio::test(start_paused = true)]
async fn who_has_one_request_at_a_time_gets_no_more_than_who_has_five() {
    let keys = "rate = \"10/s\"\nburst = 1\nper = \"global\"\nover = { delay = \"3s\" }\n\
                priority = false";
    for connections in [[1, 5], [5, 1]] {
        let served = in_closed_loops(keys, connections).await;
        assert!(served.iter().all(|served| (28..=36).contains(served)), "{served:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_did_not_keep_within_its_limits_is_behind_others_and_still_gets_something() {
    let keys = "rate = \"10/s\"\nburst = 1\nper = \"global\"\nover = { delay = \"3s\" }";
    for connections in [[1, 2], [1, 100]] {
        let [good, bad] = in_closed_loops(keys, connections).await;
        assert!((48..=58).contains(&good) && (5..=12).contains(&bad), "{good} and {bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_floods_fills_neither_the_queue_nor_the_time_of_others() {
    let gate =
        Gate::one("rate = \"10/s\"\nburst = 1\nover = { delay = \"60s\" }\nmax-waiting = 20");
    assert!(gate.may(1).await && gate.may(2).await && gate.may(3).await);
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(gate.send(1).await);
    }
    let waiting = flood.iter().filter(|sent| !sent.is_finished()).count();
    assert!((2..=10).contains(&waiting), "{waiting} of 20 places");
    for client in [2, 3, 4] {
        let waited = millis(&gate.ask(client).await);
        assert!(waited <= 101, "{client} waited {waited} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_many_keys_leaves_half_of_the_queue_to_others() {
    let keys = "per = [\"ip\", \"path:id\"]\nrate = \"60/h\"\nburst = 1\nmax-waiting = 100\n\
                over = { delay = \"4m\" }\npriority = false";
    let sections = format!("[limit.l]\n{keys}\n");
    let gate = Gate::with_params(None, &sections, &["l"], &["id".into()]);
    let send = |client: u8, id: usize| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-id"), id.into())]);
        tokio::spawn(ask(gate.limiter.clone(), client, headers, Method::GET))
    };
    for _ in 0..2 {
        let mut flood = Vec::new();
        for id in 0..150 {
            flood.extend([send(1, id), send(1, id)]);
            tokio::task::yield_now().await;
        }
        let waits = |sent: &[JoinHandle<_>]| sent.iter().filter(|one| !one.is_finished()).count();
        assert_eq!(waits(&flood), 50, "half of the places");
        let mut others = Vec::new();
        for id in 0..40 {
            others.extend([send(2, id), send(2, id)]);
            tokio::task::yield_now().await;
        }
        assert_eq!(waits(&others), 25, "half of the rest");
        flood.iter().for_each(JoinHandle::abort);
        // Whoever leaves, or has its turn, leaves its place.
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"good\"} 0"));
    }
}

/// An organisation's key, say, or an address that several identities come from.
#[tokio::test(start_paused = true)]
async fn a_client_that_floods_a_key_leaves_places_to_others_of_the_same_key() {
    for priority in [true, false] {
        let gate = Gate::one(&format!(
            "rate = \"10/s\"\nburst = 1\nper = \"header:x-org\"\nmax-waiting = 20\n\
             over = {{ delay = \"60s\" }}\npriority = {priority}"
        ));
        let send = |client: u8| {
            let org = (HeaderName::from_static("x-org"), HeaderValue::from_static("acme"));
            let headers = HeaderMap::from_iter([org]);
            tokio::spawn(ask(gate.limiter.clone(), client, headers, Method::GET))
        };
        let start = Instant::now();
        while start.elapsed() < 5 * SECOND {
            let flood: Vec<_> = (0..30).map(|_| send(1)).collect();
            tokio::task::yield_now().await;
            let waited = millis(&send(2).await.unwrap());
            assert!(waited <= 205, "{priority}: {waited} ms");
            drop(flood);
        }
        let bad = u8::from(priority);
        assert!(gate.shows(&format!("janua_limit_clients_in_bad_standing {bad}")), "{priority}");
    }
}

/// Where the allowance is free by then, and only the queue is full.
#[tokio::test(start_paused = true)]
async fn who_finds_the_queue_of_a_rate_full_is_not_told_of_those_who_run() {
    let limit = "rate = \"1/s\"\nburst = 1\nmax-waiting = 1\nover = { delay = \"9s\" }";
    for (more, reject) in [("", Reject::LimitRate), ("concurrent = 9", Reject::LimitConcurrent)] {
        let gate = Gate::one(&format!("{limit}\n{more}"));
        assert!(gate.may(1).await);
        let _waits = gate.send(1).await;
        let ask = Ask {
            now: Instant::now(),
            wall: &|| WALL.get(),
            client: Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, 2))),
            method: &Method::GET,
            headers: &HeaderMap::new(),
            route: "r",
            param: &|_| None,
            who: None,
        };
        let limit = &gate.limiter.limits[0];
        let refusal = limit.sit(limit.claim(&ask).0, &ask).unwrap_err();
        assert_eq!(refusal, Refusal { reject, retry_after: Some(SECOND) });
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_wait_all_limits_tell_what_is_left_by_then() {
    let sections = "[limit.a]\nrate = \"1/s\"\nburst = 10\nheaders = \"always\"\n\
                    [limit.b]\nrate = \"15/m\"\nburst = 1\nover = { delay = \"9s\" }\n";
    let gate = Gate::new(sections, &["a", "b"]);
    for (waits, left) in [(0, 9), (4, 10)] {
        let (pass, waited) = gate.ask(1).await.unwrap();
        assert_eq!(waited.as_secs(), waits);
        let mut headers = HeaderMap::new();
        gate.limiter.tell(&pass, &mut headers);
        let told = headers["ratelimit"].to_str().unwrap();
        assert!(told.starts_with(&format!("\"a\";r={left};")), "{told}");
        assert_eq!(headers.get_all("ratelimit").iter().count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_two_limits_of_an_answer_have_one_name() {
    let sections = "[limit.default]\nrate = \"9/s\"\nheaders = \"always\"\n\
                    [limit.default-3]\nrate = \"8/s\"\nheaders = \"always\"\n";
    let gate = Gate::new(sections, &["default", "1/h", "default-3"]);
    let mut headers = HeaderMap::new();
    for limit in &gate.limiter.limits {
        limit.others.policy.as_ref().unwrap().tell(1, 1, 0, &mut headers);
    }
    let told = headers.get_all("ratelimit").iter();
    let mut told: Vec<_> = told.map(|told| told.to_str().unwrap().split(';').next()).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 3, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_keeps_within_the_limit_is_not_taken_for_those_who_wait() {
    let gate = Gate::one("rate = \"1/s\"\nover = { delay = \"60s\" }");
    let mut waits = Vec::new();
    for client in 0..100 {
        assert!(gate.may(client).await);
        waits.push(gate.send(client).await);
    }
    for client in 100..200 {
        assert_eq!(millis(&gate.ask(client).await), 0, "{client}");
    }
    assert!(gate.shows("janua_limit_offences_total{limit=\"l\"} 100"));
    assert!(gate.shows("janua_limit_clients_in_bad_standing 100"));
    assert!(gate.shows("janua_limit_delay_seconds_count{limit=\"l\"} 0"));
}

/// Nobody may save up what a rate gives while others run.
#[tokio::test(start_paused = true)]
async fn who_waited_for_others_to_end_comes_at_the_rate_all_the_same() {
    let keys = "rate = \"10/s\"\nburst = 1\nconcurrent = 3\nover = { delay = \"60s\" }";
    let gate = Gate::one(keys);
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(gate.ask(1).await.unwrap());
    }
    let sent = [gate.send(1).await, gate.send(1).await, gate.send(1).await];
    tokio::time::sleep(5 * SECOND).await;
    let start = Instant::now();
    drop(runs);
    for sent in sent {
        assert!(sent.await.unwrap().is_ok());
    }
    assert!(start.elapsed() >= 2 * SLOT, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn clients_that_kept_within_their_limits_go_first() {
    for (priority, first) in [("true", 2), ("false", 1)] {
        let sections = format!(
            "[limit.own]\nrate = \"1/s\"\n[limit.all]\nrate = \"10/s\"\nburst = 1\n\
             per = \"global\"\nover = {{ delay = \"5s\" }}\npriority = {priority}\n"
        );
        let own = Gate::new(&sections, &["own"]);
        assert!(own.may(1).await);
        for _ in 0..5 {
            assert!(!own.may(1).await);
        }
        let all = Gate::new(&sections, &["all"]);
        // The same house: who breaks one limit is known at the other.
        let all = Gate { limits: own.limits, ..all };
        let uses = [LimitUse::Word("all".into())];
        let place =
            Place { route: "r", told: "default", params: &[], asks: true, at: &Path::root() };
        let mut problems = Problems::new();
        let mut loading = Loading::after(&all.metrics, 1, Reject::REASONS);
        let limiter = all.limits.of_route(&uses, place, &mut loading, &mut problems).unwrap();
        let all = Gate { limiter: Arc::new(limiter), ..all };
        assert!(all.may(9).await);
        let bad = all.send(1).await;
        let good = all.send(2).await;
        let (bad, good) = (bad.await.unwrap(), good.await.unwrap());
        let winner = if millis(&good) < millis(&bad) { 2 } else { 1 };
        assert_eq!(winner, first, "priority = {priority}");
        assert!(all.shows("janua_limit_clients_in_bad_standing 1"), "{}", all.page());
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_its_place_and_somebody_else_drives() {
    let gate = Gate::one("rate = \"10/s\"\nburst = 1\nover = { delay = \"5s\" }");
    assert!(gate.may(1).await);
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(gate.send(1).await);
    }
    // The first drives the lane, the fourth is in the middle of it.
    for gone in [3, 0] {
        let gone = sent.remove(gone);
        gone.abort();
        assert!(gone.await.is_err());
    }
    let mut waits = Vec::new();
    for sent in sent {
        waits.push(millis(&sent.await.unwrap()));
    }
    assert!(waits.is_sorted() && waits[0] <= 105 && waits[2] <= 305, "{waits:?}");
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"good\"} 0"));
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"bad\"} 0"));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_it_waits_gives_back_what_other_limits_gave() {
    let sections = "[limit.a]\nrate = \"1/h\"\nburst = 2\n\
                    [limit.b]\nrate = \"1/m\"\nover = { delay = \"2m\" }\n";
    let gate = Gate::new(sections, &["a", "b"]);
    assert!(gate.may(1).await);
    for _ in 0..3 {
        let gone = gate.send(1).await;
        gone.abort();
        assert!(gone.await.is_err());
    }
    assert_eq!(millis(&gate.ask(1).await), 60_000, "the second of two an hour");
    assert!(!gate.may(1).await);
}

/// Ten wait in vain for somebody who runs, and meanwhile time gives the first limit back all that it gave them.
#[tokio::test(start_paused = true)]
async fn what_comes_back_after_a_long_wait_is_no_gift() {
    let sections = "[limit.a]\nrate = \"10/s\"\n\
                    [limit.b]\nconcurrent = 1\npriority = false\nover = { delay = \"5s\" }\n";
    let both = Gate::new(sections, &["a", "b"]);
    let alone = Gate::after(Some(&both), sections, &["a"]);
    for gone in [false, true] {
        let _runs = both.ask(1).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..9 {
            waiting.push(both.send(1).await);
        }
        assert!(!alone.may(1).await, "they took all that there is");
        tokio::time::sleep(Duration::from_millis(4_990)).await;
        let mut let_in = 0;
        while alone.may(1).await {
            let_in += 1;
        }
        assert_eq!(let_in, 10, "a burst");
        if gone {
            waiting.iter().for_each(JoinHandle::abort);
        }
        for one in waiting {
            assert!(!matches!(one.await, Ok(Ok(_))), "nobody ended");
        }
        assert!(!alone.may(1).await, "gone: {gone}");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_a_time_and_the_next_waits_for_one_to_end() {
    let gate = Gate::one("concurrent = 2\nover = { delay = \"10s\" }");
    let (first, second) = (gate.ask(1).await.unwrap(), gate.ask(1).await.unwrap());
    let other = gate.ask(2).await.unwrap();
    let (third, fourth) = (gate.send(1).await, gate.send(1).await);
    drop(other);
    tokio::time::sleep(SECOND).await;
    assert!(!third.is_finished() && !fourth.is_finished());
    drop(first);
    let third = third.await.unwrap().unwrap();
    assert!(!fourth.is_finished());
    fourth.abort();
    assert!(fourth.await.is_err());
    drop((second, third));
    assert!(gate.may(1).await && gate.may(1).await);
    assert!(gate.shows("janua_limit_keys{limit=\"l\"} 0"), "nobody runs: {}", gate.page());
}

#[tokio::test(start_paused = true)]
async fn a_tier_runs_with_everybody_unless_it_says_itself_how_many_run() {
    for per in ["global", "ip", "route"] {
        for (tier, beside) in [
            ("\"200/s\"", false),
            ("{ rate = \"200/s\", burst = 3 }", false),
            ("{ quota = \"5/day\" }", false),
            ("{ rate = \"200/s\", concurrent = 1 }", true),
            ("{ concurrent = 2 }", true),
            ("{ concurrent = 1 }", true),
            ("{ rate = \"100/s\", concurrent = 1 }", true),
        ] {
            let gate = Gate::one(&format!(
                "rate = \"100/s\"\nconcurrent = 1\nper = \"{per}\"\ntiers = {{ gold = {tier} }}"
            ));
            for gold in [false, true] {
                let runs = gate.ask_as(gold, 1).await.unwrap();
                let other = gate.ask_as(!gold, 1).await;
                assert_eq!(other.is_ok(), beside, "{per} {tier} {gold}");
                drop((runs, other));
                assert!(gate.ask_as(!gold, 1).await.is_ok(), "{per} {tier}: it has ended");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_others_to_end_goes_when_it_is_first_whatever_tier_it_is_of() {
    for per in ["global", "ip"] {
        let gate = Gate::one(&format!(
            "rate = \"100/s\"\nconcurrent = 1\nper = \"{per}\"\ntiers = {{ gold = \"200/s\" }}\n\
             over = {{ delay = \"60s\" }}\npriority = false"
        ));
        for order in [[true, false, true], [false, true, false]] {
            let mut runs = gate.ask_as(!order[0], 1).await.unwrap();
            let mut sent = Vec::new();
            for gold in order {
                sent.push(tokio::spawn(gate.ask_as(gold, 1)));
                tokio::time::sleep(SECOND).await;
            }
            while !sent.is_empty() {
                assert!(sent.iter().all(|one| !one.is_finished()), "{per}: one runs");
                drop(runs);
                runs =
                    tokio::time::timeout(SECOND, sent.remove(0)).await.unwrap().unwrap().unwrap();
                tokio::time::sleep(SECOND).await;
            }
        }
        // A rate of its own nobody else's lane holds up.
        let slow = Gate::one(&format!(
            "rate = \"1/m\"\nburst = 1\nconcurrent = 9\nper = \"{per}\"\ntiers = {{ gold = \"9/s\" }}\n\
             over = {{ delay = \"4m\" }}"
        ));
        assert!(slow.may(1).await);
        let waits = slow.send(1).await;
        assert_eq!(millis(&slow.ask_as(true, 1).await), 0);
        assert_eq!(millis(&waits.await.unwrap()) / 1_000, 60);
        assert!(slow.shows("janua_limit_waiting{limit=\"l\",standing=\"good\"} 0"));
    }
}

/// A tier has a lane of its own where it waits, and the same places.
#[tokio::test(start_paused = true)]
async fn a_flood_in_one_tier_keeps_nobody_of_another_from_a_place() {
    for (per, keys) in [("global", ""), ("global", "priority = false"), ("ip", "priority = false")]
    {
        let gate = Arc::new(Gate::one(&format!(
            "rate = \"1000/s\"\nconcurrent = 2\nper = \"{per}\"\ntiers = {{ gold = \"2000/s\" }}\n\
             over = {{ delay = \"5s\" }}\nmax-waiting = 60\n{keys}"
        )));
        for flood in [false, true] {
            let start = Instant::now();
            let mut runs = Vec::new();
            for _ in 0..40 {
                let gate = gate.clone();
                runs.push(tokio::spawn(async move {
                    let mut served = 0;
                    while start.elapsed() < 10 * SECOND {
                        match gate.ask_as(flood, 1).await {
                            Ok(_pass) => {
                                tokio::time::sleep(SLOT).await;
                                served += 1;
                            }
                            Err(_) => tokio::time::sleep(SLOT / 5).await,
                        }
                    }
                    served
                }));
            }
            tokio::time::sleep(2 * SECOND).await;
            for turn in 0..10 {
                let answer = gate.ask_as(!flood, if per == "ip" { 1 } else { 2 }).await;
                let waited = millis(&answer);
                assert!(waited <= 105, "{per} {keys} {flood} {turn}: {waited} ms behind the flood");
                tokio::time::sleep(SLOT * 2).await;
            }
            let mut served = 0;
            for one in runs {
                served += one.await.unwrap();
            }
            assert!(served >= 150, "{per} {keys} {flood}: who is alone gets all, and not {served}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_comes_or_goes_forgives_nobody() {
    for per in ["global", "route", "ip"] {
        let limit = |tiers: &str| {
            format!("[limit.l]\nper = \"{per}\"\nrate = \"3/h\"\nconcurrent = 2\n{tiers}\n")
        };
        let with = limit("tiers = { gold = \"5/h\" }");
        let first = Gate::new(&limit(""), &["l"]);
        let runs = [first.ask(1).await.unwrap(), first.ask(1).await.unwrap()];
        let second = Gate::after(Some(&first), &with, &["l"]);
        second.limits.start();
        for gold in [false, true] {
            let refusal = second.ask_as(gold, 1).await.unwrap_err();
            assert_eq!(refusal.reject, Reject::LimitConcurrent, "{per}: two run");
        }
        drop(runs);
        assert!(second.may(1).await && !second.may(1).await, "{per}: one of three was left");
        for _ in 0..5 {
            assert!(second.ask_as(true, 1).await.is_ok(), "{per}: a rate of its own");
        }
        assert!(second.ask_as(true, 1).await.is_err(), "{per}");
        let third = Gate::after(Some(&second), &limit(""), &["l"]);
        assert!(!third.may(1).await, "{per}: none of three was left");
        let fourth = Gate::after(Some(&third), &with, &["l"]);
        assert!(fourth.ask_as(true, 1).await.is_err(), "{per}: none of five was left");
    }
}

#[tokio::test(start_paused = true)]
async fn another_way_to_the_same_store_forgives_nobody_and_counts_all_who_run() {
    let limit = |store: &str, keys: &str| {
        format!(
            "[store.s]\n{store}\n[limit.l]\nstore = \"s\"\nrate = \"3/h\"\nconcurrent = 2\n{keys}\n\
             [limit.q]\nstore = \"s\"\nquota = \"3/month\"\ngateways = 3\n{keys}\n"
        )
    };
    let here = "url = \"unix:/nowhere\"";
    let reload = |before: &Gate, text: &str, name| {
        let gate = Gate::after(Some(before), text, &[name]);
        gate.limits.start();
        gate
    };
    let first = Gate::new(&limit(here, ""), &["l"]);
    first.limits.start();
    let runs = [first.ask(1).await.unwrap(), first.ask(1).await.unwrap()];
    let quota = reload(&first, &limit(here, ""), "q");
    assert!(quota.may(1).await && !quota.may(1).await, "its part");
    let mut before = quota;
    for (store, keys) in [
        ("timeout = \"70ms\"", ""),
        ("max-waiting = 7\nmax-failures = 9", ""),
        ("timeout = \"70ms\"", "max-keys = 77"),
        ("", "max-keys = 5000"),
    ] {
        let text = limit(&format!("{here}\n{store}"), keys);
        let rate = reload(&before, &text, "l");
        let refusal = rate.ask(1).await.unwrap_err();
        assert_eq!(refusal.reject, Reject::LimitConcurrent, "{store} {keys}: two run");
        before = reload(&rate, &text, "q");
        let refusal = before.ask(1).await.unwrap_err();
        assert_eq!(refusal.reject, Reject::LimitQuota, "{store} {keys}: its part was used up");
    }
    drop(runs);
    let text = limit(here, "");
    let rate = reload(&before, &text, "l");
    assert!(rate.may(1).await && !rate.may(1).await, "two of three an hour were taken");
    // Elsewhere nothing was counted yet; who runs does so here.
    let runs = first.ask(2).await.unwrap();
    let elsewhere = limit("url = \"unix:/elsewhere\"", "");
    assert!(reload(&rate, &elsewhere, "q").may(1).await);
    let rate = reload(&rate, &elsewhere, "l");
    let other = rate.ask(2).await.unwrap();
    assert_eq!(rate.ask(2).await.unwrap_err().reject, Reject::LimitConcurrent);
    drop((runs, other));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_for_others_to_end_is_refused_in_time() {
    let gate = Gate::one("concurrent = 1\nover = { delay = \"2s\" }");
    let _runs = gate.ask(1).await.unwrap();
    let start = Instant::now();
    let refusal = gate.ask(1).await.unwrap_err();
    assert_eq!(refusal.reject, Reject::LimitConcurrent);
    assert!((2..3).contains(&start.elapsed().as_secs()));
    let gate = Gate::one("concurrent = 1");
    let _runs = gate.ask(1).await.unwrap();
    assert_eq!(gate.ask(1).await.unwrap_err().reject, Reject::LimitConcurrent);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_takes_is_given_back() {
    let gate = Gate::one("concurrent = 1\nover = { delay = \"10s\" }");
    let runs = gate.ask(1).await.unwrap();
    let (gone, next) = (gate.send(1).await, gate.send(1).await);
    // Its turn comes, and it goes away before it looks.
    drop(runs);
    gone.abort();
    let next = tokio::time::timeout(SECOND, next).await;
    assert!(next.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_limit_gave_is_given_back_when_another_refuses() {
    let gate = Gate::new(
        "[limit.a]\nrate = \"1/s\"\nburst = 3\nconcurrent = 5\n\
         [limit.b]\nrate = \"1/h\"\nburst = 1\nper = \"global\"\n",
        &["a", "b"],
    );
    let runs = gate.ask(1).await.unwrap();
    for _ in 0..20 {
        assert!(!gate.may(2).await);
    }
    let alone = Gate::after(Some(&gate), "[limit.a]\nrate = \"1/s\"\nburst = 3\n", &["a"]);
    for _ in 0..3 {
        assert!(alone.may(2).await, "the refused requests were charged");
    }
    assert!(!alone.may(2).await);
    drop(runs);
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_trial_stops_nobody_and_takes_nothing_for_what_it_would_stop() {
    let gate =
        Gate::one("rate = \"1/s\"\nburst = 2\nenforce = \"report\"\nover = { delay = \"1s\" }");
    for _ in 0..7 {
        assert_eq!(millis(&gate.ask(1).await), 0);
    }
    assert!(gate.shows("janua_limit_reports_total{limit=\"l\",reason=\"limit.rate\"} 5"));
    tokio::time::advance(SECOND).await;
    assert!(gate.may(1).await);
    assert!(gate.shows("janua_limit_allowed_total{limit=\"l\"} 3"));
}

#[tokio::test(start_paused = true)]
async fn a_request_costs_what_is_said() {
    let gate = Gate::one(
        "rate = \"10/s\"\nheaders = \"always\"\n\
         cost = { header = \"x-cost\", POST = 5, OPTIONS = 0, GET = 2 }",
    );
    let left = async |method: Method, cost: Option<&'static str>| {
        tokio::time::advance(SECOND).await;
        let mut headers = HeaderMap::new();
        if let Some(cost) = cost {
            headers.insert("x-cost", HeaderValue::from_static(cost));
        }
        let (pass, _) = ask(gate.limiter.clone(), 1, headers, method).await?;
        let mut told = HeaderMap::new();
        gate.limiter.tell(&pass, &mut told);
        let told = told["ratelimit"].to_str().unwrap().to_owned();
        Ok::<_, Refusal>(told.split("r=").nth(1).unwrap().split(';').next().unwrap().to_owned())
    };
    for (method, cost, expected) in [
        (Method::GET, None, "8"),
        (Method::HEAD, None, "8"),
        (Method::POST, None, "5"),
        (Method::OPTIONS, None, "10"),
        (Method::PUT, None, "9"),
        (Method::POST, Some("7"), "3"),
        (Method::POST, Some("0"), "5"),
        (Method::POST, Some("-3"), "5"),
        (Method::POST, Some("much"), "5"),
        (Method::PUT, Some("10"), "0"),
        (Method::GET, Some("1, 5"), "5"),
        (Method::GET, Some("6,much"), "4"),
    ] {
        assert_eq!(left(method.clone(), cost).await.as_deref(), Ok(expected), "{method} {cost:?}");
    }
    // A client writes one before a proxy adds its own.
    tokio::time::advance(SECOND).await;
    let several = [("x-cost", "1"), ("x-cost", "7"), ("x-cost", "2")];
    let several =
        several.map(|(name, cost)| (HeaderName::from_static(name), HeaderValue::from_static(cost)));
    let headers = several.into_iter().fold(HeaderMap::new(), |mut headers, (name, cost)| {
        headers.append(name, cost);
        headers
    });
    assert!(ask(gate.limiter.clone(), 1, headers.clone(), Method::GET).await.is_ok());
    let refusal = ask(gate.limiter.clone(), 1, headers, Method::GET).await.unwrap_err();
    assert_eq!(refusal.retry_after, Some(4 * SLOT), "three are left, and seven it costs");
    let never = Refusal { reject: Reject::LimitCost, retry_after: None };
    for cost in ["11", "18446744073709551615"] {
        assert_eq!(left(Method::GET, Some(cost)).await, Err(never), "{cost}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_outlives_a_reload_as_long_as_the_keys_mean_the_same() {
    let first = Gate::one("rate = \"1/s\"\nburst = 2\nover = { delay = \"9s\" }");
    assert!(first.may(1).await && first.may(1).await);
    let waits = first.send(1).await;
    let same = Gate::after(Some(&first), "[limit.l]\nrate = \"1/s\"\nburst = 2\n", &["l"]);
    assert!(!same.may(1).await, "a reload forgave a debt");
    let faster = Gate::after(Some(&same), "[limit.l]\nrate = \"100/s\"\nburst = 1\n", &["l"]);
    assert!(!faster.may(1).await);
    let other = "[limit.l]\nrate = \"1/s\"\nburst = 2\nper = \"global\"\n";
    assert!(Gate::after(Some(&faster), other, &["l"]).may(1).await, "these are other keys");
    let gone = Gate::after(Some(&faster), "", &[]);
    drop((first, same, faster, gone));
    let waited = millis(&waits.await.unwrap());
    assert!((1_000..1_010).contains(&waited), "{waited}: it goes by the rules it came under");
}

/// Where a tier is slower still, and also for who waits.
#[tokio::test(start_paused = true)]
async fn a_rate_that_was_raised_holds_at_once_whatever_tiers_there_are() {
    for over in ["", "over = { delay = \"3s\" }\n"] {
        let keys = |rate: &str| {
            let slow = "tiers = { slow = { rate = \"1/h\", burst = 10 } }";
            format!("[limit.l]\nrate = \"{rate}\"\n{slow}\n{over}")
        };
        let first = Gate::new(&keys("3/h"), &["l"]);
        for _ in 0..3 {
            assert!(first.may(1).await);
        }
        assert!(!first.may(1).await);
        let second = Gate::after(Some(&first), &keys("10/s"), &["l"]);
        second.limits.start();
        let refused = first.ask(1).await.unwrap_err().retry_after;
        assert!(refused > Some(1_000 * SECOND), "who came by the old rate frees nobody");
        if over.is_empty() {
            assert_eq!(second.ask(1).await.err(), self::over(SLOT));
            tokio::time::advance(SECOND).await;
            for _ in 0..10 {
                assert!(second.may(1).await);
            }
            assert!(!second.may(1).await);
        } else {
            let waits = [second.send(1).await, second.send(1).await];
            for (turn, waits) in waits.into_iter().enumerate() {
                let waited = millis(&waits.await.unwrap()) / 10;
                assert_eq!(waited, 10 * (turn as u128 + 1));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_to_know_more_or_fewer_keys_forgives_nobody() {
    let limit = |keys: u32| {
        format!(
            "[limit.l]\nrate = \"1/s\"\nburst = 2\nconcurrent = 2\nmax-keys = {keys}\n\
             over = {{ delay = \"9s\" }}\n[limit.r]\nrate = \"1/h\"\nmax-keys = {keys}\n"
        )
    };
    let first = Gate::new(&limit(1_000), &["l"]);
    let strict = Gate::after(Some(&first), &limit(1_000), &["r"]);
    for client in 1..100 {
        assert!(strict.may(client).await);
    }
    let (one, two) = (first.ask(1).await.unwrap(), first.ask(1).await.unwrap());
    let waits = first.send(1).await;
    for keys in [7, 900_000] {
        let next = Gate::after(Some(&strict), &limit(keys), &["r"]);
        for client in 1..100 {
            assert!(!next.may(client).await, "{keys}: {client} was limited");
        }
    }
    let more = Gate::after(Some(&strict), &limit(5_000), &["l"]);
    let behind = more.send(1).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(!waits.is_finished() && !behind.is_finished(), "two run, who came before the reload");
    drop((first, strict, one));
    let _third = waits.await.unwrap().unwrap();
    tokio::task::yield_now().await;
    assert!(!behind.is_finished());
    drop(two);
    assert!(behind.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_who_comes_by_new_rules_share_one_queue() {
    let first = Gate::one("rate = \"1/s\"\nburst = 1\nover = { delay = \"9s\" }");
    assert!(first.may(1).await);
    let waits = first.send(1).await;
    let keys = "[limit.l]\nrate = \"2/s\"\nburst = 1\nover = { delay = \"9s\" }\n";
    let second = Gate::after(Some(&first), keys, &["l"]);
    let behind = second.send(1).await;
    let (waits, behind) = (waits.await.unwrap(), behind.await.unwrap());
    assert!((1_000..1_010).contains(&millis(&waits)), "{}", millis(&waits));
    // What went before it took a whole second, as it was then.
    assert!((2_000..2_010).contains(&millis(&behind)), "{}", millis(&behind));
}

/// Who waited, who comes, and what was taken while the new one was made.
#[tokio::test(start_paused = true)]
async fn all_pay_to_the_same_books_when_the_number_of_keys_changes() {
    for per in ["global", "ip"] {
        let limit = |keys: u32| {
            format!(
                "[limit.l]\nrate = \"10/s\"\nburst = 1\nper = \"{per}\"\nmax-keys = {keys}\n\
                 over = {{ delay = \"60s\" }}\n\
                 [limit.q]\nquota = \"5/day\"\nrate = \"1/s\"\nburst = 1\nper = \"{per}\"\n\
                 max-keys = {keys}\nover = {{ delay = \"60s\" }}\n\
                 [limit.h]\nrate = \"9/h\"\nquota = \"9/day\"\nper = \"{per}\"\nmax-keys = {keys}\n"
            )
        };
        let (before, after) = (limit(1_000), limit(5_000));
        let first = Gate::new(&before, &["l"]);
        let start = Instant::now();
        assert!(first.may(1).await);
        let mut sent = Vec::new();
        for _ in 0..10 {
            sent.push(first.send(1).await);
        }
        let second = Gate::after(Some(&first), &after, &["l"]);
        second.limits.take_over();
        for _ in 0..10 {
            sent.push(second.send(1).await);
        }
        for sent in sent {
            assert!(sent.await.unwrap().is_ok());
        }
        let took = start.elapsed().as_millis();
        assert!((1_999..2_020).contains(&took), "{per}: {took} ms for twenty at 10/s");

        let first = Gate::new(&before, &["q"]);
        assert!(first.may(1).await);
        let waits = [first.send(1).await, first.send(1).await, first.send(1).await];
        let second = Gate::after(Some(&first), &after, &["q"]);
        second.limits.take_over();
        for waits in waits {
            assert!(waits.await.unwrap().is_ok());
        }
        tokio::time::sleep(SECOND).await;
        assert!(second.may(1).await, "{per}: the fifth");
        tokio::time::sleep(SECOND).await;
        let refusal = second.ask(1).await.unwrap_err();
        assert_eq!(refusal.reject, Reject::LimitQuota, "{per}");

        let first = Gate::new(&before, &["h"]);
        assert!(first.may(1).await && first.may(1).await);
        let second = Gate::after(Some(&first), &after, &["h"]);
        for _ in 0..7 {
            assert!(first.may(1).await, "it is what holds yet");
        }
        second.limits.take_over();
        assert!(!second.may(1).await, "{per}: all nine were taken");
    }
}

/// What they take from the limits behind the one at which they wait is not taken from what counted before.
#[tokio::test(start_paused = true)]
async fn who_waits_during_a_reload_pays_at_the_limits_behind_to_the_same_books() {
    for per in ["global", "ip"] {
        let limit = |keys: u32| {
            let same = format!("per = \"{per}\"\nmax-keys = {keys}\n");
            format!(
                "[limit.slow]\nrate = \"1/s\"\nburst = 1\nover = {{ delay = \"60s\" }}\n\
                 [limit.q]\nquota = \"4/month\"\n{same}[limit.r]\nrate = \"4/h\"\n{same}"
            )
        };
        for (name, reason) in [("q", Reject::LimitQuota), ("r", Reject::LimitRate)] {
            let first = Gate::new(&limit(1_000), &["slow", name]);
            assert!(first.may(1).await);
            let waits = [first.send(1).await, first.send(1).await];
            let second = Gate::after(Some(&first), &limit(5_000), &["slow", name]);
            second.limits.take_over();
            for waits in waits {
                assert!(waits.await.unwrap().is_ok());
            }
            tokio::time::sleep(SECOND).await;
            assert!(second.may(1).await, "{per} {name}: the fourth");
            tokio::time::sleep(SECOND).await;
            assert_eq!(second.ask(1).await.unwrap_err().reject, reason, "{per}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_runs_is_counted_on_also_if_the_limit_is_gone_for_a_while() {
    let limit = "[limit.l]\nconcurrent = 2\nper = \"global\"\n";
    let first = Gate::new(limit, &["l"]);
    let runs = [first.ask(1).await.unwrap(), first.ask(2).await.unwrap()];
    let mut gone = Gate::after(Some(&first), "", &[]);
    gone = Gate::after(Some(&gone), "", &[]);
    let back = Gate::after(Some(&gone), limit, &["l"]);
    assert_eq!(back.ask(3).await.unwrap_err().reject, Reject::LimitConcurrent);
    drop(runs);
    assert!(back.may(3).await);
    gone = Gate::after(Some(&back), "", &[]);
    assert!(Gate::after(Some(&gone), limit, &["l"]).may(1).await);
}

/// One client whose requests wait at a limit of its own, and others who only want to run.
#[tokio::test(start_paused = true)]
async fn who_waits_at_one_limit_holds_no_place_at_another() {
    for over in ["", "over = { delay = \"60s\" }"] {
        let sections = format!(
            "[limit.outer]\nper = \"global\"\nconcurrent = 2\n{over}\n\
             [limit.mine]\nrate = \"1/s\"\nburst = 1\nover = {{ delay = \"60s\" }}\n"
        );
        let gate = Gate::new(&sections, &["outer", "mine"]);
        assert!(gate.may(1).await);
        let waits = [gate.send(1).await, gate.send(1).await];
        let runs = [gate.ask(2).await.unwrap(), gate.ask(3).await.unwrap()];
        assert!(runs.iter().all(|(_, waited)| waited.is_zero()), "{over}");
        tokio::time::sleep(SECOND * 3).await;
        let [first, second] = waits;
        if over.is_empty() {
            for waits in [first, second] {
                let refusal = waits.await.unwrap().unwrap_err();
                assert_eq!(refusal.reject, Reject::LimitConcurrent, "others run by now");
            }
            drop(runs);
        } else {
            assert!(!first.is_finished() && !second.is_finished(), "others run by now");
            drop(runs);
            let first = first.await.unwrap();
            let second = second.await.unwrap();
            for waited in [millis(&first), millis(&second)] {
                assert!((2_999..3_010).contains(&waited), "{waited} ms");
            }
            let third = gate.send(2).await;
            tokio::time::sleep(SECOND).await;
            assert!(!third.is_finished(), "two run");
            drop((first, second));
            assert!(third.await.unwrap().is_ok());
        }
        let ends = [gate.ask(4).await, gate.ask(5).await];
        assert!(ends.iter().all(Result::is_ok), "{over}: nobody has a place who is gone");
        assert!(gate.shows("janua_limit_waiting{limit=\"outer\",standing=\"good\"} 0"));
    }
}

#[test]
fn many_threads_never_admit_more_than_there_is() {
    for keys in [
        "rate = \"1/h\"\nburst = 500\nper = \"global\"",
        "rate = \"1/h\"\nburst = 500\nper = \"ip\"",
        "quota = \"500/day\"\nper = \"global\"",
        "quota = \"500/month\"\nper = \"ip\"",
        "rate = \"1/h\"\nburst = 600\nquota = \"500/day\"",
    ] {
        let gate = Gate::one(&format!("concurrent = 7\n{keys}"));
        let (runs, admitted) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let answer = futures_util::FutureExt::now_or_never(gate.ask(1));
                        let Some(Ok(pass)) = answer else { continue };
                        assert!(runs.fetch_add(1, Relaxed) < 7);
                        admitted.fetch_add(1, Relaxed);
                        std::hint::spin_loop();
                        runs.fetch_sub(1, Relaxed);
                        drop(pass);
                    }
                });
            }
        });
        // What the other condition refuses is given back, so all of it can be had.
        assert_eq!(admitted.load(Relaxed), 500, "{keys}");
        assert!(gate.shows("janua_limit_allowed_total{limit=\"l\"} 500"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_that_wait_all_get_their_turn() {
    let gate = Gate::one("concurrent = 3\nper = \"global\"\nover = { delay = \"60s\" }");
    let gate = Arc::new(gate);
    let runs = Arc::new(AtomicU32::new(0));
    let mut all = Vec::new();
    for client in 0..200_u8 {
        let (gate, runs) = (gate.clone(), runs.clone());
        all.push(tokio::spawn(async move {
            for _ in 0..20 {
                let pass = gate.ask(client).await.unwrap();
                assert!(runs.fetch_add(1, Relaxed) < 3);
                tokio::task::yield_now().await;
                runs.fetch_sub(1, Relaxed);
                drop(pass);
            }
        }));
    }
    for one in all {
        tokio::time::timeout(Duration::from_secs(30), one).await.unwrap().unwrap();
    }
}

/// A day's quota is over: refused for the rest of the day.
fn used_up(millis: u64) -> Option<Refusal> {
    let retry_after = Some(Duration::from_millis(millis));
    Some(Refusal { reject: Reject::LimitQuota, retry_after })
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_for_a_day_or_a_month_of_the_calendar() {
    for (keys, until) in
        [("quota = \"3/day\"", DAY / 2), ("quota = \"3/month\"", 15 * DAY + DAY / 2)]
    {
        let gate = Gate::one(keys);
        let noon = WALL.get();
        for _ in 0..3 {
            assert!(gate.may(1).await);
        }
        assert_eq!(gate.ask(1).await.err(), used_up(until), "{keys}");
        assert!(gate.may(2).await, "another key");
        assert!(gate.shows("janua_limit_rejected_total{limit=\"l\",reason=\"limit.quota\"} 1"));
        WALL.set(noon + until - 1);
        assert_eq!(gate.ask(1).await.err(), used_up(1), "{keys}");
        WALL.set(noon + until);
        for _ in 0..3 {
            assert!(gate.may(1).await, "{keys}");
        }
        assert!(!gate.may(1).await, "{keys}");
        WALL.set(noon);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_gives_nothing_back() {
    let gate = Gate::one("quota = \"3/day\"");
    let noon = WALL.get();
    assert!(gate.may(1).await && gate.may(1).await);
    WALL.set(noon - DAY);
    assert!(gate.may(1).await);
    assert_eq!(gate.ask(1).await.err(), used_up(DAY + DAY / 2));
    WALL.set(noon);
    assert_eq!(gate.ask(1).await.err(), used_up(DAY / 2));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_yesterday_does_not_come_back_today() {
    let sections = "[limit.a]\nquota = \"2/day\"\n\
                    [limit.b]\nconcurrent = 1\nover = { delay = \"5s\" }\n";
    let both = Gate::new(sections, &["a", "b"]);
    let alone = Gate::after(Some(&both), sections, &["a"]);
    let noon = WALL.get();
    for gone in [false, true] {
        let _runs = both.ask(1).await.unwrap();
        let waits = both.send(1).await;
        assert!(!alone.may(1).await);
        WALL.set(WALL.get() + DAY);
        assert!(alone.may(1).await && alone.may(1).await);
        if gone {
            waits.abort();
        }
        assert!(!matches!(waits.await, Ok(Ok(_))), "nobody ended");
        assert!(!alone.may(1).await, "gone: {gone}");
        WALL.set(WALL.get() + DAY);
    }
    WALL.set(noon);
}

#[tokio::test(start_paused = true)]
async fn who_used_a_quota_up_is_refused_at_once_also_where_others_wait() {
    let gate =
        Gate::one("rate = \"10/s\"\nburst = 1\nquota = \"3/day\"\nover = { delay = \"9s\" }");
    assert!(gate.may(1).await);
    let sent = [gate.send(1).await, gate.send(1).await, gate.send(1).await];
    let [second, third, fourth] = sent;
    assert!(!fourth.is_finished(), "as long as they wait they used nothing");
    assert_eq!(millis(&second.await.unwrap()) / 10, 10);
    assert_eq!(millis(&third.await.unwrap()) / 10, 20);
    assert_eq!(fourth.await.unwrap().err(), used_up(DAY / 2));
    assert_eq!(gate.ask(1).await.err(), used_up(DAY / 2), "and did not wait");
    assert!(gate.shows("janua_limit_waiting{limit=\"l\",standing=\"good\"} 0"));
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_who_used_a_quota_up_meanwhile_is_the_next_ones_at_once() {
    let keys = "rate = \"1/s\"\nburst = 1\nquota = \"3/day\"\nover = { delay = \"10s\" }";
    let gate = Gate::one(keys);
    let start = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(gate.send(1).await);
    }
    let mut ends = Vec::new();
    for one in sent {
        let went = one.await.unwrap().is_ok();
        ends.push((went, start.elapsed().as_millis() / 100));
    }
    let three = [(true, 0), (true, 10), (true, 20)];
    assert_eq!(ends[..3], three);
    assert_eq!(ends[3..], [(false, 30); 3], "one turn is enough to find out");
}

#[tokio::test(start_paused = true)]
async fn who_used_a_quota_up_does_not_wait_behind_those_who_did_not() {
    let keys = "[limit.l]\nrate = \"1/s\"\nburst = 1\nquota = \"2/day\"\n\
                over = { delay = \"10s\" }\ncost = { header = \"x-cost\" }\n";
    let gate = Gate::new(keys, &["l"]);
    assert!(gate.may(1).await);
    let waits = gate.send(1).await;
    assert!(!waits.is_finished());
    // Two are more than are left, however long others wait.
    let keys = "[limit.l]\nrate = \"1/s\"\nburst = 2\nquota = \"2/day\"\n\
                over = { delay = \"10s\" }\ncost = 2\n";
    let dear = Gate::after(Some(&gate), keys, &["l"]);
    let start = Instant::now();
    assert_eq!(dear.ask(1).await.err(), used_up(DAY / 2));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(waits.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_through_uses_nothing_of_a_quota() {
    let gate = Gate::new(
        "[limit.a]\nquota = \"4/day\"\nrate = \"1/s\"\nburst = 2\nconcurrent = 1\n\
         [limit.b]\nrate = \"1/h\"\nburst = 1\n",
        &["a", "b"],
    );
    let runs = gate.ask(1).await.unwrap();
    assert_eq!(gate.ask(1).await.unwrap_err().reject, Reject::LimitConcurrent);
    drop(runs);
    for _ in 0..9 {
        tokio::time::advance(SECOND).await;
        assert_eq!(gate.ask(1).await.unwrap_err().reject, Reject::LimitRate, "of b");
    }
    let alone = Gate::after(
        Some(&gate),
        "[limit.a]\nquota = \"4/day\"\nrate = \"1/s\"\nburst = 2\nconcurrent = 1\n",
        &["a"],
    );
    tokio::time::advance(SECOND).await;
    assert!(alone.may(1).await && alone.may(1).await);
    assert_eq!(alone.ask(1).await.unwrap_err().reject, Reject::LimitRate);
    tokio::time::advance(SECOND).await;
    assert!(alone.may(1).await);
    assert_eq!(alone.ask(1).await.unwrap_err().reject, Reject::LimitQuota);
}

#[tokio::test(start_paused = true)]
async fn what_was_used_outlives_a_reload_as_long_as_the_keys_mean_the_same() {
    let first = Gate::one("quota = \"2/day\"");
    assert!(first.may(1).await && first.may(1).await);
    for keys in [
        "quota = \"2/day\"\nmax-keys = 7",
        "quota = \"2/day\"\nrate = \"9/s\"\nmax-keys = 900000",
        "rate = \"9/s\"\ntiers = { gold = { quota = \"5/day\" } }\nquota = \"2/day\"",
    ] {
        let next = Gate::after(Some(&first), &format!("[limit.l]\n{keys}\n"), &["l"]);
        assert_eq!(next.ask(1).await.unwrap_err().reject, Reject::LimitQuota, "{keys}");
        assert!(next.may(2).await);
    }
    let more = Gate::after(Some(&first), "[limit.l]\nquota = \"3/day\"\n", &["l"]);
    assert!(more.may(1).await && !more.may(1).await);
    for keys in ["quota = \"2/month\"", "quota = \"2/day\"\nper = \"global\""] {
        let other = Gate::after(Some(&first), &format!("[limit.l]\n{keys}\n"), &["l"]);
        assert!(other.may(1).await, "{keys}: these are other keys");
    }
}

#[tokio::test(start_paused = true)]
async fn the_busiest_keys_are_named_and_counted() {
    let gate = Gate::one("rate = \"1/s\"\nburst = 2");
    for client in [1, 1, 1, 1, 2, 3, 3] {
        let _ = gate.ask(client).await;
    }
    let page: serde_json::Value = serde_json::from_str(&gate.limits.page()).unwrap();
    let key = |key: &str, allowed: u64, refused: u64| serde_json::json!({ "key": key, "allowed": allowed, "refused": refused, "missed": 0 });
    let busiest = [key("ip 192.0.2.1", 2, 2), key("ip 192.0.2.3", 2, 0), key("ip 192.0.2.2", 1, 0)];
    assert_eq!(page[0]["busiest"], serde_json::json!(busiest));
    assert_eq!((&page[0]["name"], &page[0]["allowed"]), (&"l".into(), &5.into()));
    assert_eq!(page[0]["rejected"], serde_json::json!({ "limit.rate": 2 }));
    let same = Gate::after(Some(&gate), "[limit.l]\nrate = \"9/s\"\n", &["l"]);
    assert!(same.limits.page().contains("192.0.2.1"), "a reload forgot them");
    let none = Gate::one("rate = \"1/s\"\nbusiest = 0");
    assert!(none.may(1).await && !none.limits.page().contains("192.0.2.1"));
}

#[tokio::test]
async fn the_fastest_tier_counts_and_one_without_a_rate_is_as_fast_as_everybody() {
    for (keys, order) in [
        ("rate = \"10/s\"\ntiers = { a = \"5/s\", b = { concurrent = 9 }, c = \"20/s\" }", "c b a"),
        ("tiers = { default = \"10/s\", b = { concurrent = 9 }, c = \"20/s\" }", "c b"),
        ("concurrent = 5\ntiers = { a = \"900/s\", b = { concurrent = 9 } }", "b a"),
        ("rate = \"1/s\"\ntiers = { a = { quota = \"5/day\" }, b = { concurrent = 9 } }", "b a"),
        (
            "rate = \"1/s\"\ntiers = { a = { bandwidth = \"1MiB/s\" }, b = { bandwidth = \"2MiB/s\" } }",
            "b a",
        ),
    ] {
        let gate = Gate::one(keys);
        let tiers: Vec<_> = gate.limiter.limits[0].tiers.iter().map(|tier| &*tier.name).collect();
        assert_eq!(tiers.join(" "), order, "{keys}");
    }
}
