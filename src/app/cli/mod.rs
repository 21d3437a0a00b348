//! The command line: verbs and what they take, and which code the process ends with.
//!
//! In: the arguments. Out: an [`ExitCode`]. Nothing here does the work: `run` is process life,
//! `call` speaks with a gateway that runs, `look` reads a configuration and says something of it.

mod call;
mod look;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{Source, explain, proxy, run};

/// How the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// All is well, or the gateway ended as it was asked to.
    Ok,
    /// It did not work, for a reason that is in no configuration.
    Failed,
    /// The arguments are wrong.
    Usage,
    /// The configuration is wrong: `EX_CONFIG` of sysexits.h.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Config => 78,
        })
    }
}

const EXIT_CODES: &str = "Exit codes:\n  \
    0   all is well; the gateway ended as it was asked to\n  \
    1   it did not work: no gateway answers, it is not ready, the system refuses\n  \
    2   the arguments are wrong\n  \
    78  the configuration is wrong, or an address in it cannot be had; nothing has changed";

const SIGNALS: &str = "Signals:\n  \
    HUP         read the configuration again; open the logs anew\n  \
    USR1        open the logs anew\n  \
    TERM, INT, QUIT  finish what runs, then end; a second one ends at once";

/// A reverse proxy and API gateway: one binary, one TOML file, one fixed chain.
#[derive(Debug, Parser)]
#[command(name = "janua", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway.
    #[command(after_help = SIGNALS)]
    Run(File),
    /// Say everything that is wrong with a configuration; nothing if all is well.
    Check {
        #[command(flatten)]
        file: File,
        /// How to say it.
        #[arg(long, value_enum, default_value_t)]
        format: Form,
        /// Findings are errors too.
        #[arg(long)]
        strict: bool,
    },
    /// Say what becomes of a request, and why; nothing is sent.
    Explain(Explain),
    /// Have the running gateway read its configuration again, and wait for what comes of it.
    Reload(Running),
    /// Ask the running gateway whether it is ready: 0 if it is.
    Healthcheck(Running),
    /// Look at a configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Run a gateway without a file: everything goes to one place.
    Proxy(proxy::Arguments),
    /// Print a completion script for a shell.
    Completions {
        /// Which one.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print the configuration in force: every default filled in, every secret masked.
    Show(File),
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct File {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/janua/janua.toml")]
    config: PathBuf,
}

impl File {
    fn source(self) -> Source {
        Source::File(self.config)
    }
}

/// Which running gateway.
#[derive(Args, Debug)]
struct Running {
    #[command(flatten)]
    file: File,
    /// The admin door's address; without it, the one that the file names.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
}

#[derive(Args, Debug)]
struct Explain {
    #[command(flatten)]
    file: File,
    /// The request's method.
    method: String,
    /// `http://..`, `https://..` or only a path.
    url: String,
    /// A header field, `name: value`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The client's address.
    #[arg(long, value_name = "IP")]
    from: Option<String>,
    /// The listener's name; without it, the one that fits the URL.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// How to say it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// How to say something.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The whole program.
pub fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => cli.verb.act(),
        Err(error) => {
            // Where it cannot be written, the code still says it.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    exit.into()
}

impl Verb {
    fn act(self) -> Exit {
        match self {
            Self::Run(file) => run::run(file.source()),
            Self::Proxy(arguments) => run::run(arguments.source()),
            Self::Check { file, format, strict } => look::check(&file.source(), format, strict),
            Self::Explain(arguments) => arguments.act(),
            Self::Reload(Running { file, admin }) => call::reload(&file.config, admin),
            Self::Healthcheck(Running { file, admin }) => call::healthcheck(&file.config, admin),
            Self::Config { verb: ConfigVerb::Show(file) } => look::show(&file.source()),
            Self::Schema => look::schema(),
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "janua", &mut script);
                print(&script)
            }
            Self::Man => {
                let mut page = Vec::new();
                match clap_mangen::Man::new(Cli::command()).render(&mut page) {
                    Ok(()) => print(&page),
                    Err(error) => complain(&error.to_string(), Exit::Failed),
                }
            }
            Self::Version => print(concat!("janua ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        }
    }
}

impl Explain {
    fn act(self) -> Exit {
        let Self { file, method, url, headers, from, listener, format } = self;
        let arguments = explain::Arguments { method, url, headers, from, listener };
        match explain::explain(&file.source(), &arguments) {
            Ok(found) if format == Form::Json => print(format!("{:#}\n", found.json()).as_bytes()),
            Ok(found) => print(format!("{found}").as_bytes()),
            Err(explain::Unexplained::Config(report)) => look::refuse(&report),
            Err(explain::Unexplained::Words(message)) => complain(&message, Exit::Usage),
        }
    }
}

/// Writes to standard output. A reader that went away has had enough, which is no failure.
fn print(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write: {error}"), Exit::Failed)
        }
        _ => Exit::Ok,
    }
}

/// Writes a line to standard error and ends with this code.
fn complain(message: &str, exit: Exit) -> Exit {
    let _ = writeln!(io::stderr(), "janua: {}", message.trim_end());
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_takes_its_file_both_ways() {
        for flag in ["-c", "--config"] {
            let cli = Cli::try_parse_from(["janua", "run", flag, "a.toml"]).unwrap();
            let Verb::Run(file) = cli.verb else { panic!("not `run`") };
            assert_eq!(file.config.to_str(), Some("a.toml"));
        }
    }
}
