//! What was passed at the calls that lead to the end, as far as the code of their callers tells.

use std::cell::OnceCell;

use super::Scene;
use crate::addr::Addr;
use crate::machine::Lines;
use crate::report::model::NativeFrame;
use crate::source::streams::NativeStep;
use crate::source::{Memory, MemoryExt, Registers};
use crate::unwind::Unwinder;

/// How many frames from the end on are looked at.
const MAX_FRAMES: usize = 40;
/// The longest text, in bytes.
const MAX_TEXT: usize = 512;

type Step = (NativeStep, Registers, u32);

/// The innermost frames of the crashed thread with their registers, once a rule has asked for them.
#[derive(Default)]
pub struct Unwound(OnceCell<Vec<Step>>);

/// What was passed at the calls of the crashed thread, as far as the code of their callers tells.
pub(super) struct Calls<'a> {
    memory: &'a dyn Memory,
    frames: &'a [Step],
}

impl<'a> Scene<'a> {
    pub(super) fn calls(&self) -> Option<Calls<'a>> {
        let (memory, registers) = (self.target.memory(), self.registers?);
        let unwind = || Unwinder::new(memory, self.target.modules()).frames(registers, MAX_FRAMES);
        Some(Calls {
            memory,
            frames: self.unwound.0.get_or_init(unwind),
        })
    }
}

impl Calls<'_> {
    /// The first arguments of the call that a frame stands at.
    pub(super) fn arguments(&self, caller: &NativeFrame) -> Option<[Option<u64>; 6]> {
        let pc = Addr(caller.address?.0);
        let (_, registers, known) = self.frames.iter().find(|(step, ..)| step.pc == pc)?;
        Some(Lines::before_call(self.memory, pc)?.arguments(self.memory, registers, *known))
    }

    /// The first line of the text at an address, if it is one.
    pub(super) fn text(&self, at: u64) -> Option<String> {
        text(self.memory, Addr(at))
    }

    /// A format of printf(3) with its arguments; `…` for what is not known.
    pub(super) fn formatted(&self, format: &str, arguments: &[Option<u64>]) -> String {
        let mut text = String::new();
        let mut arguments = arguments.iter().copied();
        let mut rest = format;
        while let Some((before, directive)) = rest.split_once('%') {
            text.push_str(before);
            let end = directive.find(|c: char| c == '%' || c.is_ascii_alphabetic() && !"hlzjt".contains(c));
            let kind = end.and_then(|end| directive.get(end..)?.chars().next());
            rest = end.and_then(|end| directive.get(end + 1..)).unwrap_or_default();
            // Precision and width may be arguments themselves.
            let modifiers = directive.get(..end.unwrap_or_default()).unwrap_or_default();
            let value = match kind {
                Some('%') => Some("%".to_string()),
                _ if modifiers.contains('*') => return text + "…",
                Some(kind) => arguments
                    .next()
                    .flatten()
                    .and_then(|value| self.argument(kind, modifiers, value)),
                None => None,
            };
            text.push_str(value.as_deref().unwrap_or("…"));
        }
        text + rest
    }

    fn argument(&self, kind: char, modifiers: &str, value: u64) -> Option<String> {
        let is_long = modifiers.contains(['l', 'z', 'j', 't']);
        Some(match kind {
            's' => self.text(value)?,
            'd' | 'i' if is_long => value.cast_signed().to_string(),
            'd' | 'i' => (value as i32).to_string(),
            'u' if is_long => value.to_string(),
            'u' => (value as u32).to_string(),
            'c' => char::from(value as u8).to_string(),
            'p' => Addr(value).to_string(),
            _ => return None,
        })
    }
}

fn text(memory: &dyn Memory, at: Addr) -> Option<String> {
    let text = String::from_utf8(memory.read_c_string(at, MAX_TEXT).ok()?).ok()?;
    let is_text = !text.is_empty() && text.chars().all(|c| !c.is_control() || c == '\n');
    is_text.then(|| text.lines().next().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    #[test]
    fn what_is_not_known_of_a_format_is_left_open() {
        let mut text = b"table.csv".to_vec();
        text.resize(MAX_TEXT, 0);
        let memory = FakeMemory::new().with(Addr(0x5000), text);
        let calls = Calls {
            memory: &memory,
            frames: &[],
        };
        let format = |format, arguments: &[Option<u64>]| calls.formatted(format, arguments);
        assert_eq!(
            format(
                "row %d of %s: %zu%%",
                &[Some(u64::from(u32::MAX)), Some(0x5000), Some(7)]
            ),
            "row -1 of table.csv: 7%"
        );
        assert_eq!(format("%s and %s", &[None, Some(0x6000)]), "… and …");
        assert_eq!(format("%.*s", &[Some(3), Some(0x5000)]), "…");
        assert_eq!(format("100 %", &[]), "100 …");
    }
}
