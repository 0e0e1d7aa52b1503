//! The symbol table of an image, as an index of functions by address.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::rc::Rc;

use gimli::{BaseAddresses, EhFrameHdr};
use object::elf::{STB_GLOBAL, STB_WEAK, STT_FUNC, STT_GNU_IFUNC, STT_TLS, Sym64};
use object::read::SymbolIndex;
use object::read::elf::{Sym, SymbolTable as RawTable};
use object::{LittleEndian, Object, ObjectSection};

use crate::addr::Svma;

use super::elf_file::{ElfFile, Header, Parsed};

/// Longer names than this come from templates, and tell a person no more.
const MAX_NAME: usize = 4096;
/// How far a symbol without a size reaches at most; those are short pieces of assembly.
const MAX_UNSIZED: u64 = 4096;

/// The symbols of an image: `.symtab` of the file itself, else of its debug file, else `.dynsym` and what
/// `.gnu_debugdata` adds to it.
pub(super) struct SymbolTable {
    main: Rc<ElfFile>,
    debug: Option<Rc<ElfFile>>,
    /// Unpacked only where there is nothing better.
    mini: OnceCell<Option<ElfFile>>,
    functions: OnceCell<Vec<Function>>,
}

/// Which table a function is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Full,
    Dynamic,
    Mini,
}

/// A function, or a piece of one.
struct Function {
    start: u64,
    end: u64,
    table: Table,
    index: SymbolIndex,
}

impl SymbolTable {
    pub fn new(main: Rc<ElfFile>, debug: Option<Rc<ElfFile>>) -> SymbolTable {
        SymbolTable {
            main,
            debug,
            mini: OnceCell::new(),
            functions: OnceCell::new(),
        }
    }

    pub fn address_of(&self, name: &str) -> Option<Svma> {
        self.find(name, |symbol| Svma(symbol.st_value.get(LittleEndian)))
    }

    pub fn size_of(&self, name: &str) -> Option<u64> {
        self.find(name, |symbol| symbol.st_size.get(LittleEndian))
    }

    /// The demangled name of the function that covers an address.
    pub fn function_at(&self, address: Svma) -> Option<String> {
        let functions = self.functions.get_or_init(|| self.index());
        let after = functions.partition_point(|f| f.start <= address.0);
        // Nearly always the nearest; but functions may lie inside the range of another.
        let covering = |f: &&Function| f.start <= address.0 && address.0 < f.end;
        let nearest = functions.get(..after)?.iter().rev().take(8).find(covering)?;
        self.with_table(nearest.table, |_, table| {
            let symbol = table.symbol(nearest.index).ok()?;
            let name = table.symbol_name(LittleEndian, symbol).ok()?;
            Some(demangled(&String::from_utf8_lossy(name)))
        })?
    }

    /// Applies `get` to the symbol of that name: a global one before a local one.
    fn find<T>(&self, name: &str, get: impl Fn(&Sym64<LittleEndian>) -> T) -> Option<T> {
        let search = |file: &Parsed<'_>, table: &RawTable<'_, Header>| {
            let strings = file.section_by_index(table.string_section()).ok()?.data().ok()?;
            // Not `symbol_name`, which looks for the end of each name: there are tens of thousands.
            let is_named = |symbol: &Sym64<LittleEndian>| {
                let from = strings.get(symbol.st_name.get(LittleEndian) as usize..);
                let rest = from.and_then(|from| from.strip_prefix(name.as_bytes()));
                rest.is_some_and(|rest| rest.first() == Some(&0))
            };
            let mut found: Option<(u8, T)> = None;
            for symbol in table.iter().filter(|symbol| is_named(symbol)) {
                let defined = !symbol.is_undefined(LittleEndian) && symbol.st_type() != STT_TLS;
                let rank = rank(symbol);
                if defined && found.as_ref().is_none_or(|(best, _)| rank > *best) {
                    found = Some((rank, get(symbol)));
                }
            }
            found.map(|(_, value)| value)
        };
        // Not in `.gnu_debugdata`: it has functions only.
        let search_in = |table| self.with_table(table, search).flatten();
        search_in(Table::Full).or_else(|| search_in(Table::Dynamic))
    }

    /// The functions, by address; of several at one address the one whose name a person would expect.
    fn index(&self) -> Vec<Function> {
        let has_full = self.with_table(Table::Full, |_, _| ()).is_some();
        let tables: &[Table] = if has_full {
            &[Table::Full]
        } else {
            &[Table::Dynamic, Table::Mini]
        };
        let mut sorted: Vec<(u64, u64, Table, SymbolIndex)> = Vec::new();
        for &table in tables {
            sorted.extend(
                self.with_table(table, |_, raw| functions_of(raw, table))
                    .unwrap_or_default(),
            );
        }
        // Stable: exported names come first.
        sorted.sort_by_key(|&(start, _, table, _)| (start, table));
        sorted.dedup_by_key(|entry| entry.0);
        let next_starts = sorted.iter().skip(1).map(|next| next.0).chain([u64::MAX]);
        let has_unsized = sorted.iter().any(|&(_, size, _, _)| size == 0);
        let unwound = if has_unsized { self.unwound() } else { Vec::new() };
        sorted
            .iter()
            .zip(next_starts)
            .map(|(&(start, size, table, index), next)| Function {
                start,
                end: match size {
                    0 => end_of_unsized(start, next, &unwound),
                    _ => start.saturating_add(size),
                },
                table,
                index,
            })
            .collect()
    }

    /// Where functions begin that have unwind information, in order (LSB Core, section 10.6.2): also those without a
    /// symbol, which one without a size before them must not name.
    fn unwound(&self) -> Vec<u64> {
        let Some(section) = self.main.section(".eh_frame_hdr") else {
            return Vec::new();
        };
        let bases = BaseAddresses::default().set_eh_frame_hdr(section.address.0);
        let header = EhFrameHdr::new(&section.bytes, gimli::LittleEndian);
        let Ok(parsed) = header.parse(&bases, 8) else {
            return Vec::new();
        };
        let Some(table) = parsed.table() else {
            return Vec::new();
        };
        let mut starts = Vec::new();
        let mut rows = table.iter(&bases);
        while let Ok(Some((start, _))) = rows.next() {
            starts.push(start.pointer());
        }
        starts
    }

    /// Applies `look` to a table, where it is there, and its file.
    fn with_table<T>(&self, table: Table, look: impl FnOnce(&Parsed<'_>, &RawTable<'_, Header>) -> T) -> Option<T> {
        let file = match table {
            Table::Dynamic => {
                let main = self.main.parse()?;
                return Some(look(&main, main.elf_dynamic_symbol_table()));
            }
            Table::Full => [Some(&*self.main), self.debug.as_deref()],
            Table::Mini => [self.mini.get_or_init(|| self.main.mini_debug_info()).as_ref(), None],
        };
        let mut parsed = file.into_iter().flatten().filter_map(ElfFile::parse);
        let found = parsed.find(|file| file.elf_symbol_table().symbols().len() > 1)?;
        Some(look(&found, found.elf_symbol_table()))
    }
}

/// Where a function without a size ends at the latest.
fn end_of_unsized(start: u64, next_symbol: u64, unwound: &[u64]) -> u64 {
    let next = unwound.get(unwound.partition_point(|&other| other <= start));
    let next = next.copied().unwrap_or(u64::MAX);
    next_symbol.min(next).min(start.saturating_add(MAX_UNSIZED))
}

/// The functions of a table, by address: start, size, table and index.
fn functions_of(raw: &RawTable<'_, Header>, table: Table) -> Vec<(u64, u64, Table, SymbolIndex)> {
    let mut list: Vec<_> = raw
        .enumerate()
        .filter(|(_, symbol)| {
            matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC) && !symbol.is_undefined(LittleEndian)
        })
        .map(|(index, symbol)| {
            let name = raw.symbol_name(LittleEndian, symbol).unwrap_or_default();
            let start = symbol.st_value.get(LittleEndian);
            let size = symbol.st_size.get(LittleEndian);
            // `write` before `__write` before `__GI___write`.
            let preference = (Reverse(rank(symbol)), name.len(), name);
            (start, size == 0, preference, size, index.0)
        })
        .collect();
    list.sort_unstable();
    list.dedup_by_key(|entry| entry.0);
    list.into_iter()
        .map(|(start, _, _, size, index)| (start, size, table, SymbolIndex(index)))
        .collect()
}

fn rank(symbol: &Sym64<LittleEndian>) -> u8 {
    match symbol.st_bind() {
        STB_GLOBAL => 2,
        STB_WEAK => 1,
        _ => 0,
    }
}

/// A name as its language writes it, for Rust and C++ (Itanium C++ ABI, chapter 5).
/// The name of a C++ type from what `std::type_info` holds; `None` where that is no mangled name.
pub fn demangled_type(mangled: &str) -> Option<String> {
    let name = demangled(&format!("_ZTS{mangled}"));
    name.strip_prefix("typeinfo name for ").map(str::to_string)
}

fn demangled(name: &str) -> String {
    // `@VERSION` is the linker's.
    let name = name.split('@').next().unwrap_or(name);
    let is_mangled = name.starts_with("_Z") || name.starts_with("_R");
    let plain = if is_mangled && name.len() <= MAX_NAME {
        addr2line::demangle_auto(Cow::Borrowed(name), None)
    } else {
        Cow::Borrowed(name)
    };
    plain.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::demangled;

    #[test]
    fn demangles_what_is_mangled() {
        assert_eq!(demangled("_PyEval_EvalFrameDefault"), "_PyEval_EvalFrameDefault");
        assert_eq!(demangled("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(demangled("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangled("memcpy@@GLIBC_2.14"), "memcpy");
        assert_eq!(demangled("_Z"), "_Z");
    }
}
