//! curl, nghttp, h2load and OpenSSL's client, with the protocols that each of them speaks.

use super::{Doors, Nginx, command, program, said};
use crate::support::{Origin, Setup};

const PAGE: &str = "a page of nginx\n";

/// In front of nginx with a page, which takes files by PUT too.
async fn site() -> (Nginx, Doors) {
    let nginx = Nginx::start("dav_methods PUT; client_max_body_size 64m;");
    nginx.file("page.txt", PAGE);
    let doors = Doors::to(&nginx.url).await;
    (nginx, doors)
}

/// What curl says with these arguments.
fn curl(doors: &Doors, arguments: &[&str]) -> String {
    said(command(program("curl")).args(["-sS", "--cacert", &doors.ca]).args(arguments))
}

#[tokio::test]
async fn curl_gets_the_page_by_every_version() {
    let (_nginx, doors) = site().await;
    for (version, url, spoken) in [
        ("--http1.0", &doors.clear, "1"),
        ("--http1.1", &doors.clear, "1.1"),
        // This asks for an upgrade to h2c, which nobody should grant.
        ("--http2", &doors.clear, "1.1"),
        ("--http2-prior-knowledge", &doors.clear, "2"),
        ("--http1.0", &doors.tls, "1"),
        ("--http1.1", &doors.tls, "1.1"),
        ("--http2", &doors.tls, "2"),
    ] {
        let page = format!("{url}/page.txt");
        let got = curl(&doors, &[version, "-w", "%{http_code} %{http_version}", &page]);
        assert!(got.starts_with(&format!("{PAGE}200 {spoken}")), "{version} {url}: {got}");
        let head = curl(&doors, &[version, "-I", &page]);
        assert!(head.contains(" 200"), "{version} {url}: {head}");
    }
}

#[tokio::test]
async fn curl_keeps_its_connection() {
    let (_nginx, doors) = site().await;
    for (version, url) in [("--http1.1", &doors.clear), ("--http2", &doors.tls)] {
        let (page, missing) = (format!("{url}/page.txt"), format!("{url}/missing"));
        let count = ["-w", "%{http_code}:%{num_connects} ", "-o", "/dev/null"];
        let mut arguments = vec![version];
        for url in [&page, &missing, &page] {
            arguments.extend([count[2], count[3], url]);
        }
        arguments.extend(&count[..2]);
        assert_eq!(curl(&doors, &arguments), "200:1 404:0 200:0 ", "{version}");
    }
}

#[tokio::test]
async fn curl_asks_before_it_sends_and_is_told_to_go_on() {
    let (nginx, doors) = site().await;
    let file = doors.janua.path("sent");
    std::fs::write(&file, vec![7; 3 << 20]).unwrap();
    // Longer than curl should have to wait: without 100 it sends only then.
    let asks = ["--http1.1", "-v", "--stderr", "-", "--expect100-timeout", "50"];
    let (from, to) = (file.to_str().unwrap(), format!("{}/put", doors.clear));
    let mut arguments = asks.to_vec();
    arguments.extend(["-H", "Expect: 100-continue", "-T", from, &to]);
    let said = curl(&doors, &arguments);
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
    assert!(said.contains("< HTTP/1.1 201 Created"), "{said}");
    assert!(std::fs::read(nginx.file_at("put")).unwrap() == vec![7; 3 << 20]);
}

#[tokio::test]
async fn curl_takes_a_download_up_where_it_broke_off() {
    let (nginx, doors) = site().await;
    let whole: Vec<u8> = (0..1_000_000_u32).map(|byte| (byte * 7 / 5) as u8).collect();
    nginx.file("whole", &whole);
    let part = doors.janua.path("part");
    for (version, url) in [("--http1.1", &doors.clear), ("--http2", &doors.tls)] {
        std::fs::write(&part, &whole[..300_000]).unwrap();
        let (to, from) = (part.to_str().unwrap(), format!("{url}/whole"));
        let done = ["-C", "-", "-o", to, "-w", "%{http_code} %{size_download}", &from];
        assert_eq!(curl(&doors, &[&[version], &done[..]].concat()), "206 700000", "{version}");
        assert!(std::fs::read(&part).unwrap() == whole, "{version}: it is another file");
    }
}

#[tokio::test]
async fn curl_gets_many_at_once() {
    let (_nginx, doors) = site().await;
    for (version, url) in [("--http1.1", &doors.clear), ("--http2", &doors.tls)] {
        let pages = format!("{url}/page.txt?[1-200]");
        let got = curl(&doors, &["-Z", "--parallel-max", "50", version, &pages]);
        assert_eq!(got, PAGE.repeat(200), "{version}");
    }
}

#[tokio::test]
async fn nghttp_gets_and_sends_on_one_connection() {
    let (nginx, doors) = site().await;
    let nghttp = || command(program("nghttp"));
    let pages = [1, 2, 3].map(|number| format!("{}/page.txt?{number}", doors.tls));
    let frames = said(nghttp().args(["-v", "--no-dep"]).args(pages));
    assert_eq!(frames.matches(":status: 200").count(), 3, "{frames}");
    assert!(!frames.contains("recv RST_STREAM") && !frames.contains("recv GOAWAY"), "{frames}");
    let file = doors.janua.path("sent");
    std::fs::write(&file, vec![7; 1 << 20]).unwrap();
    let put = format!("{}/put", doors.clear);
    let frames = said(nghttp().args(["-v", "-H", ":method: PUT", "-d"]).arg(file).arg(put));
    assert!(frames.contains(":status: 201"), "{frames}");
    assert!(std::fs::read(nginx.file_at("put")).unwrap() == vec![7; 1 << 20]);
}

#[tokio::test]
async fn of_thousands_of_requests_none_fails() {
    let (_nginx, doors) = site().await;
    let load = |arguments: &[&str], url: &str| {
        let page = format!("{url}/page.txt");
        let said = said(command(program("h2load")).args(arguments).arg(page));
        let whole = said.contains(" 0 failed, 0 errored, 0 timeout");
        assert!(whole, "{arguments:?} {url}: {said}");
        assert!(said.contains("status codes: 3000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
    };
    load(&["-n3000", "-c20", "--h1"], &doors.clear);
    load(&["-n3000", "-c20", "-m20"], &doors.clear);
    load(&["-n3000", "-c20", "-m20"], &doors.tls);
    load(&["-n3000", "-c20", "--npn-list=http/1.1"], &doors.tls);
}

#[tokio::test]
async fn openssl_trusts_the_certificate_and_speaks_what_is_on() {
    let (_nginx, doors) = site().await;
    let address = doors.tls.trim_start_matches("https://");
    let speak = |version: &str| {
        let mut openssl = command(program("openssl"));
        openssl.args(["s_client", "-connect", address, "-CAfile", &doors.ca, version]);
        openssl.args(["-verify_return_error", "-verify_ip", "127.0.0.2", "-alpn", "h2,http/1.1"]);
        let output = openssl.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for version in ["-tls1_3", "-tls1_2"] {
        let (well, said) = speak(version);
        assert!(well && said.contains("ALPN protocol: h2"), "{version}: {said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
    }
    assert!(!speak("-tls1_1").0);
}

#[tokio::test]
async fn curl_measures_the_bandwidth_of_an_answer() {
    const RATE: f64 = 512.0 * 1024.0;
    let nginx = Nginx::start("");
    nginx.file("large", "x".repeat(1_280 << 10));
    let route =
        format!("[[route]]\nlimit = {{ bandwidth = \"512KiB/s\" }}\nto = \"{}\"\n", nginx.url);
    let doors = Doors::before(route).await;
    let mut all = tokio::task::JoinSet::new();
    for version in ["--http1.1", "--http2"] {
        for url in [&doors.clear, &doors.tls] {
            let mut curl = command(program("curl"));
            curl.args(["-sS", "--cacert", &doors.ca, version, "-o", "/dev/null"]);
            curl.args(["-w", "%{size_download} %{speed_download}", &format!("{url}/large")]);
            all.spawn_blocking(move || (format!("{curl:?}"), said(&mut curl)));
        }
    }
    while let Some(got) = all.join_next().await {
        let (what, said) = got.unwrap();
        eprintln!("{what}: {said}");
        let (size, speed) = said.split_once(' ').unwrap();
        assert_eq!(size, "1310720", "{what}");
        let share = speed.parse::<f64>().unwrap() / RATE;
        // Slower is what this machine may make it; faster is a fault.
        assert!((0.9..1.05).contains(&share), "{share}: {what}");
    }
}

/// RFC 9110 section 8.6: HTTP/2 takes a length for a body that is to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_takes_a_204_whose_origin_says_a_length() {
    let origin = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").await;
        }
    })
    .await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let url = format!("http://{}/", janua.address);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = command(program("curl"));
        let got = said(curl.args(["-sS", version, "-w", "%{http_code} %{errormsg}", &url]));
        assert_eq!(got.trim(), "204", "{version}");
    }
}
