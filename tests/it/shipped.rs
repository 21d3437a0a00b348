//! Every configuration that is shipped compiles, passes its own tests, and has no findings.

use janua::{
    app::{Source, config_tests},
    snapshot::{Purpose, Snapshot},
};

#[test]
fn every_shipped_configuration_compiles() {
    let mut count = 0;
    for entry in std::fs::read_dir("config").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            continue;
        }
        count += 1;
        // The reference shows every form a key can take, files and all: it has a test of its own.
        if path.ends_with("reference.toml") {
            continue;
        }
        let loaded = Source::File(path.clone()).load();
        assert!(loaded.is_ok(), "{}", loaded.err().unwrap().text(false));
        let loaded = loaded.unwrap();
        let compiled = Snapshot::compile(loaded.config.clone(), Purpose::Look, None);
        assert!(compiled.is_ok(), "{}", loaded.report(compiled.err().unwrap()).text(false));
        let (snapshot, mut findings) = compiled.unwrap();
        findings.extend(config_tests::run(&snapshot.into()));
        let report = loaded.report(findings);
        assert!(report.problems().is_empty(), "{}:\n{}", path.display(), report.text(false));
    }
    assert!(count >= 4, "only {count} configurations were found");
}

#[test]
fn the_unit_waits_longer_than_the_gateway_drains() {
    let unit = std::fs::read_to_string("config/janua.service").unwrap();
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let stop: u64 = stop.unwrap().parse().unwrap();
    let drain = janua::config::Config::default().server.drain;
    assert!(stop > (drain.announce.0 + drain.timeout.0).as_secs());
    assert!(unit.contains("RestartPreventExitStatus=78"));
}
