//! Files of the configuration are watched (`server.watch`), and what is put in their places.

use std::{os::unix::fs::symlink, process::Command};

use rustix::process::Signal;

use crate::{
    process::{ECHO, MORE},
    support::{Daemon, daemon::JANUA},
};

#[test]
fn a_file_that_changes_is_read_again_if_asked() {
    let text = format!("[server]\nwatch = true\n{ECHO}");
    let mut daemon = Daemon::start(&text);
    daemon.write("= broken");
    daemon.until("the reload was refused");
    // As editors do it: another file in its place.
    let new = daemon.home.path().join("new");
    std::fs::write(&new, format!("{text}{MORE}")).unwrap();
    std::fs::rename(&new, daemon.file()).unwrap();
    daemon.until("reloaded");
    assert_eq!(daemon.public.get("/b").0, 200);
}

#[test]
fn a_link_that_comes_to_lead_elsewhere_is_a_change() {
    // As Kubernetes does it: `janua.toml -> ..data/janua.toml`, `..data -> ..1`.
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let text = format!("[server]\nwatch = true\n{ECHO}");
    for (folder, text) in [("..1", text.clone()), ("..2", text.clone() + MORE)] {
        std::fs::create_dir(at(folder)).unwrap();
        std::fs::write(at(folder).join("real.toml"), text).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/real.toml", at("link.toml")).unwrap();
    let (link, new, data) = (at("link.toml"), at("new"), at("..data"));
    let mut daemon = Daemon::start_in(home, &text, |_| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(link);
        command
    });
    assert_eq!(daemon.public.get("/b").0, 404);
    symlink("..2", &new).unwrap();
    std::fs::rename(new, data).unwrap();
    daemon.until("reloaded: added route /b");
    assert_eq!(daemon.public.get("/b").0, 200);
}

#[test]
fn a_file_that_comes_to_fit_a_pattern_is_a_change() {
    let text = format!("include = [\"conf.d/*.toml\"]\n[server]\nwatch = true\n{ECHO}");
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("conf.d")).unwrap();
    let mut daemon = Daemon::start_in(home, &text, |file| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(file);
        command
    });
    let folder = daemon.home.path().join("conf.d");
    std::fs::write(folder.join("more.toml"), MORE).unwrap();
    daemon.until("reloaded: added route /b");
    std::fs::remove_file(folder.join("more.toml")).unwrap();
    daemon.until("reloaded: removed route /b");
}

#[test]
fn a_file_that_the_configuration_names_is_watched_with_it() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("blocked"), "192.0.2.7\n").unwrap();
    let text = format!(
        "[server]\nwatch = true\n[access.office]\ndeny = [{{ file = \"HOME/blocked\" }}]\n{}",
        ECHO.replace("to = ", "access = \"office\"\nto = ")
    );
    let mut daemon = Daemon::start_in(home, &text, |file| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(file);
        command
    });
    assert_eq!(daemon.public.get("/a").0, 200);
    let blocked = daemon.home.path().join("blocked");
    std::fs::write(&blocked, "127.0.0.0/8\n").unwrap();
    daemon.until(&format!("reloaded: read again {}", blocked.display()));
    assert_eq!(daemon.public.get("/a").0, 403);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded: nothing changed");
}

/// As a deployment does that keeps the folder before for the way back.
#[test]
fn a_folder_put_in_another_s_place_is_a_change_and_what_is_in_it_is_watched() {
    let text = format!("include = [\"etc/conf.d/*.toml\"]\n[server]\nwatch = true\n{ECHO}");
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let put = |folder: &str, text: &str| {
        std::fs::create_dir_all(at(folder).join("conf.d")).unwrap();
        std::fs::write(at(folder).join("conf.d/more.toml"), text).unwrap();
    };
    put("etc", "");
    put("next", MORE);
    let path = home.path().to_owned();
    let mut daemon = Daemon::start_in(home, &text, |file| {
        let mut command = Command::new(JANUA);
        command.args(["run", "-c"]).arg(file);
        command
    });
    std::fs::rename(path.join("etc"), path.join("before")).unwrap();
    std::fs::rename(path.join("next"), path.join("etc")).unwrap();
    daemon.until("reloaded: added route /b");
    std::fs::write(path.join("etc/conf.d/more.toml"), "").unwrap();
    daemon.until("reloaded: removed route /b");
    std::fs::write(path.join("before/conf.d/more.toml"), MORE).unwrap();
    daemon.signal(Signal::HUP);
    daemon.until("reloaded: nothing changed");
}
