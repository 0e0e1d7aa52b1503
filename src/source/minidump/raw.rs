//! Numbers, strings and registers at positions in a file that may be hostile.

use std::borrow::Cow;

use minidump::MinidumpRawContext;

use crate::addr::{Addr, AddrRange};
use crate::source::Registers;
use crate::source::blocks::Block;

/// Stream types that are read row by row (minidumpapiset.h, `MINIDUMP_STREAM_TYPE`).
pub(super) mod stream {
    pub const THREAD_LIST: u32 = 3;
    pub const MODULE_LIST: u32 = 4;
    pub const MEMORY_LIST: u32 = 5;
    pub const MEMORY_64_LIST: u32 = 9;
    pub const THREAD_NAMES: u32 = 24;
}

/// Where the flags of an amd64 CONTEXT are, the end of `rip` in it, and its size in bytes (winnt.h).
const CONTEXT_FLAGS: usize = 0x30;
const CONTEXT_RIP_END: usize = 0x100;
const CONTEXT_SIZE: usize = 1232;
const CONTEXT_AMD64: u32 = 0x10_0000;
const CONTEXT_FLOATING_POINT: u32 = 8;
/// The end of its FXSAVE area.
const CONTEXT_FLOATS_END: usize = CONTEXT_RIP_END + 512;

/// Some bytes of the file; little-endian.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a>(pub &'a [u8]);

impl<'a> Raw<'a> {
    /// `len` bytes at `offset`, or as many of them as there are.
    pub fn from(self, offset: usize, len: usize) -> Raw<'a> {
        let rest = self.0.get(offset..).unwrap_or_default();
        Raw(rest.get(..len).unwrap_or(rest))
    }

    pub fn u32(self, offset: usize) -> Option<u32> {
        let bytes = self.0.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    pub fn u64(self, offset: usize) -> Option<u64> {
        let bytes = self.0.get(offset..offset.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// A MINIDUMP_STRING: its length in bytes, then UTF-16; at most `max` units of it.
    pub fn string(self, offset: u64, max: usize) -> Option<String> {
        let offset = usize::try_from(offset).ok()?;
        let len = self.u32(offset)? as usize / 2;
        let bytes = self.from(offset.checked_add(4)?, len.min(max) * 2);
        let units: Vec<u16> = bytes
            .0
            .chunks_exact(2)
            .filter_map(|b| Some(u16::from_le_bytes(b.try_into().ok()?)))
            .collect();
        Some(String::from_utf16_lossy(&units))
    }

    /// A MINIDUMP_MEMORY_DESCRIPTOR: address, length, position in the file.
    pub fn memory_descriptor(self, offset: usize) -> Option<Block> {
        let range = AddrRange::new(Addr(self.u64(offset)?), u64::from(self.u32(offset + 8)?));
        Some(Block {
            range,
            offset: self.u32(offset + 12)? as usize,
        })
    }
}

/// A CONTEXT of amd64 at its full length: lldb leaves out what follows the floating point registers, and the crate
/// `minidump` takes whole ones only. At least the registers up to `rip` must be there.
pub(super) fn whole_context(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_amd64 = Raw(bytes)
        .u32(CONTEXT_FLAGS)
        .is_some_and(|flags| flags & CONTEXT_AMD64 != 0);
    if !is_amd64 || !(CONTEXT_RIP_END..CONTEXT_SIZE).contains(&bytes.len()) {
        return Cow::Borrowed(bytes);
    }
    let mut whole = bytes.to_vec();
    if whole.len() < CONTEXT_FLOATS_END
        && let Some(flags) = whole.get_mut(CONTEXT_FLAGS)
    {
        *flags &= !(CONTEXT_FLOATING_POINT as u8);
    }
    whole.resize(CONTEXT_SIZE, 0);
    Cow::Owned(whole)
}

/// The registers by DWARF number; `None` for other machines.
pub(super) fn amd64_registers(context: &MinidumpRawContext) -> Option<Registers> {
    let MinidumpRawContext::Amd64(c) = context else {
        return None;
    };
    Some(Registers {
        dwarf: [
            c.rax, c.rdx, c.rcx, c.rbx, c.rsi, c.rdi, c.rbp, c.rsp, c.r8, c.r9, c.r10, c.r11, c.r12, c.r13, c.r14,
            c.r15, c.rip,
        ],
        fs_base: None,
        vectors: Some(&c.float_save)
            .filter(|_| c.context_flags & CONTEXT_FLOATING_POINT != 0)
            .and_then(|area| Registers::vectors_in(area)),
    })
}
