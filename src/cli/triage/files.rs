//! Which files are triaged.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use coldframe::triage::Record;
use coldframe::triage::record::SCHEMA;

/// Folders below each other; more is a loop, or nobody's dumps.
const DEPTH: usize = 32;

/// What to triage.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Dumps, cores and records of crashes, sorted.
    pub files: Vec<PathBuf>,
    /// Results of earlier triages, sorted.
    pub results: Vec<PathBuf>,
}

/// Looks through `paths`. A file that is named itself is taken whatever its name is.
pub fn find(paths: &[PathBuf]) -> anyhow::Result<Inputs> {
    let mut files = BTreeSet::new();
    for path in paths {
        let kind = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        match kind.is_dir() {
            true => walk(path, DEPTH, &mut files),
            false => {
                files.insert(path.clone());
            }
        }
    }
    let mut inputs = Inputs::default();
    for path in files {
        match path.extension().is_some_and(|extension| extension == "ndjson") {
            true => inputs.results.push(path),
            false => inputs.files.push(path),
        }
    }
    Ok(inputs)
}

/// Adds what lies below a folder and looks like a crash. Links are not followed; what cannot be read is passed over, as a
/// folder of another user among those of CI.
fn walk(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && depth > 0 {
            walk(&path, depth - 1, files);
        } else if kind.is_file() && path.file_name().is_some_and(|name| is_crash(&name.to_string_lossy())) {
            files.insert(path);
        }
    }
}

/// `x.dmp`, `x.rec`, `core`, `core.812`, `x.core`, also compressed; results of an earlier triage.
fn is_crash(name: &str) -> bool {
    let compressed = [".gz", ".xz", ".zst", ".lz4"];
    let name = compressed.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let ends = [".dmp", ".rec", ".core", ".ndjson"];
    ends.iter().any(|end| name.ends_with(end)) || name == "core" || name.starts_with("core.")
}

/// Dumps by the end of their path, to find those of an earlier triage's records again wherever the folder lies now.
pub struct Dumps<'a>(HashMap<Tail<'a>, Vec<&'a Path>>);

/// The names of a file and of its folder.
type Tail<'a> = (Option<&'a OsStr>, Option<&'a OsStr>);

fn tail(path: &Path) -> Tail<'_> {
    (path.file_name(), path.parent().and_then(Path::file_name))
}

impl Dumps<'_> {
    /// Of files that were found.
    pub fn of(files: &[PathBuf]) -> Dumps<'_> {
        let mut dumps: HashMap<Tail<'_>, Vec<&Path>> = HashMap::new();
        for file in files {
            dumps.entry(tail(file)).or_default().push(file);
        }
        Dumps(dumps)
    }

    /// The dump of a record: one below the folder that the results lie in.
    pub fn of_record(&self, results: &Path, record: &Record) -> Option<&Path> {
        let folder = results.parent()?;
        let named = self.0.get(&tail(Path::new(&record.path)))?;
        named.iter().copied().find(|dump| dump.starts_with(folder))
    }
}

/// The records of an earlier triage.
pub fn read_all(path: &Path) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    read(path, &mut |record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

/// Gives the records of an earlier triage to `take`, one by one: there may be millions.
pub fn read(path: &Path, take: &mut dyn FnMut(Record) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut reader = BufReader::new(File::open(path).with_context(cannot_read)?);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if reader.read_line(&mut line).with_context(cannot_read)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let record: Record = serde_json::from_str(&line)
            .with_context(|| format!("{}:{number}: not a result of coldframe triage", path.display()))?;
        anyhow::ensure!(
            record.schema == SCHEMA,
            "{}:{number}: its schema is {:?}; this program reads {SCHEMA:?}",
            path.display(),
            record.schema,
        );
        take(record)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_crash;

    #[test]
    fn names() {
        for name in [
            "python3-1-2.dmp",
            "a.rec",
            "core",
            "core.812",
            "core.zst",
            "x.core.gz",
            "shard.ndjson",
        ] {
            assert!(is_crash(name), "{name}");
        }
        for name in ["core_dump.py", "encore", "a.dmp.part", "README"] {
            assert!(!is_crash(name), "{name}");
        }
    }
}
