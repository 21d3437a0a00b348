//! A kubeconfig: the YAML by which `kubectl` knows clusters, as far as it says whom to ask and what to show.
//!
//! In: the file's path, and a context's name. Out: an [`Access`], or all that is wrong with it, with line and
//! column. What would run a program or send a password is refused, not left out. Of what the file holds only
//! names and paths are ever told.

mod written;

use std::{
    collections::hash_map::DefaultHasher,
    hash::Hash,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, RootCertStore};
use serde_saphyr::Location;

use self::written::{Cluster, Context, Entry, Kubeconfig, List, User, parse, said};
use crate::{
    config::{File, Path, Problem, Problems, Secret, SecretSource, read_file, read_file_up_to},
    dial::{self, Destination, Identity},
};

/// The largest file.
const MAX_SIZE: u64 = 1 << 20;

/// What to do when a user is known by what is not spoken here.
const TOKEN: &str =
    "give the user a service account's `token`, a `tokenFile` or a `client-certificate`";

/// Whom to ask, and what to show there.
pub(super) struct Access {
    pub(super) url: String,
    pub(super) server: Destination,
    pub(super) tls: ClientConfig,
    pub(super) token: Option<Secret>,
}

/// What a name stands for, and where that is.
type Named<'a, T> = (&'a Entry<T>, Location);

/// Reads one, of the section at `at`; what is read goes into the digest.
pub(super) fn read(
    file: &FsPath,
    context: Option<&str>,
    at: &Path,
    problems: &mut Problems,
    digest: &mut DefaultHasher,
) -> Option<Access> {
    let mut reading = Reading { file, at, problems, digest };
    let text = read_file_up_to(file, MAX_SIZE);
    let text = text.map_err(|message| Problem::error(at.key("kubeconfig"), message));
    let text = reading.problems.keep(text)?;
    text.hash(reading.digest);
    let config = match parse(&text) {
        Ok(config) => config,
        Err((place, message)) => return reading.wrong(place, &message, ""),
    };
    let (cluster, user) = reading.chosen(&config, context)?;
    let cluster = reading.cluster(cluster);
    let user = match user {
        None => Some((None, None)),
        Some(user) => reading.user(user),
    };
    let ((url, server, roots), (identity, token)) = (cluster?, user?);
    match dial::tls_between(identity, dial::Trust::Known(roots)) {
        Ok(tls) => Some(Access { url, server, tls, token }),
        Err(error) => {
            let message = format!("`client-certificate` and `client-key` are of no use: {error}");
            reading.wrong(Location::UNKNOWN, &message, "")
        }
    }
}

struct Reading<'a> {
    file: &'a FsPath,
    at: &'a Path,
    problems: &'a mut Problems,
    digest: &'a mut DefaultHasher,
}

impl Reading<'_> {
    /// Takes note of what is wrong in the file.
    fn wrong<T>(&mut self, place: Location, message: &str, help: &str) -> Option<T> {
        let file = self.file.display();
        let message = match place == Location::UNKNOWN {
            true => format!("`{file}`: {message}"),
            false => format!("`{file}`:{}:{}: {message}", place.line(), place.column()),
        };
        let problem = Problem::error(self.at.key("kubeconfig"), message);
        self.problems.push(if help.is_empty() { problem } else { problem.help(help) });
        None
    }

    /// The cluster and the user of a context; of the current one, if none is named.
    fn chosen<'a>(
        &mut self,
        config: &'a Kubeconfig,
        context: Option<&str>,
    ) -> Option<(Named<'a, Cluster>, Option<Named<'a, User>>)> {
        let Some(name) = context.or_else(|| said(config.current_context.as_ref())) else {
            let message = "it has no `current-context`";
            return self.wrong(
                Location::UNKNOWN,
                message,
                "context = \"NAME\", beside `kubeconfig`",
            );
        };
        let (context, place) = self.named("context", name, config.contexts.as_ref())?;
        let none = Context::default();
        let value = context.value.as_ref().unwrap_or(&none);
        let Some(cluster) = said(value.cluster.as_ref()) else {
            let message = format!("the context `{name}` names no `cluster`");
            return self.wrong(place, &message, "");
        };
        let cluster = self.named("cluster", cluster, config.clusters.as_ref());
        // Without one, nothing is shown.
        let user = match said(value.user.as_ref()) {
            None => Some(None),
            Some(user) => self.named("user", user, config.users.as_ref()).map(Some),
        };
        Some((cluster?, user?))
    }

    /// The first of a name, as for `kubectl`.
    fn named<'a, T>(
        &mut self,
        what: &str,
        name: &str,
        list: Option<&'a List<T>>,
    ) -> Option<Named<'a, T>> {
        let list = list.map(Vec::as_slice).unwrap_or_default();
        if let Some(entry) = list.iter().find(|entry| entry.value.name == name) {
            return Some((&entry.value, entry.referenced));
        }
        let names: Vec<_> = list.iter().map(|entry| format!("`{}`", entry.value.name)).collect();
        let help = match names.is_empty() {
            true => String::new(),
            false => format!("there is {}", names.join(", ")),
        };
        self.wrong(Location::UNKNOWN, &format!("it has no {what} `{name}`"), &help)
    }

    fn cluster(
        &mut self,
        (entry, place): Named<'_, Cluster>,
    ) -> Option<(String, Destination, Arc<RootCertStore>)> {
        let (name, none) = (&entry.name, Cluster::default());
        let cluster = entry.value.as_ref().unwrap_or(&none);
        let of = |wrong: &str| format!("the cluster `{name}`: {wrong}");
        let refused = [
            (
                "insecure-skip-tls-verify",
                cluster.insecure_skip_tls_verify == Some(true),
                "name its authority in `certificate-authority`: whoever is asked has to be who it is",
            ),
            (
                "proxy-url",
                said(cluster.proxy_url.as_ref()).is_some(),
                "the server is asked directly only",
            ),
        ];
        let mut fine = true;
        for (key, _, help) in refused.iter().filter(|(_, there, _)| *there) {
            fine = false;
            self.wrong::<()>(place, &of(&format!("`{key}` is not done here")), help);
        }
        let server = match said(cluster.server.as_ref()) {
            None => Err("it has no `server`".to_owned()),
            Some(url) => Destination::parse(url).map(|server| (url.to_owned(), server)),
        };
        let server =
            server.and_then(|(url, server)| match said(cluster.tls_server_name.as_ref()) {
                None => Ok((url, server)),
                Some(name) => server.verified_as(name).map(|server| (url, server)),
            });
        let key = "certificate-authority";
        let data = cluster.certificate_authority_data.as_ref();
        let roots = self.bytes(key, data, cluster.certificate_authority.as_ref());
        let roots = roots.and_then(|bytes| match bytes {
            None => Ok(dial::system_roots()),
            Some((file, bytes)) => dial::authorities(&file, &bytes).map(Arc::new),
        });
        let server = server.or_else(|wrong| self.wrong(place, &of(&wrong), "").ok_or(()));
        let roots = roots.or_else(|wrong| self.wrong(place, &of(&wrong), "").ok_or(()));
        let ((url, server), roots) = (server.ok()?, roots.ok()?);
        fine.then_some((url, server, roots))
    }

    fn user(
        &mut self,
        (entry, place): Named<'_, User>,
    ) -> Option<(Option<Identity>, Option<Secret>)> {
        let (name, none) = (&entry.name, User::default());
        let user = entry.value.as_ref().unwrap_or(&none);
        let of = |wrong: &str| format!("the user `{name}`: {wrong}");
        let refused = [
            ("exec", user.exec.is_some(), "no program is run for it"),
            ("auth-provider", user.auth_provider.is_some(), "nobody is asked for a token"),
            ("username", user.username.is_some(), "no password is sent"),
            ("password", user.password.is_some(), "no password is sent"),
            ("as", user.r#as.is_some(), "nobody is impersonated"),
        ];
        let mut fine = true;
        for (key, _, why) in refused.iter().filter(|(_, there, _)| *there) {
            fine = false;
            self.wrong::<()>(place, &of(&format!("`{key}` is not taken: {why}")), TOKEN);
        }
        let identity = self.identity(user);
        let identity = identity.or_else(|wrong| self.wrong(place, &of(&wrong), "").ok_or(()));
        // As for `kubectl`: the file is the fresher one.
        let token = match said(user.token_file.as_ref()) {
            Some(file) => Some(Secret::From(SecretSource::File(File(self.path(file))))),
            None => said(user.token.as_ref()).map(|token| Secret::Literal(token.to_owned())),
        };
        let identity = identity.ok()?;
        fine.then_some((identity, token))
    }

    /// The certificate to show.
    fn identity(&mut self, user: &User) -> Result<Option<Identity>, String> {
        let (data, file) =
            (user.client_certificate_data.as_ref(), user.client_certificate.as_ref());
        let certificate = self.bytes("client-certificate", data, file)?;
        let (data, file) = (user.client_key_data.as_ref(), user.client_key.as_ref());
        match (certificate, self.bytes("client-key", data, file)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err("`client-certificate` needs a `client-key`".into()),
            (None, Some(_)) => Err("`client-key` needs a `client-certificate`".into()),
            (Some((file, chain)), Some((key_file, key))) => {
                let chain = dial::certificates(&file, &chain)?;
                Ok(Some((chain, dial::private_key(&key_file, &key)?)))
            }
        }
    }

    /// What a key says: by itself (Base64), which counts more, or by a file. With where that is.
    fn bytes(
        &mut self,
        key: &str,
        data: Option<&String>,
        file: Option<&String>,
    ) -> Result<Option<(PathBuf, Vec<u8>)>, String> {
        if let Some(data) = said(data) {
            let data: String = data.split_ascii_whitespace().collect();
            let bytes = STANDARD.decode(data).map_err(|_| format!("`{key}-data` is not Base64"))?;
            return Ok(Some((format!("{key}-data").into(), bytes)));
        }
        let Some(file) = said(file) else { return Ok(None) };
        let file = self.path(file);
        let bytes = read_file(&file)?;
        bytes.hash(self.digest);
        Ok(Some((file, bytes)))
    }

    /// A path in the file; a relative one is in its folder.
    fn path(&self, path: &str) -> PathBuf {
        self.file.parent().map_or_else(|| path.into(), |folder| folder.join(path))
    }
}
