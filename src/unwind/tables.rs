//! The unwind table index of an image: `.eh_frame_hdr` (LSB Core, section 10.6.2).

use crate::addr::{Addr, AddrRange};
use crate::image::{MemoryElf, MemoryElfError};
use crate::source::{Memory, MemoryExt, Module, ReadError};

/// What the linkers write: version 1, `eh_frame_ptr` pcrel sdata4, `fde_count` udata4, rows datarel
/// sdata4. Other encodings are allowed and not seen.
const ENCODINGS: [u8; 4] = [0x01, 0x1b, 0x03, 0x3b];
const HEADER_SIZE: u64 = 12;
const ROW_SIZE: u64 = 8;

/// Why an image cannot be unwound by its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TableError {
    #[error(transparent)]
    Image(#[from] MemoryElfError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("it has no .eh_frame_hdr")]
    Absent,
    #[error("its .eh_frame_hdr has the encodings {0:02x?}")]
    Encoding([u8; 4]),
    #[error("its .eh_frame_hdr has {rows} rows in {bytes} bytes")]
    Size { rows: u32, bytes: u64 },
}

/// The executable ranges and the unwind index of one image.
#[derive(Debug)]
pub(super) struct ModuleTables {
    /// The whole image where its headers cannot be read.
    executable: Vec<AddrRange>,
    index: Result<Index, TableError>,
}

#[derive(Clone, Copy, Debug)]
struct Index {
    /// Rows are relative to this.
    header: Addr,
    rows: u32,
}

impl ModuleTables {
    pub fn read(memory: &dyn Memory, module: &Module) -> ModuleTables {
        match MemoryElf::read(memory, module.range.start) {
            Ok(elf) => ModuleTables {
                executable: elf.executable().collect(),
                index: Index::read(memory, &elf),
            },
            Err(error) => ModuleTables {
                executable: vec![module.range],
                index: Err(error.into()),
            },
        }
    }

    /// Those of no image.
    pub fn none() -> ModuleTables {
        ModuleTables {
            executable: Vec::new(),
            index: Err(TableError::Absent),
        }
    }

    pub fn is_executable(&self, addr: Addr) -> bool {
        self.executable.iter().any(|range| range.contains(addr))
    }

    /// Why there is no index.
    pub fn error(&self) -> Option<TableError> {
        self.index.err()
    }

    /// The address of the frame description entry of the last function that starts at or before
    /// `addr`. The entry itself says where that function ends.
    pub fn find(&self, memory: &dyn Memory, addr: Addr) -> Result<Option<Addr>, ReadError> {
        match &self.index {
            Ok(index) => index.find(memory, addr),
            Err(_) => Ok(None),
        }
    }
}

impl Index {
    fn read(memory: &dyn Memory, elf: &MemoryElf) -> Result<Index, TableError> {
        let range = elf.eh_frame_hdr().ok_or(TableError::Absent)?;
        let bytes = memory.read_array::<{ HEADER_SIZE as usize }>(range.start)?;
        let [a, b, c, d, _, _, _, _, rows @ ..] = bytes;
        let encodings = [a, b, c, d];
        if encodings != ENCODINGS {
            return Err(TableError::Encoding(encodings));
        }
        let rows = u32::from_le_bytes(rows);
        if HEADER_SIZE + u64::from(rows) * ROW_SIZE > range.len() {
            let bytes = range.len();
            return Err(TableError::Size { rows, bytes });
        }
        Ok(Index {
            header: range.start,
            rows,
        })
    }

    /// Binary search; reads one row per step and nothing else, since what is read is recorded.
    fn find(&self, memory: &dyn Memory, addr: Addr) -> Result<Option<Addr>, ReadError> {
        let (mut low, mut high) = (0, self.rows);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let [a, b, c, d, entry @ ..] =
                memory.read_array::<8>(self.header.add(HEADER_SIZE + u64::from(middle) * ROW_SIZE))?;
            if self.relative([a, b, c, d]) <= addr {
                found = Some(self.relative(entry));
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    fn relative(&self, bytes: [u8; 4]) -> Addr {
        let offset = i64::from(i32::from_le_bytes(bytes));
        Addr(self.header.0.wrapping_add_signed(offset))
    }
}
