//! The notes: threads, signal, process, auxiliary vector, mapped files. Structures are those of the kernel on x86_64
//! (include/uapi/linux/elfcore.h, fs/binfmt_elf.c).

use crate::image::MemoryElf;
use crate::source::{Crash, MemoryExt, Registers, Target, Thread};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;
/// Indices into `user_regs_struct` (arch/x86/include/asm/user_64.h), by DWARF number.
const REGISTERS: [usize; Registers::COUNT] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];
const FS_BASE: usize = 21;
/// User code segment, and stack segment: gdb tells by them that the process is one of 64 bits.
const CS: (usize, u64) = (17, 0x33);
const SS: (usize, u64) = (20, 0x2b);
/// `orig_rax` of a thread that is in no system call.
const ORIG_RAX: (usize, u64) = (15, u64::MAX);
const PAGE: u64 = 4096;

/// All notes, the crashed thread's first: debuggers select the first thread.
pub(super) fn all(target: &dyn Target) -> Vec<u8> {
    let mut notes = Vec::new();
    let crash = target.crash();
    let crashed = |thread: &&Thread| crash.is_some_and(|crash| crash.tid == thread.tid);
    let threads = target.threads().iter();
    let ordered = threads
        .clone()
        .filter(crashed)
        .chain(threads.filter(|thread| !crashed(thread)));
    for (index, thread) in ordered.filter(|thread| thread.registers.is_some()).enumerate() {
        let signal = crash
            .filter(|crash| crash.tid == thread.tid)
            .map_or(0, |crash| crash.signal);
        add(
            &mut notes,
            NT_PRSTATUS,
            &status(thread, signal, target.context().process.pid),
        );
        if index == 0 {
            add(&mut notes, NT_PRPSINFO, &process(target));
            if let Some(crash) = crash {
                add(&mut notes, NT_SIGINFO, &siginfo(crash));
            }
            add(&mut notes, NT_AUXV, &auxiliary_vector(target));
            add(&mut notes, NT_FILE, &files(target));
        }
    }
    notes
}

fn add(notes: &mut Vec<u8>, kind: u32, contents: &[u8]) {
    let name = b"CORE\0";
    notes.extend(u32::try_from(name.len()).unwrap_or_default().to_le_bytes());
    notes.extend(u32::try_from(contents.len()).unwrap_or_default().to_le_bytes());
    notes.extend(kind.to_le_bytes());
    notes.extend(name);
    notes.resize(notes.len().next_multiple_of(4), 0);
    notes.extend(contents);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// `struct elf_prstatus`.
fn status(thread: &Thread, signal: i32, pid: u32) -> Vec<u8> {
    let mut status = vec![0; 336];
    put(&mut status, 0, &signal.to_le_bytes());
    put(&mut status, 12, &(signal as u16).to_le_bytes());
    put(&mut status, 32, &thread.tid.to_le_bytes());
    put(&mut status, 40, &pid.to_le_bytes());
    let mut words = [0u64; 27];
    for (index, value) in [CS, SS, ORIG_RAX] {
        words[index] = value;
    }
    if let Some(registers) = &thread.registers {
        for (value, index) in registers.dwarf.iter().zip(REGISTERS) {
            words[index] = *value;
        }
        words[FS_BASE] = registers.fs_base.unwrap_or(0);
    }
    for (index, word) in words.iter().enumerate() {
        put(&mut status, 112 + index * 8, &word.to_le_bytes());
    }
    status
}

/// `struct elf_prpsinfo`.
fn process(target: &dyn Target) -> Vec<u8> {
    let process = &target.context().process;
    let mut info = vec![0; 136];
    put(&mut info, 24, &process.pid.to_le_bytes());
    let name = process.executable.rsplit('/').next().unwrap_or_default();
    put(&mut info, 40, &name.as_bytes()[..name.len().min(15)]);
    let arguments = process.command.join(" ");
    put(&mut info, 56, &arguments.as_bytes()[..arguments.len().min(79)]);
    info
}

/// `siginfo_t`.
fn siginfo(crash: &Crash) -> Vec<u8> {
    let mut info = vec![0; 128];
    put(&mut info, 0, &crash.signal.to_le_bytes());
    put(&mut info, 8, &crash.code.to_le_bytes());
    match crash.sender {
        Some((pid, uid)) => {
            put(&mut info, 16, &pid.to_le_bytes());
            put(&mut info, 20, &uid.to_le_bytes());
        }
        None => put(&mut info, 16, &crash.address.0.to_le_bytes()),
    }
    info
}

/// Keys and values as in getauxval(3), as far as the list of modules tells them. Not AT_SYSINFO_EHDR: debuggers read the
/// image it points to from memory, which the dump does not hold (lldb 19 runs out of its own over that).
fn auxiliary_vector(target: &dyn Target) -> Vec<u8> {
    const AT_PHDR: u64 = 3;
    const AT_PHENT: u64 = 4;
    const AT_PHNUM: u64 = 5;
    const AT_PAGESZ: u64 = 6;
    const AT_BASE: u64 = 7;
    const AT_ENTRY: u64 = 9;
    let memory = target.memory();
    let mut pairs = vec![(AT_PAGESZ, PAGE)];
    let module = |is_it: &dyn Fn(&str) -> bool| target.modules().iter().find(|module| is_it(&module.path));
    let executable = &target.context().process.executable;
    if let Some(module) = module(&|path| path == executable) {
        let base = module.range.start;
        // elf(5): e_entry at 24, e_phoff at 32, e_phentsize at 54, e_phnum at 56.
        if let (Ok(elf), Ok(entry), Ok(headers), Ok(count)) = (
            MemoryElf::read(memory, base),
            memory.read_u64(base.add(24)),
            memory.read_u64(base.add(32)),
            memory.read_u16(base.add(56)),
        ) {
            pairs.push((AT_PHDR, base.0.wrapping_add(headers)));
            pairs.push((AT_PHENT, 56));
            pairs.push((AT_PHNUM, u64::from(count)));
            pairs.push((AT_ENTRY, entry.wrapping_add(elf.bias())));
        }
    }
    let is_loader = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("ld-"));
    if let Some(loader) = module(&is_loader) {
        pairs.push((AT_BASE, loader.range.start.0));
    }
    pairs.push((0, 0));
    pairs
        .iter()
        .flat_map(|(key, value)| [key.to_le_bytes(), value.to_le_bytes()])
        .flatten()
        .collect()
}

/// Mapped files: their number, the size of a page, ranges with offsets in pages, names.
fn files(target: &dyn Target) -> Vec<u8> {
    let mapped = target.mappings().iter().filter(|mapping| mapping.path.starts_with('/'));
    let mut rows: Vec<(u64, u64, u64, &str)> = mapped
        .map(|m| (m.range.start.0, m.range.end.0, m.offset / PAGE, m.path.as_str()))
        .collect();
    if rows.is_empty() {
        let modules = target.modules().iter().filter(|module| module.path.starts_with('/'));
        rows = modules
            .map(|m| (m.range.start.0, m.range.end.0, 0, m.path.as_str()))
            .collect();
    }
    let mut bytes = Vec::new();
    bytes.extend((rows.len() as u64).to_le_bytes());
    bytes.extend(PAGE.to_le_bytes());
    for (start, end, offset, _) in &rows {
        bytes.extend([start, end, offset].into_iter().flat_map(|word| word.to_le_bytes()));
    }
    for (_, _, _, path) in &rows {
        bytes.extend(path.as_bytes());
        bytes.push(0);
    }
    bytes
}
