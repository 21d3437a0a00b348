//! Rules to a table: reads every pattern, puts all in order, and collects all that is wrong.
//!
//! In: the rules, in any order. Out: a [`RouteTable`] with its findings, or every problem there is.
//! A rule with several hosts and paths becomes an entry for each pair of them.

use http::Method;

use super::{
    Entry, RouteProblem, RouteTable, Rule,
    demand::Demand,
    host::Host,
    order,
    pattern::{Pattern, Segment},
    tree::Forest,
};

/// Most entries, so that long lists of hosts and paths cannot multiply to what fills the memory.
const MAX_ENTRIES: usize = 1 << 20;

/// Compiles rules; see [`RouteTable::compile`].
pub(super) fn compile<T>(rules: Vec<Rule<'_, T>>) -> Result<RouteTable<T>, Vec<RouteProblem>> {
    let mut problems = Vec::new();
    let mut entries = Vec::new();
    let mut demands = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        read(index, rule, &mut entries, &mut problems);
        demands.extend(Demand::compile(index, rule, &mut problems));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    entries.sort_by(|a, b| place(a).cmp(&place(b)));
    let mut forest = Forest::default();
    let mut findings: Vec<_> =
        rules.iter().enumerate().zip(&demands).filter_map(only_connect).collect();
    let mut start = 0;
    while let Some(first) = entries.get(start) {
        let end = start + entries[start..].partition_point(|entry| place(entry) == place(first));
        forest.insert(&first.host, &first.path, start..end);
        settle(&mut entries[start..end], &demands, &rules, &mut problems, &mut findings);
        start = end;
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.rule);
        return Err(problems);
    }
    findings.sort_by_key(|finding| finding.rule);
    let (guards, targets) = rules.into_iter().map(|rule| (rule.guards, rule.target)).unzip();
    Ok(RouteTable { forest, entries, demands, guards, targets, findings })
}

/// What entries of one leaf have in common; the most specific sorts first.
fn place(entry: &Entry) -> (&Host, &[Segment]) {
    (&entry.host, &entry.path.shape)
}

/// Reads a rule's patterns and adds an entry for each pair.
fn read<T>(
    index: usize,
    rule: &Rule<'_, T>,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<RouteProblem>,
) {
    let route = rule.route;
    let mut hosts = read_all(index, "host", &route.host, Host::parse, problems);
    let mut paths = read_all(index, "path", &route.path, Pattern::parse, problems);
    if route.host.is_empty() {
        hosts.push(Host::Any);
    }
    if route.path.is_empty() {
        paths.push(Pattern::any());
    }
    if entries.len().saturating_add(hosts.len().saturating_mul(paths.len())) > MAX_ENTRIES {
        let message = format!("with this there are more than {MAX_ENTRIES} pairs of host and path");
        problems.push(RouteProblem { rule: index, key: "host", item: None, message, help: None });
        return;
    }
    entries.extend(hosts.iter().flat_map(|host| {
        let entry = |path: &Pattern| Entry { rule: index, host: host.clone(), path: path.clone() };
        paths.iter().map(entry)
    }));
}

fn read_all<P>(
    rule: usize,
    key: &'static str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<P, (String, Option<String>)>,
    problems: &mut Vec<RouteProblem>,
) -> Vec<P> {
    let read = |(index, text): (usize, &String)| {
        let item = (texts.len() > 1).then_some(index);
        let read = parse(text).map_err(|(message, help)| {
            problems.push(RouteProblem { rule, key, item, message, help });
        });
        read.ok()
    };
    texts.iter().enumerate().filter_map(read).collect()
}

/// Puts the entries of one leaf in order and reports ties and what is never reached.
fn settle<T>(
    leaf: &mut [Entry],
    demands: &[Demand],
    rules: &[Rule<'_, T>],
    problems: &mut Vec<RouteProblem>,
    findings: &mut Vec<RouteProblem>,
) {
    if leaf.len() < 2 {
        return;
    }
    let here: Vec<&Demand> = leaf.iter().map(|entry| &demands[entry.rule]).collect();
    let ties = order::ties(&here);
    problems.extend(ties.iter().map(|(a, b)| tie(&leaf[*a], &leaf[*b], rules)));
    let order = order::arrange(&here);
    let ordered: Vec<&Demand> = order.iter().map(|index| here[*index]).collect();
    let sorted: Vec<Entry> = order.iter().map(|index| leaf[*index].clone()).collect();
    leaf.clone_from_slice(&sorted);
    for (at, entry) in leaf.iter().enumerate() {
        if order::is_shadowed(ordered[at], &ordered[..at]) {
            let message = format!(
                "`{}` never takes a request for `{}`: more specific routes take them all",
                rules[entry.rule].name,
                entry.what(),
            );
            let (rule, key) = (entry.rule, key_of(&rules[entry.rule]));
            let help = Some("take it away, or give it what they leave open".into());
            findings.push(RouteProblem { rule, key, item: None, message, help });
        }
    }
}

/// The finding of a route that takes no method but CONNECT, which is refused before there is a route:
/// the CONNECT that opens a WebSocket by HTTP/2 comes here as the `GET` that it is by HTTP/1.1.
fn only_connect<T>(
    ((index, rule), demand): ((usize, &Rule<'_, T>), &Demand),
) -> Option<RouteProblem> {
    let mut methods = demand.methods.list().peekable();
    methods.peek()?;
    methods.all(|method| method == Method::CONNECT).then(|| RouteProblem {
        rule: index,
        key: "methods",
        item: None,
        message: format!("`{}` never takes a request: CONNECT is always refused", rule.name),
        help: Some("for WebSockets, by HTTP/2 too, take \"GET\"".into()),
    })
}

/// The problem of two routes with equal right to a request; it is told of the later one.
fn tie<T>(a: &Entry, b: &Entry, rules: &[Rule<'_, T>]) -> RouteProblem {
    let (first, second) = if a.rule <= b.rule { (a, b) } else { (b, a) };
    let rule = &rules[second.rule];
    let (message, help) = if first.rule == second.rule {
        let message =
            format!("`{}` and `{}` are the same in `{}`", first.what(), second.what(), rule.name);
        (message, "take one of them away")
    } else {
        let message = format!(
            "`{}` and `{}` take the same requests for `{}`, and neither is the more specific",
            rules[first.rule].name,
            rule.name,
            second.what(),
        );
        (
            message,
            "tell them apart by `listener`, `methods`, `headers` or `query`, or take one away",
        )
    };
    RouteProblem {
        rule: second.rule,
        key: key_of(rule),
        item: None,
        message,
        help: Some(help.into()),
    }
}

/// The key to point at for a route's host and path.
fn key_of<T>(rule: &Rule<'_, T>) -> &'static str {
    match (rule.route.path.is_empty(), rule.route.host.is_empty()) {
        (false, _) => "path",
        (true, false) => "host",
        (true, true) => "to",
    }
}
