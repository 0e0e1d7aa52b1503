//! Python's debug allocator found a block that is not as it should be.
//!
//! Before a block stand its size, big-endian, the letter of the functions that gave it (`r`, `m`, `o`), and seven bytes
//! 0xFD; eight more of them behind it (Objects/obmalloc.c, `_PyMem_DebugRawAlloc`).

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::report::model::{Confidence, NativeFrame};
use crate::source::MemoryExt;
use crate::triage::Origin;

/// What checks a block.
const CHECKS: &[&str] = &["_PyMem_Debug*"];
/// What gives memory back, and has it checked.
const ENTRIES: &[&str] = &[
    "PyMem_Free",
    "PyMem_Realloc",
    "PyMem_RawFree",
    "PyMem_RawRealloc",
    "PyObject_Free",
    "PyObject_Realloc",
];
/// What `_PyMem_DebugCheckAddress` says, which tells the fault without any name on the stack.
const OTHER_ALLOCATOR: &str = "bad ID: Allocated using API";
const BEFORE: &str = "bad leading pad byte";
const BEHIND: &str = "bad trailing pad byte";
const ADVICE: &str = "read \"Debug memory block at address\" on stderr; build native code with -fsanitize=address, which stops where the damage is done";
/// `PYMEM_DEADBYTE`: what a block is filled with when it is freed, its letter too.
const DEAD: u8 = 0xdd;
/// `PYMEM_FORBIDDENBYTE`.
const FORBIDDEN: u8 = 0xfd;
/// How much of the stack is looked through for the block.
const WORDS: u64 = 512;
/// A longer block is not looked at.
const MAX_SIZE: u64 = 1 << 40;

/// What the check found.
struct Found {
    /// What it said; empty where the calls that lead to the end do not tell.
    said: String,
    /// What tells that it was this check.
    evidence: Vec<String>,
}

impl Found {
    fn conclusion(self, title: &str, advice: impl Into<String>, evidence: Option<String>) -> Conclusion {
        let conclusion = Conclusion::new(Confidence::Certain, title).because_if(evidence);
        self.evidence
            .into_iter()
            .fold(conclusion, Conclusion::because)
            .advise(advice)
    }
}

/// A block was damaged.
pub(super) fn damaged(scene: &Scene<'_>) -> Option<Conclusion> {
    let found = find(scene).filter(|found| families(&found.said).next().flatten().is_none())?;
    let is_before = found.said.starts_with(BEFORE);
    let is_freed = letters(&found.said).next() == Some(char::from(DEAD));
    let size = blocks(scene)
        .find(|block| block.is_behind_damaged && !is_before && !is_freed)
        .map(|block| block.size);
    let title = match size {
        _ if is_freed => "memory was given back that had been freed already",
        _ if is_before => "something was written before the beginning of a block of memory",
        None if !found.said.starts_with(BEHIND) => "Python's debug allocator found a damaged block of memory",
        _ => "something was written behind the end of a block of memory",
    };
    let size = size.map(|size| format!("the block has {size} bytes, and the bytes behind it are damaged"));
    Some(found.conclusion(title, ADVICE, size))
}

/// A block was given to other functions than those it came from.
pub(super) fn other_allocator(scene: &Scene<'_>) -> Option<Conclusion> {
    let found = find(scene)?;
    let mut families = families(&found.said);
    let given = families.next().flatten()?.gives;
    let came = match families.next().flatten() {
        Some(freed) => format!("it came from {given} and was given to {}", freed.takes),
        None => format!("it came from {given}"),
    };
    drop(families);
    let title = "memory was given back to another allocator than the one that it came from";
    Some(found.conclusion(title, pairs(), Some(came)))
}

/// The check of a block that ended the process, if that did.
fn find(scene: &Scene<'_>) -> Option<Found> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let is_python = |frame: &&NativeFrame| scene.origin(frame) == Origin::Python;
    let first = natives.iter().position(is_python)?;
    let inside = natives[first..].iter().take_while(|frame| is_python(frame)).count();
    let (of_python, outside) = natives[first..].split_at(inside);
    let calls = scene.calls()?;
    let said = of_python.iter().find_map(|frame| {
        let arguments = calls.arguments(frame)?;
        arguments.iter().enumerate().find_map(|(index, argument)| {
            let text = calls.text((*argument)?)?;
            let is_known = [OTHER_ALLOCATOR, BEFORE, BEHIND]
                .iter()
                .any(|known| text.starts_with(known));
            is_known.then(|| calls.formatted(&text, arguments.get(index + 1..).unwrap_or_default()))
        })
    });
    let check = of_python.iter().find(|frame| fits(&function(frame), CHECKS));
    // Without symbols the checks have no name: what they say tells them, or the block itself.
    let gives_back = of_python.iter().any(|frame| fits(&function(frame), ENTRIES));
    let is_damaged = || gives_back && blocks(scene).any(|block| block.is_behind_damaged);
    if said.is_none() && check.is_none() && !is_damaged() {
        return None;
    }
    let words = said.as_ref().map(|said| format!("Python said: {said}"));
    let check = check.map(|frame| format!("{} is on the stack", function(frame)));
    let caller = outside.first().map(|frame| format!("{} called it", named(frame)));
    Some(Found {
        evidence: [words, check, caller].into_iter().flatten().collect(),
        said: said.unwrap_or_default(),
    })
}

/// The functions that a block is from, and those that it was given back to, by what the check said:
/// `bad ID: Allocated using API 'm', verified using API 'o'`.
fn families(said: &str) -> impl Iterator<Item = Option<&'static Family>> {
    letters(said).map(|letter| FAMILIES.iter().find(|family| char::from(family.letter) == letter))
}

fn letters(said: &str) -> impl Iterator<Item = char> {
    let quoted = said.split('\'').skip(1).step_by(2);
    quoted
        .filter(|_| said.starts_with(OTHER_ALLOCATOR))
        .filter_map(|text| text.chars().next())
}

/// A family of functions: its letter, what gives memory and what takes it back.
struct Family {
    letter: u8,
    gives: &'static str,
    takes: &'static str,
}

const FAMILIES: [Family; 3] = [
    Family {
        letter: b'r',
        gives: "PyMem_RawMalloc",
        takes: "PyMem_RawFree",
    },
    Family {
        letter: b'm',
        gives: "PyMem_Malloc",
        takes: "PyMem_Free",
    },
    Family {
        letter: b'o',
        gives: "PyObject_Malloc",
        takes: "PyObject_Free",
    },
];

/// Advice: what belongs together.
pub(super) fn pairs() -> String {
    let families = FAMILIES
        .iter()
        .map(|family| format!(", {} for {}", family.takes, family.gives));
    format!("use free() for malloc(){}", families.collect::<String>())
}

/// A block of the debug allocator.
struct Block {
    size: u64,
    is_behind_damaged: bool,
}

/// Those that registers and words of the innermost frames point to.
fn blocks<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = Block> + use<'a> {
    let memory = scene.target.memory();
    let words = scene.registers.into_iter().flat_map(move |registers| {
        let stack = (0..WORDS).map_while(move |index| memory.read_u64(registers.sp().add(index * 8)).ok());
        registers.dwarf.into_iter().chain(stack)
    });
    words
        .filter(|word| word.is_multiple_of(16))
        .map(Addr)
        .filter(|&at| scene.mapping(at).is_some_and(|mapping| mapping.write))
        .filter_map(|at| block(scene, at))
}

fn block(scene: &Scene<'_>, at: Addr) -> Option<Block> {
    let memory = scene.target.memory();
    let (_, size) = header(scene, at)?;
    let tail = memory.read_array::<8>(at.add(size)).ok()?;
    Some(Block {
        size,
        is_behind_damaged: tail != [FORBIDDEN; 8],
    })
}

/// What stands before a block.
fn header(scene: &Scene<'_>, at: Addr) -> Option<(&'static Family, u64)> {
    let head = scene.target.memory().read_array::<16>(at.sub(16)).ok()?;
    let (size, letter) = head.split_first_chunk::<8>()?;
    let (letter, pad) = letter.split_first()?;
    let given = FAMILIES.iter().find(|family| family.letter == *letter)?;
    let size = u64::from_be_bytes(*size);
    (pad.iter().all(|&byte| byte == FORBIDDEN) && size <= MAX_SIZE).then_some((given, size))
}

/// The function that gave a block of the debug allocator.
pub(super) fn giver(scene: &Scene<'_>, at: Addr) -> Option<&'static str> {
    header(scene, at).map(|(family, _)| family.gives)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    fn stage(letter: u8, tail: u8) -> Stage {
        let mut block = vec![0, 0, 0, 0, 0, 0, 0, 16, letter];
        block.extend([FORBIDDEN; 7]);
        block.extend([0xaa; 16]);
        block.extend([tail; 8]);
        Stage::new(libc::SIGABRT, -6, 0)
            .stack(&[
                "abort@/lib/libc.so.6",
                "_PyMem_DebugCheckAddress",
                "PyObject_Free",
                "drop@/x/fast.so",
            ])
            .maps("5000-6000 rw-p 0 00:00 0\n")
            .register(Registers::RSP, 0x9000)
            .bytes(0x5000, &block)
            .bytes(0x9000, &[0x10, 0x5010].map(u64::to_le_bytes).concat())
    }

    #[test]
    fn by_the_block_that_the_stack_points_to() {
        let title = |letter, tail| stage(letter, tail).apply(damaged).map(|found| found.title).unwrap();
        assert!(title(b'o', 0).starts_with("something was written behind"));
        assert!(title(b'o', FORBIDDEN).starts_with("Python's debug allocator"));
        assert_eq!(stage(b'm', FORBIDDEN).apply(other_allocator), None);
    }

    #[test]
    fn the_families_are_those_that_it_said() {
        let names = |given: &str, freed: &str| -> Vec<Option<&str>> {
            let said = format!("bad ID: Allocated using API '{given}', verified using API '{freed}'");
            families(&said).map(|family| Some(family?.gives)).collect()
        };
        assert_eq!(names("m", "o"), [Some("PyMem_Malloc"), Some("PyObject_Malloc")]);
        assert_eq!(names("m", "…"), [Some("PyMem_Malloc"), None]);
        assert_eq!(names("Ý", "o"), [None, Some("PyObject_Malloc")]);
    }
}
