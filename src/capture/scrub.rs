//! Bytes that are selected for a dump and must be zero in it.

use super::select::Selection;
use crate::addr::{Addr, AddrRange};
use crate::redact::Redactor;
use crate::source::maps::Mapping;
use crate::source::{Memory, MemoryExt, Modules, ranges};

/// Memory is searched in pieces of this size ...
const PIECE: u64 = 64 * 1024;
/// ... each of which begins so much before the end of the last: no secret that is looked for is longer.
const OVERLAP: u64 = 4096;
/// So many bytes of text in a word, and it is taken for a part of a string.
const TEXT_BYTES: usize = 5;

/// Where the selected memory holds secrets: copies of known ones, and what has the form of a key.
pub fn secrets(memory: &dyn Memory, selection: &Selection, redactor: &Redactor) -> Vec<AddrRange> {
    let mut found = Vec::new();
    for range in &selection.ranges {
        let mut at = range.start;
        while at < range.end {
            let len = PIECE.min(range.end.0 - at.0);
            if let Ok(bytes) = memory.read_vec(at, len as usize) {
                let secrets = redactor.secrets_in_bytes(&bytes).into_iter();
                found.extend(secrets.map(|part| AddrRange::new(at.add(part.start as u64), part.len() as u64)));
            }
            let is_last = at.add(len) >= range.end;
            at = at.add(if is_last { len } else { len - OVERLAP });
        }
    }
    ranges::normalize(&mut found);
    found
}

/// The words of these stacks that are no addresses of code or of a stack. What the analysis read (`recorded`) it needs
/// again: of that, only what points nowhere and reads like text.
pub fn no_addresses(
    memory: &dyn Memory,
    stacks: &[AddrRange],
    recorded: &[AddrRange],
    modules: &Modules,
    mappings: &[Mapping],
) -> Vec<AddrRange> {
    let mut mapped: Vec<AddrRange> = mappings.iter().map(|mapping| mapping.range).collect();
    ranges::normalize(&mut mapped);
    let mut found = Vec::new();
    for stack in stacks {
        // Words lie at multiples of their size; what is cut off at either end is none.
        let start = Addr(stack.start.0.next_multiple_of(8));
        let Ok(bytes) = memory.read_vec(start, (stack.end.0.saturating_sub(start.0) & !7) as usize) else {
            found.push(*stack);
            continue;
        };
        for (index, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let at = start.add(index as u64 * 8);
            let target = Addr(u64::from_le_bytes(*word));
            let is_kept = match ranges::find(recorded, at) {
                Some(_) => ranges::find(&mapped, target).is_some() || !is_text(word),
                None => modules.find(target).is_some() || stacks.iter().any(|stack| stack.contains(target)),
            };
            if !is_kept && target.0 != 0 {
                found.push(AddrRange::new(at, 8));
            }
        }
        found.push(AddrRange {
            start: stack.start,
            end: start.min(stack.end),
        });
        found.push(AddrRange {
            start: start.add(bytes.len() as u64),
            end: stack.end,
        });
    }
    found.retain(|range| range.start < range.end);
    ranges::normalize(&mut found);
    found
}

fn is_text(word: &[u8; 8]) -> bool {
    let is_printable = |byte: &&u8| byte.is_ascii_graphic() || **byte == b' ' || **byte >= 0x80;
    // Also of UCS-2, every second byte of which is zero as a rule.
    let wide = word
        .as_chunks::<2>()
        .0
        .iter()
        .all(|[low, high]| low.is_ascii_graphic() && *high == 0);
    wide || word.iter().filter(is_printable).count() >= TEXT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Rules;
    use crate::source::fake::FakeMemory;
    use crate::source::maps::parse_maps;

    #[test]
    fn copies_are_found_across_pieces() {
        let redactor = Redactor::new(Rules::default());
        redactor.add_text("hunter-two-hunter");
        redactor.next_pass();
        let mut bytes = vec![b'.'; 200_000];
        for at in [0, 65_530, 199_983] {
            bytes[at..at + 17].copy_from_slice(b"hunter-two-hunter");
        }
        let memory = FakeMemory::new().with(Addr(0x10_0000), bytes);
        let selection = Selection {
            ranges: vec![AddrRange::new(Addr(0x10_0000), 200_000)],
            ..Selection::default()
        };
        let wanted = [0, 65_530, 199_983].map(|at| AddrRange::new(Addr(0x10_0000 + at), 17));
        assert_eq!(secrets(&memory, &selection, &redactor), wanted);
    }

    #[test]
    fn only_addresses_stay() {
        let words: [[u8; 8]; 5] = [
            0x7000_0010u64.to_le_bytes(),
            *b"hunter2-",
            0x5000_0010u64.to_le_bytes(),
            *b"hunter2\0",
            7u64.to_le_bytes(),
        ];
        let stack = AddrRange::new(Addr(0x7000_0000), 40);
        let memory = FakeMemory::new().with(stack.start, words.concat());
        let mappings = parse_maps("50000000-50001000 rw-p 0 00:00 0\n70000000-70001000 rw-p 0 00:00 0 [stack]\n");
        let word = |index: u64| AddrRange::new(Addr(0x7000_0000 + index * 8), 8);
        let zeroed = |recorded: &[AddrRange]| no_addresses(&memory, &[stack], recorded, &Modules::default(), &mappings);
        assert_eq!(zeroed(&[]), [AddrRange::new(word(1).start, 32)]);
        assert_eq!(zeroed(&[stack]), [word(1), word(3)]);
    }
}
