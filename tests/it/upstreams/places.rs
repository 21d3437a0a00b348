//! What part an endpoint takes: zones, backups, slow starts, and weights by the operator's word.

use std::time::Duration;

use serde_json::{Value, json};

use super::{nobody, upstream};
use crate::support::{
    Daemon, Janua, Origin,
    daemon::{janua, on},
    until,
};

/// Who answered so many requests.
async fn names(janua: &Janua, count: usize) -> String {
    let mut client = janua.client().await;
    let mut names = String::new();
    for _ in 0..count {
        let answer = client.get("/").await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        names += &answer.text();
    }
    names
}

fn count(names: &str, name: char) -> usize {
    names.matches(name).count()
}

/// What the page of upstreams says of each endpoint by this key.
fn shown(janua: &Janua, key: &str) -> Vec<Value> {
    let page = serde_json::to_value(janua.world().upstream("u").unwrap().shown()).unwrap();
    page["endpoints"].as_array().unwrap().iter().map(|endpoint| endpoint[key].clone()).collect()
}

fn endpoint(url: &str, keys: &str) -> String {
    format!("{{ url = \"{url}\", {keys} }}")
}

#[tokio::test]
async fn near_endpoints_go_first_and_others_have_what_is_left() {
    let (near, far) = (Origin::named("a").await, Origin::named("b").await);
    let (_taken, dead) = nobody();
    let setup = |second: &str, zone: &str| {
        let all = [
            endpoint(&near.url, "zone = \"x\""),
            endpoint(&far.url, "zone = \"y\""),
            endpoint(second, "zone = \"x\""),
        ];
        let keys = format!(
            "endpoints = [{}]\nejection = {{ failures = 1, time = \"5m\" }}",
            all.join(", ")
        );
        upstream(&keys).server(zone)
    };
    let here = "zone = \"x\"";
    let other = Origin::named("a").await;
    let janua = setup(&other.url, here).start().await;
    assert_eq!(names(&janua, 20).await, "a".repeat(20));
    assert_eq!(shown(&janua, "near"), [json!(true), json!(false), json!(true)]);
    // One of two is up where seven in ten would be enough: five sevenths stay.
    let janua = setup(&dead, here).start().await;
    names(&janua, 2).await;
    until("it is left out", || shown(&janua, "state")[2] == "ejected").await;
    let names_of = names(&janua, 70).await;
    assert_eq!((count(&names_of, 'a'), count(&names_of, 'b')), (50, 20));
    // Near ones are none: the others have it all.
    assert!(janua.world().upstream("u").unwrap().drain(&near.url, true));
    assert_eq!(names(&janua, 4).await, "bbbb");
    // Somewhere else, or nowhere, zones mean something else.
    for (zone, expected) in
        [("zone = \"y\"", (0, 30)), ("zone = \"z\"", (20, 10)), ("zone = \"\"", (20, 10))]
    {
        let janua = setup(&other.url, zone).start().await;
        let names = names(&janua, 30).await;
        assert_eq!((count(&names, 'a'), count(&names, 'b')), expected, "{zone}");
    }
}

#[tokio::test]
async fn a_backup_is_asked_only_if_the_others_are_not_there() {
    let (first, spare) = (Origin::named("a").await, Origin::named("b").await);
    for keys in ["backup = true", "priority = 7"] {
        let endpoints = format!("[{}, \"{}\"]", endpoint(&spare.url, keys), first.url);
        let janua = upstream(&format!("endpoints = {endpoints}")).start().await;
        assert_eq!(names(&janua, 6).await, "aaaaaa");
        let world = janua.world();
        let upstream = world.upstream("u").unwrap();
        assert!(upstream.drain(&first.url, true));
        assert_eq!(names(&janua, 6).await, "bbbbbb", "{keys}");
        assert!(upstream.drain(&first.url, false));
        assert_eq!(names(&janua, 6).await, "aaaaaa", "{keys}");
    }
    // Found dead by a request, which goes on to the backup.
    let (_taken, dead) = nobody();
    let endpoints = format!("[\"{dead}\", {}]", endpoint(&spare.url, "backup = true"));
    let janua = upstream(&format!("endpoints = {endpoints}\nejection.failures = 0")).start().await;
    assert_eq!(names(&janua, 4).await, "bbbb");
    let janua = upstream(&format!("endpoints = {endpoints}\nejection.failures = 1")).start().await;
    assert_eq!(names(&janua, 1).await, "b");
    until("it is left out", || shown(&janua, "used") == [json!(false), json!(true)]).await;
    let janua_log = janua.log().len();
    assert_eq!(names(&janua, 4).await, "bbbb");
    assert!(
        janua.log()[janua_log..].iter().all(|line| line["tries"] == 1),
        "it is not tried any more"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_new_begins_with_a_tenth() {
    let (old, new) = (Origin::named("a").await, Origin::named("b").await);
    let setup = |more: &str, time: &str| {
        upstream(&format!("endpoints = [\"{}\"{more}]\nslow-start = \"{time}\"", old.url))
    };
    let both = format!(", \"{}\"", new.url);
    // At the start of the process nobody waits for anybody.
    let janua = setup(&both, "1h").start().await;
    assert_eq!(count(&names(&janua, 20).await, 'b'), 10);
    let janua = setup("", "1h").start().await;
    janua.reload(&setup(&both, "1h")).await.ok().unwrap();
    assert_eq!(count(&names(&janua, 33).await, 'b'), 3);
    assert_eq!(shown(&janua, "starts"), [Value::Null, json!(10)]);
    // Another reload does not begin it anew, or end it.
    janua.reload(&setup(&both, "2h")).await.ok().unwrap();
    assert_eq!(count(&names(&janua, 33).await, 'b'), 3);
    janua.reload(&setup(&both, "300ms")).await.ok().unwrap();
    until("it has all of its weight", || shown(&janua, "share") == [json!(50.0), json!(50.0)])
        .await;
    assert_eq!(count(&names(&janua, 20).await, 'b'), 10);
}

#[tokio::test]
async fn an_endpoint_that_comes_back_begins_with_a_tenth() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let keys = format!("endpoints = [\"{}\", \"{}\"]\nslow-start = \"1h\"", a.url, b.url);
    let janua = upstream(&keys).start().await;
    let world = janua.world();
    let upstream = world.upstream("u").unwrap();
    assert!(upstream.drain(&b.url, true));
    assert_eq!(names(&janua, 10).await, "a".repeat(10));
    assert!(upstream.drain(&b.url, false));
    assert_eq!(count(&names(&janua, 33).await, 'b'), 3);
}

/// Time is the test's own: each step is there when it is due.
#[tokio::test]
async fn a_slow_start_goes_from_step_to_step() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let keys = format!("endpoints = [\"{}\", \"{}\"]\nslow-start = \"450ms\"", a.url, b.url);
    let janua = upstream(&keys).start().await;
    assert!(janua.world().upstream("u").unwrap().drain(&b.url, true));
    assert!(janua.world().upstream("u").unwrap().drain(&b.url, false));
    let mut seen = Vec::new();
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let starts = shown(&janua, "starts")[1].as_u64().unwrap_or(100);
        if seen.last() != Some(&starts) {
            seen.push(starts);
        }
        if starts == 100 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(seen.len() > 3 && seen.is_sorted() && seen.last() == Some(&100), "{seen:?}");
}

#[tokio::test]
async fn another_weight_changes_shares_and_nothing_else() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let setup = |weight: u16| {
        let second = endpoint(&b.url, &format!("weight = {weight}"));
        upstream(&format!("endpoints = [\"{}\", {second}]", a.url))
    };
    let janua = setup(1).start().await;
    assert_eq!(count(&names(&janua, 20).await, 'b'), 10);
    let weigh = |weight| assert!(janua.world().upstream("u").unwrap().weigh(&b.url, weight));
    weigh(Some(4));
    assert_eq!(count(&names(&janua, 20).await, 'b'), 16);
    assert_eq!(shown(&janua, "written"), [Value::Null, json!(1)]);
    janua.reload(&setup(1)).await.ok().unwrap();
    assert_eq!(count(&names(&janua, 20).await, 'b'), 16, "it holds over a reload");
    assert_eq!([a.connections(), b.connections()], [1, 1], "connections stay");
    weigh(None);
    assert_eq!(count(&names(&janua, 20).await, 'b'), 10);
    weigh(Some(0));
    assert_eq!(names(&janua, 6).await, "aaaaaa");
    janua.reload(&setup(3)).await.ok().unwrap();
    assert_eq!(count(&names(&janua, 20).await, 'b'), 15, "another one is written: that holds");
    assert!(!janua.world().upstream("u").unwrap().weigh("http://127.0.0.1:9", Some(1)));
}

/// By the command line, at the running gateway.
#[test]
fn the_operator_weighs_an_endpoint() {
    let text = "[upstream.u]\nendpoints = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]\n\
                [[route]]\nto = \"u\"\n";
    let daemon = Daemon::start(text);
    let says = |arguments: &[&str]| {
        let config = daemon.file();
        let output = janua(&[arguments, &["--config", config.to_str().unwrap()]].concat());
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), said.concat())
    };
    let expected = "u\n  http://127.0.0.1:1  weight 1  up, used\n  \
                    http://127.0.0.1:2  weight 9 (written: 1)  up, used\n";
    let weigh = ["weight", "u", "http://127.0.0.1:2", "9"];
    assert_eq!(says(&weigh), (Some(0), expected.into()));
    assert_eq!(says(&["upstreams"]), (Some(0), expected.into()));
    let (code, said) = says(&weigh[..3]);
    assert!(code == Some(0) && !said.contains("written"), "{said}");
    assert_eq!(says(&["weight", "u", "http://127.0.0.1:3", "9"]).0, Some(1));
    assert_eq!(daemon.admin().ask("GET /weight", "").0, 405);
    let path = "POST /weight?upstream=u&endpoint=http%3A%2F%2F127.0.0.1%3A2&weight=";
    for weight in ["-1", "65536", "x", ""] {
        let (status, said) = daemon.admin().ask(&format!("{path}{weight}"), "");
        assert!(status == 400 && said.contains("admin.weight"), "{weight}: {said}");
    }
}

/// A zone without a place of the gateway's own, a key that no request of the route has.
#[tokio::test]
async fn what_means_nothing_is_said() {
    let origin = Origin::ok().await;
    for (keys, said) in [
        ("zone = \"x\"", "zones mean nothing"),
        ("weight = 1 }]\nbalance.hash = \"path:id\"\n#", "has no path parameter `id`"),
        ("weight = 1 }]\nbalance.hash = \"claim:sub\"\n#", "asks nobody who they are"),
    ] {
        let text = format!(
            "[upstream.u]\nendpoints = [{{ url = \"{}\", {keys} }}]\n[[route]]\nto = \"u\"\n",
            origin.url
        );
        let output = on(&text, &["check"]);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(text.concat().contains(said), "{said}: {text:?}");
    }
}
