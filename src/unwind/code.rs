//! x86_64 machine code, as far as it tells what a stack word is (Intel SDM volume 2, "CALL").

/// The longest call: opcode, ModRM, SIB, 32-bit displacement.
pub(super) const MAX_CALL: usize = 7;

/// What the signal trampoline of every libc is: `mov $15, %rax` (or `%eax`), `syscall`.
/// gdb and libgcc know signal frames by these bytes, too (gcc `libgcc/config/i386/linux-unwind.h`).
pub(super) const SIGRETURN: [&[u8]; 2] = [b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", b"\xb8\x0f\x00\x00\x00\x0f\x05"];

/// Whether a call instruction ends at the end of `before`, the bytes before a return address.
pub(super) fn ends_in_call(before: &[u8]) -> bool {
    let from_end = |n: usize| before.len().checked_sub(n).and_then(|i| before.get(i..));
    if matches!(from_end(5), Some([0xe8, ..])) {
        return true;
    }
    // FF /2, with every length its operand can have. A prefix before it makes no difference.
    (2..=MAX_CALL).any(|len| match from_end(len) {
        Some([0xff, modrm, rest @ ..]) if (modrm >> 3) & 7 == 2 => operand_len(*modrm, rest) == Some(rest.len()),
        _ => false,
    })
}

/// Bytes after the ModRM byte (Intel SDM volume 2, section 2.1.5).
fn operand_len(modrm: u8, rest: &[u8]) -> Option<usize> {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let sib = mode != 3 && rm == 4;
    let displacement = match mode {
        0 if rm == 5 => 4,
        0 if sib && *rest.first()? & 7 == 5 => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    Some(usize::from(sib) + displacement)
}

#[cfg(test)]
mod tests {
    use super::ends_in_call;

    #[test]
    fn knows_the_forms_of_call() {
        let calls: &[&[u8]] = &[
            b"\xe8\x10\x20\x30\x40",         // call rel32
            b"\xff\xd0",                     // call *%rax
            b"\x41\xff\xd4",                 // call *%r12
            b"\xff\x15\x10\x20\x30\x00",     // call *rel32(%rip)
            b"\xff\x50\x18",                 // call *0x18(%rax)
            b"\xff\x90\x18\x01\x00\x00",     // call *0x118(%rax)
            b"\xff\x14\x25\x10\x20\x30\x40", // call *0x40302010
            b"\xff\x54\x24\x08",             // call *8(%rsp)
            b"\xff\x14\xc2",                 // call *(%rdx,%rax,8)
        ];
        for call in calls {
            let padded = [&[0x90; 7], *call].concat();
            assert!(ends_in_call(&padded), "{call:02x?}");
            assert!(ends_in_call(call), "{call:02x?}");
        }
        let others: &[&[u8]] = &[
            b"",
            b"\x90",
            b"\xe9\x10\x20\x30\x40",
            b"\xff\xe0",
            b"\xff\x25\x10\x20\x30\x00",
        ];
        for other in others {
            assert!(!ends_in_call(other), "{other:02x?}");
        }
    }
}
