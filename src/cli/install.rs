//! `coldframe install DIR`: handler and binary in one folder, for an image build.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use coldframe::capture::install::install_into;
use nix::unistd::geteuid;

use super::say;

/// Put the binary and the crash handler into a folder
///
/// For an image build or a package: nothing has to be extracted when a program starts, so a read-only root and a missing
/// home folder do not matter. Only its owner and root may be able to write to the folder and to those above it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe install /opt/coldframe
  /opt/coldframe/coldframe run --exec -- python app.py")]
pub struct Install {
    /// The folder, which is made where it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Install {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let installed = install_into(&self.folder, &std::env::current_exe()?, geteuid().as_raw())?;
        let binary = installed.handler.with_file_name("coldframe");
        say(format_args!(
            "installed; start programs with `{} run`, or see `{0} env`",
            binary.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
