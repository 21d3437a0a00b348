//! Pages of other origins in Chromium: what they may do and read is what routes say.

use super::browser;
use crate::support::{Janua, Origin, Setup, keys};

/// Asks the gateway that its address names behind `#`, and writes what came of it.
const PAGE: &str = r"<!doctype html><body><script>
const to = location.hash.slice(1);
const say = async (name, ask) => {
  let told; try { told = await ask() } catch (error) { told = 'blocked' }
  document.body.append(' ' + name + '=' + told);
};
(async () => {
  await say('read', async () => (await fetch(to + '/open')).status);
  await say('put', async () => {
    const answer = await fetch(to + '/open', { method: 'PUT', headers: { 'x-own': '1' }, body: 'x' });
    return answer.status + answer.headers.get('x-told');
  });
  await say('key', async () => (await fetch(to + '/key', { headers: { 'x-api-key': 'wrong' } })).status);
  await say('delete', async () => (await fetch(to + '/open', { method: 'DELETE' })).status);
  await say('field', async () => (await fetch(to + '/key', { headers: { 'x-own': '1' } })).status);
  document.body.append(' done');
})();
</script>";

async fn api(origin: &Origin, from: &str) -> Janua {
    let cors = |more: &str| format!("cors = {{ origins = \"{from}\", {more} }}");
    Setup::new(format!(
        "{}[[route]]\npath = \"/open\"\nto = \"{url}\"\n{}\n\
         [[route]]\npath = \"/key\"\nauth = \"key\"\nto = \"{url}\"\n{}\n",
        keys::section("key"),
        cors("methods = [\"GET\", \"PUT\"], expose = \"x-told\""),
        cors("headers = \"x-api-key\""),
        url = origin.url
    ))
    .start()
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_does_and_reads_what_its_origin_may() {
    let answer = "HTTP/1.1 200 OK\r\nX-Told: it\r\nContent-Length: 2\r\n\r\nok";
    let origin = Origin::answering(answer).await;
    let site = Setup::new(format!(
        "[[route]]\nto = {{ status = 200, content-type = \"text/html\", body = '''{}''' }}\n",
        // A body is a template.
        PAGE.replace('{', "{{").replace('}', "}}")
    ));
    let site = site.start().await;
    let own = format!("http://{}", site.address);
    for (from, told) in [
        (&*own, "read=200 put=200it key=401 delete=blocked field=blocked done"),
        (
            "https://other.example",
            "read=blocked put=blocked key=blocked delete=blocked field=blocked done",
        ),
    ] {
        let api = api(&origin, from).await;
        let (page, _) = browser::shown(&api, &format!("{own}/#http://{}", api.address)).await;
        assert!(page.contains(told), "{from}: {page}");
    }
}
