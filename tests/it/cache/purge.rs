//! Purging: by URL, prefix, host, tag, or all; for good, or until the origin says that it holds; by the operator's
//! door and by the command line.

use janua::cache::Purge;
use serde_json::Value;

use super::{ask, kept};
use crate::support::{Daemon, Janua, Origin, daemon::janua as verb};

/// What `/purge?..` would do.
pub(super) fn purge(janua: &Janua, query: &str) {
    let said = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.map(Into::into)
    };
    janua.world().caches.memory().purge(Purge::read(said).unwrap()).unwrap();
}

/// An origin whose answers are tagged by their path.
async fn tagging() -> Origin {
    Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let holds = request.field("if-none-match").is_some();
            let tag = request.target().trim_start_matches('/').replace('/', " ");
            let head = "Cache-Control: max-age=60\r\nETag: \"a\"";
            let answer = if holds {
                format!("HTTP/1.1 304 X\r\n{head}\r\n\r\n")
            } else {
                format!("HTTP/1.1 200 OK\r\n{head}\r\nSurrogate-Key: {tag}\r\nContent-Length: 2\r\n\r\nok")
            };
            peer.send(answer).await;
        }
    })
    .await
}

/// What is kept: host and path.
const KEPT: &[(&str, &str)] =
    &[("a.example", "/x/1"), ("a.example", "/x/2"), ("a.example", "/y/1"), ("b.example", "/x/1")];

/// What is purged, and which of those are gone then.
const PURGES: &[(&str, &[usize])] = &[
    ("url=http://a.example/x/1", &[0]),
    ("url=HTTP://A.Example:80/x/1#part", &[0]),
    ("url=http://a.example/x", &[]),
    ("url=https://a.example/x/1", &[]),
    ("prefix=http://a.example/x", &[0, 1]),
    ("prefix=http://a.example/x/1", &[0]),
    ("prefix=http://", &[0, 1, 2, 3]),
    ("host=a.example", &[0, 1, 2]),
    ("host=A.EXAMPLE", &[0, 1, 2]),
    ("host=example", &[]),
    ("tag=x", &[0, 1, 3]),
    ("tag=1", &[0, 2, 3]),
    ("tag=X", &[]),
    ("all=true", &[0, 1, 2, 3]),
];

async fn fill(janua: &Janua) {
    for (host, path) in KEPT {
        get(janua, host, path).await;
    }
}

async fn get(janua: &Janua, host: &str, path: &str) {
    let mut client = janua.client().await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    assert_eq!(client.answer().await.text(), "ok", "{host}{path}");
}

#[tokio::test]
async fn what_is_purged_is_asked_for_again_and_nothing_else() {
    for soft in [false, true] {
        for (purged, gone) in PURGES {
            let origin = tagging().await;
            let janua = kept(&origin.url, "").server("workers = 2").start().await;
            fill(&janua).await;
            purge(&janua, &format!("{purged}&soft={soft}"));
            for (number, (host, path)) in KEPT.iter().enumerate() {
                let before = origin.requests().len();
                get(&janua, host, path).await;
                let asked = origin.requests().split_off(before);
                let expected = usize::from(gone.contains(&number));
                assert_eq!(asked.len(), expected, "{purged}, soft {soft}: {host}{path}");
                // Softly, it is only asked whether it holds.
                let validated = asked.iter().any(|asked| asked.field("if-none-match").is_some());
                assert_eq!(validated, soft && expected == 1, "{purged}, soft {soft}: {host}{path}");
                get(&janua, host, path).await;
                assert_eq!(origin.requests().len(), before + expected, "{purged}, soft {soft}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_purged_softly_is_given_while_the_origin_is_away_if_it_may_be() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        let head = "Cache-Control: max-age=60, stale-if-error=60\r\nETag: \"a\"";
        peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: 2\r\n\r\nok")).await;
    })
    .await;
    let janua = kept(&origin.url, "").start().await;
    ask(&janua, "GET /", "").await;
    drop(origin);
    purge(&janua, "all=true&soft=true");
    assert_eq!(ask(&janua, "GET /", "").await.text(), "ok");
    purge(&janua, "all=true");
    assert_eq!(ask(&janua, "GET /", "").await.status(), 502);
}

#[tokio::test]
async fn what_is_purged_softly_is_not_given_where_its_origin_forbids_what_is_stale() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let first = request.field("if-none-match").is_none();
            let (status, fields) = match first {
                true => ("200 OK", "Cache-Control: max-age=60, must-revalidate\r\nETag: \"a\"\r\n"),
                false => ("503 Busy", ""),
            };
            peer.send(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 2\r\n\r\nok")).await;
        }
    })
    .await;
    let janua = kept(&origin.url, "").start().await;
    ask(&janua, "GET /", "").await;
    purge(&janua, "all=true&soft=true");
    assert_eq!(ask(&janua, "GET /", "").await.status(), 503);
    drop(origin);
    assert_eq!(ask(&janua, "GET /", "").await.status(), 502);
}

async fn daemon(origin: &Origin) -> Daemon {
    let text = format!(
        "[log]\naccess = \"off\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\n",
        origin.url
    );
    tokio::task::spawn_blocking(move || Daemon::start(&text)).await.unwrap()
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_door_shows_and_purges_what_is_kept() {
    let origin = tagging().await;
    let daemon = daemon(&origin).await;
    let (public, door) = (daemon.public.clone(), daemon.admin().clone());
    tokio::task::block_in_place(|| {
        let get = || assert_eq!(public.ask("GET /x/1", "Host: a.example\r\n").0, 200);
        get();
        let stats = body(&door.get("/cache").1);
        assert_eq!((&stats["objects"], &stats["on-their-way"]), (&1.into(), &0.into()), "{stats}");
        let shown = |url: &str| body(&door.get(&format!("/cache?url={url}")).1);
        let entries = shown("http://a.example/x/1");
        assert_eq!((&entries[0]["status"], &entries[0]["state"]), (&200.into(), &"fresh".into()));
        assert_eq!(shown("http://a.example/x/2"), Value::Array(Vec::new()));
        // It changes something: not by GET, and only if it says what.
        assert_eq!(door.get("/purge?all=true").0, 405);
        for wrong in [
            "",
            "?",
            "?all=false",
            "?url=",
            "?soft=true",
            "?tag=a&host=b",
            "?everything=true",
            "?all=true&url=http://a.example/",
        ] {
            assert_eq!(door.ask(&format!("POST /purge{wrong}"), "").0, 400, "{wrong}");
        }
        assert_eq!(shown("http://a.example/x/1")[0]["state"], "fresh");
        assert_eq!(door.ask("POST /purge?tag=x&soft=true", "").0, 200);
        assert_eq!(shown("http://a.example/x/1")[0]["state"], "stale");
        get();
        assert_eq!(shown("http://a.example/x/1")[0]["state"], "fresh");
        assert_eq!(door.ask("POST /purge?url=http%3A%2F%2Fa.example%2Fx%2F1", "").0, 200);
        assert_eq!(shown("http://a.example/x/1"), Value::Array(Vec::new()));
        get();
    });
    assert_eq!(origin.requests().len(), 3);
}

/// However a client may write it, and whatever of its query counts there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_is_purged_as_it_is_asked_for() {
    let origin = tagging().await;
    let text = format!(
        "[log]\naccess = \"off\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nto = \"{0}\"\ncache = {{ query = {{ except = [\"utm_*\"], sort = true }} }}\n\
         [[route]]\npath = \"/q/{{rest*}}\"\nto = \"{0}\"\ncache = {{ query = {{ only = [\"q\"] }} }}\n",
        origin.url
    );
    let daemon = tokio::task::spawn_blocking(move || Daemon::start(&text)).await.unwrap();
    let (public, door) = (daemon.public.clone(), daemon.admin().clone());
    tokio::task::block_in_place(|| {
        let asked = || origin.requests().len();
        let get = |path: &str| {
            assert_eq!(public.ask(&format!("GET {path}"), "Host: a.example\r\n").0, 200);
        };
        for (kept, named) in [
            ("/x?b=2&a=1&utm_x=3", "/x?b=2&a=1&utm_x=3"),
            ("/x?b=2&a=1&utm_x=3", "/x?a=1&b=2"),
            ("/x?utm_x=3", "/x"),
            ("/a/../x", "/x"),
            ("/x", "/a/../x"),
            ("/x", "/a/%2e%2E/./x?utm_y"),
            ("/q/1?q=2&b=3", "/q/1?b=4&q=2"),
            ("/f[1]", "/f%5B1%5d"),
            ("/%61", "/a"),
        ] {
            get(kept);
            let before = asked();
            get(kept);
            assert_eq!(asked(), before, "{kept} is kept");
            let word = named.replace('%', "%25").replace('&', "%26");
            let shown = body(&door.get(&format!("/cache?url=http://a.example{word}")).1);
            assert_eq!(shown.as_array().map(Vec::len), Some(1), "{named}: {shown}");
            assert_eq!(door.ask(&format!("POST /purge?url=http://a.example{word}"), "").0, 200);
            get(kept);
            assert_eq!(asked(), before + 1, "{named}");
        }
        get("/x?a=1");
        let before = asked();
        assert_eq!(door.ask("POST /purge?url=http://a.example/x", "").0, 200);
        get("/x?a=1");
        assert_eq!(asked(), before, "another");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_and_purges_what_is_kept() {
    let origin = tagging().await;
    let daemon = daemon(&origin).await;
    let public = daemon.public.clone();
    let address = match daemon.admin() {
        crate::support::Door::Tcp(address) => address.to_string(),
        crate::support::Door::Unix(path) => format!("unix:{}", path.display()),
    };
    tokio::task::block_in_place(|| {
        let asked = || origin.requests().len();
        let get = || assert_eq!(public.ask("GET /x/1", "Host: a.example\r\n").0, 200);
        let run = |words: &[&str]| {
            let output = verb(&[&["cache"], words, &["--admin", &address]].concat());
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        get();
        let (code, shown) = run(&["stats"]);
        let stats: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((code, &stats["objects"]), (Some(0), &1.into()), "{shown}");
        let (code, shown) = run(&["get", "http://a.example/x/1"]);
        assert!(code == Some(0) && shown.contains("\"state\":\"fresh\""), "{shown}");
        for (number, words) in [
            &["--url", "http://a.example/x/1"][..],
            &["--prefix", "http://a.example/x"],
            &["--host", "a.example"],
            &["--tag", "x"],
            &["--all"],
            &["--tag", "x", "--soft"],
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(run(&[&["purge"], *words].concat()).0, Some(0), "{words:?}");
            get();
            assert_eq!(asked(), number + 2, "{words:?}");
            get();
            assert_eq!(asked(), number + 2, "{words:?}");
        }
        assert!(origin.last().field("if-none-match").is_some(), "`--soft` forgets");
        for wrong in
            [&["purge"][..], &["purge", "--all", "--tag", "x"], &["purge", "--soft"], &["get"], &[]]
        {
            assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
        }
        let output = verb(&["cache", "stats", "--admin", "127.0.0.1:1"]);
        assert_eq!(output.status.code(), Some(1), "nobody is there");
    });
}
