//! `janua demo`: a gateway to try.

use std::{io, net::SocketAddr};

use super::{Exit, fail, print, refuse};
use crate::{
    app::{
        demo::{Arguments, Demo, StartError},
        run,
        signals::{Signal, Signals},
    },
    telemetry::{self, Format},
};

/// Runs a demo until it is told to end.
pub(super) fn demo(listen: Option<SocketAddr>) -> Exit {
    // What it says of itself is in what it prints.
    let log = telemetry::init("warn", Format::Text).ok();
    let arguments = Arguments { listen };
    let lived = run::runtime().and_then(|runtime| runtime.block_on(live(&arguments, log)));
    lived.unwrap_or_else(|error| fail(&error.to_string()))
}

async fn live(arguments: &Arguments, log: Option<telemetry::Handle>) -> io::Result<Exit> {
    // Before it says that it serves: who reads that may want its end.
    let mut signals = Signals::new()?;
    let demo = match Demo::start(arguments, log).await {
        Ok(demo) => demo,
        Err(StartError::Gateway(report)) => return Ok(refuse(&report)),
        Err(error) => return Ok(fail(&error.to_string())),
    };
    print(&demo.to_string());
    loop {
        match signals.next().await {
            // What comes of it is in the log.
            Signal::Reload => drop(demo.gateway().reload().await),
            Signal::Reopen => demo.gateway().reopen_logs(),
            Signal::End(_) => break,
        }
    }
    demo.stop().await;
    Ok(Exit::Ok)
}
