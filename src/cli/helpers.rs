//! `coldframe helpers gdb|lldb`: the generated debugger helper.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use coldframe::helpers::{self, Debugger};
use coldframe::image::{ImageOptions, Images};
use coldframe::layout::{
    BuiltinRow, Flavour, Inspection, PythonVersion, VersionRequest, builtin, builtin_table, find_interpreter,
};

/// Print a Python file that teaches gdb or lldb py-bt, py-locals and more
///
/// The helper works on live processes and cores, with or without debug information of Python, for every CPython that
/// coldframe knows; with lldb also on coldframe's dumps. It needs nothing but the debugger.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe helpers gdb -o coldframe_gdb.py && gdb -x coldframe_gdb.py python3 core
  coldframe helpers lldb -o coldframe_lldb.py && lldb -o 'command script import coldframe_lldb.py' --core crash.dmp
  coldframe helpers gdb --python /opt/python/lib/libpython3.12.so.1.0 -o ours.py
  coldframe helpers gdb --python 3.12 > /usr/share/gdb/auto-load/usr/lib/libpython3.12.so.1.0-gdb.py

Exit status: 0 when the helper was written, 1 when not, 2 on wrong usage.")]
pub struct Helpers {
    /// For which debugger
    #[arg(value_name = "gdb|lldb", value_enum)]
    debugger: DebuggerName,

    /// Only for this version (3.12, 3.12.1, 3.14t), or this interpreter or libpython, whose own debug information or table
    /// of offsets is read; may be repeated
    #[arg(long, value_name = "VERSION|PATH")]
    python: Vec<PathBuf>,

    /// Write the helper to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A debugger, on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DebuggerName {
    /// GNU gdb 9 or later
    Gdb,
    /// LLDB 14 or later
    Lldb,
}

impl Helpers {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let debugger = match self.debugger {
            DebuggerName::Gdb => Debugger::Gdb,
            DebuggerName::Lldb => Debugger::Lldb,
        };
        let text = helpers::generate(debugger, &self.rows()?);
        match &self.output {
            Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
            None => match std::io::stdout().lock().write_all(text.as_bytes()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                result => result.context("cannot write to standard output")?,
            },
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The rows of the versions and builds that were asked for; all where none was.
    fn rows(&self) -> anyhow::Result<Vec<BuiltinRow>> {
        let all = builtin_table();
        if self.python.is_empty() {
            return Ok(all);
        }
        let mut chosen: Vec<BuiltinRow> = Vec::new();
        for name in &self.python {
            let rows = match name.to_str().unwrap_or_default().parse::<VersionRequest>() {
                Ok(request) => of_version(&all, request),
                Err(()) => vec![of_build(name)?],
            };
            anyhow::ensure!(
                !rows.is_empty(),
                "there is no layout of CPython {}; there are {}",
                name.display(),
                all.iter()
                    .map(|row| format!("{}{}", row.version, row.flavour))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            for row in rows {
                // A build that was named is exact, whatever the table says of its version.
                chosen.retain(|known| (known.version, known.flavour) != (row.version, row.flavour));
                chosen.push(row);
            }
        }
        Ok(chosen)
    }
}

/// All rows of a version, of one flavour where letters ask for it; for a release without a row of its own the nearest.
fn of_version(all: &[BuiltinRow], request: VersionRequest) -> Vec<BuiltinRow> {
    let is_wanted = |row: &&BuiltinRow| {
        (row.version.major(), row.version.minor()) == (request.major, request.minor)
            && (request.flavour == Flavour::default() || row.flavour == request.flavour)
    };
    let of_minor: Vec<BuiltinRow> = all.iter().filter(is_wanted).cloned().collect();
    let Some(micro) = request.micro else { return of_minor };
    let version = PythonVersion::release(request.major, request.minor, micro);
    let exact: Vec<BuiltinRow> = of_minor.into_iter().filter(|row| row.version == version).collect();
    if exact.is_empty() {
        builtin(version, request.flavour).into_iter().collect()
    } else {
        exact
    }
}

/// The row of a build: what its debug information or its own table of offsets says.
fn of_build(path: &Path) -> anyhow::Result<BuiltinRow> {
    let images = Images::new(ImageOptions::default());
    let image = find_interpreter(&images, path)?;
    let inspection = Inspection::of_image(&images, &image);
    let name = image.path().display().to_string();
    inspection.row().with_context(|| {
        format!(
            "neither {name} nor coldframe says where the fields of its structures are: {}; give a build with debug \
             information, or a version",
            inspection
                .dwarf_problem
                .as_deref()
                .unwrap_or("its version cannot be told")
        )
    })
}
