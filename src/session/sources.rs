//! Source lines, from the dump or from files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::image::open_regular;
use crate::redact::Redactor;
use crate::report::model::SourceLine;
use crate::source::streams::RecordedSources;

/// Lines shown before the current one.
const BEFORE: u32 = 2;
/// Lines shown after it.
const AFTER: u32 = 1;
/// The most lines of one expression that are shown.
const MAX_EXPRESSION: u32 = 8;
/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 400;
/// The largest file that is read.
const MAX_FILE: u64 = 8 << 20;

/// Where source files are looked for; by default nowhere.
#[derive(Clone, Debug, Default)]
pub struct SourceFolders {
    /// What absolute paths are below.
    pub root: Option<PathBuf>,
    /// What relative ones are below: up to 3.8 the main program's may be relative to where it was started.
    pub working: Option<PathBuf>,
}

impl SourceFolders {
    fn of(&self, file: &str) -> Option<&Path> {
        let working = self.working.as_ref().filter(|_| !file.starts_with('/'));
        working.or(self.root.as_ref()).map(PathBuf::as_path)
    }
}

/// Looks up source lines and keeps those that were shown.
pub struct SourceText<'a> {
    recorded: &'a RecordedSources,
    redactor: &'a Redactor,
    folders: SourceFolders,
    files: BTreeMap<String, Option<Vec<String>>>,
    used: RecordedSources,
}

impl<'a> SourceText<'a> {
    /// From the dump's own lines, and from files without what `redactor` leaves out.
    pub fn new(recorded: &'a RecordedSources, folders: SourceFolders, redactor: &'a Redactor) -> SourceText<'a> {
        SourceText {
            recorded,
            redactor,
            folders,
            files: BTreeMap::new(),
            used: RecordedSources::new(),
        }
    }

    /// One line, without its end.
    pub fn line(&mut self, file: &str, line: u32) -> Option<String> {
        if let Some(text) = self.recorded.get(file).and_then(|lines| lines.get(&line)) {
            self.keep(file, line, text.clone());
            return Some(text.clone());
        }
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let lines = match self.files.get(file) {
            Some(lines) => lines,
            None => {
                let lines = self.folders.of(file);
                let lines = lines.and_then(|folder| read_lines(folder, file, self.redactor));
                self.files.entry(file.to_string()).or_insert(lines)
            }
        };
        let text = self.redactor.mask_line(lines.as_ref()?.get(index)?);
        self.keep(file, line, text.clone());
        Some(text)
    }

    /// The lines around an expression.
    pub fn around(&mut self, file: &str, line: u32, end_line: u32) -> Vec<SourceLine> {
        let end = end_line.clamp(line, line.saturating_add(MAX_EXPRESSION));
        (line.saturating_sub(BEFORE).max(1)..=end.saturating_add(AFTER))
            .filter_map(|number| {
                Some(SourceLine {
                    line: number,
                    text: self.line(file, number)?,
                })
            })
            .collect()
    }

    /// All lines that were asked for and found.
    pub fn into_used(self) -> RecordedSources {
        self.used
    }

    fn keep(&mut self, file: &str, line: u32, text: String) {
        self.used.entry(file.to_string()).or_default().insert(line, text);
    }
}

/// Only regular Python files that no link leads out of the folder to: a code object may name any path, a device or
/// a private file among them.
fn read_lines(folder: &Path, file: &str, redactor: &Redactor) -> Option<Vec<String>> {
    if !file.ends_with(".py") {
        return None;
    }
    let file = open_regular(folder, Path::new(file)).ok()?;
    if file.metadata().ok()?.len() > MAX_FILE {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // CPython does not count a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = redactor.source_file(text);
    Some(text.lines().map(|line| shorten(line).to_string()).collect())
}

fn shorten(line: &str) -> &str {
    let mut end = line.len().min(MAX_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}
