//! The life of the daemon, from the first log line to the exit code.
//!
//! In: where the configuration comes from, sockets that were passed, signals. Out: a gateway that
//! runs until it is told to end. All of this is control's: one small runtime that carries no traffic,
//! so a reload or a scrape never waits for a client, nor a client for them.
//!
//! The end, in order: readiness fails (`server.drain.announce`), no more connections are taken, what
//! runs may finish (`server.drain.timeout`), what is left is cut. A second signal cuts at once.

use std::{io, sync::Arc, time::Duration};

use tokio::{runtime::Runtime, sync::Notify};

use super::{
    Gateway, Source,
    exit::Exit,
    service,
    signals::{Signal, Signals},
    watch::watch,
};
use crate::{config::Report, server::Passed, stream::Descriptors, telemetry};

/// Threads of control: one that waits for signals, one for a reload or a scrape meanwhile.
const THREADS: usize = 2;

/// How long what still writes at the very end is waited for, once nobody wants to wait any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there was no life.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stillborn {
    /// The configuration is wrong, or what it asks for cannot be had.
    #[error("{0}")]
    Config(Report),
    /// The system has no thread, or no signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until it is told to end.
///
/// # Errors
/// It could not start.
pub(super) fn run(source: Source, passed: Passed) -> Result<Exit, Stillborn> {
    // Whoever embeds this may have a log of its own.
    let log = telemetry::init("info", telemetry::Format::Auto).ok();
    log_panics();
    Descriptors::raise();
    let runtime = runtime()?;
    let lived = runtime.block_on(live(source, passed, log));
    // A file that is still being read is no reason to stay.
    runtime.shutdown_timeout(PATIENCE);
    lived
}

/// The runtime of control.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

async fn live(
    source: Source,
    passed: Passed,
    log: Option<telemetry::Handle>,
) -> Result<Exit, Stillborn> {
    let mut signals = Signals::new()?;
    let wish = Arc::new(Notify::new());
    let gateway = tokio::select! {
        started = Gateway::start(source, passed, log) => started.map_err(Stillborn::Config)?,
        // The start may hang, on a file that nobody writes.
        name = the_end(&mut signals, || wish.notify_one(), || {}) => {
            tracing::info!("{name}: the end, before all had begun");
            return Ok(Exit::Ok);
        }
    };
    service::ready();
    tokio::spawn(service::watchdog(gateway.pulse().clone()));
    tokio::spawn(watch(gateway.clone()));
    tokio::spawn(reload(gateway.clone(), wish.clone()));
    let reopen = || gateway.reopen_logs();
    let name = the_end(&mut signals, || wish.notify_one(), reopen).await;
    tracing::info!("{name}: the end begins");
    Ok(end(gateway, signals).await)
}

/// Reloads whenever somebody wishes it. Beside the signals, so that they are heard meanwhile; wishes
/// that come while one is granted are one more.
async fn reload(gateway: Gateway, wish: Arc<Notify>) {
    loop {
        wish.notified().await;
        // What was wrong with it is in the log.
        let _ = gateway.reload().await;
    }
}

async fn end(gateway: Gateway, mut signals: Signals) -> Exit {
    service::stopping();
    let refuse = || tracing::warn!("SIGHUP: no reload, the end has begun");
    let reopen = || gateway.reopen_logs();
    tokio::select! {
        _ = gateway.drain() => {}
        name = the_end(&mut signals, refuse, reopen) => {
            tracing::warn!("{name} again: what runs is cut");
        }
    }
    let hurry = async {
        the_end(&mut signals, refuse, reopen).await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        cut = gateway.clone().stop() => match cut {
            0 => tracing::info!("the end: all clients had finished"),
            cut => tracing::warn!(clients = cut, "the end: clients were cut"),
        },
        () = hurry => {
            tracing::error!("the end: what was to be kept is not all written");
            return Exit::Failed;
        }
    }
    Exit::Ok
}

/// Does what signals want until one wants the end, and says which.
async fn the_end(signals: &mut Signals, reload: impl Fn(), reopen: impl Fn()) -> &'static str {
    loop {
        match signals.next().await {
            Signal::Reload => reload(),
            Signal::Reopen => reopen(),
            Signal::End(name) => return name,
        }
    }
}

/// A panic is a bug, and the log has to say so in its own form. It ends the task it happens in.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("something that is not text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, "a bug, please report it: {said}\n{backtrace}");
    }));
}
