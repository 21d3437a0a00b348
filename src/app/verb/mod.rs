//! What each verb does. Only here is anything printed; a pipe that nobody reads is no failure.

mod answer;
mod ask;
mod cache;
mod check;
mod demo;
mod drift;
mod explain;
mod healthcheck;
mod key;
mod limits;
mod lint;
mod manual;
mod password;
mod proto;
mod proxy;
mod reload;
mod shared_keys;
mod show;
mod upstreams;
mod version;

use std::io::{self, Write as _};

use super::{
    Source,
    cli::{Cli, Config, Verb},
    exit::Exit,
    run::{Stillborn, run},
};
use crate::{config::Report, server::Passed};

impl Cli {
    /// Does what was asked for.
    pub(super) fn act(self, passed: Passed) -> Exit {
        match self.verb {
            Verb::Run(file) => live(file.source(), passed),
            Verb::Check(arguments) => check::check(&arguments),
            Verb::Demo { listen } => demo::demo(listen),
            Verb::Explain(arguments) => explain::explain(arguments),
            Verb::Limits(arguments) => limits::limits(&arguments),
            Verb::Cache(verb) => cache::cache(&verb),
            Verb::Drift(arguments) => drift::drift(&arguments),
            Verb::LintApi(arguments) => lint::lint_api(&arguments),
            Verb::Upstreams(arguments) => upstreams::upstreams(&arguments),
            Verb::Drain(arguments) => upstreams::drain(&arguments),
            Verb::Weight(arguments) => upstreams::weigh(&arguments),
            Verb::Reload(arguments) => reload::reload(&arguments),
            Verb::Config(Config::Show(file)) => show::config(&file.source()),
            Verb::Schema => show::schema(),
            Verb::Proxy(arguments) => live(proxy::source(&arguments), passed),
            Verb::Key(verb) => key::key(verb),
            Verb::Password => password::password(),
            Verb::Proto(verb) => proto::proto(&verb),
            Verb::Healthcheck(door) => healthcheck::healthcheck(&door),
            Verb::Version(arguments) => version::version(&arguments),
            Verb::Completions { shell } => manual::completions(shell),
            Verb::Man { command } => manual::man(command.as_deref()),
        }
    }
}

fn live(source: Source, passed: Passed) -> Exit {
    match run(source, passed) {
        Ok(exit) => exit,
        Err(Stillborn::Config(report)) => refuse(&report),
        Err(error @ Stillborn::System(_)) => fail(&error.to_string()),
    }
}

/// Prints on standard output.
fn print(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error.to_string()),
        Ok(()) | Err(_) => Exit::Ok,
    }
}

/// Says on standard error what did not work.
fn fail(message: &str) -> Exit {
    let _ = writeln!(io::stderr().lock(), "error: {message}");
    Exit::Failed
}

/// Says on standard error what is wrong with a configuration.
fn refuse(report: &Report) -> Exit {
    let _ = report.write_to(&mut io::stderr().lock());
    Exit::Config
}
