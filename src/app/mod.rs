//! Process life: the command line on top, and the gateway that it runs.

mod cli;
pub mod config_tests;
pub mod demo;
mod exit;
pub mod explain;
mod gateway;
mod question;
mod run;
mod service;
mod signals;
mod sockets;
mod verb;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::Cli;
pub use self::{
    exit::Exit,
    gateway::{Gateway, Source},
};
use crate::server::Passed;

/// The whole program.
pub fn main() -> ExitCode {
    // Before there are threads.
    let passed = Passed::from_environment();
    match Cli::try_parse() {
        Ok(cli) => cli.act(passed).into(),
        // Also `--help` and `--version`.
        Err(told) => {
            let _ = told.print();
            if told.use_stderr() { Exit::Usage } else { Exit::Ok }.into()
        }
    }
}
