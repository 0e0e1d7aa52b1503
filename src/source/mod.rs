//! Where facts about a process come from: a minidump, a core, a live process, or bytes in a test.
//!
//! [`Memory`] reads bytes, [`Target`] adds threads, modules and the crash. The recorder wraps a
//! memory and keeps the exact ranges that were asked for: what an analysis read is what a dump holds.
//!
//! Invariant: nothing here knows what the bytes mean; no DWARF or CPython structure is decoded, and of
//! ELF only the headers that identify an image.

pub mod annotations;
mod blocks;
mod core_file;
pub mod elf_note;
pub mod fake;
mod images;
mod input;
pub mod live;
pub mod mapped;
pub mod maps;
mod memory;
pub mod minidump;
mod module;
pub mod page_cache;
pub mod ranges;
pub mod record;
mod recorder;
mod registers;
pub mod request;
pub mod runs;
pub mod streams;
pub mod unpack;
pub mod variables;

pub use core_file::{CoreError, CoreFile};
pub use input::{Input, InputError};
pub use live::LiveProcess;
pub use memory::{Memory, MemoryExt, Peek, ReadError};
pub use minidump::{DumpError, DumpFile};
pub use module::{BuildId, Module, Modules};
pub use page_cache::PageCache;
pub use record::{RecordFile, RecordFileError};
pub use recorder::Recorder;
pub use registers::Registers;

use crate::addr::Addr;
use streams::{Context, RecordedLayout, RecordedRedaction, RecordedSources, RecordedStack, RecordedSymbols};

/// One thread of the process, as far as its source knows it.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// The kernel's thread id.
    pub tid: u32,
    /// The name the kernel knows (`comm`), at most 15 bytes.
    pub name: Option<String>,
    /// The general registers; for the crashed thread those at the fault, where known. `None` for a
    /// thread that could not be stopped.
    pub registers: Option<Registers>,
}

/// What killed the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The thread the signal was delivered to.
    pub tid: u32,
    /// The signal number, for example 11 for SIGSEGV.
    pub signal: i32,
    /// `si_code` of the siginfo (sigaction(2)).
    pub code: i32,
    /// `si_addr`: the address of the fault. Meaningless where `code` says that a process sent the signal.
    pub address: Addr,
    /// pid and uid of the sender, where a process sent the signal (`si_code <= 0`).
    pub sender: Option<(i32, u32)>,
}

/// A process as it was at one moment: everything an analysis may ask for.
pub trait Target {
    /// The memory of the process.
    fn memory(&self) -> &dyn Memory;
    /// Everything else about it.
    fn facts(&self) -> &Facts;

    /// See [`Facts::threads`].
    fn threads(&self) -> &[Thread] {
        &self.facts().threads
    }
    /// See [`Facts::modules`].
    fn modules(&self) -> &Modules {
        &self.facts().modules
    }
    /// See [`Facts::mappings`].
    fn mappings(&self) -> &[maps::Mapping] {
        &self.facts().mappings
    }
    /// See [`Facts::crash`].
    fn crash(&self) -> Option<&Crash> {
        self.facts().crash.as_ref()
    }
    /// See [`Facts::context`].
    fn context(&self) -> &Context {
        &self.facts().context
    }
    /// See [`Facts::recorded`].
    fn recorded(&self) -> &Recorded {
        &self.facts().recorded
    }
}

/// What a source knows of a process beside its memory.
#[derive(Debug, Default)]
pub struct Facts {
    /// Its threads, in the order of the kernel (the main thread first).
    pub threads: Vec<Thread>,
    /// The images mapped into it.
    pub modules: Modules,
    /// What is mapped where, by address; empty where that is not known.
    pub mappings: Vec<maps::Mapping>,
    /// What killed it; `None` for a process that lives.
    pub crash: Option<Crash>,
    /// What only the operating system knew.
    pub context: Context,
    /// What an earlier analysis found and recorded; empty for a live process.
    pub recorded: Recorded,
}

/// The streams of a dump that hold results of the analysis made when it was captured.
#[derive(Debug, Default)]
pub struct Recorded {
    /// coldframe made the dump: what is not in it was not to be had at capture either.
    pub is_complete: bool,
    /// The structure layout that was used.
    pub layout: Option<RecordedLayout>,
    /// Function, file and line of native addresses.
    pub symbols: RecordedSymbols,
    /// Source lines.
    pub sources: RecordedSources,
    /// Frame lists of threads whose stack memory was not kept whole.
    pub stacks: Vec<RecordedStack>,
    /// What redaction left out.
    pub redaction: RecordedRedaction,
    /// Variables of native frames.
    pub variables: Vec<variables::RecordedVariables>,
    /// Structures of Python types written in C.
    pub structures: variables::RecordedStructures,
}
