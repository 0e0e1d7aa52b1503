//! Which files are triaged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use coldframe::triage::Record;

/// Folders below each other; more is a loop, or nobody's dumps.
const DEPTH: usize = 32;

/// What to triage.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Dumps, cores and records, sorted.
    pub files: Vec<PathBuf>,
    /// What an earlier triage found.
    pub records: Vec<Record>,
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
            true => inputs.records.extend(read(&path)?),
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

/// The records of an earlier triage.
pub fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let record: Record = serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not a result of coldframe triage", path.display(), index + 1))?;
            anyhow::ensure!(
                record.schema == coldframe::triage::record::SCHEMA,
                "{}:{}: its schema is {:?}; this program reads {:?}",
                path.display(),
                index + 1,
                record.schema,
                coldframe::triage::record::SCHEMA
            );
            Ok(record)
        })
        .collect()
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
