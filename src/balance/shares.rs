//! What share each endpoint has of the requests, by all that is known: weights out of weights.
//!
//! In: what the endpoints are. Out: a weight for each, 0 for those that get nothing. *Priorities*: the best one
//! with enough endpoints up has everything, the next are its backups. *Too few*: where no priority has enough, the
//! best that has any uses all of its own, up or not: to bury the last ones under what the others leave to them
//! helps nobody, and a check that finds nobody well is more likely wrong than right (Envoy's panic threshold).
//! *Zones*: those in the gateway's own zone have everything while enough of them are up; when fewer are, so many
//! parts of it as there are of them, and the others the rest.

/// What an endpoint is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is up.
    Up,
    /// It is not.
    Down,
    /// It is not to get requests, whatever the others are.
    Out,
}

/// An endpoint, as far as its share goes by it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its share beside others of its kind.
    pub weight: u32,
    /// Lower ones are better.
    pub priority: u16,
    /// Whether it is in the gateway's zone.
    pub near: bool,
    /// What it is.
    pub state: State,
}

/// How shares are made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Per cent of endpoints that have to be up.
    pub panic: u8,
    /// Per cent of near ones that have to be up, so that they have everything.
    pub zone: u8,
}

/// What share each endpoint has.
#[derive(Debug, PartialEq)]
pub struct Shares {
    /// Weights, in the order of the endpoints, none above 2^20.
    pub weights: Vec<u32>,
    /// Whether too few are up, so that all are used.
    pub panics: bool,
}

/// The greatest weight there is.
pub(super) const MOST: u32 = 1 << 20;

/// Makes shares.
pub fn shares(all: &[Candidate], rules: Rules) -> Shares {
    let counts = |one: &&Candidate| one.weight > 0 && one.state != State::Out;
    let mut levels: Vec<u16> = all.iter().filter(counts).map(|one| one.priority).collect();
    levels.sort_unstable();
    levels.dedup();
    let up = |level: u16| {
        let mut of = all.iter().filter(counts).filter(|one| one.priority == level);
        of.try_fold((0_u64, 0_u64), |(up, all), one| {
            Some((up + u64::from(one.state == State::Up), all + 1))
        })
    };
    let is_enough = |level: &&u16| {
        let (up, all) = up(**level).unwrap_or_default();
        up > 0 && up * 100 >= all * u64::from(rules.panic)
    };
    let has_any = |level: &&u16| up(**level).is_some_and(|(up, _)| up > 0);
    let enough = levels.iter().find(is_enough);
    let Some(level) = enough.or_else(|| levels.iter().find(has_any)).or_else(|| levels.first())
    else {
        return Shares { weights: vec![0; all.len()], panics: false };
    };
    let panics = enough.is_none() && rules.panic > 0;
    let used = |one: &Candidate| {
        let fits = one.priority == *level && one.state != State::Out;
        fits && (panics || one.state == State::Up)
    };
    let plain = all.iter().map(|one| if used(one) { u128::from(one.weight) } else { 0 });
    let mut weights: Vec<u128> = plain.collect();
    if !panics {
        let of_level = |one: &Candidate| one.priority == *level && one.state != State::Out;
        let near = all.iter().filter(|one| of_level(one) && one.near);
        let near = near.map(|one| u128::from(one.weight)).sum();
        prefer_near(all, &mut weights, near, rules.zone.into());
    }
    Shares { weights: reduced(&weights), panics }
}

/// Gives those that are near what they are good for, and the rest to the others; `written` is the weight of the
/// near ones if all were up.
fn prefer_near(all: &[Candidate], weights: &mut [u128], written: u128, threshold: u128) {
    let sum = |near: bool| {
        let of = all.iter().zip(weights.iter()).filter(|(one, _)| one.near == near);
        of.map(|(_, weight)| weight).sum::<u128>()
    };
    let (near, far) = (sum(true), sum(false));
    if near == 0 || far == 0 {
        return;
    }
    let needed = written * threshold;
    let there = (near * 100).min(needed);
    // The near ones together have `there` of `needed`, the others the rest.
    let (each_near, each_far) = match there == needed {
        true => (1, 0),
        false => (there * far, (needed - there) * near),
    };
    for (one, weight) in all.iter().zip(weights) {
        *weight *= if one.near { each_near } else { each_far };
    }
}

/// The smallest weights in the same proportion, within bounds.
fn reduced(weights: &[u128]) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let most = weights.iter().max().map_or(0, |most| most / divisor);
    let scale = |weight: &u128| match weight / divisor {
        0 => 0,
        reduced if most <= MOST.into() => u32::try_from(reduced).unwrap_or(MOST),
        reduced => u32::try_from(reduced * u128::from(MOST) / most).unwrap_or(MOST).max(1),
    };
    weights.iter().map(scale).collect()
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { panic: 25, zone: 70 };

    /// Endpoints in words: `u` up, `d` down, `o` out, in capitals if they are near; a digit is the priority of
    /// those after it.
    fn read(text: &str) -> Vec<Candidate> {
        let mut priority = 0;
        let mut all = Vec::new();
        for sign in text.chars() {
            let state = match sign.to_ascii_lowercase() {
                'u' => State::Up,
                'd' => State::Down,
                'o' => State::Out,
                digit => {
                    priority = digit.to_digit(10).unwrap().try_into().unwrap();
                    continue;
                }
            };
            all.push(Candidate { weight: 1, priority, near: sign.is_ascii_uppercase(), state });
        }
        all
    }

    fn made(text: &str, rules: Rules) -> (Vec<u32>, bool) {
        let Shares { weights, panics } = shares(&read(text), rules);
        (weights, panics)
    }

    #[test]
    fn when_too_few_are_up_all_are_used() {
        for (text, panic, expected) in [
            ("uuu", 25, false),
            ("uddd", 25, false),
            ("udddd", 25, true),
            ("d", 25, true),
            ("d", 0, false),
            ("ud", 50, false),
            ("udd", 50, true),
            ("uoooo", 50, false),
            ("", 25, false),
        ] {
            let (weights, panics) = made(text, Rules { panic, ..RULES });
            assert_eq!(panics, expected, "{text} {panic}");
            for (one, weight) in read(text).iter().zip(weights) {
                let used = one.state == State::Up || expected && one.state == State::Down;
                assert_eq!(weight > 0, used, "{text} {panic}");
            }
        }
        let mut weightless = read("udd");
        weightless[1].weight = 0;
        weightless[2].weight = 0;
        assert!(!shares(&weightless, Rules { panic: 50, ..RULES }).panics, "they do not count");
    }

    #[test]
    fn backups_are_used_when_too_few_of_the_better_are_up() {
        for (text, expected, panics) in [
            ("uu1uu", &[1, 1, 0, 0][..], false),
            ("ud1uu", &[1, 0, 0, 0], false),
            ("dd1uu", &[0, 0, 1, 1], false),
            ("oo1uu", &[0, 0, 1, 1], false),
            ("udddd1u", &[0, 0, 0, 0, 0, 1], false),
            ("dd1dd2u", &[0, 0, 0, 0, 1], false),
            ("dd1dd", &[1, 1, 0, 0], true),
            ("dd1udddd", &[0, 0, 1, 1, 1, 1, 1], true),
            ("udddd1d", &[1, 1, 1, 1, 1, 0], true),
        ] {
            assert_eq!(made(text, RULES), (expected.to_vec(), panics), "{text}");
        }
    }

    #[test]
    fn near_ones_have_what_they_are_good_for() {
        for (text, expected) in [
            ("UUuu", &[1, 1, 0, 0][..]),
            ("UUUDuu", &[1, 1, 1, 0, 0, 0]),
            // A half is up of seven tenths: five sevenths stay.
            ("UDu", &[5, 0, 2]),
            ("UUDDuu", &[5, 5, 0, 0, 2, 2]),
            ("DDuu", &[0, 0, 1, 1]),
            ("UDdd", &[1, 0, 0, 0]),
            ("uu", &[1, 1]),
            ("UU", &[1, 1]),
            // Too few are up at all: wherever they are.
            ("DDDDdddu", &[1, 1, 1, 1, 1, 1, 1, 1]),
            // Zones are looked at within a priority.
            ("Dd1Uu", &[0, 0, 1, 0]),
        ] {
            assert_eq!(made(text, RULES).0, expected, "{text}");
        }
        assert_eq!(made("UDDDDuuuuu", Rules { zone: 0, ..RULES }).0[0], 1, "never over to others");
        assert_eq!(made("UDDDDuuuuu", Rules { zone: 0, ..RULES }).0[9], 0, "never over to others");
    }

    proptest! {
        #[test]
        fn shares_keep_their_proportion_and_bounds(
            weights in prop::collection::vec((0_u32..655_350, any::<bool>(), 0_u8..3), 1..40),
            zone in 0_u8..=100,
        ) {
            let all: Vec<_> = weights.iter().map(|(weight, near, state)| Candidate {
                weight: *weight,
                priority: 0,
                near: *near,
                state: [State::Up, State::Up, State::Down][usize::from(*state)],
            }).collect();
            let made = shares(&all, Rules { panic: 0, zone });
            prop_assert!(made.weights.iter().all(|weight| *weight <= MOST));
            // Among those of one kind, as they were written.
            for near in [true, false] {
                let used = all.iter().zip(&made.weights).filter(|(one, w)| one.near == near && **w > 0);
                let used: Vec<_> = used.map(|(one, w)| (f64::from(one.weight), f64::from(*w))).collect();
                for pair in used.windows(2) {
                    let (wanted, got) = (pair[0].0 / pair[1].0, pair[0].1 / pair[1].1);
                    // Of what is scaled down, the least may be off by one.
                    let fuzz = 1.0 / pair[0].1 + 1.0 / pair[1].1;
                    prop_assert!((wanted / got - 1.0).abs() <= fuzz + 1e-6, "{} for {}", got, wanted);
                }
            }
            let near_up = all.iter().any(|one| one.near && one.state == State::Up && one.weight > 0);
            let near_used = all.iter().zip(&made.weights).any(|(one, weight)| one.near && *weight > 0);
            prop_assert_eq!(near_up, near_used, "who is near and up has requests");
        }
    }
}
