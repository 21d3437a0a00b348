//! `include`: the files that make up a configuration.
//!
//! In: the first file's path, or a text. Out: in `Sources`, every file's text in the order of reading,
//! each file before those it includes. Patterns have `*` and `?` in the name of the file, and stand
//! relative to the file they are in. No file is read twice, so there is no way round in a circle;
//! how deep, how many and how large is bounded. What else the files say is not looked at here.

use std::{
    fs, io,
    io::Read as _,
    path::{Path as FsPath, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    path::Path,
    problem::{Problem, Problems},
    source::{Sources, Span},
    tree::{Adopt, Value},
    vars::Env,
};

/// How deep one file may include another.
const MAX_DEPTH: usize = 8;
/// How many files a configuration may have.
const MAX_FILES: usize = 1000;
/// How large a file may be.
const MAX_SIZE: u64 = 16 << 20;

/// The files as they are found.
pub(super) struct Files<'a> {
    /// Where variables are looked up.
    pub(super) env: Env<'a>,
    /// The texts.
    pub(super) sources: Sources,
    /// What is wrong with the files, or with the patterns.
    pub(super) problems: Problems,
    /// The files, and who asked for them.
    seen: Vec<Seen>,
}

/// A file that was read.
struct Seen {
    /// Its one true name, to know it again.
    canonical: PathBuf,
    /// The pattern that asked for it; the first file has none.
    pattern: Option<Span>,
}

/// What asks for a file.
#[derive(Clone, Default)]
struct Asker {
    /// The pattern.
    pattern: Option<Span>,
    /// Its path in the file: `include[0]`.
    path: Path,
    /// The files that lead to it, by their place in [`Files::seen`].
    chain: Vec<usize>,
}

impl<'a> Files<'a> {
    /// No file yet.
    pub(super) fn new(env: Env<'a>) -> Self {
        Self { env, sources: Sources::default(), problems: Problems::new(), seen: Vec::new() }
    }

    /// Reads a file and all that it includes.
    pub(super) fn read(&mut self, path: &FsPath) {
        self.file(path, &Asker::default());
    }

    /// Takes a text in place of a file; it cannot include any.
    pub(super) fn take(&mut self, name: &str, text: &str) {
        let base = self.sources.add(name.into(), None, text.into());
        for (pattern, path, _) in self.patterns(text, base) {
            self.problems.push(Problem::error(path, "only a file can include files").at(pattern));
        }
    }

    fn file(&mut self, path: &FsPath, asker: &Asker) {
        self.sources.ask(path.to_path_buf());
        let canonical = match fs::canonicalize(path) {
            Ok(canonical) => canonical,
            // A pipe, as of `-c /dev/stdin` and `-c <(..)`, has no other name.
            Err(_) if path.exists() => path.to_owned(),
            Err(error) => return self.unreadable(path, &error, asker),
        };
        if self.is_refused(path, &canonical, asker) {
            return;
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => return self.unreadable(path, &error, asker),
        };
        let name = path.display().to_string();
        let base = self.sources.add(name, Some(path.to_path_buf()), text.clone());
        let mut chain = asker.chain.clone();
        chain.push(self.seen.len());
        self.seen.push(Seen { canonical, pattern: asker.pattern.clone() });
        for (span, at, pattern) in self.patterns(&text, base) {
            let asker = Asker { pattern: Some(span), path: at, chain: chain.clone() };
            self.follow(path, &pattern, &asker);
        }
    }

    /// Reads the files that a pattern stands for.
    fn follow(&mut self, file: &FsPath, pattern: &str, asker: &Asker) {
        let pattern = file.parent().unwrap_or_else(|| FsPath::new("")).join(pattern);
        // A file that comes later may be one that it stands for.
        self.sources.ask(pattern.clone());
        match expand(&pattern) {
            Ok(paths) => paths.iter().for_each(|path| self.file(path, asker)),
            Err(problem) => self.problems.push(asker.on(problem)),
        }
    }

    /// Whether the file must not be read here, and says why.
    fn is_refused(&mut self, path: &FsPath, canonical: &FsPath, asker: &Asker) -> bool {
        let shown = path.display();
        let known = self.seen.iter().position(|seen| seen.canonical == canonical);
        let problem = if let Some(place) = known.filter(|place| asker.chain.contains(place)) {
            let message = if asker.chain.last() == Some(&place) {
                format!("`{shown}` includes itself")
            } else {
                format!("`{shown}` includes itself, by way of other files")
            };
            asker.error(message).help("keep the files to include in a folder of their own")
        } else if let Some(place) = known {
            let problem = asker.error(format!("`{shown}` is included twice"));
            match self.seen.get(place).and_then(|seen| seen.pattern.clone()) {
                Some(first) => problem.also_at(first, "first included here"),
                None => problem,
            }
        } else if asker.chain.len() > MAX_DEPTH {
            asker.error(format!("files include files more than {MAX_DEPTH} deep"))
        } else if self.seen.len() >= MAX_FILES {
            asker.error(format!("more than {MAX_FILES} files"))
        } else {
            return false;
        };
        // A pattern of a thousand files beyond the bound is one mistake, not a thousand.
        if self.problems.iter().all(|known| *known != problem) {
            self.problems.push(problem);
        }
        true
    }

    fn unreadable(&mut self, path: &FsPath, error: &io::Error, asker: &Asker) {
        let problem = asker.error(format!("cannot read `{}`: {error}", path.display()));
        self.problems.push(match error.kind() {
            io::ErrorKind::NotFound => problem.help("check the path"),
            io::ErrorKind::PermissionDenied => {
                problem.help("the user that Janua runs as must be able to read it")
            }
            _ => problem,
        });
    }

    /// A file's patterns, with their variables filled in.
    fn patterns(&mut self, text: &str, base: usize) -> Vec<(Span, Path, String)> {
        // What is wrong with the syntax is found again, and said, when the file's tree is built.
        let (root, _) = DeTable::parse_recoverable(text);
        let Some(include) = root.into_inner().remove("include") else { return Vec::new() };
        let path = Path::root().key("include");
        let include =
            Adopt { base, env: self.env, problems: &mut self.problems }.value(include, &path);
        let DeValue::Array(patterns) = include.get_ref() else {
            self.problems.push(not_patterns(path, &include));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (at, pattern) in patterns.iter().enumerate() {
            match pattern.get_ref().as_str() {
                Some(text) => found.push((pattern.span(), path.index(at), text.to_owned())),
                None => self.problems.push(not_patterns(path.index(at), pattern)),
            }
        }
        found
    }
}

impl Asker {
    fn error(&self, message: String) -> Problem {
        self.on(Problem::error(Path::root(), message))
    }

    /// The problem, at the pattern.
    fn on(&self, mut problem: Problem) -> Problem {
        problem.path = self.path.clone();
        problem.span = self.pattern.clone();
        problem
    }
}

fn not_patterns(path: Path, found: &Value<'_>) -> Problem {
    Problem::error(path, "`include` is a list of strings")
        .help("write it like `include = [\"conf.d/*.toml\"]`")
        .at(found.span())
}

fn read_text(path: &FsPath) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_SIZE >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8 text"))
    })
}

/// The files that a pattern stands for, in the order of their names.
fn expand(pattern: &FsPath) -> Result<Vec<PathBuf>, Problem> {
    let error = |message: String| Problem::error(Path::root(), message);
    let is_wild = |part: &str| part.contains(['*', '?']);
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    let folder = pattern.parent().unwrap_or_else(|| FsPath::new(""));
    if is_wild(&folder.to_string_lossy()) {
        return Err(error("`*` and `?` stand in the name of a file, not of a folder".into())
            .help("name each folder in a pattern of its own"));
    }
    if !is_wild(&name) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let listed = if folder.as_os_str().is_empty() { FsPath::new(".") } else { folder };
    let names = fs::read_dir(listed)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(|cause| error(format!("cannot list `{}`: {cause}", listed.display())))?;
    let mut paths: Vec<_> = names
        .into_iter()
        .filter(|found| matches(name.as_bytes(), found.as_encoded_bytes()))
        .map(|found| folder.join(found))
        .filter(|path| !path.is_dir())
        .collect();
    paths.sort();
    Ok(paths)
}

/// Whether a path is this one, or one that this pattern stands for.
pub fn fits(pattern: &FsPath, path: &FsPath) -> bool {
    let name = |path: &FsPath| path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    pattern == path || pattern.parent() == path.parent() && matches(&name(pattern), &name(path))
}

/// Whether a file's name is one that the pattern stands for. Names that begin with a dot are hidden:
/// editors keep half-written copies under such names.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut of) = (0, 0);
    // Where the last `*` stands, and how much of the name it takes for now.
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[at] => {
                of += 1;
                at += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                of = place + 1;
                at = taken + 1;
            }
        }
    }
    pattern[of..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, fits) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".a.toml", false),
            (".*.toml", ".a.toml", true),
            ("*.toml", "a.toml~", false),
            ("?.toml", "a.toml", true),
            ("?.toml", "ab.toml", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "aXbbY", false),
            ("*", "x", true),
            ("a*", "a", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
