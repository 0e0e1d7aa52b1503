//! The record that the handler writes by itself when no helper could run: a `.rec` file in the dump folder.
//!
//! [`Record`] is what it says, [`RecordFile`] the process that it describes, as far as it goes: one thread, 16 KiB of
//! its stack, and the files that were mapped, where they lie on this machine unchanged.
//!
//! Invariant: no length or address in the file is trusted; a file of another identity is never used.

mod file;
mod images;
mod reason;

use std::mem::{offset_of, size_of};

use coldframe_handler::wire::{
    CrashRequest, FixedRecord, HelperFailure, RECORD_MAGIC, RECORD_MAPS_SIZE, RECORD_STACK_SIZE, SUPERVISOR_SIZE,
    VERSION,
};
use thiserror::Error;

pub use file::{RecordFile, RecordFileError};

use super::request::{OtherVersion, Request};

/// What a record tells.
#[derive(Clone, Debug)]
pub struct Record {
    /// Why no helper ran; `None` is a reason that this version does not know.
    pub failure: Option<HelperFailure>,
    /// The errno value, exit status or signal that belongs to it.
    pub failure_detail: i32,
    /// The crash.
    pub request: Request,
    /// Name of the socket of the `coldframe run` that the process belonged to; empty for none.
    pub supervisor: String,
    /// Address of the first byte of `stack`: the crashed thread's stack pointer.
    pub stack_address: u64,
    /// The crashed thread's stack, upwards from there, 16 KiB at most.
    pub stack: Vec<u8>,
    /// The beginning of /proc/PID/maps, 64 KiB at most.
    pub maps: Vec<u8>,
}

/// Why a file is not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It does not begin as a record does.
    #[error("it is no crash record")]
    NotARecord,
    /// It was written by another version.
    #[error("the crash record has version {version} and {size} bytes, this coldframe reads version {VERSION} with {} bytes; \
             take the coldframe that was installed there", size_of::<FixedRecord>())]
    BadVersion {
        /// Its version.
        version: u32,
        /// The size it states.
        size: u32,
    },
    /// The file ends early: the disk was full, or a file size limit was reached.
    #[error("the crash record is cut short at {size} bytes of {}; copy it again; if it was written so, the disk was full", size_of::<FixedRecord>())]
    CutShort {
        /// The file's size.
        size: usize,
    },
    /// The request in it cannot be used.
    #[error("the crash record holds no crash: {0}")]
    Request(#[from] OtherVersion),
}

/// Whether a file that begins with these bytes is a record.
#[must_use]
pub fn is_record(bytes: &[u8]) -> bool {
    bytes.starts_with(&RECORD_MAGIC.to_le_bytes())
}

impl Record {
    /// Reads the content of a `.rec` file.
    ///
    /// # Errors
    /// See [`RecordError`]. Lengths inside the file are bounded by what their fields can hold.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if !is_record(bytes) {
            return Err(RecordError::NotARecord);
        }
        let cut_short = RecordError::CutShort { size: bytes.len() };
        let int = |offset: usize| {
            bytes
                .get(offset..)
                .and_then(<[u8]>::first_chunk)
                .map(|word| u32::from_le_bytes(*word))
        };
        let (Some(version), Some(size)) = (
            int(offset_of!(FixedRecord, version)),
            int(offset_of!(FixedRecord, size)),
        ) else {
            return Err(cut_short);
        };
        if version != VERSION || size as usize != size_of::<FixedRecord>() {
            return Err(RecordError::BadVersion { version, size });
        }
        if bytes.len() < size_of::<FixedRecord>() {
            return Err(cut_short);
        }
        let part = |offset: usize, size: usize| &bytes[offset..offset + size];
        let number = |offset: usize| int(offset).unwrap_or(0);
        let length = |offset: usize, most: usize| (number(offset) as usize).min(most);
        let request = part(offset_of!(FixedRecord, request), size_of::<CrashRequest>());
        let stack_address = offset_of!(FixedRecord, stack_address);
        Ok(Self {
            failure: HelperFailure::from_number(number(offset_of!(FixedRecord, failure))),
            failure_detail: number(offset_of!(FixedRecord, failure_detail)) as i32,
            request: Request::from_bytes(request).ok_or(RecordError::NotARecord)??,
            supervisor: text(part(offset_of!(FixedRecord, supervisor), SUPERVISOR_SIZE)),
            stack_address: u64::from(number(stack_address)) | (u64::from(number(stack_address + 4)) << 32),
            stack: part(
                offset_of!(FixedRecord, stack),
                length(offset_of!(FixedRecord, stack_size), RECORD_STACK_SIZE),
            )
            .to_vec(),
            maps: part(
                offset_of!(FixedRecord, maps),
                length(offset_of!(FixedRecord, maps_size), RECORD_MAPS_SIZE),
            )
            .to_vec(),
        })
    }
}

/// What stands before the first zero.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_files_are_errors() {
        assert!(matches!(Record::parse(b""), Err(RecordError::NotARecord)));
        let mut bytes = vec![0; size_of::<FixedRecord>()];
        bytes[..8].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
        assert!(matches!(
            Record::parse(&bytes),
            Err(RecordError::BadVersion { version: 0, .. })
        ));
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(size_of::<FixedRecord>() as u32).to_le_bytes());
        assert!(
            matches!(Record::parse(&bytes), Err(RecordError::NotARecord)),
            "no request inside"
        );
        assert!(matches!(
            Record::parse(&bytes[..5000]),
            Err(RecordError::CutShort { size: 5000 })
        ));
    }
}
