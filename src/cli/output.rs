//! Where the result of a command goes: a file, or standard output.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

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
