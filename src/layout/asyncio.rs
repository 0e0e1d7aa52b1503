//! Offsets of asyncio's structures, which are in `_asyncio`: a part of the interpreter or an extension module.

use super::Layout;
use super::builtin;
use super::dwarf::offsets_from_dwarf;
use super::schema::{Offset, Offsets};
use crate::addr::Addr;
use crate::image::{Image, Images};
use crate::source::{MemoryExt, Module, Target};

/// The section that holds `Py_AsyncioModuleDebugOffsets` (Modules/_asynciomodule.c, 3.14+).
const SECTION: &str = ".AsyncioDebug";
/// Its words, 64 bits each, in order; those without a slot of the schema are not used.
const WORDS: [Option<&str>; 13] = [
    Some("task.size"),
    Some("task.name"),
    None,
    None,
    None,
    Some("task.coro"),
    Some("task.node"),
    None,
    Some("interpreter.asyncio_tasks_head"),
    None,
    Some("thread_impl.asyncio_running_loop"),
    Some("thread_impl.asyncio_running_task"),
    Some("thread_impl.asyncio_tasks_head"),
];

/// Completes a layout by what is known of asyncio: what the module itself states, its debug information, the built-in
/// row. Nothing where the process has not loaded it.
pub fn complete(layout: &mut Layout, target: &dyn Target, images: &Images) {
    let find = |module: &&Module| module.range.start == layout.image || module.name().starts_with("_asyncio.");
    let modules: Vec<&Module> = target.modules().iter().filter(find).collect();
    let opened: Vec<(&Module, std::rc::Rc<Image>)> = modules
        .into_iter()
        .filter_map(|module| Some((module, images.image(module).ok()?)))
        .collect();
    if !layout.offsets.task.coro.is_present() {
        let row = builtin(layout.version, layout.flavour).filter(|_| layout.is_known());
        let row = row.map(|row| row.offsets);
        let extension = opened.iter().filter(|(module, _)| module.range.start != layout.image);
        let stated = || {
            let mut dwarf = extension.filter_map(|(_, image)| offsets_from_dwarf(image.dwarf()?).ok());
            dwarf.next()
        };
        if let Some(known) = row.filter(|row| row.task.coro.is_present()).or_else(stated) {
            layout.offsets.task = known.task;
            layout.offsets.future = known.future;
            layout.offsets.future_iterator = known.future_iterator;
        }
    }
    let stated = opened.iter().find_map(|(module, image)| {
        let bias = image.bias(module.range.start)?;
        let at = image.section(SECTION)?.address;
        let at = Addr(at.0.wrapping_add(bias));
        read(&target.memory().read_array::<{ 8 * WORDS.len() }>(at).ok()?)
    });
    if let Some(stated) = stated {
        layout.offsets.overlay(&stated);
    }
}

/// `None` where the bytes are not that table: it has no mark, but its first words are those of a structure.
fn read(bytes: &[u8]) -> Option<Offsets> {
    let words: Vec<u64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    let size = *words.first()?;
    let is_inside = |word: &u64| (8..size).contains(word);
    if size > 4096 || !words.get(1..7)?.iter().all(is_inside) {
        return None;
    }
    let mut offsets = Offsets::default();
    offsets.for_each(&mut |slot| {
        if let Some(index) = WORDS.iter().position(|name| *name == Some(slot.name)) {
            *slot.offset = words.get(index).map_or(Offset::ABSENT, |word| Offset::new(*word));
        }
    });
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_slots_of_the_schema() {
        let mut slots = Vec::new();
        Offsets::default().for_each(&mut |slot| slots.push(slot.name));
        for name in WORDS.into_iter().flatten() {
            assert!(slots.contains(&name), "{name}");
        }
    }

    #[test]
    fn only_a_table_that_holds_together_is_read() {
        let table = |words: [u64; 13]| read(&words.map(u64::to_le_bytes).concat());
        let good = [168, 136, 96, 108, 109, 128, 152, 226_000, 10_880, 936, 864, 872, 880];
        let offsets = table(good).unwrap();
        assert_eq!(offsets.task.coro.bytes(), Some(128));
        assert_eq!(offsets.thread_impl.asyncio_tasks_head.bytes(), Some(880));
        let mut bad = good;
        bad[5] = 9_000;
        assert!(table(bad).is_none());
        assert!(table([0; 13]).is_none());
    }
}
