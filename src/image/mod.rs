//! ELF images: where their files are, and what those files say about addresses.
//!
//! [`MemoryElf`] is an image as it lies in memory, [`Image`] one opened from files. [`Images`] finds the
//! files of a module and keeps them open; [`Symbolizer`] names addresses by them, or by what a dump
//! recorded. [`CacheDir`] keeps answers between runs.
//!
//! Invariant: nothing here knows of stacks or of Python, and no file whose build id differs from
//! the module's is ever used.

mod cache;
mod debuginfod;
mod dwarf;
mod elf_file;
mod entries;
mod error;
mod exported;
mod file;
mod images;
mod loaded;
mod locate;
mod memory_elf;
mod needed;
mod overlay;
mod root;
mod split;
mod symbol_cache;
mod symbol_table;
mod symbols;

pub use cache::{CACHE_MAX_VARIABLE, CacheDir, CacheKind, Trimmed, parse_size};
pub use debuginfod::{Artifact, Debuginfod, DebuginfodOptions, Progress};
pub use dwarf::Slice;
pub use elf_file::Section;
pub use entries::{Die, Entries, Entry};
pub use error::ImageError;
pub use file::Image;
pub use images::{ImageOptions, Images};
pub use memory_elf::{MemoryElf, MemoryElfError};
pub use overlay::Overlay;
pub use root::{list_folder, open_regular};
pub use symbol_table::demangled_type;
pub use symbols::{Answer, SymbolProvider, Symbolizer};
