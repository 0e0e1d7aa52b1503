//! `coldframe layout PATH|VERSION`: where the fields of one CPython build are, and who says so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use coldframe::image::{ImageOptions, Images};
use coldframe::layout::{Inspection, VersionRequest, builtin_table, find_interpreter};
use coldframe::report::json;
use coldframe::report::layout::{Check, LayoutReport, render};

use super::output;

/// Print where the fields of a CPython build's structures are
///
/// Of a build: what its debug information and its own table of offsets (3.13 and later) say. Of a version: what
/// coldframe knows by itself, which serves builds that have neither. Nothing is run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe layout /usr/bin/python3
  coldframe layout .venv/bin/python --format json | jq '.fields[] | select(.provider)'
  coldframe layout 3.12
  coldframe layout --check /usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0 --symbols /usr/lib/debug

Exit status: 0 when there is a layout, and with --check when nothing differs; 1 otherwise; 2 on wrong usage.")]
pub struct Layout {
    /// An interpreter (also that of a virtual environment, or what a script is run by), a libpython, or a debug file;
    /// or a version: 3.12, 3.13.5, 3.14t (./3.12 for a file of that name)
    #[arg(value_name = "PATH|VERSION")]
    build: PathBuf,

    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Compare with the built-in table, and end with 1 where anything differs
    #[arg(long)]
    check: bool,

    /// File with symbols or folder of them; may be repeated [checked against the build id]
    #[arg(long, value_name = "PATH")]
    symbols: Vec<PathBuf>,

    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Form of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: docs/layout.md
    Json,
}

impl Layout {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let text = self.build.to_str().unwrap_or_default();
        let report = match text.parse::<VersionRequest>().ok() {
            Some(request) => self.version(text, request)?,
            None => self.file(&self.build)?,
        };
        let is_clean = report.check.as_ref().is_none_or(Check::is_clean);
        let text = match self.format {
            Format::Json => json::pretty_value(&report)?,
            Format::Text => render(&report),
        };
        output::write(self.output.as_deref(), &text)?;
        Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn version(&self, text: &str, request: VersionRequest) -> anyhow::Result<LayoutReport> {
        anyhow::ensure!(
            !self.check,
            "--check compares a build with the built-in table, and {text} is a version: give the path of an interpreter"
        );
        let Some(inspection) = Inspection::of_version(request) else {
            let known: Vec<String> = builtin_table()
                .iter()
                .map(|row| format!("{}{}", row.version, row.flavour))
                .collect();
            anyhow::bail!(
                "coldframe has no built-in row for CPython {text}, only {}; give the path of an interpreter",
                known.join(", ")
            );
        };
        Ok(LayoutReport::new(&inspection))
    }

    fn file(&self, path: &Path) -> anyhow::Result<LayoutReport> {
        let images = Images::new(ImageOptions {
            symbol_paths: self.symbols.clone(),
            ..ImageOptions::default()
        });
        let image = find_interpreter(&images, path)?;
        let inspection = Inspection::of_image(&images, &image);
        let mut report = LayoutReport::new(&inspection);
        if !report.has_offsets() || (self.check && !inspection.speaks()) {
            let version = report.version.as_deref().unwrap_or("of an unknown version");
            anyhow::bail!(
                "{} is CPython {version}, and neither it nor coldframe says where its fields are: {}; \
                 give its debug information with --symbols PATH",
                image.path().display(),
                inspection.dwarf_problem.as_deref().unwrap_or("no table fits it")
            );
        }
        if self.check {
            report.check = Some(Check::new(&inspection, &image));
        }
        Ok(report)
    }
}
