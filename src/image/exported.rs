//! Symbols that an image in memory exports, found as the dynamic linker finds them.
//!
//! The GNU hash table (glibc elf/dl-lookup.c) leads to a symbol by a handful of reads; a dump that recorded them answers
//! without the file.

use super::MemoryElf;
use crate::addr::{Addr, Svma};
use crate::source::{Memory, MemoryExt};

/// `d_tag` values (System V gABI; binutils include/elf/common.h).
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
/// The most entries of a dynamic section that are looked at; a library has about 30.
const MAX_ENTRIES: u64 = 256;
/// The most symbols of one bucket that are looked at.
const MAX_CHAIN: u64 = 256;
/// Size of `Elf64_Sym`.
const SYMBOL_SIZE: u64 = 24;
const MAX_NAME: usize = 256;

/// Where the tables of a dynamic section lie in the process.
struct Tables {
    hash: Addr,
    symbols: Addr,
    strings: Addr,
}

impl MemoryElf {
    /// The address of an exported symbol; `None` where there is none, or where the tables cannot be read.
    pub fn exported(&self, memory: &dyn Memory, name: &str) -> Option<Addr> {
        let tables = self.tables(memory)?;
        let word = |at: u64| memory.read_u32(tables.hash.add(at)).ok();
        let (buckets, first, bloom) = (word(0)?, word(4)?, word(8)?);
        let buckets_at = 16 + u64::from(bloom) * 8;
        let chains_at = buckets_at + u64::from(buckets) * 4;
        let hash = gnu_hash(name);
        let start = word(buckets_at + u64::from(hash.checked_rem(buckets)?) * 4)?;
        let start = u64::from(start.checked_sub(first)?);
        for index in start..start + MAX_CHAIN {
            let chained = word(chains_at + index * 4)?;
            if chained | 1 == hash | 1 {
                let symbol = tables.symbols.add((index + u64::from(first)) * SYMBOL_SIZE);
                let name_at = tables.strings.add(u64::from(memory.read_u32(symbol).ok()?));
                if memory.read_c_string(name_at, MAX_NAME).ok()? == name.as_bytes() {
                    let value = memory.read_u64(symbol.add(8)).ok()?;
                    return Some(self.to_addr(Svma(value)));
                }
            }
            // The last of a bucket has the lowest bit set.
            if chained & 1 == 1 {
                return None;
            }
        }
        None
    }

    fn tables(&self, memory: &dyn Memory) -> Option<Tables> {
        let dynamic = self.dynamic()?;
        let (mut hash, mut symbols, mut strings) = (None, None, None);
        for index in 0..(dynamic.len() / 16).min(MAX_ENTRIES) {
            let at = dynamic.start.add(index * 16);
            let value = memory.read_u64(at.add(8)).ok()?;
            match memory.read_u64(at).ok()? {
                DT_NULL => break,
                DT_GNU_HASH => hash = Some(value),
                DT_SYMTAB => symbols = Some(value),
                DT_STRTAB => strings = Some(value),
                _ => {}
            }
        }
        // glibc adds the bias to these entries when it loads a library, other loaders do not.
        let address = |value: u64| match value < self.bias() {
            true => self.to_addr(Svma(value)),
            false => Addr(value),
        };
        Some(Tables {
            hash: address(hash?),
            symbols: address(symbols?),
            strings: address(strings?),
        })
    }
}

/// The hash of a name in the GNU hash table.
fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use object::{Object, ObjectSymbol};

    use super::*;
    use crate::source::ReadError;
    use crate::source::maps::parse_maps;

    /// The memory of this process.
    struct Own(File);

    impl Memory for Own {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
            let len = buf.len() as u64;
            self.0.read_exact_at(buf, addr.0).map_err(|_| ReadError { addr, len })
        }
    }

    #[test]
    fn the_hash_is_that_of_the_linker() {
        assert_eq!(gnu_hash(""), 0x1505);
        assert_eq!(gnu_hash("printf"), 0x156b_2bb8);
    }

    /// All that the C library of this very process exports, against its file.
    #[test]
    fn finds_all_that_a_library_exports() {
        let maps = parse_maps(&std::fs::read_to_string("/proc/self/maps").unwrap());
        let libc = maps
            .iter()
            .find(|mapping| mapping.offset == 0 && mapping.path.contains("/libc.so"))
            .unwrap();
        let memory = Own(File::open("/proc/self/mem").unwrap());
        let elf = MemoryElf::read(&memory, libc.range.start).unwrap();
        let data = std::fs::read(&libc.path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let mut found = 0;
        for symbol in file.dynamic_symbols().filter(|symbol| symbol.is_definition()) {
            let Some(address) = elf.exported(&memory, symbol.name().unwrap()) else {
                panic!("{:?} was not found", symbol.name());
            };
            // Several versions of a symbol have one name.
            found += usize::from(address == elf.to_addr(Svma(symbol.address())));
        }
        assert!(found > 1000, "{found}");
        assert_eq!(elf.exported(&memory, "no_such_symbol"), None);
    }
}
