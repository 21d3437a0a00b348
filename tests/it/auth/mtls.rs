//! Clients that show a certificate: who that makes them, what the origin is told, and who may come.

use std::{path::Path, sync::Arc};

use rcgen::{SanType, string::Ia5String};
use rustls::{ClientConfig, DEFAULT_VERSIONS};
use tempfile::TempDir;

use super::setup;
use crate::support::{
    Client, Janua, Message, Origin, Setup,
    certs::{Authority, Identity},
};

const NAME: &str = "a.example";

/// What every certificate of the tests says of its owner.
const EVERY_NAME: &str = "[auth.mesh]\nidentity-headers = { x-user = \"sub\", x-dns = \"san-dns\", \
    x-uri = \"san-uri\", x-mail = \"san-email\", x-cn = \"cn\", x-issuer = \"issuer-cn\", \
    x-print = \"fingerprint\", x-roles = \"roles\" }\n";

/// An authority, a gateway's certificate, and where files are kept.
struct Site {
    home: Arc<TempDir>,
    authority: Authority,
    server: Identity,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new("Services CA");
        let server = authority.issue(1, &[NAME]);
        Self { home: Arc::new(tempfile::tempdir().unwrap()), authority, server }
    }

    /// `tls` of a listener that asks for certificates of these authorities.
    fn tls(&self, authorities: &[&Authority], more: &str) -> String {
        let pem: String = authorities.iter().map(|authority| authority.pem()).collect();
        let ca = self.home.path().join("clients.pem");
        std::fs::write(&ca, pem).unwrap();
        let certificate = self.server.save(self.home.path(), "server");
        let ca = ca.display();
        format!(
            "tls = {{ certificates = [{{ {certificate} }}], client = {{ ca = \"{ca}\"{more} }} }}"
        )
    }

    fn client(&self, identity: Option<&Identity>) -> ClientConfig {
        let client = self.authority.client_of(DEFAULT_VERSIONS);
        match identity {
            Some(identity) => identity.shown_by(client),
            None => client.with_no_client_auth(),
        }
    }
}

/// A certificate for a common name, with an alternative name of each kind.
fn billing(authority: &Authority) -> Identity {
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let names = vec![
        SanType::DnsName(text("Billing.internal")),
        SanType::DnsName(text("pay.internal")),
        SanType::URI(text("spiffe://example.com/billing")),
        SanType::Rfc822Name(text("billing@example.com")),
    ];
    authority.issue_to("billing", names, None)
}

async fn ask(janua: &Janua, client: ClientConfig, line: &str, fields: &str) -> Message {
    Client::tls(janua.address, NAME, client).await.request(line, fields).await
}

fn fingerprint(identity: &Identity) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, identity.der());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn start(origin: &Origin, sections: &str, tls: &str) -> Janua {
    setup(origin, sections, "auth = \"mesh\"").listener(tls).start().await
}

#[tokio::test]
async fn the_name_that_is_asked_for_says_who_it_is_and_all_facts_are_claims() {
    let site = Site::new();
    let client = billing(&site.authority);
    let print = fingerprint(&client);
    let origin = Origin::ok().await;
    for (subject, told) in [
        ("", "billing"),
        ("subject = \"cn\"", "billing"),
        ("subject = \"san-dns\"", "billing.internal"),
        ("subject = \"san-uri\"", "spiffe://example.com/billing"),
        ("subject = \"san-email\"", "billing@example.com"),
        ("subject = \"fingerprint\"", &print),
    ] {
        let sections = format!("{EVERY_NAME}mtls = {{ {subject} }}\n");
        let janua = start(&origin, &sections, &site.tls(&[&site.authority], "")).await;
        let forged = "X-User: root\r\nX-Print: 00\r\n";
        let answer = ask(&janua, site.client(Some(&client)), "GET /", forged).await;
        assert_eq!(answer.status(), 200, "{subject}");
        let seen = origin.last();
        for (field, value) in [
            ("x-user", told),
            ("x-dns", "billing.internal,pay.internal"),
            ("x-uri", "spiffe://example.com/billing"),
            ("x-mail", "billing@example.com"),
            ("x-cn", "billing"),
            ("x-issuer", "Services CA"),
            ("x-print", &print),
        ] {
            assert_eq!(seen.values(field), [value], "{field}, {subject}");
        }
        let line = janua.logged("the user", |line| line["user"] == told).await;
        assert_eq!(line["status"], 200, "{line}");
    }
}

#[tokio::test]
async fn only_clients_of_the_list_come_in_with_the_roles_of_all_that_they_fit() {
    let site = Site::new();
    let other = Authority::new("Other CA");
    let client = billing(&site.authority);
    let print: Vec<_> = fingerprint(&client).to_uppercase().chars().collect();
    let print: Vec<String> = print.chunks(2).map(|pair| pair.iter().collect()).collect();
    let clients = format!(
        "[auth.mesh.mtls]\nroles = \"service\"\nclients = [\
         {{ fingerprint = \"{}\", roles = \"a\" }}, {{ san = \"billing.INTERNAL\", roles = [\"b\", \"a\"] }},\
         {{ san = \"spiffe://example.com/billing\", issuer = \"Other CA\", roles = \"c\" }},\
         {{ cn = \"audit\", roles = \"auditor\" }}, {{ cn = \"billing\", san = \"x\", roles = \"d\" }}]\n",
        print.join(":")
    );
    let origin = Origin::ok().await;
    let sections = format!("{EVERY_NAME}{clients}");
    let tls = site.tls(&[&site.authority, &other], "");
    let janua = start(&origin, &sections, &tls).await;
    let twin = billing(&other);
    for (identity, status, roles) in [
        (&client, 200, "a,b,service"),
        (&twin, 200, "a,b,c,service"),
        (&site.authority.issue_to("audit", vec![], None), 200, "auditor,service"),
        (&site.authority.issue_to("Audit", vec![], None), 401, ""),
        (&site.authority.issue_to("audit, cn=x", vec![], None), 401, ""),
    ] {
        let answer = ask(&janua, site.client(Some(identity)), "GET /", "").await;
        assert_eq!(answer.status(), status, "{roles}");
        match status {
            200 => assert_eq!(origin.last().values("x-roles"), [roles]),
            _ => answer.assert_refused(401, "auth.mtls.unknown", "nobody of the list"),
        }
    }
}

#[tokio::test]
async fn who_shows_nothing_or_has_no_such_name_is_not_let_in() {
    let site = Site::new();
    let origin = Origin::ok().await;
    let sections = "[auth.mesh]\nmtls = { subject = \"san-uri\" }\n";
    let tls = site.tls(&[&site.authority], ", optional = true");
    let janua = start(&origin, sections, &tls).await;
    let answer = ask(&janua, site.client(None), "GET /", "").await;
    answer.assert_refused(401, "auth.mtls.missing", "no certificate");
    assert_eq!(answer.values("www-authenticate"), ["ClientCertificate realm=\"mesh\""]);
    let nameless = site.authority.issue(7, &["only.dns"]);
    let answer = ask(&janua, site.client(Some(&nameless)), "GET /", "").await;
    answer.assert_refused(401, "auth.mtls.unknown", "no URI");
    assert_eq!(origin.connections(), 0);
}

/// One connection, many requests, and a reload that changes what its certificate is worth.
#[tokio::test]
async fn a_connection_follows_the_configuration_that_holds() {
    let site = Site::new();
    let client = billing(&site.authority);
    let origin = Origin::ok().await;
    let tls = site.tls(&[&site.authority], "");
    let with = |clients: &str| {
        setup(&origin, &format!("{EVERY_NAME}mtls = {{ {clients} }}\n"), "auth = \"mesh\"")
            .listener(&tls)
    };
    let janua = with("clients = [{ cn = \"billing\", roles = \"old\" }]").start().await;
    let mut connection = Client::tls(janua.address, NAME, site.client(Some(&client))).await;
    for (clients, expected) in [
        (None, Some("old")),
        (None, Some("old")),
        (Some("clients = [{ cn = \"billing\", roles = \"new\" }]"), Some("new")),
        (Some("clients = [{ cn = \"audit\" }]"), None),
    ] {
        if let Some(clients) = clients {
            janua.reload(&with(clients)).await.unwrap();
        }
        let answer = connection.request("GET /", "").await;
        match expected {
            Some(roles) => assert_eq!(origin.last().values("x-roles"), [roles]),
            None => answer.assert_refused(401, "auth.mtls.unknown", "taken off the list"),
        }
    }
}

/// A connection may live longer than what opened it.
#[tokio::test]
async fn a_certificate_ends_while_its_connection_is_open() {
    let site = Site::new();
    let ends = std::time::SystemTime::now() + std::time::Duration::from_secs(3);
    let client = site.authority.issue_to("brief", vec![], Some(ends));
    let origin = Origin::ok().await;
    let sections = "[auth.mesh]\nmtls = {}\n";
    let janua = start(&origin, sections, &site.tls(&[&site.authority], "")).await;
    let mut connection = Client::tls(janua.address, NAME, site.client(Some(&client))).await;
    assert_eq!(connection.request("GET /", "").await.status(), 200);
    let mut answer = connection.request("GET /", "").await;
    while answer.status() == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        answer = connection.request("GET /", "").await;
    }
    answer.assert_refused(401, "auth.mtls.expired", "its time is over");
    assert!(std::time::SystemTime::now() >= ends);
}

#[tokio::test]
async fn a_key_does_where_there_is_no_certificate() {
    let site = Site::new();
    let client = billing(&site.authority);
    let origin = Origin::ok().await;
    let sections = format!(
        "[auth.mesh]\nidentity-headers = {{ x-user = \"sub\" }}\nmtls = {{}}\n[auth.keys]\n\
         identity-headers = {{ x-user = \"sub\" }}\napi-key = {{ keys = [{}] }}\n",
        super::key("ann", "k", "")
    );
    let tls = site.tls(&[&site.authority], ", optional = true");
    for (require, shown, key, expected) in [
        ("any", true, "", Ok("billing")),
        ("any", false, "X-Api-Key: k\r\n", Ok("ann")),
        ("any", false, "", Err("auth.missing")),
        ("any", false, "X-Api-Key: x\r\n", Err("auth.key.unknown")),
        ("all", true, "X-Api-Key: k\r\n", Ok("billing")),
        ("all", true, "", Err("auth.missing")),
        ("all", false, "X-Api-Key: k\r\n", Err("auth.missing")),
    ] {
        let route = format!("auth = [\"mesh\", \"keys\"]\nrequire = \"{require}\"");
        let janua = setup(&origin, &sections, &route).listener(&tls).start().await;
        let answer = ask(&janua, site.client(shown.then_some(&client)), "GET /", key).await;
        match expected {
            Ok(user) => assert_eq!(origin.last().values("x-user"), [user], "{require} {key}"),
            Err(reason) => answer.assert_refused(401, reason, require),
        }
    }
}

#[tokio::test]
async fn a_route_that_nobody_can_show_a_certificate_to_is_refused_at_load() {
    let site = Site::new();
    let tls = site.tls(&[&site.authority], "");
    let save = |name: &str| site.server.save(Path::new(site.home.path()), name);
    let plain = format!("tls = {{ certificates = [{{ {} }}] }}", save("plain"));
    let second = format!("[[listener]]\nname = \"mesh\"\naddress = \"[::1]:0\"\n{tls}\n");
    let sections = "[auth.mesh]\nmtls = {}\n";
    let route = "[[route]]\nto = \"echo\"\nauth = \"mesh\"\n";
    for (listener, more, on) in
        [("", "", ""), (&*plain, "", ""), ("", &*second, "listener = \"public\"\n")]
    {
        let setup = Setup::new(format!("{more}{sections}{route}{on}")).listener(listener);
        let report = setup.fails_to_start().await.text(false);
        assert!(report.contains("no listener of this route asks for certificates"), "{report}");
    }
    for on in ["", "listener = \"mesh\"\n"] {
        Setup::new(format!("{second}{sections}{route}{on}")).start().await;
    }
}
