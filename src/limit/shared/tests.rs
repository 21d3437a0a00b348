//! What gateways hold together, against a store that is plain to see; and the script, in a real store, against
//! the arithmetic that it repeats.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{
    pot::{Order, Pot},
    slots::{Name, Slots, Waiter},
};
use crate::limit::{
    gcra::{Gcra, LONGEST, Over},
    state::{Blocked, Claim, Terms},
};

const SECOND: u64 = 1_000_000_000;

/// What the store does, said plainly.
fn store(tat: &mut u64, order: &Order, now: u64) -> (u64, u64) {
    let owed = tat.saturating_sub(now).saturating_sub(order.back);
    let unit = order.rate.interval();
    let there = order.rate.window().saturating_sub(owed) / unit * unit;
    let taken = Some(there.min(order.most)).filter(|taken| *taken >= order.least).unwrap_or(0);
    *tat = now + owed + taken;
    (taken, owed + taken)
}

/// Gateways that share a key, and its store.
struct World {
    pots: Vec<Pot>,
    tat: u64,
    rate: Gcra,
    lease: u64,
    questions: u64,
}

impl World {
    fn new(gateways: usize, rate: Gcra, lease: u64) -> Self {
        Self { pots: vec![Pot::default(); gateways], tat: 0, rate, lease, questions: 0 }
    }

    /// A request at a gateway: whether it may go.
    fn take(&mut self, gateway: usize, cost: u64, now: u64) -> Result<u64, Blocked> {
        let Self { pots, tat, rate, lease, questions } = self;
        let (pot, rate, lease) = (&mut pots[gateway], *rate, *lease);
        let mut drawn = pot.draw(rate, cost, now);
        if drawn == Err(Blocked::Ask) {
            let price = rate.price(cost).unwrap();
            let order = pot.order(rate, (price, price), lease, now);
            let (granted, owed) = store(tat, &order, now);
            *questions += 1;
            pot.settle(&order, granted, owed, lease, now);
            drawn = pot.draw_answered(rate, cost);
            pot.rest_is_lease();
        } else if drawn.is_ok()
            && pot.is_low()
            && let Some(order) = pot.renewal(rate, lease, now)
        {
            let (granted, owed) = store(tat, &order, now);
            *questions += 1;
            pot.settle(&order, granted, owed, lease, now);
            pot.rest_is_lease();
        }
        assert_ne!(drawn, Err(Blocked::Ask), "the store was asked, and it answered");
        drawn
    }
}

/// Gateways, pauses in tenths of an interval, and costs.
fn requests() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    proptest::collection::vec((0_usize..3, 0_u64..12, 0_u64..4), 1..300)
}

proptest! {
    #[test]
    fn without_leases_gateways_together_do_what_one_would(
        units in 1_u64..2_000, burst in 3_u64..30, requests in requests(),
    ) {
        let rate = Gcra::new(units, SECOND, burst).unwrap();
        let mut world = World::new(3, rate, 0);
        let (mut tat, mut now) = (0, SECOND);
        for (gateway, pause, cost) in requests {
            now += pause * rate.interval() / 10;
            let expected = rate.take(tat, now, cost);
            tat = expected.unwrap_or(tat);
            // Who costs nothing asks nobody.
            if cost == 0 { continue }
            let taken = world.take(gateway, cost, now);
            prop_assert_eq!(taken.is_ok(), expected.is_ok(), "{:?} {:?}", taken, expected);
            if let (Err(Blocked::Until(time)), Err(Over::Until(expected))) = (taken, expected) {
                prop_assert!(time <= expected, "what is known here is never more than there is");
            }
        }
    }

    /// In any stretch of time: no more than a burst, what the rate gives in it, and what was held when it
    /// began.
    #[test]
    fn leases_are_over_the_rate_by_what_is_held_and_no_more(
        units in 1_u64..2_000, burst in 3_u64..60, lease in 0_u64..2 * SECOND, requests in requests(),
    ) {
        let rate = Gcra::new(units, SECOND, burst).unwrap();
        let mut world = World::new(3, rate, lease);
        let longest = lease.min(rate.window() / 4);
        let (mut now, mut spent) = (SECOND, Vec::new());
        for (gateway, pause, cost) in requests {
            now += pause * rate.interval() / 10;
            if world.take(gateway, cost, now).is_ok() {
                spent.push((now, cost * rate.interval()));
            }
        }
        for (first, (since, _)) in spent.iter().enumerate() {
            let mut sum = 0;
            for (time, price) in &spent[first..] {
                sum += price;
                let most = rate.window() + (time - since) + 3 * longest;
                prop_assert!(sum <= most, "{sum} in {}, of {most}", time - since);
            }
        }
        // Nothing is lost for good.
        now += 2 * rate.window() + 2 * lease + SECOND;
        prop_assert!(world.take(0, burst, now).is_ok());
    }

    #[test]
    fn a_gateways_part_takes_no_more_than_its_part(
        units in 1_u64..2_000, burst in 1_u64..60, parts in 1_u32..20, cost in 1_u64..80,
    ) {
        let rate = Gcra::new(units, SECOND, burst).unwrap();
        let part = rate.part(parts, cost);
        prop_assert_eq!(part.interval(), rate.interval() * u64::from(parts));
        prop_assert_eq!(part.price(cost).is_some(), rate.price(cost).is_some(), "what fits still does");
        prop_assert!(part.units() <= burst.div_ceil(parts.into()).max(cost));
    }
}

#[test]
fn whoever_asks_often_is_given_more_and_asks_less() {
    let rate = Gcra::new(1_000, SECOND, 1_000).unwrap();
    for (lease, most) in [(0, 501), (SECOND / 10, 30)] {
        let mut world = World::new(2, rate, lease);
        let mut now = SECOND;
        for _ in 0..500 {
            assert!(world.take(0, 1, now).is_ok());
            now += SECOND / 500;
        }
        assert!(world.questions <= most, "{} questions with a lease of {lease}", world.questions);
        // Another gateway gets all the same what is there: a quarter of the burst is held at most.
        let there = (0..1_000).take_while(|_| world.take(1, 1, now).is_ok()).count();
        assert!(there >= 740, "{there}");
    }
}

#[test]
fn who_is_over_the_limit_costs_the_store_nothing() {
    let rate = Gcra::new(1, 3_600 * SECOND, 5).unwrap();
    let mut world = World::new(1, rate, SECOND / 10);
    for number in 0..1_000 {
        let taken = world.take(0, 1, SECOND + number * SECOND / 1_000);
        assert_eq!(taken.is_ok(), number < 5, "{number}");
    }
    assert!(world.questions <= 7, "{}", world.questions);
}

/// What goes through at gateways that are asked for ever, by a store that is so far away, in a second.
fn hammered(gateways: usize, rate: Gcra, way: u64) -> u64 {
    const STEP: u64 = 10_000;
    let (mut tat, mut through) = (0, 0);
    let mut all = vec![(Pot::default(), None); gateways];
    for now in (SECOND..2 * SECOND).step_by(usize::try_from(STEP).unwrap()) {
        for (pot, question) in &mut all {
            let drawn = match question.take() {
                None => pot.draw(rate, 1, now),
                Some((asked, order, None)) if now == asked + way => {
                    *question = Some((asked, order, Some(store(&mut tat, &order, now))));
                    continue;
                }
                Some((asked, order, Some((granted, owed)))) if now == asked + 2 * way => {
                    pot.settle(&order, granted, owed, 0, now);
                    let drawn = pot.draw_answered(rate, 1);
                    assert_eq!(drawn.is_ok(), granted > 0, "who was refused asks again: {drawn:?}");
                    drawn
                }
                under_way => {
                    *question = under_way;
                    continue;
                }
            };
            match drawn {
                Ok(_) => through += 1,
                Err(Blocked::Ask) => {
                    let price = rate.interval();
                    *question = Some((now, pot.order(rate, (price, price), 0, now), None));
                }
                Err(_) => {}
            }
        }
    }
    through
}

#[test]
fn a_store_that_is_far_away_makes_no_rate_slower() {
    for (burst, gateways) in [(1, 1), (1, 3), (2, 3), (10, 3)] {
        let rate = Gcra::new(400, SECOND, burst).unwrap();
        let through = hammered(gateways, rate, SECOND / 1_000);
        let expected = 400 + burst;
        assert!(through <= expected, "{through} of {expected}");
        assert!(through >= expected * 98 / 100, "{through} of {expected}, {gateways} gateways");
    }
}

#[test]
fn what_was_given_elsewhere_is_known_a_second_later() {
    let rate = Gcra::new(1, 3_600 * SECOND, 2).unwrap();
    let mut world = World::new(2, rate, 0);
    assert!(world.take(0, 2, SECOND).is_ok());
    assert!(world.take(1, 1, SECOND).is_err());
    world.pots[0].give_back(rate.price(2).unwrap(), SECOND);
    assert!(world.take(0, 1, SECOND).is_ok(), "it can be spent where it was given back");
    let order = world.pots[0].order(rate, (0, 0), 0, SECOND);
    store(&mut world.tat, &order, SECOND);
    assert!(world.take(1, 1, SECOND + SECOND / 2).is_err(), "it is not asked yet");
    assert!(world.take(1, 1, 2 * SECOND).is_ok());
}

/// A request that waited at another limit for so long that time has paid for it.
#[test]
fn what_is_given_back_late_is_no_gift_and_brings_back_no_lease_that_has_ended() {
    let rate = Gcra::new(100, SECOND, 100).unwrap();
    for lease in [0, SECOND] {
        let mut world = World::new(1, rate, lease);
        let mut now = SECOND;
        for _ in 0..200 {
            assert!(world.take(0, 1, now).is_ok());
            now += SECOND / 50;
        }
        now += 10 * SECOND;
        world.pots[0].give_back(rate.price(1).unwrap(), now);
        let there = (0..1_000).take_while(|_| world.take(0, 1, now).is_ok()).count();
        assert_eq!(there, 100, "a burst, with a lease of {lease}");
    }
}

#[test]
fn so_many_keys_have_room_and_who_owes_nothing_makes_room() {
    let slots = Slots::new(64, 2);
    let wait = |key, now| {
        let (sender, answer) = oneshot::channel();
        let terms = Terms { rate: Gcra::new(1, SECOND, 1), concurrent: None, quota: None };
        let waiter = Waiter { claim: Claim::new(key, (0, false), 1, terms, None), answer: sender };
        (slots.wait(waiter, Name::default, now), answer)
    };
    let waits = |answer: &mut oneshot::Receiver<_>| {
        matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    };
    let (mut first, mut second, mut third) = (wait(1, 0), wait(1, 0), wait(1, 0));
    assert!(first.0 == Some(true) && waits(&mut first.1));
    assert!(second.0 == Some(false) && waits(&mut second.1), "the store is being asked");
    assert!(third.0.is_none() && !waits(&mut third.1), "as many wait as may");
    // Keys whose digests differ by this are side by side.
    let mut other = wait(65, 0);
    assert!(other.0.is_none() && !waits(&mut other.1), "there are as many keys as may be");
    if let Some(slot) = slots.of(1).get(1) {
        slot.busy = false;
        slot.waiters.clear();
    }
    let mut other = wait(65, SECOND);
    assert!(other.0 == Some(true) && waits(&mut other.1));
    assert_eq!(slots.len(), 1);
}

/// A real store, for scripts that are told the time: Valkey, unless `JANUA_TEST_STORE` says `redis`.
struct RealStore {
    child: Child,
    wire: BufReader<UnixStream>,
    _home: TempDir,
}

impl RealStore {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("s");
        let kind = std::env::var("JANUA_TEST_STORE").unwrap_or_else(|_| "valkey".to_owned());
        let mut command = Command::new(format!("{kind}-server"));
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.current_dir(home.path()).spawn().unwrap();
        let began = Instant::now();
        let wire = loop {
            match UnixStream::connect(&socket) {
                Ok(wire) => break wire,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(15), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Self { child, wire: BufReader::new(wire), _home: home }
    }

    fn send(&mut self, words: &[String]) {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.wire.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Runs the script at this time, in nanoseconds since 1970.
    fn take(&mut self, key: &str, now: u64, arguments: [u64; 6]) -> (u64, u64) {
        let told = "{ ARGV[7], ARGV[8] }";
        let script = include_str!("take.lua").replace("redis.call('TIME')", told);
        assert!(script.contains(told));
        let time = [now / SECOND, now % SECOND / 1_000];
        let numbers = arguments.iter().chain(&time).map(u64::to_string);
        let words = ["EVAL".into(), script, "1".into(), key.into()];
        self.send(&words.into_iter().chain(numbers).collect::<Vec<_>>());
        assert_eq!(self.line(), "*2");
        let mut number = || self.line().strip_prefix(':').unwrap().parse().unwrap();
        (number(), number())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.wire.read_line(&mut line).unwrap();
        line.trim().into()
    }
}

impl Drop for RealStore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Now, about, in nanoseconds since 1970, as a store says it: in whole microseconds.
const NOW: u64 = 1_795_559_559_123_456_000;

fn arguments(rate: Gcra, least: u64, most: u64, back: u64) -> [u64; 6] {
    [rate.interval(), rate.window(), least, most, back, rate.window()]
}

/// The store forgets by its own clock: the slowest of these units is paid for in a second or more.
#[test]
fn the_script_is_the_same_arithmetic_to_the_nanosecond() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let strategy = (1_u64..2_000, 1_u64..40, requests(), 0_u64..4);
    let real = Mutex::new((RealStore::start(), 0));
    let outcome = runner.run(&strategy, |(units, burst, requests, more)| {
        let rate = Gcra::new(units, 3_600 * SECOND, burst).unwrap();
        let (real, key) = &mut *real.lock();
        *key += 1;
        let (mut tat, mut world, mut now) = (0, 0, NOW);
        for (_, pause, cost) in requests.into_iter().take(60) {
            now += pause * rate.interval() / 10_000 * 1_000;
            let Some(price) = rate.price(cost).filter(|price| *price > 0) else { continue };
            // As a request alone.
            let expected = rate.take(tat, now, cost);
            let alone = arguments(rate, price, price, 0);
            let (taken, owed) = real.take(&format!("{key}"), now, alone);
            prop_assert_eq!(taken == price, expected.is_ok());
            tat = expected.unwrap_or(tat);
            prop_assert_eq!(owed, tat.saturating_sub(now));
            // And as a gateway that wants more, and has something to give back.
            let unit = rate.interval();
            let mut order = Pot::default().order(rate, (price, price + more * unit), 0, now);
            order.back = unit / 2;
            let several = arguments(rate, order.least, order.most, order.back);
            let answer = real.take(&format!("{key} of several"), now, several);
            prop_assert_eq!(answer, store(&mut world, &order, now));
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn the_script_bears_the_slowest_rates_and_clocks_that_are_set_back() {
    let mut real = RealStore::start();
    let year = Gcra::new(1, LONGEST / 7, 7).unwrap();
    let price = year.interval();
    for number in 1..=7 {
        let (taken, owed) = real.take("year", NOW, arguments(year, price, price, 0));
        assert_eq!(taken, price);
        assert!(owed.abs_diff(number * price) <= 8 * number, "{owed}: doubles beyond 104 days");
    }
    assert_eq!(real.take("year", NOW, arguments(year, price, price, 0)).0, 0);

    let rate = Gcra::new(10, SECOND, 10).unwrap();
    let unit = rate.interval();
    assert_eq!(real.take("back", NOW, arguments(rate, unit, unit, 0)), (unit, unit));
    let hour_ago = NOW - 3_600 * SECOND;
    let (taken, owed) = real.take("back", hour_ago, arguments(rate, unit, unit, 0));
    assert!(taken == unit && owed <= 2 * unit + SECOND, "it owes what it did, not an hour: {owed}");
    let (taken, _) = real.take("back", hour_ago + unit, arguments(rate, unit, unit, 0));
    assert_eq!(taken, unit);

    for nonsense in ["", "x", "1.5 2", "-1 -1"] {
        real.send(&["SET", "odd", nonsense].map(String::from));
        assert_eq!(real.line(), "+OK");
        let (taken, owed) = real.take("odd", NOW, arguments(rate, unit, unit, 0));
        assert_eq!((taken, owed), (unit, unit), "{nonsense}: as if there were nothing");
    }
}

#[test]
fn gateways_that_differ_and_older_ones_read_what_is_owed_as_it_is() {
    let mut real = RealStore::start();
    let [small, large] = [5, 50].map(|burst| Gcra::new(10, SECOND, burst).unwrap());
    let (unit, hour_ago) = (small.interval(), NOW - 3_600 * SECOND);
    let ask = |rate: Gcra, bound| [unit, rate.window(), unit, 50 * unit, 0, bound];
    assert_eq!(real.take("two", NOW, ask(large, LONGEST)), (50 * unit, 50 * unit));
    for rate in [small, large] {
        assert_eq!(real.take("two", NOW, ask(rate, LONGEST)), (0, 50 * unit));
    }
    let (taken, owed) = real.take("two", hour_ago, ask(large, LONGEST));
    assert!(taken == 0 && (50 * unit..=60 * unit).contains(&owed), "{owed} by a clock set back");
    let (_, owed) = real.take("two", hour_ago + SECOND, ask(small, LONGEST));
    assert!((40 * unit..=50 * unit).contains(&owed), "{owed}");
    assert_eq!(real.take("two", hour_ago + SECOND, ask(small, small.window())), (0, 5 * unit));

    // What older ones read and write.
    real.send(&["GET", "two"].map(String::from));
    real.line();
    let value = real.line();
    let (seconds, nanos) = value.split_once(' ').unwrap();
    let [seconds, nanos]: [u64; 2] = [seconds, nanos].map(|number| number.parse().unwrap());
    assert_eq!(seconds * SECOND + nanos, hour_ago + SECOND + 5 * unit);
    let until = NOW + 3 * unit;
    let value = format!("{} {}", until / SECOND, until % SECOND);
    real.send(&["SET".into(), "old".into(), value]);
    assert_eq!(real.line(), "+OK");
    assert_eq!(real.take("old", NOW, arguments(small, unit, unit, 0)), (unit, 4 * unit));
}
