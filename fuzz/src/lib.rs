//! What the fuzz targets share: an input as a file, a whole analysis of a target, a synthetic process.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use coldframe::addr::{Addr, AddrRange};
use coldframe::image::{Images, Symbolizer};
use coldframe::layout::{Flavour, Layout, Provider, PythonVersion, VERSIONS, builtin};
use coldframe::notes::Notes;
use coldframe::report::text::{Form, TextOptions};
use coldframe::report::{json, text};
use coldframe::session::{self, Options, Subject};
use coldframe::source::{Memory, ReadError, Target};

/// The input as an open file without a name.
pub fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile_in(folder()).expect("a temporary file");
    file.write_all(data).expect("room for it");
    file.seek(SeekFrom::Start(0)).expect("a file");
    file
}

/// The input as a file with a name, which the next input replaces.
pub fn named_file(data: &[u8]) -> PathBuf {
    static LAST: OnceLock<Mutex<Option<tempfile::TempPath>>> = OnceLock::new();
    let mut file = tempfile::NamedTempFile::new_in(folder()).expect("a temporary file");
    file.write_all(data).expect("room for it");
    let path = file.into_temp_path();
    let name = path.to_path_buf();
    // A new file each time: the one before may still be mapped, and must not change then.
    *LAST.get_or_init(Mutex::default).lock().expect("one thread") = Some(path);
    name
}

/// Memory, where there is such a folder.
fn folder() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// Analyses a target without any file, and renders the report in every form.
pub fn analyse(target: &dyn Target) {
    let images = Images::offline_only();
    let notes = Notes::new();
    let symbolizer = Symbolizer::new(&images, target.modules(), &target.recorded().symbols);
    let subject = Subject {
        target,
        images: &images,
        symbolizer: &symbolizer,
        cache: None,
        notes: &notes,
    };
    let analysis = session::analyze(subject, &Options::default());
    let line = json::line(&analysis.report).expect("a report is plain JSON");
    assert_eq!(line.lines().count(), 1);
    let shown = text::render(&analysis.report, &TextOptions::new(Form::Full));
    assert!(!shown.contains('\x1b'), "an escape sequence got through");
}

/// A memory that is the input, from [`START`] on: small numbers in it are pointers into it.
pub struct Bytes<'a>(pub &'a [u8]);

/// Where [`Bytes`] begin.
pub const START: u64 = 0x1000;

impl Memory for Bytes<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let range = AddrRange::new(Addr(START), self.0.len() as u64);
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        if !range.contains(addr) {
            return Err(error);
        }
        let at = (addr.0 - START) as usize;
        let bytes = at
            .checked_add(buf.len())
            .and_then(|end| self.0.get(at..end))
            .ok_or(error)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// The layout of one of the versions in the built-in table, with the runtime behind sixteen words of [`Bytes`].
pub fn layout(choice: u8) -> &'static Layout {
    // Parsing the table anew for each input would take most of the time.
    static LAYOUTS: OnceLock<Vec<Layout>> = OnceLock::new();
    let layouts = LAYOUTS.get_or_init(|| [false, true].into_iter().flat_map(layouts).collect());
    &layouts[usize::from(choice) % layouts.len()]
}

fn layouts(free_threaded: bool) -> impl Iterator<Item = Layout> {
    let flavour = Flavour {
        free_threaded,
        debug: false,
    };
    VERSIONS.iter().filter_map(move |row| {
        let version = PythonVersion::release(3, row.minor, 0);
        Some(Layout {
            version,
            flavour,
            runtime: Addr(START + 128),
            image: Addr(START),
            offsets: builtin(version, flavour)?.offsets,
            behaviour: row.behaviour_of(flavour)?,
            provider: Provider::BuiltIn,
            detail: String::new(),
        })
    })
}
