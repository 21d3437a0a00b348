//! Sources that cannot be meant: refused at load, where they stand, with what to do.

use super::upstream;
use crate::support::Setup;

const DNS: &str = "endpoints = \"dns://orders.internal:8080\"";
const KUBERNETES: &str = "endpoints = \"kubernetes://shop/orders\"";
const CONSUL: &str = "endpoints = \"consul://orders\"";

#[tokio::test]
async fn a_url_that_names_no_source_is_refused_at_load() {
    for (url, message, help) in [
        ("dns://", "no valid name", "dns://orders.internal:8080"),
        ("dns://:80", "no valid name", "dns://"),
        ("dns://orders:0", "no valid port", "dns://"),
        ("dns://orders:http", "no valid port", "dns://"),
        ("dns://orders:80/path", "no valid port", "dns://"),
        ("dns://orders/path", "no valid name", "dns://"),
        ("dns://or ders:80", "no valid name", "dns://"),
        ("dns://u:p@orders:80", "no valid port", "dns://"),
        ("dns://a..b:80", "no valid name", "dns://"),
        ("dns://10.0.0.5:80", "is an address", "http://10.0.0.5:8080"),
        ("dns://[::1]:80", "is an address", "http://"),
        ("srv://orders.internal", "a service, a protocol and a domain", "srv://_http._tcp."),
        ("srv://_http._tcp", "a service, a protocol and a domain", "srv://_http._tcp."),
        ("srv://_http._tcp.orders:80", "the port is in the record", "srv://"),
        ("srv://_._tcp.orders", "a service, a protocol and a domain", "srv://"),
        ("consul://", "names no service", "consul://orders?tag=v1"),
        ("consul://orders/a", "names no service", "consul://"),
        ("consul://127.0.0.1:8500", "names no service", "consul://"),
        ("consul://orders?tags=v1", "`tags=v1` is not known here", "consul://"),
        ("kubernetes://orders:80", "no namespace and service", "kubernetes://default/orders:http"),
        ("kubernetes://shop/orders:0", "no valid port", "kubernetes://"),
        ("kubernetes://shop/Orders", "have names of", "kubernetes://"),
        ("file://endpoints.toml", "not absolute", "file:///etc/janua/endpoints.toml"),
        ("file:///", "not absolute", "file:///"),
        ("etcd://orders", "`etcd` is not spoken", ""),
    ] {
        let setup = upstream(&format!("endpoints = [\"http://a\", \"{url}\"]"));
        setup.fails_at("upstream.u.endpoints[1]", message, help).await;
    }
    let setup = Setup::new("[[route]]\nto = \"dns://orders:0\"\n");
    setup.fails_at("route[0].to[0]", "no valid port", "dns://").await;
    let twice = upstream("endpoints = [\"dns://a:1\", { url = \"dns://a:1\", weight = 2 }]");
    twice.fails_at("upstream.u.endpoints[1]", "named twice", "weight").await;
}

#[tokio::test]
async fn settings_of_discovery_that_cannot_be_meant_are_refused_at_load() {
    let written = "endpoints = \"http://127.0.0.1:9\"";
    let both = "endpoints = [\"consul://orders\", \"kubernetes://shop/orders\"]";
    for (endpoints, keys, path, message, help) in [
        (written, "timeout = \"1s\"", "", "about nothing", "dns://orders.internal"),
        (DNS, "timeout = \"0s\"", ".timeout", "no end of questions", "\"5s\""),
        (DNS, "min-refresh = \"0s\"", ".min-refresh", "no end of questions", "\"5s\""),
        (DNS, "min-refresh = \"2m\"", ".max-refresh", "less than `min-refresh`", ""),
        (DNS, "max-endpoints = 0", ".max-endpoints", "no endpoint could be found", ""),
        (DNS, "max-endpoints = 50001", ".max-endpoints", "room for so many", "50000 at most"),
        (DNS, "dns = \"ns.internal\"", ".dns", "`ns.internal` is not an address", "127.0.0.1:5353"),
        (DNS, "server = \"http://127.0.0.1:8500\"", ".server", "none of them is asked", ""),
        (DNS, "token = { env = \"X\" }", ".token", "none of them is asked", ""),
        (DNS, "ca = \"/x.pem\"", ".ca", "none of them is asked", ""),
        (CONSUL, "dns = \"10.0.0.2\"", ".dns", "nothing here is asked of DNS", "dns://"),
        (CONSUL, "server = \"127.0.0.1:8500\"", ".server", "needs http://", ""),
        (CONSUL, "server = \"ftp://a\"", ".server", "`ftp` is not spoken", ""),
        (CONSUL, "ca = \"/no/such.pem\"", ".ca", "cannot read", ""),
        (CONSUL, "scheme = \"h2c\"", ".scheme", "`h2c` is not known here", "https"),
        (CONSUL, "family = \"ipv5\"", ".family", "`ipv5` is not known here", "ipv4"),
        (CONSUL, "keep = \"1s\"", ".keep", "unknown key `keep`", "keep-"),
        (
            DNS,
            "kubeconfig = \"/x\"",
            ".kubeconfig",
            "Kubernetes, which is not asked",
            "kubernetes://",
        ),
        (DNS, "context = \"x\"", ".context", "Kubernetes, which is not asked", "kubernetes://"),
        (
            KUBERNETES,
            "server = \"https://a\"\ndiscovery.context = \"x\"",
            ".context",
            "no `kubeconfig` to find it in",
            "kubeconfig = ",
        ),
        (both, "server = \"http://a\"", ".server", "Consul's or that of Kubernetes", "of its own"),
    ] {
        let path = format!("upstream.u.discovery{path}");
        upstream(&format!("{endpoints}\ndiscovery.{keys}")).fails_at(&path, message, help).await;
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_a_finding_and_no_fault() {
    let keys = "endpoints = \"kubernetes://shop/orders:http\"";
    let janua = upstream(keys).start().await;
    super::wrong(&janua, "there is no cluster around").await;
}

#[test]
fn a_server_that_anybody_on_the_way_could_be_is_a_finding() {
    for (server, finding) in [("http://10.0.0.1:8500", true), ("https://10.0.0.1:8500", false)] {
        let text = format!(
            "[upstream.u]\n{CONSUL}\ndiscovery.server = \"{server}\"\n[[route]]\nto = \"u\"\n"
        );
        let checked = crate::support::daemon::on(&text, &["check"]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}");
        assert_eq!(said.contains("anybody on the way can read the token"), finding, "{said}");
    }
}

#[test]
fn explain_says_who_would_be_asked_for_endpoints_and_asks_nobody() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    std::fs::write(&file, format!("[upstream.u]\n{DNS}\n[[route]]\nto = \"u\"\n")).unwrap();
    for (format, said) in [
        ("text", "those that dns://orders.internal:8080 tells, which is not asked here"),
        ("json", "\"dns://orders.internal:8080\""),
    ] {
        let arguments = ["explain", "--format", format, "-c", file.to_str().unwrap()];
        let explained =
            crate::support::daemon::janua(&[&arguments[..], &["GET", "http://a/"]].concat());
        let shown = String::from_utf8_lossy(&explained.stdout);
        assert!(shown.contains(said), "{shown}{}", String::from_utf8_lossy(&explained.stderr));
    }
}
