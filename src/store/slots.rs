//! [`slot`]: which of the 16,384 slots of a cluster a key is in; [`read`]: who has which, as a server says;
//! and [`works`]: whether it can reach the others.
//!
//! Pure: bytes and values in, numbers and names out.

use redis::{Value, from_redis_value};

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// Servers with slots that a cluster may have: each is a connection.
const MOST_SERVERS: usize = 128;

/// Slots in a row that a server has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    /// `HOST:PORT`, as servers write it.
    pub(super) place: Box<str>,
}

/// The slot of a key: of what stands between its first braces, if that is something.
pub(super) fn slot(key: &[u8]) -> u16 {
    let at = |bytes: &[u8], sign| bytes.iter().position(|byte| *byte == sign);
    let tag = at(key, b'{').and_then(|open| {
        let rest = &key[open + 1..];
        at(rest, b'}').filter(|length| *length > 0).map(|length| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |sum: u16, byte| (sum << 8) ^ CRC[usize::from((sum >> 8) ^ u16::from(*byte))])
}

const CRC: [u16; 256] = {
    let (mut table, mut byte) = ([0_u16; 256], 0);
    while byte < 256 {
        let (mut sum, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// Reads an answer to `CLUSTER SLOTS`, by slot. A server that does not know its own name is at `host`, where it
/// was asked.
pub(super) fn read(answer: &Value, host: &str) -> Result<Vec<Range>, String> {
    let odd = || "what it says of its slots is not understood".to_owned();
    let mut ranges = Vec::new();
    for entry in answer.as_sequence().ok_or_else(odd)? {
        ranges.push(range(entry, host).ok_or_else(odd)?);
    }
    if ranges.is_empty() {
        return Err("no slot is anybody's".into());
    }
    let mut places: Vec<_> = ranges.iter().map(|range| &range.place).collect();
    places.sort_unstable();
    places.dedup();
    if places.len() > MOST_SERVERS {
        return Err(format!("it has more than {MOST_SERVERS} servers with slots"));
    }
    ranges.sort_unstable_by_key(|range| range.first);
    Ok(ranges)
}

/// Reads an answer to `CLUSTER INFO`: whether the cluster works, as far as the server sees. Unless it says that it
/// does not, it does: it may be one that says nothing of it.
pub(super) fn works(answer: &Value) -> bool {
    from_redis_value::<String>(answer.clone())
        .map_or(true, |info| !info.lines().any(|line| line.trim_end() == "cluster_state:fail"))
}

fn range(entry: &Value, host: &str) -> Option<Range> {
    let [first, last, primary, ..] = entry.as_sequence()? else { return None };
    // The library cuts off what is too large for less than this.
    let number = |value: &Value| from_redis_value::<i64>(value.clone()).ok()?.try_into().ok();
    let [name, port, ..] = primary.as_sequence()? else { return None };
    let name: Option<String> = from_redis_value(name.clone()).ok()?;
    let name = name.filter(|name| !matches!(&**name, "" | "?"));
    let (first, last, port): (u16, u16, u16) = (number(first)?, number(last)?, number(port)?);
    let place = format!("{}:{port}", name.as_deref().unwrap_or(host));
    (first <= last && last < SLOTS).then(|| Range { first, last, place: place.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_where_every_cluster_looks_for_it() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "as the specification says");
        // As `CLUSTER KEYSLOT` of Redis says.
        for (key, expected) in [
            ("", 0),
            ("foo", 12_182),
            ("bar", 5_061),
            ("{foo}", 12_182),
            ("{foo}bar", 12_182),
            ("a{foo}b{bar}", 12_182),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(slot(b"{{bar"), crc16(b"{{bar") % SLOTS, "a brace that is not closed is no tag");
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn entry(first: i64, last: i64, name: Value, port: i64) -> Value {
        let primary = vec![name, Value::Int(port), text("id"), Value::Array(Vec::new())];
        let copy = Value::Array(vec![text("10.0.0.9"), Value::Int(1)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(primary), copy])
    }

    #[test]
    fn who_has_which_slots_is_read_or_refused() {
        let read = |entries| read(&Value::Array(entries), "here");
        let ranges = read(vec![
            entry(100, 16_383, text("two.example"), 7_001),
            entry(0, 98, text("10.0.0.1"), 7_000),
            entry(99, 99, Value::Nil, 7_002),
        ]);
        let shown: Vec<_> = ranges
            .unwrap()
            .iter()
            .map(|range| format!("{}-{} {}", range.first, range.last, range.place))
            .collect();
        assert_eq!(shown, ["0-98 10.0.0.1:7000", "99-99 here:7002", "100-16383 two.example:7001"]);
        for (entries, message) in [
            (vec![], "no slot"),
            (vec![text("x")], "not understood"),
            (vec![entry(5, 4, text("a"), 1)], "not understood"),
            (vec![entry(0, 16_384, text("a"), 1)], "not understood"),
            (vec![entry(-1, 3, text("a"), 1)], "not understood"),
            (vec![entry(0, 3, text("a"), 65_536)], "not understood"),
            ((0..200).map(|at| entry(at, at, text("a"), at + 1)).collect(), "more than 128"),
        ] {
            let error = read(entries).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
