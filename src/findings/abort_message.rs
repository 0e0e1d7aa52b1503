//! What the C library said when it aborted the program.

use super::{Conclusion, Scene};
use crate::report::model::Confidence;

/// How messages about a damaged heap begin (glibc malloc/malloc.c).
const HEAP: &[&str] = &[
    "double free or corruption",
    "corrupted ",
    "corrupted size vs. prev_size",
    "free():",
    "malloc():",
    "malloc_consolidate():",
    "realloc():",
    "munmap_chunk():",
    "mremap_chunk():",
    "invalid fastbin entry",
    "unaligned ",
    "malloc: top chunk is corrupt",
    "sysmalloc:",
];

/// What the C library said.
fn message<'a>(scene: &Scene<'a>) -> Option<&'a str> {
    scene.signal(libc::SIGABRT)?;
    scene.report.crash.as_ref()?.message.as_deref()
}

pub(super) fn heap_corruption(scene: &Scene<'_>) -> Option<Conclusion> {
    let message = message(scene)?;
    if !HEAP.iter().any(|beginning| message.starts_with(beginning)) {
        return None;
    }
    let title = match message {
        text if text.contains("double free") => "a block of memory was freed twice, or the heap is damaged",
        text if text.contains("invalid pointer") => "something was freed that malloc() had not given",
        _ => "the heap is damaged",
    };
    Some(
        said(title, message)
            .because("the C library noticed it here; the damage may have been done earlier, elsewhere")
            .advise(
                "build native code with -fsanitize=address, or run under valgrind, which stop where the damage is done",
            ),
    )
}

pub(super) fn assertion(scene: &Scene<'_>) -> Option<Conclusion> {
    let message = message(scene)?;
    let (_, rest) = message.split_once("Assertion `")?;
    let (condition, _) = rest.rsplit_once("' failed")?;
    Some(
        said(&format!("an assertion failed: {condition}"), message)
            .advise("look at the file and line that the message names"),
    )
}

pub(super) fn other(scene: &Scene<'_>) -> Option<Conclusion> {
    let message = message(scene)?;
    let title = match message.contains("buffer overflow detected") {
        true => "a buffer was overrun by a function of the C library",
        false => "the C library aborted the program",
    };
    Some(said(title, message).advise("look at the innermost frame that is not of the C library"))
}

fn said(title: &str, message: &str) -> Conclusion {
    Conclusion::new(Confidence::Certain, title).because(format!("the C library said: {message}"))
}

#[cfg(test)]
mod tests {
    use super::super::{conclude, testing::Stage};

    #[test]
    fn each_message_has_one_finding() {
        let found = |message| {
            let stage = Stage::new(libc::SIGABRT, -6, 0).message(message);
            let findings = conclude(&stage.scene());
            let found: Vec<String> = findings
                .into_iter()
                .map(|found| format!("{}: {}", found.id, found.title))
                .collect();
            found.join("; ")
        };
        for (message, expected) in [
            (
                "free(): invalid pointer",
                "heap-corruption: something was freed that malloc() had not given",
            ),
            ("malloc(): corrupted top size", "heap-corruption: the heap is damaged"),
            (
                "x: a.c:12: work: Assertion `n == 1' failed.",
                "assertion: an assertion failed: n == 1",
            ),
            (
                "*** stack smashing detected ***: terminated",
                "stack-smash: a buffer on the stack was overrun",
            ),
            (
                "*** buffer overflow detected ***: terminated",
                "glibc-abort: a buffer was overrun by a function of the C library",
            ),
        ] {
            assert_eq!(found(message), expected);
        }
    }
}
