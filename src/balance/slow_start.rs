//! What is left of the weight of an endpoint that came up just now: it begins with a tenth, and grows.
//!
//! In steps of a tenth, evenly: each step is a new set of weights, made beside requests.

use std::time::Duration;

/// Tenths of its weight after this time.
pub fn tenths(age: Duration, over: Duration) -> u32 {
    match age < over {
        true => 1 + u32::try_from(9 * age.as_micros() / over.as_micros().max(1)).unwrap_or(9),
        false => 10,
    }
}

/// At which age the next tenth comes, if one is missing.
pub fn next_tenth(age: Duration, over: Duration) -> Option<Duration> {
    // Rounded up: at the moment itself it has to be there.
    (age < over).then(|| over * tenths(age, over) / 9 + Duration::from_micros(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_weight_grows_from_a_tenth_to_the_whole() {
        let over = Duration::from_secs(90);
        for (age, expected) in [(0, 1), (9, 1), (10, 2), (45, 5), (89, 9), (90, 10), (9_000, 10)] {
            assert_eq!(tenths(Duration::from_secs(age), over), expected, "after {age} s");
        }
        assert_eq!(tenths(Duration::ZERO, Duration::ZERO), 10, "without a slow start");
    }

    proptest! {
        #[test]
        fn each_step_is_one_tenth_and_the_last_one_the_end(over in 1_u64..10_000_000) {
            let over = Duration::from_micros(over);
            let (mut age, mut steps) = (Duration::ZERO, 0);
            while let Some(next) = next_tenth(age, over) {
                prop_assert!(next > age);
                prop_assert!(tenths(next, over) > tenths(age, over));
                (age, steps) = (next, steps + 1);
            }
            prop_assert!(steps <= 9 && tenths(age, over) == 10);
        }
    }
}
