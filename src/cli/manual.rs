//! `coldframe completions SHELL`, `coldframe man DIR`: made from the table of the options, so that they always fit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{io, iter};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::roff::{Roff, roman};

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
        let folder = &self.folder;
        let written = std::fs::create_dir_all(folder).and_then(|()| write_pages(folder));
        written.with_context(|| format!("cannot write to {}", folder.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write_pages(folder: &Path) -> io::Result<()> {
    let mut whole = documented();
    // Names the commands `coldframe-run` and so on.
    whole.build();
    for command in iter::once(&whole).chain(whole.get_subcommands()) {
        let man = clap_mangen::Man::new(command.clone())
            .source(concat!("coldframe ", env!("CARGO_PKG_VERSION")))
            .manual("coldframe");
        std::fs::write(folder.join(man.get_filename()), page(&man, command)?)?;
    }
    Ok(())
}

/// A page. What the help has below the options are sections with headings of their own.
fn page(man: &clap_mangen::Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let below = command.get_after_long_help().or_else(|| command.get_after_help());
    let below = below.map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for section in below.split("\n\n") {
        let Some((heading, text)) = section.split_once(':') else {
            continue;
        };
        roff.control("SH", [heading.to_uppercase().as_str()]);
        // Examples stay as they stand.
        let is_list = text.starts_with('\n');
        let indent = if is_list { "  " } else { " " };
        if is_list {
            roff.control("nf", []);
        }
        for line in text.trim_start_matches('\n').lines() {
            roff.text([roman(line.strip_prefix(indent).unwrap_or(line))]);
        }
        if is_list {
            roff.control("fi", []);
        }
    }
    roff.to_writer(&mut page)?;
    Ok(page)
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
