//! Offsets from debug information. The input is the sections, each behind its length in four bytes.
#![no_main]

use coldframe::layout::offsets_from_dwarf;
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

/// The sections that matter, in the order of the input.
const SECTIONS: [SectionId; 6] = [
    SectionId::DebugAbbrev,
    SectionId::DebugInfo,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugLineStr,
    SectionId::DebugTypes,
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let parts = SECTIONS.map(|_| {
        let (len, after) = rest
            .split_first_chunk()
            .map_or((0, rest), |(len, after)| (u32::from_le_bytes(*len), after));
        let (part, after) = after.split_at(after.len().min(len as usize));
        rest = after;
        part
    });
    let section = |id: SectionId| -> Result<_, gimli::Error> {
        let part = SECTIONS
            .iter()
            .position(|known| *known == id)
            .map_or(&[][..], |index| parts[index]);
        Ok(EndianSlice::new(part, LittleEndian))
    };
    if let Ok(dwarf) = Dwarf::load(section) {
        let _ = offsets_from_dwarf(dwarf);
    }
});
