//! TLS towards clients: the certificate for the name, versions, protocols, client certificates,
//! resumption, reloads, and what a listener in clear does for it.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{
    Client, Janua, Origin, PATIENCE, Setup,
    certs::{Authority, Identity, provider},
    client::handshake,
    http2::Http2,
    soon,
};

const NAME: &str = "a.example";
const NO_CONTENT: &str = "[[route]]\nto = { status = 204 }\n";

/// An authority, a certificate of its for [`NAME`], and where files are kept.
struct Site {
    home: Arc<TempDir>,
    authority: Authority,
    certificate: Identity,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new("A");
        let certificate = authority.issue(1, &[NAME, "127.0.0.1"]);
        Self { home: Arc::new(tempfile::tempdir().unwrap()), authority, certificate }
    }

    /// A listener with the certificate, and more keys of its `tls`.
    fn listener(&self, more: &str) -> String {
        listener(&[self.certificate.save(self.home.path(), "site")], more)
    }

    async fn start(&self, more: &str) -> Janua {
        Setup::new(NO_CONTENT).listener(&self.listener(more)).start().await
    }

    fn client(&self) -> ClientConfig {
        self.authority.client()
    }
}

fn listener(certificates: &[String], more: &str) -> String {
    let certificates = certificates.join(" }, { ");
    format!("tls = {{ certificates = [{{ {certificates} }}]{more} }}")
}

/// A handshake that succeeds, with one request after it: what TLS 1.3 sends late is there then.
async fn greet(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> Greeted {
    let stream = handshake(address, name, config.clone()).await.unwrap();
    let mut client = Client::over(stream);
    client.get("/").await;
    drop(client);
    Greeted::of(&handshake(address, name, config.clone()).await.unwrap())
}

/// What a handshake came to.
#[derive(Debug)]
struct Greeted {
    certificate: CertificateDer<'static>,
    version: ProtocolVersion,
    alpn: Option<String>,
}

impl Greeted {
    fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, connection) = stream.get_ref();
        let alpn = connection.alpn_protocol();
        Self {
            certificate: connection.peer_certificates().unwrap()[0].clone().into_owned(),
            version: connection.protocol_version().unwrap(),
            alpn: alpn.map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        }
    }
}

/// Whether a client gets an answer: with TLS 1.3 a refusal may come only when it reads.
async fn is_let_in(address: SocketAddr, config: ClientConfig) -> bool {
    match handshake(address, NAME, Arc::new(config)).await {
        Err(_) => false,
        Ok(stream) => {
            let mut client = Client::over(stream);
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await;
            client.ended().await.starts_with("HTTP/1.1 204")
        }
    }
}

// --- Which certificate ---

#[tokio::test]
async fn the_name_asked_for_picks_the_certificate() {
    let site = Site::new();
    let wildcard = site.authority.issue(2, &["*.w.example"]);
    let exact = site.authority.issue(3, &["b.w.example", "c.example"]);
    let files = [(&site.certificate, "first"), (&wildcard, "wildcard"), (&exact, "exact")];
    let files = files.map(|(identity, name)| identity.save(site.home.path(), name));
    let janua = Setup::new(NO_CONTENT).listener(&listener(&files, "")).start().await;
    let client = Arc::new(site.client());
    for (name, expected) in [
        ("a.example", &site.certificate),
        ("x.w.example", &wildcard),
        ("X.W.Example", &wildcard),
        ("b.w.example", &exact),
        ("c.example", &exact),
        // An address is no name that can be asked for.
        ("127.0.0.1", &site.certificate),
    ] {
        let shown = greet(janua.address, name, &client).await.certificate;
        assert_eq!(shown, *expected.der(), "{name}");
    }
    for name in ["unknown.example", "w.example", "x.y.w.example"] {
        let error = handshake(janua.address, name, client.clone()).await.unwrap_err();
        assert!(error.to_string().contains("a.example"), "{name} gets the first one: {error}");
    }
}

// --- Versions, protocols, key exchange ---

#[tokio::test]
async fn both_versions_are_spoken_unless_one_is_not_wanted() {
    let site = Site::new();
    let only = |version| Arc::new(site.authority.client_of(&[version]).with_no_client_auth());
    let (v12, v13) = (only(&rustls::version::TLS12), only(&rustls::version::TLS13));
    let janua = site.start("").await;
    for (client, version, said) in
        [(&v12, ProtocolVersion::TLSv1_2, "TLSv1.2"), (&v13, ProtocolVersion::TLSv1_3, "TLSv1.3")]
    {
        assert_eq!(greet(janua.address, NAME, client).await.version, version);
        let line = janua.logged(said, |line| line["tls"] == said).await;
        assert!(line["cipher"].as_str().unwrap().starts_with("TLS"), "{line}");
    }
    let strict = site.start(", min-version = \"1.3\"").await;
    assert_eq!(greet(strict.address, NAME, &v13).await.version, ProtocolVersion::TLSv1_3);
    let error = handshake(strict.address, NAME, v12).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

#[tokio::test]
async fn alpn_decides_the_protocol() {
    let site = Site::new();
    let both = site.start("").await;
    let old = site.start(", alpn = [\"http/1.1\"]").await;
    for (janua, offered, agreed) in [
        (&both, &["h2", "http/1.1"][..], Ok(Some("h2"))),
        (&both, &["http/1.1", "h2"], Ok(Some("h2"))),
        (&both, &["http/1.1"], Ok(Some("http/1.1"))),
        (&both, &["http/1.0", "http/1.1"], Ok(Some("http/1.1"))),
        (&both, &["http/1.0"], Ok(Some("http/1.0"))),
        (&both, &[], Ok(None)),
        (&both, &["spdy/3"], Err(())),
        (&old, &["h2", "http/1.1"], Ok(Some("http/1.1"))),
        (&old, &["h2"], Err(())),
    ] {
        let mut client = site.client();
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = handshake(janua.address, NAME, Arc::new(client)).await;
        let Ok(stream) = stream else {
            assert_eq!(agreed, Err(()), "{offered:?}");
            continue;
        };
        let alpn = Greeted::of(&stream).alpn;
        assert_eq!(Ok(alpn.as_deref()), agreed, "{offered:?}");
        // It speaks what was agreed.
        let status = match alpn.as_deref() {
            Some("h2") => {
                let (answer, _) = Http2::over(stream).await.get("https://a.example/").await;
                answer.status().as_u16()
            }
            _ => Client::over(stream).get("/").await.status(),
        };
        assert_eq!(status, 204, "{offered:?}");
    }
}

#[tokio::test]
async fn key_exchange_withstands_quantum_computers_where_the_client_can() {
    let site = Site::new();
    let janua = site.start("").await;
    for (groups, expected) in [
        (&[NamedGroup::X25519MLKEM768, NamedGroup::X25519][..], NamedGroup::X25519MLKEM768),
        (&[NamedGroup::X25519], NamedGroup::X25519),
        (&[NamedGroup::secp256r1], NamedGroup::secp256r1),
    ] {
        let mut crypto = (*provider()).clone();
        crypto.kx_groups.retain(|group| groups.contains(&group.name()));
        let client = ClientConfig::builder_with_provider(Arc::new(crypto))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(site.authority.roots())
            .with_no_client_auth();
        let stream = handshake(janua.address, NAME, Arc::new(client)).await.unwrap();
        let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, expected);
    }
}

#[tokio::test]
async fn a_body_goes_through_tls_whole_and_the_end_is_said() {
    let (site, origin) = (Site::new(), Origin::echo().await);
    let route = format!("[[route]]\nto = \"{}\"\n", origin.url);
    let janua = Setup::new(route).listener(&site.listener("")).start().await;
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut client = Client::tls(janua.address, NAME, site.client()).await;
    let head = format!("Host: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send([format!("POST / HTTP/1.1\r\n{head}").as_bytes(), &body].concat()).await;
    let answer = client.answer().await;
    assert!(answer.body == body, "{answer:?}");
    assert_eq!(client.ended().await, "");
    assert_eq!(client.broken, None, "close_notify before the end");
    assert_eq!(origin.last().field("x-forwarded-proto").as_deref(), Some("https"));
}

// --- Client certificates ---

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_verified() {
    let (site, clients, strangers) = (Site::new(), Authority::new("C"), Authority::new("S"));
    let known = clients.issue(7, &["known"]);
    let revoked = clients.issue(8, &["revoked"]);
    let stranger = strangers.issue(7, &["stranger"]);
    let ca = clients.save(&site.home.path().join("clients.pem"));
    let crl = site.home.path().join("clients.crl");
    std::fs::write(&crl, clients.revoke(&[8])).unwrap();
    let keys = format!("ca = \"{ca}\", crl = \"{}\"", crl.display());
    let required = site.start(&format!(", client = {{ {keys} }}")).await;
    let optional = site.start(&format!(", client = {{ {keys}, optional = true }}")).await;
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    for version in versions {
        for (name, identity, by_required, by_optional) in [
            ("none", None, false, true),
            ("a known one", Some(&known), true, true),
            ("a revoked one", Some(&revoked), false, false),
            ("a stranger's", Some(&stranger), false, false),
        ] {
            for (janua, expected) in [(&required, by_required), (&optional, by_optional)] {
                let client = site.authority.client_of(&[version]);
                let client = match identity {
                    None => client.with_no_client_auth(),
                    Some(identity) => identity.shown_by(client),
                };
                let let_in = is_let_in(janua.address, client).await;
                assert_eq!(let_in, expected, "{name} by {:?}", version.version);
            }
        }
    }
}

// --- Resumption ---

/// How so many handshakes of one client went, each followed by a request.
async fn kinds(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    count: usize,
) -> Vec<HandshakeKind> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        let stream = handshake(address, NAME, client.clone()).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        let mut client = Client::over(stream);
        assert_eq!(client.get("/").await.status(), 204);
    }
    kinds
}

#[tokio::test]
async fn a_session_is_resumed_by_any_worker_and_after_a_reload() {
    let site = Site::new();
    let setup = Setup::new(NO_CONTENT).listener(&site.listener("")).server("workers = 2");
    let janua = setup.clone().start().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = Arc::new(site.authority.client_of(&[version]).with_no_client_auth());
        let first = kinds(janua.address, &client, 1).await;
        assert!(!first.contains(&HandshakeKind::Resumed), "{first:?}");
        // The system spreads these over both workers.
        let more = kinds(janua.address, &client, 16).await;
        assert_eq!(more, [HandshakeKind::Resumed; 16], "{:?}", version.version);
        janua.reload(&setup).await.unwrap();
        let after = kinds(janua.address, &client, 4).await;
        assert_eq!(after, [HandshakeKind::Resumed; 4], "{:?} after a reload", version.version);
    }
}

/// A client's memory of the first ticket it was given: it comes with that one for ever. By TLS 1.2: the
/// library lets nobody use one of TLS 1.3 twice.
#[derive(Debug, Default)]
struct FirstTicket(Mutex<Option<Tls12ClientSessionValue>>);

impl ClientSessionStore for FirstTicket {
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.lock().get_or_insert(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.lock().clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[tokio::test]
async fn a_ticket_ages_with_the_keys_of_its_listener() {
    let site = Site::new();
    let setup = |period: &str| {
        let listener = site.listener(&format!(", ticket-rotation = \"{period}\""));
        Setup::new(NO_CONTENT).listener(&listener).server("workers = 2")
    };
    let client = || {
        let client = site.authority.client_of(&[&rustls::version::TLS12]);
        let mut client = client.with_no_client_auth();
        let store = Arc::new(FirstTicket::default());
        client.resumption = Resumption::store(store);
        Arc::new(client)
    };
    let janua = setup("24h").start().await;
    let first = client();
    assert_eq!(kinds(janua.address, &first, 1).await, [HandshakeKind::Full]);
    assert_eq!(kinds(janua.address, &first, 4).await, [HandshakeKind::Resumed; 4]);
    janua.reload(&setup("1s")).await.unwrap();
    assert_eq!(kinds(janua.address, &first, 2).await, [HandshakeKind::Full; 2], "other keys");
    let (second, given) = (client(), Instant::now());
    assert_eq!(kinds(janua.address, &second, 1).await, [HandshakeKind::Full]);
    janua.reload(&setup("1s")).await.unwrap();
    assert_eq!(kinds(janua.address, &second, 2).await, [HandshakeKind::Resumed; 2]);
    // What is asserted in there: every connection works, whichever way it began.
    while kinds(janua.address, &second, 1).await == [HandshakeKind::Resumed] {
        assert!(given.elapsed() < PATIENCE, "it opens for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(given.elapsed() > Duration::from_secs(1), "it opens in the next period as well");
    assert_eq!(kinds(janua.address, &second, 4).await, [HandshakeKind::Full; 4]);
}

#[tokio::test]
async fn a_period_beyond_its_bounds_is_no_configuration() {
    let site = Site::new();
    for (period, holds) in [("999ms", false), ("1s", true), ("24h", true), ("24h1ms", false)] {
        let listener = site.listener(&format!(", ticket-rotation = \"{period}\""));
        let setup = Setup::new(NO_CONTENT).listener(&listener);
        if holds {
            setup.start().await;
        } else {
            let report = setup.fails_to_start().await.text(false);
            assert!(report.contains("every 1s at most, every 1d at least"), "{report}");
        }
    }
}

/// A resumed session shows no certificate, so it must not outlive the rules it was made by.
#[tokio::test]
async fn a_ticket_does_not_let_in_who_is_no_longer_known() {
    let (site, clients, others) = (Site::new(), Authority::new("C"), Authority::new("O"));
    let known = clients.issue(7, &["known"]);
    let path = site.home.path().join("clients.pem");
    let ca = clients.save(&path);
    let keys = site.listener(&format!(", client = {{ ca = \"{ca}\" }}"));
    let setup = Setup::new(NO_CONTENT).listener(&keys);
    let janua = setup.clone().start().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        clients.save(&path);
        janua.reload(&setup).await.unwrap();
        let client = known.shown_by(site.authority.client_of(&[version]));
        assert!(is_let_in(janua.address, client.clone()).await);
        assert!(is_let_in(janua.address, client.clone()).await, "resumed");
        others.save(&path);
        janua.reload(&setup).await.unwrap();
        assert!(!is_let_in(janua.address, client).await, "{:?}", version.version);
    }
}

// --- Reload and state ---

#[tokio::test]
async fn certificates_are_read_again_on_reload() {
    let site = Site::new();
    let setup = Setup::new(NO_CONTENT).listener(&site.listener(""));
    let janua = setup.clone().start().await;
    let config = Arc::new(site.client());
    let mut old = Client::tls(janua.address, NAME, site.client()).await;
    let renewed = site.authority.issue(9, &[NAME]);
    renewed.save(site.home.path(), "site");
    let shown = greet(janua.address, NAME, &config).await.certificate;
    assert_eq!(shown, *site.certificate.der(), "a file alone changes nothing");
    janua.reload(&setup).await.unwrap();
    let fresh = Arc::new(site.client());
    assert_eq!(greet(janua.address, NAME, &fresh).await.certificate, *renewed.der());
    assert_eq!(old.get("/").await.status(), 204, "the old connection goes on");
    // One that cannot be read leaves everything as it is.
    std::fs::write(site.home.path().join("site.pem"), "nonsense").unwrap();
    let failed = janua.reload(&setup).await.unwrap_err().text(false);
    assert!(failed.contains("site.pem"), "{failed}");
    let fresh = Arc::new(site.client());
    assert_eq!(greet(janua.address, NAME, &fresh).await.certificate, *renewed.der());
}

#[tokio::test]
async fn a_self_signed_certificate_is_kept() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let setup = Setup::new(NO_CONTENT).listener("tls = \"self-signed\"");
    let first = setup.clone().start_in(home.clone()).await;
    let state = home.path().join("state");
    let pem = std::fs::read_to_string(state.join("self-signed.pem")).unwrap();
    let key = std::fs::metadata(state.join("self-signed.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600, "the key is nobody else's");
    let config = Arc::new(Authority::client_that_trusts(&pem));
    for name in ["localhost", "127.0.0.1"] {
        assert!(handshake(first.address, name, config.clone()).await.is_ok(), "{name}");
    }
    first.stop().await;
    let second = setup.start_in(home.clone()).await;
    assert!(handshake(second.address, "localhost", config).await.is_ok(), "it is the same one");
    // What cannot be used is made anew.
    second.stop().await;
    std::fs::write(state.join("self-signed.key"), "nonsense").unwrap();
    let third = Setup::new(NO_CONTENT).listener("tls = \"self-signed\"").start_in(home).await;
    let pem = std::fs::read_to_string(state.join("self-signed.pem")).unwrap();
    let config = Arc::new(Authority::client_that_trusts(&pem));
    assert!(handshake(third.address, "localhost", config).await.is_ok());
}

// --- In clear ---

#[tokio::test]
async fn a_listener_in_clear_sends_everybody_to_https() {
    let origin = Origin::ok().await;
    for (port, request, location) in [
        (443, "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n", "https://a.example/a?b=c"),
        (443, "GET / HTTP/1.1\r\nHost: a.example:8080\r\n", "https://a.example/"),
        (8443, "GET / HTTP/1.1\r\nHost: a.example:8080\r\n", "https://a.example:8443/"),
        (443, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n", "https://[::1]/"),
        (443, "GET //b.example/ HTTP/1.1\r\nHost: a.example\r\n", "https://a.example//b.example/"),
        (
            443,
            "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n",
            "https://a.example/x",
        ),
        (
            8443,
            "GET http://a.example/a/../b?c HTTP/1.1\r\nHost: a.example\r\n",
            "https://a.example:8443/b?c",
        ),
        (8443, "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n", "https://a.example:8443/"),
    ] {
        let setup = Setup::to(&origin.url).listener(&format!("redirect-to-https = {port}"));
        let janua = setup.start().await;
        let mut client = janua.client().await;
        client.send(format!("{request}\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 308, "the method stays: {answer:?}");
        assert_eq!(answer.field("location").as_deref(), Some(location), "{request}");
        assert_eq!(answer.field("strict-transport-security"), None, "not in clear");
    }
    for (proxies, proto, status) in [
        ("127.0.0.0/8", "https", 200),
        ("127.0.0.0/8", "http", 308),
        ("127.0.0.0/8", "", 308),
        ("192.0.2.0/24", "https", 308),
    ] {
        let keys =
            format!("redirect-to-https = 443\nhsts = \"1d\"\ntrusted-proxies = [\"{proxies}\"]");
        let janua = Setup::to(&origin.url).listener(&keys).start().await;
        let told = format!("X-Forwarded-Proto: {proto}\r\n");
        let answer = janua.client().await.request("GET /", &told).await;
        assert_eq!(answer.status(), status, "{proxies}: {proto}");
        let hsts = answer.field("strict-transport-security");
        assert_eq!(hsts.is_some(), status == 200, "{proxies}: {proto}");
    }
    let seen = origin.connections();
    let janua = Setup::to(&origin.url).listener("redirect-to-https = 443").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    client.answer().await.assert_refused(400, "request.host", "there is nowhere to send it");
    assert_eq!(origin.connections(), seen);
}

#[tokio::test]
async fn hsts_is_on_every_answer_over_tls() {
    let (site, origin) = (Site::new(), Origin::ok().await);
    let routes = format!(
        "[[route]]\nhost = \"a.example\"\npath = \"/origin\"\nto = \"{}\"\n\
         [[route]]\npath = \"/fixed\"\nto = {{ status = 200 }}\n",
        origin.url
    );
    for (more, expected) in [
        ("", "max-age=31536000"),
        ("hsts-subdomains = true\n", "max-age=31536000; includeSubDomains"),
    ] {
        let keys = format!("hsts = \"365d\"\n{more}{}", site.listener(""));
        let janua = Setup::new(routes.clone()).listener(&keys).start().await;
        let mut client = Client::tls(janua.address, NAME, site.client()).await;
        for (path, status) in [("/origin", 200), ("/fixed", 200), ("/nothing", 404)] {
            let answer = client.get(path).await;
            assert_eq!(answer.status(), status);
            let hsts = answer.field("strict-transport-security");
            assert_eq!(hsts.as_deref(), Some(expected), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_not_answered_and_harms_nobody() {
    let site = Site::new();
    let janua = site.start("").await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x00\x05nonsense",
        b"\x80\x2e\x01\x00\x02",
        &[0; 64],
    ] {
        let mut client = Client::connect(janua.address).await;
        client.send(bytes).await;
        client.half_close().await;
        let said = client.ended().await;
        assert!(!said.contains("204"), "{said}");
        assert!(is_let_in(janua.address, site.client()).await);
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let site = Site::new();
    let keys = format!("{}\ntimeout.handshake = \"200ms\"", site.listener(""));
    let janua = Setup::new(NO_CONTENT).listener(&keys).start().await;
    let mut silent = Client::connect(janua.address).await;
    let mut half = Client::connect(janua.address).await;
    half.send(b"\x16\x03\x01\x02\x00\x01").await;
    assert_eq!(soon("the end", silent.ended()).await, "");
    half.ended().await;
    assert!(is_let_in(janua.address, site.client()).await);
}
