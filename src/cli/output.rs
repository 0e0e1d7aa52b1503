//! Where the result of a command goes, and how it looks there.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use coldframe::report::text::{Form, TextOptions};

use super::color::Color;

/// The options of the commands that give out a report or groups of them.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Write the result to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    color: Color,
}

impl Output {
    /// How text looks there.
    pub(super) fn text_options(&self, form: Form) -> TextOptions {
        let to_terminal = self.output.is_none() && std::io::stdout().is_terminal();
        TextOptions {
            style: self.color.style(to_terminal),
            ..TextOptions::new(form)
        }
    }

    /// Writes `text`, with a line end.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        write(self.output.as_deref(), text)
    }
}

/// Writes `text`, with a line end, to the file of `-o`, else to standard output.
pub(super) fn write(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let text = if text.ends_with('\n') {
        text.to_string()
    } else {
        format!("{text}\n")
    };
    match file {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => match std::io::stdout().lock().write_all(text.as_bytes()) {
            // The reader has seen enough: `coldframe analyze ... | head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("cannot write to standard output"),
        },
    }
}
