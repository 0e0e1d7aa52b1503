//! Walks over made-up memory: what no compiler produces, and what an attacker would.

use std::collections::BTreeMap;

use crate::addr::{Addr, AddrRange};
use crate::notes::Notes;
use crate::source::streams::{NativeStep, Trust};
use crate::source::{Memory, Module, Modules, ReadError, Registers};

use super::{Limits, interrupted, unwind};

const IMAGE: u64 = 0x10_0000;
const CODE: u64 = IMAGE + 0x1000;
const STACK: u64 = 0x7000_0000;
/// Behind a call, in the code of [`Fake::image`].
const RETURN: u64 = CODE + 0x105;
const SIGRETURN: u64 = CODE + 0x200;

/// Segments by address.
#[derive(Default)]
struct Fake(BTreeMap<u64, Vec<u8>>);

impl Memory for Fake {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let found = self.0.range(..=addr.0).next_back().and_then(|(start, bytes)| {
            let at = (addr.0 - start) as usize;
            bytes.get(at..at.checked_add(buf.len())?)
        });
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        buf.copy_from_slice(found.ok_or(error)?);
        Ok(())
    }
}

impl Fake {
    /// An image with code but no unwind table, and a stack of zeros.
    fn image() -> Fake {
        let mut image = vec![0; 0x2000];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[32..40].copy_from_slice(&64u64.to_le_bytes()); // e_phoff
        image[54..58].copy_from_slice(&[56, 0, 2, 0]); // e_phentsize, e_phnum
        let segment = |kind: u32, flags: u32, address: u64, size: u64| {
            let mut row = [0; 56];
            row[..4].copy_from_slice(&kind.to_le_bytes());
            row[4..8].copy_from_slice(&flags.to_le_bytes());
            for at in [8, 16] {
                row[at..at + 8].copy_from_slice(&address.to_le_bytes());
            }
            row[40..48].copy_from_slice(&size.to_le_bytes());
            row
        };
        image[64..120].copy_from_slice(&segment(1, 5, 0, 0x2000)); // PT_LOAD, R and X
        image[120..176].copy_from_slice(&segment(0x6474_e550, 4, 0x400, 0x100)); // PT_GNU_EH_FRAME
        image[0x1100] = 0xe8; // call rel32
        image[0x1200..0x1209].copy_from_slice(b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05");
        Fake(BTreeMap::from([(IMAGE, image), (STACK, vec![0; 0x4000])]))
    }

    fn put(&mut self, addr: u64, bytes: &[u8]) {
        let (start, segment) = self.0.range_mut(..=addr).next_back().unwrap();
        let at = (addr - start) as usize;
        segment[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_word(&mut self, addr: u64, word: u64) {
        self.put(addr, &word.to_le_bytes());
    }

    fn walk(&self, pc: u64, sp: u64, fp: u64) -> (Vec<NativeStep>, Notes) {
        let modules = Modules::new(vec![Module {
            range: AddrRange::new(Addr(IMAGE), 0x2000),
            path: "/lib/libfake.so".to_string(),
            build_id: None,
        }]);
        let mut registers = Registers::default();
        registers.dwarf[Registers::RIP] = pc;
        registers.dwarf[Registers::RSP] = sp;
        registers.dwarf[Registers::RBP] = fp;
        let notes = Notes::new();
        let steps = unwind(self, &modules, &registers, &notes, &Limits::default());
        (steps, notes)
    }
}

fn trusts(steps: &[NativeStep]) -> Vec<Trust> {
    steps.iter().map(|step| step.trust).collect()
}

#[test]
fn without_tables_each_means_is_tried_in_turn() {
    let mut fake = Fake::image();
    fake.put_word(STACK, RETURN); // on top of the stack
    fake.put_word(STACK + 0x20, STACK + 0x100); // a frame: the caller's frame pointer,
    fake.put_word(STACK + 0x28, RETURN); // and the return address
    fake.put_word(STACK + 0x800, RETURN); // somewhere
    let (steps, notes) = fake.walk(0, STACK, STACK + 0x20);
    use Trust::{Context, FramePointer, ReturnAddress, Scan};
    assert_eq!(trusts(&steps), [Context, ReturnAddress, FramePointer, Scan]);
    let stacks: Vec<u64> = steps.iter().map(|step| step.sp.0 - STACK).collect();
    assert_eq!(stacks, [0, 8, 0x30, 0x808]);
    assert_eq!(steps[1].lookup(), Addr(RETURN - 1));
    let notes = notes.to_vec();
    let [scan, end] = &notes[..] else { panic!("{notes:?}") };
    assert!(scan.what.contains("looking through the stack"), "{scan:?}");
    assert!(end.what.contains("libfake.so+0x1105"), "{end:?}");
    assert!(end.what.contains("encodings [00, 00, 00, 00]"), "{end:?}");
}

#[test]
fn scanning_is_bounded() {
    let mut fake = Fake::image();
    fake.put_word(STACK + 1024 * 8, RETURN);
    assert_eq!(fake.walk(1, STACK, 0).0.len(), 1);
    assert_eq!(fake.walk(1, STACK + 8, 0).0.len(), 2);
}

#[test]
fn a_trampoline_is_known_by_its_code() {
    let mut fake = Fake::image();
    let ucontext = STACK + 0x30;
    fake.put_word(ucontext + 40 + 15 * 8, STACK + 0x2000); // rsp
    fake.put_word(ucontext + 40 + 16 * 8, CODE + 0x10); // rip
    fake.put(ucontext + 304, &[11, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]); // SIGSEGV, SEGV_MAPERR
    fake.put_word(ucontext + 304 + 16, 0xdead);
    let (steps, _) = fake.walk(SIGRETURN, ucontext, 0);
    let [step, interrupted_at] = steps[..] else {
        panic!("{steps:?}")
    };
    assert!(step.is_signal_trampoline);
    assert!(interrupted_at.is_exact && interrupted_at.trust == Trust::Context);
    let frame = interrupted(&fake, &step).unwrap();
    assert_eq!(
        (frame.registers.pc(), frame.registers.sp()),
        (Addr(CODE + 0x10), Addr(STACK + 0x2000))
    );
    let info = frame.info.unwrap();
    assert_eq!((info.signo, info.code, info.address), (11, 1, Addr(0xdead)));
}

#[test]
fn a_signal_frame_that_leads_to_itself_ends_the_walk() {
    let mut fake = Fake::image();
    fake.put_word(STACK + 40 + 15 * 8, STACK); // rsp
    fake.put_word(STACK + 40 + 16 * 8, SIGRETURN); // rip
    let (steps, notes) = fake.walk(SIGRETURN, STACK, 0);
    assert_eq!(steps.len(), 2);
    assert!(notes.to_vec()[0].what.contains("leads back"), "{:?}", notes.to_vec());
}

#[test]
fn a_table_that_lies_about_its_size_is_not_read() {
    let mut fake = Fake::image();
    fake.put(IMAGE + 0x400, &[1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let (steps, notes) = fake.walk(CODE, STACK, 0);
    assert_eq!(steps.len(), 1);
    assert!(notes.to_vec()[0].what.contains("4294967295 rows in 256 bytes"));
}

#[test]
fn every_value_of_every_byte_of_a_table_ends() {
    let mut fake = Fake::image();
    // One row, for CODE; the entry at 0x440 with its CIE at 0x420.
    let at = |offset: u64| (offset as i64 - 0x400) as i32;
    fake.put(IMAGE + 0x400, &[1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 1, 0, 0, 0]);
    fake.put(IMAGE + 0x40c, &at(0x1000).to_le_bytes());
    fake.put(IMAGE + 0x410, &at(0x440).to_le_bytes());
    // CIE: version 1, "zR", code 1, data -8, return address 16, pcrel sdata4; CFA rsp+8, ra at CFA-8.
    fake.put(
        IMAGE + 0x420,
        b"\x14\0\0\0\0\0\0\0\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0",
    );
    fake.put(IMAGE + 0x440, &16u32.to_le_bytes());
    fake.put(IMAGE + 0x444, &0x24u32.to_le_bytes());
    fake.put(IMAGE + 0x448, &(0x1000i32 - 0x448).to_le_bytes());
    fake.put(IMAGE + 0x44c, &0x800u32.to_le_bytes());
    // Recursion without an end, as far as the stack goes.
    for word in 0..0x800 {
        fake.put_word(STACK + word * 8, RETURN);
    }
    let (steps, _) = fake.walk(CODE, STACK, 0);
    assert_eq!(steps.len(), 0x801);
    assert!(trusts(&steps[1..]).iter().all(|&trust| trust == Trust::Cfi));
    for offset in 0x400..0x454 {
        let good = fake.0[&IMAGE][offset as usize];
        for bit in 0..8 {
            fake.put(IMAGE + offset, &[good ^ (1 << bit)]);
            let (steps, _) = fake.walk(CODE, STACK, 0);
            assert!(steps.len() <= Limits::default().frames);
        }
        fake.put(IMAGE + offset, &[good]);
    }
}
