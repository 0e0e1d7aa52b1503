//! A merged stack, innermost frame first.

use super::escape::{clip, clip_start};
use super::fold::{Step, steps};
use super::style::paint;
use super::{Out, locals, module_name, source, thousands};
use crate::report::model::{Frame, NativeFrame, Owner, PythonFrame, Trust};

/// How much of each frame is shown.
#[derive(Clone, Copy)]
pub(super) struct Detail {
    /// Source lines with carets.
    pub(super) source: bool,
    /// In how many Python frames, and in how many native ones, from the innermost, variables are shown.
    pub(super) locals: usize,
    /// How many lines or blocks of lines.
    pub(super) steps: usize,
}

/// Where the text of a frame begins: below that of its function.
const INDENT: usize = 12;

pub(super) fn write(out: &mut Out, frames: &[Frame], detail: Detail) {
    let mut left = Left {
        python: detail.locals,
        native: detail.locals,
    };
    out.shown.clear();
    let style = out.style();
    for step in steps(frames, out.options.fold_interpreter, detail.steps) {
        let style = match step {
            Step::Frame(index) => {
                write_frame(out, index, &frames[index], detail, &mut left);
                continue;
            }
            Step::Plumbing { .. } => style.dim,
            Step::Repeat { .. } | Step::Gap { .. } => style.doubt,
        };
        out.line(&paint(style, &format!("{:>5}     {}", "", instead(frames, step))));
    }
}

/// What stands in place of frames: nothing for one that is shown.
pub(in crate::report) fn instead(frames: &[Frame], step: Step) -> String {
    match step {
        Step::Frame(_) => String::new(),
        Step::Plumbing { first, count, signal } => plumbing(&frames[first], count, signal),
        Step::Repeat { frames: 1, times } => format!("… the frame above repeats {} more times", thousands(times)),
        Step::Repeat { frames, times } => {
            let (frames, times) = (thousands(frames), thousands(times));
            format!("… the {frames} frames above repeat {times} more times")
        }
        Step::Gap { frames } => format!("… {} more frames, not shown", thousands(frames)),
    }
}

fn plumbing(first: &Frame, count: usize, signal: bool) -> String {
    match (first, count, signal) {
        (Frame::Native(native), 1, _) => {
            let name = native.function.as_deref().unwrap_or("1 interpreter frame");
            format!("… {}", clip(name, 60))
        }
        (_, count, true) => format!("… {} frames of signal delivery", thousands(count)),
        (_, count, false) => format!("… {} interpreter frames", thousands(count)),
    }
}

/// The frames whose variables are still to be shown.
struct Left {
    python: usize,
    native: usize,
}

/// Whether the variables of a frame tell nothing to who did not write it: those of the interpreter, and in the short form
/// those of its own extension modules.
fn is_pythons_own(out: &Out, frame: &NativeFrame) -> bool {
    let of_library = |module: &String| out.is_short() && out.library.has_module(module);
    frame
        .module
        .as_ref()
        .is_some_and(|module| Some(module) == out.runtime.as_ref() || of_library(module))
}

fn write_frame(out: &mut Out, index: usize, frame: &Frame, detail: Detail, left: &mut Left) {
    let style = out.style();
    let number = paint(style.dim, &format!("{:>5}", format!("#{index}")));
    match frame {
        Frame::Python(python) => {
            out.line(&format!(
                "{number} {}  {}",
                paint(style.python, "Py"),
                python_line(out, python)
            ));
            if detail.source {
                source::write(out, &source::Span::of_python(python), INDENT);
            }
            write_instrumented(out, python);
            write_bytecode(out, python);
            if left.python > 0 {
                left.python -= 1;
                locals::write(out, &python.locals, INDENT);
            }
        }
        Frame::Native(native) => {
            let kind = if native.extension {
                style.extension
            } else {
                style.native
            };
            out.line(&format!("{number} {}   {}", paint(kind, "C"), native_line(out, native)));
            if detail.source {
                source::write(out, &source::Span::of_native(native), INDENT);
            }
            if left.native > 0 && !native.locals.is_empty() && !is_pythons_own(out, native) {
                left.native -= 1;
                locals::write(out, &native.locals, INDENT);
            }
        }
        Frame::Unknown => out.line(&format!("{number} ?   a frame of a kind this version does not know")),
    }
}

/// For example `instrumented bytecode: line, call`.
fn write_instrumented(out: &mut Out, frame: &PythonFrame) {
    if frame.instrumented.is_empty() {
        return;
    }
    let names = frame.instrumented.iter().take(8);
    let events: Vec<String> = names
        .map(|name| clip(&name.trim_start_matches("INSTRUMENTED_").to_lowercase(), 30))
        .collect();
    let rest = frame.instrumented.len() - events.len();
    let rest = if rest > 0 {
        format!(", {rest} more")
    } else {
        String::new()
    };
    let style = out.style();
    let line = format!(
        "{}instrumented bytecode: {}{rest}",
        " ".repeat(INDENT),
        events.join(", ")
    );
    out.line(&paint(style.dim, &line));
}

/// For example `> 24 LOAD_ATTR_SLOT  0 (x)`.
fn write_bytecode(out: &mut Out, frame: &PythonFrame) {
    let style = out.style();
    let margin = " ".repeat(INDENT);
    for instruction in frame.bytecode.iter().take(32) {
        let mark = if instruction.current { ">" } else { " " };
        let argument = instruction
            .argument
            .map_or_else(String::new, |argument| argument.to_string());
        let meaning = match &instruction.meaning {
            Some(meaning) => format!(" ({})", clip(meaning, 60)),
            None => String::new(),
        };
        let line = format!(
            "{mark} {:>5} {:<30} {argument}{meaning}",
            instruction.offset,
            clip(&instruction.opcode, 40)
        );
        let painted = if instruction.current {
            line
        } else {
            paint(style.dim, line.trim_end())
        };
        out.line(&format!("{margin}{painted}"));
    }
}

/// For example `Reader.flush  pkg/reader.py:41`.
fn python_line(out: &Out, frame: &PythonFrame) -> String {
    let style = out.style();
    let name = frame.qualname.as_deref().or(frame.function.as_deref());
    let mut text = paint(style.python, &clip(name.unwrap_or("???"), 80));
    if let Some(place) = place(frame.file.as_deref(), frame.line, 120) {
        text.push_str(&format!("  {}", paint(style.place, &place)));
    }
    match &frame.owner {
        Some(Owner::Generator) => text.push_str(&paint(style.dim, "  [generator]")),
        Some(Owner::Coroutine) => text.push_str(&paint(style.dim, "  [coroutine]")),
        _ => {}
    }
    text
}

/// For example `flush_buffer  src/buf.c:88  in _fast.so`.
fn native_line(out: &Out, frame: &NativeFrame) -> String {
    let style = out.style();
    let module = frame.module.as_deref().map(module_name);
    let mut text = match (&frame.function, &module) {
        (Some(function), _) => paint(style.native, &clip(function, 60)),
        (None, Some(_)) => paint(style.native, "??"),
        (None, None) => {
            let address = frame
                .address
                .map_or_else(|| "??".to_string(), |address| address.to_string());
            format!("{} in no module", paint(style.native, &address))
        }
    };
    // The path of a build machine is of little use beyond its end.
    if let Some(place) = place(frame.file.as_deref(), frame.line, 40) {
        text.push_str(&format!("  {}", paint(style.place, &place)));
    }
    if let Some(module) = module {
        let offset = match (&frame.function, frame.module_offset, frame.address) {
            (None, Some(offset), _) => format!("+{offset}"),
            (None, None, Some(address)) => format!(" at {address}"),
            _ => String::new(),
        };
        let shown = format!("  in {module}{offset}");
        let extent = if frame.extension { style.extension } else { style.dim };
        text.push_str(&paint(extent, &shown));
    }
    if frame.inlined {
        text.push_str(&paint(style.dim, "  [inlined]"));
    }
    if let Some(doubt) = doubt(frame.trust.as_ref()) {
        text.push_str(&paint(style.doubt, &format!("  [{doubt}]")));
    }
    text
}

/// `file:line`, the file's beginning cut where it is long.
pub(in crate::report) fn place(file: Option<&str>, line: Option<u32>, max: usize) -> Option<String> {
    // Compilers were called with paths like `./Modules/x.c`.
    let file = clip_start(&file?.replace("/./", "/"), max);
    Some(match line {
        Some(line) => format!("{file}:{line}"),
        None => file,
    })
}

/// What to say of a frame that was not found by the rules of its caller.
pub(in crate::report) fn doubt(trust: Option<&Trust>) -> Option<String> {
    match trust? {
        Trust::Context | Trust::Cfi => None,
        Trust::ReturnAddress => Some("by return address".to_string()),
        Trust::FramePointer => Some("by frame pointer".to_string()),
        Trust::Scan => Some("guess: found on the stack".to_string()),
        Trust::Other(word) => Some(clip(word, 20)),
    }
}
