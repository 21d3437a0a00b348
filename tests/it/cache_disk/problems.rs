//! What is wrong with a disk is said at the start.

use crate::support::{
    Setup,
    daemon::{janua, on},
};

/// A directory of its own, or none yet.
const OWN: &str = "a directory of Janua's own";

#[tokio::test]
async fn what_cannot_be_the_caches_is_said() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "x").unwrap();
    std::fs::create_dir(home.path().join("letters")).unwrap();
    std::fs::write(home.path().join("letters/to-mum"), "x").unwrap();
    let at = |name: &str| format!("path = \"{}\"", home.path().join(name).display());
    for (disk, place, message, help) in [
        (at("file"), "path", "cannot be the cache's", OWN),
        (at("file/below"), "path", "cannot be the cache's: Not a directory", OWN),
        (at("letters"), "path", "there is something else in it (`to-mum`)", OWN),
        // Nobody may write there, not even root.
        ("path = \"/proc/janua\"".into(), "path", "cannot be the cache's", OWN),
        ("path = \"/proc/self\"".into(), "path", "cannot be the cache's", OWN),
        ("path = \"\"".into(), "path", "it is empty", "/var/cache/janua"),
        (at("a") + ", size = \"1KiB\"", "size", "less than a mebibyte", "1GiB"),
        (at("a") + ", queue = \"0B\"", "queue", "nothing would ever be written", "64MiB"),
        (at("a") + ", wait = \"0s\"", "wait", "nothing would ever be found", "250ms"),
    ] {
        let rest =
            format!("[cache]\ndisk = {{ {disk} }}\n[[route]]\nto = \"http://127.0.0.1:1\"\n");
        Setup::new(rest).fails_at(&format!("cache.disk.{place}"), message, help).await;
    }
    assert!(std::fs::read_to_string(home.path().join("letters/to-mum")).is_ok());
}

#[test]
fn it_is_an_error_of_the_configuration() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("janua.toml");
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"off\"\n\
        [cache]\ndisk = { path = \"/proc/janua\" }\n[[route]]\nto = \"http://127.0.0.1:1\"\n";
    std::fs::write(&file, text).unwrap();
    let ended = janua(&["run", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(78), "{said}");
    assert!(said.contains("`/proc/janua` cannot be the cache's"), "{said}");
}

#[test]
fn to_look_at_a_configuration_makes_no_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cache");
    let text = format!(
        "[cache]\ndisk = {{ path = \"{}\" }}\n[[route]]\ncache = true\nto = \"http://127.0.0.1:1\"\n",
        folder.display()
    );
    let checked = on(&text, &["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(!folder.exists());
}
