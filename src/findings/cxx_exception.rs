//! A C++ exception that nothing caught.
//!
//! The exception lies on the heap, behind a header that begins with a known word (Itanium C++ ABI: Exception Handling,
//! 2.2). The frames of `__cxa_throw` and `std::terminate` keep a pointer to it.

use super::scene::{function, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::image;
use crate::report::model::Confidence;
use crate::source::{Memory, MemoryExt};
use crate::triage::Origin;

/// `exception_class` of GCC's runtime, "GNUCC++\0" in big-endian order (libstdc++-v3/libsupc++/unwind-cxx.h).
const GNU: u64 = u64::from_be_bytes(*b"GNUCC++\0");
/// From `_Unwind_Exception` back to the pointer to the type, in libstdc++ on 64-bit machines (`__cxa_exception`).
const TYPE: u64 = 0x50;
/// From `_Unwind_Exception` to the object.
const OBJECT: u64 = 0x20;
/// In `std::type_info`: the mangled name; in `__si_class_type_info` after it: the base class (Itanium C++ ABI, 2.9.5).
const NAME: u64 = 8;
const BASE: u64 = 16;
/// Classes that keep their message behind the pointer to their functions (libstdc++ include/std/stdexcept).
const WITH_MESSAGE: [&str; 2] = ["St13runtime_error", "St11logic_error"];
const MAX_BASES: usize = 8;
const MAX_NAME: usize = 512;
const MAX_MESSAGE: usize = 512;
/// How much of the stack is looked through.
const WORDS: u64 = 1024;

/// The exception, as far as it is known.
struct Thrown {
    type_name: String,
    what: Option<String>,
}

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let is_terminate = |name: &str| name.starts_with("std::terminate") || name.contains("__terminate");
    let last = natives.iter().rposition(|frame| is_terminate(&function(frame)))?;
    let thrower = natives[last..]
        .iter()
        .find(|frame| scene.origin(frame) == Origin::Other);
    let thrown = thrown(scene);
    let title = match &thrown {
        Some(Thrown {
            type_name,
            what: Some(what),
        }) => format!("nothing caught the C++ exception {type_name}: {what}"),
        Some(Thrown { type_name, .. }) => format!("nothing caught the C++ exception {type_name}"),
        None => "C++ ended the process: an exception that nothing caught, or one thrown where none may be".to_string(),
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!("{} is on the stack", function(natives[last])))
            .because_if(thrower.map(|frame| format!("it was thrown in {}", named(frame))))
            .advise("catch it where C++ returns to Python: pybind11 and nanobind do that for what they wrap, plain C functions do not"),
    )
}

fn thrown(scene: &Scene<'_>) -> Option<Thrown> {
    let memory = scene.target.memory();
    let registers = scene.registers?;
    let stack = (0..WORDS).map_while(|index| memory.read_u64(registers.sp().add(index * 8)).ok());
    let words = registers.dwarf.into_iter().chain(stack);
    let exceptions = words
        .filter(|word| word.is_multiple_of(16))
        .map(Addr)
        .filter(|&at| scene.mapping(at).is_some_and(|mapping| mapping.write) && memory.read_u64(at) == Ok(GNU));
    exceptions.take(4).find_map(|at| describe(memory, at, scene.has_values))
}

fn describe(memory: &dyn Memory, exception: Addr, has_values: bool) -> Option<Thrown> {
    let class = memory.read_addr(exception.sub(TYPE)).ok()?;
    let type_name = image::demangled_type(&mangled(memory, class)?)?;
    let mut current = Some(class);
    let has_message = has_values
        && (0..MAX_BASES).any(|_| {
            let Some(name) = current.and_then(|class| mangled(memory, class)) else {
                return false;
            };
            current = current.and_then(|class| memory.read_addr(class.add(BASE)).ok());
            WITH_MESSAGE.contains(&name.as_str())
        });
    let what = has_message.then(|| {
        let text = memory.read_addr(exception.add(OBJECT + 8)).ok()?;
        let text = memory.read_c_string(text, MAX_MESSAGE).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    Some(Thrown {
        type_name,
        what: what.flatten(),
    })
}

/// The mangled name in a `std::type_info`; an asterisk before it is no part of it.
fn mangled(memory: &dyn Memory, class: Addr) -> Option<String> {
    let name = memory.read_addr(class.add(NAME)).ok()?;
    let name = String::from_utf8(memory.read_c_string(name, MAX_NAME).ok()?).ok()?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| name.trim_start_matches('*').to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::source::Registers;

    const AT: u64 = 0x5080;

    fn stage(word: u64) -> Stage {
        let frames = [
            "abort@/lib/libc.so.6",
            "std::terminate()@/lib/libstdc++.so.6",
            "price@/x/fast.so",
        ];
        let mut heap = vec![0; 0x100];
        let mut put = |at: u64, word: u64| heap[(at - 0x5000) as usize..][..8].copy_from_slice(&word.to_le_bytes());
        put(AT, word);
        put(AT - TYPE, 0x7000);
        put(AT + OBJECT + 8, 0x8000);
        let types: Vec<u8> = [0, 0x7100, 0x7020, 0, 0, 0x7110, 0, 0]
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect();
        Stage::new(libc::SIGABRT, -6, 0)
            .stack(&frames)
            .maps("5000-6000 rw-p 0 00:00 0\n")
            .register(Registers::RSP, 0x9000)
            .bytes(0x5000, &heap)
            .bytes(0x7000, &types)
            .bytes(
                0x7100,
                &[b"N5stock4FailE\0\0\0St13runtime_error".as_slice(), &[0; 15]].concat(),
            )
            .bytes(0x8000, b"no pears\0\0\0\0\0\0\0\0")
            .bytes(0x9000, &[0, AT].map(u64::to_le_bytes).concat())
    }

    #[test]
    fn finds_the_exception_by_the_stack() {
        let found = stage(GNU).apply(apply).unwrap();
        assert_eq!(found.title, "nothing caught the C++ exception stock::Fail: no pears");
        assert_eq!(found.evidence[1], "it was thrown in price (fast.so)");
        let found = stage(0).apply(apply).unwrap();
        assert!(found.title.starts_with("C++ ended"));
    }
}
