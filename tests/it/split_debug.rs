//! Debug information in unusual places: packed symbol tables, units in files of their own, compressed sections.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use coldframe::addr::{Addr, AddrRange, Svma};
use coldframe::image::{CacheDir, Image, ImageOptions, Images};
use coldframe::source::streams::SymbolFrame;
use coldframe::source::{BuildId, Module};

use crate::harness::{Folder, has, skip};
use crate::support::tool;

const BASE: Addr = Addr(0x5555_0000_0000);

/// `split.c` as a library, in a folder of its own.
struct Library {
    folder: Folder,
    path: PathBuf,
    module: Module,
    /// In the middle of `hidden`.
    address: Svma,
}

impl Library {
    fn build(flags: &[&str]) -> Library {
        let folder = Folder::new();
        let source = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/split.c")).unwrap();
        fs::write(folder.join("split.c"), source).unwrap();
        let status = Command::new("gcc")
            .args(["-O1", "-fPIC", "-shared", "-Wl,--build-id", "-o", "lib.so", "split.c"])
            .args(flags)
            .current_dir(folder.path())
            .status();
        assert!(status.unwrap().success());
        let path = folder.join("lib.so");
        let module = module_of(&path);
        let whole = image(&module, &[], "/".as_ref());
        let address = Svma(whole.symbol_address("hidden").unwrap().0 + 2);
        Library {
            folder,
            path,
            module,
            address,
        }
    }

    /// Takes the name out of the symbol table.
    fn forget_name(&self) {
        run("objcopy", &["--strip-symbol=hidden".as_ref(), self.path.as_os_str()]);
    }

    fn named(&self, given: &[&Path]) -> Vec<SymbolFrame> {
        image(&self.module, given, "/".as_ref()).symbolize(self.address)
    }
}

fn module_of(path: &Path) -> Module {
    use object::Object;
    let bytes = fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    Module {
        range: AddrRange::new(BASE, 1 << 20),
        path: path.to_str().unwrap().to_string(),
        build_id: file.build_id().unwrap().map(|id| BuildId(id.to_vec())),
    }
}

fn image(module: &Module, given: &[&Path], root: &Path) -> Rc<Image> {
    let options = ImageOptions {
        symbol_paths: given.iter().map(|path| path.to_path_buf()).collect(),
        root: root.to_path_buf(),
        ..ImageOptions::default()
    };
    Images::new(options).image(module).unwrap()
}

fn is_whole(frames: &[SymbolFrame]) -> bool {
    let [frame] = frames else { return false };
    let file = frame.file.as_deref().unwrap_or_default();
    frame.function.as_deref() == Some("hidden") && frame.line == Some(7) && file.ends_with("split.c")
}

/// Nothing but what the image says itself, which has a line table: the name is in the unit.
fn is_line_alone(frames: &[SymbolFrame]) -> bool {
    frames.len() == 1 && frames[0].function.is_none() && frames[0].line == Some(7)
}

/// Nothing but what the symbol table says.
fn is_name_alone(frames: &[SymbolFrame]) -> bool {
    frames.len() == 1 && frames[0].function.as_deref() == Some("hidden") && frames[0].line.is_none()
}

fn run(name: &str, arguments: &[&OsStr]) {
    tool(name, arguments);
}

/// Made as the GDB manual says, section "MiniDebugInfo".
#[test]
fn packed_symbol_tables() {
    if !["gcc", "objcopy", "xz"].iter().all(|tool| has(tool)) {
        return;
    }
    let library = Library::build(&["-g"]);
    let mini = library.folder.join("mini");
    let keep = library.folder.join("keep");
    fs::write(&keep, "hidden\n").unwrap();
    let keep = format!("--keep-symbols={}", keep.display());
    let (path, mini) = (library.path.as_os_str(), mini.as_os_str());
    run(
        "objcopy",
        &[
            "-S".as_ref(),
            "--remove-section=.comment".as_ref(),
            keep.as_ref(),
            path,
            mini,
        ],
    );
    run("objcopy", &["-S".as_ref(), path]);
    assert_eq!(library.named(&[]), []);
    run("xz", &["-9".as_ref(), mini]);
    let section = format!(".gnu_debugdata={}/mini.xz", library.folder.path().display());
    run("objcopy", &["--add-section".as_ref(), section.as_ref(), path]);
    assert!(is_name_alone(&library.named(&[])), "{:?}", library.named(&[]));
    // Exported functions are in the other table.
    let image = image(&library.module, &[], "/".as_ref());
    let exported = image.symbol_address("exported").unwrap();
    assert_eq!(image.symbolize(exported)[0].function.as_deref(), Some("exported"));

    // Damaged in every place, it gives that name or none.
    let good = fs::read(&library.path).unwrap();
    let packed = fs::read(library.folder.join("mini.xz")).unwrap();
    let at = good.windows(packed.len()).position(|window| window == packed).unwrap();
    for index in 0..packed.len() {
        let mut bad = good.clone();
        bad[at + index] ^= 0x55;
        fs::write(&library.path, &bad).unwrap();
        let frames = library.named(&[]);
        assert!(frames.is_empty() || is_name_alone(&frames), "byte {index}: {frames:?}");
    }
}

#[test]
fn units_in_files_of_their_own() {
    if !has("gcc") || !has("objcopy") {
        return;
    }
    for flags in [
        ["-gdwarf-4", "-gz=none"],
        ["-gdwarf-5", "-gz=none"],
        ["-gdwarf-4", "-gz=zlib"],
        ["-gdwarf-5", "-gz=zlib"],
    ] {
        let library = Library::build(&[&flags[..], &["-gsplit-dwarf"]].concat());
        library.forget_name();
        assert!(is_whole(&library.named(&[])), "{flags:?}: {:?}", library.named(&[]));
        let unit = library.folder.join("lib.so-split.dwo");
        // Elsewhere, in a folder or by itself.
        let elsewhere = Folder::new();
        let moved = elsewhere.join("lib.so-split.dwo");
        fs::rename(&unit, &moved).unwrap();
        assert!(
            is_line_alone(&library.named(&[])),
            "{flags:?}: {:?}",
            library.named(&[])
        );
        assert!(is_whole(&library.named(&[elsewhere.path()])), "{flags:?}");
        assert!(is_whole(&library.named(&[&moved])), "{flags:?}");
        // A unit of another build is not taken for it.
        let other = Library::build(&[&flags[..], &["-gsplit-dwarf", "-DOTHER=1", "-O2"]].concat());
        fs::copy(other.folder.join("lib.so-split.dwo"), &unit).unwrap();
        assert!(is_line_alone(&library.named(&[])), "{flags:?}");
        fs::write(&unit, b"\x7fELF").unwrap();
        assert!(is_line_alone(&library.named(&[])), "{flags:?}");
        // Without it, the answer is not kept.
        let cache = CacheDir::at(&elsewhere.join("cache")).unwrap();
        let cached = |given: &[&Path]| {
            let options = ImageOptions {
                symbol_paths: given.iter().map(|path| path.to_path_buf()).collect(),
                cache: Some(cache.clone()),
                ..ImageOptions::default()
            };
            let bias = image(&library.module, &[], "/".as_ref()).bias(BASE).unwrap();
            let address = Addr(library.address.0.wrapping_add(bias));
            Images::new(options).symbolize(&library.module, address).unwrap()
        };
        assert!(is_line_alone(&cached(&[])), "{flags:?}");
        assert!(is_whole(&cached(&[elsewhere.path()])), "{flags:?}");
        assert!(is_whole(&cached(&[])), "{flags:?}");
    }
}

#[test]
fn packages_of_units() {
    if !has("gcc") || !has("objcopy") {
        return;
    }
    // That of binutils knows DWARF 4 only.
    for (version, packer) in [("-gdwarf-4", "dwp"), ("-gdwarf-5", "llvm-dwp")] {
        if !has(packer) {
            continue;
        }
        let library = Library::build(&[version, "-gz=none", "-gsplit-dwarf"]);
        let package = library.folder.join("lib.so.dwp");
        let status = Command::new(packer)
            .args(["-e", "lib.so", "-o", "lib.so.dwp"])
            .current_dir(library.folder.path())
            .status();
        if !status.unwrap().success() {
            skip(&format!("{packer} fails"));
            continue;
        }
        fs::remove_file(library.folder.join("lib.so-split.dwo")).unwrap();
        library.forget_name();
        assert!(is_whole(&library.named(&[])), "{packer}: {:?}", library.named(&[]));
        let elsewhere = Folder::new();
        let moved = elsewhere.join("lib.so.dwp");
        fs::rename(&package, &moved).unwrap();
        assert!(is_line_alone(&library.named(&[])), "{packer}");
        assert!(is_whole(&library.named(&[elsewhere.path()])), "{packer}");
        assert!(is_whole(&library.named(&[&moved])), "{packer}");
        // Damaged in many places, it gives the right line or none.
        let good = fs::read(&moved).unwrap();
        for index in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[index] ^= 0x55;
            fs::write(&moved, &bad).unwrap();
            library.named(&[elsewhere.path()]);
        }
    }
}

#[test]
fn compressed_sections() {
    if !["gcc", "objcopy"].iter().all(|tool| has(tool)) {
        return;
    }
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        for kind in ["zlib", "zlib-gnu", "zstd"] {
            let library = Library::build(&[version]);
            let option = format!("--compress-debug-sections={kind}");
            let status = Command::new("objcopy").arg(option).arg(&library.path).status();
            if !status.unwrap().success() {
                skip(&format!("objcopy cannot compress with {kind}"));
                continue;
            }
            assert!(
                is_whole(&library.named(&[])),
                "{version} {kind}: {:?}",
                library.named(&[])
            );
        }
    }
}

/// dwz moves what two libraries have in common to a third file.
#[test]
fn parts_in_a_shared_file() {
    if !["gcc", "dwz"].iter().all(|tool| has(tool)) {
        return;
    }
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let (one, other) = (Library::build(&[version]), Library::build(&[version, "-DOTHER"]));
        // Enough in common for dwz to bother.
        let shared = one.folder.join("shared.debug");
        let arguments: [&OsStr; 6] = [
            "-m".as_ref(),
            shared.as_os_str(),
            "-M".as_ref(),
            shared.as_os_str(),
            one.path.as_os_str(),
            other.path.as_os_str(),
        ];
        run("dwz", &arguments);
        one.forget_name();
        assert!(is_whole(&one.named(&[])), "{version}: {:?}", one.named(&[]));
        fs::rename(&shared, one.folder.join("elsewhere.debug")).unwrap();
        assert!(is_line_alone(&one.named(&[])), "{version}: {:?}", one.named(&[]));
    }
}
