//! Reading bytes of a process, and the typed reads built on it.

use crate::addr::Addr;

/// Bytes that could not be read, because they are not mapped, not recorded, or not permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes at {addr} cannot be read")]
pub struct ReadError {
    /// The first address asked for.
    pub addr: Addr,
    /// How many bytes were asked for.
    pub len: u64,
}

/// The memory of a process.
pub trait Memory {
    /// Fills `buf` with the bytes at `addr`.
    ///
    /// # Errors
    /// Where any of the bytes is missing: a partial read is an error, so that what was recorded at
    /// capture answers exactly as the live process did.
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError>;

    /// The same without a trace: what is only looked at is not recorded.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn peek(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.read(addr, buf)
    }
}

/// A memory of which nothing that is read is recorded.
pub struct Peek<'a>(pub &'a dyn Memory);

impl Memory for Peek<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.0.peek(addr, buf)
    }
}

/// Typed reads; little-endian, as every supported architecture is.
pub trait MemoryExt: Memory {
    /// An unsigned byte.
    fn read_u8(&self, addr: Addr) -> Result<u8, ReadError> {
        self.read_array::<1>(addr).map(|b| b[0])
    }
    /// An unsigned 16-bit integer.
    fn read_u16(&self, addr: Addr) -> Result<u16, ReadError> {
        self.read_array(addr).map(u16::from_le_bytes)
    }
    /// An unsigned 32-bit integer.
    fn read_u32(&self, addr: Addr) -> Result<u32, ReadError> {
        self.read_array(addr).map(u32::from_le_bytes)
    }
    /// A signed 32-bit integer.
    fn read_i32(&self, addr: Addr) -> Result<i32, ReadError> {
        self.read_array(addr).map(i32::from_le_bytes)
    }
    /// An unsigned 64-bit integer.
    fn read_u64(&self, addr: Addr) -> Result<u64, ReadError> {
        self.read_array(addr).map(u64::from_le_bytes)
    }
    /// A signed 64-bit integer.
    fn read_i64(&self, addr: Addr) -> Result<i64, ReadError> {
        self.read_array(addr).map(i64::from_le_bytes)
    }
    /// A pointer.
    fn read_addr(&self, addr: Addr) -> Result<Addr, ReadError> {
        self.read_u64(addr).map(Addr)
    }
    /// `N` bytes.
    fn read_array<const N: usize>(&self, addr: Addr) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }
    /// `len` bytes. The caller bounds `len`: it is allocated before the read is tried.
    fn read_vec(&self, addr: Addr, len: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; len];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }
    /// The bytes before the first NUL, at most `max`, read in small steps so as not to run over the
    /// end of a mapping.
    fn read_c_string(&self, addr: Addr, max: usize) -> Result<Vec<u8>, ReadError> {
        let mut text = Vec::new();
        while text.len() < max {
            let at = addr.add(text.len() as u64);
            // To the next multiple of 16: such a block never crosses a page.
            let step = (16 - (at.0 % 16) as usize).min(max - text.len());
            let block = self.read_vec(at, step)?;
            match block.iter().position(|&b| b == 0) {
                Some(end) => {
                    text.extend_from_slice(&block[..end]);
                    return Ok(text);
                }
                None => text.extend_from_slice(&block),
            }
        }
        Ok(text)
    }
}

impl<M: Memory + ?Sized> MemoryExt for M {}
