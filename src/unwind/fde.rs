//! Frame description entries: from the bytes in `.eh_frame` to a [`Rule`] (LSB Core, section 10.6.1).

use std::rc::Rc;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameOffset, EndianSlice, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection,
};

use crate::addr::{Addr, AddrRange};
use crate::source::{Memory, MemoryExt, ReadError, Registers};

use super::expression::ENCODING;
use super::rule::{Cfa, Rule, Saved};

/// The largest functions have entries of some KiB.
const MAX_ENTRY: u32 = 1 << 18;

/// Why an entry is of no use.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum FdeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("entry of {size} bytes at {at}")]
    Size { size: u32, at: Addr },
    #[error("{error} in the entry at {at}")]
    Dwarf { error: gimli::Error, at: Addr },
    #[error("the entry at {at} keeps the return address in register {register}")]
    ReturnRegister { register: u16, at: Addr },
}

/// A frame description entry with the common information entry it belongs to.
#[derive(Debug)]
pub(super) struct Fde {
    at: Addr,
    /// The CIE, then the FDE with its CIE pointer altered to lead there, then an end mark: a section
    /// of its own, without the megabytes between the two.
    section: Vec<u8>,
    /// Length of the CIE.
    cie_len: usize,
    /// The code it is about.
    pub range: AddrRange,
    /// Augmentation `S`.
    pub is_signal_trampoline: bool,
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

impl Fde {
    /// Reads the entry at `at`, in two reads, and its CIE, in two more.
    pub fn read(memory: &dyn Memory, at: Addr) -> Result<Fde, FdeError> {
        let entry = read_entry(memory, at)?;
        // The CIE pointer counts back from its own place, after the length.
        let pointer = entry.get(4..8).and_then(|b| b.first_chunk()).copied();
        let back = pointer.map(u32::from_le_bytes).unwrap_or_default();
        let mut section = read_entry(memory, at.add(4).sub(u64::from(back)))?;
        let cie_len = section.len();
        section.extend_from_slice(&entry);
        if let Some(pointer) = section.get_mut(cie_len + 4..cie_len + 8) {
            // An entry is below MAX_ENTRY bytes.
            pointer.copy_from_slice(&(cie_len as u32 + 4).to_le_bytes());
        }
        section.extend_from_slice(&[0; 4]);
        let mut fde = Fde {
            at,
            section,
            cie_len,
            range: AddrRange::default(),
            is_signal_trampoline: false,
        };
        let parsed = fde.parse()?;
        let register = parsed.cie().return_address_register().0;
        let (start, len) = (Addr(parsed.initial_address()), parsed.len());
        let is_signal_trampoline = parsed.is_signal_trampoline();
        if usize::from(register) != Registers::RIP {
            return Err(FdeError::ReturnRegister { register, at });
        }
        fde.range = AddrRange::new(start, len);
        fde.is_signal_trampoline = is_signal_trampoline;
        Ok(fde)
    }

    /// The row for `pc`.
    pub fn rule(&self, context: &mut UnwindContext<usize>, pc: Addr) -> Result<Rule, FdeError> {
        let (section, bases) = (self.eh_frame(), self.bases());
        let parsed = self.parse()?;
        let row = parsed
            .unwind_info_for_address(&section, &bases, context, pc.0)
            .map_err(|error| FdeError::Dwarf { error, at: self.at })?;
        let copy = |expression: &UnwindExpression<usize>| -> Result<Rc<[u8]>, FdeError> {
            let code = expression.get(&section);
            code.map(|code| Rc::from(code.0.slice()))
                .map_err(|error| FdeError::Dwarf { error, at: self.at })
        };
        let cfa = match row.cfa() {
            // A number that does not fit names no register that is kept; applying the rule fails then.
            CfaRule::RegisterAndOffset { register, offset } => Cfa::Register {
                register: small(*register),
                offset: *offset,
            },
            CfaRule::Expression(expression) => Cfa::Expression(copy(expression)?),
        };
        let mut registers: [Saved; Registers::COUNT] = Default::default();
        for (number, saved) in registers.iter_mut().enumerate() {
            *saved = match row.register(Register(number as u16)) {
                None | Some(RegisterRule::SameValue) => Saved::Same,
                Some(RegisterRule::Offset(offset)) => Saved::At(offset),
                Some(RegisterRule::ValOffset(offset)) => Saved::Value(offset),
                Some(RegisterRule::Register(other)) => Saved::In(small(other)),
                Some(RegisterRule::Expression(expression)) => Saved::AtExpression(copy(&expression)?),
                Some(RegisterRule::ValExpression(expression)) => Saved::ValueExpression(copy(&expression)?),
                Some(_) => Saved::Undefined,
            };
        }
        Ok(Rule {
            cfa,
            registers,
            is_signal_trampoline: self.is_signal_trampoline,
        })
    }

    fn parse(&self) -> Result<gimli::FrameDescriptionEntry<Slice<'_>>, FdeError> {
        let (section, bases) = (self.eh_frame(), self.bases());
        section
            .fde_from_offset(&bases, EhFrameOffset(self.cie_len), |section, bases, offset| {
                section.cie_from_offset(bases, offset)
            })
            .map_err(|error| FdeError::Dwarf { error, at: self.at })
    }

    fn eh_frame(&self) -> EhFrame<Slice<'_>> {
        let mut section = EhFrame::new(&self.section, LittleEndian);
        section.set_address_size(ENCODING.address_size);
        section
    }

    /// So that pointers relative to their own place come out right in the FDE. (Those in the CIE do
    /// not; it has one, to the personality routine, which is of no use here.)
    fn bases(&self) -> BaseAddresses {
        BaseAddresses::default().set_eh_frame(self.at.sub(self.cie_len as u64).0)
    }
}

fn small(register: Register) -> u8 {
    u8::try_from(register.0).unwrap_or(u8::MAX)
}

/// The bytes of an entry, its length field included.
fn read_entry(memory: &dyn Memory, at: Addr) -> Result<Vec<u8>, FdeError> {
    let size = memory.read_u32(at)?;
    // 0 is the end mark, 0xffffffff announces a 64-bit length, which no linker writes here.
    if !(8..=MAX_ENTRY).contains(&size) {
        return Err(FdeError::Size { size, at });
    }
    Ok(memory.read_vec(at, size as usize + 4)?)
}
