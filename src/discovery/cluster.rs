//! [`Cluster`]: whose API server is asked, and how: one that is named, by keys or by a kubeconfig, or that of
//! the cluster that Janua runs in.
//!
//! In: the section. Out: where, by whose TLS, and requests that show who asks. What is asked is not known here.

use std::{collections::hash_map::DefaultHasher, hash::Hasher};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION, uri::PathAndQuery};

use super::{
    kubeconfig,
    settings::{server, warn_in_clear},
};
use crate::{
    config::{ByteSize, Discovery, Fetch, File, Path, Problem, Problems, Secret, SecretSource},
    dial::{Destination, Fetcher},
};

/// Where a cluster tells those in it how to ask.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The largest list.
const MAX_SIZE: ByteSize = ByteSize::kib(16 << 10);

/// An API server.
#[derive(Debug)]
pub(super) struct Cluster {
    /// None outside of a cluster.
    pub(super) url: Option<String>,
    /// Changes when a file that the kubeconfig names changes, or it itself.
    pub(super) digest: u64,
    server: Option<Destination>,
    way: Way,
    token: Option<Secret>,
}

/// How it is asked.
#[derive(Debug)]
enum Way {
    Made(Fetcher),
    /// In a cluster, whose authorities change with it.
    Anew(Fetch),
}

impl Cluster {
    pub(super) fn compile(section: &Discovery, at: &Path, problems: &mut Problems) -> Option<Self> {
        match &section.kubeconfig {
            None => Self::by_keys(section, at, problems),
            Some(file) => Self::by_kubeconfig(file, section, at, problems),
        }
    }

    fn by_keys(section: &Discovery, at: &Path, problems: &mut Problems) -> Option<Self> {
        let inside = section.server.is_none();
        let url = section.server.clone();
        let url = url.or_else(|| around(|name| std::env::var(name).ok()));
        if url.is_none() {
            let problem =
                Problem::finding(at.clone(), "this is not in a cluster, and none is named");
            let help =
                "server = \"https://10.0.0.1:6443\", or kubeconfig = \"/etc/janua/kubeconfig\"";
            problems.push(problem.help(help));
        }
        let server = url.as_ref().map(|url| server(url, &at.key("server"), problems));
        let own = |name: &str| File(format!("{ACCOUNT}/{name}").into());
        let fetch = Fetch {
            ca: section.ca.clone().or_else(|| inside.then(|| own("ca.crt"))),
            timeout: section.timeout,
            max_size: MAX_SIZE,
        };
        let way = match inside && section.ca.is_none() {
            true => Some(Way::Anew(fetch)),
            false => Fetcher::compile(&fetch, at, problems).map(Way::Made),
        };
        let token = section.token.clone();
        let token =
            token.or_else(|| inside.then(|| Secret::From(SecretSource::File(own("token")))));
        let server = match server {
            None => None,
            Some(server) => Some(server?),
        };
        Some(Self { url, digest: 0, server, way: way?, token })
    }

    fn by_kubeconfig(
        file: &File,
        section: &Discovery,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut digest = DefaultHasher::new();
        let access = kubeconfig::read(file, section.context.as_deref(), at, problems, &mut digest)?;
        warn_in_clear(&access.server, &at.key("kubeconfig"), problems);
        let fetcher = Fetcher::new(access.tls, section.timeout.0, MAX_SIZE.as_usize());
        Some(Self {
            url: Some(access.url),
            digest: digest.finish(),
            server: Some(access.server),
            way: Way::Made(fetcher),
            token: access.token,
        })
    }

    /// Who asks, and speaks TLS.
    pub(super) fn fetcher(&self) -> Result<Fetcher, String> {
        self.server()?;
        let fetch = match &self.way {
            Way::Made(fetcher) => return Ok(fetcher.clone()),
            Way::Anew(fetch) => fetch,
        };
        let mut problems = Problems::new();
        let made = Fetcher::compile(fetch, &Path::root(), &mut problems);
        let wrong = || problems.iter().map(|problem| problem.message.clone()).collect::<String>();
        made.ok_or_else(wrong)
    }

    pub(super) fn server(&self) -> Result<&Destination, String> {
        self.server.as_ref().ok_or_else(|| "there is no cluster around".to_owned())
    }

    /// A request for this path and query of the API, below where the server's URL leads.
    pub(super) fn request(&self, target: &str) -> Result<(PathAndQuery, Request<Bytes>), String> {
        let url = self.url.as_ref().and_then(|url| url.parse::<Uri>().ok()).unwrap_or_default();
        let target = format!("{}{target}", url.path().trim_end_matches('/'));
        let target = target.parse::<PathAndQuery>().map_err(|error| error.to_string())?;
        let mut request = Request::new(Bytes::new());
        if let Some(token) = &self.token {
            let token = token.reveal()?;
            let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
            let mut value = value.map_err(|_| "the token cannot be sent".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok((target, request))
    }
}

/// The API server of the cluster that this process runs in, by its environment.
fn around(env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (host, port) = (env("KUBERNETES_SERVICE_HOST")?, env("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("https://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_says_where_its_server_is() {
        for (host, url) in
            [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
        {
            let env = |name: &str| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
                _ => None,
            };
            assert_eq!(around(env).as_deref(), Some(url));
        }
        assert_eq!(around(|_| None), None);
    }
}
