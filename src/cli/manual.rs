//! `coldframe completions SHELL`, `coldframe man DIR`: made from the table of the options, so that they always fit.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::{Cli, output};

const NAME: &str = "coldframe";

/// Print what completes the command line in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe completions bash > ~/.local/share/bash-completion/completions/coldframe
  coldframe completions zsh > ~/.zfunc/_coldframe
  coldframe completions fish > ~/.config/fish/completions/coldframe.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual: a page for each command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe man ~/.local/share/man/man1
  man coldframe-run")]
pub struct Man {
    /// The folder, which is made where it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut documented(), NAME, &mut text);
        output::write(None, &String::from_utf8(text)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let written =
            std::fs::create_dir_all(&self.folder).and_then(|()| clap_mangen::generate_to(documented(), &self.folder));
        written.with_context(|| format!("cannot write to {}", self.folder.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The command line without what only coldframe itself calls.
fn documented() -> Command {
    let whole = Cli::command();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
    let command = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(shown.cloned());
    command
        .about(whole.get_about().cloned().unwrap_or_default())
        .after_long_help(whole.get_after_long_help().cloned().unwrap_or_default())
}
