//! Documents that would do harm, or none.

use std::{fmt::Write as _, time::Instant};

use super::*;

/// `times` of a text, with numbers in place of `#`.
fn many(times: usize, text: &str) -> String {
    (0..times).fold(String::new(), |made, number| made + &text.replace('#', &number.to_string()))
}

/// Fragments each of which uses the next one twice.
fn bomb(fragments: usize, leaf: &str) -> String {
    let mut made = String::from("{ user(id: 1) { ...f0 } }");
    for number in 0..fragments {
        let next = number + 1;
        let _ = write!(
            made,
            " fragment f{number} on User {{ a: boss {{ ...f{next} }} b: boss {{ ...f{next} }} }}"
        );
    }
    made + &format!(" fragment f{fragments} on User {{ {leaf} }}")
}

/// The same without fields between.
fn flat_bomb(fragments: usize) -> String {
    let mut made = String::from("{ user(id: 1) { ...f0 } }");
    for number in 0..fragments {
        let next = number + 1;
        let _ = write!(made, " fragment f{number} on User {{ ...f{next} ...f{next} }}");
    }
    made + &format!(" fragment f{fragments} on User {{ name }}")
}

/// Name, document and the reason why not.
type Rows = Vec<(&'static str, String, &'static str)>;

fn malformed() -> Rows {
    vec![
        ("nothing", String::new(), "graphql.syntax"),
        ("spaces", " \n\t,,, ".into(), "graphql.syntax"),
        ("a comment", "# { user }".into(), "graphql.syntax"),
        ("no selection", "{}".into(), "graphql.syntax"),
        ("open", "{ user(id: 1) { name ".into(), "graphql.syntax"),
        ("closed twice", "{ tags }}".into(), "graphql.syntax"),
        ("not GraphQL", "select * from users".into(), "graphql.syntax"),
        ("JSON in it", "{\"query\":\"{ tags }\"}".into(), "graphql.syntax"),
        ("an open text", "{ search(text: \"abc) { __typename } }".into(), "graphql.syntax"),
        (
            "an open block of text",
            "{ search(text: \"\"\"abc) { __typename } }".into(),
            "graphql.syntax",
        ),
        ("an unknown escape", "{ search(text: \"\\q\") { __typename } }".into(), "graphql.syntax"),
        ("a control character", "{ tags \u{0} }".into(), "graphql.syntax"),
        ("a number that is none", "{ users(first: 00) { id } }".into(), "graphql.syntax"),
        ("a schema", "type Query { a: Int }".into(), "graphql.validation"),
        (
            "a schema beside it",
            "{ tags } extend type Query { a: Int }".into(),
            "graphql.validation",
        ),
        ("fragments only", "fragment a on User { id }".into(), "graphql.operation"),
        ("two without names", "{ tags } { tags }".into(), "graphql.validation"),
        ("two of one name", "query a { tags } query a { tags }".into(), "graphql.validation"),
        ("two, and none is named", "query a { tags } query b { tags }".into(), "graphql.operation"),
    ]
}

fn large() -> Rows {
    let deep = |times: usize| {
        format!("{{ user(id: 1) {{ {} name {} }} }}", "boss { ".repeat(times), "}".repeat(times))
    };
    let lists = |times: usize| {
        format!("{{ users(after: {}1{}) {{ id }} }}", "[".repeat(times), "]".repeat(times))
    };
    vec![
        ("deep", deep(14), "graphql.depth"),
        ("deeper than anything is read", deep(300), "graphql.depth"),
        ("deep in fragments", bomb(20, "name"), "graphql.depth"),
        ("only braces", "{".repeat(1_900), "graphql.syntax"),
        ("a deep list", lists(400), "graphql.depth"),
        ("a deep object", format!("{{ users(filter: {}1{}) {{ id }} }}", "{and: ".repeat(300), "}".repeat(300)), "graphql.depth"),
        ("a deep type", format!("query($a: {}Int{}) {{ tags }}", "[".repeat(600), "]".repeat(600)), "graphql.depth"),
        ("many tokens", format!("{{ {} }}", many(2_000, "tags ")), "graphql.tokens"),
        ("many tokens in an argument", format!("{{ users(filter: {{ids: [{}]}}) {{ id }} }}", many(3_000, "# ")), "graphql.tokens"),
        ("many variables", format!("query({}) {{ tags }}", many(900, "$a#: Int ")), "graphql.tokens"),
        ("many fields", format!("{{ user(id: 1) {{ {} }} }}", many(1_100, "name ")), "graphql.fields"),
        ("many fields at the top", format!("{{ {} }}", many(21, "tags ")), "graphql.root_fields"),
        ("many aliases", format!("{{ user(id: 1) {{ {} }} }}", many(31, "a#: name ")), "graphql.aliases"),
        ("many aliases at the top", format!("{{ {} }}", many(100, "a#: tags ")), "graphql.root_fields"),
        ("many directives", format!("{{ tags {} }}", many(51, "@include(if: true) ")), "graphql.directives"),
        ("many unknown directives", format!("{{ tags {} }}", many(500, "@a# ")), "graphql.directives"),
        ("directives of fragments", format!("{{ user(id: 1) {{ {} }} }} fragment a on User {{ name @skip(if: false) }}", many(30, "...a @skip(if: false) ")), "graphql.directives"),
        ("a fragment that uses itself", "{ user(id: 1) { ...a } } fragment a on User { boss { ...a } }".into(), "graphql.fragments"),
        ("fragments in a circle", "{ user(id: 1) { ...a } } fragment a on User { ...b } fragment b on User { ...c } fragment c on User { ...a }".into(), "graphql.fragments"),
        ("a circle that nobody uses", "{ tags } fragment a on User { ...b } fragment b on User { ...a }".into(), "graphql.fragments"),
        ("no such fragment", "{ user(id: 1) { ...none } }".into(), "graphql.fragments"),
        ("a bomb", bomb(10, "name"), "graphql.aliases"),
        ("a bomb without fields", flat_bomb(70), "graphql.fields"),
        ("a long chain of fragments", format!("{{ user(id: 1) {{ ...f0 }} }} {} fragment f250 on User {{ name }}", (0..250).map(|n| format!("fragment f{n} on User {{ ...f{} }}", n + 1)).collect::<String>()), "graphql.depth"),
    ]
}

fn unfit() -> Rows {
    vec![
        ("a fragment that nobody uses", "{ tags } fragment a on User { id }".into(), "graphql.validation"),
        ("no such field", "{ user(id: 1) { password } }".into(), "graphql.validation"),
        ("no such argument", "{ user(id: 1, admin: true) { id } }".into(), "graphql.validation"),
        ("an argument is missing", "{ user { id } }".into(), "graphql.validation"),
        ("an argument of another type", "{ users(first: \"1\") { id } }".into(), "graphql.validation"),
        ("no such type", "{ node(id: 1) { ... on Admin { id } } }".into(), "graphql.validation"),
        ("a type that cannot be", "{ user(id: 1) { ... on Line { count } } }".into(), "graphql.validation"),
        ("a leaf with fields", "{ tags { length } }".into(), "graphql.validation"),
        ("an object without", "{ user(id: 1) }".into(), "graphql.validation"),
        ("two things by one name", "{ user(id: 1) { a: name a: id } }".into(), "graphql.validation"),
        ("two arguments by one name", "{ user(id: 1, id: 2) { id } }".into(), "graphql.validation"),
        ("no such variable", "{ user(id: $id) { id } }".into(), "graphql.validation"),
        ("a variable that nobody uses", "query($a: Int) { tags }".into(), "graphql.validation"),
        ("a variable of another type", "query($a: Role) { users(first: $a) { id } }".into(), "graphql.validation"),
        ("no such operation type", "subscription { tags }".into(), "graphql.validation"),
        ("two arguments where one has to be", "{ feed(count: 1, page: 2) { id } }".into(), "graphql.validation"),
        ("dear", "{ users(first: 100) { friends(first: 100) { id } } }".into(), "graphql.cost"),
        ("dear beyond numbers", "{ users(first: 2147483647) { friends(first: 2147483647) { friends(first: 2147483647) { friends(first: 2147483647) { id } } } } }".into(), "graphql.cost"),
        ("dear where nothing says so", "{ users { friends { friends { friends { id } } } } }".into(), "graphql.cost"),
        ("dear in fragments", "{ users(first: 50) { ...a ...b } } fragment a on User { friends(first: 60) { id } } fragment b on User { friends(first: 60) { id } }".into(), "graphql.cost"),
    ]
}

#[test]
fn what_is_hostile_is_refused_for_its_reason_and_takes_no_time() {
    let guard = guard("");
    let began = Instant::now();
    for (name, document, reason) in [malformed(), large(), unfit()].concat() {
        assert_eq!(asked(&guard, &document), Err(reason), "{name}: {document:.300}");
        // What is wrong is remembered, too.
        assert_eq!(asked(&guard, &document), Err(reason), "{name}, once more");
    }
    let took = began.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}

/// What goes through all rules and is as much as may be: nothing of it may take long, also unoptimised.
#[test]
fn the_most_that_may_be_takes_no_time() {
    let guard = guard("guard.max-cost = 4000000000");
    let fields = |times: usize, text: &str| many(times, text);
    let pairs = fields(120, "boss { id name } ");
    for (name, document) in [
        ("the same field", format!("{{ user(id: 1) {{ {} }} }}", fields(990, "name "))),
        ("the same object", format!("{{ user(id: 1) {{ {pairs} }} }}")),
        (
            "the same object in itself",
            format!("{{ user(id: 1) {{ boss {{ {pairs} }} boss {{ {pairs} }} }} }}"),
        ),
        (
            "fragments",
            format!(
                "{{ user(id: 1) {{ {} }} }} {}",
                fields(120, "...f# "),
                fields(120, "fragment f# on User { id boss { id name } } ")
            ),
        ),
        (
            "fragments in fragments",
            format!(
                "{{ user(id: 1) {{ ...f0 }} }} {} fragment f31 on User {{ id }}",
                (0..31)
                    .map(|n| format!("fragment f{n} on User {{ id name ...f{} }} ", n + 1))
                    .collect::<String>()
            ),
        ),
        (
            "inline fragments",
            format!(
                "{{ node(id: 1) {{ {} }} }}",
                fields(150, "... on User { id } ... on Order { id } ")
            ),
        ),
        (
            "deep and wide",
            format!(
                "{{ user(id: 1) {{ {} name {} }} }}",
                "id name boss { ".repeat(12),
                "}".repeat(12)
            ),
        ),
        ("arguments", format!("{{ users(filter: {{ids: [{}]}}) {{ id }} }}", fields(1_500, "# "))),
        (
            "variables",
            format!(
                "query({}) {{ users(filter: {{ids: [{}]}}) {{ id }} }}",
                fields(300, "$a#: ID! "),
                fields(300, "$a# ")
            ),
        ),
    ] {
        let began = Instant::now();
        let outcome = asked(&guard, &document);
        let took = began.elapsed();
        let fair = matches!(outcome, Ok(_) | Err("graphql.variables" | "graphql.validation"));
        assert!(fair, "{name}: {outcome:?}");
        assert!(took.as_secs() < 5, "{name}: {took:?}");
        println!("{name}: {took:?} {outcome:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_shortly() {
    let guard = guard("");
    for (document, says, place) in [
        ("{\n  user(id: 1) {\n    id\n    password\n  }\n}", "`password`", Some((4, 5))),
        ("{ tags", "", Some((1, 7))),
        ("{ user(id: 1) { ...none } }", "there is no fragment `none`", None),
        ("{ users(first: 100) { friends(first: 100) { id } } }", "costs 10100; 5000 may be", None),
    ] {
        let refused = post(&guard, &json!({ "query": document })).unwrap_err();
        let first = refused.violations.iter().next().unwrap();
        assert!(first.says.contains(says), "{document}: {first}");
        if place.is_some() {
            assert_eq!(first.at, place, "{document}: {first}");
        }
        assert_eq!(first.pointer, "/query");
    }
    let long = format!("{{ {} }}", "x".repeat(100_000));
    let refused = post(&guard, &json!({ "query": long })).unwrap_err();
    assert!(refused.violations.iter().all(|wrong| wrong.says.len() < 300));
}

#[test]
fn huge_texts_are_one_token_and_pass_as_they_are() {
    let guard = guard("");
    let text = "x".repeat(500_000);
    let document = format!("{{ search(text: \"{text}\") {{ __typename }} }}");
    assert_eq!(asked(&guard, &document), Ok(Some(13)));
    let comment = format!("#{text}\n{{ tags }}");
    assert_eq!(asked(&guard, &comment), Ok(Some(0)));
}

#[test]
fn good_ones_are_not_refused() {
    let guard = guard("guard.introspection = \"allow\"");
    for (document, cost) in [
        ("{ tags }", 0),
        ("{ user(id: 1) { id name boss { name } } }", 2),
        ("query a($n: Int = 3) { users(first: $n) { id } }", 3),
        ("{ users { id } }", 10),
        ("{ users(first: 0) { id } }", 0),
        ("{ users(first: -1) { id } }", 10),
        // The list is as long as what is around it says.
        ("{ orders(first: 5) { count edges { node { id } } } }", 1 + 5 * 2),
        ("{ orders { edges { cursor } } }", 1 + 10),
        (
            "{ user(id: 1) { orders(last: 4) { ...o } } } fragment o on Orders { edges { cursor } }",
            1 + 1 + 4,
        ),
        // Types that exclude each other do not add up; one counts with what both have.
        (
            "{ search(text: \"a\", limit: 2) { ... on User { boss { id } } ... on Order { user { id } } } }",
            3 + 2 * (1 + 1),
        ),
        ("{ node(id: 1) { id ... on User { boss { id } } } }", 2),
        ("{ feed(count: 2) { id } }", 2),
        ("{ report { rows { count } } }", 23 + 100),
        ("mutation { rename(id: 1, name: \"a\") { id } }", 1),
        ("subscription { changed(id: 1) { id } }", 1),
        ("{ __typename }", 0),
        ("{ __schema { types { fields { args { name } } } } }", 0),
        ("{ user(id: 1) { ... @include(if: true) { id } ... { name } } }", 1),
        ("\u{feff}{ tags }", 0),
    ] {
        assert_eq!(asked(&guard, document), Ok(Some(cost)), "{document}");
    }
}

#[test]
fn without_a_schema_the_shape_counts() {
    let guard = blind("guard.max-depth = 3");
    for (document, outcome) in [
        ("{ anything(at: {all: [1]}) { is { fine } } }", Ok(None)),
        ("{ a { b { c { d } } } }", Err("graphql.depth")),
        ("{ ...a } fragment a on Any { ...a }", Err("graphql.fragments")),
        // A service may take the one or the other.
        (
            "{ ...a } fragment a on Any { b { c { d { e } } } } fragment a on Any { b }",
            Err("graphql.validation"),
        ),
        ("{ a", Err("graphql.syntax")),
    ] {
        assert_eq!(asked(&guard, document), outcome, "{document}");
    }
}

#[test]
fn bounds_are_the_operators() {
    for (keys, document, outcome) in [
        ("guard.max-depth = 1", "{ user(id: 1) { id } }", Err("graphql.depth")),
        ("guard.max-tokens = 7", "{ tags }", Ok(Some(0))),
        ("guard.max-tokens = 7", "{ tags tags }", Err("graphql.tokens")),
        ("guard.max-fields = 2", "{ user(id: 1) { id name } }", Err("graphql.fields")),
        ("guard.max-aliases = 0", "{ a: tags }", Err("graphql.aliases")),
        ("guard.max-root-fields = 1", "{ tags user(id: 1) { id } }", Err("graphql.root_fields")),
        ("guard.max-directives = 0", "query @a { tags }", Err("graphql.directives")),
        ("guard.max-directives = 1", "query($a: Int @a @b) { tags }", Err("graphql.directives")),
        ("guard.max-cost = 0", "{ user(id: 1) { id } }", Err("graphql.cost")),
        ("guard.list-size = 3", "{ users(first: null) { id } }", Ok(Some(3))),
        ("guard.slicing = \"after\"", "{ users(first: 500) { id } }", Ok(Some(10))),
        ("guard.weights = { \"Query.tags\" = 4 }", "{ tags }", Ok(Some(4))),
        ("guard.weights = { User = 0.5 }", "{ users(first: 3) { id } }", Ok(Some(2))),
        ("guard.weights = { \"Query.user(id)\" = 7 }", "{ user(id: 1) { id } }", Ok(Some(8))),
        (
            "guard.weights = { Report = 0, \"Query.report\" = 0 }",
            "{ report { __typename } }",
            Ok(Some(0)),
        ),
    ] {
        assert_eq!(asked(&guard(keys), document), outcome, "{keys}: {document}");
    }
}

#[test]
fn on_trial_everything_passes_and_is_told() {
    let guard = guard("enforce = \"report\"");
    for (body, reported, asked) in [
        (json!({ "query": "{ tags }" }), None, 1),
        (json!({ "query": "{ tags" }), Some("graphql.syntax"), 0),
        (json!({ "query": "{ user(id: 1) { password } }" }), Some("graphql.validation"), 1),
        (json!([]), Some("graphql.batch"), 0),
        (json!({ "query": "{ users(first: 9999) { id } }" }), Some("graphql.cost"), 1),
    ] {
        let checked = post(&guard, &body).unwrap();
        assert_eq!(checked.reported.map(Reject::reason), reported, "{body}");
        assert_eq!(checked.asked.len(), asked, "{body}");
    }
}

#[test]
fn a_cost_has_an_end_and_is_always_a_number() {
    const MOST: u64 = 10_000_000_000;
    let keys = "enforce = \"report\"\nguard.max-batch = 3\nguard.weights = { User = 1e308 }";
    let guard = guard(keys);
    let dear = "users(first: 2147483647) { friends(first: 2147483647) { id } }";
    for (fields, cost) in [
        (dear.to_owned(), MOST),
        // Nothing times all there is.
        ("users(first: 0) { friends(first: 9) { id } }".to_owned(), 0),
        (format!("a: users(first: 0) {{ friends(first: 9) {{ id }} }} {dear}"), MOST),
    ] {
        let query = format!("{{ {fields} }}");
        let batch = json!([{ "query": query }, { "query": query }, { "query": query }]);
        let checked = post(&guard, &batch).unwrap();
        let costs: Vec<_> = checked.asked.iter().filter_map(|asked| asked.cost).collect();
        assert_eq!(costs, [cost; 3], "{query}");
        assert_eq!(checked.reported.is_some(), cost == MOST, "{query}");
    }
}

proptest::proptest! {
    #[test]
    fn no_document_panics(text in "\\PC*|[{}()\\[\\]a-c .:$@!\"#0-9]*|(fragment a on User |query|\\{|\\}|\\.\\.\\.a|user\\(id:1\\)| )*") {
        let guard = guard("");
        let _ = post(&guard, &json!({ "query": text }));
        let _ = blind("").check(Given { method: &Method::GET, query: Some(&text), body: b"" });
    }
}
