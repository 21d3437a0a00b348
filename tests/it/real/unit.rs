//! The unit for systemd, as systemd sees it.

use super::{ROOT, program};
use crate::support::daemon::JANUA;

#[test]
fn systemd_takes_the_unit_and_finds_it_safe() {
    let home = tempfile::tempdir().unwrap();
    for file in ["janua.service", "janua.socket"] {
        let text = std::fs::read_to_string(format!("{ROOT}/config/{file}")).unwrap();
        let text = text.replace("/usr/local/bin/janua", JANUA);
        std::fs::write(home.path().join(file), text).unwrap();
    }
    let service = home.path().join("janua.service");
    // From 0, safe, to 100: as much as 20 is what systemd calls "OK".
    for words in [&["verify"][..], &["security", "--offline=true", "--threshold=20"]] {
        let mut command = std::process::Command::new(program("systemd-analyze"));
        let said = command.args(words).arg(&service).output().unwrap();
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.status.success(), "{words:?}: {text}");
        assert!(words[0] != "verify" || text.is_empty(), "{text}");
    }
}
