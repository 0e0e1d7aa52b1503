//! What rules look at.

use super::calls::Unwound;
use crate::addr::Addr;
use crate::report::Report;
use crate::report::model::{Frame, Instruction, MemoryAccess, NativeFrame, PythonFrame, Role, Thread};
use crate::report::signals;
use crate::source::maps::Mapping;
use crate::source::variables::RecordedVariables;
use crate::source::{Crash, Registers, Target};
use crate::triage::{self, Origin};

/// How many native frames, from the fault on, are looked at by name.
const MAX_FRAMES: usize = 200;

/// One process at one moment.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The report without findings and signature.
    pub report: &'a Report,
    /// The process.
    pub target: &'a dyn Target,
    /// The first fault; `None` for a process that has not crashed.
    pub crash: Option<&'a Crash>,
    /// The registers at the fault.
    pub registers: Option<&'a Registers>,
    /// The variables of its native frames, where debug information told them.
    pub variables: &'a [RecordedVariables],
    /// What rules keep of the frames that lead to the fault.
    pub unwound: &'a Unwound,
    /// Whether values may be read: captures can be told to leave them out.
    pub has_values: bool,
}

impl<'a> Scene<'a> {
    /// The crash, where it is this signal.
    pub(super) fn signal(&self, number: i32) -> Option<&'a Crash> {
        self.crash.filter(|crash| crash.signal == number)
    }

    /// The crash, where the processor raised it: no process sent it.
    pub(super) fn fault(&self) -> Option<&'a Crash> {
        self.crash.filter(|crash| crash.code > 0)
    }

    /// The address of the fault, where the signal has one.
    pub(super) fn address(&self) -> Option<Addr> {
        let crash = self.crash?;
        signals::has_address(crash.signal, crash.code).then_some(crash.address)
    }

    /// The thread that crashed.
    pub(super) fn thread(&self) -> Option<&'a Thread> {
        self.report.crashed_thread()
    }

    /// The native frames of the crashed thread from the fault out to its innermost Python frame.
    pub(super) fn natives(&self) -> Vec<&'a NativeFrame> {
        let frames = self.thread().map_or(&[][..], |thread| &thread.frames);
        let natives = frames.iter().map_while(|frame| match frame {
            Frame::Native(native) => Some(native),
            _ => None,
        });
        natives
            .filter(|native| native.role != Some(Role::Signal))
            .take(MAX_FRAMES)
            .collect()
    }

    /// All native frames of the crashed thread, the innermost and the outermost [`MAX_FRAMES`].
    pub(super) fn all_natives(&self) -> impl Iterator<Item = &'a NativeFrame> + use<'a> {
        let frames = self.thread().map_or(&[][..], |thread| &thread.frames);
        let outermost = frames.len().saturating_sub(MAX_FRAMES).max(MAX_FRAMES);
        let inner = frames.iter().take(MAX_FRAMES);
        inner
            .chain(frames.iter().skip(outermost))
            .filter_map(|frame| match frame {
                Frame::Native(native) => Some(native),
                _ => None,
            })
    }

    /// The Python frames of the crashed thread, innermost first.
    pub(super) fn pythons(&self) -> impl Iterator<Item = &'a PythonFrame> + use<'a> {
        let frames = self.thread().map_or(&[][..], |thread| &thread.frames);
        frames.iter().filter_map(|frame| match frame {
            Frame::Python(python) => Some(python),
            _ => None,
        })
    }

    /// Where the code of a frame is from.
    pub(super) fn origin(&self, frame: &NativeFrame) -> Origin {
        triage::origin(self.report, frame)
    }

    /// What is mapped at an address.
    pub(super) fn mapping(&self, at: Addr) -> Option<&'a Mapping> {
        let mappings = self.target.mappings();
        let after = mappings.partition_point(|mapping| mapping.range.start <= at);
        let last = mappings.get(after.checked_sub(1)?)?;
        last.range.contains(at).then_some(last)
    }

    /// The instruction that faulted.
    pub(super) fn instruction(&self) -> Option<&'a Instruction> {
        self.report.crash.as_ref()?.instruction.as_ref()
    }

    /// Its access to memory, where that explains the fault.
    pub(super) fn access(&self) -> Option<&'a MemoryAccess> {
        let access = self.instruction()?.access.as_ref()?;
        (access.explains_fault == Some(true)).then_some(access)
    }

    /// The instruction and the registers of its address, as evidence.
    pub(super) fn operands(&self) -> Option<String> {
        let instruction = self.instruction()?;
        let text = instruction.text.as_ref()?;
        let registers = instruction.registers.iter();
        let values: Vec<String> = registers
            .map(|register| format!("{} is {}", register.name, register.value))
            .collect();
        Some(match values.is_empty() {
            true => format!("the instruction is `{text}`"),
            false => format!("the instruction is `{text}`; {}", values.join(", ")),
        })
    }

    /// The innermost frame, as evidence.
    pub(super) fn place(&self) -> Option<String> {
        self.natives()
            .first()
            .map(|frame| format!("it happened in {}", named(frame)))
    }
}

/// The name of a frame's function without arguments and suffixes; empty where it has none.
pub(super) fn function(frame: &NativeFrame) -> String {
    frame
        .function
        .as_deref()
        .map(triage::plain_function)
        .unwrap_or_default()
}

/// For example `flush (_fast.so)`.
pub(super) fn named(frame: &NativeFrame) -> String {
    let file = frame
        .module
        .as_deref()
        .map(|path| path.rsplit('/').next().unwrap_or(path));
    match (function(frame).as_str(), file) {
        ("", Some(file)) => format!("{file}{}", offset(frame)),
        ("", None) => "code in no image".to_string(),
        (function, Some(file)) => format!("{function} ({file})"),
        (function, None) => function.to_string(),
    }
}

fn offset(frame: &NativeFrame) -> String {
    frame
        .module_offset
        .map(|offset| format!("+{offset}"))
        .unwrap_or_default()
}

/// Whether a name fits one of the patterns; `*` at the end stands for anything.
pub(super) fn fits(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *pattern,
    })
}
