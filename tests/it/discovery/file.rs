//! Endpoints in a file that somebody else changes.

use std::path::Path;

use super::{answer, counted, found, named, upstream, well, wrong};
use crate::support::{Janua, Origin};

async fn reading(file: &Path) -> Janua {
    upstream(&format!("endpoints = \"file://{}\"", file.display())).start().await
}

/// Writes a file in another's place, as editors and orchestrators do.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

#[tokio::test]
async fn a_file_may_be_written_replaced_and_linked() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let (home, text) =
        (tempfile::tempdir().unwrap(), |it: &Origin| format!("endpoints = \"{}\"\n", it.url));
    let file = home.path().join("endpoints.toml");
    // It comes later than the gateway.
    let janua = reading(&file).await;
    wrong(&janua, "cannot read").await;
    std::fs::write(&file, text(a)).unwrap();
    found(&janua, &[&a.url]).await;
    well(&janua).await;
    replace(&file, &text(b));
    found(&janua, &[&b.url]).await;
    let other = home.path().join("other.toml");
    std::fs::write(&other, text(c)).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&other, &file).unwrap();
    found(&janua, &[&c.url]).await;
    assert_eq!(answer(&janua, 2).await, ["c"]);
}

#[tokio::test]
async fn a_file_that_is_of_no_use_changes_nothing_and_is_told_of_once() {
    let a = Origin::named("a").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("endpoints.toml");
    std::fs::write(&file, format!("endpoints = [\"{}\"]\n", a.url)).unwrap();
    let janua = reading(&file).await;
    found(&janua, &[&a.url]).await;
    replace(&file, &format!("endpoints = [\n  \"{}\",\n  \"http://b/path\",\n]\n", a.url));
    wrong(&janua, "endpoints.toml:3:3: an endpoint has no path").await;
    assert_eq!(answer(&janua, 2).await, ["a"]);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(counted(&janua, "failures_total"), 1);
    std::fs::remove_file(&file).unwrap();
    wrong(&janua, "cannot read").await;
    assert_eq!(answer(&janua, 2).await, ["a"]);
}
