//! Patterns of XML Schema as regular expressions, which never go back.
//!
//! In: the alternatives of one step. Out: an expression for the whole of a value, or nothing for what the
//! language of [`regex`] has no word for: blocks of Unicode, above all.

use regex::{Regex, RegexBuilder};

/// So large an expression may be, compiled.
const LARGEST: usize = 1 << 20;

/// An expression of which a step's patterns are the alternatives.
pub(super) fn compile(patterns: &[&str]) -> Option<Regex> {
    let made: Option<Vec<String>> = patterns.iter().map(|pattern| translate(pattern)).collect();
    RegexBuilder::new(&format!("^(?:{})$", made?.join("|"))).size_limit(LARGEST).build().ok()
}

/// The same for JSON Schema, if it means the same there.
pub(super) fn for_json(patterns: &[&str]) -> Option<String> {
    let pattern = format!("^(?:{})$", patterns.join("|"));
    let foreign = ["\\i", "\\I", "\\c", "\\C", "-[", "\\p{Is", "\\P{Is", "[^^", "&&", "$|", "(?P"];
    let is_foreign = foreign.iter().any(|foreign| pattern.contains(foreign));
    (!is_foreign && Regex::new(&pattern).is_ok()).then_some(pattern)
}

fn translate(pattern: &str) -> Option<String> {
    let mut made = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars().peekable();
    // Classes that have begun and not ended.
    let mut depth = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            // Blocks of Unicode; what looks like them to the other language are scripts.
            '\\' if ["p{Is", "P{Is"].contains(&&*letters.clone().take(4).collect::<String>()) => {
                return None;
            }
            '\\' => match letters.next()? {
                'i' => made.push_str(r"[_:\p{L}]"),
                'I' => made.push_str(r"[^_:\p{L}]"),
                'c' => made.push_str(r"[-._:\p{L}\p{N}\p{M}]"),
                'C' => made.push_str(r"[^-._:\p{L}\p{N}\p{M}]"),
                'w' => made.push_str(r"[^\p{P}\p{Z}\p{C}]"),
                'W' => made.push_str(r"[\p{P}\p{Z}\p{C}]"),
                other => made.extend(['\\', other]),
            },
            // One class without another.
            '[' if depth > 0 && made.ends_with('-') => {
                made.push_str("-[");
                depth += 1;
            }
            '[' if depth > 0 => return None,
            '[' => {
                made.push('[');
                depth = 1;
            }
            ']' => {
                made.push(']');
                depth = depth.checked_sub(1)?;
            }
            // What these mean to the other language they do not mean here.
            '&' | '~' | '-' if depth > 0 && letters.peek() == Some(&letter) => return None,
            '(' if letters.peek() == Some(&'?') => return None,
            letter => made.push(letter),
        }
    }
    (depth == 0).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_xml_schema() {
        for (pattern, good, bad) in [
            ("[A-Z]{2}|x", &["AB", "x"][..], &["A", "ABx", "AB\n"][..]),
            (r"\i\c*", &["a-1.b", "_:x", "é"], &["1a", "-a", ""]),
            (r"[\i-[:]][\c-[:]]*", &["a", "_x-1"], &["a:b", ":a"]),
            ("[a-z-[aeiou]]+", &["xyz"], &["xay", "-"]),
            (r"\w+", &["a+1", "ü"], &["a.b", "a b"]),
            (r"\d+-[ab]", &["1-a"], &["1--a", "1a"]),
            (r"\p{Lu}+", &["Ü"], &["ü"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("^a$", &["a"], &["^a$"]),
        ] {
            let made = compile(&[pattern]).unwrap();
            for text in good {
                assert!(made.is_match(text), "{pattern} {text}");
            }
            for text in bad {
                assert!(!made.is_match(text), "{pattern} {text}");
            }
        }
        for pattern in [r"\p{IsGreek}", "[a", "a]", "(?=a)", "[a&&b]", r"\", "(a", "a{99999}{999}"]
        {
            assert!(compile(&[pattern]).is_none(), "{pattern}");
        }
    }
}
