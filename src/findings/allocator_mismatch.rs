//! Memory of one allocator was given back to another.
//!
//! The debug allocator notices that itself ([`super::debug_allocator`]). Without it, free() of the C library may notice
//! that a block is none of its own; that it is one of Python's, the pool tells that it lies in.

use super::debug_allocator::{giver, other_allocator, pairs};
use super::scene::{fits, named};
use super::{Conclusion, Scene};
use crate::addr::Addr;
use crate::report::model::{Confidence, NativeFrame};
use crate::source::MemoryExt;
use crate::triage::Origin;

/// How the C library begins what it says when it refuses to take memory back (glibc malloc/malloc.c).
const REFUSED: &[&str] = &["free():*", "munmap_chunk():*", "realloc():*"];
/// Sizes of pools: 3.8 and 3.9, and later ones (Objects/obmalloc.c and Include/internal/pycore_obmalloc.h, `POOL_SIZE`).
const POOLS: [u64; 2] = [4096, 16384];
/// The size of `struct pool_header` (the same since 3.8).
const HEADER: u64 = 48;
/// Where it has `szidx`, `nextoffset` and `maxnextoffset`.
const SIZE_INDEX: u64 = 36;
const NEXT: u64 = 40;
const LAST: u64 = 44;
/// `ALIGNMENT`: sizes are multiples of it, up to 512.
const ALIGNMENT: u64 = 16;
const SIZES: u64 = 32;

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    other_allocator(scene).or_else(|| given_to_libc(scene))
}

/// free() refused a block of Python's allocator. Who called it is looked at only where that is not Python itself, which
/// calls what the block came from.
fn given_to_libc(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.signal(libc::SIGABRT)?;
    let message = scene
        .report
        .crash
        .as_ref()?
        .message
        .as_deref()
        .filter(|said| fits(said, REFUSED))?;
    let natives = scene.natives();
    let is_libc = |frame: &&NativeFrame| matches!(scene.origin(frame), Origin::Libc);
    let inside = natives.iter().take_while(|frame| is_libc(frame)).count();
    let caller = natives
        .get(inside)
        .filter(|frame| scene.origin(frame) == Origin::Other)?;
    let [Some(block), ..] = scene.calls()?.arguments(caller)? else {
        return None;
    };
    let block = Addr(block);
    let giver = match giver(scene, block) {
        Some(giver) => format!("{giver}: before it stands what Python's debug allocator writes there"),
        None => {
            let size = block_size(scene, block)?;
            format!("Python's allocator (PyMem_Malloc or PyObject_Malloc): it lies in a pool of blocks of {size} bytes")
        }
    };
    Some(
        Conclusion::new(
            Confidence::Certain,
            "memory of Python's allocator was given to free() of the C library",
        )
        .because(format!("{block} came from {giver}"))
        .because(format!("the C library said: {message}"))
        .because(format!("{} gave it back", named(caller)))
        .advise(pairs()),
    )
}

/// The size of the blocks of the pool that one begins at an address in; `None` where there is no pool.
fn block_size(scene: &Scene<'_>, at: Addr) -> Option<u64> {
    let memory = scene.target.memory();
    POOLS.into_iter().find_map(|len| {
        let pool = Addr(at.0 / len * len);
        let word = |offset: u64| memory.read_u32(pool.add(offset)).ok().map(u64::from);
        let size = word(SIZE_INDEX)
            .filter(|&index| index < SIZES)?
            .checked_add(1)?
            .checked_mul(ALIGNMENT)?;
        let offset = at.0.checked_sub(pool.0)?.checked_sub(HEADER)?;
        let (next, last) = (word(NEXT)?, word(LAST)?);
        // Behind the last block none fits; blocks up to the next one have been given out once.
        let is_pool =
            last == len - size && next >= HEADER && (next - HEADER).is_multiple_of(size) && next <= last + size;
        (is_pool && offset.is_multiple_of(size) && offset + HEADER < next).then_some(size)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn a_block_begins_in_a_pool() {
        let mut pool = vec![0; 4096];
        for (at, word) in [(0, 3_u32), (SIZE_INDEX, 1), (NEXT, 48 + 5 * 32), (LAST, 4096 - 32)] {
            let at = at as usize;
            pool[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let stage = Stage::new(libc::SIGABRT, -6, 0).bytes(0x7000, &pool);
        let size = |at| block_size(&stage.scene(), Addr(at));
        assert_eq!(size(0x7000 + 48), Some(32));
        assert_eq!(size(0x7000 + 48 + 4 * 32), Some(32));
        for wrong in [0x7000, 0x7000 + 64, 0x7000 + 48 + 5 * 32, 0x9000] {
            assert_eq!(size(wrong), None, "{wrong:#x}");
        }
    }
}
