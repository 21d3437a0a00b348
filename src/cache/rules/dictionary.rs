//! Dictionaries of structured fields (RFC 9651, RFC 8941 before it), as targeted fields are (RFC 9213).
//!
//! In: the lines of a field. Out: its members, or none if it breaks the grammar anywhere: then the field is
//! as if it were not there. Parameters are read and left out.

use http::HeaderValue;

/// What a member says, as far as a directive of a cache can mean it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    True,
    False,
    Integer(i64),
    String(Vec<u8>),
    /// Something that no directive of ours is.
    Other,
}

/// Reads a dictionary. Of members with one key the last one counts.
pub(super) fn read<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
) -> Option<Vec<(Vec<u8>, Value)>> {
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let text = lines.join(&b","[..]);
    let mut reader = Reader { rest: text.trim_ascii() };
    let mut members: Vec<(Vec<u8>, Value)> = Vec::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let value = if reader.eat(b'=') { reader.item_or_list()? } else { Value::True };
        reader.parameters()?;
        members.retain(|(other, _)| *other != key);
        members.push((key, value));
        reader.spaces();
        if reader.rest.is_empty() {
            break;
        }
        let more = reader.eat(b',');
        reader.spaces();
        // A comma with nothing behind it breaks the grammar, too.
        if !more || reader.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take_while(&mut self, holds: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !holds(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<Vec<u8>> {
        let begins = self.peek().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'*');
        let holds = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        };
        begins.then(|| self.take_while(holds).to_vec())
    }

    fn item_or_list(&mut self) -> Option<Value> {
        if !self.eat(b'(') {
            return self.item();
        }
        loop {
            self.take_while(|byte| byte == b' ');
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.eat(b'?');
                match (self.eat(b'0'), self.eat(b'1')) {
                    (true, false) => Some(Value::False),
                    (false, true) => Some(Value::True),
                    _ => None,
                }
            }
            b':' => {
                self.eat(b':');
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.eat(b':').then_some(Value::Other)
            }
            b'@' => {
                self.eat(b'@');
                matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
            }
            b'%' => {
                self.eat(b'%');
                self.string().map(|_| Value::Other)
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.take_while(|byte| super::lists::is_token(byte) || b":/".contains(&byte));
                Some(Value::Other)
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        if !self.eat(b'"') {
            return None;
        }
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(text),
                b'\\' if self.eat(b'"') => text.push(b'"'),
                b'\\' if self.eat(b'\\') => text.push(b'\\'),
                b'\\' => return None,
                b' '..=b'~' => text.push(*first),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let sign = if self.eat(b'-') { -1 } else { 1 };
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        if self.eat(b'.') {
            let part = self.take_while(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&whole.len()) && (1..=3).contains(&part.len());
            return fits.then_some(Value::Other);
        }
        let fits = (1..=15).contains(&whole.len());
        let add = |sum: i64, digit: &u8| sum * 10 + i64::from(digit - b'0');
        fits.then(|| Value::Integer(sign * whole.iter().fold(0, add)))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.take_while(|byte| byte == b' ');
            self.key()?;
            if self.eat(b'=') {
                self.item()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
        read([HeaderValue::from_bytes(text).ok()?].iter())
    }

    #[test]
    fn what_breaks_the_grammar_breaks_the_whole_field() {
        let fine = [
            "max-age=60",
            "max-age=60, no-store",
            "max-age=60 ,\t no-store;a;b=\"x\"",
            "a=?0, b=?1, c=1.5, d=tok/en:x, e=:AA==:, f=\"a\\\"b\", g=(1 2;x \"a\"), h=()",
            "a=-5, a=@1659578233, b=%\"f%c3\"",
            "*x=1",
            "",
        ];
        for text in fine {
            assert!(parse(text.as_bytes()).is_some(), "{text}");
        }
        let broken = [
            "max-age=60,",
            ",max-age=60",
            "max-age =60",
            "max-age= 60",
            "Max-Age=60",
            "max-age=60 no-store",
            "max-age=60, &&&&&",
            "max-age=1234567890123456",
            "a=1.2345",
            "a=?2",
            "a=\"open",
            "a=\"\\x\"",
            "a=(1",
            "a=(1\"x\")",
            "a;",
            "a=",
        ];
        for text in broken {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_last_of_two_counts() {
        let members = parse(b"a=1, b, a=2").unwrap();
        assert_eq!(members, [(b"b".to_vec(), Value::True), (b"a".to_vec(), Value::Integer(2))]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>) {
            parse(&text);
        }

        #[test]
        fn nearly_dictionaries_are_read_without_panic(text in "([a-z*=;,?()\"\\\\ 0-9.:@%-]){0,40}") {
            parse(text.as_bytes());
        }
    }
}
