//! From files to a [`Config`]: read, parse, fill in, unite, check, deserialise.
//!
//! In: the path of a file, or a text. Out: [`Loaded`], or a [`Report`] of everything that is wrong with
//! what was written. Whether the values make sense together is only half looked at (names, findings);
//! whether they can be put to work is `snapshot`'s part, which reports through [`Loaded::report`].

use std::{
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use serde::Deserialize as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    Admin, Config,
    check::check,
    finding,
    include::Files,
    names,
    path::Path,
    problem::{Problem, Problems},
    report::Report,
    rest::Rest,
    schema::{Node, schema},
    source::Sources,
    syntax,
    tree::{Adopt, index, unite},
    vars::Env,
};

/// A configuration that fits its schema, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the operator wrote, with every default. Files that it includes are part of it.
    pub config: Config,
    sources: Arc<Sources>,
    problems: Problems,
}

impl Loaded {
    /// Reads a file and those that it includes.
    ///
    /// # Errors
    /// Everything that is wrong with what the files say.
    pub fn read(path: &FsPath, env: Env<'_>) -> Result<Self, Report> {
        let mut files = Files::new(env);
        files.read(path);
        load(files)
    }

    /// Takes a text as a configuration; `name` stands in messages where a file's name would.
    ///
    /// # Errors
    /// Everything that is wrong with what the text says.
    pub fn parse(name: &str, text: &str, env: Env<'_>) -> Result<Self, Report> {
        let mut files = Files::new(env);
        files.take(name, text);
        load(files)
    }

    /// A report of these problems and of those that the configuration has by itself: names that do
    /// not match, things to look at. Without any of them, an empty one.
    pub fn report(&self, problems: Problems) -> Report {
        let all = self.problems.iter().cloned().chain(problems).collect();
        Report::new(Arc::clone(&self.sources), all)
    }

    /// Every file that was read.
    pub fn files(&self) -> impl Iterator<Item = &FsPath> {
        self.sources.files().iter().filter_map(|file| file.path.as_deref())
    }

    /// What a watcher has to look at: every file, and every pattern that files may come to fit.
    pub fn watched(&self) -> impl Iterator<Item = &FsPath> {
        self.sources.asked().iter().map(PathBuf::as_path)
    }
}

/// The `[admin]` section of files of which all else may be wrong: a gateway runs on what they said before, and
/// has to be found while they are being edited. The default where they say nothing of it that makes sense.
pub fn admin_alone(path: &FsPath, env: Env<'_>) -> Admin {
    let mut files = Files::new(env);
    files.read(path);
    let mut tree = merge(&files.sources, env, &mut Problems::new()).tree;
    let Some(admin) = tree.remove("admin") else { return Admin::default() };
    let DeValue::Table(admin) = admin.into_inner() else { return Admin::default() };
    let known =
        admin.into_iter().filter(|(key, _)| ["address", "token"].contains(&&**key.get_ref()));
    let root = Spanned::new(0..0, known.collect());
    Admin::deserialize(Deserializer::from(root)).unwrap_or_default()
}

fn load(files: Files<'_>) -> Result<Loaded, Report> {
    let Files { env, mut sources, mut problems, .. } = files;
    let merged = merge(&sources, env, &mut problems);
    let places = index(&merged.tree);
    let schema = schema();
    let checked = check(&merged.tree, &schema, &sources);
    // A tree that is half understood lacks keys that somebody wrote: what it seems to say is noise.
    if merged.is_whole {
        // Nor is there anything to say of a string whose variable is missing.
        let told: Vec<_> = problems.iter().filter_map(|problem| problem.span.clone()).collect();
        let is_new = |problem: &Problem| problem.span.as_ref().is_none_or(|at| !told.contains(at));
        problems.extend(checked.problems.into_iter().filter(is_new));
    }
    let (config, rest) = match problems.has_errors() {
        false => (deserialise(merged.tree), None),
        true if merged.is_whole => {
            let read = |tree| deserialise(tree).ok();
            let is_known = |section: &str| Node::root(&schema).property(section).is_some();
            (Err(None), Rest::of(&merged.tree, &problems, is_known, read))
        }
        true => (Err(None), None),
    };
    checked.files.into_iter().for_each(|file| sources.ask(file));
    sources.set_index(places);
    sources.hide(checked.secrets);
    let sources = Arc::new(sources);
    match config {
        Ok(config) => {
            problems.extend(names::check(&config));
            problems.extend(finding::check(&config));
            Ok(Loaded { config, sources, problems })
        }
        Err(problem) => {
            problems.extend(problem);
            problems.extend(rest.iter().flat_map(Rest::names));
            Err(Report::new(sources, problems).beside(rest))
        }
    }
}

/// All files in one tree.
struct Merged<'s> {
    tree: DeTable<'s>,
    /// Whether every file's syntax was understood.
    is_whole: bool,
}

fn merge<'s>(sources: &'s Sources, env: Env<'_>, problems: &mut Problems) -> Merged<'s> {
    let mut merged = Merged { tree: DeTable::new(), is_whole: true };
    for file in sources.files() {
        let (root, errors) = DeTable::parse_recoverable(file.text());
        merged.is_whole &= errors.is_empty();
        problems.extend(syntax::problems(errors, file));
        let mut root = root.into_inner();
        // It has been followed: the files are part of this tree.
        root.remove("include");
        let root = Adopt { base: file.base(), env, problems }.table(root, &Path::root());
        unite(&mut merged.tree, root, &Path::root(), problems);
    }
    merged
}

fn deserialise(tree: DeTable<'_>) -> Result<Config, Option<Problem>> {
    let root = Spanned::new(0..0, tree);
    // The check has let it through, so this can only be a type whose schema promises too much.
    Config::deserialize(Deserializer::from(root)).map_err(|error| {
        let problem = Problem::error(Path::root(), error.message());
        Some(match error.span() {
            Some(span) => problem.at(span),
            None => problem,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_door_is_found_whatever_else_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("door.toml"), "[admin]\naddress = \"unix:/x\"\n").unwrap();
        let env = |name: &str| (name == "PORT").then(|| "9".to_owned());
        let (here, default) = ("unix:/x", "unix:/run/janua/admin.sock");
        for (text, wanted) in [
            ("[admin]\naddress = \"unix:/x\"\n[[route]]\nto = ", here),
            ("[admin]\naddress = \"unix:/x\"\n[[route]\n", here),
            ("[unheard]\nof = 1\n[admin]\naddress = \"unix:/x\"\nwho = \"me\"\n", here),
            ("include = [\"door.toml\"]\n[unheard]\nof = 1\n", here),
            (
                "[server]\nname = \"${NOPE}\"\n[admin]\naddress = \"127.0.0.1:${PORT}\"\n",
                "127.0.0.1:9",
            ),
            ("[admin]\naddress = 9\n", default),
            ("admin = 9\n", default),
            ("", default),
        ] {
            std::fs::write(path("janua.toml"), text).unwrap();
            assert_eq!(admin_alone(&path("janua.toml"), &env).address, wanted, "{text}");
        }
        assert_eq!(admin_alone(&path("nothing.toml"), &env), Admin::default());
    }

    #[test]
    fn every_file_that_a_load_reads_is_watched() {
        let text = r#"
            [access.office]
            deny = ["192.0.2.7", { file = "/f/blocked" }]
            [geoip]
            database = "/f/countries"
            [auth.keys]
            api-key = { file = "/f/keys" }
            [auth.staff]
            basic = { file = "/f/htpasswd" }
            [auth.corp]
            jwt = { issuer = "https://i", audience = "a", jwks-file = "${HOME}/jwks", fetch.ca = "/f/idp" }
            [[listener]]
            address = "127.0.0.1:0"
            tls = { certificates = [{ cert = "/f/cert", key = "/f/key" }], client = { ca = "/f/ca", crl = "/f/crl" } }
            [upstream.a]
            endpoints = "https://a"
            discovery.kubeconfig = "/f/kubeconfig"
            tls = { ca = "/f/origin", cert = "/f/own", key = "/f/own-key" }
            [admin]
            token = { file = "/f/token" }
            [[route]]
            policy = "/f/policy"
            to = "a"
            [[route]]
            path = "/b"
            policy = { file = "/f/policy-2" }
            to = "a"
            [server]
            state = "/state"
        "#;
        let env = |name: &str| (name == "HOME").then(|| "/home".to_owned());
        let loaded = Loaded::parse("janua.toml", text, &env).unwrap();
        let watched: BTreeSet<_> =
            loaded.watched().map(|path| path.display().to_string()).collect();
        let names = "blocked countries keys htpasswd idp cert key ca crl origin own own-key token policy policy-2 kubeconfig";
        let mut wanted: BTreeSet<_> = names.split(' ').map(|name| format!("/f/{name}")).collect();
        wanted.insert("/home/jwks".into());
        assert_eq!(watched, wanted);
    }
}
