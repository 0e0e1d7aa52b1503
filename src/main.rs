//! The `coldframe` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // clap itself ends with 2 on wrong usage and 0 after --help.
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            cli::say(cli::chain(&error));
            ExitCode::FAILURE
        }
    }
}
