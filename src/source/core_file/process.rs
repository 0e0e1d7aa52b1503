//! Which process it was: what the notes and the bottom of the main stack tell.

use super::notes::CoreNotes;
use crate::addr::Addr;
use crate::source::streams::ProcessContext;
use crate::source::{Memory, MemoryExt};

/// Keys of the auxiliary vector (getauxval(3)).
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
/// How far below the bytes of AT_RANDOM the vector lies at most: platform strings, and up to 8 KiB that
/// the kernel leaves out at random (arch/x86/kernel/process.c, `arch_align_stack`).
const VECTOR_DISTANCE: u64 = 12 * 1024;
/// The most arguments and variables that are looked at.
const MAX_POINTERS: u64 = 1 << 16;
/// The most arguments that are kept, and bytes of each.
const MAX_ARGUMENTS: u64 = 1024;
const MAX_ARGUMENT: usize = 4096;
const WORD: u64 = 8;

/// Describes the process.
pub(super) fn describe(memory: &dyn Memory, notes: &CoreNotes) -> ProcessContext {
    let first_tid = notes.threads.first().map(|thread| thread.tid);
    ProcessContext {
        pid: notes.pid.or(first_tid).unwrap_or_default(),
        command: command(memory, notes),
        executable: executable(memory, notes),
        arch: Some("x86_64".to_string()),
        ..ProcessContext::default()
    }
}

/// The file that holds the entry point; else what the program was started as; else its name.
fn executable(memory: &dyn Memory, notes: &CoreNotes) -> String {
    let of_entry = notes.auxiliary(AT_ENTRY).and_then(|entry| {
        let file = notes.files.iter().find(|file| file.range.contains(Addr(entry)))?;
        let path = file.path.as_str();
        Some(path.strip_suffix(" (deleted)").unwrap_or(path).to_string())
    });
    let as_started = || {
        let name = memory.read_c_string(Addr(notes.auxiliary(AT_EXECFN)?), MAX_ARGUMENT);
        Some(String::from_utf8_lossy(&name.ok()?).into_owned())
    };
    of_entry.or_else(as_started).unwrap_or_else(|| notes.name.clone())
}

/// The whole command line from the stack; else as much of it as the kernel noted.
fn command(memory: &dyn Memory, notes: &CoreNotes) -> Vec<String> {
    arguments(memory, notes).unwrap_or_else(|| notes.arguments.split(' ').map(str::to_string).collect())
}

/// The arguments, found from the auxiliary vector downwards: below it lie the pointers to the
/// variables, a null, the pointers to the arguments, a null between, and their number (System V psABI
/// AMD64, section 3.4.1).
fn arguments(memory: &dyn Memory, notes: &CoreNotes) -> Option<Vec<String>> {
    let vector = find_vector(memory, notes)?;
    let mut at = vector.sub(2 * WORD);
    // The variables; the null after them was skipped.
    at = below_pointers(memory, at)?;
    let end = at;
    at = below_pointers(memory, end.sub(WORD))?;
    // `at` holds the number of arguments, which looks like one more pointer unless it is 0.
    let first = at.add(WORD);
    let count = end.0.checked_sub(first.0)? / WORD;
    (memory.read_u64(at) == Ok(count)).then_some(())?;
    let texts = (0..count.min(MAX_ARGUMENTS)).map(|index| {
        let pointer = memory.read_addr(first.add(index * WORD)).ok()?;
        let text = memory.read_c_string(pointer, MAX_ARGUMENT).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    texts.collect()
}

/// The first word at or below `at` that is no pointer to a string above it.
fn below_pointers(memory: &dyn Memory, mut at: Addr) -> Option<Addr> {
    for _ in 0..MAX_POINTERS {
        if memory.read_addr(at).ok()? <= at {
            return Some(at);
        }
        at = at.sub(WORD);
    }
    None
}

/// Where the auxiliary vector lies in memory, looked for by its contents.
fn find_vector(memory: &dyn Memory, notes: &CoreNotes) -> Option<Addr> {
    let random = notes.auxiliary(AT_RANDOM)? & !(WORD - 1);
    let wanted = notes.auxv.get(..4)?;
    (1..VECTOR_DISTANCE / WORD)
        .map(|words| Addr(random.wrapping_sub(words * WORD)))
        .find(|at| {
            let mut pairs = (0..).map(|index| at.add(index * 2 * WORD)).zip(wanted);
            pairs.all(|(at, (key, value))| {
                memory.read_u64(at) == Ok(*key) && memory.read_u64(at.add(WORD)) == Ok(*value)
            })
        })
}
