//! `coldframe export-core DUMP -o FILE`: an ELF core from a minidump.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use coldframe::export::write_core;
use coldframe::image::{ImageOptions, Images};
use coldframe::source::{Input, unpack};

use super::message::say;

/// Make an ELF core from a dump, for gdb and other debuggers that know no minidumps
///
/// The core holds what the dump does: registers, the signal, recorded memory. A debugger takes code and symbols from the
/// files of the process, so they must be at hand as they were there. The helper that `coldframe helpers gdb` prints shows
/// Python frames and values of such a core without any of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  coldframe export-core crash.dmp -o crash.core
  gdb -x coldframe_gdb.py /usr/bin/python3 crash.core

Exit status: 0 when the core was written, 1 when not, 2 on wrong usage.")]
pub struct ExportCore {
    /// A dump of coldframe, or another minidump of Linux on x86_64; also compressed
    #[arg(value_name = "DUMP")]
    dump: PathBuf,

    /// Where the core is written to
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Folder below which the files of the process lie
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
}

impl ExportCore {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let path = self.dump.display();
        let dump = match Input::open(&self.dump, unpack::DEFAULT_LIMIT)? {
            Input::Minidump(dump) => dump,
            Input::Core(_) => anyhow::bail!("{path} is an ELF core already; `coldframe analyze {path}` reads it"),
            Input::Record(_) => {
                anyhow::bail!("{path} is a record, which holds no memory; `coldframe analyze {path}` reads it")
            }
        };
        let images = Images::new(ImageOptions {
            root: self.sysroot.clone().unwrap_or("/".into()),
            ..ImageOptions::default()
        });
        let write = || {
            // Memory of a process may hold secrets: for the owner alone.
            let mut options = File::options();
            options.write(true).create(true).truncate(true);
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut out = BufWriter::new(options.open(&self.output)?);
            let written = write_core(&dump, &images, &mut out)?;
            out.flush()?;
            Ok::<_, std::io::Error>(written)
        };
        let written = write().with_context(|| format!("cannot write {}", self.output.display()))?;
        if written.threads == 0 {
            say(format!(
                "{path} holds no registers of any thread: a debugger will not take the core"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
