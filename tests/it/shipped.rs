//! Every configuration that is shipped compiles, passes its own tests, and has no findings; the unit
//! and the image fit the program that they run.

use std::path::Path;

use janua::{
    app::{Source, config_tests},
    config::Config,
    snapshot::{Purpose, Snapshot},
};

use crate::support::daemon::janua;

fn shipped(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What stands behind this word, on each line that begins with it.
fn lines<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim_start().strip_prefix(word))
}

#[test]
fn every_shipped_configuration_compiles() {
    let mut count = 0;
    let shipped = std::fs::read_dir("config").unwrap().map(|entry| entry.unwrap().path());
    for path in shipped.chain(["fuzz/request.toml".into()]) {
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
fn the_configurations_of_the_readme_compile_and_pass_their_tests() {
    let readme = shipped("README.md");
    let examples: Vec<_> = readme.split("```toml\n").skip(1).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let text = example.split("```").next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("janua.toml");
        let text = text.replace("/etc/janua", folder.path().to_str().unwrap());
        std::fs::write(&path, &text).unwrap();
        for file in ["shop.yaml", "shop.graphql", "bank.wsdl", "greeter.proto"] {
            std::fs::copy(Path::new("config").join(file), folder.path().join(file)).unwrap();
        }
        let checked = janua(&["check", "--strict", "-c", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert_eq!((checked.status.code(), &*said), (Some(0), ""), "{text}");
    }
}

#[test]
fn the_unit_waits_longer_than_the_gateway_drains() {
    let unit = shipped("config/janua.service");
    let stop: u64 = lines(&unit, "TimeoutStopSec=").next().unwrap().parse().unwrap();
    let drain = Config::default().server.drain;
    assert!(stop > (drain.announce.0 + drain.timeout.0).as_secs());
    assert!(unit.contains("RestartPreventExitStatus=78"));
}

#[test]
fn what_the_unit_and_the_image_run_is_a_command_of_this_program() {
    let unit = shipped("config/janua.service");
    let mut commands: Vec<String> = lines(&unit, "Exec")
        .map(|line| line.split_once("=/usr/local/bin/janua ").unwrap().1.to_owned())
        .collect();
    let image = shipped("Dockerfile");
    let word = |line: &str, key: &str| {
        let list = line.split_once(key).unwrap().1;
        let list: Vec<String> = serde_json::from_str(list).unwrap();
        list.join(" ")
    };
    assert_eq!(lines(&image, "ENTRYPOINT ").next(), Some("[\"janua\"]"));
    commands.extend(lines(&image, "CMD ").map(|line| word(line, "")));
    let health = lines(&image, "HEALTHCHECK ").map(|line| word(line, "CMD "));
    commands.extend(health.map(|command| command.strip_prefix("janua ").unwrap().to_owned()));
    assert_eq!(commands, ["run", "reload", "run", "healthcheck"]);
    for command in commands {
        let output = janua(&[&command, "--help"]);
        assert!(output.status.success(), "{command}");
    }
}

#[test]
fn the_image_has_the_folders_that_the_gateway_writes_to() {
    let image = shipped("Dockerfile");
    let made = lines(&image, "&& install -d -o janua").next().unwrap();
    let config = Source::File("config/docker.toml".into()).load().unwrap().config;
    let socket = config.admin.address.strip_prefix("unix:").unwrap();
    for folder in [&*config.server.state, Path::new(socket).parent().unwrap()] {
        let folder = folder.to_str().unwrap();
        assert!(made.split(' ').any(|word| word == folder), "{folder}: {made}");
    }
    // A name is nobody to `runAsNonRoot`.
    let user = lines(&image, "USER ").next().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
}

#[test]
fn the_image_is_built_with_the_toolchain_that_the_package_asks_for() {
    let version = lines(&shipped("Cargo.toml"), "rust-version = ").next().map(str::to_owned);
    let image = shipped("Dockerfile");
    let from = lines(&image, "FROM rust:").next().unwrap();
    let version = version.unwrap();
    assert!(from.starts_with(&format!("{}-", version.trim_matches('"'))), "{from}, {version}");
}
