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
/// The last function of a panic that knows what it said.
const END: &[&str] = &["rust_panic", "__rustc::rust_panic"];
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

/// What the panic said: the exception that unwinds the stack holds it, or, built with `panic=abort`, what is passed on to
/// the end.
fn message(scene: &Scene<'_>) -> Option<String> {
    let (at, functions) = thrown(scene).or_else(|| passed_on(scene))?;
    payload(scene, at, functions)
}

/// The `Box<dyn Any>` of the exception, behind its header and a word of the runtime (Rust
/// library/panic_unwind/src/gcc.rs).
fn thrown(scene: &Scene<'_>) -> Option<(Addr, Addr)> {
    let memory = scene.target.memory();
    let is_exception = |(at, mapping): &(Addr, &Mapping)| mapping.write && memory.read_u64(*at) == Ok(RUST);
    let (exception, _) = addresses(scene).find(is_exception)?;
    let word = |offset: u64| memory.read_addr(exception.add(offset)).ok();
    Some((word(PAYLOAD)?, word(PAYLOAD + 8)?))
}

/// The `&mut dyn PanicPayload` that `rust_panic` is called with (Rust library/std/src/panicking.rs).
fn passed_on(scene: &Scene<'_>) -> Option<(Addr, Addr)> {
    let natives = scene.natives();
    let called = natives.iter().position(|frame| fits(&function(frame), END))?;
    let arguments = scene.calls()?.arguments(natives.get(called + 1)?)?;
    Some((Addr(arguments[0]?), Addr(arguments[1]?)))
}

/// The text in what a `dyn` reference points to; `functions` is its table, with the size of what it points to.
fn payload(scene: &Scene<'_>, at: Addr, functions: Addr) -> Option<String> {
    let memory = scene.target.memory();
    let word = |index: u64| memory.read_u64(at.add(index * 8)).ok();
    let string = |[room, pointer, len]: [u64; 3]| {
        let is_whole = word(len)? <= word(room)?;
        is_whole
            .then(|| text(scene, Addr(word(pointer)?), word(len)?))
            .flatten()
    };
    // First in the table: how to drop it, then its size.
    match memory.read_u64(functions.add(8)).ok()? {
        // `&'static str`
        16 => text(scene, Addr(word(0)?), word(1)?),
        // `String`: pointer, length and room, in an order that the compiler chooses.
        24 => [[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0], [0, 2, 1]]
            .into_iter()
            .find_map(string),
        // `FormatStringPayload`: beside the `String` a reference to what it was made of.
        32 => [[0, 1, 2], [1, 2, 3]].into_iter().find_map(string),
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
        assert!(message(&[16, 0x5200, 12, 0x5000], 32).ends_with(": no such port"));
        assert!(message(&[0x5000, 16, 0x5200, 12], 32).ends_with(": no such port"));
        assert!(message(&[0x5200, 12], 8).ends_with("ended the process"));
        let frames = ["abort@/lib/libc.so.6", "fast::parse@/x/fast.so"];
        assert_eq!(Stage::new(libc::SIGABRT, -6, 0).stack(&frames).apply(apply), None);
    }
}
