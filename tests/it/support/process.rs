//! Looking at a stopped process, with nothing of coldframe's own live reader.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use coldframe::addr::{Addr, AddrRange};
use coldframe::image::MemoryElf;
use coldframe::source::{Memory, Module, Modules, ReadError, Registers};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

const PAGE: u64 = 4096;

/// `/proc/PID/mem`, a page at a time.
pub struct ProcessMemory {
    file: File,
    pages: RefCell<HashMap<u64, Option<Box<[u8]>>>>,
    /// Reads asked for, and the bytes of them.
    pub reads: Cell<(usize, usize)>,
}

impl ProcessMemory {
    pub fn open(pid: i32) -> ProcessMemory {
        ProcessMemory {
            file: File::open(format!("/proc/{pid}/mem")).unwrap(),
            pages: RefCell::default(),
            reads: Cell::default(),
        }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let (count, bytes) = self.reads.get();
        self.reads.set((count + 1, bytes + buf.len()));
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        let mut pages = self.pages.borrow_mut();
        let mut done = 0;
        while done < buf.len() {
            let at = addr.0.checked_add(done as u64).ok_or(error)?;
            let page = pages.entry(at / PAGE).or_insert_with(|| {
                let mut bytes = vec![0; PAGE as usize];
                let read = self.file.read_exact_at(&mut bytes, at / PAGE * PAGE);
                read.is_ok().then(|| bytes.into())
            });
            let rest = &page.as_ref().ok_or(error)?[(at % PAGE) as usize..];
            let count = rest.len().min(buf.len() - done);
            buf[done..done + count].copy_from_slice(&rest[..count]);
            done += count;
        }
        Ok(())
    }
}

/// A process that stands still, and what an unwinder needs of it.
pub struct Stopped {
    pub memory: ProcessMemory,
    pub modules: Modules,
    /// By thread id, in ascending order.
    pub threads: Vec<(i32, Registers)>,
}

impl Stopped {
    /// Of a process whose threads are all stopped (by SIGSTOP).
    pub fn look_at(pid: i32) -> Stopped {
        let memory = ProcessMemory::open(pid);
        let modules = modules(pid, &memory);
        let mut tids: Vec<i32> = std::fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        tids.sort_unstable();
        let threads = tids.into_iter().map(|tid| (tid, registers(tid))).collect();
        Stopped {
            memory,
            modules,
            threads,
        }
    }
}

/// Seizes a thread for long enough to read its registers.
fn registers(tid: i32) -> Registers {
    let tid = Pid::from_raw(tid);
    ptrace::seize(tid, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(tid).unwrap();
    waitpid(tid, Some(WaitPidFlag::__WALL)).unwrap();
    let r = ptrace::getregs(tid).unwrap();
    ptrace::detach(tid, None).unwrap();
    Registers {
        dwarf: [
            r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
            r.r15, r.rip,
        ],
        fs_base: Some(r.fs_base),
        ..Registers::default()
    }
}

/// One module per run of mappings of one file, from that of offset 0.
fn modules(pid: i32, memory: &ProcessMemory) -> Modules {
    let mut list: Vec<Module> = Vec::new();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, _, offset) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
        let path = fields.skip(2).collect::<Vec<_>>().join(" ");
        let (start, end) = range.split_once('-').unwrap();
        let parse = |hex| Addr(u64::from_str_radix(hex, 16).unwrap());
        let (start, end) = (parse(start), parse(end));
        match list.last_mut() {
            Some(last) if last.path == path && offset != "00000000" => last.range.end = end,
            _ if offset == "00000000" && (path.starts_with('/') || path == "[vdso]") => list.push(Module {
                range: AddrRange { start, end },
                path,
                build_id: None,
            }),
            _ => {}
        }
    }
    list.retain_mut(|module| match MemoryElf::read(memory, module.range.start) {
        Ok(elf) => {
            module.build_id = elf.build_id(memory);
            true
        }
        Err(_) => false,
    });
    Modules::new(list)
}
