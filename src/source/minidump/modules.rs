//! The images that a dump lists.

use super::Reader;
use super::raw::stream;
use crate::addr::{Addr, AddrRange};
use crate::source::maps::Mapping;
use crate::source::{BuildId, Module, Modules};

/// The most modules; each may repeat the same long path.
const MAX_MODULES: usize = 8192;
/// The longest module path in UTF-16 units (PATH_MAX is 4,096 bytes).
const MAX_PATH: usize = 4096;
/// A build id record: "BpEL" (minidump-common, `CvSignature::Elf`).
const CV_SIGNATURE_ELF: u32 = 0x4270_454c;
/// The longest build id that is believed.
const MAX_BUILD_ID: usize = 64;

impl Reader<'_> {
    pub(super) fn modules(&self, mappings: &[Mapping]) -> Modules {
        let rows = self
            .rows(stream::MODULE_LIST, "module list", 108)
            .into_iter()
            .take(MAX_MODULES);
        let list = rows.filter_map(|row| {
            let range = AddrRange::new(Addr(row.u64(0)?), u64::from(row.u32(8)?));
            let path = self.raw.string(u64::from(row.u32(20)?), MAX_PATH).unwrap_or_default();
            let build_id = row
                .u32(80)
                .zip(row.u32(76))
                .and_then(|(rva, size)| self.build_id(rva, size));
            (!range.is_empty()).then(|| Module {
                range: extended(range, mappings),
                path: plain_name(path),
                build_id,
            })
        });
        Modules::new(list.collect())
    }

    fn build_id(&self, rva: u32, size: u32) -> Option<BuildId> {
        let record = self.raw.from(rva as usize, size as usize);
        let id = record.0.get(4..)?;
        let is_elf = record.u32(0) == Some(CV_SIGNATURE_ELF) && (1..=MAX_BUILD_ID).contains(&id.len());
        is_elf.then(|| BuildId(id.to_vec()))
    }
}

/// Up to the last mapping of the same file that follows without another file between: lldb lists images with their
/// first segment alone. The file is told by its mappings, as the list may name it by way of a link.
fn extended(range: AddrRange, mappings: &[Mapping]) -> AddrRange {
    let first = mappings.partition_point(|mapping| mapping.range.start < range.start);
    let following = mappings.get(first..).unwrap_or_default();
    let Some(own) = following.first().filter(|mapping| mapping.range.start == range.start) else {
        return range;
    };
    let ends = following
        .iter()
        .skip(1)
        // Where offset 0 is mapped again, another image begins.
        .take_while(|mapping| mapping.file.1 == 0 || (mapping.same_file(own) && mapping.offset > 0))
        .filter(|mapping| mapping.same_file(own))
        .map(|mapping| mapping.range.end);
    AddrRange {
        start: range.start,
        end: ends.fold(range.end.max(own.range.end), Ord::max),
    }
}

/// lldb appends the address to the name of the vDSO.
fn plain_name(path: String) -> String {
    match path.split_once(']') {
        Some((name, _)) if path.starts_with('[') => format!("{name}]"),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::maps::parse_maps;

    #[test]
    fn images_reach_as_far_as_their_mappings() {
        let maps = parse_maps(
            "\
10000-11000 r--p 00000000 08:01 7 /lib/a.so
11000-14000 r-xp 00001000 08:01 7 /lib/a.so
14000-15000 rw-p 00000000 00:00 0
15000-16000 rw-p 00004000 08:01 7 /lib/a.so
16000-17000 rw-p 00000000 00:00 0
17000-18000 r--p 00000000 08:01 7 /lib/a.so
18000-19000 r--p 00000000 08:01 8 /lib/b.so
1a000-1b000 r--p 00001000 08:01 7 /lib/a.so",
        );
        let end = |start: u64, maps: &[Mapping]| extended(AddrRange::new(Addr(start), 0x800), maps).end.0;
        assert_eq!(end(0x10000, &maps), 0x16000);
        assert_eq!(end(0x18000, &maps), 0x19000);
        assert_eq!(end(0x30000, &maps), 0x30800);
        assert_eq!(end(0x10000, &[]), 0x10800);
        assert_eq!(plain_name("[vdso](0x00007ffd)".into()), "[vdso]");
        assert_eq!(plain_name("/a/[b](c)".into()), "/a/[b](c)");
    }
}
