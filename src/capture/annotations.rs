//! What a program said of itself, put into what a dump says of it.

use crate::addr::Addr;
use crate::image::{ImageOptions, Images};
use crate::source::annotations::read;
use crate::source::{LiveProcess, MemoryExt, Target};

/// Adds the annotations of the process. `page` is where the handler says that they lie; without, the handler's library is
/// looked for.
#[must_use]
pub fn annotated(process: LiveProcess, page: Option<Addr>) -> LiveProcess {
    let page = page.or_else(|| exported_page(&process));
    match page.and_then(|page| read(process.memory(), page)) {
        Some(annotations) => process.with_annotations(annotations),
        None => process,
    }
}

/// The library exports a pointer to the page.
fn exported_page(process: &LiveProcess) -> Option<Addr> {
    let mut modules = process.modules().iter();
    let module = modules.find(|module| module.name() == coldframe_handler::IMAGE_NAME)?;
    let images = Images::new(ImageOptions {
        root: process.directory().join("root"),
        pid: Some(process.pid()),
        ..ImageOptions::default()
    });
    let image = images.image(module).ok()?;
    let pointer = image.symbol_address("coldframe_page")?;
    let bias = image.bias(module.range.start)?;
    process.memory().read_addr(Addr(pointer.0.wrapping_add(bias))).ok()
}
