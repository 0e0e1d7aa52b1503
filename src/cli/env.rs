//! `coldframe env`: the variables that turn capture on where nobody supervises.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use coldframe::capture::environment::{Environment, choose_dump_folder};
use coldframe::capture::install::find_or_install;
use coldframe::report::text::quoted;

use super::output;
use super::privacy::PrivacyOptions;
use super::rendering::ReportForm;

/// Print the variables that turn capture on without a supervisor
///
/// For a Dockerfile, a unit file or a shell. A process that crashes then writes its dump and prints its report itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(coldframe env -o /var/crash)\"
  coldframe env --format docker >> Dockerfile")]
pub struct Env {
    /// Dump folder [default: COLDFRAME_DIR, ./coldframe-dumps, the temporary folder]
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// What a crashing process prints
    #[arg(long, value_enum, default_value_t = ReportForm::Short)]
    report: ReportForm,

    #[command(flatten)]
    privacy: PrivacyOptions,

    /// For what reads it
    #[arg(long, value_enum, default_value_t = Format::Shell)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// export NAME=VALUE
    Shell,
    /// ENV NAME="VALUE"
    Docker,
    /// Environment="NAME=VALUE"
    Systemd,
    /// One line of JSON: the handler's library, and the variables
    Json,
}

impl Env {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let installed = find_or_install()?;
        let folder = choose_dump_folder(self.output_dir.as_deref());
        let report = self.report.name();
        let environment = Environment::captured(&installed, &folder.path, None, &report, &self.privacy.asked());
        if self.format == Format::Json {
            let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
            let variables: BTreeMap<String, String> = environment
                .set
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect();
            let handler = installed.handler.to_string_lossy();
            let facts = serde_json::json!({ "handler": handler, "variables": variables });
            output::write(None, &format!("{facts}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let line = |(name, value): &(std::ffi::OsString, std::ffi::OsString)| {
            let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
            // Both read a backslash before a quote, a backslash or, in a Dockerfile, a dollar sign.
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            match self.format {
                Format::Json | Format::Shell => format!("export {name}={}\n", quoted(&value)),
                Format::Docker => format!("ENV {name}=\"{}\"\n", escaped.replace('$', "\\$")),
                Format::Systemd => format!("Environment=\"{name}={}\"\n", escaped.replace('%', "%%")),
            }
        };
        output::write(None, &environment.set.iter().map(line).collect::<String>())?;
        Ok(ExitCode::SUCCESS)
    }
}
