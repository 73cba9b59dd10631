//! `completions`, `man` and `config-schema`: documents about the program itself.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Arguments;
use super::output::{bytes, json};
use super::{End, Result, Trouble};
use crate::config;

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> Result<End> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    // To memory first: the generator takes a reader that went away for the end of the world.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    bytes(&script);
    Ok(End::Good)
}

/// Prints the manual page of the program, and then that of each command.
pub(super) fn man() -> Result<End> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    page(&command, &mut pages).map_err(|error| Trouble::failed(format!("cannot make the manual page: {error}"), ""))?;
    bytes(&pages);
    Ok(End::Good)
}

fn page(command: &clap::Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(pages)?;
    command.get_subcommands().try_for_each(|command| page(command, pages))
}

/// Prints the JSON Schema of the configuration.
pub(super) fn config_schema() -> Result<End> {
    json(&config::schema());
    Ok(End::Good)
}
