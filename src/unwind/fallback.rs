//! Finding a caller without an unwind entry: less certain at every step down.

use crate::addr::Addr;
use crate::source::streams::Trust;
use crate::source::{MemoryExt, Registers};

use super::code;
use super::walk::{Frame, Unwinder};

/// No function has a larger frame that is worth following a guess over.
const MAX_FRAME: u64 = 64 << 20;
/// Stack words read at a time while scanning; blocks never cross a page, so that a block is readable
/// as a whole or not at all, at capture as well as from what was recorded.
const BLOCK_WORDS: u64 = 32;
const PAGE: u64 = 4096;

impl Unwinder<'_> {
    /// The caller by the best means there are.
    pub(super) fn guess_caller(&mut self, frame: &Frame, scan_words: u64) -> Option<Frame> {
        self.caller_by_return_address(frame)
            .or_else(|| self.caller_by_frame_pointer(frame))
            .or_else(|| self.caller_by_scan(frame, scan_words, false))
    }

    /// After a call to where no code is (a null function pointer, unmapped code), and in code that has
    /// pushed nothing yet, the return address is on top of the stack.
    fn caller_by_return_address(&mut self, frame: &Frame) -> Option<Frame> {
        if !frame.is_exact {
            return None;
        }
        let sp = frame.registers.sp();
        let pc = self.memory.read_addr(sp).ok()?;
        self.is_return_address(pc)
            .then(|| frame.returning_to(pc, sp.add(8), Trust::ReturnAddress))
    }

    /// System V psABI AMD64, section 3.2.2: the caller's frame pointer at `[rbp]`, the return address
    /// at `[rbp + 8]`.
    fn caller_by_frame_pointer(&mut self, frame: &Frame) -> Option<Frame> {
        let (sp, fp) = (frame.registers.sp(), Addr(frame.registers.dwarf[Registers::RBP]));
        if fp < sp || fp.0 % 8 != 0 || fp.0 - sp.0 > MAX_FRAME {
            return None;
        }
        let saved = self.memory.read_addr(fp).ok()?;
        let pc = self.memory.read_addr(fp.add(8)).ok()?;
        if !self.is_return_address(pc) {
            return None;
        }
        let mut caller = frame.returning_to(pc, fp.add(16), Trust::FramePointer);
        caller.registers.dwarf[Registers::RBP] = saved.0;
        Some(caller)
    }

    /// The first of the next `words` stack words that is a return address into a function from which
    /// unwinding goes on; else, unless `verified_only`, the first one that looks like a return address.
    pub(super) fn caller_by_scan(&mut self, frame: &Frame, words: u64, verified_only: bool) -> Option<Frame> {
        let start = Addr(frame.registers.sp().0.checked_next_multiple_of(8)?);
        let words = words.min(self.scan_left);
        let mut first = None;
        let mut word = 0;
        while word < words {
            let at = start.add(word * 8);
            let to_page_end = (PAGE - at.0 % PAGE) / 8;
            let count = BLOCK_WORDS.min(to_page_end).min(words - word);
            let Ok(block) = self.memory.read_vec(at, count as usize * 8) else {
                break;
            };
            self.scan_left = self.scan_left.saturating_sub(count);
            for (index, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
                let pc = Addr(u64::from_le_bytes(*bytes));
                if !self.is_return_address(pc) {
                    continue;
                }
                let candidate = frame.returning_to(pc, at.add(index as u64 * 8 + 8), Trust::Scan);
                if self.leads_on(&candidate) {
                    return Some(candidate);
                }
                first = first.or(Some(candidate));
            }
            word += count;
        }
        first.filter(|_| !verified_only)
    }

    /// Whether a guessed frame's unwind entry leads to a plausible caller, or says that it has none.
    fn leads_on(&mut self, frame: &Frame) -> bool {
        let Some(rule) = self.rule(frame) else { return false };
        match rule.step(self.memory, &frame.registers) {
            Some(stepped) if stepped.cfa > frame.registers.sp() => stepped
                .registers
                .is_none_or(|caller| self.is_return_address(caller.pc())),
            _ => false,
        }
    }

    /// Whether `addr` lies in the code of an image, behind a call instruction.
    pub(super) fn is_return_address(&mut self, addr: Addr) -> bool {
        if !self.is_executable(addr.sub(1)) {
            return false;
        }
        let before = self
            .memory
            .read_array::<{ code::MAX_CALL }>(addr.sub(code::MAX_CALL as u64));
        before.is_ok_and(|bytes| code::ends_in_call(&bytes))
    }
}
