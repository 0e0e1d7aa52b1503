//! An ELF file: headers, sections, symbol tables, debug information, unwind tables; from a file and in memory.
#![no_main]

use coldframe::addr::{Addr, Svma};
use coldframe::image::{ImageOptions, Images, MemoryElf};
use coldframe::layout::{Inspection, find_interpreter};
use coldframe::report::layout::{Check, LayoutReport, render};
use coldframe_fuzz::{Bytes, START};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let memory = Bytes(data);
    if let Ok(elf) = MemoryElf::read(&memory, Addr(START)) {
        let _ = (
            elf.executable().count(),
            elf.eh_frame_hdr(),
            elf.dynamic(),
            elf.build_id(&memory),
        );
    }
    if !data.starts_with(b"\x7fELF") {
        return;
    }
    let path = coldframe_fuzz::named_file(data);
    let images = Images::new(ImageOptions::default());
    let _ = find_interpreter(&images, &path).map(|found| found.path().to_owned());
    let Ok(image) = images.open_named(&path) else { return };
    let _ = (
        image.extent(),
        image.bias(Addr(START)),
        image.agrees(&memory, Addr(START)),
    );
    for name in ["_PyRuntime", "main", ""] {
        let _ = (image.symbol_address(name), image.symbol_size(name));
    }
    for address in [0, 1, START, 0x1139, 0x40_1000, u64::MAX] {
        let _ = image.symbolize(Svma(address));
        let _ = image.read_only(Svma(address)).map(<[u8]>::len);
    }
    let inspection = Inspection::of_image(&images, &image);
    let mut report = LayoutReport::new(&inspection);
    report.check = Some(Check::new(&inspection, &image));
    let _ = render(&report);
});
