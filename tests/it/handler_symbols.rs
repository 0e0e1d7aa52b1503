//! A preloaded library is loaded by every program of the tree: one symbol that some libc lacks would keep all programs
//! on that libc from starting.

use coldframe_handler::IMAGE;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

type Header = FileHeader64<Endianness>;

fn dynamic_tags() -> Vec<elf::DynamicTag> {
    let header = Header::parse(IMAGE).expect("an ELF file");
    let endian = header.endian().expect("its byte order");
    let segments = header.program_headers(endian, IMAGE).expect("program headers");
    let dynamic = segments
        .iter()
        .find_map(|segment| segment.dynamic(endian, IMAGE).expect("a dynamic section"));
    dynamic
        .expect("a dynamic section")
        .iter()
        .map(|entry| entry.d_tag(endian))
        .collect()
}

#[test]
fn undefined_symbols_are_weak_and_known() {
    let file = ElfFile64::<Endianness>::parse(IMAGE).expect("an ELF file");
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_undefined) {
        let name = symbol.name().expect("a name");
        // In musl and in glibc since 2.16; and weak, so that even their absence is harmless.
        assert!(
            ["dl_iterate_phdr", "environ", "getauxval"].contains(&name),
            "{name} may be missing somewhere"
        );
        assert!(symbol.is_weak(), "{name} must be weak");
    }
}

#[test]
fn what_is_interposed_or_ours_is_exported_and_nothing_else() {
    let file = ElfFile64::<Endianness>::parse(IMAGE).expect("an ELF file");
    let mut exported: Vec<_> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| symbol.name().expect("a name"))
        .collect();
    exported.sort_unstable();
    // For coldframe's Python package, which loads the library by ctypes.
    exported.retain(|name| !name.starts_with("coldframe_"));
    assert_eq!(exported, ["_exit", "exit", "pthread_create", "sigaction", "signal"]);
}

#[test]
fn nothing_is_needed_and_nothing_versioned() {
    let tags = dynamic_tags();
    for (tag, name) in [
        (elf::DT_NEEDED, "DT_NEEDED"),
        (elf::DT_VERNEED, "DT_VERNEED"),
        (elf::DT_VERDEF, "DT_VERDEF"),
        (elf::DT_VERSYM, "DT_VERSYM"),
        (elf::DT_TEXTREL, "DT_TEXTREL"),
    ] {
        assert!(!tags.contains(&tag), "{name} is present");
    }
}

#[test]
fn no_thread_local_storage_and_no_executable_stack() {
    let header = Header::parse(IMAGE).expect("an ELF file");
    let endian = header.endian().expect("its byte order");
    for segment in header.program_headers(endian, IMAGE).expect("program headers") {
        assert_ne!(segment.p_type(endian), elf::PT_TLS);
        if segment.p_type(endian) == elf::PT_GNU_STACK {
            assert_eq!(segment.p_flags(endian) & elf::PF_X, elf::ProgramFlags(0));
        }
    }
}
