//! The loader's list of libraries, as debuggers look for it: `struct r_debug` and `struct link_map` (<link.h>), to which
//! the entry DT_DEBUG of the executable's dynamic section points. It was not recorded, so it is made from the modules.

use crate::addr::{Addr, Svma};
use crate::image::{Images, MemoryElf};
use crate::source::{Module, Target};

/// The entry of a dynamic section that points to `r_debug`.
const DT_DEBUG: u64 = 21;
const R_DEBUG_SIZE: u64 = 40;
const LINK_MAP_SIZE: u64 = 40;

/// The list.
pub(super) struct Libraries {
    /// The bytes, for the address that was asked for.
    pub page: Vec<u8>,
    /// Where the executable points to it; `None` where its file is not at hand.
    pub pointer: Option<Addr>,
    /// How many images it has, the executable included.
    pub count: usize,
}

/// An image: address less stated address, where its dynamic section is, its name in the list.
struct Image<'a> {
    bias: u64,
    dynamic: Addr,
    name: &'a str,
}

/// The list of libraries of a process, to be put at `at`; `None` where its executable is not known.
pub(super) fn list(target: &dyn Target, images: &Images, at: Addr) -> Option<Libraries> {
    let path = &target.context().process.executable;
    let executable = target.modules().iter().find(|module| module.path == *path)?;
    let others = target
        .modules()
        .iter()
        .filter(|module| module.path != *path && module.path.starts_with('/'));
    // The executable comes first, and has no name.
    let mut found = vec![Image {
        name: "",
        ..image(target, images, executable)?
    }];
    found.extend(others.filter_map(|module| image(target, images, module)));
    let mut page = Vec::new();
    let word = |page: &mut Vec<u8>, value: u64| page.extend(value.to_le_bytes());
    let map_at = |index: usize| at.0 + R_DEBUG_SIZE + index as u64 * LINK_MAP_SIZE;
    // r_version 1, r_map, r_brk, r_state RT_CONSISTENT, r_ldbase.
    for value in [1, map_at(0), 0, 0, 0] {
        word(&mut page, value);
    }
    let mut name_at = map_at(found.len());
    for (index, image) in found.iter().enumerate() {
        let next = if index + 1 < found.len() { map_at(index + 1) } else { 0 };
        let previous = index.checked_sub(1).map_or(0, map_at);
        for value in [image.bias, name_at, image.dynamic.0, next, previous] {
            word(&mut page, value);
        }
        name_at += image.name.len() as u64 + 1;
    }
    for image in &found {
        page.extend(image.name.as_bytes());
        page.push(0);
    }
    Some(Libraries {
        page,
        pointer: pointer(images, executable, found.first()?.bias),
        count: found.len(),
    })
}

/// By the headers in memory where they were recorded, else by those of the file.
fn image<'a>(target: &dyn Target, images: &Images, module: &'a Module) -> Option<Image<'a>> {
    let base = module.range.start;
    let in_memory = || {
        let elf = MemoryElf::read(target.memory(), base).ok()?;
        Some((elf.bias(), elf.dynamic()?.start))
    };
    let in_file = || {
        let image = images.image(module).ok()?;
        let bias = image.bias(base)?;
        Some((bias, Addr(image.section(".dynamic")?.address.0.wrapping_add(bias))))
    };
    let (bias, dynamic) = in_memory().or_else(in_file)?;
    Some(Image {
        bias,
        dynamic,
        name: &module.path,
    })
}

/// The address of the value of DT_DEBUG.
fn pointer(images: &Images, executable: &Module, bias: u64) -> Option<Addr> {
    let image = images.image(executable).ok()?;
    let section = image.section(".dynamic")?;
    let entries = section.bytes.chunks_exact(16);
    let tag = |entry: &[u8]| entry.first_chunk::<8>().map(|tag| u64::from_le_bytes(*tag));
    let index = entries.into_iter().position(|entry| tag(entry) == Some(DT_DEBUG))?;
    let Svma(address) = section.address;
    Some(Addr(address.wrapping_add(bias).wrapping_add(index as u64 * 16 + 8)))
}
