//! Process life: start, signals, the end.
//!
//! In: where the configuration comes from. Out: the code that the process ends with. Signals are
//! caught before anything is started, so that none of them kills what is half there.

use std::{backtrace::Backtrace, io, panic, time::Duration};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{Gateway, Source, cli::Exit, service, watch};
use crate::{
    server::Passed,
    telemetry::{self, Format},
};

/// Threads for everything that is not traffic.
const CONTROL: usize = 2;
/// What may still go on when everything has ended: a name that is being resolved, a file being read.
const LINGER: Duration = Duration::from_millis(500);

/// Runs a gateway until it is told to end.
pub(super) fn run(source: Source) -> Exit {
    // Before there is a thread: it takes the variables that name the sockets out of the environment.
    let passed = Passed::from_environment();
    let log = match telemetry::init("info", Format::Auto) {
        Ok(log) => log,
        Err(error) => return fail("the log cannot be started", &error),
    };
    panic::set_hook(Box::new(|bug| {
        let trace = Backtrace::capture();
        tracing::error!(%trace, "a bug in Janua, please report it: {bug}");
    }));
    let runtime = Builder::new_multi_thread().worker_threads(CONTROL).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail("the system has no threads left", &error),
    };
    let exit = runtime.block_on(live(source, passed, log));
    runtime.shutdown_timeout(LINGER);
    exit
}

fn fail(what: &str, error: &dyn std::error::Error) -> Exit {
    tracing::error!(%error, "{what}");
    Exit::Failed
}

async fn live(source: Source, passed: Passed, log: telemetry::Handle) -> Exit {
    let Signals { mut end, hangup, reopen } = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return fail("signals cannot be caught", &error),
    };
    let gateway = match Gateway::start(source, passed, Some(log)).await {
        Ok(gateway) => gateway,
        Err(report) => {
            let _ = report.write_to(&mut io::stderr());
            return Exit::Config;
        }
    };
    service::ready();
    let reloading = tokio::spawn(reload_on(hangup, gateway.clone()));
    let watching = tokio::spawn(watch::watch(gateway.clone()));
    tokio::spawn(reopen_on(reopen, gateway.clone()));
    tokio::spawn(service::watchdog());

    let name = end.next().await;
    tracing::info!(signal = name, "the end begins");
    service::stopping();
    reloading.abort();
    watching.abort();
    tokio::select! {
        biased;
        name = end.next() => tracing::warn!(signal = name, "once more: the end comes now"),
        _ = gateway.drain() => {}
    }
    match gateway.stop().await {
        0 => tracing::info!("ended"),
        cut => tracing::warn!(cut, "ended, and some connections with it"),
    }
    Exit::Ok
}

async fn reload_on(mut hangup: Signal, gateway: Gateway) {
    while hangup.recv().await.is_some() {
        // What was wrong with it is in the log.
        let _ = gateway.reload().await;
    }
}

async fn reopen_on(mut reopen: Signal, gateway: Gateway) {
    while reopen.recv().await.is_some() {
        gateway.reopen_logs();
        tracing::info!("the logs were opened anew");
    }
}

struct Signals {
    end: End,
    hangup: Signal,
    reopen: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let end = End {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        };
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { end, hangup, reopen: signal(SignalKind::user_defined1())? })
    }
}

/// The signals that end a gateway: gently the first time, at once the second.
struct End {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl End {
    /// Waits for one of them and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "TERM",
            _ = self.interrupt.recv() => "INT",
            _ = self.quit.recv() => "QUIT",
        }
    }
}
