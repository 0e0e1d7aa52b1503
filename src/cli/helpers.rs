//! `coldframe helpers gdb|lldb`: the generated debugger helper.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use coldframe::helpers::{self, Debugger};
use coldframe::layout::{BuiltinRow, builtin_table};

/// Print a Python file that teaches gdb or lldb py-bt, py-locals and more
///
/// The helper works on live processes and cores, with or without debug information of Python, for every CPython that
/// coldframe knows; with lldb also on coldframe's dumps. It needs nothing but the debugger.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe helpers gdb -o coldframe_gdb.py && gdb -x coldframe_gdb.py python3 core
  coldframe helpers lldb -o coldframe_lldb.py && lldb -o 'command script import coldframe_lldb.py' --core crash.dmp
  coldframe helpers gdb --python 3.12 > /usr/share/gdb/auto-load/usr/lib/libpython3.12.so.1.0-gdb.py

Exit status: 0 when the helper was written, 1 when not, 2 on wrong usage.")]
pub struct Helpers {
    /// For which debugger
    #[arg(value_name = "gdb|lldb", value_enum)]
    debugger: DebuggerName,

    /// Only for this version, such as 3.12 or 3.12.1; may be repeated
    #[arg(long, value_name = "VERSION")]
    python: Vec<String>,

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

    /// The rows of the versions that were asked for; all where none was.
    fn rows(&self) -> anyhow::Result<Vec<BuiltinRow>> {
        let all = builtin_table();
        if self.python.is_empty() {
            return Ok(all);
        }
        let mut chosen: Vec<BuiltinRow> = Vec::new();
        for name in &self.python {
            let fits = |row: &&BuiltinRow| {
                let version = row.version.to_string();
                version == *name || version.starts_with(&format!("{name}."))
            };
            let rows: Vec<_> = all.iter().filter(fits).cloned().collect();
            anyhow::ensure!(
                !rows.is_empty(),
                "there is no layout of CPython {name}; there are {}",
                all.iter()
                    .map(|row| row.version.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            chosen.extend(rows);
        }
        chosen.dedup();
        Ok(chosen)
    }
}
