//! A path for LD_PRELOAD that programs of 32 bits take in silence.
//!
//! The loader of such a program cannot load the handler and says so on standard error, which would change the program's
//! output. But it replaces `$LIB` in LD_PRELOAD by the name of its own library folder (ld.so(8)): for 32 bits, below the
//! folder of that name lies a library with nothing in it; for 64 bits there are links to the handler and the helper.
//! Loaders that do not know `$LIB`, like musl's, find a folder of that very name. All this is used only where there is
//! such a loader. No link leads to a folder: who walks through all files (pytest in the folder of a project) would go
//! round in circles.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use coldframe_handler::IMAGE_NAME;
use memchr::memmem;

use super::install::{HELPER_NAME, InstallError, make_folder, replace, temporary_name};
use super::sound::{check_folder, io_error, open_file};
use crate::source::mapped::map_file;

/// The loader of programs of 32 bits (psABI for Intel386), the same everywhere.
const LOADER_32: &str = "/lib/ld-linux.so.2";
/// That of programs of 64 bits.
const LOADER_64: &str = "/lib64/ld-linux-x86-64.so.2";
/// What glibc's loader of 64 bits may put in place of `$LIB` (its build's `DL_DST_LIB`): Debian's name, the usual one.
const NAMES_64: [&str; 2] = ["lib/x86_64-linux-gnu", "lib64"];
/// The same of that of 32 bits.
const NAMES_32: [&str; 3] = ["lib", "lib32", "lib/i386-linux-gnu"];
/// What loaders read that replace nothing.
const TOKEN: &str = "$LIB";
/// The folder for all this, beside the handler.
const FOLDER: &str = "preload";

/// Whether programs of 32 bits can run here, and the loader of 64 bits takes one of the names that are known. Asked at
/// each start of `run`, so it is looked up once.
pub(super) fn is_needed() -> bool {
    static NEEDED: OnceLock<bool> = OnceLock::new();
    *NEEDED.get_or_init(|| {
        let has = |loader: &[u8], name: &str| memmem::find(loader, format!("\0{name}\0").as_bytes()).is_some();
        Path::new(LOADER_32).exists()
            && fs::File::open(LOADER_64)
                .and_then(|file| map_file(&file))
                .is_ok_and(|loader| NAMES_64.iter().any(|name| has(&loader, name)))
    })
}

/// The path, where everything behind it is there.
pub(super) fn find(folder: &Path, euid: u32) -> Result<PathBuf, InstallError> {
    let tree = folder.join(FOLDER);
    for (name, target) in links() {
        let path = tree.join(&name);
        let found = fs::read_link(&path).map_err(|error| io_error("read", &path, error))?;
        if found != target {
            return Err(InstallError::Different { path });
        }
    }
    for name in NAMES_32 {
        let path = tree.join(name).join(IMAGE_NAME);
        check_folder(&tree.join(name), euid)?;
        let (file, _) = open_file(&path, euid, 0o4)?;
        let mut content = Vec::new();
        let read = file.take(4096).read_to_end(&mut content);
        read.map_err(|error| io_error("read", &path, error))?;
        if content != empty_library() {
            return Err(InstallError::Different { path });
        }
    }
    Ok(tree.join(TOKEN).join(IMAGE_NAME))
}

/// The same after making what is missing.
pub(super) fn prepare(folder: &Path, euid: u32) -> Result<PathBuf, InstallError> {
    if let Ok(path) = find(folder, euid) {
        return Ok(path);
    }
    let tree = folder.join(FOLDER);
    make_folder(&tree)?;
    for name in NAMES_32 {
        make_folder(&tree.join(name))?;
        let library = tree.join(name).join(IMAGE_NAME);
        replace(&library, 0o644, &mut |file| file.write_all(&empty_library()))?;
    }
    for (name, target) in links() {
        let path = tree.join(&name);
        path.parent().map_or(Ok(()), make_folder)?;
        let temporary = temporary_name(&path);
        symlink(&target, &temporary).map_err(|error| io_error("create", &temporary, error))?;
        fs::rename(&temporary, &path).map_err(|error| io_error("replace", &path, error))?;
    }
    find(folder, euid)
}

/// Links to what lies in the handler's folder, and where to.
fn links() -> impl Iterator<Item = (PathBuf, PathBuf)> {
    NAMES_64.into_iter().chain([TOKEN]).flat_map(|name| {
        let folder = Path::new(name);
        let up = vec![".."; folder.components().count() + 1].join("/");
        [IMAGE_NAME, HELPER_NAME].map(|file| (folder.join(file), Path::new(&up).join(file)))
    })
}

/// A shared library for i386 that holds no code and no symbol: header, three program headers, and the dynamic section
/// with the tables that a loader asks for (System V ABI, chapters 4 and 5).
fn empty_library() -> Vec<u8> {
    const HEADER: u32 = 52;
    const SEGMENT: u32 = 32;
    const SYMBOLS: u32 = HEADER + 3 * SEGMENT;
    const STRINGS: u32 = SYMBOLS + 16;
    const HASH: u32 = STRINGS + 4;
    const DYNAMIC: u32 = HASH + 16;
    const DYNAMIC_SIZE: u32 = 6 * 8;
    const END: u32 = DYNAMIC + DYNAMIC_SIZE;
    const READ_WRITE: u32 = 6;
    let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |bytes: &mut Vec<u8>, list: &[u16]| bytes.extend(list.iter().flat_map(|half| half.to_le_bytes()));
    let words = |bytes: &mut Vec<u8>, list: &[u32]| bytes.extend(list.iter().flat_map(|word| word.to_le_bytes()));
    // ET_DYN, EM_386, version 1; no entry, program headers, no sections.
    halves(&mut bytes, &[3, 3]);
    words(&mut bytes, &[1, 0, HEADER, 0, 0]);
    halves(&mut bytes, &[HEADER as u16, SEGMENT as u16, 3, 0, 0, 0]);
    // PT_LOAD, PT_DYNAMIC, and PT_GNU_STACK: without it stacks would become executable.
    words(&mut bytes, &[1, 0, 0, 0, END, END, READ_WRITE, 0x1000]);
    words(
        &mut bytes,
        &[2, DYNAMIC, DYNAMIC, DYNAMIC, DYNAMIC_SIZE, DYNAMIC_SIZE, READ_WRITE, 4],
    );
    words(&mut bytes, &[0x6474_e551, 0, 0, 0, 0, 0, READ_WRITE, 16]);
    // One symbol, which is none; one string, which is empty; a hash table of one bucket.
    words(&mut bytes, &[0, 0, 0, 0, 0]);
    words(&mut bytes, &[1, 1, 0, 0]);
    // DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_NULL.
    words(&mut bytes, &[4, HASH, 5, STRINGS, 6, SYMBOLS, 10, 1, 11, 16, 0, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Architecture, Object};

    #[test]
    fn every_name_leads_to_a_library_of_its_class() {
        let folder = tempfile::tempdir().unwrap();
        let euid = nix::unistd::geteuid().as_raw();
        let base = folder.path().canonicalize().unwrap();
        // Searchable by all, as root's must be.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&base, mode).unwrap();
        fs::write(base.join(IMAGE_NAME), coldframe_handler::IMAGE).unwrap();
        let path = prepare(&base, euid).unwrap();
        assert_eq!(find(&base, euid).unwrap(), path);
        assert!(path.ends_with("preload/$LIB/libcoldframe_handler.so"));
        let class = |name: &str| {
            let bytes = fs::read(base.join(FOLDER).join(name).join(IMAGE_NAME)).unwrap();
            let file = object::File::parse(bytes.as_slice()).unwrap();
            file.architecture()
        };
        for name in NAMES_64.into_iter().chain([TOKEN]) {
            assert_eq!(class(name), Architecture::X86_64, "{name}");
        }
        for name in NAMES_32 {
            assert_eq!(class(name), Architecture::I386, "{name}");
        }
        fs::write(base.join(HELPER_NAME), "helper").unwrap();
        for (link, _) in links() {
            let path = base.join(FOLDER).join(link);
            assert!(path.is_symlink() && path.is_file(), "{}", path.display());
        }
        fs::write(base.join(FOLDER).join("lib32").join(IMAGE_NAME), "other").unwrap();
        assert!(find(&base, euid).is_err());
        assert_eq!(prepare(&base, euid).unwrap(), path);
    }
}
