//! `janua completions` and `janua man`: both from the command line's own definition.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Exit, fail, print};
use crate::app::cli::Cli;

/// Prints completions for a shell.
pub(super) fn completions(shell: Shell) -> Exit {
    // Not straight to standard output: it panics on a pipe that nobody reads.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "janua", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Prints the manual page of the program, or of a command.
pub(super) fn man(command: Option<&str>) -> Exit {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => render(cli),
        Some(name) => match cli.find_subcommand(name) {
            Some(command) => render(command.clone()),
            None => return fail(&format!("there is no command `{name}`")),
        },
    };
    match page {
        Ok(page) => print(&page),
        Err(error) => fail(&error.to_string()),
    }
}

fn render(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
