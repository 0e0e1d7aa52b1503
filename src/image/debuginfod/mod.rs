//! Files from debuginfod servers, by build id (debuginfod(8), "WEBAPI").
//!
//! [`Debuginfod`] asks servers for what is on no disk here, and keeps the answers. Nothing but build ids is
//! sent.
//!
//! Invariant: only a file whose own build id is the one that was asked for gets out of here; what goes wrong
//! becomes a note.

mod client;
mod store;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::elf_file::ElfFile;
use super::{CacheDir, ImageError};
use crate::notes::Notes;
use crate::source::BuildId;
use client::{Client, Failure, Limits};
use store::Store;

/// What all requests of one analysis together may take: a report that is late is worth less than one without
/// some lines.
const TOTAL_TIME: Duration = Duration::from_secs(300);

/// What a server is asked for: the last part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Artifact {
    /// The file with debug information and symbols.
    DebugInfo,
    /// The program or library itself.
    Executable,
}

impl Artifact {
    fn name(self) -> &'static str {
        match self {
            Artifact::DebugInfo => "debuginfo",
            Artifact::Executable => "executable",
        }
    }
}

/// A file that is being fetched.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The module it is for.
    pub module: &'a str,
    /// What of it.
    pub artifact: Artifact,
    /// The server.
    pub server: &'a str,
    /// How long it has taken.
    pub elapsed: Duration,
    /// Bytes that came in.
    pub received: u64,
    /// Bytes of the whole file, where the server states that.
    pub total: Option<u64>,
}

/// Which servers to ask, and how.
pub struct DebuginfodOptions {
    /// `http://` or `https://`; asked in this order.
    pub urls: Vec<String>,
    /// Where answers are kept between runs.
    pub cache: Option<CacheDir>,
    /// Where failures go.
    pub notes: Rc<Notes>,
    /// Told now and then what is under way, and once `None` at the end of it.
    pub progress: fn(Option<Progress<'_>>),
}

/// What was found, once it was looked for.
type Found = Option<Rc<ElfFile>>;

/// The servers, and what they said.
pub struct Debuginfod {
    options: DebuginfodOptions,
    client: Client,
    store: Store,
    begun: Instant,
    known: RefCell<HashMap<(String, Artifact), Found>>,
    /// Not asked again: they could not be reached, or did not answer in time.
    silent: RefCell<HashSet<String>>,
}

impl Debuginfod {
    /// Asks nobody yet. Limits are those that the environment states (debuginfod_find_debuginfo(3)):
    /// `DEBUGINFOD_TIMEOUT`, `DEBUGINFOD_MAXTIME` in seconds, `DEBUGINFOD_MAXSIZE` in bytes.
    pub fn new(mut options: DebuginfodOptions) -> Debuginfod {
        options.urls.retain(|url| {
            let is_known = url.starts_with("http://") || url.starts_with("https://");
            if !is_known {
                options.notes.push(
                    "debuginfod",
                    format!("{url} is not the address of a server"),
                    "it is not asked",
                    "--debuginfod http://HOST or https://HOST",
                );
            }
            is_known
        });
        Debuginfod {
            client: Client::new(Limits::from_env()),
            store: Store::new(options.cache.as_ref()),
            options,
            begun: Instant::now(),
            known: RefCell::default(),
            silent: RefCell::default(),
        }
    }

    /// The file of that build; `None`, with a note where more could be done, if nobody has it.
    pub(super) fn find(&self, module: &str, id: &BuildId, artifact: Artifact) -> Option<Rc<ElfFile>> {
        let key = (id.to_string(), artifact);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let found = self.look(module, id, artifact).map(Rc::new);
        self.known.borrow_mut().insert(key, found.clone());
        found
    }

    fn look(&self, module: &str, id: &BuildId, artifact: Artifact) -> Option<ElfFile> {
        let name = format!("{id}.{}", artifact.name());
        if let Some(file) = self
            .store
            .load(&name)
            .and_then(|(file, path)| checked(&file, path, id).ok())
        {
            return Some(file);
        }
        let mut without = self.store.without(&name);
        let mut is_changed = false;
        let mut found = None;
        for url in &self.options.urls {
            if without.contains(url) || self.silent.borrow().contains(url) {
                continue;
            }
            match self.fetch(module, id, artifact, url, &name) {
                Ok(file) => {
                    found = Some(file);
                    break;
                }
                Err(failure) => {
                    self.note(module, id, artifact, url, &failure);
                    is_changed |= failure.is_answer() && without.insert(url.clone());
                    if failure.is_silence() {
                        self.silent.borrow_mut().insert(url.clone());
                    }
                }
            }
        }
        if found.is_none() && is_changed {
            self.store.keep_without(&name, &without);
        }
        found
    }

    fn fetch(&self, module: &str, id: &BuildId, artifact: Artifact, url: &str, name: &str) -> Result<ElfFile, Failure> {
        let left = TOTAL_TIME
            .checked_sub(self.begun.elapsed())
            .ok_or(Failure::NoTimeLeft)?;
        let address = format!("{}/buildid/{id}/{}", url.trim_end_matches('/'), artifact.name());
        let begun = Instant::now();
        let progress = |received, total| {
            (self.options.progress)(Some(Progress {
                module,
                artifact,
                server: url,
                elapsed: begun.elapsed(),
                received,
                total,
            }));
        };
        progress(0, None);
        let mut part = self.store.new_file().map_err(Failure::Store)?;
        let fetched = self.client.fetch(&address, part.file(), left, &progress);
        (self.options.progress)(None);
        fetched?;
        // Before it gets the name by which other runs trust it.
        checked(part.file(), PathBuf::from(&address), id).map_err(Failure::WrongFile)?;
        let (file, path) = part.keep(name).map_err(Failure::Store)?;
        checked(&file, path.unwrap_or_else(|| PathBuf::from(&address)), id).map_err(Failure::WrongFile)
    }

    fn note(&self, module: &str, id: &BuildId, artifact: Artifact, url: &str, failure: &Failure) {
        let Some(remedy) = failure.remedy() else { return };
        self.options.notes.push(
            "debuginfod",
            format!(
                "the {} of {} (build id {id}) did not come from {url}: {failure}",
                artifact.name(),
                module,
            ),
            match artifact {
                Artifact::DebugInfo => "its frames have names only where other symbols do",
                Artifact::Executable => "frames in it may be missing",
            },
            remedy,
        );
    }
}

impl fmt::Debug for Debuginfod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debuginfod")
            .field("urls", &self.options.urls)
            .finish_non_exhaustive()
    }
}

/// The file, if it is of that build.
fn checked(file: &std::fs::File, path: PathBuf, id: &BuildId) -> Result<ElfFile, ImageError> {
    let elf = ElfFile::open(file, &path)?;
    if elf.build_id.as_ref() == Some(id) {
        return Ok(elf);
    }
    Err(ImageError::OtherBuild {
        path,
        expected: id.clone(),
        found: elf.build_id,
    })
}
