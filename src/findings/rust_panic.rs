//! A Rust panic that nothing caught.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::report::model::Confidence;
use crate::source::maps::Mapping;
use crate::source::{MemoryExt, Registers};

/// What a panic runs through (Rust library/std/src/panicking.rs, library/core/src/panicking.rs).
const PANIC: &[&str] = &[
    "rust_panic*",
    "__rustc::rust_panic*",
    "rust_begin_unwind",
    "__rustc::rust_begin_unwind",
    "core::panicking::*",
    "std::panicking::*",
];
/// What else stands between that and the code that panicked.
const LIBRARY: &[&str] = &[
    "std::*",
    "core::*",
    "alloc::*",
    "<core::*",
    "<alloc::*",
    "<std::*",
    "_Unwind_*",
    "rust_eh_personality",
    "__rust_*",
];

/// `exception_class` of Rust's runtime, as its bytes lie in memory (Rust library/panic_unwind/src/gcc.rs).
const RUST: u64 = u64::from_le_bytes(*b"MOZ\0RUST");
/// From `_Unwind_Exception`, of 32 bytes, behind the word that follows it.
const PAYLOAD: u64 = 40;
/// How much of the stack is looked through.
const WORDS: u64 = 1024;
/// The longest text.
const MAX_TEXT: u64 = 1000;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let natives = scene.natives();
    let last = natives.iter().rposition(|frame| fits(&function(frame), PANIC))?;
    let culprit = natives[last..].iter().find(|frame| {
        let name = function(frame);
        !name.is_empty() && !fits(&name, PANIC) && !fits(&name, LIBRARY)
    });
    let title = match culprit {
        Some(frame) => format!("a Rust panic in {} ended the process", function(frame)),
        None => "a Rust panic ended the process".to_string(),
    };
    let message = scene.has_values.then(|| message(scene)).flatten();
    let title = match message {
        Some(message) => format!("{title}: {message}"),
        None => title,
    };
    Some(
        Conclusion::new(Confidence::Certain, title)
            .because(format!("{} is on the stack", function(natives[last])))
            .because_if(location(scene).map(|place| format!("it panicked at {place}")))
            .because_if(culprit.map(|frame| format!("{} called it", named(frame))))
            .advise("read the line \"panicked at\" on stderr, which has file and line; a panic must not leave an extern \"C\" function"),
    )
}

/// Words of the stack that are addresses, and the mapping of each.
fn addresses<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (Addr, &'a Mapping)> {
    let memory = scene.target.memory();
    let sp = scene.registers.map(Registers::sp);
    let stack = sp
        .into_iter()
        .flat_map(move |sp| (0..WORDS).map(move |index| sp.add(index * 8)));
    let words = stack.map_while(|at| memory.read_addr(at).ok());
    words
        .filter(|word| word.0.is_multiple_of(8))
        .filter_map(|word| Some((word, scene.mapping(word)?)))
}

/// What the panic said: the exception that unwinds the stack holds it, as a `String` or a `&'static str`. Behind the
/// header of an exception stand a word of the runtime and a `Box<dyn Any>` (Rust library/panic_unwind/src/gcc.rs).
fn message(scene: &Scene<'_>) -> Option<String> {
    let memory = scene.target.memory();
    let is_exception = |(at, mapping): &(Addr, &Mapping)| mapping.write && memory.read_u64(*at) == Ok(RUST);
    let (exception, _) = addresses(scene).find(is_exception)?;
    let payload = memory.read_addr(exception.add(PAYLOAD)).ok()?;
    let functions = memory.read_addr(exception.add(PAYLOAD + 8)).ok()?;
    // First in the table: how to drop it, then its size.
    match memory.read_u64(functions.add(8)).ok()? {
        16 => text(
            scene,
            memory.read_addr(payload).ok()?,
            memory.read_u64(payload.add(8)).ok()?,
        ),
        // Pointer, length and room, in an order that the compiler chooses.
        24 => {
            let words: [u64; 3] = [0, 8, 16].map(|at| memory.read_u64(payload.add(at)).unwrap_or_default());
            let mut texts = [[1, 2, 0], [0, 2, 1], [1, 0, 2], [0, 1, 2], [2, 0, 1], [2, 1, 0]]
                .into_iter()
                .filter(|&[_, len, room]| words[len] <= words[room])
                .filter_map(|[pointer, len, _]| text(scene, Addr(words[pointer]), words[len]));
            texts.next()
        }
        _ => None,
    }
}

/// Where it panicked, where that is in no library of Rust's own: `core::panic::Location`, which panics pass on, is a
/// `&str`, a line and a column.
fn location(scene: &Scene<'_>) -> Option<String> {
    let memory = scene.target.memory();
    let place = |(at, mapping): (Addr, &Mapping)| {
        let len = memory.read_u64(at.add(8)).ok().filter(|_| !mapping.write)?;
        let file = text(scene, memory.read_addr(at).ok()?, len).filter(|file| file.ends_with(".rs"))?;
        let (line, column) = (memory.read_u32(at.add(16)).ok()?, memory.read_u32(at.add(20)).ok()?);
        let is_own = file.starts_with("/rustc/") || file.starts_with("library/");
        (!is_own && line > 0 && column > 0).then(|| format!("{file}:{line}:{column}"))
    };
    let mut places: Vec<String> = addresses(scene).filter_map(place).collect();
    places.dedup();
    match places.as_slice() {
        [place] => Some(place.clone()),
        _ => None,
    }
}

fn text(scene: &Scene<'_>, at: Addr, len: u64) -> Option<String> {
    if len == 0 || len > MAX_TEXT {
        return None;
    }
    let text = String::from_utf8(scene.target.memory().read_vec(at, len as usize).ok()?).ok()?;
    let line = text.lines().next()?;
    line.chars().all(|c| !c.is_control()).then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn names_the_code_that_panicked() {
        let frames = [
            "abort@/lib/libc.so.6",
            "std::process::abort@/x/fast.so",
            "rust_panic@/x/fast.so",
            "core::panicking::panic_fmt@/x/fast.so",
            "core::option::unwrap_failed@/x/fast.so",
            "fast::parse@/x/fast.so",
            "py:f@/a.py",
        ];
        let found = Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply).unwrap();
        assert_eq!(found.title, "a Rust panic in fast::parse ended the process");
        let message = |payload: &[u64], size: u64| {
            let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
            let stage = Stage::new(libc::SIGABRT, -6, 0)
                .stack(&frames)
                .maps("5000-6000 rw-p 0 00:00 0\n")
                .register(Registers::RSP, 0x9000)
                .bytes(0x9000, &words(&[1, 0x5000]))
                .bytes(0x5000, &words(&[RUST, 0, 0, 0, 0, 0x5100, 0x7000]))
                .bytes(0x5100, &words(payload))
                .bytes(0x7000, &words(&[0, size]))
                .bytes(0x5200, b"no such port");
            stage.apply(apply).unwrap().title
        };
        assert!(message(&[16, 0x5200, 12], 24).ends_with(": no such port"));
        assert!(message(&[0x5200, 12], 16).ends_with(": no such port"));
        assert!(message(&[0x5200, 12], 8).ends_with("ended the process"));
        let frames = ["abort@/lib/libc.so.6", "fast::parse@/x/fast.so"];
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply), None);
    }
}
