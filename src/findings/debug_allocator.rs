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
/// `PYMEM_FORBIDDENBYTE`.
const FORBIDDEN: u8 = 0xfd;
/// How much of the stack is looked through for the block.
const WORDS: u64 = 512;
/// A longer block is not looked at.
const MAX_SIZE: u64 = 1 << 40;

/// What is wrong with a block.
#[derive(Debug, PartialEq)]
enum Fault {
    Behind { size: u64 },
    Family { given: &'static str, freed: &'static str },
}

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let is_python = |frame: &&NativeFrame| scene.origin(frame) == Origin::Python;
    let first = natives.iter().position(is_python)?;
    let inside = natives[first..].iter().take_while(|frame| is_python(frame)).count();
    let (of_python, outside) = natives[first..].split_at(inside);
    let check = of_python.iter().find(|frame| fits(&function(frame), CHECKS));
    // Without symbols the checks have no name, and the block alone tells.
    let entry = of_python.iter().rfind(|frame| fits(&function(frame), ENTRIES));
    let seen = check.or(entry)?;
    let (title, evidence) = match fault(scene, entry.map(|frame| function(frame)).as_deref()) {
        Some(Fault::Behind { size }) => (
            "something was written behind the end of a block of memory",
            Some(format!(
                "the block has {size} bytes, and the bytes behind it are damaged"
            )),
        ),
        Some(Fault::Family { given, freed }) => (
            "memory was given back to another allocator than the one that it came from",
            Some(format!("it came from {given} and was given to {freed}")),
        ),
        None if check.is_none() => return None,
        None => ("Python's debug allocator found a damaged block of memory", None),
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because_if(evidence)
            .because(format!("{} is on the stack", function(seen)))
            .because_if(outside.first().map(|frame| format!("{} called it", named(frame))))
            .advise("read \"Debug memory block at address\" on stderr; PyMem_Free for PyMem_Malloc, PyObject_Free for PyObject_Malloc"),
    )
}

/// A family of functions: its letter, what gives memory and what takes it back, and how their names begin.
struct Family {
    letter: u8,
    gives: &'static str,
    takes: &'static str,
    beginning: &'static str,
}

const FAMILIES: [Family; 3] = [
    Family {
        letter: b'r',
        gives: "PyMem_RawMalloc",
        takes: "PyMem_RawFree",
        beginning: "PyMem_Raw",
    },
    Family {
        letter: b'm',
        gives: "PyMem_Malloc",
        takes: "PyMem_Free",
        beginning: "PyMem_",
    },
    Family {
        letter: b'o',
        gives: "PyObject_Malloc",
        takes: "PyObject_Free",
        beginning: "PyObject_",
    },
];

fn fault(scene: &Scene<'_>, entry: Option<&str>) -> Option<Fault> {
    let memory = scene.target.memory();
    let registers = scene.registers?;
    let stack = (0..WORDS).map_while(|index| memory.read_u64(registers.sp().add(index * 8)).ok());
    let words = registers.dwarf.into_iter().chain(stack);
    let candidates = words.filter(|word| word.is_multiple_of(16)).map(Addr);
    let entry = entry.unwrap_or_default();
    let freed = FAMILIES.iter().find(|family| entry.starts_with(family.beginning));
    candidates
        .filter(|&at| scene.mapping(at).is_some_and(|mapping| mapping.write))
        .find_map(|at| {
            let head = memory.read_array::<16>(at.sub(16)).ok()?;
            let (size, letter) = head.split_first_chunk::<8>()?;
            let (letter, pad) = letter.split_first()?;
            let given = FAMILIES.iter().find(|family| family.letter == *letter)?;
            let size = u64::from_be_bytes(*size);
            if pad.iter().any(|&byte| byte != FORBIDDEN) || size > MAX_SIZE {
                return None;
            }
            let tail = memory.read_array::<8>(at.add(size)).ok()?;
            if tail != [FORBIDDEN; 8] {
                return Some(Fault::Behind { size });
            }
            let freed = freed.filter(|freed| freed.letter != *letter)?;
            Some(Fault::Family {
                given: given.gives,
                freed: freed.takes,
            })
        })
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
        let title = |letter, tail| stage(letter, tail).apply(apply).map(|found| found.title).unwrap();
        assert!(title(b'o', 0).starts_with("something was written behind"));
        assert!(title(b'm', FORBIDDEN).starts_with("memory was given back"));
        assert!(title(b'o', FORBIDDEN).starts_with("Python's debug allocator"));
    }
}
