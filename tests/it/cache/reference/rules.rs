//! The reference: what a shared cache may give, said as plainly as possible and from all that was ever said.

use super::{Answer, Step};

/// An answer that the origin gave, and what it says of it by now.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) number: usize,
    /// What asked for it.
    pub(super) request: Step,
    /// Whether everybody had credentials who asked for it, or whether it holds.
    pub(super) authorized: bool,
    pub(super) answer: Answer,
    /// Whether something has changed since.
    pub(super) void: bool,
}

/// What the origin did while a request was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// It said that this number holds.
    pub(super) holds: Option<usize>,
    /// It failed.
    pub(super) failed: bool,
}

/// Why this answer must not be given to such a request, which is not the one that it was the answer to.
pub(super) fn forbidden(known: &Known, request: &Step, asked: Asked) -> Option<&'static str> {
    let says = |word: &str| known.answer.says.contains(&word);
    let starts = |word: &str| known.answer.says.iter().any(|said| said.starts_with(word));
    let shared = says("public") || starts("s-maxage");
    let differs = match known.answer.vary {
        Some("accept-language") => known.request.language != request.language,
        Some("authorization") => known.request.authorization != request.authorization,
        Some(_) => true,
        None => false,
    };
    let never = [
        (known.request.method != "GET", "another method's"),
        (request.method == "POST", "given to a method that changes something"),
        (known.void, "of before a change"),
        (known.answer.torn, "torn"),
        (says("no-store"), "no-store"),
        (says("private"), "private"),
        (known.request.says == "no-store", "its request says no-store"),
        (differs, "it varies"),
        (known.authorized && !shared && !says("must-revalidate"), "authorized"),
        (known.answer.cookie && !shared, "it sets a cookie"),
    ];
    if let Some((_, why)) = never.iter().find(|(is, _)| *is) {
        return Some(why);
    }
    // The origin said just now that it holds.
    if asked.holds == Some(known.number) {
        return None;
    }
    // Times are so far apart that a test's own do not matter.
    let seconds = |name: &str| {
        let mut said = known.answer.says.iter();
        said.find_map(|said| said.strip_prefix(name)?.parse::<u32>().ok())
    };
    // RFC 9111 section 4.2.1: of two the first counts.
    let lifetime = seconds("s-maxage=").or_else(|| seconds("max-age=")).unwrap_or(0);
    let fresh = known.answer.age < lifetime;
    let old = known.answer.age >= 40 || (request.says == "min-fresh=40" && known.answer.age > 20);
    let wants_it_new = request.says == "max-age=0"
        || (matches!(request.says, "max-age=40" | "min-fresh=40") && old);
    let must = says("must-revalidate") || says("proxy-revalidate") || starts("s-maxage");
    let stale_is_fine = request.says == "max-stale"
        || says("stale-while-revalidate=600")
        || (asked.failed && says("stale-if-error=600"));
    match () {
        () if says("no-cache") => Some("no-cache"),
        () if request.says == "no-cache" => Some("the client says no-cache"),
        () if !fresh && must => Some("stale, and must-revalidate"),
        () if !fresh && !stale_is_fine => Some("stale"),
        // RFC 8246; or the origin cannot say.
        () if wants_it_new
            && !(fresh && (says("immutable") || asked.failed))
            && !(asked.failed && stale_is_fine) =>
        {
            Some("the client wants it newer")
        }
        () => None,
    }
}

/// What the origin says of an answer by a 304.
pub(super) fn freshened(known: &mut Known, by: &Step) {
    // One who shows credentials and is told that it holds does not make it theirs.
    known.authorized &= by.authorization.is_some();
    known.answer.age = by.answer.age;
    if !by.answer.says.is_empty() {
        known.answer.says.clone_from(&by.answer.says);
    }
    if by.answer.vary.is_some() {
        known.answer.vary = by.answer.vary;
        known.request.language = by.language;
        known.request.authorization = by.authorization;
    }
    // A cookie is for who asked, unless that is said of it itself.
    let shared = |said: &&str| *said == "public" || said.starts_with("s-maxage");
    known.answer.cookie |= by.answer.cookie && by.answer.says.iter().any(shared);
    // What says that it is not to be kept is said of the request that it answers, too.
    if by.says == "no-store" {
        known.request.says = "no-store";
    }
}
