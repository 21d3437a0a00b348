//! Servers that are asked whether they are well, and servers that fail clients.

use super::{Nginx, command, program, said};
use crate::support::{
    Door, Janua, PATIENCE, Setup,
    daemon::{Daemon, janua},
    until,
};

/// Two servers whose page says which one they are.
pub(super) fn two() -> [Nginx; 2] {
    ["a", "b"].map(|name| {
        let nginx = Nginx::start("");
        nginx.file("who.txt", name);
        nginx.file("healthz", "all is well");
        nginx
    })
}

async fn before(servers: &[Nginx; 2], keys: &str) -> Janua {
    let [a, b] = servers;
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", a.url, b.url);
    Setup::new(format!("[upstream.u]\n{endpoints}\n{keys}\n[[route]]\nto = \"u\"\n")).start().await
}

/// Who answers so many requests; none fails.
async fn who(janua: &Janua, count: usize) -> String {
    let mut client = janua.client().await;
    let mut names = String::new();
    for _ in 0..count {
        let answer = client.get("/who.txt").await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        names += &answer.text();
    }
    names
}

pub(super) async fn are(janua: &Janua, state: &str, count: u64) {
    let series = format!("janua_upstream_endpoints{{upstream=\"u\",state=\"{state}\"}}");
    until(&series, || janua.counted(&series) == count).await;
}

/// Doors that no other gateway of this machine has.
const OWN: &str = "[admin]\naddress = \"unix:HOME/admin.sock\"\n\
                   [[listener]]\naddress = \"127.0.0.1:0\"\n";

const OFTEN: &str =
    "health = { path = \"/healthz\", body = \"is well\", every = \"30ms\", rise = 2, fall = 2 }";

#[tokio::test]
async fn a_server_that_is_not_well_gets_no_requests_until_it_is() {
    let servers = two();
    let janua = before(&servers, OFTEN).await;
    assert_eq!(who(&janua, 4).await, "abab");
    for page in [None, Some("all is lost")] {
        match page {
            None => servers[1].remove("healthz"),
            Some(text) => servers[1].file("healthz", text),
        }
        are(&janua, "down", 1).await;
        assert_eq!(who(&janua, 6).await, "aaaaaa", "{page:?}");
        servers[1].file("healthz", "all is well");
        are(&janua, "up", 2).await;
        assert!(who(&janua, 4).await.contains('b'), "{page:?}");
    }
    let asked = "janua_upstream_health_checks_total{upstream=\"u\",outcome=\"failed\"}";
    assert!(janua.counted(asked) >= 4);
}

/// A check that finds nobody well is more likely wrong than right.
#[tokio::test]
async fn when_no_server_is_well_all_are_used() {
    let servers = two();
    let janua = before(&servers, OFTEN).await;
    servers.iter().for_each(|server| server.remove("healthz"));
    are(&janua, "down", 2).await;
    until("panic", || janua.counted("janua_upstream_panic{upstream=\"u\"}") == 1).await;
    let names = who(&janua, 4).await;
    assert!(names.contains('a') && names.contains('b'), "{names}");
    servers[0].file("healthz", "all is well");
    are(&janua, "up", 1).await;
    assert_eq!(janua.counted("janua_upstream_panic{upstream=\"u\"}"), 0);
    assert_eq!(who(&janua, 4).await, "aaaa");
}

#[tokio::test]
async fn where_nobody_is_to_be_used_who_is_not_well_the_answer_says_so() {
    let servers = two();
    let janua = before(&servers, &format!("{OFTEN}\npanic-threshold = 0")).await;
    servers.iter().for_each(|server| server.remove("healthz"));
    are(&janua, "down", 2).await;
    let answer = janua.get("/who.txt").await;
    answer.assert_refused(503, "upstream.no_endpoint", "nobody is well");
}

#[tokio::test]
async fn a_server_that_takes_no_connections_is_down() {
    let mut servers = two();
    let janua = before(&servers, "health = { every = \"30ms\" }\nejection.failures = 0").await;
    servers[1].stop();
    are(&janua, "down", 1).await;
    assert_eq!(who(&janua, 6).await, "aaaaaa");
    servers[1].start_again();
    are(&janua, "up", 2).await;
    assert!(who(&janua, 4).await.contains('b'));
}

/// Nobody asks it: its clients find out, and none of them notices.
#[tokio::test]
async fn a_server_that_fails_clients_is_left_out_and_comes_back() {
    let mut servers = two();
    let keys = "ejection = { failures = 3, time = \"400ms\" }";
    let janua = before(&servers, keys).await;
    servers[1].stop();
    assert_eq!(who(&janua, 8).await, "aaaaaaaa");
    are(&janua, "ejected", 1).await;
    let ejections = "janua_upstream_ejections_total{upstream=\"u\"}";
    assert_eq!(janua.counted(ejections), 1);
    let retries = "janua_upstream_retries_total{upstream=\"u\"}";
    let before = janua.counted(retries);
    assert_eq!(who(&janua, 8).await, "aaaaaaaa");
    assert_eq!(janua.counted(retries), before, "it was asked although it was left out");
    servers[1].start_again();
    are(&janua, "up", 2).await;
    assert!(who(&janua, 4).await.contains('b'));
}

/// By the command line, at the running gateway; what is under way goes on.
#[test]
fn an_endpoint_that_is_drained_gets_no_more_requests_until_that_is_undone() {
    let servers = two();
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", servers[0].url, servers[1].url);
    let daemon = Daemon::start(&format!("{OWN}[upstream.u]\n{endpoints}\n[[route]]\nto = \"u\"\n"));
    let who = || {
        let answers = (0..6).map(|_| daemon.public.get("/who.txt"));
        let name = |(status, text): (u16, String)| {
            assert_eq!(status, 200, "{text}");
            text.chars().last().unwrap()
        };
        answers.map(name).collect::<String>()
    };
    let says = |arguments: &[&str]| {
        let config = daemon.file();
        let all = [arguments, &["--config", config.to_str().unwrap()]].concat();
        let output = janua(&all);
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), said.concat())
    };
    assert_eq!(who().matches('b').count(), 3);
    let (code, said) = says(&["drain", "u", &servers[1].url]);
    let expected = format!(
        "u\n  {}  weight 1  up, used\n  {}  weight 1  drained, not used\n",
        servers[0].url, servers[1].url
    );
    assert_eq!((code, said), (Some(0), expected.clone()));
    assert_eq!(who(), "aaaaaa");
    assert_eq!(says(&["upstreams"]), (Some(0), expected));
    assert_eq!(says(&["reload"]).0, Some(0));
    assert_eq!(who(), "aaaaaa", "a reload forgot it");
    let (code, said) = says(&["drain", "u", "http://127.0.0.1:9"]);
    assert!(code == Some(1) && said.contains("write ?upstream=NAME&endpoint=URL"), "{said}");
    let (code, said) = says(&["drain", "u", &servers[1].url, "--undo", "--format", "json"]);
    assert!(code == Some(0) && said.contains("\"state\":\"up\",\"used\":true"), "{said}");
    assert_eq!(who().matches('b').count(), 3);
    for method in ["GET", "PUT"] {
        assert_eq!(daemon.admin().ask(&format!("{method} /drain"), "").0, 405);
    }
}

/// Each server in turn is drained, stopped when nothing is left at it, started, and used again.
#[test]
fn a_rolling_restart_with_drain_fails_nobody() {
    let mut servers = ["a", "b"].map(|_| Nginx::start("location = /post { return 200; }"));
    servers.iter().for_each(|server| server.file("who.txt", "it"));
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", servers[0].url, servers[1].url);
    let daemon = Daemon::start(&format!("{OWN}[upstream.u]\n{endpoints}\n[[route]]\nto = \"u\"\n"));
    let Door::Tcp(address) = &daemon.public else { panic!("no address") };
    std::fs::write(servers[0].file_at("body"), "hello").unwrap();
    let body = servers[0].file_at("body");
    let loads = [vec![], vec!["-d", body.to_str().unwrap()]].map(|more| {
        let path = if more.is_empty() { "who.txt" } else { "post" };
        let mut load = command(program("h2load"));
        load.args(["--h1", "-n", "15000", "-c", "8"]).args(more);
        load.arg(format!("http://{address}/{path}"));
        std::thread::spawn(move || said(&mut load))
    });
    let config = daemon.file();
    let config = config.to_str().unwrap();
    let upstreams = |arguments: &[&str]| -> serde_json::Value {
        let all = [arguments, &["--format", "json", "--config", config]].concat();
        let output = janua(&all);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut restarts = 0;
    while restarts < 2 || (!loads.iter().any(std::thread::JoinHandle::is_finished) && restarts < 6)
    {
        let index = restarts % 2;
        let url = servers[index].url.clone();
        upstreams(&["drain", "u", &url]);
        let end = std::time::Instant::now() + PATIENCE;
        // Twice in a row: a request may just have been given to it.
        let mut empty = 0;
        while empty < 2 {
            let shown = upstreams(&["upstreams"]);
            let left = &shown[0]["endpoints"][index]["in-flight"];
            empty = if *left == 0 { empty + 1 } else { 0 };
            assert!(std::time::Instant::now() < end, "it is not empty: {shown}");
        }
        servers[index].stop();
        servers[index].start_again();
        upstreams(&["drain", "u", &url, "--undo"]);
        restarts += 1;
    }
    let said = loads.map(|load| load.join().unwrap());
    println!("{restarts} restarts");
    for said in said {
        assert!(said.contains("status codes: 15000 2xx"), "{restarts} restarts: {said}");
        assert!(said.contains("0 failed, 0 errored, 0 timeout"), "{said}");
    }
}
