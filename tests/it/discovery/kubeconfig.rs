//! Clusters that a kubeconfig names: how one is found by it, what is shown there, and what is refused at load.
//! The API server is a stand-in, over TLS.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    endpoints, found,
    kubernetes::{listed, ready},
    upstream, wrong,
};
use crate::support::{
    Origin, Setup,
    certs::{Authority, Identity},
};

const SECRET: &str = "s3cret";

/// A cluster that could be asked.
const WHOLE: &str = "server: https://localhost:1";

/// An API server that lists one origin, below `/k8s`, to those who show the token, if one has to be shown.
async fn api(config: rustls::ServerConfig, origin: &Origin, token: Option<&'static str>) -> Origin {
    let list = listed(7, &[ready("one", 5, origin)]);
    Origin::tls(config, move |mut peer| {
        let list = list.clone();
        async move {
            while let Some(request) = peer.request().await {
                let shown = request.field("authorization");
                if !request.target().starts_with("/k8s/apis/discovery.k8s.io/v1/namespaces/shop/") {
                    peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
                } else if shown != token.map(|token| format!("Bearer {token}")) {
                    peer.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
                } else if request.target().contains("watch=1") {
                    std::future::pending::<()>().await;
                } else {
                    peer.send(&list).await;
                }
            }
        }
    })
    .await
}

/// A kubeconfig with a cluster and a user, of which this is said, and another context without a user.
fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: prod\n\
         contexts:\n- name: prod\n  context: {{ cluster: c, user: u, namespace: shop }}\n\
         - name: nobody\n  context: {{ cluster: c }}\n\
         clusters:\n- name: c\n  cluster: {{ {cluster} }}\nusers:\n- name: u\n  user: {{ {user} }}\n"
    )
}

/// A gateway by what is written into this file.
fn by(file: &Path, text: &str, keys: &str) -> Setup {
    std::fs::write(file, text).unwrap();
    upstream(&format!(
        "endpoints = \"kubernetes://shop/orders\"\ndiscovery.kubeconfig = \"{}\"\n{keys}",
        file.display()
    ))
}

/// A folder with `ca.pem`, `token`, `me.pem` and `me.key`; and what a file of it is in Base64.
struct Home(tempfile::TempDir);

impl Home {
    fn new(authority: &Authority, me: &Identity) -> Self {
        let home = tempfile::tempdir().unwrap();
        authority.save(&home.path().join("ca.pem"));
        me.save(home.path(), "me");
        std::fs::write(home.path().join("token"), format!("{SECRET}\n")).unwrap();
        Self(home)
    }

    fn base64(&self, name: &str) -> String {
        STANDARD.encode(std::fs::read(self.0.path().join(name)).unwrap())
    }
}

#[tokio::test]
async fn a_kubeconfig_says_whom_to_ask_and_what_to_show() {
    let authority = Authority::new("A");
    let home = Home::new(&authority, &authority.issue(2, &["me"]));
    let a = Origin::named("a").await;
    let of = authority.issue(1, &["localhost"]);
    let by_token = api(of.server(), &a, Some(SECRET)).await;
    let by_certificate = api(authority.server_for_clients(&of), &a, None).await;
    let other_name = api(authority.issue(3, &["kubernetes"]).server(), &a, Some(SECRET)).await;
    let (ca, me, key) = (home.base64("ca.pem"), home.base64("me.pem"), home.base64("me.key"));
    let token = format!("token: {SECRET}");
    let files = "client-certificate: me.pem, client-key: me.key";
    let data = format!("client-certificate-data: {me}, client-key-data: {key}");
    let both = format!("{data}, client-certificate: no.pem, client-key: no.key");
    let folder = home.0.path().display();
    for (api, cluster, user, keys, refused) in [
        (&by_token, "certificate-authority: ca.pem", &*token, "", ""),
        (&by_token, "certificate-authority: ca.pem", "tokenFile: token, token: old", "", ""),
        (&by_token, &format!("certificate-authority: {folder}/ca.pem"), "tokenFile: token", "", ""),
        (&by_token, &format!("certificate-authority-data: {ca}"), &token, "", ""),
        (&by_token, "certificate-authority: ca.pem", "token: another", "", "answers 401"),
        (&by_token, "certificate-authority: ca.pem", "token: ''", "", "answers 401"),
        (
            &by_token,
            "certificate-authority: ca.pem",
            &token,
            "discovery.context = \"nobody\"",
            "answers 401",
        ),
        (&by_token, "insecure-skip-tls-verify: false", &token, "", "TLS"),
        (&by_certificate, "certificate-authority: ca.pem", files, "", ""),
        (&by_certificate, "certificate-authority: ca.pem", &data, "", ""),
        (&by_certificate, "certificate-authority: ca.pem", &both, "", ""),
        (&by_certificate, "certificate-authority: ca.pem", "", "", "Kubernetes: "),
        (&other_name, "certificate-authority: ca.pem", &token, "", "TLS"),
        (&other_name, "certificate-authority: ca.pem, tls-server-name: kubernetes", &token, "", ""),
    ] {
        let text = kubeconfig(&format!("server: {}/k8s/, {cluster}", api.url), user);
        let janua = by(&home.0.path().join("config"), &text, keys).start().await;
        match refused {
            "" => found(&janua, &[&a.url]).await,
            words => wrong(&janua, words).await,
        }
    }
}

#[tokio::test]
async fn a_reload_reads_it_anew_and_keeps_what_the_same_server_said() {
    let authority = Authority::new("A");
    let home = Home::new(&authority, &authority.issue(2, &["me"]));
    let origins = super::named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let server = || authority.issue(1, &["localhost"]).server();
    let (first, second) =
        (api(server(), a, Some(SECRET)).await, api(server(), b, Some(SECRET)).await);
    let file = home.0.path().join("config");
    let setup = |url: &str, token: &str| {
        let cluster = format!("server: {url}/k8s, certificate-authority: ca.pem");
        by(&file, &kubeconfig(&cluster, &format!("token: {token}")), "")
    };
    let janua = setup(&first.url, SECRET).start().await;
    found(&janua, &[&a.url]).await;
    janua.reload(&setup(&first.url, "revoked")).await.ok().unwrap();
    wrong(&janua, "answers 401").await;
    assert_eq!(endpoints(&janua), [&*a.url], "what was found is kept");
    janua.reload(&setup("https://localhost:1", SECRET)).await.ok().unwrap();
    wrong(&janua, "no connection").await;
    assert!(endpoints(&janua).is_empty(), "another server's endpoints");
    janua.reload(&setup(&second.url, SECRET)).await.ok().unwrap();
    found(&janua, &[&b.url]).await;
}

/// Each of these texts is refused at load: what is said of it, and of what to do. A secret is never told.
async fn refused(rows: &[(String, &str, &str)]) {
    let authority = Authority::new("A");
    let home = Home::new(&authority, &authority.issue(2, &["me"]));
    authority.issue(3, &["other"]).save(home.0.path(), "other");
    let file = home.0.path().join("config");
    for (text, message, help) in rows {
        let report = by(&file, text, "").fails_to_start().await;
        let problems = report.json();
        let problem = |key: &str| problems[0][key].as_str().unwrap_or_default().to_owned();
        let said = problem("message");
        assert_eq!(problem("path"), "upstream.u.discovery.kubeconfig", "{report}");
        assert!(said.contains(file.to_str().unwrap()), "{report}");
        assert!(said.contains(message), "{message}: {report}\n{text:.400}");
        assert!(problem("help").contains(help), "{help}: {report}");
        assert!(!report.text(false).contains(SECRET), "{report}");
    }
}

/// One that is fine, but for what is said of its cluster.
fn cluster(text: &str) -> String {
    kubeconfig(text, &format!("token: {SECRET}"))
}

/// One that is fine, but for what is said of its user.
fn user(text: &str) -> String {
    kubeconfig(WHOLE, text)
}

#[tokio::test]
async fn a_kubeconfig_without_what_a_context_needs_is_refused_at_load() {
    let good = cluster(WHOLE);
    refused(&[
        (
            good.replace("current-context: prod", "current-context: ''"),
            "it has no `current-context`",
            "context = ",
        ),
        (good.replace("current-context: prod\n", ""), "it has no `current-context`", "context = "),
        (
            good.replace("-context: prod", "-context: pord"),
            "it has no context `pord`",
            "there is `prod`, `nobody`",
        ),
        (
            good.replace("{ cluster: c, user: u, namespace: shop }", "{ user: u }"),
            "names no `cluster`",
            "",
        ),
        (
            good.replace("cluster: c, user", "cluster: d, user"),
            "it has no cluster `d`",
            "there is `c`",
        ),
        (good.replace("user: u,", "user: v,"), "it has no user `v`", "there is `u`"),
        (good[..good.find("clusters:").unwrap()].to_owned(), "it has no cluster `c`", ""),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_kubeconfig_is_refused_at_load() {
    let good = cluster(WHOLE);
    let bomb = (1..9).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let many = vec![format!("*a{}", n - 1); 9].join(", ");
        format!("{text}a{n}: &a{n} [{many}]\n")
    });
    refused(&[
        (String::new(), "", ""),
        ("7".into(), "not what is expected here", ""),
        ("clusters: 7".into(), "config`:1:11: ", ""),
        (good.replace("- name: u\n ", "-"), "there is no `name`", ""),
        (user(&format!("token: [{SECRET}]")), "config`:15:18: ", ""),
        (user(&format!("token: {SECRET}, token: {SECRET}")), "is there twice", ""),
        (user(&format!("token: \"{SECRET}\", \"")), "it is not YAML: ", ""),
        (format!("{good}\t- {SECRET}: [\n"), "it is not YAML: ", ""),
        (format!("{good}{bomb}"), "its aliases stand for too much", ""),
        (format!("{good}x: {}{}", "[".repeat(100), "]".repeat(100)), "", ""),
        (format!("{good}#{}", "x".repeat(1 << 20)), "more than 1048576 bytes", ""),
    ])
    .await;
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_safely_is_refused_at_load() {
    let whole = WHOLE;
    refused(&[
        (cluster("certificate-authority: ca.pem"), "it has no `server`", ""),
        (cluster("server: localhost:6443"), "needs http://", ""),
        (cluster("server: ftp://localhost"), "`ftp` is not spoken", ""),
        (
            cluster(&format!("{whole}, insecure-skip-tls-verify: true")),
            "`insecure-skip-tls-verify` is not done",
            "certificate-authority",
        ),
        (cluster(&format!("{whole}, proxy-url: http://p")), "`proxy-url` is not done", "directly"),
        (cluster(&format!("{whole}, certificate-authority: no.pem")), "no.pem", ""),
        (cluster(&format!("{whole}, certificate-authority: token")), "holds no certificate", ""),
        (
            cluster(&format!("{whole}, certificate-authority-data: '*'")),
            "`certificate-authority-data` is not Base64",
            "",
        ),
        (
            cluster(&format!("{whole}, certificate-authority-data: eA==")),
            "`certificate-authority-data` holds no certificate",
            "",
        ),
        (
            cluster(&format!("{whole}, tls-server-name: a b")),
            "TLS cannot verify the name `a b`",
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_user_who_shows_what_is_not_taken_is_refused_at_load() {
    let exec = format!("exec: {{ command: aws, env: [{{ name: X, value: {SECRET} }}] }}");
    refused(&[
        (user(&exec), "the user `u`: `exec` is not taken", "token"),
        (user("auth-provider: { name: gcp }"), "`auth-provider` is not taken", "token"),
        (user(&format!("password: {SECRET}")), "`password` is not taken", "token"),
        (user(&format!("username: me, token: {SECRET}")), "`username` is not taken", "token"),
        (user(&format!("as: admin, token: {SECRET}")), "`as` is not taken", ""),
        (user("client-certificate: me.pem"), "needs a `client-key`", ""),
        (user("client-key: me.key"), "needs a `client-certificate`", ""),
        (user("client-certificate: me.key, client-key: me.key"), "holds no certificate", ""),
        (user("client-certificate: me.pem, client-key: me.pem"), "holds no private key", ""),
        (user("client-certificate: me.pem, client-key: other.key"), "are of no use", ""),
        (
            user("client-certificate: me.pem, client-key-data: '!'"),
            "`client-key-data` is not Base64",
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_and_a_cluster_is_named_once() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let all = kubeconfig("proxy-url: x", "exec: {}");
    let all = by(&file, &all, "").fails_to_start().await;
    assert_eq!(all.json().as_array().unwrap().len(), 3, "{all}");
    for (key, value) in
        [("server", "\"https://a\""), ("token", "{ file = \"/x\" }"), ("ca", "\"/x\"")]
    {
        let path = format!("upstream.u.discovery.{key}");
        by(&file, &cluster(WHOLE), &format!("discovery.{key} = {value}"))
            .fails_at(&path, "`kubeconfig` says that", "leave out")
            .await;
    }
}

#[test]
fn what_a_kubeconfig_holds_is_never_shown() {
    let home = tempfile::tempdir().unwrap();
    let (file, config) = (home.path().join("janua.toml"), home.path().join("config"));
    std::fs::write(&config, kubeconfig("server: https://a", &format!("token: {SECRET}"))).unwrap();
    let text = format!(
        "[upstream.u]\nendpoints = \"kubernetes://shop/orders\"\n\
         discovery.kubeconfig = \"{}\"\n[[route]]\nto = \"u\"\n",
        config.display()
    );
    std::fs::write(&file, text).unwrap();
    for verb in [&["config", "show"][..], &["check"]] {
        let arguments = [verb, &["-c", file.to_str().unwrap()]].concat();
        let shown = crate::support::daemon::janua(&arguments);
        let said = [shown.stdout, shown.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(shown.status.success() && !said.contains(SECRET), "{said}");
        assert!(verb == ["check"] || said.contains(config.to_str().unwrap()), "{said}");
    }
}
