//! Lists by country and autonomous system, by databases made for the purpose.

use std::{path::Path, sync::Arc};

use super::{closed, from, get, verdict};
use crate::support::{
    Setup,
    mmdb::{Value, write},
};

fn country(code: &'static str) -> Value {
    let place = Value::Map(vec![("iso_code", Value::Text(code)), ("geoname_id", Value::Number(7))]);
    Value::Map(vec![
        ("continent", Value::Map(vec![("code", Value::Text("EU"))])),
        ("country", place),
    ])
}

fn asn(number: u32) -> Value {
    Value::Map(vec![
        ("autonomous_system_number", Value::Number(number)),
        ("autonomous_system_organization", Value::Text("Example")),
    ])
}

/// The loopback's networks, as if they were somewhere.
fn world(home: &Path) -> String {
    let (countries, asns) = (home.join("country.mmdb"), home.join("asn.mmdb"));
    let somewhere = Value::Map(vec![("continent", Value::Map(vec![("code", Value::Text("AN"))]))]);
    write(
        &countries,
        "GeoLite2-Country",
        &[
            ("127.1.0.0/16", country("DE")),
            ("127.2.0.0/16", country("FR")),
            ("127.3.0.0/16", somewhere),
            ("2001:db8::/32", country("DE")),
        ],
    );
    write(&asns, "GeoLite2-ASN", &[("127.1.0.0/16", asn(64496)), ("127.2.0.0/16", asn(64511))]);
    let (countries, asns) = (countries.display(), asns.display());
    format!("[geoip]\ndatabase = \"{countries}\"\nasn-database = \"{asns}\"\n")
}

#[tokio::test]
async fn countries_and_systems_decide() {
    let (country, asn) = ((403, "access.country"), (403, "access.asn"));
    let admitted = (204, "");
    for (keys, cases) in [
        (
            "allow-countries = [\"DE\", \"pl\"]",
            &[
                ("127.1.0.1", admitted),
                ("127.2.0.1", country),
                ("127.3.0.1", country),
                ("127.4.0.1", country),
            ][..],
        ),
        (
            "deny-countries = \"fr\"",
            &[("127.1.0.1", admitted), ("127.2.0.1", country), ("127.4.0.1", admitted)],
        ),
        ("allow-asns = 64496", &[("127.1.0.1", admitted), ("127.2.0.1", asn), ("127.4.0.1", asn)]),
        ("deny-asns = [64511]", &[("127.1.0.1", admitted), ("127.2.0.1", asn)]),
        (
            "allow-countries = [\"DE\", \"FR\"]\ndeny-asns = 64511\ndeny = \"127.1.0.9\"",
            &[
                ("127.1.0.1", admitted),
                ("127.2.0.1", asn),
                ("127.3.0.1", country),
                ("127.1.0.9", (403, "access.ip")),
            ],
        ),
    ] {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let geoip = world(home.path());
        let janua = Setup::new(format!(
            "{geoip}[access.list]\n{keys}\n[[route]]\naccess = \"list\"\nto = {{ status = 204 }}\n"
        ))
        .start_in(home)
        .await;
        for (source, (status, reason)) in cases {
            let found = verdict(&get(source, &janua, "").await);
            assert_eq!(found, (*status, (*reason).to_owned()), "{keys}\n{source}");
        }
    }
}

#[tokio::test]
async fn a_listener_closes_on_a_country_and_a_reload_reads_the_database_anew() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let geoip = world(home.path());
    let setup = Setup::new(format!(
        "{geoip}[access.list]\ndeny-countries = \"FR\"\n[[route]]\nto = {{ status = 204 }}\n"
    ))
    .listener("access = \"list\"");
    let janua = setup.clone().start_in(home).await;
    assert_eq!(from("127.2.0.1", janua.address).await.ended().await, "");
    assert_eq!(closed(&janua, "access.country"), 1);

    let path = janua.path("country.mmdb");
    write(&path, "GeoLite2-Country", &[("127.1.0.0/16", country("FR"))]);
    janua.reload(&setup).await.unwrap();
    assert_eq!(get("127.2.0.1", &janua, "").await.status(), 204);
    assert_eq!(from("127.1.0.1", janua.address).await.ended().await, "");

    std::fs::write(&path, &std::fs::read(&path).unwrap()[..40]).unwrap();
    let report = janua.reload(&setup).await.unwrap_err().text(false);
    assert!(report.contains("cannot read") && report.contains("country.mmdb"), "{report}");
    assert_eq!(get("127.2.0.1", &janua, "").await.status(), 204, "the old one goes on");
}

#[tokio::test]
async fn databases_that_are_mixed_up_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    world(home.path());
    let (asn, country) = (home.path().join("asn.mmdb"), home.path().join("country.mmdb"));
    for (key, path) in [("database", asn), ("asn-database", country)] {
        let text = format!("[geoip]\n{key} = \"{}\"\n[[route]]\nto = \"echo\"\n", path.display());
        let report = Setup::new(text).fails_to_start().await.text(false);
        assert!(report.contains("is a database of another kind"), "{key}: {report}");
    }
}
