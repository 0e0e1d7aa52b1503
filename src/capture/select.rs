//! Which bytes of the process go into the dump.
//!
//! What the analysis read, the stacks, minus what must not leave the machine. Ranges are never rounded
//! up: what lies beside an object may be somebody's password.

use std::collections::BTreeMap;

use super::extent::extents;
use crate::addr::{Addr, AddrRange};
use crate::notes::Notes;
use crate::source::Memory;
use crate::source::maps::Mapping;
use crate::source::ranges;
use crate::source::streams::NativeStep;

/// Below the stack pointer a function that calls nobody may keep data (System V psABI AMD64, 3.2.2).
const RED_ZONE: u64 = 128;
/// The most stack memory kept of the crashed thread, and of another; a deeper stack keeps its innermost
/// part, and its frames are in the stacks stream.
pub const MAX_STACK_CRASHED: u64 = 256 * 1024;
/// See [`MAX_STACK_CRASHED`].
pub const MAX_STACK_OTHER: u64 = 64 * 1024;
/// Kept above the stack pointer of a thread that could not be unwound, for readers that scan.
const BLIND_STACK: u64 = 1024;
/// Ranges are tried in pieces of this size.
const PIECE: u64 = 64 * 1024;
/// The least that can be unreadable.
const PAGE: u64 = 4096;

/// What is known when bytes are selected.
#[derive(Default)]
pub struct SelectionRequest<'a> {
    /// What was read, by group, the most important first ([`crate::source::Recorder::groups`]).
    pub recorded: &'a [Vec<AddrRange>],
    /// The stacks to keep, the most important first.
    pub stacks: &'a [StackRequest<'a>],
    /// What no dump may hold: redacted objects, and arguments and environment
    /// ([`crate::source::LiveProcess::private_ranges`]).
    pub excluded: &'a [AddrRange],
    /// What is mapped where; stacks are kept within one mapping. Empty where that is not known.
    pub mappings: &'a [Mapping],
    /// The most bytes to keep.
    pub max_bytes: u64,
}

/// The stack of one thread.
#[derive(Clone, Copy, Debug)]
pub struct StackRequest<'a> {
    /// The thread.
    pub tid: u32,
    /// Its stack pointer.
    pub sp: Addr,
    /// Its frames, innermost first; may be empty.
    pub steps: &'a [NativeStep],
    /// Whether it is the thread that crashed.
    pub crashed: bool,
}

/// What to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// All memory: sorted, no two ranges overlap or touch, and every byte could be read.
    pub ranges: Vec<AddrRange>,
    /// By thread id: the part of `ranges` that is its innermost stack, from below its stack pointer.
    pub stacks: BTreeMap<u32, AddrRange>,
}

impl Selection {
    /// How many bytes of memory are kept.
    pub fn bytes(&self) -> u64 {
        ranges::total(&self.ranges)
    }
}

/// Decides what to write. What had to be left out becomes a note; nothing here is fatal.
pub fn select(memory: &dyn Memory, request: &SelectionRequest<'_>, notes: &Notes) -> Selection {
    let mut excluded = request.excluded.to_vec();
    ranges::normalize(&mut excluded);
    let mut budget = Budget {
        left: request.max_bytes,
        chosen: Vec::new(),
        excluded,
        dropped: 0,
        unreadable: 0,
    };

    // The innermost frames of the crashed thread come before everything else: without them a dump is
    // of no use to any reader.
    let kept: Vec<_> = request
        .stacks
        .iter()
        .map(|stack| (stack, stack_ranges(stack, request.mappings)))
        .collect();
    let of_threads = |crashed: bool| {
        kept.iter()
            .filter(move |(s, _)| s.crashed == crashed)
            .flat_map(|(_, list)| list)
    };
    budget.add(memory, of_threads(true));
    let mut groups = request.recorded.iter();
    budget.add(memory, groups.next().into_iter().flatten());
    budget.add(memory, of_threads(false));
    for group in groups {
        budget.add(memory, group);
    }
    budget.note(request.max_bytes, notes);

    // What was cut out of a stack, or could not be read, ends it.
    let chosen = budget.chosen;
    let innermost = kept
        .iter()
        .filter_map(|(stack, list)| Some((stack.tid, readable_part(&chosen, *list.first()?)?)));
    Selection {
        stacks: innermost.collect(),
        ranges: chosen,
    }
}

/// The first stretch of `wanted` that was chosen.
fn readable_part(chosen: &[AddrRange], wanted: AddrRange) -> Option<AddrRange> {
    let index = chosen.partition_point(|range| range.end <= wanted.start);
    let range = chosen.get(index)?;
    let part = AddrRange {
        start: range.start.max(wanted.start),
        end: range.end.min(wanted.end),
    };
    (!part.is_empty()).then_some(part)
}

/// The stack memory of a thread, innermost first: one range, or several where a signal handler runs
/// on a stack of its own.
pub fn stack_ranges(stack: &StackRequest<'_>, mappings: &[Mapping]) -> Vec<AddrRange> {
    let limit = if stack.crashed {
        MAX_STACK_CRASHED
    } else {
        MAX_STACK_OTHER
    };
    let list = extents(stack.sp, stack.steps);
    let mut left = limit;
    let mut kept = Vec::new();
    for mut range in list {
        if range.is_empty() {
            range.end = range.start.add(BLIND_STACK);
        }
        range.start = Addr(range.start.0.saturating_sub(RED_ZONE));
        let range = within_mapping(range, mappings);
        let range = AddrRange {
            start: range.start,
            end: range.end.min(Addr(range.start.0.saturating_add(left))),
        };
        if range.is_empty() {
            continue;
        }
        left -= range.len();
        kept.push(range);
    }
    kept
}

/// Cuts a stack at the ends of the mapping that its stack pointer lies in.
fn within_mapping(range: AddrRange, mappings: &[Mapping]) -> AddrRange {
    if mappings.is_empty() {
        return range;
    }
    // The red zone may reach below the mapping.
    let sp = range.start.add(RED_ZONE);
    // A stack that overflowed begins below its mapping, in its guard where that is one.
    let holds = |m: &&Mapping| m.read && sp < m.range.end && m.range.start < range.end;
    match mappings.iter().find(holds) {
        Some(m) => AddrRange {
            start: range.start.max(m.range.start),
            end: range.end.min(m.range.end),
        },
        // A wild stack pointer: nothing to keep.
        None => AddrRange::default(),
    }
}

/// Takes ranges until the bytes run out.
struct Budget {
    left: u64,
    /// Normal ([`ranges`]).
    chosen: Vec<AddrRange>,
    excluded: Vec<AddrRange>,
    dropped: u64,
    unreadable: u64,
}

impl Budget {
    /// Adds what is not chosen yet, in this order, as far as the budget goes.
    fn add<'r>(&mut self, memory: &dyn Memory, wanted: impl IntoIterator<Item = &'r AddrRange>) {
        let mut buffer = vec![0; PIECE as usize];
        let mut accepted = Vec::new();
        for range in wanted {
            let allowed = ranges::subtract(&[*range], ranges::overlapping(&self.excluded, *range));
            for range in ranges::subtract(&allowed, ranges::overlapping(&self.chosen, *range)) {
                let fitting = range.len().min(self.left);
                self.dropped = self.dropped.saturating_add(range.len() - fitting);
                let start = after_guard(memory, range.start).min(range.start.add(fitting));
                let readable = readable_len(memory, start, range.start.add(fitting).0 - start.0, &mut buffer);
                self.unreadable += u64::from(readable < fitting);
                self.left -= readable;
                accepted.push(AddrRange::new(start, readable));
            }
        }
        // Once for all of them: thousands of stacks would make it quadratic.
        self.chosen.append(&mut accepted);
        ranges::normalize(&mut self.chosen);
    }

    fn note(&self, max_bytes: u64, notes: &Notes) {
        if self.dropped > 0 {
            notes.push(
                "capture",
                format!(
                    "{} bytes of memory did not fit into the {max_bytes} that a dump may have",
                    self.dropped
                ),
                "values of the frames furthest from the crash are missing",
                "raise --max-bytes",
            );
        }
        if self.unreadable > 0 {
            notes.push(
                "capture",
                format!("{} ranges could not be read when the dump was written", self.unreadable),
                "their bytes are missing; the process was still running, or it unmapped them",
                "",
            );
        }
    }
}

/// An overflowed stack may begin in its guard, which a mapping need not tell (`MADV_GUARD_INSTALL`, madvise(2)).
fn after_guard(memory: &dyn Memory, start: Addr) -> Addr {
    match memory.read(start, &mut [0]) {
        Ok(()) => start,
        Err(_) => Addr((start.0 | (PAGE - 1)).saturating_add(1)),
    }
}

/// How many bytes from `start` on can be read, tried in pieces that end where pages end.
fn readable_len(memory: &dyn Memory, start: Addr, len: u64, buffer: &mut [u8]) -> u64 {
    let mut done = 0;
    let mut step = PIECE;
    while done < len {
        let at = start.add(done);
        let piece = (step - at.0 % step).min(len - done);
        let Some(buffer) = buffer.get_mut(..piece as usize) else {
            break;
        };
        if memory.read(at, buffer).is_ok() {
            done += piece;
        } else if step > PAGE {
            // Find the page that is missing.
            step = PAGE;
        } else {
            break;
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;
    use crate::source::maps::parse_maps;
    use crate::source::streams::Trust;

    fn range(start: u64, len: u64) -> AddrRange {
        AddrRange::new(Addr(start), len)
    }

    fn step(sp: u64, cfa: u64) -> NativeStep {
        NativeStep {
            pc: Addr(1),
            sp: Addr(sp),
            cfa: Addr(cfa),
            trust: Trust::Cfi,
            is_exact: false,
            is_signal_trampoline: false,
        }
    }

    #[test]
    fn recorded_ranges_are_exact_and_exclusions_win() {
        let memory = FakeMemory::new().with(Addr(0x1000), vec![1; 0x1000]);
        let recorded = [
            vec![range(0x1001, 7), range(0x1008, 8)],
            vec![range(0x1100, 32), range(0x1ff0, 32)],
        ];
        let request = SelectionRequest {
            recorded: &recorded,
            excluded: &[range(0x1108, 8)],
            max_bytes: 1000,
            ..SelectionRequest::default()
        };
        let notes = Notes::new();
        let selection = select(&memory, &request, &notes);
        // The last one runs over the end of the memory: its readable part stays.
        let wanted = [
            range(0x1001, 15),
            range(0x1100, 8),
            range(0x1110, 16),
            range(0x1ff0, 16),
        ];
        assert_eq!(selection.ranges, wanted);
        assert_eq!(notes.to_vec().len(), 1);
    }

    #[test]
    fn over_budget_the_last_group_loses() {
        let memory = FakeMemory::new().with(Addr(0x1000), vec![1; 0x1000]);
        let recorded = [vec![range(0x1800, 100)], vec![range(0x1000, 100)]];
        let request = SelectionRequest {
            recorded: &recorded,
            max_bytes: 150,
            ..SelectionRequest::default()
        };
        let notes = Notes::new();
        let selection = select(&memory, &request, &notes);
        assert_eq!(selection.ranges, [range(0x1000, 50), range(0x1800, 100)]);
        assert_eq!(selection.bytes(), 150);
        assert!(notes.to_vec()[0].what.contains("50 bytes"), "{:?}", notes.to_vec());
    }

    #[test]
    fn an_alternate_stack_in_the_heap_does_not_drag_the_heap_in() {
        let maps = parse_maps("100000-900000 rw-p 0 00:00 0 [heap]\n7f0000-800000 rw-p 0 00:00 0\n");
        let memory = FakeMemory::new().with(Addr(0x10_0000), vec![1; 0x80_0000]);
        let trampoline = NativeStep {
            is_signal_trampoline: true,
            ..step(0x20_0100, 0x20_0500)
        };
        let steps = [step(0x20_0000, 0x20_0100), trampoline, step(0x7f_1000, 0x7f_1040)];
        let stacks = [StackRequest {
            tid: 7,
            sp: Addr(0x20_0000),
            steps: &steps,
            crashed: true,
        }];
        let request = SelectionRequest {
            stacks: &stacks,
            mappings: &maps,
            max_bytes: 1 << 20,
            ..SelectionRequest::default()
        };
        let selection = select(&memory, &request, &Notes::new());
        let (alternate, interrupted) = (
            range(0x20_0000 - RED_ZONE, 0x500 + RED_ZONE),
            range(0x7f_1000 - RED_ZONE, 0x40 + RED_ZONE),
        );
        assert_eq!(selection.ranges, [alternate, interrupted]);
        assert_eq!(selection.stacks[&7], alternate);
    }

    #[test]
    fn an_overflowed_stack_begins_below_its_mapping() {
        const STACK: &str = "200000-280000 rw-p 0 00:00 0 [stack]\n";
        let memory = FakeMemory::new().with(Addr(0x20_0000), vec![1; 0x8_0000]);
        let kept = |maps: &str, sp| {
            let maps = parse_maps(maps);
            let steps = [step(sp, 0x20_0100)];
            let stacks = [StackRequest {
                tid: 7,
                sp: Addr(sp),
                steps: &steps,
                crashed: true,
            }];
            let request = SelectionRequest {
                stacks: &stacks,
                mappings: &maps,
                max_bytes: 1 << 20,
                ..SelectionRequest::default()
            };
            select(&memory, &request, &Notes::new()).ranges
        };
        let guard = format!("1ff000-200000 ---p 0 00:00 0\n{STACK}");
        for maps in [STACK, &guard, "1ff000-280000 rw-p 0 00:00 0\n"] {
            assert_eq!(kept(maps, 0x1f_fff0), [range(0x20_0000, 0x100)], "{maps}");
        }
        assert_eq!(kept(STACK, 0x30_0000), []);
    }

    #[test]
    fn deep_and_smashed_stacks_are_bounded() {
        let memory = FakeMemory::new().with(Addr(0x10_0000), vec![1; 0x40_0000]);
        let deep: Vec<_> = (0..20_000u64)
            .map(|i| step(0x10_1000 + i * 64, 0x10_1040 + i * 64))
            .collect();
        let smashed = [step(0x10_1000, u64::MAX), step(u64::MAX, u64::MAX), step(0, 0)];
        for (steps, crashed, wanted) in [
            (&deep[..], false, MAX_STACK_OTHER),
            (&deep, true, MAX_STACK_CRASHED),
            (&smashed, true, 0),
            (&[], true, 0),
        ] {
            let stacks = [StackRequest {
                tid: 1,
                sp: Addr(0x10_1000),
                steps,
                crashed,
            }];
            let request = SelectionRequest {
                stacks: &stacks,
                max_bytes: 1 << 30,
                ..SelectionRequest::default()
            };
            let selection = select(&memory, &request, &Notes::new());
            let wanted = if wanted == 0 { BLIND_STACK + RED_ZONE } else { wanted };
            assert_eq!(selection.stacks[&1], range(0x10_1000 - RED_ZONE, wanted));
            assert_eq!(selection.bytes(), wanted, "{steps:?}");
        }
    }
}
