//! `janua key` and `janua password`: what they print is what the gateway takes.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use super::{basic, gateway, send, setup};
use crate::support::{
    Origin,
    daemon::{JANUA, janua},
};

fn printed(arguments: &[&str]) -> String {
    let output = janua(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_key_is_made_held_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let path = file.to_str().unwrap();
    let new = |owner: &str| {
        let wish = ["key", "new", "--owner", owner, "--roles", "buyer,viewer", "--expires", "90d"];
        printed(&[&wish[..], &["--file", path]].concat()).trim().to_owned()
    };
    let (first, second) = (new("acme"), new("acme"));
    assert!(first.starts_with("janua_acme-") && first != second);
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(!stored.contains(&first[24..]), "the key itself is stored: {stored}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&file, format!("{stored}# a comment of ours\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();

    let origin = Origin::ok().await;
    let sections = format!("[auth.keys]\napi-key = {{ file = \"{path}\" }}");
    let setup = setup(&origin, &sections, "auth = \"keys\"\nallow.role = \"viewer\"");
    let janua = setup.clone().start().await;
    let status =
        async |key: &str| send(&janua, "GET /", &format!("X-Api-Key: {key}\r\n")).await.status();
    assert_eq!((status(&first).await, status(&second).await), (200, 200), "both live");

    let id = first.split('_').nth(1).unwrap();
    printed(&["key", "revoke", "--file", path, id]);
    janua.reload(&setup).await.unwrap();
    assert_eq!((status(&first).await, status(&second).await), (401, 200));
    let list = printed(&["key", "list", "--file", path]);
    let line = list.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(line.contains("acme") && line.contains("buyer,viewer"), "{list}");
    assert!(line.contains("revoked") && line.contains(&first[..first.len() - 39]), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored.contains("# a comment of ours"), "{stored}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    let unknown = janua_fails(&["key", "revoke", "--file", path, "nobody"]);
    assert!(unknown.contains("there is no key `nobody`"), "{unknown}");
}

fn janua_fails(arguments: &[&str]) -> String {
    let output = janua(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_key_without_a_file_comes_with_its_line() {
    let text = printed(&["key", "new", "--owner", "o", "--scopes", "a:b"]);
    let (key, line) = (text.lines().next().unwrap(), text.lines().last().unwrap());
    let sections = format!("[auth.keys]\napi-key = {{ keys = [{line}] }}");
    let (janua, _origin) = gateway(&sections, "auth = \"keys\"\nallow.scope = \"a:b\"").await;
    let answer = send(&janua, "GET /", &format!("X-Api-Key: {key}\r\n")).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn password(typed: &[u8]) -> std::process::Output {
    let mut command = Command::new(JANUA);
    command.arg("password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn a_password_becomes_a_hash_that_lets_in() {
    let output = password("pä ss:\n".as_bytes());
    assert!(output.status.success(), "{output:?}");
    let hash = String::from_utf8(output.stdout).unwrap();
    let sections = format!("[auth.staff]\nbasic.users.alice = \"{}\"", hash.trim());
    let (janua, _origin) = gateway(&sections, "auth = \"staff\"").await;
    assert_eq!(send(&janua, "GET /", &basic("alice", "pä ss:")).await.status(), 200);
    for typed in [&b""[..], b"\n", b"a\tb\n", b"\xff\n"] {
        let output = password(typed);
        assert_eq!(output.status.code(), Some(1), "{typed:?}");
        assert!(output.stdout.is_empty());
    }
}
