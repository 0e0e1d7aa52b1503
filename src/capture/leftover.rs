//! Records that processes of a run left where no helper could make a dump.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use coldframe_handler::wire::{FixedRecord, RECORD_EXTENSION};

use crate::source::record::Record;

/// A record and what it says.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub record: Record,
}

/// The records in `folder` of processes whose supervisor listens at `address` (see
/// [`super::channel::Listener::address`]), in the order of their crashes. Others, of an earlier run or of one that
/// shares the folder, are passed over; so is what was written before `started`.
#[must_use]
pub fn leftovers(folder: &Path, address: &str, started: SystemTime) -> Vec<Leftover> {
    let name = address.split(':').next().unwrap_or_default();
    if name.is_empty() {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut list: Vec<Leftover> = entries
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == RECORD_EXTENSION)
        })
        // A folder may hold those of years.
        .filter(|entry| {
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file);
            meta.and_then(|meta| meta.modified().ok())
                .is_some_and(|time| time >= started)
        })
        .filter_map(|entry| {
            let path = entry.path();
            let mut bytes = Vec::new();
            let mut file = File::open(&path).ok()?.take(size_of::<FixedRecord>() as u64);
            file.read_to_end(&mut bytes).ok()?;
            let record = Record::parse(&bytes).ok()?;
            (record.supervisor == name).then_some(Leftover { path, record })
        })
        .collect();
    list.sort_by_key(|leftover| leftover.record.request.monotonic_ns);
    list
}
