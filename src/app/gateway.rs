//! A running gateway: its world, its data plane, and how both change.
//!
//! [`Gateway::start`] and [`Gateway::reload`] do the same things in the same order: read, parse,
//! compile everything, run the configuration's own tests, bind what is new, swap, let go of what is
//! old. Up to the swap nothing of the old world is touched, so whatever fails leaves no trace.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Mutex, time::Instant};

use super::config_tests;
use crate::{
    config::{self, Loaded, Problem, Problems, Report},
    server::{Passed, Server},
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
        match self {
            Self::File(path) => Loaded::read(path, &config::environment),
            Self::Text(name, text) => Loaded::parse(name, text, &config::environment),
        }
    }
}

/// A running gateway.
pub struct Gateway {
    source: Source,
    world: Arc<World>,
    server: Mutex<Server>,
    log: Option<telemetry::Handle>,
    ready: AtomicBool,
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
        let loaded = source.load()?;
        let (snapshot, findings) = compile(&loaded, Purpose::Serve, None)?;
        tell(&loaded.report(findings));
        let world = World::new(snapshot);
        let snapshot = world.load();
        let mut server = Server::new(world.clone(), passed);
        let prepared = server.prepare(&snapshot).map_err(|problems| loaded.report(problems))?;
        server.commit(prepared, &snapshot).await.map_err(|error| loaded.report(system(&error)))?;
        let gateway =
            Self { source, world, server: Mutex::new(server), log, ready: AtomicBool::new(true) };
        gateway.set_log(&snapshot);
        Ok(gateway)
    }

    /// The world.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Whether new clients are welcome.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Reads the configuration again and makes it hold.
    ///
    /// # Errors
    /// Everything that is wrong; the world is as it was.
    pub async fn reload(&self) -> Result<Diff, Report> {
        // One at a time; and nobody drains meanwhile.
        let mut server = self.server.lock().await;
        let reloaded = self.try_reload(&mut server).await;
        let now = self.world.load();
        match &reloaded {
            Ok(diff) => {
                now.metrics.process().reloaded(seconds_since_1970());
                tracing::info!(generation = now.generation, "reloaded: {diff}");
            }
            Err(report) => {
                now.metrics.process().reload_failed();
                tracing::error!(
                    "the reload was refused, nothing has changed:\n{}",
                    report.text(false)
                );
            }
        }
        reloaded
    }

    async fn try_reload(&self, server: &mut Server) -> Result<Diff, Report> {
        let (source, before) = (self.source.clone(), self.world.load());
        let known = before.clone();
        // It reads files and may take a while: not on a thread that others wait for.
        let compiled = tokio::task::spawn_blocking(move || {
            let loaded = source.load()?;
            compile(&loaded, Purpose::Serve, Some(&known)).map(|compiled| (loaded, compiled))
        });
        let (loaded, (snapshot, findings)) = match compiled.await {
            Ok(compiled) => compiled?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let prepared = server.prepare(&snapshot).map_err(|problems| loaded.report(problems))?;
        tell(&loaded.report(findings));
        before.access_log.reopen();
        self.world.swap(snapshot.clone());
        if let Err(error) = server.commit(prepared, &snapshot).await {
            tracing::error!(%error, "not all workers could be started");
        }
        self.set_log(&snapshot);
        Ok(Diff::between(&before.config, &snapshot.config))
    }

    fn set_log(&self, snapshot: &Snapshot) {
        let log = &snapshot.config.log;
        let format = match log.format {
            config::LogFormat::Auto => Format::Auto,
            config::LogFormat::Text => Format::Text,
            config::LogFormat::Json => Format::Json,
        };
        if let Some(handle) = &self.log
            && let Err(error) = handle.change(&log.level, format)
        {
            tracing::warn!(%error, "the log's settings stay as they were");
        }
    }

    /// Ends gently: says that it is not ready, takes no more connections, lets finish what runs, and
    /// cuts what is left after `drain.timeout`. Says whether nothing had to be cut.
    pub async fn drain(&self) -> bool {
        let drain = self.world.load().config.server.drain.clone();
        self.ready.store(false, Relaxed);
        tokio::time::sleep(drain.announce.0).await;
        let mut server = self.server.lock().await;
        server.drain();
        let end = Instant::now() + drain.timeout.0;
        while server.clients() > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.clients() == 0
    }

    /// Ends now, and writes what the access log has left.
    pub async fn stop(self) {
        self.server.into_inner().stop().await;
        let log = self.world.load().access_log.clone();
        let _ = tokio::task::spawn_blocking(move || log.finish(Duration::from_secs(2))).await;
    }

    /// Where clients come in, by the listener's name, with the ports that the system chose.
    pub async fn address(&self, listener: &str) -> Option<std::net::SocketAddr> {
        let snapshot = self.world.load();
        let listener = snapshot.listeners.iter().find(|known| *known.name == *listener)?;
        let addresses = self.server.lock().await.addresses();
        addresses.into_iter().find(|(bind, _)| *bind == listener.bind)?.1
    }
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

fn system(error: &std::io::Error) -> Problems {
    let message = format!("the system has no threads or sockets left: {error}");
    Problem::error(config::Path::root(), message).into()
}

fn seconds_since_1970() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
