//! Filters and what they make of bodies, good and bad.

use std::{sync::Arc, thread};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Effort, Failed, Known, Lines, Made, Pieces, Progress, Transform, Variable};
use crate::{
    config::{self, Filter, Path, Problems},
    message::nested,
};

fn section(request: &str) -> config::Transform {
    config::Transform { request: Some(Filter::Text(request.into())), ..Default::default() }
}

fn compile(section: &config::Transform) -> Result<Transform, Vec<(String, Option<String>)>> {
    let mut problems = Problems::new();
    let made = Transform::compile(section, &Path::root(), &mut problems);
    let said: Vec<_> =
        problems.into_iter().map(|problem| (problem.message, problem.help)).collect();
    if said.is_empty() { Ok(made.unwrap()) } else { Err(said) }
}

fn filter(text: &str) -> Transform {
    compile(&section(text)).unwrap_or_else(|said| panic!("{text}: {said:?}"))
}

/// What a filter makes of a body, as a worker runs it.
fn run(text: &str, body: &str) -> Result<String, Failed> {
    let known = known();
    let made = filter(text).request(body.as_bytes(), &known, Effort::Little);
    made.map(|made| String::from_utf8(made).unwrap())
}

fn known() -> Known {
    vec![
        (Variable::Headers, json!({ "accept": "*/*" })),
        (Variable::Query, json!({ "page": "2", "tag": ["a", "b"] })),
        (Variable::Params, json!({ "id": "7" })),
        (Variable::Identity, json!({ "sub": "alice", "claims": { "tenant": "acme" } })),
    ]
}

/// Filters, bodies, and what becomes of them: the results are jq's.
const GOOD: &[(&str, &str, &str)] = &[
    (".", "{\"b\":1,\"a\":[null,true,\"x\"]}", "{\"b\":1,\"a\":[null,true,\"x\"]}"),
    (
        ".items | map({id, name})",
        "{\"items\":[{\"id\":1,\"name\":\"a\",\"x\":2}]}",
        "[{\"id\":1,\"name\":\"a\"}]",
    ),
    ("{data: ., page: ($query.page | tonumber)}", "[1]", "{\"data\":[1],\"page\":2}"),
    (
        "[$params.id, $identity.claims.tenant, $headers.accept, $query.tag[1]]",
        "0",
        "[\"7\",\"acme\",\"*/*\",\"b\"]",
    ),
    ("[$method, $path]", "0", "[null,null]"),
    (".a.b.c = 1", "null", "{\"a\":{\"b\":{\"c\":1}}}"),
    (".a[2] = 1", "{}", "{\"a\":[null,null,1]}"),
    (".[-1] = 9", "[1,2]", "[1,9]"),
    (".[1:] = [9]", "[1,2,3]", "[1,9]"),
    (".a |= empty", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2,\"c\":3}"),
    ("del(.a, .b[0])", "{\"a\":1,\"b\":[1,2]}", "{\"b\":[2]}"),
    ("del(.[1:3])", "[1,2,3,4]", "[1,4]"),
    ("to_entries", "{\"a\":1}", "[{\"key\":\"a\",\"value\":1}]"),
    ("with_entries(.key |= ascii_upcase)", "{\"a\":1}", "{\"A\":1}"),
    ("map_values(. + 1)", "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":3}"),
    (
        "walk(if type == \"number\" then . * 2 else . end)",
        "{\"a\":[1,{\"b\":2}]}",
        "{\"a\":[2,{\"b\":4}]}",
    ),
    ("[.. | numbers]", "[1,[2,{\"a\":3}]]", "[1,2,3]"),
    ("[paths]", "{\"a\":[1]}", "[[\"a\"],[\"a\",0]]"),
    ("[path(.a[1:])]", "{}", "[[\"a\",{\"start\":1}]]"),
    ("getpath([\"a\",\"b\"])", "{\"a\":{\"b\":5}}", "5"),
    ("setpath([\"a\",0]; 1)", "null", "{\"a\":[1]}"),
    ("reduce .[] as [$a, $b] (0; . + $a * $b)", "[[1,2],[3,4]]", "14"),
    ("[foreach .[] as $x (0; . + $x)]", "[1,2,3]", "[1,3,6]"),
    ("group_by(.a) | map(length)", "[{\"a\":1},{\"a\":2},{\"a\":1}]", "[2,1]"),
    ("sort_by(.a)", "[{\"a\":2},{\"a\":1}]", "[{\"a\":1},{\"a\":2}]"),
    ("unique", "[2,1,2,1.0]", "[1,2]"),
    ("min, max | [.]", "[]", "more"),
    ("[min, max]", "[3,1,2]", "[1,3]"),
    ("add", "[\"a\",\"b\"]", "\"ab\""),
    ("add", "[[1],[2]]", "[1,2]"),
    ("join(\", \")", "[\"a\",1,null]", "\"a, 1, \""),
    ("split(\",\")", "\"a,b,\"", "[\"a\",\"b\",\"\"]"),
    ("test(\"^a.c$\"; \"i\")", "\"ABC\"", "true"),
    ("sub(\"(?<x>b+)\"; \"<\\(.x)>\")", "\"abbc\"", "\"a<bb>c\""),
    ("[match(\"b\"; \"g\").offset]", "\"äbab\"", "[1,3]"),
    ("capture(\"(?<y>\\\\d+)-(?<m>\\\\d+)\")", "\"2026-11\"", "{\"y\":\"2026\",\"m\":\"11\"}"),
    ("[scan(\"\\\\d\")]", "\"a1b2\"", "[\"1\",\"2\"]"),
    ("indices(\"aa\")", "\"aaaä aa\"", "[0,1,5]"),
    ("[indices(1), indices([1,2])]", "[1,2,1,2]", "[[0,2],[0,2]]"),
    ("inside([\"abc\"])", "[\"b\"]", "true"),
    ("contains({a: [{b: \"x\"}]})", "{\"a\":[{\"b\":\"axb\",\"c\":1}],\"d\":1}", "true"),
    ("has(\"a\"), has(\"b\") | [.]", "{\"a\":1}", "more"),
    ("[has(\"a\"), has(\"b\")]", "{\"a\":null}", "[true,false]"),
    ("[.[] | tostring]", "[1,\"1\",[1],null]", "[\"1\",\"1\",\"[1]\",\"null\"]"),
    ("[.[] | tonumber]", "[1,\"2\",\"-3.5\"]", "[1,2,-3.5]"),
    ("fromjson | .a", "\"{\\\"a\\\":[1]}\"", "[1]"),
    ("tojson", "{\"a\":1}", "\"{\\\"a\\\":1}\""),
    ("@csv, @json | [.]", "[1]", "more"),
    ("@csv", "[1,\"a\\\"b\",null]", "\"1,\\\"a\\\"\\\"b\\\",\""),
    ("@uri \"/x?q=\\(.)\"", "\"a b&c\"", "\"/x?q=a%20b%26c\""),
    ("@base64, (@base64 | @base64d) | [.]", "\"hi\"", "more"),
    ("[@base64, (@base64 | @base64d)]", "\"hi\"", "[\"aGk=\",\"hi\"]"),
    ("@html", "\"<a>&\"", "\"&lt;a&gt;&amp;\""),
    ("fromdate", "\"2026-11-29T00:00:00Z\"", "1795910400"),
    ("todate", "0", "\"1970-01-01T00:00:00Z\""),
    ("strftime(\"%d.%m.%Y\")", "0", "\"01.01.1970\""),
    ("[limit(3; repeat(1))]", "0", "[1,1,1]"),
    ("[first(range(1000000000000)), nth(3; range(9))]", "0", "[0,3]"),
    ("[range(0; 10; 3)]", "0", "[0,3,6,9]"),
    ("until(. > 100; . * 2)", "1", "128"),
    ("def f($n): if $n == 0 then 1 else $n * f($n - 1) end; f(5)", "0", "120"),
    ("def f: if . > 3000 then . else . + 1 | f end; f", "2500", "3001"),
    (
        "label $out | foreach .[] as $x (0; . + $x; if . > 3 then ., break $out else empty end)",
        "[1,2,3,4]",
        "6",
    ),
    ("try error(\"x\") catch .", "0", "\"x\""),
    (".a? // \"none\"", "[1]", "\"none\""),
    (".a // empty | [.]", "{\"a\":false}", "none"),
    ("if . == null then 0 elif . then 1 else 2 end", "false", "2"),
    (". as {a: $x, b: [$y]} | [$x, $y]", "{\"a\":1,\"b\":[2]}", "[1,2]"),
    ("[.[] | select(.ok)] | length", "[{\"ok\":true},{\"ok\":null}]", "1"),
    ("transpose", "[[1,2],[3]]", "[[1,3],[2,null]]"),
    ("flatten", "[1,[2,[3]]]", "[1,2,3]"),
    ("INDEX(.id)", "[{\"id\":1}]", "{\"1\":{\"id\":1}}"),
    (".[] as $x | $x", "[7]", "7"),
    ("[.[2:4], .[:-2], .[10:]]", "[0,1,2,3,4]", "[[2,3],[0,1,2],[]]"),
    (".[1:3]", "\"äöüß\"", "\"öü\""),
    ("[1 + 2, 7 / 2, 6 / 2, 7 % 3, -7 % 3, 1 - 2.5]", "0", "[3,3.5,3,1,-1,-1.5]"),
    (
        "[9223372036854775807 + 1, -9223372036854775808 - 1]",
        "0",
        "[9.223372036854776e+18,-9.223372036854776e+18]",
    ),
    ("[.[0] - .[1]]", "[9007199254740993,9007199254740992]", "[1]"),
    ("[nan] | tojson", "0", "\"[null]\""),
    ("[[nan, 1] | sort[], (nan | isnan)]", "0", "[null,1,true]"),
    ("{a: 1} * {a: {b: 2}} * {a: {c: 3}}", "0", "{\"a\":{\"b\":2,\"c\":3}}"),
    ("[\"ab\" * 2, \"ab\" * 0, [1,2,1] - [1]]", "0", "[\"abab\",null,[2]]"),
    ("[splits(\", *\")]", "\"a, b,c\"", "[\"a\",\"b\",\"c\"]"),
    ("ltrimstr(\"a\") | rtrimstr(\"c\")", "\"abc\"", "\"b\""),
    ("explode | implode", "\"aß€\"", "\"aß€\""),
    ("[floor, ceil, round, sqrt]", "2.25", "[2,3,2,1.5]"),
    ("any(. > 2), all(. > 2) | [.]", "[3]", "more"),
    ("[bsearch(2), bsearch(4)]", "[1,2,3]", "[1,-4]"),
    ("pick(.a.b)", "{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "{\"a\":{\"b\":1}}"),
    // Patterns, also those whose groups are not in order, or take no part.
    ("test(\"^(?:(\\\\d+)|([a-z]+))*$\")", "\"ab12\"", "true"),
    (
        "match(\"^(?:(\\\\d+)|([a-z]+))*$\")",
        "\"ab12\"",
        "{\"offset\":0,\"length\":4,\"string\":\"ab12\",\"captures\":[{\"offset\":2,\"length\":2,\"string\":\"12\",\"name\":null},{\"offset\":0,\"length\":2,\"string\":\"ab\",\"name\":null}]}",
    ),
    (
        "match(\"(?<x>a)?(?<y>b)\").captures",
        "\"äb\"",
        "[{\"offset\":-1,\"length\":0,\"string\":null,\"name\":\"x\"},{\"offset\":1,\"length\":1,\"string\":\"b\",\"name\":\"y\"}]",
    ),
    ("capture(\"(?<x>a)?(?<y>b)\")", "\"b\"", "{\"x\":null,\"y\":\"b\"}"),
    ("[scan(\"(a)?b\")]", "\"xab b\"", "[[\"a\"],[null]]"),
    (
        "[test(\"B\"; \"i\"), test(\"a b\"; \"x\"), test(\"a.b\"; null)]",
        "\"ab\"",
        "[true,true,false]",
    ),
    (
        "[test(\"^b\"), test(\"a$\"), test(\"a.b\"), test(\"a.b\"; \"s\"), test(\"a.b\"; \"p\")]",
        "\"a\\nb\"",
        "[false,false,false,false,true]",
    ),
    ("[match(\"[a-z]*\"; \"gn\").string]", "\"a-b\"", "[\"a\",\"b\"]"),
    ("[match(\"a|aaa\"; \"l\").string]", "\"aaa\"", "[\"aaa\"]"),
    ("[match(\"\"; \"g\").offset]", "\"äb\"", "[0,1,2]"),
    ("[match(\"a*\"; \"g\") | [.offset, .string]]", "\"ab\"", "[[0,\"a\"],[1,\"\"],[2,\"\"]]"),
    (
        "[split(\"x\"; \"i\"), split(\"b*\"; \"n\")]",
        "\"aXbX\"",
        "[[\"a\",\"b\",\"\"],[\"aX\",\"X\"]]",
    ),
    ("gsub(\"(?<a>.)b\"; \"\\(.a)-\")", "\"abäbb\"", "\"a-ä-b\""),
    ("[test(\"\\\\d\"), test(\"^\\\\w+$\"), test(\"\\\\bz\")]", "\"é٣\"", "[true,true,false]"),
    ("try test(\"a\"; \"q\") catch .", "\"a\"", "\"q is not a valid modifier string\""),
    // Items that leave a list together, and what else is easily done in another way.
    ("del(.[0,1])", "[1,2,3]", "[3]"),
    ("del(.[0], .[1])", "[1,2,3]", "[3]"),
    ("del(.[1:], .[0], .[-1])", "[1,2,3]", "[]"),
    ("del(.[] | select(. > 1))", "[1,2,3]", "[1]"),
    ("del(.a[0,1], .b.c, .d[7])", "{\"a\":[1,2,3],\"d\":[1]}", "{\"a\":[3],\"d\":[1]}"),
    ("[del(.), del(empty)]", "[1]", "[null,[1]]"),
    ("delpaths([[0],[1],[1]])", "[1,2,3]", "[3]"),
    ("[[] | flatten(1)], [.[] | flatten(1, 0)]", "[[1,[2,[3]]],{\"a\":[1],\"b\":2}]", "more"),
    (
        "[[[] | flatten(1)], (.[] | [flatten(1), flatten(0)])]",
        "[[1,[2,[3]]],{\"a\":[1],\"b\":2}]",
        "[[[]],[[1,2,[3]],[1,[2,[3]]]],[[1,2],[[1],2]]]",
    ),
    ("try flatten(-1) catch .", "[1]", "\"flatten depth must not be negative\""),
    ("[5.5 % 2, 5 % -2, -5 % 2, 1e10 % 3, 5 % 1e300]", "0", "[1,1,-1,1,5]"),
    ("try (5 % .) catch \"none\"", "0.5", "\"none\""),
    (
        "[nan == nan, nan != nan, nan < nan, nan > nan, [nan] == [nan]]",
        "0",
        "[false,true,true,false,false]",
    ),
    ("[[nan, nan] | unique, (sort | length)]", "0", "[[null,null],2]"),
    (".[] |= (., .)", "[1,2]", "[1,2]"),
    (
        "from_entries",
        "[{\"name\":\"a\",\"value\":1},{\"k\":\"b\",\"v\":2},{\"key\":false,\"value\":0},{\"Key\":\"c\",\"Value\":9},{\"K\":\"d\",\"V\":false},{\"key\":1}]",
        "{\"a\":1,\"b\":2,\"false\":0,\"c\":9,\"d\":null,\"1\":null}",
    ),
    ("pick(.[1], .a?)", "[1,2,3]", "[null,2]"),
    (
        "pick(.a.b, .c[1])",
        "{\"a\":{\"b\":1},\"c\":[1,2],\"d\":3}",
        "{\"a\":{\"b\":1},\"c\":[null,2]}",
    ),
    ("[.[] | @base64d]", "[\"aGk\",\"aGk=\",\"\"]", "[\"hi\",\"hi\",\"\"]"),
    ("[.[] | ltrimstr(\"a\"), rtrimstr(1)]", "[1,\"ab\"]", "[1,1,\"b\",\"ab\"]"),
    ("[null, [1,2] | reverse]", "0", "[[],[2,1]]"),
    (".[1.7] = 9 | del(.[0.2])", "[1,2]", "[9]"),
    ("[\"ab\" * 1.5, \"ab\" * 0.5, \"ab\" * -1, 2 * \"a\"]", "0", "[\"ab\",\"ab\",null,\"aa\"]"),
    ("reduce range(200) as $x ({}; {now: $x, prev: del(.prev)}) | .prev", "0", "{\"now\":198}"),
    ("reduce range(300) as $x ([]; [$x, .[0]])", "0", "[299,298]"),
    ("reduce range(300) as $x ([0, 0]; [$x, del(.[1])])", "0", "[299,[298]]"),
    ("reduce range(300) as $x ({}; {a: (.a = $x)}) | .a.a", "0", "299"),
    (".[] |= empty", "[1,2,3,4]", "[]"),
    ("@tsv", "[1]", "undefined"),
    ("[format(\"text\"), tostream]", "[1]", "undefined"),
    ("env_is_not_read", "0", "undefined"),
    ("limit(0; 1)", "0", "none"),
    ("1, 2", "0", "more"),
    ("empty", "0", "none"),
];

#[test]
fn filters_give_what_jq_gives() {
    let mut failures = Vec::new();
    for (text, body, expected) in GOOD {
        let made = match compile(&section(text)) {
            Err(_) => "undefined".to_owned(),
            Ok(_) => match run(text, body) {
                Ok(made) => made,
                Err(Failed::Said(said)) if said.contains("more than one") => "more".into(),
                Err(Failed::Said(said)) if said.contains("no value") => "none".into(),
                Err(failed) => format!("{failed:?}"),
            },
        };
        if made != *expected {
            failures.push(format!("{body} | {text}\n  is {made}\n  not {expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Filters without end, or that would take all there is.
const HOSTILE: &[&str] = &[
    "def f: f; f",
    "def f: 1 + f; f",
    "def f: f + 1; f",
    "def f: [f]; f",
    "def f: {a: f}; f",
    "def f: f | f; f",
    "def f: ., f; [f]",
    "def f: f, .; [f]",
    "def f(g): 1 + f(g | .); f(.)",
    "def f(g): [g | f(g)]; f(.)",
    "def f(g): def h: g | h; h; f(. + 1)",
    "def f($x): f($x + 1); f(0)",
    "def f: def g: f; g; f",
    "def f: try f catch f; f",
    "def f: (error | f)? // f; f",
    "def f: label $x | f; f",
    "def f: path(f); f",
    "def f: .a | f; [path(f)]",
    "def f: .a |= f; f",
    "[repeat(.)]",
    "[recurse(.)]",
    "[.[]?, repeat(1)]",
    "last(repeat(1))",
    "last(range(1e18))",
    "[range(1e18)]",
    "[range(0; 1; 0)]",
    "first(range(1e18) | select(. < 0))",
    "[limit(1e18; repeat(1))]",
    "skip(1e18; repeat(1))",
    "reduce range(1e18) as $x (0; . + 1)",
    "[foreach range(1e18) as $x (0; . + 1)]",
    "until(false; . )",
    "[while(true; .)]",
    "\"a\" * 1e18",
    "\"a\" * 1000000000",
    "reduce range(64) as $x (\"ab\"; . + .)",
    "reduce range(64) as $x ([1]; . + .)",
    "reduce range(64) as $x (1; [., .]) | tojson",
    "reduce range(64) as $x (1; [., .]) == reduce range(64) as $x (1; [., .])",
    "reduce range(64) as $x (1; [., .]) | flatten",
    "reduce range(64) as $x (1; [., .]) | [..]",
    "reduce range(64) as $x (1; [., .]) | walk(.)",
    "reduce range(64) as $x (1; {a: ., b: .})",
    "reduce range(1e6) as $x (0; [.])",
    "reduce range(1e6) as $x (0; {a: .})",
    "[range(3000)] | combinations(9)",
    "[limit(100000; repeat([range(100000)]))]",
    ".[1e9 | floor] = 1",
    ".[999999999999] = 1",
    "null | .[1000000000] = 1",
    "null | setpath([range(1000000) | \"a\"]; 1)",
    "null | getpath([range(1000000) | \"a\"]) = 1",
    "null | [path(getpath([range(1000000) | \"a\"]))]",
    "null | delpaths([[range(1000000) | \"a\"]])",
    "[range(1e6)] | sort_by(-.) | group_by(.) | unique",
    "[range(1e6) | tostring] | join(\",\")",
    "reduce range(1e6) as $x (\"\"; . + \"aaaaaaaaaaaaaaaa\") | test(\"(a*)*b\")",
    "[range(30000) | \"aaaaaaaaaaaaaaaaaaaaaaaa\" | test(\"(a+)+$\")]",
    "[range(1e6)] - [range(1e6)]",
    "[range(1e5)] | contains([range(1e5)])",
    "[range(1e5)] | indices([range(10)])",
    "@base64 \"\\(reduce range(40) as $x (\"a\"; . + .))\"",
    "reduce range(1e6) as $x ({}; .[$x | tostring] = $x)",
    "[range(1e6) | {a: .}] | INDEX(.a)",
    "[splits(\"\")]?, (\"a\" * 100000000 | explode)",
    "tojson | until(false; tojson)",
    "[range(1e9) as $x | range(1e9)]",
    "\"x\" | test(\"((a)(b)\" + (\"(c)\" * 98) + \"){1000}\")",
    "\"x\" | test(\"(\" + (\"(?:a)\" * 100) + \"){1000}\")",
    "\"x\" | test((\"(\" * 5000) + (\")\" * 5000))",
    "\"x\" | test(\"((((a{1000}){1000}){1000}){1000})\")",
    "[range(1e6) | try (\"x\" | test(\"(((a{1000}){1000}){1000})\")) catch 0]",
    "[range(1e6) | try (\"x\" | test(\"()\" * 100)) catch 0]",
    "[range(100) as $x | \"x\" | test(\"[\\\\pL\\($x)]{9}\"; \"i\")] | length",
    "\"x\" | test(\"[ -\\([1114111] | implode)]\" * 400; \"i\")",
    "(\"ab.c\" * 7500) | test(\"[a-z0-9._%+-]{1,64}@[a-z0-9.-]{1,255}\\\\.[a-z]{2,10}\")",
    "(\"<\" * 30000) | [match(\"<[^>]*>|<\"; \"g\")] | length",
    "(\"a\" * 30000) | gsub(\"a*b|a\"; \"\") | length",
    "(\"a\" * 60000) | [match(\"\"; \"g\")] | length",
];

/// A body that makes them begin.
const BODY: &str = "{\"a\":[1,2,3]}";

#[test]
fn no_filter_goes_on_for_ever_or_takes_all_there_is() {
    // Those that nest what they make have all the steps there are by default.
    let nests = |text: &&&str| text.contains("path(") || text.contains("1e6) as $x (0;");
    let few = HOSTILE.iter().map(|text| (text, 50_000));
    for (text, max_steps) in few.chain(HOSTILE.iter().filter(nests).map(|text| (text, 1_000_000))) {
        let section = config::Transform { max_steps, ..section(text) };
        let transform = compile(&section).unwrap_or_else(|said| panic!("{text}: {said:?}"));
        let transform = Arc::new(transform);
        // As a worker does it, with half of a thread's stack left; then on a stack of its own.
        for (effort, stack) in [(Effort::Little, 1 << 20), (Effort::All, transform.stack())] {
            let by = transform.clone();
            let thread = thread::Builder::new().stack_size(stack);
            let thread = thread.spawn(move || by.request(BODY.as_bytes(), &Known::new(), effort));
            let made = thread.unwrap().join().unwrap();
            // What fails by itself has not gone on either.
            let ended = matches!(made, Err(Failed::TooMuch | Failed::Said(_) | Failed::TooLarge));
            let small = made.as_ref().is_ok_and(|made| made.len() < 1 << 20);
            assert!(ended || (effort == Effort::All && small), "{text}: {effort:?}");
        }
    }
}

/// What of the process's status is in KiB.
fn kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn no_pattern_takes_much_memory() {
    let patterns = HOSTILE.iter().filter(|text| text.contains("test(") || text.contains("match("));
    for text in patterns {
        let section = config::Transform { max_steps: 1_000_000, ..section(text) };
        let transform = Arc::new(compile(&section).unwrap());
        let before = kib("VmRSS");
        // The most that it took is what it takes now.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let by = transform.clone();
        let thread = thread::Builder::new().stack_size(transform.stack());
        let run = move || by.request(BODY.as_bytes(), &Known::new(), Effort::All);
        let _ = thread.spawn(run).unwrap().join().unwrap();
        let more = kib("VmHWM").saturating_sub(before);
        assert!(more < 64 << 10, "{text}: {more} KiB");
    }
}

#[test]
fn bodies_that_are_meant_to_hurt_are_refused() {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let deeper = "[".repeat(1 << 20);
    for (body, what) in [
        ("", "it ends too early"),
        ("{", "it ends too early"),
        ("{\"a\":1,\"a\":2}", "an object has a name twice"),
        ("1 2", "it is not well-formed JSON"),
        ("nan", "it is not well-formed JSON"),
        ("{a:1}", "it is not well-formed JSON"),
        ("'a'", "it is not well-formed JSON"),
        ("[1,]", "it is not well-formed JSON"),
        ("# x\n1", "it is not well-formed JSON"),
        ("1e999", "it is not well-formed JSON"),
        ("\"\\ud800\"", "it is not well-formed JSON"),
        (&deep, "it is nested too deeply"),
        (&deeper, "it is nested too deeply"),
    ] {
        match run(".", body) {
            Err(Failed::Syntax(error)) => assert_eq!(error.what, what, "{body:.20}"),
            other => panic!("{body:.20}: {other:?}"),
        }
    }
    let invalid = filter(".").request(b"\"\xff\"", &Known::new(), Effort::Little);
    assert!(matches!(invalid, Err(Failed::Syntax(_))));
    // Regular, but more than a worker does for one body.
    let many = format!("[{}0]", "0,".repeat(20_000));
    assert_eq!(run("map(. + 1)", &many), Err(Failed::TooMuch));
    let transform = filter("map(. + 1) | length");
    let made = thread::Builder::new()
        .stack_size(transform.stack())
        .spawn(move || transform.request(many.as_bytes(), &Known::new(), Effort::All));
    assert_eq!(made.unwrap().join().unwrap().as_deref(), Ok(&b"20001"[..]));
}

#[test]
fn what_comes_out_is_bounded() {
    let section = config::Transform { max_body: config::ByteSize(64), ..section("[range(.)]") };
    let transform = compile(&section).unwrap();
    let run = |body: &str| transform.request(body.as_bytes(), &Known::new(), Effort::Little);
    assert_eq!(run("3").as_deref(), Ok(&b"[0,1,2]"[..]));
    assert_eq!(run("100"), Err(Failed::TooLarge));
}

/// Texts that are no filters, what is said of them, and what to do.
const NONE: &[(&str, &str, &str)] = &[
    ("", "1:1: expected term, found its end", ""),
    (".a |", "1:5: expected term, found its end", ""),
    (".items\n| map({id, name)", "2:16: expected closing brace", ""),
    (".a\n  .b &&", "2:6: expected token, found `&&`", ""),
    ("if . then 1", "1:12: expected else or end, found its end", ""),
    (". | foo", "1:5: there is no filter `foo`", ""),
    ("map(1; 2)", "1:1: there is no filter `map` that takes 2 arguments", ""),
    ("$header.a", "1:1: there is no variable `$header`", "there are $headers, $query"),
    ("$status", "1:1: there is no variable `$status`", "there are $headers"),
    ("$ENV.HOME", "1:1: there is no variable `$ENV`", ""),
    ("break $x", "1:7: there is no label `$x`", ""),
    ("\"\\q\"", "1:3: expected string escape sequence", ""),
    ("\"abc", "1:5: expected closing quote", ""),
    ("import \"a\" as a; a::b", "1:9: a filter is one expression, without modules", "into it"),
    ("import \"a\" as $a; $a", "1:1: a filter is one expression, without modules", "into it"),
    ("include \"a\"; .", "1:10: a filter is one expression, without modules", "into it"),
    ("def f(g): g | f(g | .); f(.)", "1:5: `f` calls itself at its end", "def again: g | again"),
    ("def f(g): def h(i): if . then f(i), 1 else 2 end; h(g); f(.)", "1:5: `f` calls itself", ""),
    ("def f($a; g): . as [$b] | 1 // f($a; g); f(1; 2)", "1:5: `f` calls itself", ""),
    ("{a: (def f(g): foreach 1 as $x (0; 1; f(.)); f(.))}", "1:10: `f` calls itself", ""),
    ("module {}; .", "1:1: a filter is one expression, without modules", "into it"),
];

#[test]
fn a_filter_that_is_none_says_where() {
    for (text, message, help) in NONE {
        let said = compile(&section(text)).err().unwrap_or_else(|| panic!("{text} is one"));
        let (what, do_so) = &said[0];
        let helps = do_so.as_deref().unwrap_or_default().contains(help);
        assert!(what.starts_with(message) && helps, "{text}: {said:?}");
    }
    for name in [
        "env",
        "now",
        "input",
        "inputs",
        "debug",
        "debug(1)",
        "stderr",
        "halt",
        "halt_error",
        "halt_error(1)",
        "halt(1)",
        "localtime",
        "strflocaltime(\"%Z\")",
        "debug_empty",
        "stderr_empty",
    ] {
        let (what, help) = compile(&section(name)).err().unwrap().remove(0);
        assert!(what.ends_with("is not for filters here"), "{name}: {what}");
        assert_eq!(
            help.as_deref(),
            Some("a filter sees the message and its variables, nothing else")
        );
    }
    let nested = "(".repeat(70) + "1" + &")".repeat(70);
    assert_eq!(compile(&section(&nested)).unwrap_err()[0].0, "1:65: it is nested too deeply");
    let long = "1 + ".repeat(20_000) + "1";
    assert_eq!(compile(&section(&long)).unwrap_err()[0].0, "it has more than 65536 bytes");
    let none = compile(&config::Transform::default()).unwrap_err();
    assert_eq!(none[0].0, "there is no filter, so nothing is changed");
}

#[test]
fn a_filter_that_is_deep_without_brackets_ends_nobody() {
    for text in [
        "-".repeat(30_000) + "1",
        ".|".repeat(16_000) + ".",
        "1 as $x|".repeat(6_000) + "1",
        "def f: ".repeat(3_000) + "1" + &";1".repeat(3_000),
        "if . then ".repeat(3_000) + "1" + &" end".repeat(3_000),
        "if 1 then 2 ".to_owned() + &"elif 1 then 2 ".repeat(4_000) + "end",
        "try ".repeat(10_000) + "1",
        "reduce ".repeat(5_000) + "1",
        "1 + ".repeat(15_000) + "1",
        "1,".repeat(30_000) + "1",
        ".".to_owned() + &"a.".repeat(30_000) + "a",
        ".".to_owned() + &"?".repeat(60_000),
        ".".to_owned() + &"[0]".repeat(20_000),
        "label $x|".repeat(6_000) + "1",
        "1 // ".repeat(12_000) + "1",
        "1 = ".repeat(12_000) + "1",
    ] {
        // On a stack as small as that of the thread that loads.
        let thread = thread::Builder::new().stack_size(2 << 20);
        let made = thread.spawn(move || compile(&section(&text)).map(drop)).unwrap().join();
        drop(made.unwrap());
    }
    let within = "1 + ".repeat(4_001) + "1";
    let said = "1:1: it has 4001 parts within each other; 4000 may be";
    assert_eq!(compile(&section(&within)).unwrap_err()[0].0, said);
    let beside = format!("[{}]", vec!["(1 + 2 | . * 3)"; 3_000].join(","));
    assert!(compile(&section(&beside)).is_ok(), "what is beside each other is not deep");
}

#[test]
fn all_that_is_wrong_with_filters_is_said_at_once() {
    let section = config::Transform {
        response: Some(Filter::Text("foo | bar".into())),
        status: Some(Filter::Text("$stat".into())),
        ..section(".a |")
    };
    let said: Vec<_> = compile(&section).unwrap_err().into_iter().map(|(what, _)| what).collect();
    assert_eq!(
        said,
        [
            "1:5: expected term, found its end",
            "1:1: there is no filter `foo`",
            "1:7: there is no filter `bar`",
            "1:1: there is no variable `$stat`",
        ]
    );
}

#[test]
fn an_answer_has_another_body_and_another_status() {
    let section = config::Transform {
        response: Some(Filter::Text("{data: .data, was: $status}".into())),
        status: Some(Filter::Text("if .error then 422 else .status end".into())),
        ..Default::default()
    };
    let transform = compile(&section).unwrap();
    assert_eq!(transform.of_answer().collect::<Vec<_>>(), [Variable::Status]);
    let known = vec![(Variable::Status, json!(200))];
    let answer = |body: &str| transform.answer(body.as_bytes(), &known, Effort::Little);
    let body = Some(b"{\"data\":1,\"was\":200}".to_vec());
    for (sent, status) in [
        ("{\"data\":1}", None),
        ("{\"data\":1,\"error\":true}", Some(StatusCode::UNPROCESSABLE_ENTITY)),
        ("{\"data\":1,\"status\":201}", Some(StatusCode::CREATED)),
    ] {
        assert_eq!(answer(sent), Ok(Made { body: body.clone(), status }), "{sent}");
    }
    for wrong in [
        "{\"status\":100}",
        "{\"status\":304}",
        "{\"status\":600}",
        "{\"status\":\"200\"}",
        "{\"status\":1e9}",
    ] {
        assert_eq!(answer(wrong), Err(Failed::Said("`status` gives no status".into())), "{wrong}");
    }
}

fn stream(form: Lines, other: config::Other, response: &str) -> Pieces {
    let section = config::Transform {
        response: Some(Filter::Text(response.into())),
        max_body: config::ByteSize(256),
        other,
        ..Default::default()
    };
    Pieces::new(Arc::new(compile(&section).unwrap()), Known::new(), form)
}

/// Has a stream take a piece, or its end, and go on until it wants the next.
fn push(pieces: &mut Pieces, piece: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Failed> {
    match piece {
        Some(piece) => pieces.feed(Bytes::copy_from_slice(piece)),
        None => pieces.end(),
    }
    loop {
        match pieces.next(out)? {
            Progress::Through => return Ok(()),
            Progress::Rest => {}
            Progress::Beside(item) => {
                let thread = thread::Builder::new().stack_size(item.stack());
                out.extend(thread.spawn(move || item.make()).unwrap().join().unwrap()?);
            }
        }
    }
}

#[test]
fn a_worker_rests_while_a_stream_goes_through_a_filter() {
    for (form, sent, made, rests) in [
        (Lines::Json, "0\n".repeat(32_000), 64_000, 50),
        (Lines::Events, "data: 0\n\n".repeat(8_000), 72_000, 25),
        (Lines::Events, ":\n".repeat(32_000), 64_000, 30),
        (Lines::Events, "\n".repeat(32_000), 32_000, 30),
        (Lines::Events, "a\n".repeat(100), 0, 0),
    ] {
        let mut pieces = stream(form, config::Other::Refuse, ".");
        pieces.feed(Bytes::from(sent));
        let (mut out, mut rested) = (Vec::new(), 0);
        while let Progress::Rest = pieces.next(&mut out).unwrap() {
            rested += 1;
        }
        assert_eq!(out.len(), made, "{form:?}");
        assert!(rested >= rests, "{form:?}: {rested}");
    }
}

#[test]
fn a_value_of_a_stream_that_takes_long_is_worked_on_beside_the_worker() {
    let section = config::Transform {
        response: Some(Filter::Text("., length".into())),
        ..Default::default()
    };
    let large = json!(["x".repeat(131_000), vec![0; 8_000]]).to_string();
    for (max_steps, done) in [(1_000_000, Ok(())), (20_000, Err(Failed::TooMuch))] {
        let transform =
            Arc::new(compile(&config::Transform { max_steps, ..section.clone() }).unwrap());
        let mut pieces = Pieces::new(transform, Known::new(), Lines::Events);
        let mut made = Vec::new();
        let sent = format!("data: 1\n\nid: 7\ndata: {large}\n\ndata: 2\n\n");
        assert_eq!(push(&mut pieces, Some(sent.as_bytes()), &mut made), done);
        let all = format!(
            "data: 1\n\ndata: 1\n\nid: 7\ndata: {large}\n\nid: 7\ndata: 2\n\ndata: 2\n\ndata: 2\n\n"
        );
        let expected = if done.is_ok() { &all } else { "data: 1\n\ndata: 1\n\n" };
        assert!(made == expected.as_bytes(), "{max_steps}");
    }
}

#[test]
fn each_value_of_a_stream_goes_through_the_filter() {
    let json = "{\"a\":1}\n\n {\"a\":[2]}\r\n{\"a\":null}\n{\"a\":3}";
    let events = ": hello\nevent: x\nid: 7\ndata: {\"a\":1}\n\nretry: 5\n\ndata:{\"a\":\ndata: [2]}\n\r\n: ping\n\ndata: {\"a\":null}\n\ndata: {\"a\":9}\n";
    for (form, sent, expected) in [
        (Lines::Json, json, "1\n[2]\n0\n0\n3\n"),
        (
            Lines::Events,
            events,
            ": hello\nevent: x\nid: 7\ndata: 1\n\nretry: 5\n\ndata: [2]\n\n: ping\n\ndata: 0\n\ndata: 0\n\n",
        ),
        // A line ends in three ways, and a mark before the first one is none of it.
        (
            Lines::Events,
            "\u{feff}data: {\"a\":1}\n\nid: 7\rdata: {\"a\":2}\r\r: c\rdata: {\"a\":3}\r\n\r\ndata: {\"a\":\rdata: 4}\n\r",
            "data: 1\n\nid: 7\ndata: 2\n\n: c\ndata: 3\n\ndata: 4\n\n",
        ),
        (Lines::Events, "\u{feff}: c\n\u{feff}data: x\n\n", ": c\n\u{feff}data: x\n\n"),
        (Lines::Json, "{\"a\":\r1}\n{\"a\":2}", "1\n2\n"),
    ] {
        // However it is cut.
        for size in [1, 2, 3, 7, 1000] {
            let mut pieces = stream(form, config::Other::Refuse, "if .a then .a else 0, 0 end");
            let mut made = Vec::new();
            for piece in sent.as_bytes().chunks(size) {
                push(&mut pieces, Some(piece), &mut made).unwrap();
            }
            push(&mut pieces, None, &mut made).unwrap();
            assert_eq!(String::from_utf8(made).unwrap(), expected, "{form:?} {size}");
        }
    }
    let mut none = stream(Lines::Events, config::Other::Refuse, "empty");
    let mut made = Vec::new();
    push(&mut none, Some(b"data: 1\n\n"), &mut made).unwrap();
    assert!(made.is_empty());
}

#[test]
fn a_stream_breaks_off_where_the_filter_fails() {
    for (form, sent, failed) in [
        (Lines::Json, "{\"a\"\n".to_owned(), "Syntax"),
        (Lines::Json, "[1]\n".to_owned(), "Said"),
        (Lines::Json, "1".repeat(300), "TooLarge"),
        (Lines::Events, "data: [DONE]\n\n".to_owned(), "Syntax"),
        (Lines::Events, "x: y\n".repeat(100), "TooLarge"),
        (Lines::Json, "{\"n\":1e9}\n".to_owned(), "TooMuch"),
        (Lines::Json, "{\"n\":300}\n".to_owned(), "TooLarge"),
    ] {
        let mut pieces = stream(form, config::Other::Refuse, "[range(.n)]");
        let failed_so = push(&mut pieces, Some(sent.as_bytes()), &mut Vec::new()).unwrap_err();
        let made = format!("{failed_so:?}");
        assert!(made.starts_with(failed), "{sent}: {made}");
    }
    let mut passes = stream(Lines::Events, config::Other::Pass, ".a");
    let mut made = Vec::new();
    push(&mut passes, Some(b"data: {\"a\":1}\n\ndata: [DONE]\n\n"), &mut made).unwrap();
    assert_eq!(made, b"data: 1\n\ndata: [DONE]\n\n");
}

#[test]
fn streams_are_known_by_their_types() {
    for (kind, form) in [
        ("application/x-ndjson", Some(Lines::Json)),
        ("Application/JSONL; charset=utf-8", Some(Lines::Json)),
        ("text/event-stream", Some(Lines::Events)),
        ("application/json", None),
        ("text/plain", None),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        assert_eq!(Lines::of(&headers), form, "{kind}");
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    nested(leaf)
}

proptest! {
    #[test]
    fn what_a_filter_does_not_touch_stays_as_it_is(value in document()) {
        let text = value.to_string();
        for filter in [".", "tojson | fromjson", "walk(.)", "[.] | .[0]", "reduce . as $x (0; $x)"] {
            prop_assert_eq!(run(filter, &text), Ok(text.clone()), "{}", filter);
        }
    }

    #[test]
    fn sums_are_right_or_floating(a in any::<i64>(), b in any::<i64>()) {
        let made = run(".[0] + .[1]", &json!([a, b]).to_string()).unwrap();
        let sum = i128::from(a) + i128::from(b);
        match i64::try_from(sum) {
            Ok(sum) => prop_assert_eq!(made, sum.to_string()),
            Err(_) => prop_assert_eq!(made.parse::<f64>().unwrap(), a as f64 + b as f64),
        }
    }

    #[test]
    fn no_text_of_a_filter_panics(text in "[-.a-z0-9$|,(){}\\[\\]\"\\\\;:?/+*=<> ]{0,40}") {
        let _ = compile(&section(&text));
    }

    #[test]
    fn no_piece_of_a_stream_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), size in 1_usize..9) {
        for form in [Lines::Json, Lines::Events] {
            let mut pieces = stream(form, config::Other::Pass, ".");
            for piece in bytes.chunks(size) {
                let _ = push(&mut pieces, Some(piece), &mut Vec::new());
            }
            let _ = push(&mut pieces, None, &mut Vec::new());
        }
    }
}
