//! The loaded objects of the process: where this library was loaded from, and the next definition of a symbol.
//!
//! An own lookup, because `dlsym(RTLD_NEXT)` would be a symbol that a program on glibc before 2.34 need not have
//! (it lies in libdl there), and a missing symbol ends such a program at its start.

use core::arch::asm;
use core::ffi::{c_int, c_void};

/// `struct dl_phdr_info` as far as it is used, see dl_iterate_phdr(3).
#[repr(C)]
struct ObjectInfo {
    bias: usize,
    name: *const u8,
    program_headers: *const ProgramHeader,
    program_header_count: u16,
}

/// `Elf64_Phdr`.
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: usize,
    physical_address: usize,
    file_size: usize,
    memory_size: usize,
    alignment: usize,
}

/// `Elf64_Sym`.
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: usize,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: usize = 4;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_GNU_HASH: usize = 0x6fff_fef5;
const DT_VERSYM: usize = 0x6fff_fff0;

type Callback = unsafe extern "C" fn(*const ObjectInfo, usize, *mut c_void) -> c_int;

/// Address of a symbol that may be absent: the reference is weak, so the loader leaves zero rather than refuse.
macro_rules! weak_address {
    ($name:literal) => {{
        let address: usize;
        // SAFETY: reads one word of the global offset table, which is relocated before any code of ours runs.
        unsafe {
            asm!(concat!(".weak ", $name), concat!("mov {0}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                 out(reg) address, options(nostack, pure, readonly, preserves_flags));
        }
        address
    }};
}

/// Address of libc's variable `environ`, or 0 where it has none.
#[must_use]
pub fn environment_variable() -> usize {
    weak_address!("environ")
}

/// The process environment: `environ(7)`, or null where libc has none or has not set it yet.
#[must_use]
pub fn environment() -> *const *const u8 {
    let variable = environment_variable() as *const *const *const u8;
    if variable.is_null() {
        return core::ptr::null();
    }
    // SAFETY: libc defines `environ` as a pointer variable.
    unsafe { *variable }
}

/// getauxval(3), or 0 where libc (glibc before 2.16) does not have it.
#[must_use]
pub fn auxiliary_value(kind: usize) -> usize {
    let address = weak_address!("getauxval");
    if address == 0 {
        return 0;
    }
    // SAFETY: libc defines `getauxval` with this signature; unsigned long is usize here.
    unsafe { core::mem::transmute::<usize, extern "C" fn(usize) -> usize>(address)(kind) }
}

/// Calls `callback` for each loaded object in load order until it returns nonzero.
///
/// # Safety
/// `data` must be what `callback` expects. Takes the loader's lock: not for signal handlers.
unsafe fn for_each_object(callback: Callback, data: *mut c_void) {
    let address = weak_address!("dl_iterate_phdr");
    if address != 0 {
        // SAFETY: libc defines `dl_iterate_phdr` with this signature.
        let iterate =
            unsafe { core::mem::transmute::<usize, unsafe extern "C" fn(Callback, *mut c_void) -> c_int>(address) };
        // SAFETY: `callback` and `data` belong together, as the caller promises.
        unsafe { iterate(callback, data) };
    }
}

impl ObjectInfo {
    /// The object's program headers.
    ///
    /// # Safety
    /// The structure must come from the loader.
    unsafe fn headers(&self) -> &[ProgramHeader] {
        if self.program_headers.is_null() {
            return &[];
        }
        // SAFETY: the loader passes its program headers and their number.
        unsafe { core::slice::from_raw_parts(self.program_headers, usize::from(self.program_header_count)) }
    }

    /// # Safety
    /// The structure must come from the loader.
    unsafe fn contains(&self, address: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { self.headers() }.iter().any(|header| {
            header.kind == PT_LOAD && address.wrapping_sub(self.bias.wrapping_add(header.address)) < header.memory_size
        })
    }
}

/// Calls `found` with the path under which the object that contains `address` was loaded.
pub fn path_of_object(address: usize, found: &mut dyn FnMut(&[u8])) {
    struct Search<'a> {
        address: usize,
        found: &'a mut dyn FnMut(&[u8]),
    }
    unsafe extern "C" fn visit(info: *const ObjectInfo, _size: usize, data: *mut c_void) -> c_int {
        // SAFETY: `for_each_object` passes the loader's structure and our own search.
        let (info, search) = unsafe { (&*info, &mut *data.cast::<Search<'_>>()) };
        // SAFETY: it comes from the loader.
        if !unsafe { info.contains(search.address) } {
            return 0;
        }
        if !info.name.is_null() {
            // SAFETY: the name is zero-terminated.
            (search.found)(unsafe { c_bytes(info.name) });
        }
        1
    }
    let mut search = Search { address, found };
    // SAFETY: `visit` expects a Search.
    unsafe { for_each_object(visit, (&raw mut search).cast()) }
}

/// The bytes of a C string without its terminator.
///
/// # Safety
/// `string` must be zero-terminated and outlive the result.
#[must_use]
pub unsafe fn c_bytes<'a>(string: *const u8) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the loop stops at the terminator.
    unsafe {
        while *string.add(length) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(string, length)
    }
}

/// Address of the first definition of function `name` in an object loaded after the one that contains `address`, as
/// `dlsym(RTLD_NEXT)` would give; 0 where there is none.
#[must_use]
pub fn next_definition(address: usize, name: &[u8]) -> usize {
    struct Search<'a> {
        address: usize,
        name: &'a [u8],
        passed: bool,
        result: usize,
    }
    unsafe extern "C" fn visit(info: *const ObjectInfo, _size: usize, data: *mut c_void) -> c_int {
        // SAFETY: `for_each_object` passes the loader's structure and our own search.
        let (info, search) = unsafe { (&*info, &mut *data.cast::<Search<'_>>()) };
        // SAFETY: it comes from the loader.
        if unsafe { info.contains(search.address) } {
            search.passed = true;
        } else if search.passed {
            // SAFETY: it comes from the loader.
            search.result = unsafe { definition(info, search.name) };
        }
        c_int::from(search.result != 0)
    }
    let mut search = Search {
        address,
        name,
        passed: false,
        result: 0,
    };
    // SAFETY: `visit` expects a Search.
    unsafe { for_each_object(visit, (&raw mut search).cast()) }
    search.result
}

/// # Safety
/// `info` must describe a loaded object whose tables are intact, as all are outside a crash.
unsafe fn definition(info: &ObjectInfo, name: &[u8]) -> usize {
    // SAFETY: as the caller promises.
    let Some(dynamic) = unsafe { info.headers() }
        .iter()
        .find(|header| header.kind == PT_DYNAMIC)
    else {
        return 0;
    };
    let mut entry = info.bias.wrapping_add(dynamic.address) as *const [usize; 2];
    let (mut symbols, mut strings, mut gnu_hash, mut sysv_hash, mut versions) = (0, 0, 0, 0, 0);
    loop {
        // SAFETY: the dynamic section ends with a zero tag.
        let [tag, value] = unsafe { *entry };
        // glibc relocates these pointers in place, musl and the vDSO do not.
        let address = if value < info.bias {
            value.wrapping_add(info.bias)
        } else {
            value
        };
        match tag {
            0 => break,
            DT_SYMTAB => symbols = address,
            DT_STRTAB => strings = address,
            DT_GNU_HASH => gnu_hash = address,
            DT_HASH => sysv_hash = address,
            DT_VERSYM => versions = address,
            _ => {}
        }
        // SAFETY: not yet at the zero tag.
        entry = unsafe { entry.add(1) };
    }
    if symbols == 0 || strings == 0 {
        return 0;
    }
    let mut fallback = 0;
    let mut check = |index: u32| {
        // SAFETY: the hash tables hold valid symbol numbers, the symbols valid string offsets.
        unsafe {
            let symbol = &*(symbols as *const Symbol).add(index as usize);
            // Defined, STT_FUNC, STB_GLOBAL or STB_WEAK.
            let usable = symbol.section != 0 && symbol.info & 15 == 2 && matches!(symbol.info >> 4, 1 | 2);
            if !usable || c_bytes((strings + symbol.name as usize) as *const u8) != name {
                return 0;
            }
            let value = info.bias.wrapping_add(symbol.value);
            // Bit 15 marks a version kept for old programs (Solaris and GNU versioning): the default one wins.
            if versions != 0 && *(versions as *const u16).add(index as usize) & 0x8000 != 0 {
                fallback = value;
                return 0;
            }
            value
        }
    };
    // SAFETY: the tables belong to a loaded object.
    let found = unsafe {
        if gnu_hash != 0 {
            search_gnu_hash(gnu_hash as *const u32, name, &mut check)
        } else if sysv_hash != 0 {
            search_sysv_hash(sysv_hash as *const u32, name, &mut check)
        } else {
            0
        }
    };
    if found != 0 { found } else { fallback }
}

/// Calls `check` for the symbols that may have this name until it gives an address.
///
/// # Safety
/// `table` must be an intact DT_GNU_HASH table.
unsafe fn search_gnu_hash(table: *const u32, name: &[u8], check: &mut dyn FnMut(u32) -> usize) -> usize {
    let hash = name.iter().fold(5381u32, |hash, &byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    });
    // SAFETY: layout: nbuckets, first symbol, bloom words, bloom shift; the words; the buckets; the chains, each of
    // which ends with bit 0 set.
    unsafe {
        let (buckets, first, bloom) = (*table, *table.add(1), *table.add(2) as usize);
        if buckets == 0 {
            return 0;
        }
        let bucket = table.add(4 + bloom * 2);
        let chain = bucket.add(buckets as usize);
        let mut index = *bucket.add((hash % buckets) as usize);
        if index < first {
            return 0;
        }
        loop {
            let entry = *chain.add((index - first) as usize);
            if entry | 1 == hash | 1 {
                let address = check(index);
                if address != 0 {
                    return address;
                }
            }
            if entry & 1 != 0 {
                return 0;
            }
            index += 1;
        }
    }
}

/// The same for the older table of the System V ABI.
///
/// # Safety
/// `table` must be an intact DT_HASH table.
unsafe fn search_sysv_hash(table: *const u32, name: &[u8], check: &mut dyn FnMut(u32) -> usize) -> usize {
    let hash = name.iter().fold(0u32, |hash, &byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    });
    // SAFETY: layout: nbucket, nchain, the buckets, the chains; symbol 0 ends a chain.
    unsafe {
        let buckets = *table;
        if buckets == 0 {
            return 0;
        }
        let mut index = *table.add(2 + (hash % buckets) as usize);
        while index != 0 {
            let address = check(index);
            if address != 0 {
                return address;
            }
            index = *table.add(2 + buckets as usize + index as usize);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_dlsym_finds() {
        for name in [
            c"pthread_create",
            c"pthread_key_create",
            c"pthread_setspecific",
            c"malloc",
        ] {
            // SAFETY: a plain lookup by name.
            let expected = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize;
            assert_eq!(
                next_definition(finds_what_dlsym_finds as *const () as usize, name.to_bytes()),
                expected
            );
        }
        assert_eq!(
            next_definition(finds_what_dlsym_finds as *const () as usize, b"no_such_symbol"),
            0
        );
    }

    #[test]
    fn names_the_object_of_an_address() {
        let mut path_ends_in_libc = false;
        path_of_object(libc::getpid as *const () as usize, &mut |_| {});
        // SAFETY: a plain lookup by name.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getpid".as_ptr()) } as usize;
        path_of_object(address, &mut |path| {
            path_ends_in_libc = path.windows(4).any(|part| part == b"libc")
        });
        assert!(path_ends_in_libc);
        assert!(!environment().is_null());
        assert_ne!(auxiliary_value(6), 0, "AT_PAGESZ");
    }
}
