//! "Did you mean": the candidate that a mistyped word was most likely meant to be.

/// The candidate nearest to a word, if one is near enough to be worth a guess.
///
/// Near is what one would call a slip: another case, another separator, or one wrong letter in three.
pub fn nearest<'a, S>(word: &str, candidates: impl IntoIterator<Item = &'a S>) -> Option<&'a str>
where
    S: AsRef<str> + ?Sized + 'a,
{
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let within = word.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .map(AsRef::as_ref)
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= within)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words as a sentence lists them: `` `a`, `b` and `c` ``, with the joining word as given.
pub(super) fn listed<S: AsRef<str>>(words: &[S], join: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.as_slice() {
        [front @ .., last] if !front.is_empty() => format!("{} {join} {last}", front.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let keys = ["address", "max-headers", "tls", "h2c"];
        assert_eq!(nearest("adress", &keys), Some("address"));
        assert_eq!(nearest("max_headers", &keys), Some("max-headers"));
        assert_eq!(nearest("TLS", &keys), Some("tls"));
        assert_eq!(nearest("h2", &keys), Some("h2c"));
        assert_eq!(nearest("certificate", &keys), None);
        assert_eq!(nearest("", &keys), None);
        assert_eq!(nearest::<str>("x", []), None);
    }

    #[test]
    fn lists_words() {
        assert_eq!(listed::<&str>(&[], "or"), "");
        assert_eq!(listed(&["a"], "or"), "`a`");
        assert_eq!(listed(&["a", "b"], "or"), "`a` or `b`");
        assert_eq!(listed(&["a", "b", "c"], "and"), "`a`, `b` and `c`");
    }
}
