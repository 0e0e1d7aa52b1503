//! Symbols of one image kept between runs: a crash that comes again is named without opening DWARF.
//!
//! Contents: the identity of the files (they may be replaced), then entries sorted by address, then
//! their frames, all little-endian. Entries are decoded one by one as they are asked for.

use std::collections::BTreeMap;

use crate::addr::Svma;
use crate::source::streams::SymbolFrame;

use super::{CacheDir, CacheKind};

/// Version 2: as described above. Version 1 named code without a symbol after what stands before it.
const KIND: CacheKind = CacheKind {
    name: "symbols",
    version: 2,
};
/// A crash has some hundred distinct addresses, with some hundred bytes each.
const MAX_BYTES: usize = 1 << 20;
const ENTRY_SIZE: usize = 12;

/// The cached symbols of one image.
#[derive(Debug)]
pub(super) struct SymbolCache {
    key: String,
    identity: String,
    stored: Option<Stored>,
    /// Found since.
    fresh: BTreeMap<Svma, Vec<SymbolFrame>>,
}

impl SymbolCache {
    /// What is there for the image with this key; answers made from other files are dropped.
    pub fn load(dir: &CacheDir, key: String, identity: String) -> SymbolCache {
        SymbolCache {
            stored: Stored::load(dir, &key, &identity),
            key,
            identity,
            fresh: BTreeMap::new(),
        }
    }

    pub fn get(&self, address: Svma) -> Option<Vec<SymbolFrame>> {
        self.stored.as_ref()?.get(address)
    }

    pub fn put(&mut self, address: Svma, frames: Vec<SymbolFrame>) {
        self.fresh.insert(address, frames);
    }

    /// Adds what was found to what is stored by now (other processes may have added to it, too). Past
    /// the size bound, older entries are left out.
    pub fn save(&mut self, dir: &CacheDir) {
        if self.fresh.is_empty() {
            return;
        }
        let mut entries = std::mem::take(&mut self.fresh);
        let mut size: usize = entries.values().map(|frames| size_of(frames)).sum();
        for (address, frames) in Stored::load(dir, &self.key, &self.identity)
            .iter()
            .flat_map(Stored::iter)
        {
            size += size_of(&frames);
            if size > MAX_BYTES {
                break;
            }
            entries.entry(address).or_insert(frames);
        }
        // Not being able to store costs time at the next crash, nothing else.
        let _ = dir.store(KIND, &self.key, &encode(&self.identity, &entries));
    }
}

/// Contents of a cache file.
#[derive(Debug)]
struct Stored {
    bytes: Vec<u8>,
    /// Where the entries start, and how many there are.
    entries: (usize, usize),
}

impl Stored {
    fn load(dir: &CacheDir, key: &str, identity: &str) -> Option<Stored> {
        let bytes = dir.load(KIND, key)?;
        let mut reader = Reader { bytes: &bytes, at: 0 };
        if reader.text()? != Some(identity.to_string()) {
            return None;
        }
        let count = reader.u32()? as usize;
        let start = reader.at;
        reader.take(count.checked_mul(ENTRY_SIZE)?)?;
        Some(Stored {
            bytes,
            entries: (start, count),
        })
    }

    fn entry(&self, index: usize) -> Option<(Svma, usize)> {
        let at = self.entries.0.checked_add(index.checked_mul(ENTRY_SIZE)?)?;
        let mut reader = Reader { bytes: &self.bytes, at };
        Some((Svma(reader.u64()?), reader.u32()? as usize))
    }

    fn get(&self, address: Svma) -> Option<Vec<SymbolFrame>> {
        let (mut low, mut high) = (0, self.entries.1);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, at) = self.entry(middle)?;
            match found.cmp(&address) {
                std::cmp::Ordering::Equal => return self.frames(at),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn iter(&self) -> impl Iterator<Item = (Svma, Vec<SymbolFrame>)> {
        (0..self.entries.1).filter_map(|index| {
            let (address, at) = self.entry(index)?;
            Some((address, self.frames(at)?))
        })
    }

    fn frames(&self, at: usize) -> Option<Vec<SymbolFrame>> {
        let mut reader = Reader { bytes: &self.bytes, at };
        let count = reader.u32()?;
        let mut frames = Vec::new();
        for _ in 0..count {
            frames.push(SymbolFrame {
                function: reader.text()?,
                file: reader.text()?,
                line: reader.number()?,
                column: reader.number()?,
                inlined: reader.u32()? != 0,
            });
        }
        Some(frames)
    }
}

/// Texts are a length plus one (0: none) and the bytes; numbers a value plus one.
fn encode(identity: &str, entries: &BTreeMap<Svma, Vec<SymbolFrame>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_text(&mut bytes, Some(identity));
    put(&mut bytes, entries.len() as u32);
    let mut frames = Vec::new();
    let base = bytes.len() + entries.len() * ENTRY_SIZE;
    for (address, list) in entries {
        bytes.extend(address.0.to_le_bytes());
        put(&mut bytes, (base + frames.len()) as u32);
        put(&mut frames, list.len() as u32);
        for frame in list {
            put_text(&mut frames, frame.function.as_deref());
            put_text(&mut frames, frame.file.as_deref());
            put(&mut frames, frame.line.map_or(0, |n| n.saturating_add(1)));
            put(&mut frames, frame.column.map_or(0, |n| n.saturating_add(1)));
            put(&mut frames, u32::from(frame.inlined));
        }
    }
    bytes.extend(frames);
    bytes
}

fn put(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    put(bytes, text.map_or(0, |text| text.len() as u32 + 1));
    bytes.extend(text.unwrap_or_default().as_bytes());
}

fn size_of(frames: &[SymbolFrame]) -> usize {
    let text = |text: &Option<String>| 4 + text.as_ref().map_or(0, String::len);
    let frame = |frame: &SymbolFrame| 12 + text(&frame.function) + text(&frame.file);
    ENTRY_SIZE + 4 + frames.iter().map(frame).sum::<usize>()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|b| u64::from_le_bytes(*b))
    }

    fn number(&mut self) -> Option<Option<u32>> {
        self.u32().map(|n| n.checked_sub(1))
    }

    fn text(&mut self) -> Option<Option<String>> {
        let Some(len) = self.number()? else {
            return Some(None);
        };
        let bytes = self.take(len as usize)?.to_vec();
        String::from_utf8(bytes).ok().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, line: u32) -> SymbolFrame {
        SymbolFrame {
            function: Some(name.to_string()),
            file: (line > 0).then(|| "a.c".to_string()),
            line: (line > 0).then_some(line),
            column: None,
            inlined: line == 7,
        }
    }

    #[test]
    fn answers_are_kept_and_merged() {
        let folder = tempfile::tempdir().unwrap();
        let dir = CacheDir::at(folder.path()).unwrap();
        let load = |identity: &str| SymbolCache::load(&dir, "ab".into(), identity.into());
        let (mut one, mut two) = (load("now"), load("now"));
        one.put(Svma(0x10), vec![frame("f", 7), frame("g", 0)]);
        one.put(Svma(0x30), vec![]);
        one.save(&dir);
        two.put(Svma(0x20), vec![frame("h", 3)]);
        two.save(&dir);
        let both = load("now");
        assert_eq!(both.get(Svma(0x10)), Some(vec![frame("f", 7), frame("g", 0)]));
        assert_eq!(both.get(Svma(0x20)), Some(vec![frame("h", 3)]));
        assert_eq!(both.get(Svma(0x30)), Some(vec![]));
        assert_eq!(both.get(Svma(0x11)), None);
        assert_eq!(load("replaced").get(Svma(0x10)), None);
    }

    #[test]
    fn the_file_stays_below_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let dir = CacheDir::at(folder.path()).unwrap();
        for round in 0..4u64 {
            let mut cache = SymbolCache::load(&dir, "ab".into(), "now".into());
            for n in 0..1000 {
                cache.put(Svma(round * 1000 + n), vec![frame(&"x".repeat(500), 1)]);
            }
            cache.save(&dir);
        }
        let size = dir.load(KIND, "ab").unwrap().len();
        assert!((500_000..MAX_BYTES + 1000).contains(&size), "{size}");
        let cache = SymbolCache::load(&dir, "ab".into(), "now".into());
        assert!(cache.get(Svma(3500)).is_some(), "the newest stay");
    }
}
