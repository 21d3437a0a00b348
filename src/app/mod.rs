//! Process life: the command line on top, and the gateway that it runs.

pub mod config_tests;
pub mod explain;
mod gateway;
mod question;
mod service;
mod sockets;
mod watch;

use std::process::ExitCode;

pub use self::gateway::{Gateway, Source};
use crate::{server::Passed, telemetry};

/// The whole program.
pub fn main() -> ExitCode {
    let passed = Passed::from_environment();
    let path = std::env::args().nth(3).unwrap_or_default();
    let log = telemetry::init("info", telemetry::Format::Auto).ok();
    let Ok(runtime) =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
    else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        match Gateway::start(Source::File(path.into()), passed, log).await {
            Ok(gateway) => {
                let mut term =
                    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                    {
                        Ok(term) => term,
                        Err(_) => return ExitCode::FAILURE,
                    };
                term.recv().await;
                gateway.drain().await;
                gateway.stop().await;
                ExitCode::SUCCESS
            }
            Err(report) => {
                let _ = report.write_to(&mut std::io::stderr());
                ExitCode::from(78)
            }
        }
    })
}
