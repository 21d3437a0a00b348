//! jq itself: filters give the same here.

use std::{io::Write as _, process::Stdio};

use janua::{
    config::{Filter, Path, Problems, Transform as Section},
    transform::{Effort, Known, Transform},
};
use serde_json::Value;

use super::{command, program};

/// A body with something of everything.
const SHOP: &str = r#"{
    "order": 4711, "customer": {"name": "Zoë", "mail": null, "since": "2019-03-01T10:00:00Z"},
    "items": [
        {"id": 1, "article": "vase", "price": 12.5, "count": 2, "tags": ["new", "blue"]},
        {"id": 2, "article": "amphora", "price": 99, "count": 1, "tags": []},
        {"id": 3, "article": "plate", "price": 4.25, "count": 12, "tags": ["blue"]}
    ],
    "paid": false, "notes": ["a, b", "", "c\"d"], "empty": {}, "matrix": [[1, 2], [3, 4]]
}"#;

/// Filters that people write.
const FILTERS: &[&str] = &[
    ".",
    ".order",
    ".nothing.at.all",
    ".items | map({id, article})",
    "[.items[] | {(.article): .price}] | add",
    "[.items[] | .price * .count] | add",
    ".items | map(.price) | [min, max, length, (add / length)]",
    "[.items[] | select(.tags | index(\"blue\")) | .id]",
    "[.items[] | select(.price > 10 and .count < 2 or .id == 3).article]",
    ".items | sort_by(-.price) | first",
    ".items | group_by(.tags | length) | map({n: (.[0].tags | length), ids: map(.id)})",
    ".items | unique_by(.tags[0]) | map(.id)",
    ".items |= map(del(.tags))",
    "del(.items[1:], .customer.mail)",
    ".items[].price |= . * 2",
    ".items[0].count += 5 | .items[1].count -= 1 | .items[2].count *= 2 | .items[2].price /= 2 | .order %= 10",
    ".customer.mail //= \"none\"",
    ".a.b[2].c = 1",
    ".items[-1].id, .items[1:2][0].id | [.]",
    "to_entries | map(.key)",
    "with_entries(select(.value | type == \"object\"))",
    ".customer | keys, length, has(\"mail\"), has(\"x\") | [.]",
    "[paths(type == \"number\")] | length",
    "[leaf_paths] | length",
    "[.. | strings]",
    "[.. | scalars] | length",
    "walk(if type == \"array\" then reverse else . end)",
    "map_values(type)",
    "[.[] | type]",
    "reduce .items[] as $item (0; . + $item.count)",
    "[foreach .items[] as {count: $n} (0; . + $n; [., $n])]",
    "[limit(2; .items[].id)], [first(.items[].id)], [.items[].id | select(. > 1)] | [.]",
    "[range(3)], [range(2; 5)], [range(0; 10; 4)], [range(5; 0; -2)] | [.]",
    "[.items[].article | ascii_upcase, length, utf8bytelength, explode[0]]",
    "[.customer.name | length, utf8bytelength, ascii_downcase, @uri]",
    "[.notes[] | split(\", \")]",
    ".notes | join(\"-\")",
    "[1, null, \"a\", true] | join(\",\")",
    "[.notes[] | @json, @html, @base64, @sh]",
    "@csv \"\\(.items | map([.id, .article, .price]) | .[])\"",
    "\"\\(.order): \\(.customer.name), \\(.matrix)\"",
    "[.items[].article | test(\"^[a-p]\"), sub(\"a\"; \"A\"), gsub(\"a\"; \"A\")]",
    "[.items[].article | capture(\"(?<first>.)(?<rest>.*)\")]",
    "[.items[].article | [match(\"[aeo]\"; \"g\") | [.offset, .string]]]",
    "[.items[].article | ltrimstr(\"a\"), rtrimstr(\"e\"), startswith(\"p\"), endswith(\"a\")]",
    ".customer.since | fromdate | todate",
    ".customer.since | fromdate | strftime(\"%d.%m.%Y %H:%M\")",
    ".matrix | [flatten, transpose, add, (map(add) | add)]",
    "[.matrix | combinations]",
    ".matrix | [.[] as [$a, $b] | $a * 10 + $b]",
    "[.items[] as {$id, tags: [$first]} | {$id, $first}]",
    "if .paid then \"yes\" elif .items | length > 2 then \"many\" else \"no\" end",
    "[.paid, .customer.mail, .order | not]",
    "[.items[] | (.tags[0] // \"none\")]",
    "[.[] | tojson | fromjson] == [.[]]",
    "[.items[].price | floor, ceil, round, sqrt | . * 1000 | floor]",
    "[.items[].price | tostring, (tostring | tonumber)]",
    "[splits(\", *\")?, (.notes[0] | splits(\", *\"))]",
    "[try error(\"a\") catch ., (try (.order | keys) catch \"no keys\"), (.order[0]? // 1)]",
    "def total: map(.price * .count) | add; .items | total",
    "def fac: if . < 2 then 1 else . * (. - 1 | fac) end; [range(8) | fac]",
    "def f($a; g): [$a, (.items[] | g)]; f(1; .id)",
    "label $done | foreach .items[] as $i (0; . + $i.count; if . > 2 then ., break $done else empty end)",
    "[.items[] | any(.tags[]; . == \"blue\"), all(.tags[]; . == \"blue\")]",
    "[.items | any(.price > 50), all(.price > 5)]",
    "[.items[].tags | contains([\"bl\"]), inside([\"new\", \"blue\", \"x\"])]",
    "[getpath([\"customer\", \"name\"]), getpath([\"a\", \"b\"])]",
    "setpath([\"customer\", \"name\"]; \"x\") | delpaths([[\"items\"], [\"notes\", 0]])",
    "[.items | .[0], .[1] | .tags | unique, sort, reverse, length]",
    "[.items[] | .id] | [indices(2), index(2), (.[1:] | length), (. - [2])]",
    "[\"abc\" | .[1:], .[:-1], .[1:2]], [[1, 2, 3] | .[1:], .[:-1]] | [.]",
    "{} * {a: {b: 1}} * {a: {c: 2}} + {d: 1}",
    "[1, 1.0, \"1\", null, true, [1], {\"a\": 1}] | [sort, unique, group_by(type)]",
    "[7 % 3, -7 % 3, 7 / 2, 6 / 2, 2 * 2.5, 0.1 + 0.2, 1e3]",
    "[\"a\" * 3, ([1, 2] | .[1] = 9), ([] | .[2] = 1)]",
    "INDEX(.items[]; .article) | map_values(.id)",
    "[.items[].id | IN(1, 3)]",
    "[until(. > 100; 200)?, ([.order | while(. > 100; . / 10 | floor)])]",
    "[.items | to_entries[] | \"\\(.key)=\\(.value.article)\"]",
    "{order, total: ([.items[] | .price * .count] | add), \"first item\": .items[0].article, (.customer.name): 1}",
    ".customer.since[:4] | tonumber + 1",
    "ascii_downcase? // \"not a string\"",
    "min_by(.id)? // (.items | [min_by(.price), max_by(.price)] | map(.id))",
    "[1, 2, 3] | [del(.[0, 1]), del(.[0], .[1]), del(.[1:], .[0], .[-1]), delpaths([[0], [1], [1]])]",
    "del(.items[0, 1], .items[2].tags[0], .customer.mail, .nothing.at.all)",
    "del(.items[] | select(.price > 10))",
    "[[] | flatten(1)], [.matrix, .customer | flatten(1), flatten(0), flatten] | [.]",
    "[5.5 % 2, 5 % -2, -5 % 2, 1e10 % 3, 5 % 1e300, (try (5 % 0.5) catch 0)]",
    "[nan == nan, nan != nan, nan < nan, nan > nan, [nan] == [nan], ([nan, nan] | unique | length)]",
    "[1, 2] | .[] |= (., .)",
    "[{name: \"a\", value: 1}, {Name: \"b\", Value: null}, {Key: \"c\", Value: 3}] | from_entries",
    "[\"aGk\", \"aGk=\", \"\"] | map(@base64d)",
    "[1, \"ab\" | ltrimstr(\"a\"), rtrimstr(1)]",
    "[null, [1, 2] | reverse]",
    ".matrix[0] | .[1.0] = 9",
    "[\"ab\" * 1.5, \"ab\" * 0.5, \"ab\" * 0]",
    "[\"b\", \"ab\" | capture(\"(?<x>a)?(?<y>b)\")]",
    "[\"ab12\" | test(\"^(?:(\\\\d+)|([a-z]+))*$\"), match(\"^(?:(\\\\d+)|([a-z]+))*$\")]",
    "[\"xäb\" | match(\"(?<x>a)?(?<y>b)\", \"(x|(y))+\"), [scan(\"(a)?b\")], [scan(\"[xb]\")]]",
    "[\"ab\" | match(\"(a)|(b)\"; \"g\") | .captures | map(.string)]",
    "[\"a\\nb\" | test(\"^b\"), test(\"a$\"), test(\"a.b\"), test(\"a.b\"; \"s\"), test(\"A . b\"; \"xip\")]",
    "[\"aXbX\" | split(\"x\"; \"i\"), [splits(\"X\")], sub(\"(?<l>[a-z])X\"; \"\\(.l)1\", \"\\(.l)2\")]",
    "[\"é٣_a\" | test(\"^\\\\w+$\"), test(\"\\\\d\"), [match(\"[a-z]|\\\\p{L}\"; \"g\").offset]]",
    "[\"a1 b2\" | gsub(\"(?<n>\\\\d)\"; \"<\\(.n)>\"), gsub(\"[ab]\"; \"\"), test(null | \"a\"; null)]",
    "(try (\"a\" | test(\"a\"; \"q\")) catch .)",
];

#[test]
fn filters_give_what_jq_gives() {
    let jq = program("jq");
    let mut failures = Vec::new();
    for filter in FILTERS {
        let mut child = command(&jq)
            .args(["-c", filter])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(SHOP.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let jqs: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(output.status.success(), "{filter}");

        let section =
            Section { request: Some(Filter::Text(format!("[{filter}]"))), ..Section::default() };
        let mut problems = Problems::new();
        let transform = Transform::compile(&section, &Path::root(), &mut problems);
        assert!(problems.is_empty(), "{filter}: {problems:?}");
        let made = transform.unwrap().request(SHOP.as_bytes(), &Known::new(), Effort::Little);
        let ours = made.ok().and_then(|made| serde_json::from_slice::<Value>(&made).ok());
        if !ours.as_ref().is_some_and(|ours| same(ours, &Value::from(jqs.clone()))) {
            failures.push(format!("{filter}\n  is {ours:?}\n  not {jqs:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether two values are one: numbers by what they are, not by how they are written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
