//! What the program said last, as far as its memory still has it.

use crate::addr::Addr;
use crate::image::MemoryElf;
use crate::source::{Crash, MemoryExt, Module, Target};

/// The longest message that is kept.
const MAX_MESSAGE: usize = 1024;

/// glibc's message about why it aborts: `__abort_msg` points to `struct abort_msg_s`, a size in 32 bits and the text
/// (glibc include/stdlib.h). The symbol is exported, for debuggers.
pub fn message(target: &dyn Target, crash: &Crash) -> Option<String> {
    if crash.signal != libc::SIGABRT {
        return None;
    }
    let memory = target.memory();
    let libc = target.modules().iter().find(|module| is_glibc(module))?;
    let elf = MemoryElf::read(memory, libc.range.start).ok()?;
    let variable = elf.exported(memory, "__abort_msg")?;
    let message = memory.read_addr(variable).ok().filter(|at| !at.is_null())?;
    let text = memory.read_c_string(text_of(message), MAX_MESSAGE).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// Behind the size.
fn text_of(message: Addr) -> Addr {
    message.add(4)
}

fn is_glibc(module: &Module) -> bool {
    let name = module.name();
    name.starts_with("libc.so.") || name.starts_with("libc-2.")
}
