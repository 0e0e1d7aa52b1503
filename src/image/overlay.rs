//! A process whose memory leaves out what is in files, with those files laid under it.
//!
//! By default the kernel leaves the pages of files out of a core (core(5), `coredump_filter`): code,
//! constants and the tables to unwind by. They are read from the file of the same build. A writable
//! segment is never: what was in it is not known.
//!
//! Invariant: what the process's own memory holds is never replaced.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::symbols::note_other_build;
use super::{Image, ImageError, Images};
use crate::addr::{Addr, AddrRange, Svma};
use crate::notes::Notes;
use crate::source::{Facts, Memory, Module, Modules, ReadError, Target};

/// What is missing from memory is missing by the page.
const PAGE: u64 = 4096;

/// A [`Target`] over another one and its files.
pub struct Overlay<'a> {
    target: &'a dyn Target,
    memory: OverlayMemory<'a>,
}

struct OverlayMemory<'a> {
    inner: &'a dyn Memory,
    modules: Modules,
    images: &'a Images,
    notes: &'a Notes,
    /// By module index.
    files: RefCell<HashMap<usize, Option<Mapped>>>,
}

/// The file of a module.
struct Mapped {
    image: Rc<Image>,
    bias: u64,
}

impl<'a> Overlay<'a> {
    /// Lays the files that `images` finds under `target`. A module whose build id is not in the core is
    /// taken for the file at its path where their dynamic sections agree. `notes` gets what is missing.
    pub fn new(target: &'a dyn Target, images: &'a Images, notes: &'a Notes) -> Overlay<'a> {
        let modules = identify(target, images, notes);
        Overlay {
            target,
            memory: OverlayMemory {
                inner: target.memory(),
                modules,
                images,
                notes,
                files: RefCell::default(),
            },
        }
    }
}

impl Target for Overlay<'_> {
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn facts(&self) -> &Facts {
        self.target.facts()
    }
    fn modules(&self) -> &Modules {
        &self.memory.modules
    }
}

/// The modules, with build ids from files where memory has none. Mapped files that turn out to be no
/// images are left out: without their first page they could not be told before.
fn identify(target: &dyn Target, images: &Images, notes: &Notes) -> Modules {
    let mut list: Vec<Module> = Vec::new();
    let (mut identified, mut headers, mut unknown) = (0, 0, Vec::new());
    for module in target.modules().iter() {
        if module.build_id.is_some() || module.path.starts_with('[') {
            list.push(module.clone());
            continue;
        }
        match images.identify(module, target.memory()) {
            Ok(image) => {
                identified += 1;
                let has_header = target.memory().read(module.range.start, &mut [0; 4]).is_ok();
                headers += usize::from(has_header);
                list.push(Module {
                    range: AddrRange::new(module.range.start, image.extent().unwrap_or(module.range.len())),
                    build_id: image.build_id().cloned(),
                    path: module.path.clone(),
                });
            }
            Err(ImageError::NotElf(_)) => {}
            Err(_) => {
                unknown.push(module.name().to_string());
                list.push(module.clone());
            }
        }
    }
    if identified > 0 {
        notes.push(
            "modules",
            format!("the build ids of {identified} modules are not in the input"),
            "the files at their paths were used, as far as their dynamic sections agree with memory",
            // Tools that patch libraries move the build id out of the first page, or there is none.
            if headers == identified {
                ""
            } else {
                "bit 4 of /proc/PID/coredump_filter keeps build ids in cores"
            },
        );
    }
    if let [first, ..] = unknown.as_slice() {
        notes.push(
            "modules",
            format!(
                "for {} modules, {first} among them, no file can be told to be the one that was loaded",
                unknown.len()
            ),
            "frames in them have no names and may be incomplete",
            "the original files: as EXECUTABLE, with --symbols PATH or below --sysroot DIR",
        );
    }
    Modules::new(list)
}

impl Memory for OverlayMemory<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let Err(error) = self.inner.read(addr, buf) else {
            return Ok(());
        };
        let last = addr.add(buf.len().saturating_sub(1) as u64);
        if last < addr || (self.modules.find(addr).is_none() && self.modules.find(last).is_none()) {
            return Err(error);
        }
        let mut at = addr;
        let mut rest = buf;
        while !rest.is_empty() {
            let step = usize::try_from(PAGE - at.0 % PAGE)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (part, after) = rest.split_at_mut(step);
            if self.inner.read(at, part).is_err() {
                self.read_file(at, part).ok_or(error)?;
            }
            at = at.add(step as u64);
            rest = after;
        }
        Ok(())
    }
}

impl OverlayMemory<'_> {
    fn read_file(&self, at: Addr, buf: &mut [u8]) -> Option<()> {
        let index = self.modules.index_of(at)?;
        let mut files = self.files.borrow_mut();
        let file = files.entry(index).or_insert_with(|| self.open(index));
        let Mapped { image, bias } = file.as_ref()?;
        let bytes = image.read_only(Svma(at.0.wrapping_sub(*bias)))?;
        buf.copy_from_slice(bytes.get(..buf.len())?);
        Some(())
    }

    /// The file of a module; a note where there is none, since something in it is wanted.
    fn open(&self, index: usize) -> Option<Mapped> {
        let module = self.modules.iter().nth(index)?;
        match self.images.demand(module) {
            Ok(image) => {
                let bias = image.bias(module.range.start)?;
                Some(Mapped { image, bias })
            }
            Err(ImageError::OtherBuild { .. }) => {
                note_other_build(module, self.notes);
                None
            }
            // Said already, of all of them together.
            Err(ImageError::NoBuildId(_) | ImageError::NotAPath(_)) => None,
            Err(error) => {
                self.notes.push(
                    "modules",
                    format!(
                        "the file of {} is needed, as the input leaves out what is in files: {error}",
                        module.name()
                    ),
                    "frames in it have no names, and the stack may be incomplete there",
                    "the original file: as EXECUTABLE, with --symbols PATH or below --sysroot DIR",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::{FakeMemory, FakeTarget};

    #[test]
    fn what_memory_holds_stays_and_wild_reads_fail() {
        let mut target = FakeTarget {
            memory: FakeMemory::new().with(Addr(0x1000), vec![1; 16]),
            ..FakeTarget::default()
        };
        target.facts.modules = Modules::new(vec![Module {
            range: AddrRange::new(Addr(0x1000), 0x3000),
            path: "/absent/libx.so".into(),
            build_id: Some(crate::source::BuildId(vec![1, 2, 3])),
        }]);
        let notes = Notes::new();
        let images = Images::new(crate::image::ImageOptions::default());
        let overlay = Overlay::new(&target, &images, &notes);
        let mut byte = [0];
        assert!(overlay.memory().read(Addr(0x1001), &mut byte).is_ok());
        assert_eq!(byte, [1]);
        assert!(overlay.memory().read(Addr(0x9000), &mut byte).is_err());
        assert!(overlay.memory().read(Addr(u64::MAX), &mut [0; 2]).is_err());
        assert!(notes.to_vec().is_empty());
        for _ in 0..2 {
            assert!(overlay.memory().read(Addr(0x2000), &mut byte).is_err());
        }
        assert_eq!(notes.to_vec().len(), 1);
    }
}
