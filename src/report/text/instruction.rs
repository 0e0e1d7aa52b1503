//! The instruction that faulted, in a line.

use super::escape::clip;
use super::style::paint;
use super::{LABEL, Out, Style};
use crate::report::model::{AccessKind, Instruction, MemoryAccess};

pub(super) fn write(out: &mut Out, instruction: &Instruction) {
    let text = line(instruction, out.style());
    out.line(&format!("{}{text}", " ".repeat(LABEL.len())));
}

/// For example ``at `mov rax, [rdi+0x18]`, a read of 8 bytes: rdi = 0x0``.
pub(in crate::report) fn line(instruction: &Instruction, style: Style) -> String {
    let mut text = match &instruction.text {
        Some(text) => format!("at `{}`", paint(style.native, &clip(text, 60))),
        None => format!("at {}", instruction.address),
    };
    if let Some(access) = &instruction.access {
        text.push_str(&format!(", {}", access_words(access, instruction.text.is_some())));
    }
    let values: Vec<String> = instruction
        .registers
        .iter()
        .take(4)
        .map(|register| format!("{} = {}", clip(&register.name, 10), register.value))
        .collect();
    if !values.is_empty() {
        text.push_str(&format!(": {}", values.join(", ")));
    }
    let doubt = instruction.access.as_ref().and_then(doubt);
    if let Some(doubt) = doubt {
        text.push_str(&paint(style.doubt, &doubt));
    }
    text
}

fn access_words(access: &MemoryAccess, has_text: bool) -> String {
    let target = || access.address.map_or_else(String::new, |at| format!(" to {at}"));
    let what = match &access.kind {
        AccessKind::Read => "a read",
        AccessKind::Write => "a write",
        AccessKind::ReadWrite => "a read and write",
        AccessKind::Execute if has_text => return format!("a jump{}", target()),
        AccessKind::Execute => return "where nothing can be executed".to_string(),
        AccessKind::Other(word) => return clip(word, 20),
    };
    match access.size {
        Some(1) => format!("{what} of 1 byte"),
        Some(size) => format!("{what} of {size} bytes"),
        None => what.to_string(),
    }
}

/// Of an access that does not explain the fault.
fn doubt(access: &MemoryAccess) -> Option<String> {
    match (access.explains_fault, access.address) {
        (Some(false), Some(address)) => Some(format!(" [which makes {address}, not the address of the fault]")),
        _ => None,
    }
}
