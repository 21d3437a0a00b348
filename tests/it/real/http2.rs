//! nginx as an origin over TLS and HTTP/2, and origins that retire their connections.

use tempfile::TempDir;

use super::{Doors, Nginx, command, program, said};
use crate::support::certs::Authority;

/// nginx with a certificate for `localhost`, and an upstream for it.
fn secure(home: &TempDir, directives: &str) -> (Nginx, String) {
    let authority = Authority::new("B");
    authority.issue(1, &["localhost"]).save(home.path(), "nginx");
    let folder = home.path().display();
    let nginx = Nginx::listening(
        "ssl http2",
        &format!(
            "ssl_certificate {folder}/nginx.pem; ssl_certificate_key {folder}/nginx.key; {directives}"
        ),
    );
    let ca = authority.save(&home.path().join("b.pem"));
    let port = nginx.address.port();
    let upstream = format!(
        "[upstream.u]\nendpoints = \"https://localhost:{port}\"\ntls = {{ ca = \"{ca}\" }}\n\
         [[route]]\nto = \"u\"\n"
    );
    (nginx, upstream)
}

/// That many requests at once, of which none fails.
fn load(doors: &Doors) {
    for (kind, url) in [("--h1", &doors.clear), ("-m10", &doors.tls)] {
        let mut load = command(program("h2load"));
        load.args(["-n2000", "-c16", kind]).arg(format!("{url}/page.txt"));
        let said = said(&mut load);
        let well = said.contains(" 0 failed, 0 errored, 0 timeout");
        assert!(
            well && said.contains("status codes: 2000 2xx"),
            "{kind}: {:?} {said}",
            doors.failed()
        );
    }
}

#[tokio::test]
async fn an_origin_of_tls_is_spoken_to_by_http2() {
    let home = tempfile::tempdir().unwrap();
    let (nginx, upstream) = secure(&home, "");
    nginx.file("page.txt", "here");
    let doors = Doors::before(upstream).await;
    let answer = doors.janua.get("/page.txt").await;
    assert_eq!((answer.status(), &*answer.text()), (200, "here"), "{answer:?}");
    assert_eq!(answer.field("x-protocol").as_deref(), Some("HTTP/2.0"));
    load(&doors);
}

/// RFC 9113, 6.8: streams beyond the last one of a GOAWAY were not looked at. nginx sends it after
/// 1000 requests unless it is told otherwise.
#[tokio::test]
async fn connections_that_an_origin_of_http2_retires_fail_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (nginx, upstream) = secure(&home, "keepalive_requests 50;");
    nginx.file("page.txt", "here");
    load(&Doors::before(upstream).await);
}

#[tokio::test]
async fn connections_that_an_origin_of_http1_retires_fail_nobody() {
    let nginx = Nginx::start("keepalive_requests 10;");
    nginx.file("page.txt", "here");
    load(&Doors::to(&nginx.url).await);
}
