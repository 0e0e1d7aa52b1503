use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use coldframe::addr::{Addr, AddrRange, Svma};
use coldframe::image::{CacheDir, Image, ImageError, ImageOptions, Images, SymbolProvider, Symbolizer};
use coldframe::notes::Notes;
use coldframe::source::streams::{RecordedSymbols, SymbolFrame};
use coldframe::source::{BuildId, Module, Modules};

use crate::support::{compile, tool};

const FLAGS: &[&str] = &["-O2", "-g", "-w", "-Wl,--build-id"];
const BASE: Addr = Addr(0x5555_0000_0000);

/// The program `inlined.cc`, and the module it would be when loaded at [`BASE`].
struct Built {
    folder: tempfile::TempDir,
    program: PathBuf,
    module: Module,
}

fn build(flags: &[&str]) -> Built {
    let folder = tempfile::tempdir().unwrap();
    let program = compile("inlined.cc", folder.path(), &[FLAGS, flags, &["-lstdc++"]].concat());
    let module = module_of(&program);
    Built {
        folder,
        program,
        module,
    }
}

fn module_of(program: &Path) -> Module {
    use object::Object;
    let bytes = fs::read(program).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    Module {
        range: AddrRange::new(BASE, 1 << 20),
        path: program.to_str().unwrap().to_string(),
        build_id: file.build_id().unwrap().map(|id| BuildId(id.to_vec())),
    }
}

fn open(module: &Module, options: ImageOptions) -> Result<Rc<Image>, ImageError> {
    Images::new(options).image(module)
}

/// The address of the read in `twice`, inside `add`.
fn add_address(image: &Image) -> Svma {
    image.symbol_address("_ZN5outer3addERKNS_5ValueEl").unwrap()
}

fn check_named(frames: &[SymbolFrame]) {
    let shown: Vec<_> = frames
        .iter()
        .map(|f| (f.function.as_deref(), f.line, f.inlined))
        .collect();
    assert_eq!(
        shown,
        [
            (Some("outer::Value::twice() const"), Some(7), true),
            (Some("outer::add(outer::Value const&, long)"), Some(11), false),
        ]
    );
    assert!(
        frames[0]
            .file
            .as_ref()
            .unwrap()
            .ends_with("tests/it/programs/inlined.cc")
    );
}

#[test]
fn inlined_functions_come_first_and_are_demangled() {
    for flags in [
        &["-gz=none"][..],
        &["-gz=zlib"],
        &["-gdwarf-4", "-gz=zlib"],
        &["-no-pie"],
    ] {
        let built = build(flags);
        let image = open(&built.module, ImageOptions::default()).unwrap();
        let frames = image.symbolize(add_address(&image));
        assert_eq!(frames.len(), 2, "{flags:?}: {frames:?}");
        check_named(&frames);
        assert!(image.dwarf().is_some());
        assert!(image.section(".text").unwrap().address > Svma(0));
        assert_eq!(image.section(".absent").map(|_| ()), None);
    }
}

#[test]
fn separate_debug_files_are_found() {
    let built = build(&[]);
    let whole = open(&built.module, ImageOptions::default()).unwrap();
    let address = add_address(&whole);
    let debug = built.folder.path().join("program.debug");
    let run = |name: &str, args: &[&str]| {
        let args: Vec<_> = args.iter().map(std::ffi::OsStr::new).collect();
        tool(name, &args);
    };
    let (program, debug_path) = (built.program.to_str().unwrap(), debug.to_str().unwrap());
    run("objcopy", &["--only-keep-debug", program, debug_path]);
    run(
        "objcopy",
        &["--strip-all", &format!("--add-gnu-debuglink={debug_path}"), program],
    );

    // By .gnu_debuglink, beside the program.
    let image = open(&built.module, ImageOptions::default()).unwrap();
    assert_eq!(image.debug_path(), Some(debug.as_path()));
    check_named(&image.symbolize(address));

    // By build id, below a folder that the user named.
    let symbols = tempfile::tempdir().unwrap();
    let hex = built.module.build_id.as_ref().unwrap().to_string();
    let by_id = symbols.path().join(".build-id").join(&hex[..2]);
    fs::create_dir_all(&by_id).unwrap();
    fs::rename(&debug, by_id.join(format!("{}.debug", &hex[2..]))).unwrap();
    let stripped = open(&built.module, ImageOptions::default()).unwrap();
    assert_eq!(stripped.debug_path(), None);
    assert_eq!(stripped.symbolize(address), []);
    let options = || ImageOptions {
        symbol_paths: vec![symbols.path().to_owned()],
        ..ImageOptions::default()
    };
    check_named(&open(&built.module, options()).unwrap().symbolize(address));

    // The debug file alone, where the program itself is gone.
    fs::remove_file(&built.program).unwrap();
    let image = open(&built.module, options()).unwrap();
    check_named(&image.symbolize(address));
    assert_eq!(image.section(".text").map(|_| ()), None);
}

#[test]
fn another_build_is_never_used() {
    let built = build(&[]);
    let mut other = built.module.clone();
    other.build_id = Some(BuildId(vec![7; 20]));
    let error = open(&other, ImageOptions::default()).unwrap_err();
    assert!(matches!(error, ImageError::OtherBuild { .. }), "{error}");
    other.build_id = None;
    let error = open(&other, ImageOptions::default()).unwrap_err();
    assert!(matches!(error, ImageError::NoBuildId(_)), "{error}");
    assert_eq!(open_offline(&built.module), Err(ImageError::Offline));
}

fn open_offline(module: &Module) -> Result<(), ImageError> {
    Images::offline_only().image(module).map(|_| ())
}

#[test]
fn files_below_a_root() {
    let built = build(&[]);
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::rename(&built.program, root.path().join("bin/program")).unwrap();
    let mut module = built.module.clone();
    module.path = "/bin/program".to_string();
    let options = ImageOptions {
        root: root.path().to_owned(),
        ..ImageOptions::default()
    };
    let image = open(&module, options).unwrap();
    assert_eq!(
        image.path().as_os_str().as_bytes(),
        root.path().join("bin/program").as_os_str().as_bytes()
    );
}

#[test]
fn recorded_symbols_replace_files() {
    let built = build(&[]);
    let modules = Modules::new(vec![built.module.clone()]);
    let (notes, none) = (Notes::new(), RecordedSymbols::new());
    let images = Images::new(ImageOptions::default());
    let bias = images.image(&built.module).unwrap().bias(BASE).unwrap();
    let svma = add_address(&images.image(&built.module).unwrap());
    let (named, unnamed) = (Addr(svma.0.wrapping_add(bias)), BASE.add(8));

    let live = Symbolizer::new(&images, &modules, &none);
    check_named(&live.symbolize(named, &notes).frames);
    assert_eq!(live.symbolize(named, &notes).provider, Some(SymbolProvider::LocalFile));
    assert!(live.symbolize(unnamed, &notes).frames.is_empty());
    let recorded = live.into_recorded();
    assert_eq!(recorded.len(), 2);

    let (offline_images, offline_notes) = (Images::offline_only(), Notes::new());
    let offline = Symbolizer::new(&offline_images, &modules, &recorded);
    let answer = offline.symbolize(named, &offline_notes);
    assert_eq!(answer.provider, Some(SymbolProvider::Dump));
    check_named(&answer.frames);
    assert!(offline.symbolize(unnamed, &offline_notes).frames.is_empty());
    assert_eq!(notes.to_vec(), offline_notes.to_vec());
    assert_eq!(notes.to_vec().len(), 1);
    assert_eq!(offline.into_recorded(), recorded);
}

#[test]
fn cached_answers_equal_fresh_ones() {
    let built = build(&[]);
    let folder = tempfile::tempdir().unwrap();
    let ask = || {
        let images = Images::new(ImageOptions {
            cache: Some(CacheDir::at(folder.path()).unwrap()),
            ..ImageOptions::default()
        });
        let bias = images.image(&built.module).unwrap().bias(BASE).unwrap();
        let text = 0x1000..0x1400u64;
        text.map(|svma| images.symbolize(&built.module, Addr(svma.wrapping_add(bias))).unwrap())
            .collect::<Vec<_>>()
    };
    let fresh = ask();
    assert!(fresh.iter().any(|frames| frames.len() == 2));
    assert_eq!(ask(), fresh);
}
