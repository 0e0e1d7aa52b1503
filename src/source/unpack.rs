//! Compressed files and pipes as files that can be mapped.
//!
//! The bytes go through a decoder into a file without a name, which is gone when it is closed, however
//! that happens. Zero pages are skipped: most of a large core is zero, and takes no space.
//!
//! Invariant: memory is bounded by the decoders' windows, disk by a limit and by what the disk has left.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};

/// How much is unpacked at most unless the caller says otherwise.
pub const DEFAULT_LIMIT: u64 = 64 << 30;
/// How much is left free on the disk.
const RESERVE: u64 = 256 << 20;
/// How often that is looked at, in bytes written.
const CHECK_EVERY: u64 = 64 << 20;
/// Bytes per step.
const STEP: usize = 1 << 20;
const PAGE: usize = 4096;
/// The largest dictionary of xz, in KiB: that of `xz -9` is 64 MiB. zstd's limit is that of its own
/// command line, 128 MiB.
const XZ_LIMIT_KIB: u32 = 300 << 10;

/// A kind of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz format.
    Xz,
    /// The LZ4 frame format.
    Lz4,
}

impl Packing {
    /// By the first bytes.
    pub fn detect(start: &[u8]) -> Option<Packing> {
        Some(match start {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            // A frame, or one to be skipped before the first (pzstd writes these).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [0x04, 0x22, 0x4d, 0x18, ..] => Packing::Lz4,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
            Packing::Xz => "xz",
            Packing::Lz4 => "lz4",
        }
    }
}

/// Why nothing could be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// There is no place for a temporary file.
    #[error("a temporary file in {folder} cannot be written; set TMPDIR to a folder with room for the core")]
    NoRoom {
        /// Where it was to be.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Not a single byte came out.
    #[error("{path}: the {packing} data is damaged from its beginning; copy the file again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Name of the compression.
        packing: &'static str,
        /// What is wrong.
        source: io::Error,
    },
}

/// What came out.
#[derive(Debug)]
pub struct Unpacked {
    /// The bytes, in a file without a name.
    pub file: File,
    /// Why it is not all, if it is not.
    pub cut: Option<String>,
}

/// Reads `source` to its end, or up to `limit` bytes unpacked. `path` is for messages.
///
/// # Errors
/// Where no temporary file can be made, or the first bytes make no sense already.
pub fn unpack(
    path: &Path,
    source: &mut dyn Read,
    packing: Option<Packing>,
    limit: u64,
) -> Result<Unpacked, UnpackError> {
    let folder = temporary_folder();
    let no_room = |source| UnpackError::NoRoom {
        folder: folder.clone(),
        source,
    };
    let file = tempfile::tempfile_in(&folder).map_err(no_room)?;
    let source = Source(BufReader::with_capacity(STEP, source));
    let mut reader: Box<dyn Read + '_> = match packing {
        None => Box::new(source),
        Some(Packing::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Some(Packing::Xz) => Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, XZ_LIMIT_KIB)),
        Some(Packing::Lz4) => Box::new(Lz4(Lz4Decoder::new(source))),
        Some(Packing::Zstd) => Box::new(Zstd {
            source,
            decoder: ZstdDecoder::new(),
            is_begun: false,
        }),
    };
    let mut sink = Sink {
        file: &file,
        folder: &folder,
        written: 0,
        check_at: 0,
    };
    let mut buffer = vec![0; STEP];
    let mut len = 0u64;
    let cut = loop {
        let room = usize::try_from(limit - len).unwrap_or(usize::MAX).min(STEP);
        let (filled, error) = fill(&mut reader, buffer.get_mut(..room).unwrap_or_default());
        if let Err(error) = sink.write(buffer.get(..filled).unwrap_or_default(), len) {
            break Some(format!(
                "there is no room for more than {len} bytes in {}: {error}",
                folder.display()
            ));
        }
        len += filled as u64;
        match (error, packing) {
            (Some(source), Some(packing)) if len == 0 => {
                return Err(UnpackError::Damaged {
                    path: path.to_path_buf(),
                    packing: packing.name(),
                    source,
                });
            }
            (Some(error), Some(packing)) => {
                break Some(format!(
                    "the {} data is cut short or damaged after {len} bytes: {error}",
                    packing.name()
                ));
            }
            (Some(error), None) => break Some(format!("reading failed after {len} bytes: {error}")),
            (None, _) if filled < room => break None,
            (None, _) if len == limit => {
                let more = matches!(fill(&mut reader, &mut [0]), (1, _));
                break more.then(|| format!("it has more than the {limit} bytes that are unpacked (--max-core-size)"));
            }
            (None, _) => {}
        }
    };
    file.set_len(len).map_err(no_room)?;
    Ok(Unpacked { file, cut })
}

/// Where large temporary files belong (file-hierarchy(7)); /tmp is often in memory.
fn temporary_folder() -> PathBuf {
    let named = std::env::var_os("TMPDIR").filter(|value| !value.is_empty());
    let folder = named.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    if folder.is_dir() { folder } else { std::env::temp_dir() }
}

/// Reads until the buffer is full, the end, or an error; what was read before the error counts.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

/// Writes what is not zero.
struct Sink<'a> {
    file: &'a File,
    folder: &'a Path,
    written: u64,
    check_at: u64,
}

impl Sink<'_> {
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut run = 0..0;
        for (index, page) in bytes.chunks(PAGE).enumerate() {
            let start = index * PAGE;
            if page.iter().any(|byte| *byte != 0) {
                if run.end != start {
                    self.flush(bytes, run, at)?;
                    run = start..start;
                }
                run.end = start + page.len();
            }
        }
        self.flush(bytes, run, at)
    }

    fn flush(&mut self, bytes: &[u8], run: std::ops::Range<usize>, at: u64) -> io::Result<()> {
        let start = run.start as u64;
        let Some(bytes) = bytes.get(run).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        if self.written >= self.check_at {
            let disk = nix::sys::statvfs::statvfs(self.folder)?;
            let free = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size());
            if free < RESERVE {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.check_at = self.written + CHECK_EVERY;
        }
        self.written += bytes.len() as u64;
        self.file.write_all_at(bytes, at + start)
    }
}

/// A reader that gives less than was asked for only at the end: some decoders take a short read of a
/// pipe for one (lz4_flex 0.14, `read_frame_info`).
struct Source<'a>(BufReader<&'a mut dyn Read>);

impl Source<'_> {
    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.0.fill_buf()?.is_empty())
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match fill(&mut self.0, buf) {
            (0, Some(error)) => Err(error),
            (count, _) => Ok(count),
        }
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }
    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// All frames of an lz4 file; the decoder stops after each.
struct Lz4<'a>(Lz4Decoder<Source<'a>>);

impl Read for Lz4<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(buf)?;
            if count > 0 || buf.is_empty() || self.0.get_mut().is_at_end()? {
                return Ok(count);
            }
        }
    }
}

/// All frames of a zstd file; the decoder knows one.
struct Zstd<'a> {
    source: Source<'a>,
    decoder: ZstdDecoder,
    is_begun: bool,
}

impl Zstd<'_> {
    /// Begins the next frame; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.is_at_end()? {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.is_begun = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !buf.is_empty() {
            if !self.is_begun || self.decoder.is_finished() {
                if !self.next_frame()? {
                    return Ok(0);
                }
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
        self.decoder.read(buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn contents(unpacked: &Unpacked) -> Vec<u8> {
        let mut bytes = vec![0; unpacked.file.metadata().unwrap().len() as usize];
        unpacked.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn zero_pages_take_no_space_and_members_are_joined() {
        let mut bytes = vec![0u8; 40 << 20];
        bytes[5 << 20] = 7;
        let last = bytes.len() - 1;
        bytes[last] = 9;
        let packed = [gzip(&bytes[..1000]), gzip(&bytes[1000..])].concat();
        let unpacked = unpack(Path::new("x"), &mut packed.as_slice(), Some(Packing::Gzip), u64::MAX).unwrap();
        assert_eq!(unpacked.cut, None);
        assert!(contents(&unpacked) == bytes);
        use std::os::unix::fs::MetadataExt;
        assert!(unpacked.file.metadata().unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_limit_and_a_cut_are_said() {
        // What does not pack, so that most of it is before the cut.
        let mut seed = 1u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(100_000)
        .collect();
        let packed = gzip(&bytes);
        let unpacked = |len: usize, limit| unpack(Path::new("x"), &mut &packed[..len], Some(Packing::Gzip), limit);
        let limited = unpacked(packed.len(), 4096).unwrap();
        assert!(limited.cut.as_ref().unwrap().contains("--max-core-size"));
        assert_eq!(contents(&limited), bytes[..4096]);
        assert_eq!(unpacked(packed.len(), 100_000).unwrap().cut, None);
        let short = unpacked(packed.len() / 2, u64::MAX).unwrap();
        assert!(short.cut.is_some());
        let there = contents(&short);
        assert!(!there.is_empty() && bytes.starts_with(&there));
        let nothing = unpacked(12, u64::MAX);
        assert!(nothing.is_err() || contents(&nothing.unwrap()).is_empty());
    }
}
