//! The notes of a core: registers, signal, process, auxiliary vector, mapped files.
//!
//! Structures are those of the kernel (include/uapi/linux/elfcore.h, fs/binfmt_elf.c) on x86_64, which
//! gdb's `gcore` writes, too. The kernel writes the thread that died first; its `NT_SIGINFO` is the
//! only one. gdb writes one for each thread, after that thread's `NT_PRSTATUS`.

use super::header::Bytes;
use crate::addr::{Addr, AddrRange};
use crate::source::{Crash, Registers};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_FPREGSET: u32 = 2;
const NT_SIGINFO: u32 = 0x5349_4749;
/// The most threads that are taken from a core.
const MAX_THREADS: usize = 65_536;
/// The most mapped files: as many as there may be mappings.
const MAX_FILES: usize = 1 << 20;
/// The longest path that is kept (PATH_MAX).
const MAX_PATH: usize = 4096;
/// Where `pr_reg` begins in `struct elf_prstatus`.
const PR_REG: usize = 112;
/// Indices into `user_regs_struct` (arch/x86/include/asm/user_64.h), by DWARF number.
const REGISTERS: [usize; Registers::COUNT] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];
const FS_BASE: usize = 21;

/// One `NT_PRSTATUS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ThreadStatus {
    pub tid: u32,
    /// `pr_cursig`: the signal it died of; 0 in a snapshot of a process that lives on.
    pub signal: i32,
    pub registers: Option<Registers>,
}

/// A mapping of a file, of `NT_FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappedFile {
    pub range: AddrRange,
    /// Offset in the file, in bytes.
    pub offset: u64,
    pub path: String,
}

/// What all notes say.
#[derive(Debug, Default)]
pub(super) struct CoreNotes {
    /// In the order of the file: the first one died, or was looked at.
    pub threads: Vec<ThreadStatus>,
    pub crash: Option<Crash>,
    /// Process id of `NT_PRPSINFO`.
    pub pid: Option<u32>,
    /// `pr_fname`: the kernel's name of the program, at most 15 bytes.
    pub name: String,
    /// `pr_psargs`: the first 79 bytes of the command line, blanks between the arguments.
    pub arguments: String,
    /// Pairs of key and value (getauxval(3)).
    pub auxv: Vec<(u64, u64)>,
    pub files: Vec<MappedFile>,
    /// A note that is cut short or makes no sense.
    pub is_damaged: bool,
}

impl CoreNotes {
    /// Adds what one `PT_NOTE` segment says.
    pub fn add(&mut self, mut bytes: Bytes<'_>) {
        while !bytes.0.is_empty() {
            let Some((name, kind, contents, rest)) = split_note(bytes) else {
                self.is_damaged |= bytes.0.iter().any(|byte| *byte != 0);
                return;
            };
            if name == b"CORE\0" || name == b"CORE" {
                self.read(kind, contents);
            }
            bytes = rest;
        }
    }

    fn read(&mut self, kind: u32, contents: Bytes<'_>) {
        let understood = match kind {
            NT_PRSTATUS if self.threads.len() < MAX_THREADS => status(contents).map(|status| self.threads.push(status)),
            // Of the thread described last.
            NT_FPREGSET => {
                let last = self.threads.last_mut().and_then(|thread| thread.registers.as_mut());
                if let Some(registers) = last {
                    registers.vectors = Registers::vectors_in(contents.0);
                }
                Some(())
            }
            NT_SIGINFO => self.siginfo(contents),
            NT_PRPSINFO => self.process(contents),
            NT_AUXV => {
                let pairs = contents.0.chunks_exact(16).take(256);
                let pairs = pairs.filter_map(|pair| Some((Bytes(pair).u64(0)?, Bytes(pair).u64(8)?)));
                self.auxv = pairs.take_while(|(key, _)| *key != 0).collect();
                Some(())
            }
            NT_FILE => {
                let (files, is_whole) = mapped_files(contents);
                self.files = files;
                is_whole.then_some(())
            }
            _ => Some(()),
        };
        self.is_damaged |= understood.is_none();
    }

    /// The signal of the thread described last, where that is the one that died.
    fn siginfo(&mut self, contents: Bytes<'_>) -> Option<()> {
        let (signal, code) = contents.i32(0).zip(contents.i32(8))?;
        if let [thread] = self.threads.as_slice()
            && thread.signal == signal
            && signal != 0
        {
            self.crash = Some(Crash {
                tid: thread.tid,
                signal,
                code,
                address: Addr(contents.u64(16)?),
                // sigaction(2): si_pid and si_uid are there where a process sent the signal.
                sender: if code <= 0 {
                    contents.i32(16).zip(contents.u32(20))
                } else {
                    None
                },
            });
        }
        Some(())
    }

    fn process(&mut self, contents: Bytes<'_>) -> Option<()> {
        self.pid = contents.u32(24);
        self.name = text(contents.part(40, 16));
        self.arguments = text(contents.part(56, 80)).trim_end().to_string();
        (contents.0.len() >= 136).then_some(())
    }

    /// The signal of the first thread, where no `NT_SIGINFO` told of it.
    pub fn complete_crash(&mut self) {
        if let (None, Some(first)) = (&self.crash, self.threads.first())
            && first.signal != 0
        {
            self.crash = Some(Crash {
                tid: first.tid,
                signal: first.signal,
                code: libc::SI_KERNEL,
                address: Addr::NULL,
                sender: None,
            });
        }
    }

    /// A value of the auxiliary vector.
    pub fn auxiliary(&self, key: u64) -> Option<u64> {
        self.auxv.iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }
}

/// Name, type, contents, and what follows. Contents that are cut short are a note that is not there.
fn split_note(bytes: Bytes<'_>) -> Option<(&[u8], u32, Bytes<'_>, Bytes<'_>)> {
    let (name_size, size) = (u64::from(bytes.u32(0)?), u64::from(bytes.u32(4)?));
    let kind = bytes.u32(8)?;
    let name = bytes.part(12, name_size);
    let start = 12 + name_size.next_multiple_of(4);
    let contents = bytes.part(start, size);
    if (contents.0.len() as u64) < size {
        return None;
    }
    let rest = bytes.part(start + size.next_multiple_of(4), u64::MAX);
    Some((name.0, kind, contents, rest))
}

fn status(contents: Bytes<'_>) -> Option<ThreadStatus> {
    let register = |index: usize| contents.u64(PR_REG + index * 8);
    let mut registers = Registers::default();
    let is_complete = registers
        .dwarf
        .iter_mut()
        .zip(REGISTERS)
        .all(|(value, index)| register(index).map(|stored| *value = stored).is_some());
    registers.fs_base = register(FS_BASE);
    Some(ThreadStatus {
        signal: i32::from(contents.u16(12)?.cast_signed()),
        tid: contents.u32(32)?,
        registers: is_complete.then_some(registers),
    })
}

/// `NT_FILE` (fs/binfmt_elf.c, `fill_files_note`): count, page size, the ranges with their offsets in
/// pages, then the paths. Also says whether all that was announced is there.
fn mapped_files(contents: Bytes<'_>) -> (Vec<MappedFile>, bool) {
    let Some((count, page)) = contents.u64(0).zip(contents.u64(8)) else {
        return (Vec::new(), false);
    };
    let fitting = contents.0.len().saturating_sub(16) / 24;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let rows = count.min(fitting).min(MAX_FILES);
    let names = contents.part(16 + rows as u64 * 24, u64::MAX).0;
    let mut names = names.split(|byte| *byte == 0);
    let mut files = Vec::new();
    for row in 0..rows {
        let at = 16 + row * 24;
        let numbers = contents.u64(at).zip(contents.u64(at + 8)).zip(contents.u64(at + 16));
        let (Some(((start, end), offset)), Some(name)) = (numbers, names.next()) else {
            return (files, false);
        };
        let name = name.get(..MAX_PATH).unwrap_or(name);
        files.push(MappedFile {
            range: AddrRange {
                start: Addr(start),
                end: Addr(end),
            },
            offset: offset.saturating_mul(page),
            path: String::from_utf8_lossy(name).into_owned(),
        });
    }
    (files, rows == count)
}

/// The bytes before the first NUL.
fn text(bytes: Bytes<'_>) -> String {
    let end = bytes.0.iter().position(|byte| *byte == 0).unwrap_or(bytes.0.len());
    String::from_utf8_lossy(bytes.0.get(..end).unwrap_or_default()).into_owned()
}
