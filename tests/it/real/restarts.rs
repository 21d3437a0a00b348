//! A server that goes away, comes back, changes under load; and one that stands in front of Janua.

use super::{Doors, Nginx, command, program, said};
use crate::support::{Client, Setup, soon};

#[tokio::test]
async fn a_stopped_server_is_502_until_it_runs_again() {
    let mut nginx = Nginx::start("");
    nginx.file("page.txt", "here");
    let janua = Setup::to(&nginx.url).start().await;
    let mut client = janua.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/page.txt").await.text(), "here");
        nginx.stop();
        for _ in 0..3 {
            let gone = client.get("/page.txt").await;
            gone.assert_refused(502, "upstream.connect_refused", "it is stopped");
        }
        nginx.start_again();
    }
    assert_eq!(client.get("/page.txt").await.text(), "here");
}

/// Old workers close their connections at any moment; no client may notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reloads_under_load_fails_nobody() {
    let nginx = Nginx::start("");
    nginx.file("page.txt", "here");
    let doors = Doors::to(&nginx.url).await;
    let mut load = command(program("h2load"));
    load.args(["--h1", "-n", "8000", "-c", "16"]).arg(format!("{}/page.txt", doors.clear));
    let load = tokio::task::spawn_blocking(move || said(&mut load));
    let mut workers = Vec::new();
    let mut client = doors.janua.client().await;
    while !load.is_finished() {
        let answer = client.get("/page.txt").await;
        assert_eq!(answer.status(), 200, "{workers:?}: {answer:?}");
        let worker = answer.field("x-worker").unwrap();
        // The one before has made room.
        if workers.last() != Some(&worker) {
            workers.push(worker);
            nginx.reload();
        }
    }
    let said = load.await.unwrap();
    assert!(said.contains("8000 succeeded, 0 failed, 0 errored"), "{workers:?}: {said}");
    assert!(said.contains("status codes: 8000 2xx"), "{workers:?}: {said}");
    assert!(workers.len() > 3, "too few reloads: {workers:?}");
}

/// With another configuration each time.
#[tokio::test(flavor = "multi_thread")]
async fn janua_reloads_under_load_and_fails_nobody() {
    let nginx = Nginx::start("");
    nginx.file("page.txt", "here");
    let doors = Doors::to(&nginx.url).await;
    let file = doors.janua.path("janua.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (arguments, url) in
        [(["-n3000", "-c16", "--h1"], &doors.clear), (["-n3000", "-c16", "-m10"], &doors.tls)]
    {
        let mut load = command(program("h2load"));
        load.args(arguments).arg(format!("{url}/page.txt"));
        let load = tokio::task::spawn_blocking(move || said(&mut load));
        let mut turns = 0;
        while !load.is_finished() {
            let more = format!("[[route]]\npath = \"/{turns}\"\nto = {{ status = 204 }}\n");
            std::fs::write(&file, format!("{text}{more}")).unwrap();
            soon("reload", doors.janua.gateway.reload()).await.unwrap();
            turns += 1;
        }
        let said = load.await.unwrap();
        assert!(said.contains("status codes: 3000 2xx"), "{turns} reloads: {said}");
        assert!(said.contains(" 0 failed, 0 errored, 0 timeout"), "{turns} reloads: {said}");
        assert!(turns > 3, "too few reloads: {turns}");
    }
}

/// nginx as many have it: HTTP/1.0 and a connection for each request, or kept ones of HTTP/1.1.
#[tokio::test]
async fn behind_nginx_janua_knows_the_client() {
    let setup = Setup::new("[[route]]\nto = \"echo\"\n");
    let janua = setup.listener("trusted-proxies = [\"127.0.0.1/32\"]").start().await;
    let forward = "proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For 203.0.113.7;
        proxy_set_header X-Forwarded-Proto https;";
    let address = janua.address;
    let front = Nginx::start(&format!(
        "{forward}
        location /old {{ proxy_pass http://{address}; }}
        location /kept {{
            {forward}
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_pass http://{address};
        }}"
    ));
    let mut client = Client::connect(front.address).await;
    for path in ["/old", "/kept"] {
        let answer = client.get(path).await;
        let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen["client"], "203.0.113.7", "{seen:#}");
        assert_eq!(seen["headers"]["host"], "a.example", "{seen:#}");
        assert_eq!(seen["headers"]["x-forwarded-proto"], "https", "{seen:#}");
        assert_eq!(seen["headers"]["x-forwarded-for"], "203.0.113.7, 127.0.0.1", "{seen:#}");
        let line = janua.logged("the request", |line| line["path"] == path).await;
        assert_eq!((&line["client"], &line["peer"]), (&"203.0.113.7".into(), &"127.0.0.1".into()));
    }
}
