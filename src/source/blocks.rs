//! Memory that lies in blocks of a file.

use crate::addr::{Addr, AddrRange};

use super::memory::{Memory, ReadError};
use super::ranges;

/// One stored block: where it was in the process, and where it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub range: AddrRange,
    pub offset: usize,
}

/// The blocks without these stretches, which the process had other bytes in.
pub(super) fn without(blocks: Vec<Block>, zeroed: &[(Addr, u64)]) -> Vec<Block> {
    let mut holes: Vec<AddrRange> = zeroed.iter().map(|&(start, len)| AddrRange::new(start, len)).collect();
    ranges::normalize(&mut holes);
    let mut rest = Vec::with_capacity(blocks.len() + holes.len());
    for block in blocks {
        let parts = ranges::subtract(&[block.range], ranges::overlapping(&holes, block.range));
        rest.extend(parts.into_iter().map(|range| {
            Block {
                range,
                offset: block
                    .offset
                    .saturating_add((range.start.0 - block.range.start.0) as usize),
            }
        }));
    }
    rest
}

/// Blocks that do not overlap, sorted by address, over the bytes of the file.
///
/// The minidump crate drops a block that overlaps an earlier one
/// (`minidump-common` 0.27, `into_rangemap_safe`), and does not read across blocks; foreign dumps have
/// both, so the lookup is made here.
pub(super) struct BlockMemory<D> {
    data: D,
    blocks: Vec<Block>,
}

impl<D: AsRef<[u8]>> BlockMemory<D> {
    /// `blocks` may come from a hostile file: overlaps are cut away (the block that begins first, then
    /// the longer one, stays), and what lies past the end of the file is left out.
    pub fn new(data: D, mut blocks: Vec<Block>) -> BlockMemory<D> {
        let len = data.as_ref().len();
        for block in &mut blocks {
            let stored = len.saturating_sub(block.offset) as u64;
            block.range = AddrRange::new(block.range.start, block.range.len().min(stored));
        }
        blocks.sort_by_key(|b| (b.range.start, std::cmp::Reverse(b.range.end)));
        let mut end = Addr::NULL;
        for block in &mut blocks {
            let covered = end.0.saturating_sub(block.range.start.0).min(block.range.len());
            block.range.start = block.range.start.add(covered);
            block.offset = block.offset.saturating_add(covered as usize);
            end = end.max(block.range.end);
        }
        blocks.retain(|b| !b.range.is_empty());
        BlockMemory { data, blocks }
    }

    /// The blocks, by address.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

impl<D: AsRef<[u8]>> Memory for BlockMemory<D> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        let data = self.data.as_ref();
        let mut index = self.blocks.partition_point(|b| b.range.end <= addr);
        let mut done = 0;
        while done < buf.len() {
            let at = addr.0.checked_add(done as u64).map(Addr).ok_or(error)?;
            let block = self.blocks.get(index).filter(|b| b.range.contains(at)).ok_or(error)?;
            let skip = at.0 - block.range.start.0;
            let step = ((block.range.len() - skip) as usize).min(buf.len() - done);
            let from = block.offset.checked_add(skip as usize).ok_or(error)?;
            let bytes = data.get(from..from.saturating_add(step)).ok_or(error)?;
            buf.get_mut(done..done + step).ok_or(error)?.copy_from_slice(bytes);
            done += step;
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryExt;

    fn block(start: u64, len: u64, offset: usize) -> Block {
        Block {
            range: AddrRange::new(Addr(start), len),
            offset,
        }
    }

    #[test]
    fn overlapping_and_adjacent_blocks_read_as_one() {
        let data: Vec<u8> = (0..100).collect();
        let memory = BlockMemory::new(
            data,
            vec![
                block(0x1010, 16, 16),
                block(0x1000, 16, 0),
                // Overlaps both.
                block(0x1008, 12, 60),
                // Past the end of the file.
                block(0x2000, 50, 90),
                block(u64::MAX - 3, 100, 0),
                block(0x3000, 4, usize::MAX),
            ],
        );
        assert_eq!(memory.read_vec(Addr(0x1004), 28).unwrap(), {
            let mut wanted: Vec<u8> = (4..16).collect();
            wanted.extend(68..72);
            wanted.extend(20..32);
            wanted
        });
        assert_eq!(memory.read_vec(Addr(0x2000), 10).unwrap().len(), 10);
        assert!(memory.read_vec(Addr(0x2000), 11).is_err());
        assert!(memory.read_vec(Addr(0xfff), 2).is_err());
        assert!(memory.read_u64(Addr(u64::MAX - 3)).is_err());
        assert!(memory.read_u8(Addr(0x3000)).is_err());
        assert!(memory.read(Addr(0), &mut []).is_ok());
    }
}
