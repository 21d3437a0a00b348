//! What may be done with a kept answer now (RFC 9111 section 4, 4.2.4, 5.2.1; RFC 5861; RFC 8246).

use std::time::Duration;

use super::{asked::Asked, terms::Terms};

/// What may be done with a kept answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// It is fresh.
    Fresh,
    /// It is stale, and the client takes it so.
    StaleAllowed,
    /// It is stale, and may be used while the origin is asked.
    WhileRevalidate,
    /// The origin is asked first.
    Validate,
}

/// What may be done with an answer that is here for so long; `purged` is whether the operator wants it to be
/// taken as stale.
#[inline]
pub fn reuse(terms: &Terms, resident: Duration, asked: &Asked, purged: bool) -> Reuse {
    if terms.flags == 0 && *asked == Asked::default() && !purged {
        // The way of almost all.
        return if terms.left(resident) > 0 { Reuse::Fresh } else { stale(terms, resident, asked) };
    }
    if terms.no_cache() || asked.no_cache {
        return Reuse::Validate;
    }
    let left = terms.left(resident);
    let fresh = left > 0 && !purged;
    // 0 means that the origin is asked, even in the first second. RFC 8246: what does not change needs not
    // be asked for, unless the client says `no-cache`.
    let age = terms.age_after(resident);
    let too_old = |most: u32| age > most || most == 0;
    if asked.max_age.is_some_and(too_old) && !(fresh && terms.immutable()) {
        return Reuse::Validate;
    }
    if asked.min_fresh.is_some_and(|least| left < least.into()) {
        return Reuse::Validate;
    }
    match (fresh, purged) {
        (true, _) => Reuse::Fresh,
        // What the operator has called stale no client may call good enough.
        (false, true) => stale(terms, resident, &Asked::default()),
        (false, false) => stale(terms, resident, asked),
    }
}

#[cold]
fn stale(terms: &Terms, resident: Duration, asked: &Asked) -> Reuse {
    let since = since(terms, resident);
    let within = |seconds: u32| since <= seconds.into();
    match () {
        () if terms.must_revalidate() => Reuse::Validate,
        () if terms.stale_while_revalidate > 0 && within(terms.stale_while_revalidate) => {
            Reuse::WhileRevalidate
        }
        () if asked.max_stale.is_some_and(within) => Reuse::StaleAllowed,
        () => Reuse::Validate,
    }
}

/// So many seconds something stale is used while the origin cannot be reached, if nobody forbids it.
const DISCONNECTED: u32 = 86_400;

/// How the origin failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failed {
    /// It cannot be reached, or does not answer: a cache is disconnected from it (RFC 9111 section 4.2.4).
    Silent,
    /// It says 500, 502, 503 or 504.
    Said,
}

/// Whether it may be used though the origin failed (RFC 5861 section 4, RFC 9111 section 4.2.4); `purged` is whether
/// the operator wants it to be taken as stale.
pub fn on_error(
    terms: &Terms,
    resident: Duration,
    asked: &Asked,
    failed: Failed,
    purged: bool,
) -> bool {
    if terms.no_cache() || asked.no_cache {
        return false;
    }
    let anyway = if failed == Failed::Silent { DISCONNECTED } else { 0 };
    let most = terms.stale_if_error.max(asked.stale_if_error.unwrap_or(0)).max(anyway);
    let most = most.max(asked.max_stale.unwrap_or(0));
    let since = since(terms, resident).max(if purged { 0 } else { i64::MIN });
    // Fresh, it was only the client who wanted to know.
    since < 0 || (!terms.must_revalidate() && most > 0 && since <= most.into())
}

/// Since how many seconds it is stale; negative while it is fresh.
fn since(terms: &Terms, resident: Duration) -> i64 {
    -terms.left(resident)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::terms::{IMMUTABLE, MUST_REVALIDATE, NO_CACHE},
        *,
    };

    /// 100 s, then 20 s while it is fetched, then 50 s if it cannot be.
    const TERMS: Terms =
        Terms { age: 10, lifetime: 110, stale_while_revalidate: 20, stale_if_error: 50, flags: 0 };
    const PLAIN: Terms =
        Terms { age: 10, lifetime: 110, stale_while_revalidate: 0, stale_if_error: 0, flags: 0 };

    fn with(flags: u8) -> Terms {
        Terms { flags, ..TERMS }
    }

    #[test]
    fn what_may_be_done_with_it() {
        use Reuse::{Fresh, StaleAllowed, Validate, WhileRevalidate};
        let no = Asked::default;
        let max_age = |seconds| Asked { max_age: Some(seconds), ..no() };
        let max_stale = |seconds| Asked { max_stale: Some(seconds), ..no() };
        let min_fresh = |seconds| Asked { min_fresh: Some(seconds), ..no() };
        let no_cache = Asked { no_cache: true, ..no() };
        let cases = [
            ("4.2", PLAIN, 0, no(), Fresh),
            ("4.2", PLAIN, 99, no(), Fresh),
            ("4.2: as old as its lifetime, it is stale", PLAIN, 100, no(), Validate),
            ("5.2.2.4", with(NO_CACHE), 0, no(), Validate),
            ("5.2.1.4", PLAIN, 0, no_cache, Validate),
            ("5.2.1.1", PLAIN, 10, max_age(20), Fresh),
            ("5.2.1.1", PLAIN, 11, max_age(20), Validate),
            ("5.2.1.1: a reload", Terms { age: 0, ..PLAIN }, 0, max_age(0), Validate),
            ("5.2.1.1", PLAIN, 150, max_age(900), Validate),
            ("5.2.1.2", PLAIN, 110, max_stale(10), StaleAllowed),
            ("5.2.1.2", PLAIN, 111, max_stale(10), Validate),
            ("5.2.1.2: any", PLAIN, 1_000_000, max_stale(u32::MAX), StaleAllowed),
            ("5.2.1.2", PLAIN, 50, max_stale(10), Fresh),
            ("5.2.1.3", PLAIN, 50, min_fresh(50), Fresh),
            ("5.2.1.3", PLAIN, 51, min_fresh(50), Validate),
            ("5.2.2.2", with(MUST_REVALIDATE), 99, no(), Fresh),
            ("5.2.2.2", with(MUST_REVALIDATE), 100, no(), Validate),
            (
                "4.2.4: forbidden, whatever the client takes",
                with(MUST_REVALIDATE),
                100,
                max_stale(u32::MAX),
                Validate,
            ),
            ("RFC 5861, 3", TERMS, 100, no(), WhileRevalidate),
            ("RFC 5861, 3", TERMS, 120, no(), WhileRevalidate),
            ("RFC 5861, 3", TERMS, 121, no(), Validate),
            ("RFC 5861, 3: not if the client wants it fresh", TERMS, 110, min_fresh(1), Validate),
            ("RFC 8246: a reload of what does not change", with(IMMUTABLE), 50, max_age(0), Fresh),
            ("RFC 8246: stale, it is as any other", with(IMMUTABLE), 130, max_age(0), Validate),
            ("RFC 8246: no-cache", with(IMMUTABLE), 50, no_cache, Validate),
        ];
        for (rule, terms, resident, asked, expected) in cases {
            let found = reuse(&terms, Duration::from_secs(resident), &asked, false);
            assert_eq!(found, expected, "{rule}: after {resident} s, {asked:?}, {terms:?}");
        }
    }

    #[test]
    fn what_the_operator_calls_stale_is() {
        use Reuse::{Validate, WhileRevalidate};
        let max_stale = Asked { max_stale: Some(u32::MAX), ..Asked::default() };
        let cases = [
            (PLAIN, Asked::default(), Validate),
            (PLAIN, max_stale, Validate),
            (TERMS, Asked::default(), WhileRevalidate),
            (with(MUST_REVALIDATE), Asked::default(), Validate),
            (with(IMMUTABLE), Asked { max_age: Some(0), ..Asked::default() }, Validate),
        ];
        for (terms, asked, expected) in cases {
            assert_eq!(reuse(&terms, Duration::ZERO, &asked, true), expected, "{terms:?}");
        }
    }

    #[test]
    fn what_is_left_when_the_origin_fails() {
        let no = Asked::default;
        let cases = [
            ("RFC 5861, 4", TERMS, 150, no(), true),
            ("RFC 5861, 4", TERMS, 151, no(), false),
            (
                "RFC 5861, 4: the client's",
                PLAIN,
                150,
                Asked { stale_if_error: Some(50), ..no() },
                true,
            ),
            ("4.2.4: nobody allows it", PLAIN, 100, no(), false),
            (
                "4.2.4: fresh, only the client wanted to know",
                PLAIN,
                99,
                Asked { max_age: Some(0), ..no() },
                true,
            ),
            ("5.2.1.2", PLAIN, 150, Asked { max_stale: Some(50), ..no() }, true),
            ("5.2.1.4", TERMS, 0, Asked { no_cache: true, ..no() }, false),
            ("5.2.2.2", with(MUST_REVALIDATE), 100, no(), false),
            (
                "5.2.2.2",
                with(MUST_REVALIDATE),
                100,
                Asked { max_stale: Some(u32::MAX), ..no() },
                false,
            ),
            ("5.2.2.4", with(NO_CACHE), 0, no(), false),
        ];
        for (rule, terms, resident, asked, expected) in cases {
            let found =
                on_error(&terms, Duration::from_secs(resident), &asked, Failed::Said, false);
            assert_eq!(found, expected, "{rule}: after {resident} s, {asked:?}, {terms:?}");
        }
    }

    #[test]
    fn what_the_operator_calls_stale_is_stale_from_then_on() {
        use Failed::{Said, Silent};
        for (terms, failed, expected) in [
            (PLAIN, Said, false),
            (PLAIN, Silent, true),
            (TERMS, Said, true),
            (with(MUST_REVALIDATE), Said, false),
            (with(MUST_REVALIDATE), Silent, false),
        ] {
            let found = on_error(&terms, Duration::ZERO, &Asked::default(), failed, true);
            assert_eq!(found, expected, "{failed:?}, {terms:?}");
        }
    }

    #[test]
    fn what_is_left_when_the_origin_is_silent() {
        let cases = [
            ("4.2.4: disconnected", PLAIN, 100 + 86_400, true),
            ("4.2.4: not for ever", PLAIN, 101 + 86_400, false),
            ("5.2.2.2", with(MUST_REVALIDATE), 100, false),
            ("5.2.2.4", with(NO_CACHE), 0, false),
        ];
        for (rule, terms, resident, expected) in cases {
            let resident = Duration::from_secs(resident);
            let found = on_error(&terms, resident, &Asked::default(), Failed::Silent, false);
            assert_eq!(found, expected, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn once_it_is_not_fresh_it_never_is_again(
            age in 0_u32..500, lifetime in 0_u32..500, a in 0_u64..1000, b in 0_u64..1000, flags in 0_u8..16
        ) {
            let terms = Terms { age, lifetime, flags, ..TERMS };
            let fresh = |at| reuse(&terms, Duration::from_secs(at), &Asked::default(), false) == Reuse::Fresh;
            prop_assert!(fresh(a.min(b)) || !fresh(a.max(b)));
        }

        #[test]
        fn what_forbids_stale_forbids_it_to_all(
            age in 0_u32..500, lifetime in 0_u32..500, at in 0_u64..1000,
            max_stale: Option<u32>, stale_if_error: Option<u32>, purged: bool, no_cache: bool
        ) {
            let flags = if no_cache { NO_CACHE } else { MUST_REVALIDATE };
            let terms = Terms { age, lifetime, flags, ..TERMS };
            let asked = Asked { max_stale, stale_if_error, ..Asked::default() };
            let at = Duration::from_secs(at);
            if terms.left(at) <= 0 {
                prop_assert_eq!(reuse(&terms, at, &asked, purged), Reuse::Validate);
                prop_assert!(!on_error(&terms, at, &asked, Failed::Silent, false));
            }
        }
    }
}
