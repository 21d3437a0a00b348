//! Reloads when a file of the configuration changes (`server.watch`).
//!
//! In: what the last load asked for, and events of the file system. Out: reloads. Folders are watched
//! rather than files, because editors and orchestrators put a new file or link in the old one's place;
//! events of other files in them are not ours. The folders above them are watched too, since a folder may
//! itself be put in another's place. A change is let settle before it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::gateway::Gateway;
use crate::config::{self, Config};

/// How long nothing must have changed before the files are read.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a change waits at most, whatever still goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Links that lead from a name to a file.
const MAX_LINKS: usize = 40;

/// What a watcher of files has to look at, as of the last try to load.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// Whether anybody wants it.
    wanted: bool,
    /// Files, and patterns for their names.
    paths: BTreeSet<PathBuf>,
    /// When they began to be read.
    since: SystemTime,
    /// Files as the configuration that is in force has read them.
    read: BTreeMap<PathBuf, Stamp>,
}

/// What differs when a file is another: its number, its size, and when it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp(u64, u64, SystemTime);

impl Stamp {
    /// None for what is no file, or was written since it began to be read: nobody knows what was read.
    fn of(path: &Path, since: SystemTime) -> Option<Self> {
        let found = path.metadata().ok().filter(Metadata::is_file)?;
        let written = found.modified().ok()?;
        (written < since).then(|| Self(found.ino(), found.size(), written))
    }
}

impl Watched {
    /// Files that were begun to be read at `since`.
    pub(super) fn new<'a>(
        config: &Config,
        paths: impl Iterator<Item = &'a Path>,
        since: SystemTime,
    ) -> Self {
        let paths: BTreeSet<_> = paths.map(PathBuf::from).collect();
        let stamp = |path: &PathBuf| Some((path.clone(), Stamp::of(path, since)?));
        let read = paths.iter().filter_map(stamp).collect();
        Self { wanted: config.server.watch, paths, since, read }
    }

    /// Files that are not as they were, of those that both look at: a renewed certificate, a list of addresses.
    pub(super) fn renewed<'w>(&'w self, after: &'w Self) -> impl Iterator<Item = &'w Path> {
        let known = self.paths.intersection(&after.paths);
        let is_as_before = |path: &Path| {
            let known = self.read.get(path);
            known.is_some() && known == after.read.get(path)
        };
        known.map(PathBuf::as_path).filter(move |path| path.is_file() && !is_as_before(path))
    }

    /// These too: a load that failed says what it read, and what it did not come to is still of
    /// interest.
    pub(super) fn extend(&mut self, more: Self) {
        self.paths.extend(more.paths);
        self.since = more.since;
    }

    /// The names whose change matters, absolute; none if nobody wants to know.
    fn names(&self) -> Option<BTreeSet<PathBuf>> {
        self.wanted.then(|| self.paths.iter().flat_map(|path| names(path)).collect())
    }
}

/// Watches for ever, while and whatever the configuration wants.
pub(super) async fn watch(gateway: Gateway) {
    let changed = Arc::new(Notify::new());
    let mut watched = gateway.watched();
    let mut armed: Option<Armed> = None;
    loop {
        let Watched { since, .. } = *watched.borrow_and_update();
        let names = watched.borrow().names();
        if !armed.as_ref().is_some_and(|armed| armed.is_for(names.as_ref())) {
            // The new watcher before the old one goes: nothing slips through in between.
            armed = names.and_then(|names| Armed::new(names, since, changed.clone()));
        }
        tokio::select! {
            () = changed.notified() => {
                settle(&changed).await;
                // What was wrong with it is in the log.
                let _ = gateway.reload().await;
            }
            alive = watched.changed() => if alive.is_err() { return },
        }
    }
}

/// Waits until nothing more changes, or for as long as it may.
async fn settle(changed: &Notify) {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end && timeout(SETTLE, changed.notified()).await.is_ok() {}
}

/// A watcher at work, and what it looks for.
struct Armed {
    names: BTreeSet<PathBuf>,
    folders: Folders,
    _watcher: RecommendedWatcher,
}

/// Folders, and the number of each that is there: what is watched is that one, not who has its name later.
type Folders = BTreeMap<PathBuf, Option<u64>>;

/// The folders that these names are in, and all above them.
fn folders(names: &BTreeSet<PathBuf>) -> Folders {
    let above = names.iter().flat_map(|name| name.ancestors().skip(1));
    let number = |folder: &Path| folder.metadata().ok().map(|found| found.ino());
    above.map(|folder| (folder.to_owned(), number(folder))).collect()
}

impl Armed {
    fn new(names: BTreeSet<PathBuf>, since: SystemTime, changed: Arc<Notify>) -> Option<Self> {
        let folders = folders(&names);
        let (ours, above, on_change) = (names.clone(), folders.clone(), changed.clone());
        let on_event = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&event, &ours, &above)) {
                on_change.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            for folder in folders.keys().filter(|folder| folder.is_dir()) {
                let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
                // Not everybody may look into every folder further up.
                if names.iter().any(|name| name.parent() == Some(folder)) {
                    watched?;
                }
            }
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => {
                // Between the reading and this moment nobody was watching.
                let changed_now = names.iter().any(|name| changed_since(name, since));
                if changed_now || folders.keys().any(|folder| moved_since(folder, since)) {
                    changed.notify_one();
                }
                Some(Self { names, folders, _watcher: watcher })
            }
            Err(error) => {
                tracing::warn!(%error, "the configuration's files cannot be watched");
                None
            }
        }
    }

    /// Whether this is what is to be watched now.
    fn is_for(&self, names: Option<&BTreeSet<PathBuf>>) -> bool {
        names.is_some_and(|names| self.names == *names && self.folders == folders(names))
    }
}

/// Whether a file was written, or put in its place, since then.
fn changed_since(name: &Path, since: SystemTime) -> bool {
    let since = tolerant(since);
    match name.symlink_metadata() {
        Ok(found) => Times::of(&found).is_some_and(|times| times.written.max(times.moved) >= since),
        // What is gone, or is a pattern, has changed with its folder.
        Err(_) => {
            let folder = name.parent().unwrap_or(name).symlink_metadata();
            folder.is_ok_and(|found| found.modified().is_ok_and(|written| written >= since))
        }
    }
}

/// Whether a folder was put in another's place since then, as far as that can be told: one in which files come and
/// go has the time of that.
fn moved_since(folder: &Path, since: SystemTime) -> bool {
    let since = tolerant(since);
    let times = folder.symlink_metadata().ok().and_then(|found| Times::of(&found));
    times.is_some_and(|times| times.moved >= since && times.written < since)
}

/// The file system's clock lags behind the system's by up to a tick.
fn tolerant(since: SystemTime) -> SystemTime {
    since.checked_sub(Duration::from_millis(10)).unwrap_or(since)
}

/// When a file was written, and when it got its name, owner or mode at the latest.
struct Times {
    written: SystemTime,
    moved: SystemTime,
}

impl Times {
    fn of(found: &Metadata) -> Option<Self> {
        let seconds = Duration::from_secs(u64::try_from(found.ctime()).ok()?);
        let rest = Duration::from_nanos(u64::try_from(found.ctime_nsec()).ok()?);
        let moved = SystemTime::UNIX_EPOCH.checked_add(seconds + rest)?;
        Some(Self { written: found.modified().ok()?, moved })
    }
}

/// Whether an event is about one of the names, or puts a folder in another's place that they are in. Of an
/// overflow nobody knows what it was about.
fn matters(event: &Event, names: &BTreeSet<PathBuf>, folders: &Folders) -> bool {
    let is_name = |path: &PathBuf| names.iter().any(|name| config::fits(name, path));
    let is_folder = |path: &PathBuf| folders.contains_key(path);
    let moves = match event.kind {
        EventKind::Access(_) => return false,
        // What is written to a folder is told of what is in it.
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    let about_us = |path| is_name(path) || moves && is_folder(path);
    event.need_rescan() || event.paths.iter().any(about_us)
}

/// A path, and every link on the way from it to the file: a change of any of them changes the file.
fn names(path: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut next = std::path::absolute(path).ok();
    while let Some(path) = next.filter(|_| names.len() < MAX_LINKS) {
        // The first link among the path's ancestors, from the root down.
        let mut ancestors: Vec<_> = path.ancestors().collect();
        ancestors.reverse();
        let link = ancestors.into_iter().find_map(|at| Some((at, std::fs::read_link(at).ok()?)));
        next = link.as_ref().map(|(at, target)| {
            let folder = at.parent().unwrap_or(at);
            let rest = path.strip_prefix(at).unwrap_or_else(|_| Path::new(""));
            // `join` of an empty rest would end in a slash.
            let target = folder.join(target);
            if rest.as_os_str().is_empty() { target } else { target.join(rest) }
        });
        let link = link.map(|(at, _)| at.to_path_buf());
        names.extend(link);
        names.push(path);
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use notify::event::{CreateKind, MetadataKind};

    use super::*;

    #[test]
    fn every_link_on_the_way_to_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let at = |name: &str| folder.join(name);
        std::fs::create_dir(at("..2026")).unwrap();
        std::fs::write(at("..2026/janua.toml"), "").unwrap();
        symlink("..2026", at("..data")).unwrap();
        symlink("..data/janua.toml", at("janua.toml")).unwrap();
        let names = names(&at("janua.toml"));
        for name in ["janua.toml", "..data", "..data/janua.toml", "..2026/janua.toml"] {
            assert!(names.contains(&at(name)), "{name}: {names:?}");
        }
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        symlink(&a, &b).unwrap();
        symlink(&b, &a).unwrap();
        assert!(names(&a).len() <= MAX_LINKS + 2);
    }

    #[test]
    fn only_our_files_matter_and_what_they_are_in() {
        let ours = BTreeSet::from(["/etc/janua/janua.toml".into(), "/etc/janua/*.d".into()]);
        let folders = folders(&ours);
        let matters = |event: &Event| matters(event, &ours, &folders);
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let any = |path: &str| event(EventKind::Any, path);
        assert!(matters(&any("/etc/janua/janua.toml")));
        assert!(matters(&any("/etc/janua/new.d")));
        assert!(!matters(&any("/etc/janua/access.log")));
        let read = EventKind::Access(notify::event::AccessKind::Read);
        assert!(!matters(&event(read, "/etc/janua/janua.toml")));
        assert!(matters(&event(EventKind::Create(CreateKind::Folder), "/etc/janua")));
        assert!(!matters(&event(EventKind::Create(CreateKind::Folder), "/etc/other")));
        let mode = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Permissions));
        assert!(!matters(&event(mode, "/etc")));
        assert!(matters(&event(mode, "/etc/janua/janua.toml")), "it may be readable now");
    }
}
