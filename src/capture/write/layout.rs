//! The file as a sequence of pieces, with a directory at its begin.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use minidump_writer::mem_writer::{Buffer, MemoryWriter};
use minidump_writer::minidump_format::{
    MD_HEADER_SIGNATURE, MD_HEADER_VERSION, MDLocationDescriptor, MDRawDirectory, MDRawHeader,
};

use super::{StreamError, WriteError};

/// Bytes of a header, and of a directory entry.
const HEADER: u32 = 32;
const ENTRY: u32 = 12;
/// Where the header says how many streams there are.
const STREAM_COUNT: u64 = 8;
/// To which pieces are aligned; the widest members are 128-bit registers.
const ALIGNMENT: u64 = 16;

/// Writes pieces to the end of the file and remembers where they are. Nothing but the piece at hand is
/// kept in memory.
pub struct Layout<'a> {
    out: BufWriter<&'a File>,
    position: u64,
    entries: u32,
    max_entries: u32,
}

impl<'a> Layout<'a> {
    /// Writes the header and room for `max_entries` streams; `time` in seconds since 1970.
    pub fn begin(file: &'a File, max_entries: u32, time: u32) -> Result<Layout<'a>, StreamError> {
        let mut buffer = Buffer::with_capacity(1024);
        MemoryWriter::alloc_with_val(
            &mut buffer,
            MDRawHeader {
                signature: MD_HEADER_SIGNATURE,
                version: MD_HEADER_VERSION,
                stream_count: max_entries,
                stream_directory_rva: HEADER,
                checksum: 0,
                time_date_stamp: time,
                flags: 0,
            },
        )?;
        // Entries that stay zero are of type UnusedStream, which readers skip.
        buffer.write_all(&vec![0; (max_entries * ENTRY) as usize]);
        let mut layout = Layout {
            out: BufWriter::with_capacity(256 * 1024, file),
            position: 0,
            entries: 0,
            max_entries,
        };
        layout.append(&buffer)?;
        Ok(layout)
    }

    /// Where the next aligned piece will lie.
    pub fn align(&mut self) -> Result<u64, StreamError> {
        let padding = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.append(&[0; ALIGNMENT as usize][..padding as usize])?;
        Ok(self.position)
    }

    /// Appends a piece right after the one before it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<MDLocationDescriptor, StreamError> {
        let rva = self.position;
        let end = rva + bytes.len() as u64;
        if end > u64::from(u32::MAX) {
            return Err(WriteError::TooLong(end).into());
        }
        self.out.write_all(bytes)?;
        self.position = end;
        Ok(MDLocationDescriptor {
            data_size: bytes.len() as u32,
            rva: rva as u32,
        })
    }

    /// Replaces bytes that were written before.
    pub fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<(), StreamError> {
        self.out.seek(SeekFrom::Start(at))?;
        self.out.write_all(bytes)?;
        self.out.seek(SeekFrom::Start(self.position))?;
        Ok(())
    }

    /// Fills in a directory entry: the stream can now be found.
    pub fn enter(&mut self, stream_type: u32, location: MDLocationDescriptor) -> Result<(), StreamError> {
        if self.entries == self.max_entries {
            return Err(io::Error::other(format!("no room for stream {stream_type:#x} in the directory")).into());
        }
        let mut buffer = Buffer::with_capacity(ENTRY as usize);
        MemoryWriter::alloc_with_val(&mut buffer, MDRawDirectory { stream_type, location })?;
        let at = HEADER + self.entries * ENTRY;
        self.entries += 1;
        self.patch(u64::from(at), &buffer)
    }

    /// Appends a stream whose bytes refer to nothing else in the file.
    pub fn raw_stream(&mut self, stream_type: u32, bytes: &[u8]) -> Result<MDLocationDescriptor, StreamError> {
        self.align()?;
        let location = self.append(bytes)?;
        self.enter(stream_type, location)?;
        Ok(location)
    }

    /// Writes out what is buffered, and how many streams there are in the end.
    pub fn finish(mut self) -> Result<(), StreamError> {
        self.patch(STREAM_COUNT, &self.entries.to_le_bytes())?;
        Ok(self.out.flush()?)
    }
}
