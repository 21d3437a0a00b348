//! A running gateway: its world, its data plane, and how both change.
//!
//! [`Gateway::start`] and [`Gateway::reload`] do the same things in the same order: read, parse,
//! compile everything, run the configuration's own tests, get the sockets and threads that are new, swap,
//! put these to work, let go of what is old. Up to the swap nothing of the old world is touched, so
//! whatever fails leaves no trace; from there on nothing can fail.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{config_tests, explain::explain_live, service, sockets::Sockets, watch::Watched};
use crate::{
    admin::{self, Door, House},
    config::{self, Loaded, Problem, Problems, Report},
    server::{Passed, Pulse, Server},
    snapshot::{Diff, Purpose, Snapshot, World},
    telemetry::{self, Format},
};

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, and those it includes.
    File(PathBuf),
    /// A text, and what messages call it.
    Text(String, String),
}

impl Source {
    /// Reads it.
    ///
    /// # Errors
    /// Everything that is wrong with what it says.
    pub fn load(&self) -> Result<Loaded, Report> {
        let loaded = match self {
            Self::File(path) => Loaded::read(path, &config::environment),
            Self::Text(name, text) => Loaded::parse(name, text, &config::environment),
        };
        loaded.map_err(with_meaning)
    }
}

/// A report of form, and what else is wrong as far as that can be told without what has the wrong one.
fn with_meaning(report: Report) -> Report {
    let Some(rest) = report.rest() else { return report };
    match Snapshot::compile(rest.config.clone(), Purpose::Look, None) {
        Ok(_) => report,
        Err(problems) => {
            let problems = rest.worth_telling(problems);
            report.and(problems)
        }
    }
}

/// A running gateway. Cheap to clone: a clone is the same gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    source: Source,
    world: Arc<World>,
    /// Held by a reload from its beginning to its end: one at a time. Reading may take as long as it
    /// takes, and the end must not wait for that.
    reloads: Mutex<()>,
    sockets: Mutex<Sockets>,
    log: Option<telemetry::Handle>,
    ready: Arc<AtomicBool>,
    watched: watch::Sender<Watched>,
    pulse: Pulse,
}

impl Gateway {
    /// Starts a gateway. `log` is the daemon's log, if it is this gateway's to change.
    ///
    /// # Errors
    /// Everything that is wrong; nothing runs then.
    pub async fn start(
        source: Source,
        passed: Passed,
        log: Option<telemetry::Handle>,
    ) -> Result<Self, Report> {
        let since = SystemTime::now();
        let (loaded, (snapshot, mut findings)) = read(source.clone(), None).await?;
        let world = World::new(snapshot);
        let gateway = Self(Arc::new_cyclic(|shared| {
            let ready = Arc::new(AtomicBool::new(true));
            let (reload, explain) = (reload_of(shared.clone()), explain_live);
            let house = House { world: world.clone(), ready: ready.clone(), reload, explain };
            let server = Server::new(world.clone(), passed);
            let pulse = server.pulse();
            let sockets = Mutex::new(Sockets { server, door: Door::new(house) });
            let watched = Watched::new(&config::Config::default(), std::iter::empty(), since);
            let watched = watch::Sender::new(watched);
            let reloads = Mutex::default();
            Shared { source, world, reloads, sockets, log, ready, watched, pulse }
        }));
        let snapshot = gateway.world().load();
        let mut sockets = gateway.0.sockets.lock().await;
        findings.extend(sockets.server.findings(&snapshot));
        tell(&loaded.report(findings));
        let prepared = sockets.prepare(&snapshot).await;
        let prepared = prepared.map_err(|problems| loaded.report(problems))?;
        gateway.set_log(&snapshot);
        snapshot.start();
        sockets.commit(prepared, &snapshot).await;
        sockets.tell();
        drop(sockets);
        gateway.0.watched.send_replace(Watched::new(&snapshot.config, loaded.watched(), since));
        Ok(gateway)
    }

    /// The world.
    pub fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    /// Whether new clients are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Relaxed)
    }

    /// What tells whether the workers live. Not by way of the sockets, which a reload may hold for long.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// What a watcher of files has to look at.
    pub(super) fn watched(&self) -> watch::Receiver<Watched> {
        self.0.watched.subscribe()
    }

    /// Reads the configuration again and makes it hold. The logs' files are opened anew in any case. It
    /// goes on even if nobody waits for it.
    ///
    /// # Errors
    /// Everything that is wrong; the world is as it was.
    pub async fn reload(&self) -> Result<Diff, Report> {
        let gateway = self.clone();
        // On a task of its own: what is bound and what holds must not come apart when who asked goes away,
        // and a bug in it must not end who listens for signals.
        match tokio::spawn(async move { gateway.reload_now().await }).await {
            Ok(reloaded) => reloaded,
            Err(_) => {
                self.world().load().metrics.process().reload_failed();
                self.tell_service(|| service::reloaded(false));
                Err(Report::of_no_file(bug()))
            }
        }
    }

    async fn reload_now(&self) -> Result<Diff, Report> {
        let _alone = self.0.reloads.lock().await;
        self.tell_service(service::reloading);
        self.reopen_logs();
        let since = SystemTime::now();
        let reloaded = self.try_reload(since).await;
        let now = self.world().load();
        match &reloaded {
            Ok(diff) => {
                now.metrics.process().reloaded(seconds_since_1970());
                tracing::info!(generation = now.generation, "reloaded: {diff}");
            }
            Err(report) => {
                now.metrics.process().reload_failed();
                let watched = Watched::new(&now.config, report.watched(), since);
                self.0.watched.send_modify(|known| known.extend(watched));
                tracing::error!(
                    "the reload was refused, nothing has changed:\n{}",
                    report.text(false)
                );
            }
        }
        self.tell_service(|| service::reloaded(reloaded.is_ok()));
        reloaded
    }

    /// Tells the service manager how a reload goes, unless it was told that the end has begun.
    fn tell_service(&self, how: impl FnOnce()) {
        if self.is_ready() {
            how();
        }
    }

    async fn try_reload(&self, since: SystemTime) -> Result<Diff, Report> {
        let before = self.world().load();
        let known = Some(before.clone());
        let (loaded, (snapshot, mut findings)) = read(self.0.source.clone(), known).await?;
        // From here on nobody drains meanwhile.
        let mut sockets = self.0.sockets.lock().await;
        // The end may have begun while the files were read: what was let go must not be bound again.
        if !self.is_ready() {
            return Err(loaded.report(ending()));
        }
        let prepared = sockets.prepare(&snapshot).await;
        let prepared = prepared.map_err(|problems| loaded.report(problems))?;
        findings.extend(sockets.server.findings(&snapshot));
        tell(&loaded.report(findings));
        snapshot.limits.take_over();
        self.world().swap(snapshot.clone());
        // A source of endpoints that both have is asked on in between.
        let asked = snapshot.ask_sources();
        before.rest();
        snapshot.start();
        drop(asked);
        sockets.commit(prepared, &snapshot).await;
        self.set_log(&snapshot);
        let watched = Watched::new(&snapshot.config, loaded.watched(), since);
        let mut diff = Diff::between(&before.config, &snapshot.config);
        // What stands in files of the configuration itself is compared by its meaning.
        let own: Vec<_> = loaded.files().collect();
        let shown = |file: &Path| (!own.contains(&file)).then(|| file.display().to_string());
        diff.renewed = self.0.watched.borrow().renewed(&watched).filter_map(shown).collect();
        self.0.watched.send_replace(watched);
        Ok(diff)
    }

    /// Opens the access log's file anew, as after a rotation.
    pub fn reopen_logs(&self) {
        self.world().load().access_log.reopen();
    }

    fn set_log(&self, snapshot: &Snapshot) {
        let log = &snapshot.config.log;
        let format = match log.format {
            config::LogFormat::Auto => Format::Auto,
            config::LogFormat::Text => Format::Text,
            config::LogFormat::Json => Format::Json,
        };
        if let Some(handle) = &self.0.log
            && let Err(error) = handle.change(&log.level, format)
        {
            tracing::warn!(%error, "the log's settings stay as they were");
        }
    }

    /// Ends gently: says that it is not ready, takes no more connections, lets finish what runs, and
    /// gives up after `drain.timeout`. Says whether nothing is left to be cut.
    pub async fn drain(&self) -> bool {
        let drain = self.world().load().config.server.drain.clone();
        self.0.ready.store(false, Relaxed);
        tokio::time::sleep(drain.announce.0).await;
        let mut sockets = self.0.sockets.lock().await;
        sockets.server.drain();
        let clients = sockets.server.clients();
        tracing::info!(clients, timeout = %drain.timeout, "no more connections are taken");
        let end = Instant::now() + drain.timeout.0;
        while sockets.server.clients() > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sockets.server.clients() == 0
    }

    /// Ends now, and writes, or tells stores, what was used of quotas, and writes what is kept of answers and what the access log has left. Says how many clients had to be cut.
    pub async fn stop(self) -> usize {
        self.0.ready.store(false, Relaxed);
        let mut sockets = self.0.sockets.lock().await;
        sockets.door.close();
        let mut server = std::mem::replace(
            &mut sockets.server,
            Server::new(self.world().clone(), Passed::default()),
        );
        drop(sockets);
        server.drain();
        let cut = server.clients();
        server.stop().await;
        let world = self.world().load();
        world.limits.settle().await;
        let ends = move || {
            world.limits.finish();
            world.caches.finish();
            world.access_log.finish(Duration::from_secs(2));
        };
        let _ = tokio::task::spawn_blocking(ends).await;
        cut
    }

    /// Where clients come in, by the listener's name, with the ports that the system chose.
    pub async fn address(&self, listener: &str) -> Option<std::net::SocketAddr> {
        let snapshot = self.world().load();
        let listener = snapshot.listeners.iter().find(|known| *known.name == *listener)?;
        self.0.sockets.lock().await.server.address(&listener.bind)
    }
}

/// What the admin door's reload does. It does not keep the gateway alive.
fn reload_of(shared: Weak<Shared>) -> admin::Reload {
    Box::new(move || {
        let shared = shared.upgrade();
        Box::pin(async move {
            match shared {
                Some(shared) => Gateway(shared).reload().await,
                None => Ok(Diff::default()),
            }
        })
    })
}

/// Loads and compiles: it reads files and may take a while, so not on a thread that others wait for.
async fn read(
    source: Source,
    previous: Option<Arc<Snapshot>>,
) -> Result<(Loaded, (Arc<Snapshot>, Problems)), Report> {
    let read = tokio::task::spawn_blocking(move || {
        let loaded = source.load()?;
        compile(&loaded, Purpose::Serve, previous.as_deref()).map(|compiled| (loaded, compiled))
    });
    read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Compiles what was loaded, and runs its own tests.
pub(super) fn compile(
    loaded: &Loaded,
    purpose: Purpose,
    previous: Option<&Snapshot>,
) -> Result<(Arc<Snapshot>, Problems), Report> {
    let (snapshot, mut findings) = compile_untested(loaded, purpose, previous)?;
    findings.extend(config_tests::run(&snapshot));
    if findings.has_errors() { Err(loaded.report(findings)) } else { Ok((snapshot, findings)) }
}

/// Compiles what was loaded: whoever asks why a test fails needs the configuration that fails it.
pub(super) fn compile_untested(
    loaded: &Loaded,
    purpose: Purpose,
    previous: Option<&Snapshot>,
) -> Result<(Arc<Snapshot>, Problems), Report> {
    let compiled = Snapshot::compile(loaded.config.clone(), purpose, previous);
    let (snapshot, findings) = compiled.map_err(|problems| loaded.report(problems))?;
    // Names that do not match are the loader's to find, and it says so only here.
    let report = loaded.report(findings.clone());
    if report.has_errors() { Err(report) } else { Ok((Arc::new(snapshot), findings)) }
}

/// Says what somebody should look at.
fn tell(report: &Report) {
    if !report.problems().is_empty() {
        tracing::warn!("the configuration has findings:\n{}", report.text(false));
    }
}

fn bug() -> Problems {
    Problem::error(config::Path::root(), "the reload ended in a bug, which the log tells").into()
}

fn ending() -> Problems {
    Problem::error(config::Path::root(), "the gateway is about to end").into()
}

fn seconds_since_1970() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
