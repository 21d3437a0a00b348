//! The command line: verbs, their options, and what `--help` says of them.
//!
//! In: arguments. Out: [`Cli`]; what each verb does is in `verb`. Comments here are the help texts, so
//! write them for the operator.

mod cache;
mod key;
mod proto;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(super) use self::{
    cache::{Cache, CachePurge},
    key::{Key, KeyPlace, KeyStore, NewKey},
    proto::{Proto, ProtoPull},
};
use super::{Source, exit};

/// A reverse proxy and API gateway: one TOML file in, every request through one fixed chain.
#[derive(Debug, Parser)]
#[command(name = "janua", version, after_help = exit::HELP, propagate_version = true)]
#[command(arg_required_else_help = true, disable_help_subcommand = false, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the gateway until it is told to end.
    #[command(after_help = RUN)]
    Run(ConfigFile),
    /// Say everything that is wrong with a configuration, and run its tests. Changes nothing.
    #[command(after_help = CHECK)]
    Check(Check),
    /// Say what would become of a request, and why. Offline: nothing is sent.
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Have the running gateway read its configuration again, and wait for the outcome.
    #[command(after_help = RELOAD)]
    Reload(Reload),
    /// Show what the limits of the running gateway did, and which keys they are asked for most.
    #[command(after_help = LIMITS)]
    Limits(Limits),
    /// What the running gateway keeps of answers: look at it, or make it void.
    #[command(subcommand)]
    Cache(Cache),
    /// Show in what the answers of APIs are not what their documents promise.
    #[command(after_help = DRIFT)]
    Drift(Drift),
    /// Say what is wrong with a document of OpenAPI, and what would make it a better contract.
    #[command(after_help = LINT_API)]
    LintApi(LintApi),
    /// Show the endpoints of the running gateway and how they are.
    #[command(after_help = UPSTREAMS)]
    Upstreams(Upstreams),
    /// Give an endpoint no more requests, or some again; what runs there goes on.
    #[command(after_help = DRAIN)]
    Drain(Drain),
    /// Give an endpoint another weight, or its own again.
    #[command(after_help = WEIGHT)]
    Weight(Weight),
    /// Show the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(after_help = SCHEMA)]
    Schema,
    /// Put a gateway in front of a URL, without a file.
    #[command(after_help = PROXY)]
    Proxy(Proxy),
    /// Run a gateway to try, with origins of its own. Needs no file, no network, no privileges.
    Demo {
        /// Where to listen in clear, instead of the first free port from 127.0.0.1:8080 on.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Make, list and revoke API keys, for the file of an `[auth.NAME]` section.
    #[command(subcommand)]
    Key(Key),
    /// Print the hash of a password, for the users of an `[auth.NAME]` section.
    #[command(after_help = PASSWORD)]
    Password,
    /// The types of services that speak gRPC.
    #[command(subcommand)]
    Proto(Proto),
    /// Ask the running gateway whether it is ready: exit code 0, or 1.
    #[command(after_help = HEALTHCHECK)]
    Healthcheck(AdminDoor),
    /// Say which version this is.
    Version(Version),
    /// Print completions for a shell.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, of the program or of one of its commands.
    #[command(after_help = MAN)]
    Man {
        /// The command.
        command: Option<String>,
    },
}

/// Which configuration.
#[derive(Args, Debug)]
pub(super) struct ConfigFile {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/janua/janua.toml")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// The file as a source.
    pub(super) fn source(&self) -> Source {
        Source::File(self.config.clone())
    }
}

/// Whose admin door.
#[derive(Args, Debug)]
pub(super) struct AdminDoor {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// The gateway's admin door, instead of the one that the configuration names:
    /// `unix:/PATH` or `IP:PORT`.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `janua check`.
#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// As text on standard error, or as a JSON list on standard output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
    /// Fail on findings too, not only on errors.
    #[arg(long)]
    pub(super) strict: bool,
}

/// `janua explain`.
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The method.
    pub(super) method: String,
    /// The URL; or only a path.
    pub(super) url: String,
    /// A header field of the request, `NAME: VALUE`; as often as it takes.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    pub(super) headers: Vec<String>,
    /// The body, which stages then look at and translate: text, or a file as `@FILE`.
    #[arg(short = 'd', long, value_name = "TEXT")]
    pub(super) data: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "IP")]
    pub(super) from: Option<String>,
    /// The listener where it comes in, instead of the first that fits the URL.
    #[arg(long, value_name = "NAME")]
    pub(super) listener: Option<String>,
    /// Take it to come from this user, whatever credentials it has.
    #[arg(long = "as", value_name = "USER")]
    pub(super) user: Option<String>,
    /// That user's roles.
    #[arg(long, value_delimiter = ',', value_name = "ROLE,..")]
    pub(super) roles: Vec<String>,
    /// That user's scopes.
    #[arg(long, value_delimiter = ',', value_name = "SCOPE,..")]
    pub(super) scopes: Vec<String>,
    /// Ask the running gateway, which knows what was used of limits and who kept within them.
    #[arg(long)]
    pub(super) live: bool,
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As one screen of text, or as a JSON object.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua reload`.
#[derive(Args, Debug)]
pub(super) struct Reload {
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// What the gateway is asked to answer in.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua limits`.
#[derive(Args, Debug)]
pub(super) struct Limits {
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua drift`.
#[derive(Args, Debug)]
pub(super) struct Drift {
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua lint-api`.
#[derive(Args, Debug)]
pub(super) struct LintApi {
    /// The document.
    pub(super) file: PathBuf,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
    /// Fail on advice too, not only on errors.
    #[arg(long)]
    pub(super) strict: bool,
}

/// `janua upstreams`.
#[derive(Args, Debug)]
pub(super) struct Upstreams {
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua drain`.
#[derive(Args, Debug)]
pub(super) struct Drain {
    /// The upstream's name.
    pub(super) upstream: String,
    /// The endpoint's URL.
    pub(super) endpoint: String,
    /// Give it requests again.
    #[arg(long)]
    pub(super) undo: bool,
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua weight`.
#[derive(Args, Debug)]
pub(super) struct Weight {
    /// The upstream's name.
    pub(super) upstream: String,
    /// The endpoint's URL.
    pub(super) endpoint: String,
    /// Its weight; without it, that which is written.
    pub(super) weight: Option<u16>,
    #[command(flatten)]
    pub(super) door: AdminDoor,
    /// As text, or as a JSON list.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

/// `janua config`.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print the configuration in force: one file, every default filled in, secrets masked.
    Show(ConfigFile),
}

/// `janua proxy`.
#[derive(Args, Debug)]
pub(super) struct Proxy {
    /// Where requests go: a URL, or short for one: `:3000`, `localhost:3000`. Given more than once,
    /// they take turns.
    #[arg(long, value_name = "URL", required = true)]
    pub(super) to: Vec<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
}

/// `janua version`.
#[derive(Args, Debug)]
pub(super) struct Version {
    /// As a line, or as a JSON object.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Form,
}

const PASSWORD: &str = "\
It is read from the terminal, unseen, or from standard input, up to the end of the first line.

Examples:
  janua password
  printf %s \"$PASSWORD\" | janua password";

const RUN: &str = "\
Examples:
  janua run
  janua run -c config/janua.toml

Sockets of the service manager are taken over (address = \"systemd:NAME\"), and it is told when the \
gateway is ready, reloads and stops (Type=notify).";

const CHECK: &str = "\
Nothing is bound or written. It is silent when all is well.

Examples:
  janua check && janua reload
  janua check --strict --format json -c new.toml

Exit codes: 0, also with findings; 78 if something is wrong, with --strict also for a finding.";

const EXPLAIN: &str = "\
It is decided by the same code that carries traffic: the listener, every route with the first \
condition that it fails, each stage, and the request as the origin would see it.

Examples:
  janua explain GET https://api.example.com/orders/7
  janua explain POST /orders -H 'x-version: 2' --from 203.0.113.7 -c new.toml
  janua explain DELETE /orders/7 --as alice --roles admin
  janua explain POST /orders -H 'content-type: application/json' --data @order.json

Exit codes: 0 also if the request would be refused; 2 for words that make no request; 78 if the \
configuration is at fault.";

const RELOAD: &str = "\
The gateway is found by the `admin` section of its configuration. Where that moves the door itself, \
send SIGHUP to the gateway, or name the door that it still has by --admin.

Examples:
  janua reload
  janua reload --admin 127.0.0.1:2019

Exit codes: 0 if the new configuration holds; 78 if it was refused, and then the old one goes on; 1 \
if the gateway could not be asked.";

const LIMITS: &str = "\
The gateway is found by the `admin` section of its configuration. Keys are those of the last 5 to 10 \
minutes; few requests are counted exactly, of many one in 64 counts for all.

Examples:
  janua limits
  janua limits --admin 127.0.0.1:2019 --format json

Exit codes: 0; 1 if the gateway could not be asked.";

const DRIFT: &str = "\
Answers are looked at where `[api.NAME]` says `answers = \"report\"` or `\"enforce\"`. It is told where they \
differ and how often, never what stands there.

Examples:
  janua drift
  janua drift --format json

Exit codes: 0; 1 if the gateway could not be asked.";

const LINT_API: &str = "\
Examples:
  janua lint-api shop.yaml
  janua lint-api --strict --format json shop.yaml

Exit codes: 0; 78 if the document cannot be used (or, with --strict, if there is advice); 1 if it could not \
be read.";

const UPSTREAMS: &str = "\
The gateway is found by the `admin` section of its configuration.

Examples:
  janua upstreams
  janua upstreams --admin 127.0.0.1:2019 --format json

Exit codes: 0; 1 if the gateway could not be asked.";

const DRAIN: &str = "\
It holds over reloads as long as the endpoint stays, and ends with the process. Upstream and endpoint \
are written as `janua upstreams` shows them.

Examples:
  janua drain orders http://10.0.0.5:8080
  janua drain orders http://10.0.0.5:8080 --undo

Exit codes: 0; 1 if there is no such endpoint or the gateway could not be asked.";

const WEIGHT: &str = "\
What is under way goes on, and connections stay. It holds over reloads until the configuration says another \
weight than it did, or the endpoint goes, and ends with the process. Upstream and endpoint are written as \
`janua upstreams` shows them.

Examples:
  janua weight orders http://10.0.0.5:8080 20
  janua weight orders http://10.0.0.5:8080

Exit codes: 0; 1 if there is no such endpoint or the gateway could not be asked.";

const SCHEMA: &str = "\
Example:
  janua schema > janua.schema.json
and as the first line of janua.toml:
  #:schema ./janua.schema.json";

const PROXY: &str = "\
Examples:
  janua proxy --to :3000
  janua proxy --to http://10.0.0.5 --to http://10.0.0.6 --listen 0.0.0.0:80";

const HEALTHCHECK: &str = "\
For Docker:
  HEALTHCHECK CMD [\"janua\", \"healthcheck\"]";

const COMPLETIONS: &str = "\
Examples:
  janua completions bash > /etc/bash_completion.d/janua
  janua completions fish > ~/.config/fish/completions/janua.fish";

const MAN: &str = "\
Examples:
  janua man > /usr/local/share/man/man1/janua.1
  janua man check | man -l -";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
